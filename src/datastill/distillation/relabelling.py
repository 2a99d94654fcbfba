"""Soft labels: what original models say of the images of a set."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from datastill.base.errors import InputError, of_kind, positive, whole
from datastill.base.usual import as_usual
from datastill.data import Domain, ImageSet, require_given
from datastill.data.labels import hardened
from datastill.identity import described
from datastill.training.pool import Pool, require_members
from datastill.training.seeing import teacher


@as_usual
@torch.no_grad()
def soft_labels(
    images: Tensor, domain: Domain, pool: Pool, *, temperature: float = 1.0, batch: int = 256
) -> Tensor:
    r"""Average over a pool how its models share out each image among the classes.

    :math:`p = \frac{1}{|F|} \sum_{f \in F} softmax(f(x) / T)`.

    Args:
        images: ``(N, C, H, W)`` float32, normalised as ``domain`` says.
        domain: of the images; models trained under another normalisation see them re-normalised.
        pool: original models.
        temperature: above 0; the higher, the softer.
        batch: images at a time.

    Returns:
        ``(N, K)``, on the device of the images; rows sum to 1.

    Raises:
        InputError: for an empty pool, a model of another shape or other classes, or images that
            are none of the domain, or not float32.
    """
    of_kind(Domain, "the domain of a set (`data.domain`)", domain=domain)
    _require_images(images, domain)
    require_members(pool=pool)
    if temperature is None:  # pyright: ignore[reportUnnecessaryComparison]
        raise InputError("`temperature` must be above zero, found None")
    positive(temperature=temperature)
    whole(batch=batch)
    temperature, batch = float(temperature), int(batch)
    if not pool:
        raise InputError("soft labels need at least one original model")
    teachers = [teacher(member, domain) for member in pool]
    shares = [
        torch.stack([(f(part) / temperature).softmax(1) for f in teachers]).mean(0)
        for part in images.split(batch)
    ]
    return torch.cat(shares)


def _require_images(images: Any, domain: Domain) -> None:
    of_kind(Tensor, "a tensor", images=images)
    if tuple(images.shape[1:]) != domain.shape or not len(images):
        raise InputError(f"`images` of shape {tuple(images.shape)} are none of {domain.shape}")
    if images.dtype != torch.float32:
        found = str(images.dtype).removeprefix("torch.")
        raise InputError(f"`images` must be float32, normalised, found {found}")


def relabelled(data: ImageSet, pool: Pool, *, temperature: float = 1.0) -> ImageSet:
    """Give a set soft labels; its facts keep the hard ones, see ``labels.hardened``."""
    of_kind(ImageSet, "an ImageSet", data=data)
    require_given(data, "the set")
    labels = soft_labels(data.images, data.domain, pool, temperature=temperature)
    facts = {
        "temperature": float(temperature),
        "teachers": len(pool),
        "architectures": sorted({member.architecture for member in pool}),
        "originals": described(pool),
        "hard_labels": hardened(data).labels.tolist(),
    }
    before = {name: value for name, value in data.facts.items() if name != "validated"}
    return replace(data, labels=labels, facts={**before, "relabelled": facts})
