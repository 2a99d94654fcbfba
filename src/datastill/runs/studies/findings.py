"""What follows from a study: values, a page and plots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from datastill.base.notebooks import of_run
from datastill.base.wording import counted
from datastill.evaluation.studies import Bench, Record, Resampling, Study, conclude, seconds_of
from datastill.report.pareto import write_pareto
from datastill.report.scatter import write_scatters
from datastill.report.study_page import write_page
from datastill.runs.conduct.observer import Observer
from datastill.runs.folders.describing import tell_damaged
from datastill.runs.folders.gathering import STUDIED
from datastill.runs.inputs.originals import told
from datastill.store import StudyFolder, versions

VALUES, PAGE = STUDIED, "study.md"


@dataclass(frozen=True, eq=False)
class Studied:
    """What a study found.

    Attributes:
        study: every record and verdict.
        facts: what the study rests on, and caveats, in words.
        folder: of the study; None where nothing is left of it.
        plots: files in there.
    """

    study: Study
    facts: tuple[str, ...]
    folder: Path | None
    plots: tuple[Path, ...]

    _repr_html_ = of_run

    @property
    def page(self) -> Path | None:
        """The page with all that was found."""
        return None if self.folder is None else self.folder / PAGE


def written(
    folder: StudyFolder, bench: Bench, records: Sequence[Record], trials: int, observer: Observer
) -> Studied:
    """Find out what follows, and write it down: values, a page, plots.

    Args:
        folder: of the study.
        bench: what every set was held to.
        records: of the sets.
        trials: networks for each set.
        observer: watches.
    """
    observer.message("leaving out and permuting recipes for intervals and p-values")
    resampling, models = Resampling(bench.key.at("resampling")), seconds_of(bench.pool)
    found = conclude(records, resampling, models=models)
    facts = [*_facts(bench, found, trials), *_caveats(folder)]
    plots = written_down(found, facts, folder.path)
    routes = {"training": bench.route.facts(), "assessing": bench.assessing.facts()}
    held = {"facts": facts, "versions": versions(), "routes": routes, **asdict(found)}
    tell_damaged(folder.path / VALUES, observer)
    folder.write(VALUES, held)
    return Studied(found, tuple(facts), folder.path, plots)


def written_down(found: Study, facts: Sequence[str], folder: Path) -> tuple[Path, ...]:
    """Write page and plots of what was found, and return the plots."""
    plots = write_scatters(found, folder)
    write_page(found, facts, [path.name for path in plots], folder / PAGE)
    return (*plots, write_pareto(found, folder))


def _facts(bench: Bench, found: Study, trials: int) -> list[str]:
    real, protocol = bench.train, bench.protocol
    validating = sum(t.seconds for record in found.records for t in record.trials)
    return [
        f"{real.domain.name}: {counted(len(real), 'training image')}, "
        f"{counted(len(bench.test), 'test image')}",
        f"each set validated by {trials} {bench.model}, {counted(protocol.fit.epochs, 'epoch')} "
        f"{protocol.words}: "
        f"{validating:.0f} s in all",
        f"each set judged by {told(bench.pool, bench.early)}",
        *_spent(found, validating),
    ]


def _spent(found: Study, validating: float) -> list[str]:
    # What the original models cost, where they tell.
    if found.models is None:
        return []
    share = found.models / max(validating, 1e-9)
    return [f"training these took {found.models:.0f} s before, {share:.0%} of validating all sets"]


def _caveats(folder: StudyFolder) -> list[str]:
    # Of sets that the study did not make.
    return [
        f"{name}: {caveat}"
        for name in folder.names()
        for caveat in folder.load_set(name).facts.get("caveats") or ()
    ]
