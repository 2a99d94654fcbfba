"""datastill all."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from datastill.base.errors import InputError
from datastill.cli.console import Console
from datastill.cli.data import Data
from datastill.cli.distill import made
from datastill.cli.export import Export
from datastill.cli.interruption import Signals
from datastill.cli.logs import Logs
from datastill.cli.options import Alphas, Flag, Ipc, Machine, MaybePath, SomeTexts, positive
from datastill.cli.resuming import Resuming
from datastill.cli.train import COLUMNS, told
from datastill.cli.validate import judge
from datastill.runs.specs import ClomSpec, DistillSpec, PoolSpec, TrainSpec

if TYPE_CHECKING:
    from datastill.runs.keeping import Keeping
    from datastill.runs.whole import Whole

Format = Annotated[
    Literal["folder", "npz", "pt", "parquet", "hub"] | None,
    tyro.conf.arg(metavar="{folder,npz,pt,parquet,hub}", help_behavior_hint=""),
]


@dataclass(frozen=True)
class All:
    """Do the whole job on one dataset: distil it, test what the set is worth, and give it away.

    The set goes where 'datastill distill' puts it, and is held against random real images. With
    --alphas, or --method NCFM, original models are trained first; with --export, the set is also
    written as other programs read it.
    """

    dataset: str
    """Name of a dataset such as CIFAR10, path of your own images, or hf:NAME on the hub."""
    data_path: MaybePath = None
    """Folder with its files. Default: ./data/[dataset], then where system packages put them."""
    ipc: Ipc = 10
    """Synthetic images per class; of some: cat=5,rest=10; by their real ones: proportional:500."""
    method: str = "DM"
    """How to distil: DM matches mean features, DC and DSA gradients, NCFM
    characteristic functions. There are {METHODS}."""
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
    alphas: Alphas = ()
    """Weight of CLOM. Default: no CLOM, but NCFM: 1."""
    num: int = 3
    """With --alphas, or NCFM: original models to train."""
    original_epochs: int = 30
    """With --alphas, or NCFM: passes over the real images for each of them."""
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
        positive(num=self.num, original_epochs=self.original_epochs)
        keeping = self.resuming.keeping(overwrite=self.overwrite, logs=self.logs)
        plan, console = self.plan(), self.machine.console()
        from datastill.runs.filing import filed
        from datastill.runs.whole import require_possible
        from datastill.store import SET_FILE, require_free

        folder = filed(plan.distill, Path(plan.validate.set), keeping, console)
        judging = replace(plan.validate, set=str(folder))
        going_on = self.overwrite or self.resuming.resume
        require_free(folder, (SET_FILE,), overwrite=going_on)
        exported = self.exported(folder)
        require_possible(plan, console)
        if plan.train:
            self.train(plan.train, keeping, console)
        made(plan.distill, folder, keeping, self.machine, console)
        judge(judging, folder, replace(keeping, overwrite=False), console)
        if self.export and exported and not exported.exists():
            Export(folder, to=self.export, out=exported, quiet=self.machine.quiet).run()

    def plan(self) -> Whole:
        """Return what is done, one after the other."""
        from datastill.runs.whole import whole

        spec = DistillSpec(
            data=self.data.spec(self.dataset, self.data_path),
            compute=self.machine.compute(),
            method=self.method,
            model=self.model,
            ipc=self.ipc,
            updates=self.iterations,
            pool=PoolSpec(architectures=(self.model,), num=self.num, path=str(self.pool_path)),
            clom=ClomSpec(alphas=self.alphas) if self.alphas else None,
        )
        return whole(
            *(spec, self.save_path),
            original_epochs=self.original_epochs,
            epochs=self.epochs,
            trials=self.num_eval,
            against=self.against,
        )

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

    def train(self, spec: TrainSpec, keeping: Keeping, console: Console) -> None:
        """Make original models, and tell what each came to."""
        from datastill.runs.training import train

        found = train(spec, self.pool_path, keeping=keeping, observer=console, stop=Signals())
        console.table(f"Original models of {found.dataset}", COLUMNS, [*map(told, found.rows)])
