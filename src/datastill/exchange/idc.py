"""The layout of IDC and of what followed it: a list of two, pixels, several images in one."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import torch.nn.functional as F
from torch import Tensor

from datastill.errors import InputError
from datastill.exchange.base import FORMATS, Format, Found, Reading, load_torch, pair_of

GREY = 0.5
"""What IDC fills up with an image whose sides the factor does not divide."""


def read(path: Path, options: Reading) -> Found:
    """Read ``data.pt`` and take apart the images that hold several.

    Raises:
        InputError: when the file is no such list, or the factor makes no sense.
    """
    file = path / "data.pt" if path.is_dir() else path
    images, labels = pair_of(load_torch(file), file)
    named = re.search(r"factor(\d)", str(file.absolute()))
    factor = options.factor or (int(named[1]) if named else 1)
    facts = {"method": "IDC", "protocol": "dsa", "factor": factor}
    found = Found(images, labels, space="pixels", facts=facts)
    if images.ndim != 4 or len(images) != len(labels):
        return found  # what is wrong with it is said where every format is checked
    if factor == 1:
        told = "taken as one picture an image; --factor 2 takes apart those of four"
        return replace(found, remarks=() if options.factor else (told,))
    if not 1 < factor <= min(images.shape[2:]):
        raise InputError(f"{file}: images of {tuple(images.shape[2:])} do not hold {factor} a side")
    source = "as --factor says" if options.factor else "as the name of its folder says"
    several = f"each image was taken apart into {factor**2}, {source}"
    apart = take_apart(images.float(), factor)
    return replace(
        found, images=apart, labels=labels.repeat_interleave(factor**2, 0), remarks=(several,)
    )


def take_apart(images: Tensor, factor: int) -> Tensor:
    """Cut each image into ``factor`` x ``factor`` and enlarge each part to the size of the whole.

    Args:
        images: ``(N, C, H, W)`` pixels.
        factor: parts along a side; where it does not divide one, grey is added at its end.

    Returns:
        ``(N * factor ** 2, C, H, W)``: the parts of the first image in reading order, then those
        of the second.

    Reference:
        Kim et al., Dataset Condensation via Efficient Synthetic-Data Parameterization, ICML 2022.
    """
    count, channels, *sides = images.shape
    high, wide = (-(-side // factor) for side in sides)
    room = (0, wide * factor - sides[1], 0, high * factor - sides[0])
    filled = F.pad(images, room, value=GREY)
    parts = filled.reshape(count, channels, factor, high, factor, wide)
    parts = parts.permute(0, 2, 4, 1, 3, 5).reshape(-1, channels, high, wide)
    return F.interpolate(parts, size=tuple(sides), mode="bilinear", align_corners=False)


FORMATS.register("idc")(
    Format(
        about="data.pt (IDC, DREAM, NCFM): pixels, perhaps several pictures in one image",
        recognises=lambda path: (
            (path.suffix == ".pt" and path.name.startswith("data")) or (path / "data.pt").is_file()
        ),
        read=read,
    )
)
