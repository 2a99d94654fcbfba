"""The layout of IDC and of what followed it: a list of two, pixels, several images in one."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from datastill.base.errors import InputError
from datastill.exchange.base import (
    FORMATS,
    Format,
    Found,
    Reading,
    Space,
    are_no_pixels,
    factor_named,
    method_named,
    saved,
    says_whitened,
)

NUMBERED = re.compile(r"data_\d+\.pt")
RUN = "distilled_data"
"""The folder of snapshots in a run of NCFM."""


def read(path: Path, options: Reading) -> Found:
    """Read ``data.pt``, whose images may hold several.

    They are pixels, but the same list is used for normalised images too: what is far outside of
    0 to 1 is left to its statistics.

    Raises:
        InputError: when the file holds no images and labels.
    """
    file, others = (_last(path), len(sets_in_run(path))) if path.is_dir() else (path, 0)
    held = saved(file, options.experiment).held
    factor, space, told = factor_named(file), _space(file), held.remarks
    if others > 1 and NUMBERED.fullmatch(file.name):
        told = (f"of {others} snapshots the last was taken, {file.name}: name another", *told)
    if space == "pixels" and are_no_pixels(held.images):
        space, told = None, (*told, "its numbers are not those of pixels, as IDC's are")
    usual = "NCFM" if file.absolute().parent.name == RUN else "IDC"
    facts = {"method": method_named(file) or usual, "protocol": "dsa"}
    return replace(held.found(facts), space=space, factor=factor, mosaics=True, remarks=told)


def sets_in_run(folder: Path) -> list[Path]:
    """Return the files of sets in a folder, or in that of a run of NCFM; snapshots in order."""
    for place in (folder, folder / RUN):
        files = [place / "data.pt", place / "data_best.pt"]
        numbered = [file for file in place.glob("data_*.pt") if NUMBERED.fullmatch(file.name)]
        files += sorted(numbered, key=lambda file: int(file.stem.rpartition("_")[2]))
        found = [file for file in files if file.is_file()]
        if found:
            return found
    return []


def _last(folder: Path) -> Path:
    files = sets_in_run(folder)
    if not files:
        raise InputError(f"{folder} holds no data.pt, nor snapshots such as data_20000.pt")
    return files[-1 if NUMBERED.fullmatch(files[0].name) else 0]


def _space(file: Path) -> Space:
    return "whitened" if says_whitened(file) else "pixels"


FORMATS.register("idc")(
    Format(
        about="data.pt (IDC, DREAM, NCFM): pixels, perhaps several pictures in one image",
        recognises=lambda path: (
            re.fullmatch(r"data(_?best|_?\d+)?\.pt", path.name) is not None
            or (path.is_dir() and bool(sets_in_run(path)))
        ),
        read=read,
    )
)
