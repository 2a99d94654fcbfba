"""What original models follow from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from datastill.base.errors import InputError, countable, not_negative, positive
from datastill.runs.specs.base import Spec, Unit
from datastill.runs.specs.parts import ComputeSpec, DataSpec, named


@dataclass(frozen=True, kw_only=True)
class TrainSpec(Spec):
    """What original models follow from.

    Attributes:
        data: the real images.
        compute: how to compute.
        models: architectures, one or several, such as ConvNet MLP; your own are module:function.
        num: models of each architecture.
        epochs: passes over the training images; the learning rate falls after each third.
        lr: learning rate at the start.
        batch: images per step.
        weight_decay: pull of the weights towards zero.
        save_epochs: keep the models as they were after these epochs too.
        held_out: share of the training images kept aside to judge each model by.
    """

    kind: ClassVar[str] = "train"

    data: DataSpec
    compute: ComputeSpec = field(default_factory=ComputeSpec)
    models: tuple[str, ...] = ("ConvNet",)
    num: int = 10
    epochs: int = 150
    lr: float = 0.01
    batch: int = 256
    weight_decay: float = 5e-3
    save_epochs: tuple[int, ...] = ()
    held_out: float = 0.05

    def check(self) -> None:
        """See ``Part``."""
        named(self.data)
        positive(
            num=self.num,
            epochs=self.epochs,
            held_out=self.held_out,
            lr=self.lr,
            batch=self.batch,
        )
        countable(num=self.num)
        not_negative(weight_decay=self.weight_decay)
        for epoch in self.save_epochs:
            not_negative(save_epochs=epoch)
        if self.held_out >= 1:
            raise InputError(f"`held_out` must be below 1, found {self.held_out}")
        late = [epoch for epoch in self.save_epochs if not 0 < epoch <= self.epochs]
        if late:
            raise InputError(
                f"{late[0]} of `save_epochs` is not one of the epochs, 1 to {self.epochs}",
                typed=f"--save-epochs {late[0]} is not one of the epochs, 1 to {self.epochs}",
            )
        if not self.models:
            raise InputError("`models` needs at least one name")

    def units(self) -> tuple[Unit, ...]:
        """Return each model; they differ in their address alone."""
        return tuple(Unit(f"{name}/{i}", self) for name in self.models for i in range(self.num))
