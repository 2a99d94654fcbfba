"""datastill all."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import tyro

from datastill.base.errors import InputError
from datastill.cli.data import Data
from datastill.cli.distill import Distill
from datastill.cli.export import Export
from datastill.cli.logs import Logs
from datastill.cli.options import Flag, Ipc, Machine, MaybePath, SomeFloats, SomeTexts, positive
from datastill.cli.resuming import Resuming
from datastill.cli.train import Train
from datastill.cli.validate import Validate
from datastill.runs.quota import parse

Format = Annotated[
    Literal["folder", "npz", "pt", "parquet", "hub"] | None,
    tyro.conf.arg(metavar="{folder,npz,pt,parquet,hub}", help_behavior_hint=""),
]


@dataclass(frozen=True)
class All:
    """Do the whole job on one dataset: distil it, test what the set is worth, and give it away.

    The set goes where 'datastill distill' puts it, and is held against random real images. With
    --alphas, original models are trained first, for CLOM; with --export, the set is also written
    as other programs read it.
    """

    dataset: str
    """Name of a dataset such as CIFAR10, path of your own images, or hf:NAME on the hub."""
    data_path: MaybePath = None
    """Folder with its files. Default: ./data/[dataset], then where system packages put them."""
    ipc: Ipc = 10
    """Synthetic images per class; of some: cat=5,rest=10; by their real ones: proportional:500."""
    method: str = "DM"
    """How to distil: DM matches mean features, DC and DSA gradients. There are {METHODS}."""
    model: str = "ConvNet"
    """Architecture of all networks. ConvNetD4 suits 64 pixels, ConvNetD5 128 and more; your own is
    module:function."""
    iterations: int = 1000
    """Updates of the set."""
    epochs: int = 300
    """Passes over the set when networks are trained to test it."""
    num_eval: int = 3
    """Networks to test it with."""
    against: SomeTexts = ("random",)
    """Real images to hold it against, picked by {CORESETS}."""
    alphas: SomeFloats = ()
    """Weight of CLOM. Default: no CLOM."""
    num: int = 3
    """With --alphas: original models to train."""
    original_epochs: int = 30
    """With --alphas: passes over the real images for each of them."""
    pool_path: Path = Path("pretrained_model")
    """Folder for original models."""
    export: Format = None
    """Also write the set as pictures (folder) or in another format of 'datastill export', beside
    it. Default: no."""
    save_path: Path = Path("condensed")
    """Folder for synthetic sets."""
    overwrite: Flag = False
    """Replace the run that is there, and the original models."""
    resuming: Resuming = Resuming()
    data: Data = Data()
    logs: Logs = Logs()
    machine: Machine = Machine()

    def run(self) -> None:
        """Train original models if they are needed, distil, validate, export."""
        positive(iterations=self.iterations, epochs=self.epochs, num_eval=self.num_eval)
        self.resuming.check(overwrite=self.overwrite)
        from datastill.datasets import dataset_name
        from datastill.distillation.methods import METHODS
        from datastill.store import SET_FILE, require_free, set_folder

        name = dataset_name(self.dataset, self.data_path, self.data.pixels())
        method, label = METHODS.spelling(self.method), parse(self.ipc).label
        folder = set_folder(self.save_path, name, method, label)
        going_on = self.overwrite or self.resuming.resume
        require_free(folder, (SET_FILE,), overwrite=going_on)
        exported, console = self.exported(folder), self.machine.console()
        self.require_tests()
        if self.alphas:
            self.require_images()
            self.train().go(console)
        self.distill().go(console)
        self.validate(folder).run()
        if self.export and exported and not exported.exists():
            Export(folder, to=self.export, out=exported, quiet=self.machine.quiet).run()

    def exported(self, folder: Path) -> Path | None:
        """Return where the set is written for other programs, if it is.

        Raises:
            InputError: when something else is there already.
        """
        if self.export is None:
            return None
        ending = "" if self.export in ("folder", "hub") else f".{self.export}"
        path = folder / f"export{ending}"
        if path.exists() and not self.resuming.resume:
            raise InputError(f"{path} is there, which is never replaced; move it away")
        return path

    def require_tests(self) -> None:
        """Refuse a dataset that nothing can be tested on, before anything is made of it."""
        from datastill.datasets import is_testable, untestable
        from datastill.runs.reading import reading

        spec = self.data.spec(self.dataset, self.data_path)
        how = reading(spec, self.machine.console())
        if not is_testable(self.dataset, self.data_path, how):
            raise untestable(self.dataset, how)

    def require_images(self) -> None:
        """Refuse a start that lacks images, before original models are trained for it."""
        from datastill.distillation.descent import Descent, starting_counts
        from datastill.distillation.methods import METHODS
        from datastill.runs.reading import read_train

        console = self.machine.console()
        real = read_train(self.data.spec(self.dataset, self.data_path), "cpu", console)
        ipc = parse(self.ipc).counts(real)
        starting_counts(real, Descent(ipc=ipc, init=METHODS[self.method](1).init))

    def train(self) -> Train:
        """Return the command that makes original models."""
        return Train(
            self.dataset,
            self.data_path,
            model=(self.model,),
            num=self.num,
            epochs=self.original_epochs,
            save_path=self.pool_path,
            overwrite=self.overwrite,
            resuming=self.resuming,
            data=self.data,
            logs=self.logs,
            machine=self.machine,
        )

    def distill(self) -> Distill:
        """Return the command that makes the set."""
        return Distill(
            self.dataset,
            self.data_path,
            method=self.method,
            model=self.model,
            ipc=self.ipc,
            iterations=self.iterations,
            alphas=self.alphas,
            models_pool=(self.model,),
            model_num=self.num if self.alphas else None,
            pool_path=self.pool_path,
            save_path=self.save_path,
            overwrite=self.overwrite,
            resuming=self.resuming,
            data=self.data,
            logs=self.logs,
            machine=self.machine,
        )

    def validate(self, folder: Path) -> Validate:
        """Return the command that tests the set in a folder."""
        return Validate(
            folder,
            self.dataset,
            self.data_path,
            model=(self.model,),
            num_eval=self.num_eval,
            epochs=self.epochs,
            against=self.against,
            resume=self.resuming.resume,
            checkpoint_minutes=self.resuming.checkpoint_minutes,
            logs=self.logs,
            machine=replace(self.machine, recipe=None),
        )
