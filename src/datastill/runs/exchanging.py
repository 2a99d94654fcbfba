"""Where sets go that are for other programs; those of other projects as runs of our own."""

from __future__ import annotations

from pathlib import Path

from datastill.base.errors import InputError
from datastill.data import ImageSet
from datastill.exchange import FORMATS, Claim, Reading, import_set
from datastill.report.preview import write_preview
from datastill.store import SET_FILE, locked, open_run, save, settle


def destination(data: ImageSet, to: str, out: Path | None = None) -> Path:
    """Return where a set is written for other programs.

    Args:
        data: the set.
        to: name of the format.
        out: file or folder. Default: a name made of dataset, method and ipc, here.

    Raises:
        InputError: for a format that cannot be written, or does not say how its files are called.
    """
    if to not in FORMATS or FORMATS[to].write is None:
        able = ", ".join(name for name in FORMATS.names if FORMATS[name].write)
        raise InputError(f"`to` takes {able} or one's own package.module:format, found {to}")
    name = FORMATS[to].name
    if out is None and name is None:
        raise InputError(f"{to} does not say how its files are called; pass `out`")
    return out or Path(name(data) if name else "")


def bring(
    path: Path,
    out: Path,
    claim: Claim,
    *,
    format: str | None = None,
    reading: Reading | None = None,
    overwrite: bool = False,
) -> tuple[ImageSet, tuple[str, ...]]:
    """Make a set of another project a run of our own, see ``import_set``.

    Args:
        path: file or folder.
        out: folder for the set.
        claim: what a person says about it.
        format: its name; by default as the path's name tells.
        reading: what the format does not say itself.
        overwrite: whether to replace the set that is there.

    Returns:
        The set, and what was guessed, in words.

    Raises:
        InputError: see there; when a set is there already.
    """
    data, remarks = import_set(path, claim, format=format, reading=reading)
    with locked(out):
        settings = {"import": data.facts["imported"]}
        place = open_run(out, settings, overwrite=overwrite, resumable=False).path
        write_preview(data, place / "preview.png")
        save(data, place / SET_FILE)
        settle(place)
    return data, remarks
