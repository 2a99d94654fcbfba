"""Options that several commands share, and the checks of what a person typed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from datastill.base.errors import InputError
from datastill.cli.console import Console
from datastill.runs.specs import ComputeSpec, OnTheFlySpec, SoftSpec

if TYPE_CHECKING:
    from datastill.compute.route import Route
    from datastill.data import Domain


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
Alphas = Annotated[
    tuple[float | Literal["auto"], ...],
    tyro.conf.arg(metavar="[FLOAT [FLOAT ...]]|auto", help_behavior_hint=_SILENT),
]
SomeInts = Annotated[tuple[int, ...], tyro.conf.arg(help_behavior_hint=_SILENT)]
SomePaths = Annotated[tuple[Path, ...], tyro.conf.arg(help_behavior_hint=_SILENT)]
SomeTexts = Annotated[tuple[str, ...], tyro.conf.arg(help_behavior_hint=_SILENT)]
Metric = Annotated[
    Literal["layerwise-cosine", "mse", "cosine"] | None,
    tyro.conf.arg(metavar="{layerwise-cosine,mse,cosine}", help_behavior_hint=_SILENT),
]
Labels = Annotated[
    Literal["hard", "learned"] | None,
    tyro.conf.arg(metavar="{hard,learned}", help_behavior_hint=_SILENT),
]
SoftLoss = Annotated[
    Literal["cross-entropy", "kl", "mse"] | None,
    tyro.conf.arg(metavar="{cross-entropy,kl,mse}", help_behavior_hint=_SILENT),
]
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

    def compute(self) -> ComputeSpec:
        """Return how to compute, as a description says it."""
        return ComputeSpec(
            seed=self.seed, device=self.device, engine=self.engine, precision=self.precision
        )

    @property
    def origin(self) -> dict[str, str | None]:
        """What a set remembers of where its options came from."""
        return {"recipe": None if self.recipe is None else self.recipe.name}

    def found(self) -> str:
        """Return the device to use, see ``computing.device_of``."""
        from datastill.runs.computing import device_of

        return device_of(self.compute())

    def route(self, model: str | None = None, domain: Domain | None = None) -> Route:
        """Return the way that images take through networks, see ``computing.route_of``."""
        from datastill.runs.computing import route_of

        return route_of(self.compute(), model, domain)


@dataclass(frozen=True)
class SoftLabels:
    """Which labels networks learn from besides hard ones, and how."""

    labels: Literal["own", "on-the-fly"] = "own"
    """own: those of the set. on-the-fly: besides, those that original models (--models-pool) give
    every batch, as augmented."""
    soft_loss: SoftLoss = None
    """Of soft labels: cross-entropy; kl, divergence from softened logits at --temperature; or, on
    the fly, mse of logits. Default: cross-entropy, on the fly kl."""
    temperature: MaybeFloat = None
    """With kl: of the logits. Default: the one that the labels were made with, or 1; on the fly 20,
    which softens the labels too."""
    ground_truth: MaybeFloat = None
    """On the fly: weight of the cross-entropy of hard labels, which is added. Default: 0, with mse
    0.1."""

    def spec(self) -> SoftSpec:
        """Return how networks learn from soft labels of a set, as a description says it.

        Raises:
            InputError: for what only labels on the fly have.
        """
        if self.labels == "on-the-fly":
            return SoftSpec()
        if self.soft_loss == "mse" or self.ground_truth is not None:
            what = "--ground-truth" if self.ground_truth is not None else "--soft-loss mse"
            raise InputError(f"{what} is for labels given on the fly; add --labels on-the-fly")
        return SoftSpec(loss=self.soft_loss or "cross-entropy", temperature=self.temperature)

    def on_the_fly(self) -> OnTheFlySpec | None:
        """Return how networks learn from labels on the fly; None without these."""
        if self.labels == "own":
            return None
        return OnTheFlySpec(
            loss=self.soft_loss or "kl",
            temperature=self.temperature,
            ground_truth=self.ground_truth,
        )


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
