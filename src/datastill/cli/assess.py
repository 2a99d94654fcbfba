"""datastill assess."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from datastill.cli.carrying import carry_out
from datastill.cli.described import asked
from datastill.cli.mirror import Paths, options
from datastill.cli.options import Data, Machine, Which, Workers
from datastill.runs.conduct.keeping import USUAL
from datastill.runs.specs import AssessSpec


@options(AssessSpec)
class Assess:
    """Score synthetic sets without a test set, beside random real images of the same size.

    Original models judge them, made by 'datastill train'. Every value goes to assessment.json
    beside each set. What an assessment is worth, 'datastill study' tells.

    Attributes:
        path: the sets: files, or folders of runs. Without any: --dataset, --method and --ipc.
        out: folder for the results, and a copy of the set: where its own cannot be written to.
    """

    path: Paths = ()
    which: Which = Which()
    out: Path | None = None
    workers: Workers = Workers()
    data: Data = Data()
    machine: Machine = Machine()

    def run(self) -> Any:
        given: Any = self.path  # a recipe is about one
        paths = given if isinstance(given, tuple) else (given,)
        spec, console = asked(replace(self, path=None), AssessSpec), self.machine.console()
        files = [str(self.which.file(one, console, spec.data)) for one in paths or (None,)]
        spec, folder = replace(spec, set=files[0]), self.out or Path(files[0]).parent
        return carry_out(spec, folder, console, USUAL, self.workers, others=files[1:])
