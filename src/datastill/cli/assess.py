"""datastill assess."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from statistics import fmean
from typing import TYPE_CHECKING

from datastill.cli.console import Console
from datastill.cli.data import Data
from datastill.cli.finding import OnePath, Which
from datastill.cli.options import Machine, MaybePath, SomeTexts
from datastill.cli.originals import Originals
from datastill.runs.specs import AssessSpec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from datastill.evaluation.scores import Assessed

ARROWS = {"higher": "↑ higher", "lower": "↓ lower"}
COLUMNS = ("assessment", "better", "this set", "random", "than random", "seconds")


@dataclass(frozen=True)
class Assess:
    """Score a synthetic set without a test set, beside random real images of the same size.

    Original models judge it, made by 'datastill train'. Every value goes to assessment.json
    beside the set. What an assessment is worth, 'datastill study' tells.
    """

    path: OnePath = None
    """The set: a file, or the folder of a run. Without it: --dataset, --method and --ipc."""
    which: Which = Which()
    data_path: MaybePath = None
    """Folder with the dataset's files. Default: ./data/[dataset], then system packages."""
    originals: Originals = Originals()
    assessments: SomeTexts = ()
    """Names, such as om-accuracy om-accuracy/ConvNet om-accuracy@5. Default: all cheap ones."""
    draws: int = 3
    """Random sets of real images to score beside it."""
    out: MaybePath = None
    """Folder for the results, and a copy of the set: where its own cannot be written to."""
    data: Data = Data()
    machine: Machine = Machine()

    def run(self) -> None:
        """Assess the set and the random ones, tell, and write every value beside the set."""
        spec = partial(
            AssessSpec,
            data=self.data.spec(self.which.dataset, self.data_path),
            compute=self.machine.compute(),
            pool=self.originals.pool(),
            assessments=self.assessments,
            draws=self.draws,
        )
        spec(set="")  # options that make no sense are told before anything is looked for
        from datastill.runs.assessing import assess

        console = self.machine.console()
        file = self.which.file(self.path, console, self.data_path, self.data)
        scored = assess(spec(set=str(file)), self.out or file.parent, observer=console)
        show(scored.scores, scored.random, console)
        console.message(
            f"seconds: of each alone, once the real images have passed the networks; "
            f"all of them, with that, took {scored.seconds:.1f} s for this set"
        )
        console.message(f"every value is in {scored.file}")


def show(
    found: Mapping[str, Assessed], random: Sequence[Mapping[str, Assessed]], console: Console
) -> None:
    """Print a row for each assessment, family by family."""
    from datastill.evaluation.scores import family

    families: dict[str, list[tuple[str, ...]]] = {}
    for name, one in found.items():
        beside, than = "", ""
        if random:
            draws = [other[name].score for other in random]
            mean = fmean(draw.value for draw in draws)
            gain = one.score.worth - fmean(draw.worth for draw in draws)
            beside, than = f"{mean:.4g}", "better" if gain > 0 else "worse" if gain < 0 else "equal"
        better, value = ARROWS[one.score.better], f"{one.score.value:.4g}"
        line = (f"  {name}", better, value, beside, than, f"{one.seconds:.3f}")
        families.setdefault(family(name), []).append(line)
    rows = [row for kind in sorted(families) for row in ((kind, *[""] * 5), *families[kind])]
    draws = f"; random: mean of {len(random)} draws" if random else ""
    console.table(f"Assessments without a test set{draws}", COLUMNS, rows)
