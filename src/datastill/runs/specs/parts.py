"""What descriptions of several kinds of runs have in common."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from datastill.base.errors import InputError, not_negative, positive, told
from datastill.runs.specs.base import Part, place
from datastill.training.labelling import OnTheFly

SEEDS = (-(2**63), 2**64 - 1)
"""The least and the largest seed that torch takes."""

AUTO = "auto"
"""In place of a weight: as much as matching bears."""


@dataclass(frozen=True, kw_only=True)
class DataSpec(Part):
    """What real images to read, and how; of a run about a set, the set says what is not said here.

    Attributes:
        name: name of a dataset such as CIFAR10, path of your own images, or hf:NAME on the hub.
        path: folder with its files. Default: ./data/[dataset], then where system packages put them.
        size: bring images to so many pixels, 32 or 48x64 (height x width): their middle, resized.
        image_column: column or array that holds the images. Default: found by its name or type.
        label_column: column or array that holds the labels. Default: likewise.
        test_share: share of each class kept for tests where there are no test images. Default: 0.2.
        assess_share: share of the training images of each class that nothing sees but assessments
            which need such images (proxy-accuracy, ...). Default: none; of a set, its own.
        skip_damaged: go on without pictures that cannot be decoded; the set says which they were.
        mirror: whether a mirrored image still shows its class, so that augmentation may mirror: no
            for digits, letters, signs. Default: as is known of the dataset, or yes.
    """

    name: str | None = field(default=None, kw_only=False)
    path: str | None = place(None)
    size: int | tuple[int, int] | None = None
    image_column: str | None = None
    label_column: str | None = None
    test_share: float | None = None
    assess_share: float | None = None
    skip_damaged: bool = False
    mirror: bool | None = None

    def check(self) -> None:
        """See ``Part``."""
        if isinstance(self.size, int):
            object.__setattr__(self, "size", (self.size, self.size))
        for side in self.sides or ():
            positive(size=side)
        if self.test_share is not None and not 0 <= self.test_share < 1:
            raise InputError(
                f"a share kept for tests is from 0 to below 1, not {told(self.test_share)}"
            )
        if self.assess_share is not None and not 0 <= self.assess_share < 1:
            raise InputError(
                f"a share kept for assessments is from 0 to below 1, not {told(self.assess_share)}"
            )

    @property
    def sides(self) -> tuple[int, int] | None:
        """Height and width to bring images to."""
        return (self.size, self.size) if isinstance(self.size, int) else self.size


@dataclass(frozen=True, kw_only=True)
class ComputeSpec(Part):
    """How to compute.

    Attributes:
        seed: everything random follows from it: same seed, same result.
        device: where: cpu, cuda, cuda:1, ...; auto takes a GPU if there is one.
        engine: what runs the layers of networks: datastill's own kernels (CPU), PyTorch's layers
            one by one, or torch.compile (seconds of waiting, then faster); auto measures which of
            the first two is faster, once for each architecture on a machine (datastill estimate
            tells, and forgets).
        precision: of passes through networks; bfloat16 spares those of synthetic images that are
            distilled, and goes without kernels. auto is float32 on a CPU, and on a GPU tf32, in
            which PyTorch convolves there unless it is told otherwise.
    """

    seed: int = 0
    device: str = "auto"
    engine: Literal["auto", "kernels", "plain", "compiled"] = "auto"
    precision: Literal["auto", "float32", "tf32", "bfloat16"] = "auto"

    def check(self) -> None:
        """See ``Part``."""
        if not SEEDS[0] <= self.seed <= SEEDS[1]:
            raise InputError(
                f"a seed is a whole number from -2**63 to 2**64 - 1, found {told(self.seed)}"
            )


@dataclass(frozen=True, kw_only=True)
class PoolSpec(Part):
    """Original models.

    Attributes:
        architectures: of the models; hf:NAME for one of Hugging Face.
        num: original models of each architecture. Default: all there are.
        epoch: which snapshot of the original models. Default: the last.
        early: let them judge as they were after these epochs too (see train --save-epochs).
        path: folder with original models, as 'datastill train' leaves it.
    """

    architectures: tuple[str, ...] = ("ConvNet",)
    num: int | None = None
    epoch: int | None = None
    early: tuple[int, ...] = ()
    path: str = place("pretrained_model")

    def check(self) -> None:
        """See ``Part``."""
        positive(num=self.num, epoch=self.epoch)
        for epoch in self.early:
            positive(early=epoch)


def require_whole(pool: PoolSpec) -> None:
    """Refuse early epochs where no assessment is made: elsewhere nothing asks early models."""
    if pool.early:
        raise InputError(
            "`pool.early` is of models that judge in an assessment, and there is none here; leave "
            "it out, or say `pool.epoch`"
        )


@dataclass(frozen=True, kw_only=True)
class ClomSpec(Part):
    """The classification loss of original models, as a term of distillation.

    Attributes:
        alphas: weight of CLOM: one for all of `pool.architectures`, or one for each, 0 for none;
            auto finds it while the set is made: as much as matching bears. Without it there is
            no CLOM, but for NCFM's: 1, of `model`.
        distance: classification loss of the models, or nearness to real images in their features.
        weighting: equal, or by accuracy: of every original model after every epoch that was kept,
            unless `pool.epoch` says which.
        batch_size: with cosine: real images to be near to, at each update.
        source: with cosine: dataset that the original models come from. Default: the same.
    """

    alphas: tuple[float | Literal["auto"], ...] | Literal["auto"]
    distance: Literal["cross-entropy", "cosine"] = "cross-entropy"
    weighting: Literal["equal", "accuracy"] = "equal"
    batch_size: int = 256
    source: str | None = None

    def check(self) -> None:
        """See ``Part``."""
        positive(batch_size=self.batch_size)
        if self.alphas == AUTO:
            object.__setattr__(self, "alphas", (AUTO,))
        if AUTO in self.alphas and len(self.alphas) > 1:
            raise InputError(f"`alphas` are numbers, or {AUTO} alone for one that is found")
        for alpha in self.numbers:
            not_negative(alphas=alpha)
        if not self.alphas:
            raise InputError("`alphas` needs at least one value")
        if self.distance != "cosine" and self.batch_size != type(self).batch_size:
            raise InputError(
                "`batch_size` has no meaning without `distance='cosine'`; give both, or neither"
            )
        if self.weighting == "accuracy" and self.distance == "cosine":
            raise InputError(
                "`weighting='accuracy'` is of models that classify: leave out `distance='cosine'`"
            )

    @property
    def numbers(self) -> tuple[float, ...]:
        """The weights; of one that is found, that of what is weighed."""
        return (1.0,) if self.found else tuple(map(float, self.alphas))

    @property
    def found(self) -> bool:
        """Whether the weight is found while the set is made."""
        return AUTO in self.alphas


@dataclass(frozen=True, kw_only=True)
class SelectSpec(Part):
    """Which snapshot of a distillation is kept: the one that an assessment likes best.

    Attributes:
        by: keep the snapshot that this assessment likes best. Without it the last one is.
        every: with `select.by`: updates between two looks at the set; it is assessed after the last
            too.
    """

    by: str
    every: int = 50

    def check(self) -> None:
        """See ``Part``."""
        positive(every=self.every)


@dataclass(frozen=True, kw_only=True)
class SoftSpec(Part):
    """How networks learn from soft labels.

    Attributes:
        loss: of soft labels: cross-entropy, or divergence from softened logits at `temperature`.
        temperature: with kl: of the logits. Default: the one that the labels were made with, or 1.
    """

    loss: Literal["cross-entropy", "kl"] = "cross-entropy"
    temperature: float | None = None

    def check(self) -> None:
        """See ``Part``."""
        positive(temperature=self.temperature)


@dataclass(frozen=True, kw_only=True)
class OnTheFlySpec(Part):
    """Labels that original models give every batch, as augmented, while networks train on it.

    Attributes:
        loss: divergence from softened logits, cross-entropy, or squared difference of logits.
        temperature: that softens; None for 20 of ``kl`` and 1 of ``cross-entropy``.
        ground_truth: weight of the cross-entropy of hard labels, which is added; None for 0.1 of
            ``mse``, otherwise 0.
    """

    loss: Literal["kl", "cross-entropy", "mse"] = "kl"
    temperature: float | None = None
    ground_truth: float | None = None

    def check(self) -> None:
        """See ``Part``."""
        _ = self.terms

    @property
    def terms(self) -> OnTheFly:
        """What networks learn of such labels."""
        return OnTheFly(self.loss, self.temperature, self.ground_truth)


def named(data: DataSpec) -> None:
    """Refuse data without a name, where no set tells what it is made from."""
    if not data.name:
        raise InputError("`data` needs the name of a dataset, or a path")
