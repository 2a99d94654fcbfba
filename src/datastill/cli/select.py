"""datastill select."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from datastill.base.errors import InputError
from datastill.cli.console import Console
from datastill.cli.data import Data
from datastill.cli.finding import Paths
from datastill.cli.options import Machine, MaybePath, MaybeText
from datastill.cli.originals import Originals

if TYPE_CHECKING:
    from datastill.data import ImageSet
    from datastill.evaluation.assessments import Score


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
        self.originals.check()
        if not self.paths:
            raise InputError("name the sets to rank by their paths")
        from datastill.evaluation.selection import ranked
        from datastill.runs.finding import set_file
        from datastill.store import load as load_set

        sets = {str(path): load_set(set_file(path)) for path in self.paths}
        console = self.machine.console()
        found, judges = self.scores(sets, console)
        order = ranked(found)
        if len({len(data) for data in sets.values()}) > 1:
            console.message(
                "sets of different size: most assessments compare only sets of one size"
            )
        values = [found[name].value for name in order]
        rows = [
            (name, str(1 + values.index(value)), str(len(sets[name])), f"{value:.6g}")
            for name, value in zip(order, values, strict=True)
        ]
        title = f"{self.by}, {found[order[0]].better} is better, judged by {judges}"
        console.table(title, ("set", "rank", "images", self.by), rows)

    def scores(self, sets: dict[str, ImageSet], console: Console) -> tuple[dict[str, Score], str]:
        """Return what the assessment says of each set, and who judged."""
        from datastill.base.rng import Key
        from datastill.evaluation.assessments import Evidence
        from datastill.evaluation.scores import assess
        from datastill.runs import originals
        from datastill.runs.origin import Origin

        made = next(iter(sets.values()))
        origin = Origin.of(made, self.data.spec(self.dataset, self.data_path), console)
        real, _ = origin.train(sets, console)
        real = real.to(self.machine.found())
        pool, early = originals.load(self.originals.pool(), real, [self.by])
        key, route = Key(self.machine.seed).at("assess"), self.machine.route()
        found: dict[str, Score] = {}
        evidence = Evidence(real, real, pool, key, route, early)
        for name, data in sets.items():
            about = evidence.of(data.to(real.images.device))
            (found[name],) = (one.score for one in assess(about, [self.by]).values())
        return found, originals.told(pool, early)
