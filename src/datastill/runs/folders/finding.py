"""Sets by their paths, and where results are written beside them."""

from __future__ import annotations

from pathlib import Path

from datastill.base.errors import InputError
from datastill.report.commands import typed
from datastill.store import SET_FILE, copy_set, fingerprint, load, require_writable


def set_file(path: Path) -> Path:
    """Return the file of a set by a path to it or to its folder.

    Raises:
        InputError: for a file of another kind, as other projects have them.
    """
    if path.suffix != ".safetensors" and path.is_file():
        told, where = f"{path} is no set of datastill's own", "where it is another project's"
        raise InputError(
            f"{told}: `import_set` makes one of it, {where}",
            typed=f"{told}: {typed('import', path)} makes one of it, {where}",
        )
    return path / SET_FILE if path.suffix != ".safetensors" else path


def results_at(file: Path, out: Path) -> Path:
    """Return the file of a set beside which results are written: itself, or a copy in a folder.

    Args:
        file: of the set.
        out: folder for results: the set's own, or one that gets a copy of the set (``brought``),
            unless it holds that already.

    Raises:
        InputError: when the folder cannot be written to, or holds another set.
    """
    if out.resolve() == file.parent.resolve():
        try:
            require_writable(file.parent)
        except InputError as error:
            raise InputError(f"{error}; `folder=FOLDER` takes the results") from None
        return file
    copy = out / SET_FILE
    if copy.exists() and fingerprint(load(copy)) != fingerprint(load(file)):
        raise InputError(f"{out} holds another set; take another `folder`")
    require_writable(out)
    return copy


def brought(file: Path, place: Path) -> None:
    """Copy a set to where results are written beside it, unless it is there."""
    if not place.exists():
        copy_set(file, place.parent)
