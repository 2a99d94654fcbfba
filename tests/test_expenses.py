"""What assessments cost with their original models, and what nothing beats."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torch import Tensor, nn

from conftest import blobs
from datastill.base.rng import Key
from datastill.evaluation.assessments import ASSESSMENTS, Evidence, Score
from datastill.evaluation.scores import Assessed, assess
from datastill.evaluation.studies import Outcome, Record, Resampling, Study, conclude
from datastill.evaluation.studies.expenses import CHOICES, Expense, asks_models, unbeaten
from datastill.report.pareto import offers, write_pareto
from datastill.report.study_sections import costs
from datastill.training.pool import Member


class Asked(Exception):
    """An original model was."""


class Wary(nn.Module):
    """An original model that says when it is asked."""

    def embed(self, images: Tensor) -> Tensor:
        raise Asked(images.shape)

    def forward(self, images: Tensor) -> Tensor:
        raise Asked(images.shape)


@pytest.mark.parametrize("name", ASSESSMENTS.names)
def test_who_asks_original_models_is_known(name: str) -> None:
    real = blobs()
    wary: Any = Wary()
    evidence = Evidence(
        blobs(per_class=2),
        real,
        [Member(wary, "MLP", real.domain, {})],
        Key(0),
        held_out=blobs("held-out"),
    )
    try:
        assess(evidence, [name])
    except Asked:
        assert asks_models(name), f"{name} asks them, and says that it does not"
    else:
        assert not asks_models(name), f"{name} asks none, and says that it does"


def test_what_is_paid_once_is_shared() -> None:
    found = Expense(seconds=2.0, once=10.0, models=90.0)
    assert [found.of_each(n) for n in (1, 10, 50)] == [102, 12, 4]
    assert found.shares(50.0) == {1: 102 / 50, 10: 12 / 50, 50: 4 / 50}
    assert Expense(2.0, 10.0, None).shares(50.0) == {1: None, 10: None, 50: None}
    assert Expense(2.0, 10.0, 0.0).of_each(10) == 3


def test_what_is_unbeaten_is_so_in_cost_or_in_loss() -> None:
    assert unbeaten([]) == []
    assert unbeaten([(1, 1), (1, 1), (2, 1), (2, 0), (3, 0.5)]) == [0, 1, 3]
    points = [(5.0, 1.0), (1.0, 5.0), (3.0, 3.0), (4.0, 4.0)]
    assert unbeaten(points) == [1, 2, 0]


def scored(models: float | None) -> Study:
    """Return a study of an exact and costly score, a cheap one that is near, and a useless one."""
    rng = np.random.default_rng(0)
    records = list[Record]()
    for i in range(20):
        accuracy = i / 40
        values = {
            "om-margin": (accuracy, 2.0),
            "diversity": (accuracy + 0.1 * rng.normal(), 0.1),
            "nearest-psnr": (float(rng.normal()), 1.0),
        }
        found = {n: Assessed(Score(v, "higher"), s, 0.0) for n, (v, s) in values.items()}
        records.append(Record(str(i), "DM", 1, (Outcome(accuracy, 50.0),), found))
    return conclude(records, Resampling(Key(0), bootstraps=20, permutations=20), models=models)


def test_nothing_beats_what_is_cheaper_or_better(tmp_path: Path) -> None:
    study = scored(models=1000.0)
    for sets in CHOICES:
        known, best = offers(study, sets)
        assert {one.name for one in known} == {"om-margin", "diversity", "nearest-psnr"}
        assert best == ["diversity", "om-margin"]
    unknown, best = offers(scored(models=None), 10)
    assert "om-margin" not in {one.name for one in unknown}
    assert best == ["diversity"]
    page = "\n".join(costs(study, "pareto.png"))
    # 2 of 50 s; and with the models 1002, 102 and 22 s.
    (line,) = (line for line in page.split("\n") if line.startswith("| om-margin |"))
    assert line.endswith("| 4 | **2004** | **204** | **44** |")
    picture = Image.open(write_pareto(study, tmp_path))
    assert picture.format == "PNG"
    assert len(picture.convert("RGB").getcolors(maxcolors=2**18) or ()) > 50
