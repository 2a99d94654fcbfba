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
from datastill.identity import described, require_trained_on, unknown
from datastill.networks import BACKBONE, find
from datastill.runs.specs import PoolSpec
from datastill.store import load_pool, load_snapshots, pool_folder
from datastill.training.coresets import CORESETS, Known, needs_of
from datastill.training.labeller import Labeller
from datastill.training.pool import (
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
        found = [find(name)[0] for name in names]
        if len(set(found)) < len(found):
            raise InputError(f"`architectures` names an architecture twice: {' '.join(found)}")
        if not found:
            raise InputError("`architectures` needs at least one name")
        pool = [member for name in found for member in self._members(name, num, epoch)]
        data = self.real.facts if self.data is None else self.data
        require_trained_on(pool, data, self.real.domain.name, other=self.other)
        for member in pool:
            member.network.to(self.real.images.device)
        return pool

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
        found, _ = find(name)
        folder = pool_folder(Path(self.root), self.dataset, found)
        pool = load_snapshots(folder, num, factory=found)
        require_trained_on(pool, self.real.facts, self.real.domain.name)
        for member in pool:
            member.network.to(self.real.images.device)
        return trajectories(pool)

    def _members(self, name: str, num: int | None, epoch: int | None) -> Pool:
        if name.startswith(BACKBONE):
            return (backbone_member(name, self.real.domain),)
        folder = pool_folder(Path(self.root), self.dataset, name)
        return load_pool(folder, num, epoch=epoch, factory=name)


@dataclass(frozen=True, eq=False)
class Features:
    """What coresets know of the real images.

    Attributes:
        known: features by which they pick, and original models that they ask.
        facts: whose features, as it is written down; None for pixels.
    """

    known: Known = field(default_factory=Known)
    facts: dict[str, Any] | None = None

    def written(self) -> dict[str, Any]:
        """Return what is written down of both."""
        asked = self.known.originals
        return {
            "features": self.facts,
            "coreset_originals": {"originals": described(asked)} if asked else None,
        }


def features_by(
    coresets: Sequence[str], name: str | None, usual: str, real: ImageSet, root: Path | str
) -> Features:
    """Return what coresets know of real images.

    Args:
        coresets: names of them.
        name: architecture of the original model whose features they pick by, or hf:NAME; None for
            pixels. Those that ask an original model what it says ask the same.
        usual: architecture of the one that they ask without a name.
        real: training images.
        root: folder with original models.

    Raises:
        InputError: when there is no such model, or it knows no classes and is asked for them.
    """
    asking = asked_by(coresets)
    if not asking and name is None:
        return Features()
    judge = judge_of(asking, name, usual)
    (member,) = pool = Shelf(root, real.domain.name, real).load([judge], 1)
    originals = pool if asking else ()
    if name is None or len(asking) == len(coresets):  # nobody looks at features
        return Features(Known(originals=originals))
    facts = {"by": name, "originals": described(pool)}
    return Features(Known(features_of(member, real), originals), facts)


def asked_by(coresets: Sequence[str]) -> list[str]:
    """Return the names of those that ask original models."""
    return [name for name in coresets if "originals" in needs_of(CORESETS[name])]


def judge_of(asking: Sequence[str], name: str | None, usual: str) -> str:
    """Return the architecture of the original model that coresets ask.

    Args:
        asking: names of those that ask one.
        name: that was given, see ``features_by``.
        usual: without one.

    Raises:
        InputError: for a model of Hugging Face, which knows no classes.
    """
    judge = name or usual
    if asking and judge.startswith(BACKBONE):
        raise InputError(
            f"{judge} knows no classes, and {asking[0]} asks for them; name an original model by "
            "its architecture (`coreset_features`)"
        )
    return judge


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
