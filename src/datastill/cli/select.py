"""datastill select."""

from __future__ import annotations

from typing import Any

from datastill.cli.carrying import carry_out
from datastill.cli.described import asked
from datastill.cli.mirror import options
from datastill.cli.options import Data, Machine
from datastill.runs.specs import RankSpec


@options(RankSpec)
class Select:
    """Rank finished sets by an assessment, without a test set.

    How far to believe a ranking, 'datastill study' tells. Sets of different size are not
    comparable by most assessments.
    """

    data: Data = Data()
    machine: Machine = Machine()

    def run(self) -> Any:
        return carry_out(asked(self, RankSpec), None, self.machine.console())
