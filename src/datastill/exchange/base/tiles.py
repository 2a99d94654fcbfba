"""Several pictures in one image, as IDC, IDM and others keep them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from datastill.data import Domain

GREY = 0.5
"""What fills up an image whose sides the factor does not divide."""


def take_apart(images: Tensor, factor: int, domain: Domain | None = None) -> Tensor:
    """Cut each image into ``factor`` x ``factor`` and enlarge each part to the size of the whole.

    Args:
        images: ``(N, C, H, W)`` pixels; or normalised images.
        factor: parts along a side; where it does not divide one, grey is added at its end.
        domain: of normalised images: tells what grey is.

    Returns:
        ``(N * factor ** 2, C, H, W)``: the parts of the first image in reading order, then those
        of the second.

    Reference:
        Kim et al., Dataset Condensation via Efficient Synthetic-Data Parameterization, ICML 2022.
    """
    count, channels, *sides = images.shape
    high, wide = (-(-side // factor) for side in sides)
    grey = torch.full((1, channels, 1, 1), GREY)
    filled = (grey if domain is None else domain.normalise(grey)).to(images)
    filled = filled.repeat(count, 1, high * factor, wide * factor)
    filled[:, :, : sides[0], : sides[1]] = images
    parts = filled.reshape(count, channels, factor, high, factor, wide)
    parts = parts.permute(0, 2, 4, 1, 3, 5).reshape(-1, channels, high, wide)
    return F.interpolate(parts, size=tuple(sides), mode="bilinear", align_corners=False)
