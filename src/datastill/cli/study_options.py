"""The options of a study: what is studied, and by whom it is judged."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from datastill.base.errors import InputError
from datastill.base.wording import counted
from datastill.cli.options import (
    MaybeInt,
    MaybePath,
    SomeInts,
    SomePaths,
    SomeTexts,
    positive,
)
from datastill.cli.train import Train

if TYPE_CHECKING:
    from datastill.cli.console import Console
    from datastill.data import ImageSet
    from datastill.runs.population import Candidate
    from datastill.training.pool import Pool

EARLY = (1, 3)

POPULATION = (
    "random",
    "herding",
    "k-means",
    "noise:0.5",
    *(
        f"{method}:{updates}{alpha}"
        for method, some, more in (("DM", 20, 100), ("DC", 5, 20), ("DSA", 5, 20))
        for updates in (some, more)
        for alpha in ("", ":10")
    ),
)
"""What a study is made of unless it is told otherwise: real images, spoilt ones, and methods that
had little time and more, with CLOM and without."""


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

    def candidates(self) -> list[Candidate]:
        """Return the sets to be made."""
        from datastill.runs.population import candidates, parse

        positive(seeds=self.seeds, batch_real=self.batch_real, inner_loop=self.inner_loop)
        for ipc in self.ipc:
            positive(ipc=ipc)
        texts = self.population or (() if self.sets else POPULATION)
        return candidates([parse(text) for text in texts], self.ipc, self.seeds)


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

    def check(self) -> None:
        """Refuse options that make no sense."""
        positive(model_num=self.model_num, epoch=self.epoch, pool_epochs=self.pool_epochs)
        for epoch in self.early_epochs:
            positive(early_epochs=epoch)
        late = [epoch for epoch in self.early if epoch >= self.pool_epochs]
        if self.pool_path is None and late:
            raise InputError(
                f"--early-epochs {late[0]} is not before the last of --pool-epochs "
                f"{self.pool_epochs}"
            )

    @property
    def early(self) -> tuple[int, ...]:
        """The early epochs, with those of the study's own models."""
        own = tuple(epoch for epoch in EARLY if epoch < self.pool_epochs)
        return self.early_epochs or (own if self.pool_path is None else ())

    def load(self, own: Path, real: ImageSet) -> tuple[Pool, Pool]:
        """Read the models, and early ones; ``own`` is the folder of the study's own."""
        from datastill.runs.originals import Shelf

        epoch = self.pool_epochs if self.pool_path is None else self.epoch
        shelf = Shelf(self.pool_path or own, real.domain.name, real)
        names, num = self.models_pool, self.model_num
        early = [member for e in self.early for member in shelf.load(names, num, epoch=e)]
        return shelf.load(names, num, epoch=epoch), early

    def train(self, own: Path, real: ImageSet, like: Train, console: Console) -> None:
        """Train as many models as are missing; one that was left unfinished is not counted.

        Args:
            own: folder of the study's own.
            real: training images.
            like: says how to read these, and how to compute.
            console: is told what is trained, for it may take longer than the rest.
        """
        from datastill.networks import find
        from datastill.runs.series import COMMAND
        from datastill.store import checkpoint_file, pool_folder

        for name in (find(name)[0] for name in self.models_pool):
            folder = pool_folder(own, real.domain.name, name)
            train = replace(
                like,
                model=(name,),
                epochs=self.pool_epochs,
                lr_net=0.05,
                batch_train=64,
                weight_decay=5e-4,
                save_epochs=self.early,
                save_path=own,
                machine=replace(like.machine, quiet=True),
            )
            missing, cut_off = self.missing(folder), checkpoint_file(folder, COMMAND).load()
            if missing:
                console.message(
                    f"training {missing} {name} to judge by, {counted(self.pool_epochs, 'epoch')} "
                    "each; --pool-path takes models that are there"
                )
            if cut_off is not None:
                num = int(cut_off[0].asked.get("num", self.model_num))
                replace(train, num=num, resuming=replace(like.resuming, resume=True)).run()
                missing = self.missing(folder)
            if missing:
                replace(train, num=missing, add=True).run()

    def missing(self, folder: Path) -> int:
        """Return how many models of one architecture a study's own folder lacks."""
        from datastill.store import members_in

        held = sum(epoch == self.pool_epochs for _, epoch, _ in members_in(folder))
        return max(0, self.model_num - held)
