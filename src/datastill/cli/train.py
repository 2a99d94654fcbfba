"""datastill train."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from datastill.cli.carrying import carry_out
from datastill.cli.described import USUAL_MODEL, asked, repeated
from datastill.cli.mirror import options
from datastill.cli.options import Data, Logs, Machine, Resuming, Workers
from datastill.report.commands import typed
from datastill.runs.specs import TrainSpec

if TYPE_CHECKING:
    from datastill.runs.making.training import Trained


@options(TrainSpec)
class Train:
    """Train original models on the real data: teachers for CLOM, judges for assessments.

    They go to [save-path]/[dataset]/original/[model], one file each. The last epoch counts: no
    checkpoint is ever chosen, and test accuracy is told but kept out of the files.

    Attributes:
        save_path: folder for original models.
        add: add models to those that are there; those keep their numbers.
        overwrite: delete the models that are there.
    """

    save_path: Path = Path("pretrained_model")
    add: bool = False
    overwrite: bool = False
    resuming: Resuming = Resuming()
    workers: Workers = Workers()
    data: Data = Data()
    logs: Logs = Logs()
    machine: Machine = Machine()

    def run(self) -> Any:
        spec, console = asked(self, TrainSpec), self.machine.console()
        keeping = self.resuming.keeping(overwrite=self.overwrite, logs=self.logs)
        found = carry_out(spec, self.save_path, console, keeping, self.workers, add=self.add)
        console.message(f"They are in {found.folder}. Next:\n  {self.next(spec, found)}")
        return found

    def next(self, spec: TrainSpec, found: Trained) -> str:
        """Return the command that makes a set under the eyes of these models."""
        names = tuple(dict.fromkeys(row.architecture for row in found.rows))
        usual = type(self).save_path
        return typed(
            "distill",
            method="DM",
            **repeated(spec.data),
            model=None if names[0] == USUAL_MODEL else names[0],
            alphas=100,
            models_pool=names,
            pool_path=None if self.save_path == usual else self.save_path,
            **repeated(spec.compute),
        )
