"""What a page says of how good a set is: networks trained on it, assessments."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any

from datastill.base.errors import InputError
from datastill.base.wording import counted
from datastill.evaluation.plan import Result
from datastill.report import tables
from datastill.report.commands import typed
from datastill.report.page import charts
from datastill.report.page.held import ByClass, Held
from datastill.report.page.parts import Block, Chart, Grid, Lines, Strip, Strips
from datastill.report.validations import labelled_results
from datastill.store.results import results_in


def validations(held: Held, name: str) -> Iterator[Block]:
    """Say how networks do that were trained on a set."""
    found = labelled_results(held.data.facts.get("validated"), held.data.domain.name)
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
        "A ring is one network; the diamond is their mean, the bar one standard deviation of "
        "networks to each side.",
    )
    yield from _differences(held)
    yield from _by_class(held)


def _differences(held: Held) -> Iterator[Block]:
    # In pairs, with intervals, where random images were validated too.
    for report in held.validations:
        try:
            found = results_in(report)
        except InputError:
            continue
        if len({row.source for row in found}) > 1:
            protocol = report.get("protocol") or {}
            title = f"Differences in pairs, protocol {protocol.get('name', 'unknown')}"
            yield Grid(*tables.results(title, found))


def _by_class(held: Held) -> Iterator[Block]:
    if held.by_class is None:
        if why := held.missing.get("by_class"):
            yield Lines([f"Accuracy class by class is left out: {why}."])
        return
    yield Grid(*class_by_class(held.by_class, held.data.domain.classes))


def class_by_class(found: ByClass, classes: Sequence[str]) -> tables.Table:
    """Say how networks do on each class of test images, and what they do together."""
    several = len(found.rows) > 1
    names = [name for name, _ in found.rows]
    rows: list[tuple[str, ...]] = []
    for k, label in enumerate(classes):
        reached = [shares[k] for _, shares in found.rows]
        mean = [_percent(fmean(reached))] if several else []
        rows.append((label, *mean, *map(_percent, reached)))
    columns = ("class", *(["mean"] if several else []), *names)
    return f"Accuracy on {counted(found.tested, 'test image')}, class by class, %", columns, rows


def _percent(share: float) -> str:
    return "none" if math.isnan(share) else f"{100 * share:.1f}"


def assessments(held: Held) -> Iterator[Block]:
    """Say what assessments find of a set, beside random real images."""
    if not held.assessments:
        yield Lines([f"No assessment was made of it yet: {typed('assess', held.name)}"])
        return
    families: dict[str, list[Strip]] = {}
    for report in held.assessments:
        for row in report.get("scores", ()):
            families.setdefault(str(row["family"]), []).append(strip(row))
    yield Strips([(name, families[name]) for name in sorted(families)])


def strip(row: Mapping[str, Any]) -> Strip:
    """Return a score as it was written beside those of random images."""
    value, random = float(row["value"]), [float(one) for one in row.get("random") or ()]
    verdict = ""
    if random:
        gain = value - fmean(random)
        verdict = tables.than_random(gain if row["better"] == "higher" else -gain)
    return Strip(str(row["name"]), str(row["better"]), value, random, verdict)
