"""The axes of images and labels as others have them, and those that they get."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from datastill.base.errors import InputError
from datastill.base.wording import counted
from datastill.exchange.base.contract import Found
from datastill.exchange.base.tensors import MOST_BYTES

CHANNELS = (1, 3)
LEAST = 8
"""Pixels along a side of images without an axis for channels."""


def in_a_row(found: Found) -> Found:
    """Return the same with images of several axes, such as classes and their images, in a row."""
    images, labels = found.images, found.labels
    count = images.shape[0] * images.shape[1] if images.ndim == 5 and labels.ndim else -1
    if count > 0 and labels.ndim == 1 and len(labels) == len(images) < count:
        labels = labels[:, None].expand(images.shape[:2])  # one of each class
    apart = count > 0 and labels.shape[:2] == images.shape[:2] and len(labels) != count
    if count < 0 or not (apart or len(labels) == count):
        return found
    told = "its images lie in two axes, as classes and images of each: they were put in a row"
    return replace(
        found,
        images=images.flatten(0, 1),
        labels=labels.flatten(0, 1) if apart else labels,
        remarks=(*found.remarks, told),
    )


def channels_first(found: Found) -> Found:
    """Return the same with an axis for channels, in front of height and width."""
    images, shape = found.images, found.images.shape
    if images.ndim == 3 and min(shape[1:]) >= LEAST:
        return replace(found, images=images[:, None])
    if images.ndim == 4 and shape[1] not in CHANNELS and shape[3] in CHANNELS:
        told = "channels were last, and are now first"
        moved = images.movedim(3, 1).contiguous()
        return replace(found, images=moved, remarks=(*found.remarks, told))
    return found


def require_shape(found: Found, path: Path) -> None:
    """Refuse what cannot be images with labels.

    Raises:
        InputError: saying what was found.
    """
    images, labels = found.images, found.labels
    if images.ndim != 4 or not images.numel():
        flat = "; reshape them before they are saved" if images.ndim == 2 else ""
        shape = tuple(images.shape)
        raise InputError(f"{path}: images of shape {shape}, not (N, C, H, W){flat}")
    if images.dtype != torch.uint8 and images.numel() * images.element_size() > MOST_BYTES:
        raise InputError(f"{path}: {images.nbytes:,} bytes of images; at most {MOST_BYTES:,} fit")
    if labels.ndim not in (1, 2) or len(labels) != len(images):
        raise InputError(
            f"{path}: {counted(len(images), 'image')}, but labels of shape {tuple(labels.shape)}; "
            "expected a class of each image, or a row of numbers for every class"
        )
    if images.dtype == torch.bool:
        raise InputError(f"{path}: images are truths, not numbers; save them as numbers")
    for tensor, what in ((images, "images"), (labels, "labels")):
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise InputError(f"{path}: {what} hold values that are not finite numbers")
