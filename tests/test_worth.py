"""Bytes against accuracy: every byte counted, hard and soft labels told apart."""

from dataclasses import replace
from pathlib import Path

import torch

from conftest import blobs
from datastill import runs, save
from datastill.data import ImageSet
from datastill.evaluation.comparison import FLY, HARD, SOFT, Row
from datastill.report.page.held import Held
from datastill.report.page.worth import Point, of_rows, of_set, worth
from datastill.training.accuracies import Accuracies
from test_report import page_at

REACHED = {"values": [0.5, 0.7]}
ROWS = [
    {"source": source, "model": "MLP", "accuracies": REACHED, "seconds": 1.0}
    for source in ("synthetic", "synthetic, hard labels", "random")
]
FLYING = {**ROWS[0], "source": "synthetic, labels on the fly"}
VALIDATED = [
    {"protocol": {"name": "dsa", "fit": {"epochs": 3}}, "results": ROWS},
    {"results": [FLYING], "labels_on_the_fly": {"model_bytes": 1000}},
]


def labelled(*, soft: bool) -> ImageSet:
    data = blobs(per_class=2)
    facts = {"method": "DM", "validated": VALIDATED}
    labels = torch.full((len(data), 4), 0.25) if soft else data.labels
    return replace(data, labels=labels, facts=facts)


def sizes(found: list[Point]) -> list[tuple[str, int, int, int]]:
    return [(one.labels, one.image_bytes, one.label_bytes, one.model_bytes) for one in found]


def test_labels_and_models_that_label_count() -> None:
    hard, soft = (Held("set", labelled(soft=soft)) for soft in (False, True))
    images = 4 * hard.data.images.numel()
    assert sizes([*of_set(hard)])[0] == (HARD, images, 8, 0)  # a byte for each of eight
    assert sizes([*of_set(soft)]) == [
        (SOFT, images, 8 * 4 * 4, 0),
        (HARD, images, 8, 0),
        (FLY, images, 8, 1000),
    ]
    assert [one.bytes for one in of_set(soft)] == [images + 128, images + 8, images + 1008]
    kinds = [one.drawn()["kind"] for one in of_set(soft)]
    assert kinds == ["DM, soft labels", "DM, hard labels", "DM, labels on the fly"]
    chart = worth([*of_set(soft)], "worth")
    assert chart.spec["encoding"]["color"]["scale"]["domain"] == kinds
    shapes = chart.spec["encoding"]["shape"]["scale"]["range"]
    assert len(set(shapes)) == 3  # no colour says what a shape does not
    assert [row[1:5] for row in chart.table.rows] == [
        (SOFT, f"{images:,}", "128", "0"),
        (HARD, f"{images:,}", "8", "0"),
        (FLY, f"{images:,}", "8", "1,000"),
    ]


def test_rows_of_a_comparison_are_told_apart_by_their_labels() -> None:
    row = Row("set", HARD, "MLP", 8, 100, 8, 3, Accuracies((0.5,)), None, None, 1.0)
    rows = [row, replace(row, labels=SOFT, label_bytes=128), replace(row, name="random")]
    assert [one.drawn()["kind"] for one in of_rows(rows)] == [
        *("synthetic images, hard labels", "synthetic images, soft labels"),
        "real images, hard labels",
    ]
    assert [one.bytes for one in of_rows(rows)] == [108, 228, 108]


def test_several_sets_share_a_chart_of_bytes(tmp_path: Path) -> None:
    for name, soft in (("hard", False), ("soft", True)):
        save(labelled(soft=soft), tmp_path / name / "synthetic.safetensors")
    runs.report(tmp_path, tmp_path / "page.html")
    said = page_at(tmp_path / "page.html").said
    assert "Bytes against accuracy" in said
    for wanted in ("soft, soft labels, MLP", "hard, MLP, dsa, 3 epochs", "models, bytes"):
        assert wanted in said
