"""Labels and a learning rate that are learned together with the images."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from datastill.base.errors import InputError, in_plain_numbers, is_number, positive, told
from datastill.base.rng import Key
from datastill.data import ByClass, Domain
from datastill.distillation.parameters import Optimiser, Params, Sgd
from datastill.distillation.parametrisations import (
    Parametrisation,
    Pixels,
    Synthetic,
    require_parametrisation,
)
from datastill.training.pool import Pool
from datastill.training.seeing import teacher

SHOWN = 128
"""Images that original models are shown at once."""

LEAST_RATE = 1e-6
"""Where a learning rate is put back to that a step has led to zero or below."""


@dataclass(frozen=True)
class LearnedLabels:
    """Labels are learned too: ``"labels"``, logits of which softmax makes shares of the classes.

    Of images that hold several every part has its own.

    Attributes:
        images: what else is learned.
        confidence: share of its own class that each label starts with; the others divide the rest.

    Reference:
        Guo et al., Towards Lossless Dataset Distillation via Difficulty-Aligned Trajectory
        Matching, ICLR 2024, whose labels start from what experts say.
    """

    images: Parametrisation = field(default_factory=Pixels)
    confidence: float = 0.9

    def __post_init__(self) -> None:
        require_parametrisation(self.images)
        if not (is_number(self.confidence) and 0 < self.confidence < 1):
            raise InputError(f"`confidence` must be between 0 and 1, found {told(self.confidence)}")
        in_plain_numbers(self, "confidence")

    @property
    def parts(self) -> int:
        """How many images one holds."""
        return self.images.parts

    def start(self, images: ByClass, counts: Sequence[int], *, key: Key) -> dict[str, Tensor]:
        """Return what else is learned, and logits of labels that are sure of their class."""
        begun, classes = self.images.start(images, counts, key=key), len(counts)
        shown = ByClass(images.images, tuple(count * self.parts for count in counts))
        own = shown.labels[:, None] == torch.arange(classes, device=images.images.device)
        odds = self.confidence / (1 - self.confidence) * max(classes - 1, 1)
        return {**begun, "labels": own.to(images.images.dtype) * math.log(odds)}

    def decode(self, params: Params, counts: Sequence[int], domain: Domain) -> Synthetic:
        """Return the same images with shares of the classes."""
        shown = self.images.decode(params, counts, domain)
        return replace(shown, shares=params["labels"].softmax(1))

    def project(self, params: Params, domain: Domain) -> None:
        """Do what is done to the images."""
        self.images.project(params, domain)


@dataclass(frozen=True, eq=False, repr=False)
class Judged(ByClass):
    """Images that a distillation starts from, and original models that can be asked about them.

    Attributes:
        domain: of the images.
        judges: the original models.
    """

    domain: Domain
    judges: Pool = ()

    @torch.no_grad()
    def said(self) -> tuple[Tensor, Tensor]:
        """Return the mean logits of those original models that are right about an image.

        Returns:
            ``(M, K)``, zero where none is right; and ``(M,)``, whether one is.

        Raises:
            InputError: for models of other images or classes.
        """
        ask, parts = [teacher(one, self.domain) for one in self.judges], self.images.split(SHOWN)
        every = torch.stack([torch.cat([judge(some) for some in parts]) for judge in ask])
        right = every.argmax(2) == self.labels
        number = right.sum(0)
        return (every * right[..., None]).sum(0) / number.clamp(min=1)[:, None], number > 0


@dataclass(frozen=True)
class JudgedLabels(LearnedLabels):
    """Labels are learned that begin as what original models say of the images to start from.

    Their logits are the mean over those models that are right about an image. Where none is, and
    of noise in tiles, the label begins as ``LearnedLabels`` has it.

    Reference:
        Guo et al., Towards Lossless Dataset Distillation via Difficulty-Aligned Trajectory
        Matching, ICLR 2024.
    """

    def start(self, images: ByClass, counts: Sequence[int], *, key: Key) -> dict[str, Tensor]:
        """Return what else is learned, and logits of labels.

        Raises:
            InputError: when there are no original models to be asked.
        """
        begun = super().start(images, counts, key=key)
        if not isinstance(images, Judged) or not images.judges:
            raise InputError(
                "labels are to begin as what original models say, and there are none; train some, "
                "or take LearnedLabels()"
            )
        if len(images.images) != len(begun["labels"]):
            return begun
        said, known = images.said()
        return {**begun, "labels": torch.where(known[:, None], said, begun["labels"])}


@dataclass(frozen=True)
class LearnedRate:
    """The learning rate that networks are to train by is learned too: ``"lr"``, above zero.

    The set says so, and networks that are trained on it start from it.

    Attributes:
        images: what else is learned.
        lr: where it starts.

    Reference:
        Cazenavette et al., Dataset Distillation by Matching Training Trajectories, CVPR 2022.
    """

    images: Parametrisation = field(default_factory=Pixels)
    lr: float = 0.01

    def __post_init__(self) -> None:
        require_parametrisation(self.images)
        positive(lr=self.lr)
        in_plain_numbers(self, "lr")

    @property
    def parts(self) -> int:
        """How many images one holds."""
        return self.images.parts

    def start(self, images: ByClass, counts: Sequence[int], *, key: Key) -> dict[str, Tensor]:
        """Return what else is learned, and the rate."""
        begun = self.images.start(images, counts, key=key)
        return {**begun, "lr": images.images.new_tensor(self.lr)}

    def decode(self, params: Params, counts: Sequence[int], domain: Domain) -> Synthetic:
        """Return the same set, which asks for the rate."""
        return replace(self.images.decode(params, counts, domain), rate=params["lr"])

    def project(self, params: Params, domain: Domain) -> None:
        """Keep the rate above zero."""
        self.images.project(params, domain)
        params["lr"].clamp_(min=LEAST_RATE)


LABELS = Sgd(2.0, 0.9)
"""How labels are moved where nobody says it: as DATM moves those of ten images of a class."""


def labelled(
    parametrisation: Parametrisation, optimisers: Mapping[str, Optimiser], *, learned: bool
) -> tuple[Parametrisation, dict[str, Optimiser]]:
    """Return a parametrisation, and its optimisers, with labels that are learned or are not."""
    others = {name: one for name, one in optimisers.items() if name != "labels"}
    plainly = _unlabelled(parametrisation)
    if not learned:
        return plainly, others
    own = parametrisation if plainly != parametrisation else LearnedLabels(plainly)
    return own, {**others, "labels": optimisers.get("labels", LABELS)}


def _unlabelled(parametrisation: Parametrisation) -> Parametrisation:
    if isinstance(parametrisation, LearnedLabels):
        return _unlabelled(parametrisation.images)
    if isinstance(parametrisation, LearnedRate):
        return replace(parametrisation, images=_unlabelled(parametrisation.images))
    return parametrisation
