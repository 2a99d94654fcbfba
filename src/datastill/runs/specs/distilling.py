"""What a synthetic set follows from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from datastill.base.errors import InputError, positive
from datastill.runs.quota import parse
from datastill.runs.specs.base import Spec
from datastill.runs.specs.parts import (
    ClomSpec,
    ComputeSpec,
    DataSpec,
    PoolSpec,
    SelectSpec,
    named,
)

NO_CORESET = (None, "noise", "real", "random")
"""What a set may start from without looking at features."""


@dataclass(frozen=True, kw_only=True)
class DistillSpec(Spec):
    """What a synthetic set follows from; what is None is as published for the method.

    Attributes:
        data: the real images.
        compute: how to compute.
        method: how to distil.
        model: architecture of the networks under which images are compared.
        ipc: synthetic images per class, or the words for it: ``cat=5,rest=10``.
        updates: of the set.
        minutes: plan as many updates as fit, and networks to validate by.
        lr: learning rate of the pixels.
        batch: real images of each class that an update sees.
        init: noise, real images, or a coreset.
        coreset_features: model by whose features that picks, or pixels; None for the first
            original model that there is.
        augmentation: shared by real and synthetic images, such as ``color_crop_flip``, or ``none``.
        tiles: smaller images along a side of each; None for the published number.
        labels: ``hard`` or ``learned``; None for what is published.
        settings: of the method, by their names in its own dataclass.
        pool: original models that guide, and choose.
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
    labels: str | None = None
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
        if self.labels not in (None, "hard", "learned"):
            raise InputError(f"`labels` are hard or learned, found {self.labels!r:.40}")
        if self.coreset_features is not None and self.init in NO_CORESET:
            raise InputError("`coreset_features` has a meaning with `init='herding'` or the like")
