"""Original models that a run is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datastill.base.errors import InputError
from datastill.base.wording import counted
from datastill.data import ImageSet
from datastill.evaluation.scores import epoch_of
from datastill.identity import called, described, require_trained_on, unknown
from datastill.networks import BACKBONE, find
from datastill.runs.specs import PoolSpec
from datastill.store import load_pool, load_snapshots, members_in, pool_folder
from datastill.training.coresets import CORESETS, MISSING, Known, looks_at_features, needs_of
from datastill.training.labeller import Labeller
from datastill.training.pool import (
    Member,
    Pool,
    Trajectory,
    backbone_member,
    by_architecture,
    by_epoch,
    trajectories,
)
from datastill.training.seeing import features_of


def load(spec: PoolSpec, real: ImageSet, names: Sequence[str] = ()) -> tuple[Pool, Pool]:
    """Read the models of a dataset, and early ones: as asked, and as assessments need them.

    Args:
        spec: which.
        real: training images of that dataset.
        names: of assessments.
    """
    asked = {epoch_of(name) for name in names}
    early_epochs = sorted({*spec.early, *(epoch for epoch in asked if epoch)})
    shelf = Shelf(spec.path, real.domain.name, real)
    trained = [name for name in spec.architectures if not name.startswith(BACKBONE)]
    pool = shelf.load(spec.architectures, spec.num, epoch=spec.epoch)
    early = [
        member for epoch in early_epochs for member in shelf.load(trained, spec.num, epoch=epoch)
    ]
    return pool, early


@dataclass(frozen=True)
class Shelf:
    """The original models of one dataset, and models of Hugging Face.

    Attributes:
        root: folder with all original models.
        dataset: whose.
        real: the images that they are to see, on the device where they are to be.
        data: what is known of the images that they were to be trained on; by default of ``real``.
        other: whether they are meant to be of another dataset than those images.
    """

    root: Path | str
    dataset: str
    real: ImageSet
    data: Mapping[str, Any] | None = None
    other: bool = False

    def load(self, names: Sequence[str], num: int | None, *, epoch: int | None = None) -> Pool:
        """Read ``num`` models of each architecture, or all, as they were after an epoch.

        Of Hugging Face (``hf:NAME``) there is one, and it has no epochs.

        Raises:
            InputError: for an architecture that is unknown, named twice or without models, and for
                models that were trained on other images than they should.
        """
        return self._ready([m for name in _once(names) for m in self._members(name, num, epoch)])

    def snapshots(self, names: Sequence[str], num: int | None) -> Pool:
        """Read ``num`` models of each architecture, or all, as they were after every kept epoch.

        Raises:
            InputError: see ``load``.
        """
        return self._ready([m for name in _once(names) for m in self._kept(name, num)])

    def by_epoch(self, names: Sequence[str], num: int | None) -> dict[int, Pool]:
        """Read ``num`` models of each architecture, or all, after every epoch that all were kept.

        Returns:
            Pools by their epochs, the earliest first.

        Raises:
            InputError: see ``load``; for models that know no classes, and when all were kept after
                fewer than two epochs.
        """
        groups: list[dict[int, Pool]] = []
        for name in (find(name)[0] for name in names):
            if name.startswith(BACKBONE):
                raise InputError(f"{name} has no epochs, and knows no classes")
            folder = pool_folder(Path(self.root), self.dataset, name)
            kept = by_epoch(load_snapshots(folder, num, factory=name))
            most = max(map(len, kept.values()))
            groups.append({epoch: pool for epoch, pool in kept.items() if len(pool) == most})
        shared = [epoch for epoch in groups[0] if all(epoch in group for group in groups)]
        if len(shared) < 2:
            there = f"{self.root} has the original models after {counted(len(shared), 'epoch')}"
            raise InputError(
                f"{there}, and an early one is chosen among two or more; train with `save_epochs`",
                typed=f"{there}, and an early one is chosen among two or more; make them with "
                "'datastill train' and --save-epochs",
            )
        found = {epoch: [one for group in groups for one in group[epoch]] for epoch in shared}
        for pool in found.values():
            require_trained_on(pool, self.real.facts, self.real.domain.name)
            for member in pool:
                member.network.to(self.real.images.device)
        return dict(found)

    def trajectories(self, name: str, num: int | None) -> tuple[Trajectory, ...]:
        """Read what became of ``num`` models of an architecture, or of all, epoch by epoch.

        Raises:
            InputError: for an architecture that is unknown or without models, and for models that
                were trained on other images than they should.
        """
        return trajectories(self.snapshots([name], num))

    def _ready(self, pool: Pool) -> Pool:
        # Where they are to be, and of the images that they should have been trained on.
        data = self.real.facts if self.data is None else self.data
        require_trained_on(pool, data, self.real.domain.name, other=self.other)
        for member in pool:
            member.network.to(self.real.images.device)
        return pool

    def _kept(self, name: str, num: int | None) -> Pool:
        folder = pool_folder(Path(self.root), self.dataset, name)
        return load_snapshots(folder, num, factory=name)

    def found(self, usual: str) -> Member | str:
        """Return the first original model that can serve, or say in a line why there is none.

        Args:
            usual: architecture that is preferred to others.
        """
        place = pool_folder(Path(self.root), self.dataset, "any").parent
        others = sorted(folder.name for folder in place.glob("*") if any(members_in(folder)))
        names = [usual, *(name for name in others if name != usual and known_as(name))]
        complaint = ""
        for name in names:
            if name.replace(":", ".") not in others:
                continue
            try:
                return self.load([name], 1)[0]
            except InputError as error:
                complaint = complaint or str(error)
        return complaint or f"there are no original models of {self.dataset} in {self.root}"

    def _members(self, name: str, num: int | None, epoch: int | None) -> Pool:
        if name.startswith(BACKBONE):
            return (backbone_member(name, self.real.domain),)
        folder = pool_folder(Path(self.root), self.dataset, name)
        return load_pool(folder, num, epoch=epoch, factory=name)


PIXELS = "pixels"
"""What stands for no features, where an architecture could stand."""


def _once(names: Sequence[str]) -> list[str]:
    # The names of architectures as they are spelled.
    found = [find(name)[0] for name in names]
    if len(set(found)) < len(found):
        raise InputError(f"`architectures` names an architecture twice: {' '.join(found)}")
    if not found:
        raise InputError("`architectures` needs at least one name")
    return found


@dataclass(frozen=True, eq=False)
class Features:
    """What coresets know of the real images.

    Attributes:
        known: features by which they pick, and original models that they ask.
        facts: whose features, as it is written down; None for pixels.
        words: which coresets pick in which space, and why in pixels; empty where none looks at one.
    """

    known: Known = field(default_factory=Known)
    facts: dict[str, Any] | None = None
    words: str = ""

    @property
    def caveats(self) -> tuple[str, ...]:
        """The words, to be said and written down with results."""
        return (self.words,) if self.words else ()

    def written(self) -> dict[str, Any]:
        """Return what is written down of both."""
        asked = self.known.originals
        return {
            "features": self.facts,
            "coreset_originals": {"originals": described(asked)} if asked else None,
        }


def features_by(
    coresets: Sequence[str],
    name: str | None,
    usual: str,
    real: ImageSet,
    root: Path | str,
    *,
    look: bool = True,
) -> Features:
    """Return what coresets know of real images.

    Args:
        coresets: names of them.
        name: architecture of the original model whose features they pick by, or hf:NAME, or
            ``"pixels"``. Those that ask an original model what it says ask the same. None for
            the features of the first original model that there is, as published, and for pixels
            where there is none; of coresets that are published so, that is.
        usual: architecture of the one that they ask without a name.
        real: training images.
        root: folder with original models.
        look: whether to work out the features, or to find out only whose they would be.

    Raises:
        InputError: when there is no such model, or it knows no classes and is asked for them.
    """
    shelf, named = Shelf(root, real.domain.name, real), None if name == PIXELS else name
    originals = _asked(coresets, shelf, named or usual)
    space, looking = _space(coresets, name, usual, shelf)
    if space is None or isinstance(space, str):
        why = f": {space}" if space else ""
        words = f"{' '.join(looking)} pick in the space of pixels{why}" if looking else ""
        return Features(Known(originals=originals), words=words)
    whose = described([space])
    facts = {"by": space.architecture, "originals": whose}
    words = f"{' '.join(looking)} pick by features of {called(whose[0])}"
    return Features(Known(features_of(space, real) if look else None, originals), facts, words)


def _asked(coresets: Sequence[str], shelf: Shelf, judge: str) -> Pool:
    # The original models that coresets ask, the one that judges first.
    judging = asked_by(coresets)
    accounts = [name for name in coresets if "dynamics" in needs_of(CORESETS[name])]
    if not (judging or accounts):
        return ()
    judge = judge_of(judging or accounts, judge)
    pool = shelf.load([judge], None if accounts else 1)
    told = [one for one in pool if one.dynamics is not None] if accounts else []
    if accounts and not told:
        raise InputError(f"{accounts[0]}: {MISSING['dynamics']}")
    first = [one for one in pool[:1] if judging and one not in told]
    return (*first, *told)


def _space(
    coresets: Sequence[str], name: str | None, usual: str, shelf: Shelf
) -> tuple[Member | str | None, list[str]]:
    # The model in whose features coresets pick, or why it is pixels; and which do.
    if name is not None and name != PIXELS:
        asking = {one for one in coresets if needs_of(CORESETS[one])}
        own = {one for one in coresets if not CORESETS.has(one)}  # nothing is known of these
        looking = [n for n in coresets if looks_at_features(CORESETS[n]) or n in own - asking]
        return (shelf.load([name], 1)[0] if looking else None), looking
    looking = [one for one in coresets if looks_at_features(CORESETS[one])]
    if name == PIXELS or not looking:
        return None, looking
    return shelf.found(usual), looking


def asked_by(coresets: Sequence[str]) -> list[str]:
    """Return the names of those that ask original models."""
    return [name for name in coresets if "originals" in needs_of(CORESETS[name])]


def judge_of(asking: Sequence[str], judge: str) -> str:
    """Return the architecture of the original model that coresets ask.

    Args:
        asking: names of those that ask one.
        judge: the architecture that was named, or the usual one.

    Raises:
        InputError: for a model of Hugging Face, which knows no classes.
    """
    if asking and judge.startswith(BACKBONE):
        raise InputError(
            f"{judge} knows no classes, and {asking[0]} asks for them; name an original model by "
            "its architecture (`coreset_features`)"
        )
    return judge


def known_as(name: str) -> bool:
    """Tell whether an architecture is known by a name."""
    try:
        return find(name)[0] == name
    except InputError:
        return False


def told_of_labels(labeller: Labeller) -> str:
    """Say who labels on the fly, what networks learn of that, and what it takes to have them."""
    return (
        f"on the fly, every batch is labelled by {told(labeller.pool, ())}, of "
        f"{labeller.model_bytes:,} bytes: {labeller.terms.words}"
    )


def told(pool: Pool, early: Pool) -> str:
    """Say in a few words who judges."""
    groups = [f"{len(members)} {name}" for name, members in by_architecture(pool).items()]
    epochs = ", ".join(map(str, by_epoch(early)))
    when = f", and as they were after epochs {epochs}" if epochs else ""
    silent = unknown([*pool, *early])
    return " and ".join(groups) + when + (f" ({silent})" if silent else "")
