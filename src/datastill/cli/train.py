"""datastill train."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from datastill.cli.console import Console
from datastill.cli.data import Data, repeated
from datastill.cli.hints import USUAL_MODEL, typed
from datastill.cli.interruption import Signals
from datastill.cli.logs import Logs
from datastill.cli.options import Flag, Machine, MaybePath, SomeInts
from datastill.cli.resuming import Resuming
from datastill.runs.specs import TrainSpec

if TYPE_CHECKING:
    from datastill.runs.training import Row

COLUMNS = ("model", "epochs", "train %", "held-out %", "test % (only told)", "seconds")


@dataclass(frozen=True)
class Train:
    """Train original models on the real data: teachers for CLOM, judges for assessments.

    They go to [save-path]/[dataset]/original/[model], one file each. The last epoch counts: no
    checkpoint is ever chosen, and test accuracy is told but kept out of the files.
    """

    dataset: str
    """Name of a dataset such as CIFAR10, path of your own images, or hf:NAME on the hub."""
    data_path: MaybePath = None
    """Folder with its files. Default: ./data/[dataset], then where system packages put them."""
    model: tuple[str, ...] = (USUAL_MODEL,)
    """Architectures, one or several, such as ConvNet MLP; your own are module:function."""
    num: int = 10
    """Models of each architecture."""
    epochs: int = 150
    """Passes over the training images; the learning rate falls after each third."""
    lr_net: float = 0.01
    """Learning rate at the start."""
    batch_train: int = 256
    """Images per step."""
    weight_decay: float = 5e-3
    """Pull of the weights towards zero."""
    save_epochs: SomeInts = ()
    """Keep the models as they were after these epochs too."""
    held_out: float = 0.05
    """Share of the training images kept aside to judge each model by."""
    save_path: Path = Path("pretrained_model")
    """Folder for original models."""
    add: Flag = False
    """Add models to those that are there; those keep their numbers."""
    overwrite: Flag = False
    """Delete the models that are there."""
    resuming: Resuming = Resuming()
    data: Data = Data()
    logs: Logs = Logs()
    machine: Machine = Machine()

    def run(self) -> None:
        """Train every model and write it as soon as it is ready."""
        console = self.machine.console()
        folder, names = self.go(console)
        console.message(f"They are in {folder}. Next:\n  {self.next(names)}")

    def go(self, console: Console) -> tuple[Path, tuple[str, ...]]:
        """Do it, and return where the models are, and their architectures."""
        spec = self.spec()
        keeping = self.resuming.keeping(overwrite=self.overwrite, logs=self.logs)
        from datastill.runs.training import train

        place, stop = self.save_path, Signals()
        found = train(spec, place, keeping=keeping, observer=console, stop=stop, add=self.add)
        assert found.folder is not None
        console.table(f"Original models of {found.dataset}", COLUMNS, [*map(told, found.rows)])
        return found.folder, tuple(dict.fromkeys(row.architecture for row in found.rows))

    def spec(self) -> TrainSpec:
        """Return what the models follow from.

        Raises:
            InputError: for options that make no sense.
        """
        return TrainSpec(
            data=self.data.spec(self.dataset, self.data_path),
            compute=self.machine.compute(),
            models=self.model,
            num=self.num,
            epochs=self.epochs,
            lr=self.lr_net,
            batch=self.batch_train,
            weight_decay=self.weight_decay,
            save_epochs=self.save_epochs,
            held_out=self.held_out,
        )

    def next(self, names: Sequence[str]) -> str:
        """Return the command that makes a set under the eyes of these models."""
        usual = type(self).save_path
        return typed(
            "distill",
            method="DM",
            **repeated(self.dataset, self.data_path, self.data),
            model=None if names[0] == USUAL_MODEL else names[0],
            alphas=100,
            models_pool=names,
            pool_path=None if self.save_path == usual else self.save_path,
            **self.machine.repeated(),
        )


def told(row: Row) -> tuple[str, ...]:
    """Return what a person reads of a model."""
    facts, held_out = row.facts, row.facts["held_out_accuracy"]
    return (
        f"{row.architecture} {row.number}",
        str(facts["epoch"]),
        f"{100 * facts['train_accuracy']:.2f}",
        "none" if held_out is None else f"{100 * held_out:.2f}",
        "none" if row.test_accuracy is None else f"{100 * row.test_accuracy:.2f}",
        f"{facts['seconds']:.0f}",
    )
