"""Original models that a command is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datastill.base.errors import InputError
from datastill.cli.options import MaybeInt, SomeInts, positive

if TYPE_CHECKING:
    from torch import Tensor

    from datastill.data import ImageSet
    from datastill.training.pool import Pool


@dataclass(frozen=True)
class Originals:
    """The original models that judge a set."""

    models_pool: tuple[str, ...] = ("ConvNet",)
    """Architectures of the original models that judge; by features alone also hf:NAME."""
    model_num: MaybeInt = None
    """Original models of each architecture. Default: all there are."""
    epoch: MaybeInt = None
    """Which snapshot of them. Default: the last."""
    early_epochs: SomeInts = ()
    """Let them judge as they were after these epochs too (see train --save-epochs)."""
    pool_path: Path = Path("pretrained_model")
    """Folder with original models, as 'datastill train' leaves it."""

    def check(self) -> None:
        """Refuse options that make no sense."""
        positive(model_num=self.model_num, epoch=self.epoch)
        for epoch in self.early_epochs:
            positive(early_epochs=epoch)

    def load(self, real: ImageSet, names: Sequence[str] = ()) -> tuple[Pool, Pool]:
        """Read the models of a dataset, and early ones: as asked, and as assessments need them.

        Args:
            real: training images of that dataset.
            names: of assessments.
        """
        from datastill.evaluation.scores import epoch_of
        from datastill.networks import BACKBONE

        asked = {epoch_of(name) for name in names}
        early_epochs = sorted({*self.early_epochs, *(epoch for epoch in asked if epoch)})
        shelf = Shelf(self.pool_path, real.domain.name, real)
        trained = [name for name in self.models_pool if not name.startswith(BACKBONE)]
        pool = shelf.load(self.models_pool, self.model_num, epoch=self.epoch)
        early = [
            member
            for epoch in early_epochs
            for member in shelf.load(trained, self.model_num, epoch=epoch)
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

    root: Path
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
        from datastill.identity import require_trained_on
        from datastill.networks import find

        found = [find(name)[0] for name in names]
        if len(set(found)) < len(found):
            raise InputError(f"--models-pool names an architecture twice: {' '.join(found)}")
        if not found:
            raise InputError("--models-pool needs at least one name")
        pool = [member for name in found for member in self._members(name, num, epoch)]
        data = self.real.facts if self.data is None else self.data
        require_trained_on(pool, data, self.real.domain.name, other=self.other)
        for member in pool:
            member.network.to(self.real.images.device)
        return pool

    def _members(self, name: str, num: int | None, epoch: int | None) -> Pool:
        from datastill.networks import BACKBONE
        from datastill.store import load_pool, pool_folder
        from datastill.training.pool import backbone_member

        if name.startswith(BACKBONE):
            return (backbone_member(name, self.real.domain),)
        folder = pool_folder(self.root, self.dataset, name)
        return load_pool(folder, num, epoch=epoch, factory=name)


@dataclass(frozen=True, eq=False)
class Features:
    """Features of the real images by which coresets pick.

    Attributes:
        values: ``(N, D)``, or None for pixels.
        facts: by which model, as it is written down; None for pixels.
    """

    values: Tensor | None = None
    facts: dict[str, Any] | None = None


def features_by(name: str | None, real: ImageSet, root: Path) -> Features:
    """Return the features by which coresets pick.

    Args:
        name: architecture of the original model whose features they are, or hf:NAME; None for
            pixels.
        real: training images.
        root: folder with original models.
    """
    if name is None:
        return Features()
    from datastill.identity import described
    from datastill.training.pool import features_of

    (member,) = pool = Shelf(root, real.domain.name, real).load([name], 1)
    return Features(features_of(member, real), {"by": name, "originals": described(pool)})


def told(pool: Pool, early: Pool) -> str:
    """Say in a few words who judges."""
    from datastill.identity import unknown
    from datastill.training.pool import by_architecture, by_epoch

    groups = [f"{len(members)} {name}" for name, members in by_architecture(pool).items()]
    epochs = ", ".join(map(str, by_epoch(early)))
    when = f", and as they were after epochs {epochs}" if epochs else ""
    silent = unknown([*pool, *early])
    return " and ".join(groups) + when + (f" ({silent})" if silent else "")
