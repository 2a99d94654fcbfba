"""datastill demo."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from datastill.base.wording import counted
from datastill.cli.carrying import carry_out
from datastill.cli.described import asked
from datastill.cli.mirror import options
from datastill.cli.options import Machine
from datastill.runs.keeping import Keeping
from datastill.runs.specs import ComputeSpec


@options()
class Demo:
    """Do the whole job on scikit-learn's digits in two minutes: train, distil, validate.

    One table holds random real images, sets distilled with and without CLOM, and all real
    images against each other, at 1 and at 10 images per class, under one protocol.

    Attributes:
        save_path: folder for all that is made; an earlier demo in it is replaced.
        trials: networks trained on each set; on all real images two of them.
    """

    save_path: Path = Path("demo")
    trials: int = 5
    machine: Machine = Machine()

    def run(self) -> None:
        started, console = time.perf_counter(), self.machine.console()
        bars, keeping = replace(console, terse=True), Keeping(overwrite=True)
        console.message("1. Train 3 original models (ConvNetD2W32) on the real digits.")
        # Libraries take seconds: something is said before.
        from datastill.report.tables import results
        from datastill.runs.demonstration import EPOCHS, SIZES, Demonstration

        demo = Demonstration(self.save_path, asked(self.machine, ComputeSpec), self.trials)
        carry_out(demo.originals, demo.pool, bars, keeping)
        console.message(
            "2. Distil 1 and 10 images per class by distribution matching, without and with CLOM."
        )
        for ipc in SIZES:
            for clom in (False, True):
                carry_out(*demo.distilled(ipc, clom), bars, keeping)
        console.message(
            f"3. Train {counted(self.trials, 'fresh network')} on each set, and test each once."
        )
        found = demo.contest(console)
        for ipc in SIZES:
            title = f"{counted(ipc, 'image')} for each of 10 classes, {EPOCHS} epochs"
            rows = [*found[ipc], *found[None]]
            console.show([results(f"Test accuracy, {title}", rows, timed=False)])
        console.message(demo.farewell(time.perf_counter() - started))
