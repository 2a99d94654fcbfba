"""Archives that lie there unopened, and how to open them."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path

UNZIP, UNTAR = "unzip {file} -d {folder}", "tar -xf {file} -C {folder}"
OPENING = {
    ".zip": UNZIP,
    **dict.fromkeys((".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz"), UNTAR),
    **dict.fromkeys((".7z", ".rar"), "7z x {file} -o{folder}"),
    **dict.fromkeys(
        (*(".csv.gz", ".npy.gz", ".npz.gz", ".pkl.gz"), ".pt.gz", ".pth.gz", ".mat.gz"),
        "gunzip -k {file}",
    ),
}
"""What opens an archive, by its ending."""


def opening(file: Path) -> str | None:
    """Return the command that unpacks an archive into the folder it lies in; None if it is none.

    >>> opening(Path("data/pets.tar.gz"))
    'tar -xf data/pets.tar.gz -C data'
    """
    name = file.name.casefold()
    command = next((OPENING[end] for end in OPENING if name.endswith(end)), None)
    if command is None:
        return None
    file_text, folder = shlex.quote(str(file)), shlex.quote(str(file.parent))
    return command.format(file=file_text, folder=folder)


def unopened(folders: Iterable[Path]) -> str:
    """Return words about archives that lie in folders, to follow what is missing; or nothing."""
    for folder in folders:
        try:
            files = sorted(folder.iterdir()) if folder.is_dir() else []
        except OSError:
            continue
        found = [file for file in files if opening(file) and file.is_file()]
        if found:
            more = f" (and {len(found) - 1} more)" if found[1:] else ""
            return f"; {found[0]}{more} lies there packed: first type {opening(found[0])}"
    return ""
