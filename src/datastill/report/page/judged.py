"""What a page says of how good a set is: networks trained on it, assessments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any

from datastill.base.errors import InputError
from datastill.base.wording import counted
from datastill.evaluation.plan import Result
from datastill.evaluation.scores import family
from datastill.report import tables
from datastill.report.commands import typed
from datastill.report.page import charts
from datastill.report.page.classes import class_by_class, of_kept
from datastill.report.page.held import Exam, Held
from datastill.report.page.parts import Block, Chart, Grid, Lines, Strip, Strips
from datastill.report.validations import labelled_results, table_in
from datastill.store.results import results_in
from datastill.training.accuracies import Accuracies

DOTS = (
    "A ring is one network; the diamond is their mean, the bar one standard deviation of networks "
    "to each side."
)


def validations(held: Held, name: str) -> Iterator[Block]:
    """Say how networks do that were trained on a set."""
    if held.so_far:
        yield so_far(held.so_far, f"so-far-{name}")
    if held.exam is not None and held.exam.record.trials:
        yield from _examined(held.exam, held.data.domain.classes, name)
    found = labelled_results(held.data.facts.get("validated"), held.data.domain.name)
    if not found and (held.so_far or held.exam is not None):
        return
    if not found:
        yield Lines([f"No network was trained on it yet: {typed('validate', held.name)}"])
        return
    parts = [row[:3] for row in found]
    shared = [len({row[i] for row in parts}) == 1 for i in range(3)]  # said once, above them
    names = [", ".join(row[i] for i in range(3) if not (i and shared[i])) for row in parts]
    above = [parts[0][i] for i in (1, 2) if shared[i]]
    rows = [(key, str(reached)) for key, (*_, reached) in zip(names, found, strict=True)]
    results = [Result(source, model, reached, 0) for source, model, _, reached in found]
    yield Chart(
        f"accuracies-{name}",
        ", ".join(["Test accuracy of networks, each at its last epoch", *above]),
        charts.accuracies(results, names),
        Grid("Test accuracy", ("trained on", "mean ± std"), rows),
        DOTS,
    )
    yield from _differences(held)
    yield from _by_class(held)


def so_far(found: Sequence[Result], name: str, title: str = "Test accuracy so far") -> Chart:
    """Draw what networks reached by now that are trained one after another."""
    several = len({row.model for row in found}) > 1
    names = [f"{row.source}, {row.model}" if several else row.source for row in found]
    rows = [(row.source, row.model, str(row.accuracies), f"{row.seconds:.0f}") for row in found]
    return Chart(
        name,
        title if several else f"{title}, {found[0].model}",
        charts.accuracies(found, names),
        Grid(title, ("trained on", "model", "mean ± std", "seconds"), rows),
        DOTS,
    )


def _examined(exam: Exam, classes: Sequence[str], name: str) -> Iterator[Block]:
    trials = exam.record.trials
    told = ", ".join(part for part in ("in its study", exam.terms) if part)
    own = Result(
        *("this set", "", exam.record.accuracies, 0),
        right=tuple(trial.right for trial in trials),
        tested=next((trial.tested for trial in trials if trial.tested), ()),
    )
    rows = [own]
    random = [trial.accuracy for one in exam.random for trial in one.trials]
    if random:
        rows.append(Result("random images", "", Accuracies(tuple(random)), 0))
    yield Chart(
        f"exam-{name}",
        f"Test accuracy of networks {told}",
        charts.accuracies(rows, [row.source for row in rows]),
        Grid(
            f"Test accuracy {told}",
            ("trained on", "mean ± std"),
            [(row.source, str(row.accuracies)) for row in rows],
        ),
        DOTS,
    )
    table = class_by_class([(own.source, own)], classes, f", {told}")
    if table is not None:
        yield table


def _differences(held: Held) -> Iterator[Block]:
    # In pairs, with intervals, where random images were validated too.
    for report, found in _read(held):
        if len({row.source for row in found}) > 1:
            title = f"Differences in pairs, protocol {_told_protocol(report)}"
            yield Grid(*tables.results(title, found))


def _by_class(held: Held) -> Iterator[Block]:
    classes, known = held.data.domain.classes, False
    for report, found in _read(held):
        named = [(f"{row.source}, {row.model}", row) for row in found]
        table = class_by_class(named, classes, f": protocol {_told_protocol(report)}")
        if table is not None:
            known = True
            yield table
    if known:
        return
    if held.by_class is not None:
        yield of_kept(held.by_class, classes)
    elif why := held.missing.get("by_class"):
        yield Lines([f"Accuracy class by class is left out: {why}."])


def _read(held: Held) -> Iterator[tuple[Mapping[str, Any], Sequence[Result]]]:
    # What makes no sense is left out, as everywhere on the page.
    for report in held.validations:
        try:
            yield report, results_in(report)
        except InputError:
            continue


def _told_protocol(report: Mapping[str, Any]) -> str:
    known = table_in(report, "protocol")
    epochs = table_in(known, "fit").get("epochs")
    told = "" if epochs is None else f", {counted(epochs, 'epoch')}"
    return f"{known.get('name', 'unknown')}{told}"


def assessments(held: Held) -> Iterator[Block]:
    """Say what assessments find of a set, beside random real images."""
    families: dict[str, list[Strip]] = {}
    for name, one in _of_study(held.exam):
        families.setdefault(family(name), []).append(one)
    if not held.assessments and not families:
        yield Lines([f"No assessment was made of it yet: {typed('assess', held.name)}"])
        return
    for report in held.assessments:
        for row in report.get("scores", ()):
            families.setdefault(str(row["family"]), []).append(strip(row))
    yield Strips([(name, families[name]) for name in sorted(families)])


def _of_study(exam: Exam | None) -> Iterator[tuple[str, Strip]]:
    if exam is None:
        return
    for name, one in exam.record.scores.items():
        others = [other.scores[name] for other in exam.random if name in other.scores]
        random = [other.score.value for other in others]
        row = {"name": name, "better": one.score.better, "value": one.score.value}
        yield name, strip({**row, "random": random})


def strip(row: Mapping[str, Any]) -> Strip:
    """Return a score as it was written beside those of random images."""
    value, random = float(row["value"]), [float(one) for one in row.get("random") or ()]
    verdict = ""
    if random:
        gain = value - fmean(random)
        verdict = tables.than_random(gain if row["better"] == "higher" else -gain)
    return Strip(str(row["name"]), str(row["better"]), value, random, verdict)
