"""What a synthetic set follows from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from datastill.base.errors import InputError, positive
from datastill.runs.specs.base import Spec
from datastill.runs.specs.parts import (
    ClomSpec,
    ComputeSpec,
    DataSpec,
    PoolSpec,
    SelectSpec,
    named,
    require_whole,
)
from datastill.runs.specs.quota import parse

NO_CORESET = (None, "noise", "real", "random")
"""What a set may start from without looking at features."""


@dataclass(frozen=True, kw_only=True)
class DistillSpec(Spec):
    """What a synthetic set follows from; what is None is as published for the method.

    Attributes:
        data: the real images.
        compute: how to compute.
        method: how to distil: DM matches mean features, DC and DSA gradients, NCFM characteristic
            functions and CIM features of pairs under original models (of 'datastill train'), MTT
            and TESLA their trajectories (train --save-epochs). There are `METHODS`.
        model: architecture of the networks under which images are compared, such as ConvNet or
            ResNet18, or module:function for one of your own (docs/python.md).
        ipc: synthetic images per class; of some: cat=5,rest=10; by their real ones:
            proportional:500.
        updates: updates of the set. Default: published (DM and NCFM 20000; DC, DSA 1000 x
            `outer_loop`; CIM 200; MTT 5000; TESLA 10000).
        minutes: plan as many updates as fit, validate the set as well, and say beforehand what to
            expect.
        lr: of pixels. Default: published (DM 1.0; DC, DSA 0.1; CIM 0.01; MTT 1000); NCFM 0.02.
        batch: real images of each class that an update sees.
        init: noise, real images, a coreset (`CORESETS`); of `tiles` mix or whole. Default:
            published.
        coreset_features: model by whose features `init` picks: hf:NAME, an original model, or
            pixels. Default: the first of the original models; without any, pixels.
        augmentation: shared augmentation, such as color_crop_flip, or none. Default: published.
        tiles: smaller ones along a side of each image, enlarged. Default: published (NCFM, CIM 2,
            or 1).
        labels: learn labels, shares of the classes, with the images: for MTT, and for CLOM's term.
            Default: published (learned for TESLA, else hard).
        settings: of the method, by their names in its own dataclass.
        pool: architectures of the original models that CLOM draws from (with cosine also hf:NAME),
            and that `select.by` asks.
        clom: the term by which they guide; None for no CLOM.
        select: how a snapshot is chosen; None for the last.
    """

    kind: ClassVar[str] = "distill"

    data: DataSpec
    compute: ComputeSpec = field(default_factory=ComputeSpec)
    method: str = "DM"
    model: str = "ConvNet"
    ipc: int | str = 10
    updates: int | None = None
    minutes: float | None = None
    lr: float | None = None
    batch: int = 256
    init: str | None = None
    coreset_features: str | None = None
    augmentation: str | None = None
    tiles: int | None = None
    labels: Literal["hard", "learned"] | None = None
    settings: Mapping[str, bool | int | float | str] = field(
        default_factory=dict[str, bool | int | float | str]
    )
    pool: PoolSpec = field(default_factory=PoolSpec)
    clom: ClomSpec | None = None
    select: SelectSpec | None = None

    def check(self) -> None:
        """See ``Part``."""
        named(self.data)
        quota = parse(self.ipc)
        if quota.each is not None:
            object.__setattr__(self, "ipc", quota.each)
        positive(updates=self.updates, minutes=self.minutes, lr=self.lr, batch=self.batch)
        positive(tiles=self.tiles)
        if self.select is None:
            require_whole(self.pool)
        if self.coreset_features is not None and self.init in NO_CORESET:
            raise InputError("`coreset_features` has a meaning with `init='herding'` or the like")
