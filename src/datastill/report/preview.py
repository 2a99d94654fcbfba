"""A picture of a set: one row for each class."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

from datastill.base.errors import of_kind, whole
from datastill.data import ImageSet, as_kept, require_given
from datastill.report.lettering import label
from datastill.store import put_file

INK, PAPER = (30, 30, 30), (255, 255, 255)
GAP = 2

WIDEST = 200
"""Pixels of a name; a longer one loses its middle."""
ROWS = 100
"""Classes that are drawn; of more, these many, spread evenly."""


def show(data: ImageSet, *, most: int = 10) -> Image.Image:
    """Return a picture of a set, which a notebook shows: up to ``most`` images of every class."""
    of_kind(ImageSet, "an ImageSet", data=data)
    whole(most=most)
    require_given(data, "the set")
    return preview(data, most=most)


def drawn_classes(count: int, most: int) -> range:
    """Return which of so many classes are drawn, spread evenly.

    >>> list(drawn_classes(5, 10)), list(drawn_classes(25, 10))
    ([0, 1, 2, 3, 4], [0, 3, 6, 9, 12, 15, 18, 21, 24])
    """
    return range(0, count, -(-count // most))


def preview(data: ImageSet, *, most: int = 10, side: int = 56, classes: int = ROWS) -> Image.Image:
    """Draw up to ``most`` images of every class, or of some classes, beside its name.

    Images are de-normalised and clamped to ``[0, 1]``: the picture shows what can be seen of
    them, the set keeps the rest. Of images that hold several smaller ones these are drawn as they
    are kept, so that all can be seen.

    Args:
        data: the set.
        most: images of a class to show.
        side: pixels that the longer side of an image is blown up to, if it is smaller.
        classes: of more than so many, these many are drawn, spread evenly.
    """
    data = as_kept(data)
    scale = max(1, side // max(data.domain.shape[1:]))
    height, width = (n * scale for n in data.domain.shape[1:])
    columns = min(most, max(data.counts))
    every = list(enumerate(zip(data.domain.classes, data.rows_by_class, strict=True)))
    drawn = [every[k] for k in drawn_classes(len(every), classes)]
    size = max(11, min(16, height // 2))
    labels = [label(name, k, size=size, width=WIDEST) for k, (name, _) in drawn]
    margin = 12 + max(int(font.getlength(text)) for text, font in labels)
    picture = Image.new(
        "RGB",
        (margin + columns * (width + GAP) + GAP, len(drawn) * (height + GAP) + GAP),
        PAPER,
    )
    draw = ImageDraw.Draw(picture)
    for place, ((_, (_, rows)), (text, font)) in enumerate(zip(drawn, labels, strict=True)):
        top = GAP + place * (height + GAP)
        draw.text((margin - 8, top + height // 2), text, INK, font, anchor="rm")
        for i, row in enumerate(rows[:most].tolist()):
            tile = _tile(data, row).resize((width, height), Image.Resampling.NEAREST)
            picture.paste(tile, (margin + GAP + i * (width + GAP), top))
    return picture


def write_preview(data: ImageSet, path: Path) -> None:
    """Write the picture of a set as a PNG."""
    write_picture(preview(data), path)


def write_picture(picture: Image.Image, path: Path) -> None:
    """Write a picture as a PNG, all of it or nothing."""
    content = io.BytesIO()
    picture.save(content, format="PNG")
    put_file(path, content.getvalue())


def grid(data: ImageSet, *, scale: int = 1) -> Image.Image:
    """Draw every image and nothing else: a row for each class, edge to edge."""
    height, width = (n * scale for n in data.domain.shape[1:])
    rows = [rows.tolist() for rows in data.rows_by_class if len(rows)]
    picture = Image.new("RGB", (max(map(len, rows)) * width, len(rows) * height), PAPER)
    for i, row in enumerate(rows):
        for j, image in enumerate(row):
            tile = _tile(data, image).resize((width, height), Image.Resampling.NEAREST)
            picture.paste(tile, (j * width, i * height))
    return picture


def beside(pictures: Sequence[Image.Image]) -> Image.Image:
    """Put pictures side by side."""
    gap = 8 * GAP
    size = (sum(p.width + gap for p in pictures) - gap, max(p.height for p in pictures))
    whole, left = Image.new("RGB", size, PAPER), 0
    for picture in pictures:
        whole.paste(picture, (left, 0))
        left += picture.width + gap
    return whole


def _tile(data: ImageSet, row: int) -> Image.Image:
    pixels = data.domain.pixels(data.images[row]).clamp(0, 1)
    if len(pixels) != 3:  # grey, or channels that are no colours: their mean
        pixels = pixels.mean(0, keepdim=True).expand(3, -1, -1)
    array = (pixels * 255).round().to(torch.uint8).movedim(0, -1).cpu().numpy()
    return Image.fromarray(np.ascontiguousarray(array))
