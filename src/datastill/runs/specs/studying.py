"""What a study of assessments follows from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from datastill.base.errors import InputError, countable, positive
from datastill.runs.specs.base import Part, Settings, Spec, Unit, place
from datastill.runs.specs.parts import ComputeSpec, DataSpec, named

EARLY = (1, 3)
"""Epochs after which a study's own models judge too, unless it is told otherwise."""


@dataclass(frozen=True, kw_only=True)
class JudgesSpec(Part):
    """The original models that judge in a study and, as CLOM, guide.

    Attributes:
        architectures: architectures of the original models.
        num: original models of each architecture.
        path: folder with original models. Default: the study trains its own, briefly.
        epoch: which snapshot of them. Default: the last.
        early: let them judge as they were after these epochs too. Default: 1 3 of the study's own.
        pool_epochs: epochs for which a study trains its own.
    """

    architectures: tuple[str, ...] = ("ConvNetD2W32", "MLP")
    num: int = 3
    path: str | None = place(None)
    epoch: int | None = None
    early: tuple[int, ...] = ()
    pool_epochs: int = 15

    @property
    def early_epochs(self) -> tuple[int, ...]:
        """Early epochs after which they judge too, with those of the study's own models."""
        own = tuple(epoch for epoch in EARLY if epoch < self.pool_epochs)
        return self.early or (own if self.path is None else ())

    def check(self) -> None:
        """See ``Part``."""
        positive(num=self.num)
        countable(num=self.num)
        positive(epoch=self.epoch, pool_epochs=self.pool_epochs)
        for epoch in self.early:
            positive(early=epoch)
        if self.path is None and self.epoch is not None:
            raise InputError(
                "`epoch` is of models that a `path` brings; give both, or neither",
                typed="--epoch is of models that --pool-path brings; give both, or neither",
            )
        late = [epoch for epoch in self.early if epoch >= self.pool_epochs]
        if self.path is None and late:
            raise InputError(
                f"`early={late[0]}` is not before the last of `pool_epochs={self.pool_epochs}`"
            )


@dataclass(frozen=True, kw_only=True)
class StudySpec(Spec):
    """What a study of assessments follows from.

    Attributes:
        data: the real images.
        compute: how to compute.
        population: kinds of sets: a coreset (random, ...), noise:SHARE, METHOD:UPDATES or
            METHOD:UPDATES:ALPHA; without ALPHA a method has the CLOM that is part of it, if any.
            Default: a mixture; with `sets`, none.
        sets: sets that are there already: files, or folders of runs.
        ipc: images per class of what is made, one number or several.
        seeds: sets of each kind and ipc.
        batch: real images of each class that an update sees.
        inner_loop: DC, DSA: epochs by which a network ages between updates. Default: as published.
        settings: of methods, by their names, for each method of the population that has them.
        model: architecture of the networks that sets are made by, and that are trained on them;
            your own is module:function.
        trials: networks trained on each set.
        epochs: epochs for which they are trained. Published: 1000 with augmentation, 300 without.
        augmented: whether their images are augmented by DSA; else they are as dc has it, which
            augments those of MNIST alone.
        protocol: by which they are trained. Default: dsa, or dc without augmentation.
        guides: folder with original models of `model` that guide sets as CLOM, and serve methods
            and coresets that ask some. Default: those that judge, so that a set may be judged by
            what it was made to please.
        draws: draws of real images and fresh networks over which every score is averaged; of two or
            more the page tells how reliable each score is.
        judges: original models.
        assessments: names, such as om-accuracy om-accuracy/ConvNet om-accuracy@5. Default: all.
    """

    kind: ClassVar[str] = "study"

    data: DataSpec
    compute: ComputeSpec = field(default_factory=ComputeSpec)
    population: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()
    ipc: tuple[int, ...] = (1, 10)
    seeds: int = 2
    batch: int = 64
    inner_loop: int | None = None
    settings: Settings | None = None
    model: str = "ConvNetD2W32"
    trials: int = 3
    epochs: int = 200
    augmented: bool = True
    protocol: Literal["dc", "dsa", "modern"] | None = None
    guides: str | None = place(None)
    draws: int = 1
    judges: JudgesSpec = field(default_factory=JudgesSpec)
    assessments: tuple[str, ...] = ()

    @property
    def method_settings(self) -> dict[str, bool | int | float | str]:
        """Settings of methods, with the one that has a name of its own here."""
        own = {} if self.inner_loop is None else {"inner_loop": self.inner_loop}
        return {**own, **(self.settings or {})}

    @property
    def guided_by_own(self) -> bool:
        """Whether sets that ask original models wait for those that the study trains itself."""
        return self.judges.path is None and self.guides is None

    def units(self) -> tuple[Unit, ...]:
        """Return the study's own models, and the sets that need none of these; see ``Candidate``.

        Sets that come of one run are one piece.
        """
        from datastill.runs.specs.population import asks_models, wanted

        own, judges = self.judges.path is None, self.judges
        models = [f"judges/{name}/{i}" for name in judges.architectures for i in range(judges.num)]
        wait, settings = self.guided_by_own, self.method_settings
        free = [one for one in wanted(self) if not (wait and asks_models(one.kind, settings))]
        sets = dict.fromkeys(f"sets/{one.run}" for one in free)
        return tuple(Unit(address, self) for address in (*(models if own else ()), *sets))

    def check(self) -> None:
        """See ``Part``."""
        named(self.data)
        object.__setattr__(self, "settings", self.settings or None)
        positive(seeds=self.seeds, batch=self.batch, inner_loop=self.inner_loop)
        positive(trials=self.trials, epochs=self.epochs, draws=self.draws)
        countable(seeds=self.seeds, trials=self.trials, draws=self.draws)
        if self.protocol is not None and not self.augmented:
            raise InputError("`protocol` says whether images are augmented: leave out `augmented`")
        for ipc in self.ipc:
            positive(ipc=ipc)
