"""Original models that a run is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datastill.base.errors import InputError
from datastill.base.waits import awaited
from datastill.base.wording import counted
from datastill.data import ImageSet
from datastill.evaluation.scores import epoch_of
from datastill.identity import require_trained_on, unknown
from datastill.networks import BACKBONE, find
from datastill.runs.specs import PoolSpec
from datastill.store import load_pool, load_snapshots, members_in, pool_folder
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


def load(spec: PoolSpec, real: ImageSet, names: Sequence[str] = ()) -> tuple[Pool, Pool]:
    """Read the models of a dataset, and early ones: as asked, and as assessments need them.

    Args:
        spec: which.
        real: training images of that dataset.
        names: of assessments.
    """
    asked = {epoch_of(name) for name in names}
    early_epochs = sorted({*spec.early, *(epoch for epoch in asked if epoch)})
    shelf = Shelf(spec.path, real)
    trained = [name for name in spec.architectures if not name.startswith(BACKBONE)]
    pool = shelf.asked(spec)
    early = [m for epoch in early_epochs for m in shelf.load(trained, spec.num, epoch=epoch)]
    return pool, early


@dataclass(frozen=True)
class Shelf:
    """The original models of one dataset, and models of Hugging Face.

    Attributes:
        root: folder with all original models.
        real: the images that they are to see, on the device where they are to be.
        data: what is known of the images that they were to be trained on; by default of ``real``.
        name: of the dataset; by default that of ``real``.
        other: whether they are meant to be of another dataset than those images.
        named: whether a person can say how many serve, and after which epoch: hints name that.
    """

    root: Path | str
    real: ImageSet
    data: Mapping[str, Any] | None = None
    name: str | None = None
    other: bool = False
    named: bool = True

    def asked(self, spec: PoolSpec) -> Pool:
        """Read the models that a description asks for, see ``load``."""
        return self.load(spec.architectures, spec.num, epoch=spec.epoch)

    def load(self, names: Sequence[str], num: int | None, *, epoch: int | None = None) -> Pool:
        """Read ``num`` models of each architecture, or all, as they were after an epoch.

        Of Hugging Face (``hf:NAME``) there is one, and it has no epochs.

        Raises:
            InputError: for an architecture that is unknown, named twice or without models, and for
                models that were trained on other images than they should.
        """
        with awaited(f"reading original models in {self.root}"):
            found = [m for name in _once(names) for m in self._members(name, num, epoch)]
        return self._ready(found)

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
            kept = by_epoch(self._kept(name, num))
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
        return {
            epoch: self._ready([one for group in groups for one in group[epoch]])
            for epoch in shared
        }

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
        return load_snapshots(self._folder(name), num, factory=name)

    def _folder(self, name: str) -> Path:
        return pool_folder(Path(self.root), self._dataset, name)

    @property
    def _dataset(self) -> str:
        return self.name or self.real.domain.name

    def found(self, usual: str) -> Member | str:
        """Return the first original model that can serve, or say in a line why there is none.

        Args:
            usual: architecture that is preferred to others.
        """
        place = self._folder("any").parent
        others = sorted(folder.name for folder in place.glob("*") if any(members_in(folder)))
        names = [usual, *(name for name in others if name != usual and _known(name))]
        complaint = ""
        for name in names:
            if name.replace(":", ".") not in others:
                continue
            try:
                return self.load([name], 1)[0]
            except InputError as error:
                complaint = complaint or str(error)
        return complaint or f"there are no original models of {self._dataset} in {self.root}"

    def _members(self, name: str, num: int | None, epoch: int | None) -> Pool:
        if name.startswith(BACKBONE):
            return (backbone_member(name, self.real.domain),)
        folder = self._folder(name)
        return load_pool(folder, num, epoch=epoch, factory=name, named=self.named)


def _once(names: Sequence[str]) -> list[str]:
    # The names of architectures as they are spelled.
    found = [find(name)[0] for name in names]
    if len(set(found)) < len(found):
        raise InputError(f"`architectures` names an architecture twice: {' '.join(found)}")
    if not found:
        raise InputError("`architectures` needs at least one name")
    return found


def _known(name: str) -> bool:
    # Whether an architecture is known by a name.
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
    return (" and ".join(groups) or "no original model") + when + (f" ({silent})" if silent else "")
