"""What a set cost: seconds and bytes, as far as its files say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from datastill.base.wording import counted, duration
from datastill.data import stored_bytes
from datastill.evaluation.comparison import label_bytes
from datastill.report.page.held import Held, number_in
from datastill.report.page.parts import Block, Facts, Lines
from datastill.report.validations import table_in


def cost(held: Held) -> Iterator[Block]:
    """Say what a set cost to make, to judge and to keep."""
    rows = [*_of_making(held.data.facts), *_of_judging(held), *_of_keeping(held)]
    yield Facts(rows)
    facts = held.data.facts
    if known := _of_machine(facts):
        yield Lines([f"Computed by {known}."])


def _of_making(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    seconds, step = number_in(facts, "seconds"), facts.get("step")
    if seconds is not None:
        each = ""
        if isinstance(step, int) and step > 0:
            each = f", {seconds / step:.3g} s for each of {counted(step, 'update')}"
        yield "making it", f"{_spent(seconds)}{each}"


def _of_judging(held: Held) -> Iterator[tuple[str, str]]:
    for report in held.validations:
        rows = report.get("results")
        found = [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []
        for row in found:
            values = (row.get("accuracies") or {}).get("values") or []
            seconds = number_in(row, "seconds")
            if seconds is not None and values:
                networks = f"{counted(len(values), 'network')}, {row.get('model')}"
                yield f"training {networks}, on {row.get('source')}", _spent(seconds)
    for report in held.assessments:
        if (seconds := number_in(report, "seconds")) is not None:
            yield "assessing it", _spent(seconds)


def _spent(seconds: float) -> str:
    return "less than a second" if seconds < 1 else duration(seconds)


def _of_keeping(held: Held) -> Iterator[tuple[str, str]]:
    images, labels = stored_bytes(held.data.images), label_bytes(held.data)
    yield "keeping it", f"{images:,} bytes of images, {labels:,} of labels"


def _of_machine(facts: Mapping[str, Any]) -> str:
    known = table_in(facts, "execution")
    told = [str(facts["device"])] if facts.get("device") else []
    told += [f"{name} {value}" for name, value in known.items() if value not in (None, "")]
    return ", ".join(told)
