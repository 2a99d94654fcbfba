"""datastill study."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from datastill.cli.carrying import carry_out
from datastill.cli.described import asked
from datastill.cli.mirror import options
from datastill.cli.options import Data, Machine, Resuming, Workers
from datastill.runs.specs import StudySpec


@options(StudySpec)
class Study:
    """Find out which assessment to trust, on many sets whose accuracy is found by training.

    Makes a population of sets that differ, validates each, assesses each, and tells how the two
    agree. It all goes to [save-path]/[dataset]: run again, it goes on where it stopped, adds what
    is new, and computes nothing twice.

    Attributes:
        no_dsa: train them without augmentation, but on MNIST with crop, scale and rotate.
        setting: settings of methods, by their names, for those that have them: syn_steps=10 of MTT.
        reassess: score every set anew, for other original models; accuracies stay.
        checkpoint_minutes: minutes between two checkpoints of a set that is distilled, or a network
            that is trained; 0 for one at every update and epoch. Each is kept when it is done.
        save_path: folder for studies.
    """

    no_dsa: bool = False
    setting: tuple[str, ...] = ()
    reassess: bool = False
    save_path: Path = Path("studies")
    resuming: Resuming = Resuming()
    workers: Workers = Workers()
    data: Data = Data()
    machine: Machine = Machine()

    def run(self) -> Any:
        spec, console = asked(self, StudySpec), self.machine.console()
        from datastill.runs.studies.studying import folder_of

        place, keeping = folder_of(spec, self.save_path), self.resuming.keeping()
        more = {"reassess": self.reassess}
        return carry_out(spec, place, console, keeping, self.workers, **more)
