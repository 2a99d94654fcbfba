"""The layout of IDC and of what followed it: a list of two, pixels, several images in one."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

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


def read(path: Path, options: Reading) -> Found:
    """Read ``data.pt``, whose images may hold several.

    They are pixels, but the same list is used for normalised images too: what is far outside of
    0 to 1 is left to its statistics.

    Raises:
        InputError: when the file holds no images and labels.
    """
    file = path / "data.pt" if path.is_dir() else path
    held = saved(file, options.experiment).held
    factor, space, told = factor_named(file), _space(file), held.remarks
    if space == "pixels" and are_no_pixels(held.images):
        space, told = None, (*told, "its numbers are not those of pixels, as IDC's are")
    facts = {"method": method_named(file) or "IDC", "protocol": "dsa"}
    return replace(held.found(facts), space=space, factor=factor, mosaics=True, remarks=told)


def _space(file: Path) -> Space:
    return "whitened" if says_whitened(file) else "pixels"


FORMATS.register("idc")(
    Format(
        about="data.pt (IDC, DREAM, NCFM): pixels, perhaps several pictures in one image",
        recognises=lambda path: (
            re.fullmatch(r"data(_?best|_?\d+)?\.pt", path.name) is not None
            or (path / "data.pt").is_file()
        ),
        read=read,
    )
)
