"""datastill assess."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from datastill.cli.carrying import carry_out
from datastill.cli.described import asked
from datastill.cli.mirror import options
from datastill.cli.options import Data, Machine, Which
from datastill.runs.specs import AssessSpec


@options(AssessSpec)
class Assess:
    """Score a synthetic set without a test set, beside random real images of the same size.

    Original models judge it, made by 'datastill train'. Every value goes to assessment.json
    beside the set. What an assessment is worth, 'datastill study' tells.

    Attributes:
        out: folder for the results, and a copy of the set: where its own cannot be written to.
    """

    which: Which = Which()
    out: Path | None = None
    data: Data = Data()
    machine: Machine = Machine()

    def run(self) -> None:
        spec, console = asked(self, AssessSpec), self.machine.console()
        file = self.which.file(spec.set, console, spec.data)
        carry_out(replace(spec, set=str(file)), self.out or file.parent, console)
