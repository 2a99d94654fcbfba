"""One transform for each share of some images, as fast as a device can."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import torch
from torch import Tensor

from datastill.augment.transforms import Drawn, Transform
from datastill.base.rng import moved


def apply_each(transforms: Sequence[Transform], images: Tensor, counts: Sequence[int]) -> Tensor:
    """Apply to each share of images a transform of its own.

    On a CPU one share after another, which stays in its caches; elsewhere kind by kind, which
    takes a few kernels for all shares in place of a few for each. The result is the same.

    Args:
        transforms: one for each share.
        images: ``(N, C, H, W)``, one share after another.
        counts: images of each share; ``N = sum(counts)``.
    """
    if images.device.type != "cpu" and len(images):
        return kind_by_kind(transforms, images, counts)
    shares = zip(transforms, images.split(list(counts)), strict=True)
    return torch.cat([transform(share) if len(share) else share for transform, share in shares])


def kind_by_kind(transforms: Sequence[Transform], images: Tensor, counts: Sequence[int]) -> Tensor:
    """Do what ``apply_each`` does, for all transforms of one kind in one go."""
    kinds: dict[Hashable, list[int]] = {}
    for k, transform in enumerate(transforms):
        if counts[k]:
            alike = transform.change if isinstance(transform, Drawn) else k
            kinds.setdefault(alike, []).append(k)
    rows = torch.arange(len(images)).split(list(counts))
    order = torch.cat([rows[k] for group in kinds.values() for k in group])
    sizes = [sum(counts[k] for k in group) for group in kinds.values()]
    by_kind = images.index_select(0, moved(order, images.device)).split(sizes)
    changed = [
        _join([transforms[k] for k in group], [counts[k] for k in group], part.shape[-2:])(part)
        for group, part in zip(kinds.values(), by_kind, strict=True)
    ]
    return torch.cat(changed).index_select(0, moved(order.argsort(), images.device))


def _join(
    transforms: Sequence[Transform], counts: Sequence[int], sides: Sequence[int]
) -> Transform:
    # Draws of one kind as one draw, with a value for each image.
    draws = [transform for transform in transforms if isinstance(transform, Drawn)]
    if not draws:
        return transforms[0]
    each = [
        tuple(value.expand(count, *value.shape[1:]) for value in draw.values(sides))
        for draw, count in zip(draws, counts, strict=True)
    ]
    joined = tuple(torch.cat(values) for values in zip(*each, strict=True))
    return Drawn(draws[0].change, lambda _: joined)
