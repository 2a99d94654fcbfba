"""datastill study."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from datastill.cli.data import Data
from datastill.cli.interruption import Signals
from datastill.cli.options import Flag, Machine, MaybePath, SomeTexts
from datastill.cli.resuming import Resuming
from datastill.cli.study_options import Judges, Plan
from datastill.runs.specs import StudySpec

if TYPE_CHECKING:
    from datastill.cli.console import Console
    from datastill.runs.findings import Studied


@dataclass(frozen=True)
class Study:
    """Find out which assessment to trust, on many sets whose accuracy is found by training.

    Makes a population of sets that differ, validates each, assesses each, and tells how the two
    agree. It all goes to [save-path]/[dataset]: run again, it goes on where it stopped, adds what
    is new, and computes nothing twice.
    """

    dataset: str
    """Name of a dataset such as CIFAR10, path of your own images, or hf:NAME on the hub."""
    data_path: MaybePath = None
    """Folder with its files. Default: ./data/[dataset], then where system packages put them."""
    plan: Plan = Plan()
    model: str = "ConvNetD2W32"
    """Architecture of the networks that sets are made by, and that are trained on them; your own is
    module:function."""
    num_eval: int = 3
    """Networks trained on each set."""
    epochs: int = 200
    """Epochs for which they are trained. Published: 1000 with augmentation, 300 without."""
    no_dsa: Flag = False
    """Train them without augmentation."""
    judges: Judges = Judges()
    assessments: SomeTexts = ()
    """Names, such as om-accuracy om-accuracy/ConvNet om-accuracy@5. Default: all."""
    reassess: Flag = False
    """Score every set anew, for other original models; accuracies stay."""
    resume: Flag = False
    """Go on with the study that was cut off. A study always does: this is for scripts that say it
    to every command."""
    checkpoint_minutes: float = 5.0
    """Minutes between two checkpoints of a set that is distilled, or a network that is trained; 0
    for one at every update and epoch. Each is kept when it is done."""
    save_path: Path = Path("studies")
    """Folder for studies."""
    data: Data = Data()
    machine: Machine = Machine()

    def run(self) -> None:
        """Make, assess and validate what is missing, and tell what follows."""
        spec, keeping = self.spec(), Resuming(self.resume, self.checkpoint_minutes).keeping()
        from datastill.datasets import dataset_name
        from datastill.runs.studying import study

        console = self.machine.console()
        name = dataset_name(self.dataset, self.data_path, self.data.pixels())
        studied = study(
            spec,
            self.save_path / name,
            reassess=self.reassess,
            keeping=keeping,
            observer=console,
            stop=Signals(),
        )
        tell(studied, console)

    def spec(self) -> StudySpec:
        """Return what the study follows from."""
        plan = self.plan
        return StudySpec(
            data=self.data.spec(self.dataset, self.data_path),
            compute=self.machine.compute(),
            population=plan.population,
            sets=tuple(map(str, plan.sets)),
            ipc=plan.ipc,
            seeds=plan.seeds,
            batch=plan.batch_real,
            inner_loop=plan.inner_loop,
            model=self.model,
            trials=self.num_eval,
            epochs=self.epochs,
            augmented=not self.no_dsa,
            judges=self.judges.spec(),
            assessments=self.assessments,
        )


def tell(studied: Studied, console: Console) -> None:
    """Print what follows."""
    from datastill.report.study_page import COLUMNS, LEGEND, table

    console.table("Which assessment to trust", COLUMNS, table(studied.study))
    console.message(LEGEND)
    for fact in studied.facts:
        console.message(fact)
    console.message(f"look at {studied.page} and {studied.plots[0]}")
