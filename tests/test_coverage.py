"""Intervals hold what they promise and tests their level, on simulated studies of known truth.

Few studies of each kind, with fixed draws; ``benchmarks/coverage.py`` makes more, and its results
are in ``benchmarks/results/coverage.json``.
"""

import numpy as np
import pytest

from test_results import program

coverage = program("coverage")
Design = coverage.Design
STUDIES = 500
"""Of which a share of 95 % has a standard error of 1 %."""
WITHIN = 0.02 + 0.02
"""What is promised, and two standard errors."""


def rng(*seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("recipes", [6, 13, 45])
@pytest.mark.parametrize(("rho", "shape"), [(0.0, "normal"), (0.9, "normal"), (0.8, "apart")])
def test_intervals_of_agreement_hold_the_truth(recipes: int, rho: float, shape: str) -> None:
    design = Design(recipes, 1 if recipes == 45 else 3, rho, shape)
    held = coverage.held(design, coverage.jackknife, STUDIES, rng(recipes))
    assert abs(held - 0.95) <= WITHIN


def test_sets_as_if_they_were_no_relatives_do_not() -> None:
    design = Design(13, 3, 0.9)
    assert coverage.held(design, coverage.by_set, 100, rng(0)) < 0.95 - WITHIN - 0.02


def test_percentiles_of_few_recipes_do_not() -> None:
    design = Design(6, 1, 0.97)
    assert coverage.held(design, coverage.by_recipe, 200, rng(0)) < 0.95 - WITHIN


@pytest.mark.parametrize("recipes", [6, 13, 45])
def test_tests_keep_their_level(recipes: int) -> None:
    design = Design(recipes, 1 if recipes == 45 else 3)
    assert abs(coverage.rejected(design, STUDIES, rng(recipes)) - 0.05) <= WITHIN


def test_tests_of_sets_as_if_they_were_no_relatives_do_not() -> None:
    assert coverage.rejected(Design(13), 200, rng(1), relatives=False) > 0.05 + WITHIN + 0.04


@pytest.mark.parametrize("recipes", [6, 13])
def test_differences_are_held_one_by_one_and_all_at_once(recipes: int) -> None:
    alone, together = coverage.differences_held(Design(recipes), 6, 200, rng(recipes))
    assert alone >= 0.95 - WITHIN
    assert together >= 0.95 - WITHIN
    # Of fifteen pairs each by itself, one is wrong much more often than in 5 of 100 studies.
    each = coverage.differences_held(Design(recipes), 6, 100, rng(recipes), at_once=False)[1]
    assert each < 0.95 - WITHIN


@pytest.mark.parametrize(("rho", "shape"), [(0.0, "normal"), (0.6, "normal"), (0.9, "normal")])
def test_regrets_are_held(rho: float, shape: str) -> None:
    held = coverage.regrets_held(Design(13, 3, rho, shape), 200, rng(0))
    assert held >= 0.95 - WITHIN - 0.01


@pytest.mark.parametrize(("families", "rho"), [(13, 0.0), (13, 0.9), (7, 0.6)])
def test_intervals_by_families_hold_where_recipes_are_relatives(families: int, rho: float) -> None:
    held = coverage.families_held(families, rho, 300, rng(families))
    assert abs(held - 0.95) <= WITHIN
    by_recipe = coverage.families_held(families, rho, 300, rng(families), known=False)
    assert by_recipe < held
