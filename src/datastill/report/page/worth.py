"""Bytes against accuracy: what is reached with how much, hard and soft labels told apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from datastill.data import stored_bytes
from datastill.data.labels import hardened
from datastill.evaluation.comparison import FLY, HARD, SOFT, Row, label_bytes
from datastill.evaluation.comparison.tables import titled
from datastill.report.comparison import is_real
from datastill.report.page import charts
from datastill.report.page.held import Held, number_in
from datastill.report.page.parts import Chart, Grid
from datastill.report.validations import labelled_results, table_in
from datastill.training.accuracies import Accuracies

SYNTHETIC = "synthetic"
"""How a validation calls the set itself; what it calls its other rows begins so too."""
COLUMNS = ("trained on", "labels", "images, bytes", "labels, bytes", "models, bytes", "accuracy")


@dataclass(frozen=True)
class Point:
    """What networks reach that were trained on something, and the bytes that it takes.

    Attributes:
        name: of what they were trained on.
        kind: of that: a method, or real images.
        labels: that they were trained by: hard, soft or on the fly.
        image_bytes: that images take.
        label_bytes: that labels take.
        model_bytes: of original models that label on the fly.
        reached: by the networks.
    """

    name: str
    kind: str
    labels: str
    image_bytes: int
    label_bytes: int
    model_bytes: int
    reached: Accuracies

    @property
    def bytes(self) -> int:
        """All of them."""
        return self.image_bytes + self.label_bytes + self.model_bytes

    def drawn(self) -> dict[str, Any]:
        """Return what the chart draws of it."""
        told = f"labels {FLY}" if self.labels == FLY else f"{self.labels} labels"
        return {
            "set": self.name,
            "kind": f"{self.kind}, {told}",
            "bytes": self.bytes,
            "accuracy": 100 * self.reached.mean,
            "told": str(self.reached),
        }

    def row(self) -> tuple[str, ...]:
        """Return the same in numbers."""
        sizes = (self.image_bytes, self.label_bytes, self.model_bytes)
        return (self.name, self.labels, *(f"{size:,}" for size in sizes), str(self.reached))


def worth(found: Sequence[Point], name: str) -> Chart:
    """Return the chart of accuracy by bytes."""
    return Chart(
        name,
        "What is reached with how many bytes",
        charts.worth([point.drawn() for point in found]),
        Grid("Bytes and accuracy", COLUMNS, [point.row() for point in found]),
        "Bytes of images, labels, and of models that label on the fly, along a logarithmic axis.",
    )


def of_rows(rows: Sequence[Row]) -> list[Point]:
    """Return the points of a comparison."""
    return [
        Point(
            f"{row.title}, {row.model}",
            "real images" if is_real(row) else "synthetic images",
            row.labels,
            *(row.image_bytes, row.label_bytes, row.model_bytes),
            row.accuracies,
        )
        for row in rows
    ]


def of_set(held: Held) -> Iterator[Point]:
    """Yield the points of a set, one for each architecture and kind of labels it was judged by."""
    data = held.data
    own = SOFT if data.labels.ndim > 1 else HARD
    images, hard = stored_bytes(data.images), label_bytes(hardened(data))
    kinds = {
        SYNTHETIC: (own, label_bytes(data)),
        f"{SYNTHETIC}, hard labels": (HARD, hard),
        titled(SYNTHETIC, FLY): (FLY, hard),
    }
    method = str(data.facts.get("method") or "unknown method")
    for report in held.validations:
        for source, model, terms, reached in labelled_results([report], data.domain.name):
            if source in kinds:
                labels, size = kinds[source]
                models = _model_bytes(report) if labels == FLY else 0
                name = f"{titled(held.name, labels)}, {model}, {terms}"
                yield Point(name, method, labels, images, size, models, reached)


def _model_bytes(report: Mapping[str, Any]) -> int:
    return int(number_in(table_in(report, "labels_on_the_fly"), "model_bytes") or 0)
