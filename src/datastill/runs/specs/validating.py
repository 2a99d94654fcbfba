"""What the worth of a set is found out by, training on it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from datastill.base.errors import InputError, not_negative, positive
from datastill.runs.specs.base import Spec, Unit, place
from datastill.runs.specs.parts import ComputeSpec, DataSpec, OnTheFlySpec, PoolSpec, SoftSpec
from datastill.training.labelling import EARLY


@dataclass(frozen=True, kw_only=True)
class ValidateSpec(Spec):
    """What a validation follows from.

    Attributes:
        set: path of the set: a file, or the folder of a run.
        data: whose test images; by default what the set says of its origin.
        compute: how to compute.
        models: architectures to train.
        trials: networks of each.
        protocol: preset by which they are trained; None for the one published for the method.
        augmentation: of training images; None for that of the preset.
        epochs: None for those of the preset.
        soft: how networks learn from soft labels.
        on_the_fly: labels that original models give every batch; None for those of the set alone.
        pool: these original models.
        against: coresets of real images to train on too.
        coreset_features: model by whose features these pick, or pixels; None for the first
            original model that there is.
        pool_path: folder with original models, for that.
        together: networks to train at once; None for what suits the device.
    """

    kind: ClassVar[str] = "validate"

    set: str
    data: DataSpec = field(default_factory=DataSpec)
    compute: ComputeSpec = field(default_factory=ComputeSpec)
    models: tuple[str, ...] = ("ConvNet",)
    trials: int = 5
    protocol: str | None = None
    augmentation: str | None = None
    epochs: int | None = None
    soft: SoftSpec = field(default_factory=SoftSpec)
    on_the_fly: OnTheFlySpec | None = None
    pool: PoolSpec | None = None
    against: tuple[str, ...] = ()
    coreset_features: str | None = None
    pool_path: str = place("pretrained_model")
    together: int | None = None

    def units(self) -> tuple[Unit, ...]:
        """Return each network, which is trained on all sets that it is to compare."""
        return tuple(Unit(f"{name}/{i}", self) for name in self.models for i in range(self.trials))

    def check(self) -> None:
        """See ``Part``."""
        positive(trials=self.trials, epochs=self.epochs, together=self.together)
        if not self.models:
            raise InputError("`models` needs at least one name")
        _require_labellers(self.on_the_fly, self.pool)
        if EARLY in self.against:
            raise InputError(
                f"`against={EARLY!r}` is a row of a comparison, not of a validation",
                typed=f"--against {EARLY} is a row of 'datastill compare', not of a validation",
            )
        if self.pool is not None and self.on_the_fly is None:
            raise InputError(
                "`pool` labels on the fly, which was not asked for; give `on_the_fly` too",
                typed="--models-pool labels on the fly: add --labels on-the-fly",
            )


@dataclass(frozen=True, kw_only=True)
class CompareSpec(Spec):
    """What a comparison of sets with real images follows from.

    Attributes:
        sets: paths of sets; without any, real images are compared with each other.
        data: whose real images; by default what the first set says of its origin.
        compute: how to compute.
        ipc: real images of each class to pick, in words; None for those of the sets.
        protocol: preset by which networks are trained on every set.
        epochs: None for those of the preset.
        models: architectures to train.
        trials: networks of each on each set.
        against: how real images are picked; random ones are always among them. ``early-labels``
            are random ones with labels of the pool, early-stopped.
        coreset_features: model by whose features coresets pick, or pixels; None for the first
            original model that there is.
        pool: original models that label on the fly, and random images where a set has soft labels;
            None for none.
        pool_path: folder with original models, for the features of coresets.
        together: networks to train at once; None for what suits the device.
        real_epochs: on all real images; 0 leaves them out.
        real_trials: networks of each architecture on all real images.
        soft: how networks learn from soft labels.
        on_the_fly: labels that the pool gives every batch; None for those of the sets alone.
        rates: learning rates to choose from for DD-Ranking's scores; without any there are none.
    """

    kind: ClassVar[str] = "compare"

    sets: tuple[str, ...] = ()
    data: DataSpec = field(default_factory=DataSpec)
    compute: ComputeSpec = field(default_factory=ComputeSpec)
    ipc: int | str | None = None
    protocol: Literal["dc", "dsa", "modern"] = "dsa"
    epochs: int | None = None
    models: tuple[str, ...] = ("ConvNet",)
    trials: int = 5
    against: tuple[str, ...] = ("random", "herding", "k-center", "k-means")
    coreset_features: str | None = None
    pool: PoolSpec | None = None
    pool_path: str = place("pretrained_model")
    together: int | None = None
    real_epochs: int = 20
    real_trials: int = 1
    soft: SoftSpec = field(default_factory=SoftSpec)
    on_the_fly: OnTheFlySpec | None = None
    rates: tuple[float, ...] = ()

    def check(self) -> None:
        """See ``Part``."""
        positive(
            epochs=self.epochs,
            trials=self.trials,
            real_trials=self.real_trials,
            together=self.together,
        )
        not_negative(real_epochs=self.real_epochs)
        for rate in self.rates:
            positive(rates=rate)
        if not self.models:
            raise InputError("`models` needs at least one name")
        _require_labellers(self.on_the_fly, self.pool)
        if EARLY in self.against and (self.pool is None or not self.pool.architectures):
            raise InputError(
                f"`against={EARLY!r}` needs `pool`, original models that were kept after several "
                "epochs",
                typed=f"--against {EARLY} needs original models that were kept after several "
                "epochs, such as --models-pool ConvNet (train --save-epochs)",
            )
        if not self.sets and (self.data.name is None or self.ipc is None):
            raise InputError(
                "name `sets` by their paths, or `data` and `ipc` to compare real images",
                typed="name sets by their paths, or --dataset and --ipc to compare real images",
            )
        if self.rates and not self.sets:
            raise InputError(
                "DD-Ranking scores `sets`, and none was named",
                typed="--dd-ranking scores sets, and none was named",
            )


def _require_labellers(on_the_fly: OnTheFlySpec | None, pool: PoolSpec | None) -> None:
    if on_the_fly is not None and (pool is None or not pool.architectures):
        raise InputError(
            "`on_the_fly` needs `pool`, the original models that give labels",
            typed="--labels on-the-fly needs original models that give them, such as "
            "--models-pool ConvNet",
        )
