"""datastill demo."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from datastill.cli.described import asked
from datastill.cli.mirror import options
from datastill.cli.options import Machine
from datastill.runs.conduct.stop import Signals
from datastill.runs.specs import ComputeSpec


@options()
class Demo:
    """Do the whole job on scikit-learn's digits in two minutes: train, distil, validate.

    One table holds random real images, sets distilled with and without CLOM, and all real
    images against each other, at 1 and at 10 images per class, under one protocol.

    Attributes:
        save_path: folder for all that is made; an earlier demo in it is replaced.
        num_eval: networks trained on each set; on all real images two of them.
    """

    save_path: Path = Path("demo")
    num_eval: int = 5
    machine: Machine = Machine()

    def run(self) -> Any:
        console, compute = self.machine.console(), asked(self.machine, ComputeSpec)
        from datastill.runs.compound.demonstration import Demonstration, demonstrate

        demo = Demonstration(self.save_path, compute, self.num_eval)
        console.show(demonstrate(demo, replace(console, terse=True), Signals()))
