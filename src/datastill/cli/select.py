"""datastill select."""

from __future__ import annotations

from dataclasses import dataclass

from datastill.cli.data import Data
from datastill.cli.finding import Paths
from datastill.cli.options import Machine, MaybePath, MaybeText
from datastill.cli.originals import Originals
from datastill.runs.specs import RankSpec


@dataclass(frozen=True)
class Select:
    """Rank finished sets by an assessment, without a test set.

    How far to believe a ranking, 'datastill study' tells. Sets of different size are not
    comparable by most assessments.
    """

    by: str
    """The assessment, such as om-cross-entropy, om-accuracy/ConvNet or om-accuracy@5."""
    paths: Paths = ()
    """The sets: files, or folders of runs."""
    dataset: MaybeText = None
    """Whose training images. Default: the dataset that the first set was made from."""
    data_path: MaybePath = None
    """Folder with its files. Default: ./data/[dataset], then where system packages put them."""
    originals: Originals = Originals()
    data: Data = Data()
    machine: Machine = Machine()

    def run(self) -> None:
        """Score every set and print them, the best first."""
        spec = RankSpec(
            sets=tuple(map(str, self.paths)),
            by=self.by,
            data=self.data.spec(self.dataset, self.data_path),
            compute=self.machine.compute(),
            pool=self.originals.pool(),
        )
        from datastill.runs.assessing import rank

        console = self.machine.console()
        ranked = rank(spec, observer=console)
        if len({*ranked.sizes.values()}) > 1:
            console.message(
                "sets of different size: most assessments compare only sets of one size"
            )
        best, *_ = scores = list(ranked.scores.values())
        values = [score.value for score in scores]
        rows = [
            (name, str(1 + values.index(value)), str(ranked.sizes[name]), f"{value:.6g}")
            for name, value in zip(ranked.scores, values, strict=True)
        ]
        title = f"{self.by}, {best.better} is better, judged by {ranked.judges}"
        console.table(title, ("set", "rank", "images", self.by), rows)
