"""datastill compare."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from datastill.base.errors import InputError
from datastill.cli.carrying import carry_out
from datastill.cli.described import asked
from datastill.cli.labels import SoftLabels
from datastill.cli.mirror import options
from datastill.cli.options import Data, Machine, Resuming, Workers
from datastill.runs.specs import CompareSpec


@options(CompareSpec, without=("pool.early",))
class Compare:
    """Hold sets against random and well-picked real images, and all of them, under one protocol.

    Every network starts from the same weights and sees images in the same order, whatever the set:
    differences from random images are paired. Test images are seen once for each network,
    and nothing is chosen on them. Results go to [out]/comparison.json and comparison.png.

    Attributes:
        dd_ranking: also print DD-Ranking's scores: every set, and random images, are then trained
            on with and without augmentation, once at each of --learning-rates and --num-eval times
            at the best.
        learning_rates: with --dd-ranking: rates to choose from, on held-out training images.
        out: folder for the results. Default: comparison/[dataset]-IPC[ipc]-[protocol].
        overwrite: replace the results that are there, and forget a comparison that is not finished.
    """

    dd_ranking: bool = False
    learning_rates: tuple[float, ...] = (0.001, 0.005, 0.01, 0.05, 0.1)
    out: Path | None = None
    overwrite: bool = False
    soft_labels: SoftLabels = SoftLabels()
    resuming: Resuming = Resuming()
    workers: Workers = Workers()
    data: Data = Data()
    machine: Machine = Machine()

    def run(self) -> Any:
        if not self.learning_rates:
            raise InputError("--learning-rates needs at least one value")
        if not self.dd_ranking and self.learning_rates != type(self).learning_rates:
            raise InputError("--learning-rates has no meaning without --dd-ranking; add that")
        spec, console = asked(self, CompareSpec), self.machine.console()
        keeping = self.resuming.keeping(overwrite=self.overwrite)
        from datastill.runs.validation.comparing import FOLDER

        return carry_out(spec, self.out, console, keeping, self.workers, root=FOLDER)
