"""CLOM: guidance from original models, that is, models that were trained on real images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch.nn.functional as F
from torch import Tensor

from datastill.data import Domain
from datastill.errors import InputError
from datastill.pool import Pool, Teacher, by_architecture, teacher
from datastill.rng import Key


class Regulariser(Protocol):
    """A scalar added to a method's loss."""

    def __call__(self, images: Tensor, labels: Tensor, *, key: Key) -> Tensor:
        """Return the weighted scalar for ``(M, C, H, W)`` images and their ``(M,)`` labels."""
        ...


@dataclass(frozen=True, eq=False)
class Group:
    """Teachers that are drawn from together, and the weight of what they say."""

    teachers: Sequence[Teacher]
    alpha: float


@dataclass(frozen=True, eq=False)
class CrossEntropyClom:
    r"""Classification loss of the synthetic images under an original model.

    Each call draws one group (an architecture) and then one of its teachers :math:`f`, both
    uniformly, and returns :math:`\alpha \cdot \frac{1}{M} \sum_i CE(f(s_i), y_i)`, over the
    whole set, un-augmented. Only the images receive a gradient.

    Reference:
        Which Assessment Should be Prioritized in Dataset Distillation?, 2023.
    """

    groups: Sequence[Group]

    def __call__(self, images: Tensor, labels: Tensor, *, key: Key) -> Tensor:
        """Return the weighted loss under one teacher, drawn with ``key``."""
        group = self.groups[key.at("group").integer(len(self.groups))]
        chosen = group.teachers[key.at("teacher").integer(len(group.teachers))]
        return group.alpha * F.cross_entropy(chosen(images), labels)


def cross_entropy_clom(
    pool: Pool, alphas: float | Sequence[float], domain: Domain
) -> CrossEntropyClom:
    """Guide the distillation of images of a domain by a pool.

    Args:
        pool: original models, of one or several architectures.
        alphas: one weight for all architectures, or one for each in order of appearance.
        domain: of the synthetic images; members trained under another normalisation see them
            re-normalised.

    Raises:
        InputError: for an empty pool, another number of alphas, or a member of another kind.
    """
    groups = by_architecture(pool)
    if not groups:
        raise InputError("CLOM needs a pool of at least one original model")
    weights = pair_alphas([alphas] if isinstance(alphas, int | float) else alphas, list(groups))
    teachers = {
        name: [teacher(member, domain) for member in members] for name, members in groups.items()
    }
    return CrossEntropyClom([Group(teachers[name], weights[name]) for name in groups])


def pair_alphas(alphas: Sequence[float], architectures: Sequence[str]) -> dict[str, float]:
    """Give every architecture its alpha.

    Raises:
        InputError: unless there is one alpha, or one for each architecture.

    >>> pair_alphas([1000, 2000], ["ConvNet", "VGG11"])
    {'ConvNet': 1000, 'VGG11': 2000}
    """
    if len(alphas) == 1:
        return dict.fromkeys(architectures, alphas[0])
    if len(alphas) != len(architectures):
        raise InputError(
            f"{len(alphas)} alphas for {len(architectures)} architectures "
            f"({', '.join(architectures)}); give one, or one for each"
        )
    return dict(zip(architectures, alphas, strict=True))
