"""What assessments cost with their original models, and what nothing beats."""

from typing import Any

import pytest
from torch import Tensor, nn

from conftest import blobs
from datastill.base.rng import Key
from datastill.evaluation.assessments import ASSESSMENTS, Evidence
from datastill.evaluation.scores import assess
from datastill.evaluation.studies.expenses import Expense, asks_models, unbeaten
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
