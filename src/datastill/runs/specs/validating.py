"""What the worth of a set is found out by, training on it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from datastill.base.errors import InputError, countable, not_negative, positive, told
from datastill.runs.specs.base import Spec, Unit, place
from datastill.runs.specs.parts import (
    ComputeSpec,
    DataSpec,
    OnTheFlySpec,
    PoolSpec,
    SoftSpec,
    require_whole,
)
from datastill.runs.specs.quota import parse
from datastill.training.labelling import EARLY

WHOLE = "real/"
"""How addresses of networks begin that are trained on all real images."""


@dataclass(frozen=True, kw_only=True)
class ValidateSpec(Spec):
    """What a validation follows from.

    Attributes:
        set: the set: a file, or the folder of a run. A command finds it by `dataset`, `method` and
            `ipc` too.
        data: whose test images. Default: the dataset that the set was made from.
        compute: how to compute.
        models: architectures to train, one or several; your own are module:function.
        trials: networks of each architecture. Papers use 20.
        protocol: train by a preset: dc, dsa or modern. Default: as published for the method.
        augmentation: augment by none, by dsa, or by one step for each image, of crop, scale, rotate
            and noise, say crop_noise. Default: that of the preset.
        epochs: train for another number of epochs; the learning rate falls half-way, that of modern
            all along.
        soft: how networks learn from soft labels.
        on_the_fly: labels that original models give every batch; None for those of the set alone.
        pool: architectures of the original models that label on the fly; what all of them say is
            averaged.
        against: also train on as many real images, picked by `CORESETS`.
        coreset_features: model by whose features coresets pick: hf:NAME, an original model, or
            pixels. Default: the first of the original models; without any, pixels.
        pool_path: folder with original models, as 'datastill train' leaves it.
        together: networks of an architecture to train at once on a set; they end as they would
            alone, up to rounding. Default: on a CPU one, on a GPU as many as its memory holds.
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
        countable(trials=self.trials)
        if not self.models:
            raise InputError("`models` needs at least one name")
        _require_labellers(self)
        if self.soft.loss != "kl" and self.soft.temperature is not None:
            raise InputError(
                "`soft.temperature` has no meaning without `soft.loss='kl'`; give both, or neither"
            )
        if self.coreset_features is not None and not self.against:
            raise InputError(
                "`coreset_features` has a meaning with coresets that look at features, such as "
                "herding"
            )
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
        sets: sets: files, or folders of runs. Without any, real images are compared with each
            other.
        data: whose real images. Default: the dataset of the first set.
        compute: how to compute.
        ipc: real images of each class to pick, as for 'datastill distill'. Default: those of the
            sets.
        protocol: how networks are trained on every set: two published ways, and a stronger one.
        epochs: train for another number of epochs. Default: dc 300 (MNIST 1000), dsa and
            modern 1000.
        models: architectures to train, one or several; your own are module:function.
        trials: networks of each architecture on each set. Papers use 20.
        against: how real images are picked (`CORESETS`); random ones are always among them.
            early-labels are random ones as `pool.architectures` labels them, early-stopped after an
            epoch that is chosen on held-out training images.
        coreset_features: model by whose features coresets pick: hf:NAME, an original model, or
            pixels. Default: the first of the original models; without any, pixels.
        pool: architectures of the original models that label, on the fly or random images that sets
            with soft labels are compared with; what all of them say is averaged.
        pool_path: folder with original models, as 'datastill train' leaves it.
        together: networks of an architecture to train at once on a set; they end as they would
            alone, up to rounding. Default: on a CPU one, on a GPU as many as its memory holds.
        real_epochs: epochs on all real images; 0 leaves them out, and with them the share of the
            gap.
        real_trials: networks of each architecture on all real images.
        soft: how networks learn from soft labels.
        on_the_fly: labels that the pool gives every batch; None for those of the sets alone.
        rates: learning rates to choose from for DD-Ranking's scores, on held-out training images;
            without any there are none.
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

    def units(self) -> tuple[Unit, ...]:
        """Return each network of the table, those first that are trained on all real images.

        The others are trained on all sets and real images that were picked.
        """
        whole = range(self.real_trials if self.real_epochs else 0)
        real = (Unit(f"{WHOLE}{name}/{i}", self) for name in self.models for i in whole)
        picked = (Unit(f"{name}/{i}", self) for name in self.models for i in range(self.trials))
        return (*real, *picked)

    def check(self) -> None:
        """See ``Part``."""
        positive(
            epochs=self.epochs,
            trials=self.trials,
            real_trials=self.real_trials,
            together=self.together,
        )
        countable(trials=self.trials, real_trials=self.real_trials)
        not_negative(real_epochs=self.real_epochs)
        if not self.real_epochs and self.real_trials != type(self).real_trials:
            raise InputError("`real_epochs=0` trains on no real images; leave out `real_trials`")
        for rate in self.rates:
            positive(rates=rate)
        if not self.models:
            raise InputError("`models` needs at least one name")
        _require_labellers(self)
        if EARLY in self.against and (self.pool is None or not self.pool.architectures):
            raise InputError(
                f"`against={EARLY!r}` needs `pool`, original models that were kept after several "
                "epochs",
                typed=f"--against {EARLY} needs original models that were kept after several "
                "epochs, such as --models-pool ConvNet (train --save-epochs)",
            )
        if self.ipc is not None:
            parse(self.ipc)
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


def _require_labellers(spec: ValidateSpec | CompareSpec) -> None:
    pool, usual = spec.pool, type(spec).pool_path
    if spec.on_the_fly is not None and (pool is None or not pool.architectures):
        raise InputError(
            "`on_the_fly` needs `pool`, the original models that give labels",
            typed="--labels on-the-fly needs original models that give them, such as "
            "--models-pool ConvNet",
        )
    if pool is None:
        return
    require_whole(pool)
    if spec.pool_path not in (usual, pool.path):
        raise InputError(
            f"`pool_path` and `pool.path` are one folder, found {told(spec.pool_path)} and "
            f"{told(pool.path)}; leave out `pool_path`"
        )
    object.__setattr__(spec, "pool_path", pool.path)
