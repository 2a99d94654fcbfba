"""Options that several commands share, and the checks of what a person typed."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from datastill.base.errors import InputError, reason
from datastill.cli.console import Console

if TYPE_CHECKING:
    from datastill.compute.route import Route
    from datastill.data import Domain
    from datastill.training.protocol import Protocol


_SILENT = ""  # the help text itself says what happens without the option
MaybeInt = Annotated[int | None, tyro.conf.arg(metavar="INT", help_behavior_hint=_SILENT)]
MaybeFloat = Annotated[float | None, tyro.conf.arg(metavar="FLOAT", help_behavior_hint=_SILENT)]
MaybeText = Annotated[str | None, tyro.conf.arg(metavar="TEXT", help_behavior_hint=_SILENT)]
MaybePath = Annotated[Path | None, tyro.conf.arg(metavar="PATH", help_behavior_hint=_SILENT)]
MaybeYes = Annotated[
    Literal["yes", "no"] | None,
    tyro.conf.arg(metavar="{yes,no}", help_behavior_hint=_SILENT),
]
SomeFloats = Annotated[tuple[float, ...], tyro.conf.arg(help_behavior_hint=_SILENT)]
SomeInts = Annotated[tuple[int, ...], tyro.conf.arg(help_behavior_hint=_SILENT)]
SomePaths = Annotated[tuple[Path, ...], tyro.conf.arg(help_behavior_hint=_SILENT)]
SomeTexts = Annotated[tuple[str, ...], tyro.conf.arg(help_behavior_hint=_SILENT)]
Ipc = Annotated[
    int | str,
    tyro.conf.arg(metavar="N|CLASS=N,...|proportional:N", help_behavior_hint="(default: 10)"),
]
"""Images per class."""
Flag = Annotated[bool, tyro.conf.arg(help_behavior_hint=_SILENT)]


@dataclass(frozen=True)
class Machine:
    """How to compute."""

    seed: int = 0
    """Everything random follows from it: same seed, same result."""
    device: str = "auto"
    """cpu, cuda, cuda:1, ...; auto takes a GPU if there is one."""
    engine: Literal["auto", "kernels", "plain", "compiled"] = "auto"
    """What runs the layers of networks: datastill's own kernels (CPU), PyTorch's layers one by one,
    or torch.compile (seconds of waiting, then faster); auto measures which of the first two is
    faster, once for each architecture on a machine (datastill estimate tells, and forgets)."""
    precision: Literal["auto", "float32", "tf32", "bfloat16"] = "auto"
    """Of passes through networks; bfloat16 spares those of synthetic images that are distilled, and
    goes without kernels. auto is float32 on a CPU, and on a GPU tf32, in which PyTorch convolves
    there unless it is told otherwise."""
    recipe: MaybePath = None
    """Read options from this file, or from a recipe that comes with datastill, by its name, such as
    FashionMNIST-DM-10-clom; those on the command line win."""
    quiet: Flag = False
    """Say nothing but errors."""
    plain: Flag = False
    """Tell progress line by line, on a terminal too."""

    def console(self) -> Console:
        """Return what says things, those too that the library has to say."""
        console = Console(self.quiet, self.plain)
        console.listen()
        return console

    def repeated(self) -> dict[str, str]:
        """Return what was asked for and belongs into the next command too."""
        asked = {"device": self.device, "engine": self.engine, "precision": self.precision}
        return {name: value for name, value in asked.items() if value != "auto"}

    def found(self) -> str:
        """Return the device to use.

        Raises:
            InputError: when there is no such device.
        """
        import torch

        if self.device == "auto":
            return "cuda" if torch.cuda.is_available() else "cpu"
        try:
            torch.empty(0, device=self.device)
        except (RuntimeError, AssertionError) as error:
            raise InputError(f"cannot use --device {self.device}: {reason(error)}") from None
        return self.device

    def route(self, model: str | None = None, domain: Domain | None = None) -> Route:
        """Return the way that images take through networks.

        Args:
            model: architecture for which to find the fastest now, with --engine auto.
            domain: of the images that it takes; without either, that is found out for each
                network when it is used.

        Raises:
            InputError: when there is nothing to compile with, the kernels cannot serve, or the
                device has no such precision.
        """
        from datastill.compute import kernels
        from datastill.compute.route import Route
        from datastill.compute.tuning import fastest

        if self.engine == "compiled":
            compilers = (os.environ.get("CXX", "g++"), "g++", "c++", "clang++")
            if not any(map(shutil.which, compilers)):
                raise InputError("--engine compiled needs a C++ compiler, found no g++ or clang++")
        device = self.found()
        precision = self.rounding(device)
        if self.engine == "kernels":
            if not device.startswith("cpu"):
                raise InputError(f"--engine kernels is for a CPU, not for {device}")
            if precision != "float32":
                raise InputError(f"--engine kernels computes in float32, not {precision}")
            if kernels.missing():
                raise InputError(f"--engine kernels cannot be used: {kernels.missing()}")
        measured = self.engine == "auto" and precision != "bfloat16"
        if measured and model and domain:
            return replace(fastest(model, domain, device).route, precision=precision)
        return Route(
            kernels="auto" if measured else self.engine == "kernels",
            compiled=self.engine == "compiled",
            precision=precision,
        )

    def rounding(self, device: str) -> Literal["float32", "tf32", "bfloat16"]:
        """Return the precision to compute in on a device.

        Raises:
            InputError: when the device has no such arithmetic.
        """
        if self.precision == "auto":
            return "float32" if device.startswith("cpu") else "tf32"
        if self.precision == "tf32" and device.startswith("cpu"):
            raise InputError("--precision tf32 is for a GPU; a CPU has float32 and bfloat16")
        return self.precision


@dataclass(frozen=True)
class SoftLabels:
    """How networks learn from soft labels."""

    soft_loss: Literal["cross-entropy", "kl"] = "cross-entropy"
    """Of soft labels: cross-entropy, or divergence from softened logits at --temperature."""
    temperature: MaybeFloat = None
    """With kl: of the logits. Default: the one that the labels were made with, or 1."""

    def check(self) -> None:
        """Refuse options that make no sense."""
        positive(temperature=self.temperature)

    def applied(self, protocol: Protocol, temperature: float) -> Protocol:
        """Return a protocol with the loss that was asked for, at a temperature."""
        from datastill.training.protocol import with_soft_loss

        return with_soft_loss(protocol, self.soft_loss, temperature)


def positive(**options: float | None) -> None:
    """Refuse numbers that are not above zero, by the names of their options.

    >>> positive(ipc=1, lr_img=None)
    >>> positive(lr_img=-1.0)
    Traceback (most recent call last):
    ...
    datastill.base.errors.InputError: --lr-img must be above zero, found -1.0
    """
    for name, value in options.items():
        if value is not None and not (value > 0 and math.isfinite(value)):
            raise InputError(f"--{name.replace('_', '-')} must be above zero, found {value}")


def not_negative(**options: Iterable[float]) -> None:
    """Refuse numbers below zero, by the names of their options."""
    for name, values in options.items():
        for value in values:
            if not (value >= 0 and math.isfinite(value)):
                raise InputError(f"--{name.replace('_', '-')} must not be negative, found {value}")
