"""datastill assess."""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

from datastill.base.wording import counted
from datastill.cli.console import Console
from datastill.cli.data import Data
from datastill.cli.finding import OnePath, Which
from datastill.cli.options import Machine, MaybePath, SomeTexts, not_negative
from datastill.cli.originals import Originals

if TYPE_CHECKING:
    from collections.abc import Iterator

    from datastill.evaluation.assessments import Evidence
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
        self.originals.check()
        not_negative(draws=[self.draws])
        from datastill import store
        from datastill.base.rng import Key
        from datastill.data import require_held
        from datastill.evaluation.assessments import Evidence
        from datastill.evaluation.scores import assess
        from datastill.runs import originals
        from datastill.runs.finding import results_at
        from datastill.runs.origin import Origin

        console, key = self.machine.console(), Key(self.machine.seed)
        file = self.which.file(self.path, self.data_path, self.data)
        made = store.load(file)
        file = results_at(file, self.out)
        origin = Origin.of(made, self.data.spec(self.which.dataset, self.data_path), console)
        real, caveats = origin.train({str(file): made}, console)
        real = real.to(self.machine.found())
        if self.draws:
            require_held(real, made.counts, "--draws 0 goes without random images")
        pool, early = originals.load(self.originals.pool(), real, self.assessments)
        evidence = Evidence(
            made.to(real.images.device), real, pool, key.at("assess"), self.machine.route(), early
        )
        console.message(
            f"{file}: {counted(len(made), 'image')}, judged by {originals.told(pool, early)}"
        )
        started = time.perf_counter()
        found = assess(evidence, self.assessments or None)
        seconds = time.perf_counter() - started
        random = [assess(other, found) for other in self.random(evidence)]
        show(found, random, console)
        console.message(
            f"seconds: of each alone, once the real images have passed the networks; "
            f"all of them, with that, took {seconds:.1f} s for this set"
        )
        store.write_json(
            store.assessment_file(file),
            {
                "set": store.fingerprint(made),
                **self.settings(evidence),
                "caveats": list(caveats),
                "seconds": round(seconds, 3),
                "scores": [row(name, found, random) for name in found],
                "versions": store.versions(),
            },
        )
        console.message(f"every value is in {store.assessment_file(file)}")

    def random(self, evidence: Evidence) -> Iterator[Evidence]:
        """Yield evidence about random real images, as many of each class as the set has."""
        from datastill.training.coresets import CORESETS

        pick, real = CORESETS["random"], evidence.train
        for i in range(self.draws):
            rows = pick(real, evidence.synthetic.counts, key=evidence.key.at("random", i))
            yield evidence.of(real.take(rows.to(real.images.device)))

    def settings(self, evidence: Evidence) -> dict[str, Any]:
        """Return what the scores follow from, besides the set."""
        from datastill.identity import described
        from datastill.store import fingerprint

        return {
            "real": {
                "dataset": evidence.train.domain.name,
                "images": len(evidence.train),
                "fingerprint": fingerprint(evidence.train),
            },
            "pool": described(evidence.pool),
            "early": described(evidence.early),
            "seed": self.machine.seed,
            "route": evidence.route.facts(),
        }


def row(name: str, found: dict[str, Assessed], random: list[dict[str, Assessed]]) -> dict[str, Any]:
    """Return what assessment.json says of one assessment."""
    from datastill.evaluation.scores import family

    one = found[name]
    return {
        "name": name,
        "family": family(name),
        "better": one.score.better,
        "value": one.score.value,
        "random": [other[name].score.value for other in random],
        "seconds": round(one.seconds, 4),
        "seconds_once": round(one.once, 4),
    }


def show(found: dict[str, Assessed], random: list[dict[str, Assessed]], console: Console) -> None:
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
