"""CLOM: guidance from original models, that is, models that were trained on real images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from torch import Tensor

from datastill.base.errors import InputError, not_negative, of_kind, told, whole
from datastill.base.rng import Key, moved
from datastill.base.wording import counted
from datastill.compute.route import Route, require_route
from datastill.data import Domain, ImageSet, require_given
from datastill.data.losses import contrastive_loss
from datastill.distillation.papers import Paper
from datastill.training.pool import Member, Pool, by_architecture, require_members
from datastill.training.seeing import Seen, Teacher, encoder, teacher

EQUAL, ACCURACY = WEIGHTINGS = ("equal", "accuracy")
"""How original models share the weight of CLOM."""
PAPER = Paper(
    "lu2025clom",
    "Lu and others",
    "Dataset Distillation with Pre-trained Models: A Contrastive Approach",
    "Neurocomputing 2025",
    journal=True,
)


class Regulariser(Protocol):
    """A scalar added to a method's loss."""

    def __call__(self, images: Tensor, labels: Tensor, *, key: Key) -> Tensor:
        """Return the weighted scalar for images and their labels.

        Args:
            images: ``(M, C, H, W)``.
            labels: ``(M,)`` classes, or ``(M, K)`` shares of them where these are learned; the
                scalar may be differentiated in these.
            key: of what is drawn.
        """
        ...


@dataclass(frozen=True, eq=False)
class Group:
    """Teachers that are drawn from together, and the weight of what they say.

    Attributes:
        teachers: originals, as functions of images.
        alpha: weight of what any of them says.
        shares: of that weight, one for each teacher; none where all have all of it.
    """

    teachers: Sequence[Teacher]
    alpha: float
    shares: Sequence[float] = ()


def draw(groups: Sequence[Group], *, key: Key) -> tuple[Teacher, float]:
    """Draw a group, then one of its teachers, both uniformly; return it and its weight."""
    group = groups[key.at("group").integer(len(groups))]
    drawn = key.at("teacher").integer(len(group.teachers))
    share = group.shares[drawn] if group.shares else 1.0
    return group.teachers[drawn], group.alpha * share


@dataclass(frozen=True, eq=False)
class CrossEntropyClom:
    r"""Classification loss of the synthetic images under an original model.

    Each call draws one group (an architecture) and then one of its teachers :math:`f`, both
    uniformly, and returns :math:`\alpha \cdot \frac{1}{M} \sum_i CE(f(s_i), y_i)`, over the
    whole set, un-augmented. The images receive a gradient, and labels that are learned.

    Reference:
        Which Assessment Should be Prioritized in Dataset Distillation?, 2023.
    """

    groups: Sequence[Group]

    def tracking(self, images: int | None) -> CrossEntropyClom:
        """Return the same that keeps the way of so many images at once, see ``Route.tracked``."""
        return replace(self, groups=_tracking(self.groups, images))

    def __call__(self, images: Tensor, labels: Tensor, *, key: Key) -> Tensor:
        """Return the weighted loss under one teacher, drawn with ``key``."""
        teacher, alpha = draw(self.groups, key=key)
        return alpha * F.cross_entropy(teacher(images), labels)

    def of_part(self, images: Tensor, labels: Tensor, whole: int, *, key: Key) -> Tensor:
        """Return what some of ``whole`` images add to the weighted loss of all."""
        teacher, alpha = draw(self.groups, key=key)
        risk = F.cross_entropy(teacher(images), labels, reduction="sum")
        return alpha * (risk / whole)


@dataclass(frozen=True, eq=False)
class ContrastiveClom:
    """Nearness of synthetic images to real ones of their class, in features of a teacher.

    The teacher need not know the classes: it may come from another dataset. Each call draws one
    as ``CrossEntropyClom`` does, and real images; see ``losses.contrastive_loss``.

    Attributes:
        groups: of encoders, from images to features.
        real: images of the dataset that is distilled.
        batch: how many of them a call draws.

    Reference:
        Lu et al., Dataset Distillation with Pre-trained Models: A Contrastive Approach,
        Neurocomputing 2025.
    """

    groups: Sequence[Group]
    real: ImageSet
    batch: int

    def tracking(self, images: int | None) -> ContrastiveClom:
        """Return the same that keeps the way of so many images at once, see ``Route.tracked``."""
        return replace(self, groups=_tracking(self.groups, images))

    def __call__(self, images: Tensor, labels: Tensor, *, key: Key) -> Tensor:
        """Return the weighted loss under one encoder and one real batch, drawn with ``key``."""
        encode, alpha = draw(self.groups, key=key)
        order = torch.randperm(len(self.real), generator=key.at("real").generator())
        batch = self.real.take(moved(order[: self.batch], images.device))
        with torch.no_grad():
            target = encode(batch.images)
        hard = labels if labels.ndim == 1 else labels.argmax(1)
        return alpha * contrastive_loss(encode(images), hard, target, batch.hard_labels)


def cross_entropy_clom(
    pool: Pool,
    alphas: float | Sequence[float],
    domain: Domain,
    *,
    weighting: str = EQUAL,
    route: Route | None = None,
) -> CrossEntropyClom:
    """Guide the distillation of images of a domain by a pool.

    Args:
        pool: original models, of one or several architectures.
        alphas: one weight for all architectures, or one for each in order of appearance.
        domain: of the synthetic images; members trained under another normalisation see them
            re-normalised.
        weighting: ``"equal"``, or ``"accuracy"``: the weight of each member is times its accuracy
            on real images, those held out from its training where there were any, as the weights
            of networks on their way in Zhao et al. (CVPR 2023) are.
        route: how they pass the members.

    Raises:
        InputError: for an empty pool, another number of alphas, or a member of another kind, or of
            unknown accuracy where this is its weight.
    """
    of_kind(Domain, "the domain of a set (`data.domain`)", domain=domain)
    require_route(route=Route() if route is None else route)
    of_kind(str, "'equal' or 'accuracy'", weighting=weighting)
    if weighting not in WEIGHTINGS:
        raise InputError(f"`weighting` must be equal or accuracy, found {told(weighting)}")
    groups = _groups(pool, alphas, lambda member: teacher(member, domain, route=route))
    if weighting == ACCURACY:
        members = by_architecture(pool).values()
        groups = [
            replace(group, shares=tuple(map(_accuracy, some)))
            for group, some in zip(groups, members, strict=True)
        ]
    return CrossEntropyClom(groups)


def contrastive_clom(
    pool: Pool,
    alphas: float | Sequence[float],
    real: ImageSet,
    *,
    batch: int = 256,
    route: Route | None = None,
) -> ContrastiveClom:
    """Guide distillation by the features of a pool, of the same or of another dataset.

    Args:
        pool: see ``cross_entropy_clom``; members of another dataset see images resized and
            re-normalised.
        alphas: see ``cross_entropy_clom``.
        real: images of the dataset that is distilled.
        batch: real images to compare with, at each update.
        route: how images pass the members.

    Raises:
        InputError: for an empty pool, another number of alphas, or channels that do not match.
    """
    whole(batch=batch)
    of_kind(ImageSet, "an ImageSet", real=real)
    require_given(real, "the real images")
    require_route(route=Route() if route is None else route)
    groups = _groups(pool, alphas, lambda member: encoder(member, real.domain, route=route))
    return ContrastiveClom(groups, real, batch)


@runtime_checkable
class Tracking(Protocol):
    """A regulariser that can see images in turns."""

    def tracking(self, images: int | None) -> Regulariser:
        """Return the same that keeps the way of so many images at once, see ``Route.tracked``."""
        ...


def tracking(regulariser: Regulariser, images: int | None) -> Regulariser:
    """Return a regulariser that keeps the way of so many images at once, if it is one that can."""
    return regulariser.tracking(images) if isinstance(regulariser, Tracking) else regulariser


def _accuracy(member: Member) -> float:
    facts = member.facts
    known = facts.get("held_out_accuracy")
    known = facts.get("train_accuracy") if known is None else known
    if known is None:
        raise InputError(
            f"this {member.architecture} does not say how accurate it is, which is to be its "
            "weight; take `weighting='equal'`"
        )
    return float(known)


def _tracking(groups: Sequence[Group], images: int | None) -> list[Group]:
    return [
        replace(
            group,
            teachers=[
                one.tracking(images) if isinstance(one, Seen) else one for one in group.teachers
            ],
        )
        for group in groups
    ]


def _groups(
    pool: Pool, alphas: float | Sequence[float], wrap: Callable[[Member], Teacher]
) -> list[Group]:
    require_members(pool=pool)
    members = by_architecture(pool)
    if not members:
        raise InputError("CLOM needs a pool of at least one original model")
    if isinstance(alphas, str | bytes):
        raise InputError(f"`alphas` must not be negative, found {told(alphas)}")
    given = alphas if isinstance(alphas, Sequence) else [alphas]
    weights = pair_alphas(given, list(members))
    return [
        Group([wrap(member) for member in group], float(weights[name]))
        for name, group in members.items()
    ]


def pair_alphas(alphas: Sequence[float], architectures: Sequence[str]) -> dict[str, float]:
    """Give every architecture its alpha.

    Raises:
        InputError: unless there is one alpha, or one for each architecture, zero or above.

    >>> pair_alphas([1000, 2000], ["ConvNet", "VGG11"])
    {'ConvNet': 1000, 'VGG11': 2000}
    """
    for alpha in alphas:
        not_negative(alphas=alpha)
    if len(alphas) == 1:
        return dict.fromkeys(architectures, alphas[0])
    if len(alphas) != len(architectures):
        raise InputError(
            f"{counted(len(alphas), 'alpha')} for {counted(len(architectures), 'architecture')} "
            f"({', '.join(architectures)}); give one, or one for each"
        )
    return dict(zip(architectures, alphas, strict=True))
