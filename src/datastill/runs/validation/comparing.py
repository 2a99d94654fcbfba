"""Sets compared with random, well-picked and all real images, under one protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from datastill.augment import DSA
from datastill.base.errors import InputError, path_of
from datastill.base.notebooks import of_run
from datastill.base.usual import as_usual
from datastill.base.wording import are, as_folder, counted
from datastill.evaluation.comparison import Entry, Ranking, Row, Terms, rows
from datastill.evaluation.plan import EvaluationPlan
from datastill.evaluation.validation import Trial
from datastill.report.comparison import write_plot
from datastill.runs.conduct.futures import Executor
from datastill.runs.conduct.given import Conduct, conduct_of
from datastill.runs.conduct.keeping import USUAL, Keeping, require_same_run
from datastill.runs.conduct.observer import SILENT, Observer
from datastill.runs.conduct.stop import StopRequest
from datastill.runs.executors.pieces import forget
from datastill.runs.folders.describing import require_own, write_description
from datastill.runs.folders.filing import filed, require_new
from datastill.runs.folders.gathering import COMPARED
from datastill.runs.folders.provenance import Provenance
from datastill.runs.inputs.computing import device_of
from datastill.runs.inputs.origin import Caveats, said
from datastill.runs.inputs.reading import other_mirror
from datastill.runs.specs import CompareSpec
from datastill.runs.specs.quota import in_words
from datastill.runs.specs.recipes import RUN_FILE
from datastill.runs.validation.apart import known_of_pieces
from datastill.runs.validation.early import EarlyLabels, early_labels
from datastill.runs.validation.early import told as told_of_choice
from datastill.runs.validation.material import (
    Material,
    entries_of,
    material_of,
    protocol_of,
    provenance_of,
    terms_of,
)
from datastill.runs.validation.plan import tell_of_soft_labels
from datastill.runs.validation.ranking import ranked, ranking_protocol, require_kept_apart
from datastill.runs.validation.table import stages
from datastill.runs.validation.trials import WHEN, TrialRunner, start
from datastill.store import (
    checkpoint_file,
    locked,
    provisional,
    read_json,
    require_free,
    through_json,
    write_json,
)
from datastill.store.results import rows_in

VALUES, PLOT = COMPARED, "comparison.png"
FOLDER = "comparison"
"""Where comparisons are kept that nobody gave another place."""


@dataclass(frozen=True, eq=False)
class Compared:
    """What a comparison found.

    Attributes:
        rows: of each architecture on each set, and on real images.
        rankings: DD-Ranking's scores of the sets, where these were asked for.
        caveats: what a person has to know of them.
        report: all that, and what it follows from, as files hold it.
        file: with the report; None where nothing was written.
        plot: a picture of the rows; None likewise.
    """

    rows: Sequence[Row]
    rankings: Sequence[Ranking]
    caveats: Caveats
    report: Mapping[str, Any]
    file: Path | None = None
    plot: Path | None = None

    _repr_html_ = of_run


@as_usual
def compare(
    spec: CompareSpec,
    folder: Path | str | None = None,
    *,
    root: Path | str | None = None,
    keeping: Keeping = USUAL,
    observer: Observer = SILENT,
    stop: StopRequest | None = None,
    executor: Executor | None = None,
) -> Compared:
    """Compare sets with random and well-picked real images, and all of them, under one protocol.

    Every network starts from the same weights and sees images in the same order, whatever the set:
    differences from random images are paired. Nothing is chosen on test images.

    Args:
        spec: what the result follows from.
        folder: for the results. Without it, and without ``root``, nothing is written.
        root: folder in which they get one of their own, by what is compared, see ``filed``.
        keeping: what becomes of a comparison that is cut off, or was.
        observer: watches.
        stop: asks to stop, which is heeded after every epoch.
        executor: trains networks of the table side by side, each as it would be here.

    Raises:
        InputError: when something does not fit together, or the folder holds another comparison.
        Stopped: when that was asked for.
    """
    path_of("the path of a folder", root=root)
    conduct = conduct_of(CompareSpec, spec, folder or root, keeping, observer, stop, executor)
    run = _Run.of(spec, folder, root, conduct)
    if run.out is None:
        return run.carried_out()
    if (finished := run.finished(run.out)) is not None:
        return run.conduct.ended(finished)
    kept = checkpoint_file(run.out, spec.kind)
    require_own(spec, run.out)
    with locked(run.out), provisional(run.out, lambda: kept.exists):
        return run.conduct.ended(run.carried_out())


@dataclass(frozen=True, eq=False)
class _Run:
    # A comparison that is carried out.
    spec: CompareSpec
    material: Material
    terms: Terms
    entries: Sequence[Entry]
    provenance: Provenance
    out: Path | None
    early: EarlyLabels | None
    conduct: Conduct
    choice: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @classmethod
    def of(
        cls, spec: CompareSpec, folder: Path | str | None, root: Path | str | None, conduct: Conduct
    ) -> _Run:
        """Return what is to be carried out, made ready."""
        if conduct.keeping.sinks:
            raise InputError("a comparison has no course to write to `sinks`; leave them out")
        device = device_of(spec.compute)
        material = material_of(spec, device, conduct.observer)
        terms = terms_of(spec, material)
        if spec.rates:
            require_kept_apart(material, terms)
        entries = entries_of(spec, material, terms)
        if folder is None and root is not None:
            usual = Path(root) / as_folder(f"{material.name}-{spec.protocol}")
            folder = filed(spec, usual, conduct.keeping, conduct.observer)
        out = None if folder is None else Path(folder)
        early = early_labels(spec, material, terms)
        found = provenance_of(spec, material, terms, device, early and early.facts())
        return cls(spec, material, terms, entries, found, out, early, conduct.into(out))

    def finished(self, out: Path) -> Compared | None:
        """Return what was found before, where nothing remains to be done.

        Raises:
            InputError: when another comparison was finished there, or this one, and nothing was
                said of it.
        """
        keeping, kept = self.conduct.keeping, checkpoint_file(out, self.spec.kind)
        require_new(self.spec, out, keeping, "`resume=True` to be told again", file=VALUES)
        if not keeping.resume or not (out / VALUES).exists():
            begun = keeping.resume and kept.exists  # and drew its plot, if killed as it ended
            require_free(out, (VALUES,) if begun else (VALUES, PLOT), overwrite=keeping.overwrite)
            return None
        report = read_json(out / VALUES)
        require_same_run(report, self.provenance.asked, out)
        kept.remove()
        self.conduct.observer.message(f"this comparison in {out} is finished")
        return self.found(*rows_in(report), report)

    def carried_out(self) -> Compared:
        """Train and test what is not done, and write down what was found."""
        file = self.out and checkpoint_file(self.out, self.spec.kind)
        runner = start(file, self.provenance.asked, self.terms.ways, self.conduct)
        run = replace(self, terms=replace(self.terms, routes=runner.routes))
        if run.out is not None:
            write_description(run.spec, run.out / RUN_FILE)
        run.tell()
        run = run.with_early_labels(runner)
        run = replace(run, material=replace(run.material, caveats=run.caveats()))
        table = run.table(runner)
        rankings = run.rankings(runner, table) if run.spec.rates else []
        report = run.report(table, rankings)
        if run.out is not None and file is not None:
            write_plot(table, run.out / PLOT, run.title())
            write_json(run.out / VALUES, report)
            file.remove()
            forget(run.spec, run.out)
        return run.found(table, rankings, through_json(report))

    def found(
        self, table: Sequence[Row], rankings: Sequence[Ranking], report: Mapping[str, Any]
    ) -> Compared:
        """Return what was found, and where it is."""
        places = () if self.out is None else (self.out / VALUES, self.out / PLOT)
        return Compared(table, rankings, tuple(report.get("caveats") or ()), report, *places)

    def tell(self) -> None:
        """Say what begins."""
        its, terms, tell = self.material, self.terms, self.conduct.observer.message
        fit = terms.protocol.fit
        tell(
            f"{its.real.domain.name}: protocol {terms.protocol.name}, "
            f"{counted(fit.epochs, 'epoch')}, {counted(terms.trials, 'network')} of "
            f"{' '.join(terms.models)} on each of {counted(len(self.entries), 'set')}, "
            f"tested on {counted(len(its.test), 'image')}"
        )
        tell_of_soft_labels(its.sets.values(), its.labeller, self.provenance, tell)
        others = f"other images are trained on at {fit.lr:g}"
        for one in self.entries:
            if one.rate is not None:
                tell(f"{one.title} asks for its own learning rate, {one.rate:g}; {others}")

    def caveats(self) -> Caveats:
        """Return what is to be said of the results, and say what was not said yet."""
        found = self.material.caveats + said(self.material.features.caveats, self.conduct.observer)
        if self.terms.protocol.augmentation == DSA:
            for name, data in self.material.sets.items():
                found += said(other_mirror(data, self.material.test, name), self.conduct.observer)
        return found

    def title(self) -> str:
        """Say what is compared, and under what terms."""
        protocol = self.terms.protocol
        return (
            f"{self.material.real.domain.name}, {in_words(self.material.counts)}: protocol "
            f"{protocol.name}, {counted(protocol.fit.epochs, 'epoch')}, "
            f"{counted(self.terms.trials, 'network')} on each set"
        )

    def report(self, table: Sequence[Row], rankings: Sequence[Ranking]) -> dict[str, Any]:
        """Return every value, and all that it follows from."""
        return {
            **self.provenance.facts(),
            "classes": list(self.material.real.domain.classes),
            "routes": {model: route.facts() for model, route in self.terms.routes.items()},
            "caveats": list(self.material.caveats),
            **({"early_labels_chosen": dict(self.choice)} if self.choice else {}),
            "rows": [asdict(row) for row in table],
            "dd_ranking": [asdict(one) for one in rankings],
        }

    def with_early_labels(self, runner: TrialRunner) -> _Run:
        """Choose the epoch of early labels, if these were asked for, and take them up."""
        if (early := self.early) is None:
            return self
        plans = early.plans(self.material, self.terms)
        tried = self.followed(runner, "choosing the epoch of early labels", plans)
        epoch, choice = early.chosen(tried)
        self.conduct.observer.message(told_of_choice(choice, len(plans[0].test)))
        added = early.entry(epoch, self.material, self.terms)
        return replace(self, entries=[*self.entries, added], choice=choice)

    def table(self, runner: TrialRunner) -> list[Row]:
        """Train and test every network of the table."""
        found = stages(self.spec, self.material, self.terms, self.entries)
        plans = [part.plan for part in found]
        its = {one.title: (one, part.terms.protocol.fit) for part in found for one in part.entries}
        runner.check(plans)
        runner.known = known_of_pieces(self.spec, plans, runner, self.out, self.conduct)
        tried = self.followed(runner, "training", plans)
        runner.known = {}  # what comes next are other networks, though of the same names
        return rows((its[one.source][0], one, its[one.source][1]) for one in tried)

    def rankings(self, runner: TrialRunner, table: Sequence[Row]) -> list[Ranking]:
        """Score every set by DD-Ranking."""
        spec, material, terms = self.spec, self.material, self.terms
        augmented = protocol_of(spec, material, "dsa", spec.epochs)
        ranking = ranking_protocol(material, terms, table, spec.rates, augmented)
        heat = material.temperature(spec.soft.temperature)
        return ranked(material, terms, ranking, partial(self.followed, runner), temperature=heat)

    def followed(
        self, runner: TrialRunner, label: str, stages: Sequence[EvaluationPlan]
    ) -> list[Trial]:
        """Go through evaluation plans, and return their trials, those that were kept first."""
        first, begun = runner.past, runner.check(stages)
        if begun:
            self.conduct.observer.message(f"{label}: {counted(begun, 'network')} {are(begun)} done")
        with (
            self.conduct.observer.progress(label, sum(one.total for one in stages), begun) as steps,
            self.conduct.stop.heeded(WHEN),
        ):
            for done, trial in enumerate(runner.run(stages, steps=steps), begun + 1):
                steps.at(done, f"{trial.model} on {trial.source}: {100 * trial.accuracy:.2f} %")
        return runner.found[first : runner.past]
