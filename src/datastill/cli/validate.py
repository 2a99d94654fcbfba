"""datastill validate."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from datastill.base.errors import InputError
from datastill.base.wording import counted
from datastill.cli.console import Console
from datastill.cli.data import Data
from datastill.cli.finding import OnePath, Which
from datastill.cli.hints import USUAL_MODEL
from datastill.cli.interruption import Signals
from datastill.cli.logs import Logs
from datastill.cli.options import (
    Flag,
    Ipc,
    Machine,
    MaybeInt,
    MaybePath,
    MaybeText,
    SoftLabels,
    SomeTexts,
)
from datastill.cli.originals import Labelling
from datastill.cli.resuming import Resuming
from datastill.cli.tables import show_results
from datastill.runs.keeping import Keeping
from datastill.runs.specs import ValidateSpec

if TYPE_CHECKING:
    from datastill.runs.validating import Validated


@dataclass(frozen=True)
class Validate:
    """Train fresh networks on a synthetic set and test them, each once, at its last epoch.

    Nothing is chosen on the test set. Every trial is kept, in validation.json beside the set.
    """

    path: OnePath = None
    """The set: a file, or the folder of a run. Without it: --dataset, --method and --ipc."""
    dataset: MaybeText = None
    """Whose test images. Default: the dataset that the set was made from."""
    data_path: MaybePath = None
    """Folder with its files. Default: ./data/[dataset], then where system packages put them."""
    method: str = "DM"
    """Method by which to find the set."""
    ipc: Ipc = 10
    """Images per class by which to find the set, as 'datastill distill' was told."""
    save_path: Path = Path("condensed")
    """Folder for synthetic sets."""
    model: tuple[str, ...] = (USUAL_MODEL,)
    """Architectures to train, one or several; your own are module:function."""
    num_eval: int = 5
    """Networks of each architecture. Papers use 20."""
    dsa: Flag = False
    """Train with the augmentation of DSA, 1000 epochs. Default: as published for the method."""
    no_dsa: Flag = False
    """Train by the protocol of DC: 300 epochs without augmentation, but on MNIST 1000 with crop,
    scale and rotate. Default: as published for the method."""
    protocol: MaybeText = None
    """Train by a preset: dc, dsa or modern. Default: as published for the method."""
    augmentation: MaybeText = None
    """Augment by none, by dsa, or by one step for each image, of crop, scale, rotate and noise, say
    crop_noise. Default: that of the preset."""
    epochs: MaybeInt = None
    """Train for another number of epochs; the learning rate falls half-way."""
    soft_labels: SoftLabels = SoftLabels()
    against: SomeTexts = ()
    """Also train on as many real images, picked by {CORESETS}."""
    coreset_features: MaybeText = None
    """Model by whose features coresets pick: hf:NAME, an original model, or pixels. Default: the
    first of the original models; without any, pixels."""
    labelling: Labelling = Labelling()
    together: MaybeInt = None
    """Networks of an architecture to train at once on a set; they end as they would alone, up to
    rounding. Default: on a CPU one, on a GPU as many as its memory holds."""
    save_model: Flag = False
    """Keep the trained networks in a folder 'models' beside the set."""
    resume: Flag = False
    """Go on with the validation of the same options that was cut off here, or that had fewer
    networks; those that were done count. Without it one that is not finished is refused."""
    checkpoint_minutes: float = 5.0
    """Minutes between two checkpoints of a network that is trained; 0 for one at every epoch. Each
    is kept when it is done."""
    out: MaybePath = None
    """Folder for the results, and a copy of the set: where its own cannot be written to."""
    overwrite: Flag = False
    """Forget a validation that is not finished."""
    data: Data = Data()
    logs: Logs = Logs()
    machine: Machine = Machine()

    def run(self) -> None:
        """Train, test, tell, and write every value beside the set."""
        keeping = self.resuming.keeping(overwrite=self.overwrite, logs=self.logs)
        spec, console = self.spec(), self.machine.console()
        file = self.file(console)
        spec, folder = replace(spec, set=str(file)), self.out or file.parent
        judge(spec, folder, keeping, console, save_models=self.save_model)

    @property
    def resuming(self) -> Resuming:
        """What becomes of a validation that is cut off."""
        return Resuming(self.resume, self.checkpoint_minutes)

    def file(self, console: Console) -> Path:
        """Return the file of the set, by path or by dataset, method and ipc."""
        which = Which(self.dataset, self.method, self.ipc, self.save_path)
        return which.file(self.path, console, self.data_path, self.data)

    def spec(self) -> ValidateSpec:
        """Return what the validation follows from, but for the file of the set.

        Raises:
            InputError: for options that make no sense.
        """
        if self.dsa + self.no_dsa + (self.protocol is not None) > 1:
            raise InputError("--dsa, --no-dsa and --protocol exclude each other")
        return ValidateSpec(
            set="",
            data=self.data.spec(self.dataset, self.data_path),
            compute=self.machine.compute(),
            models=self.model,
            trials=self.num_eval,
            protocol="dsa" if self.dsa else "dc" if self.no_dsa else self.protocol,
            augmentation=self.augmentation,
            epochs=self.epochs,
            soft=self.soft_labels.spec(),
            on_the_fly=self.soft_labels.on_the_fly(),
            pool=self.labelling.pool(),
            against=self.against,
            coreset_features=self.coreset_features,
            pool_path=str(self.labelling.pool_path),
            together=self.together,
        )


def judge(
    spec: ValidateSpec,
    folder: Path,
    keeping: Keeping,
    console: Console,
    *,
    save_models: bool = False,
) -> None:
    """Test a set as commands do: told on the console, stopped by signals."""
    from datastill.runs.validating import validate

    found = validate(
        *(spec, folder),
        keeping=keeping,
        observer=console,
        stop=Signals(),
        save_models=save_models,
    )
    show(found, console)


def show(found: Validated, console: Console) -> None:
    """Print what a validation found, and say where it is kept."""
    title = f"Test accuracy after training on {counted(found.images, 'image')}"
    show_results(title, found.results, console)
    for result in found.results:
        if result.obstacle:
            console.message(
                f"{result.model} on {result.source}: trained one network after another, for "
                f"at once {result.obstacle}"
            )
    console.message(f"every value is in {found.file}")
    if found.networks is not None:
        console.message(f"the networks are in {found.networks}")
