"""The options of a study: what is studied, and by whom it is judged."""

from __future__ import annotations

from dataclasses import dataclass

from datastill.cli.options import MaybeInt, MaybePath, SomeInts, SomePaths, SomeTexts
from datastill.runs.specs import JudgesSpec


@dataclass(frozen=True)
class Plan:
    """The sets that are studied."""

    population: SomeTexts = ()
    """Kinds of sets: a coreset (random, ...), noise:SHARE, METHOD:UPDATES or METHOD:UPDATES:ALPHA.
    Default: a mixture; with --sets, none."""
    sets: SomePaths = ()
    """Sets that are there already: files, or folders of runs."""
    ipc: tuple[int, ...] = (1, 10)
    """Images per class of what is made, one number or several."""
    seeds: int = 2
    """Sets of each kind and ipc."""
    batch_real: int = 64
    """Real images of each class that an update sees."""
    inner_loop: MaybeInt = None
    """DC, DSA: epochs by which a network ages between updates. Default: as published."""


@dataclass(frozen=True)
class Judges:
    """The original models that judge and, as CLOM, guide."""

    models_pool: tuple[str, ...] = ("ConvNetD2W32", "MLP")
    """Architectures of the original models."""
    model_num: int = 3
    """Original models of each architecture."""
    pool_path: MaybePath = None
    """Folder with original models. Default: the study trains its own, briefly."""
    epoch: MaybeInt = None
    """Which snapshot of them. Default: the last."""
    early_epochs: SomeInts = ()
    """Let them judge as they were after these epochs too. Default: 1 3 of the study's own."""
    pool_epochs: int = 15
    """Epochs for which a study trains its own."""

    def spec(self) -> JudgesSpec:
        """Return who judges, as a description says it."""
        return JudgesSpec(
            architectures=self.models_pool,
            num=self.model_num,
            path=None if self.pool_path is None else str(self.pool_path),
            epoch=self.epoch,
            early=self.early_epochs,
            pool_epochs=self.pool_epochs,
        )
