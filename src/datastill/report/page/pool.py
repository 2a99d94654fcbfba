"""What a page says of original models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from datastill.base.wording import duration
from datastill.report.page import charts
from datastill.report.page.comparison import repeated
from datastill.report.page.held import number_in
from datastill.report.page.parts import Block, Chart, Exhibit, Grid, Lines, Section

COLUMNS = ("model", "epochs", "train %", "held-out %", "trained in")


def exhibit(
    rows: Sequence[Mapping[str, Any]],
    events: Sequence[Mapping[str, Any]],
    title: str,
    name: str,
    recipe: tuple[str, str] | None,
) -> Exhibit:
    """Return all that a page says of the original models of an architecture.

    Args:
        rows: what is known of each.
        events: of the journal of their training.
        title: by which a person asked for them.
        name: which nothing else on the page has.
        recipe: text of the file that repeats it, and its path.
    """
    table = Grid("Original models, each at the epoch that was kept", COLUMNS, [*map(_row, rows)])
    none = Lines(["No model is finished yet."])
    sections = [
        Section("What they reach", [table if rows else none]),
        Section("Losses", _losses(events, name)),
        Section("To repeat", [*repeated(recipe)]),
    ]
    return Exhibit(title, "pool", sections)


def _row(facts: Mapping[str, Any]) -> tuple[str, ...]:
    seconds = number_in(facts, "seconds")
    return (
        f"{facts.get('architecture', 'unknown')} {facts.get('number', '')}".strip(),
        str(facts.get("epoch", "unknown")),
        _percent(number_in(facts, "train_accuracy")),
        _percent(number_in(facts, "held_out_accuracy")),
        "unknown" if seconds is None else duration(seconds),
    )


def _losses(events: Sequence[Mapping[str, Any]], name: str) -> list[Block]:
    lines: dict[str, list[tuple[int, float]]] = {}
    for event in events:
        loss, step = number_in(event, "loss"), number_in(event, "step")
        if event.get("event") == "epoch" and loss is not None and step is not None:
            model = f"{event.get('model', 'model')} {event.get('number', '')}".strip()
            lines.setdefault(model, []).append((int(step), loss))
    if not lines:
        return [Lines(["Their training wrote no losses down."])]
    return [
        Chart(
            f"training-{name}",
            "Loss after every epoch",
            charts.courses(lines),
            Grid(
                "Losses",
                ("model", "epoch", "loss"),
                [
                    (model, str(step), f"{value:.5g}")
                    for model, values in lines.items()
                    for step, value in charts.thinned(values)
                ],
            ),
        )
    ]


def _percent(share: float | None) -> str:
    return "none" if share is None else f"{100 * share:.2f}"
