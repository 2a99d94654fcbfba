"""Statistics where witnesses are few: by hand, by scipy, and by brute force."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import combinations, product
from typing import Any

import numpy as np
import pytest
from scipy import stats

from datastill.evaluation.statistics.ceilings import ceiling_of
from datastill.evaluation.statistics.clusters import Clusters, Group
from datastill.evaluation.statistics.coefficients import CORRELATIONS, spearman
from datastill.evaluation.statistics.differences import between, simultaneous
from datastill.evaluation.statistics.intervals import CORRELATION, Scale, Spread
from datastill.evaluation.statistics.permutation import orders, p_value
from datastill.evaluation.statistics.regrets import regret

EXACT: dict[str, Callable[..., Any]] = {
    "spearman": stats.spearmanr,
    "kendall": stats.kendalltau,
    "pearson": stats.pearsonr,
}
RECIPES = ["a", "a", "b", "b", "b", "c", "d", "d", "e", "f", "f", "f"]
ALL = np.arange(len(RECIPES))


def numbers(seed: int, *shape: int) -> Any:
    return np.random.default_rng(seed).integers(0, 6, shape).astype(float)  # with ties


def within(name: str, x: Any, y: Any) -> Any:
    def statistic(group: Group, kept: Any) -> Any:
        return CORRELATIONS[name](x[..., group.rows], y[..., group.rows], kept)

    return statistic


@pytest.mark.parametrize("name", CORRELATIONS)
def test_weights_are_how_often_a_row_is_there(name: str) -> None:
    x, y = numbers(1, 12), numbers(2, 12)
    weights = np.random.default_rng(3).integers(0, 4, (50, 12))
    found = CORRELATIONS[name](x, y, weights.astype(float))
    expected = [
        EXACT[name](np.repeat(x, times), np.repeat(y, times)).statistic for times in weights
    ]
    assert found == pytest.approx(expected)
    ones = np.ones((1, 12))
    assert CORRELATIONS[name](np.ones(12), y, ones) == 0
    assert CORRELATIONS[name](x, np.ones(12), ones) == 0
    assert CORRELATIONS[name](x, y, np.zeros((1, 12))) == 0


@pytest.mark.parametrize("name", CORRELATIONS)
def test_columns_together_are_what_each_is_alone(name: str) -> None:
    x, y, weights = numbers(1, 4, 12), numbers(2, 12), numbers(5, 7, 12)
    found = CORRELATIONS[name](x, y, weights)
    assert found.shape == (4, 7)
    assert np.array_equal(CORRELATIONS[name](x, np.stack([y] * 4), weights), found)
    for one, row in zip(x, found, strict=True):
        assert CORRELATIONS[name](one, y, weights) == pytest.approx(row)


@pytest.mark.parametrize("name", CORRELATIONS)
def test_a_unit_is_left_out_with_all_of_its_rows(name: str) -> None:
    x, y = numbers(1, 12), numbers(2, 12)
    found = Clusters.of([ALL], RECIPES).without_each(within(name, x, y))
    kept = [ALL, *(np.array([i for i in ALL if RECIPES[i] != one]) for one in "abcdef")]
    assert found == pytest.approx([EXACT[name](x[rows], y[rows]).statistic for rows in kept])


def test_groups_weigh_by_what_is_left_of_them() -> None:
    x, y = numbers(1, 12), numbers(2, 12)
    strata = [ALL[:6], ALL[6:]]
    recipes = ["a", "a", "b", "b", "b", "c", "c", "c", "c", "d", "d", "d"]
    clusters = Clusters.of(strata, recipes)
    assert clusters.count == 4
    assert [group.held.tolist() for group in clusters.groups] == [[0, 1, 2], [2, 3]]
    found = clusters.without_each(within("pearson", x, y))
    for k, left in enumerate(["", *"abcd"]):
        groups = [np.array([i for i in rows if recipes[i] != left]) for rows in strata]
        each = [(len(rows) - 1, stats.pearsonr(x[rows], y[rows]).statistic) for rows in groups]
        expected = sum(n * r for n, r in each) / sum(n for n, _ in each)
        assert found[k] == pytest.approx(expected), left


def test_of_one_recipe_alone_sets_are_units() -> None:
    alone = Clusters.of([ALL[:5], ALL[5:]], ["a"] * 5 + RECIPES[5:], alone=True)
    assert alone.count == 5 + 4
    assert Clusters.of([ALL[:5], ALL[5:]], ["a"] * 5 + RECIPES[5:]).count == 1 + 4


def relabelled(recipes: list[str]) -> list[str]:
    return [chr(200 - ord(one)) for one in recipes]


@pytest.mark.parametrize("name", CORRELATIONS)
def test_intervals_know_nothing_of_order_and_names(name: str) -> None:
    x, y = numbers(1, 12), numbers(1, 12) + numbers(4, 12)

    def limits(x: Any, y: Any, recipes: list[str]) -> Any:
        found = Clusters.of([ALL], recipes).without_each(within(name, x, y))
        return [float(one) for one in Spread.of_correlations(found).limits()]

    low, high = limits(x, y, RECIPES)
    assert -1 <= low < high <= 1
    turned = np.random.default_rng(0).permutation(12)
    assert limits(x[turned], y[turned], [RECIPES[i] for i in turned]) == pytest.approx([low, high])
    assert limits(x, y, relabelled(RECIPES)) == pytest.approx([low, high])
    assert limits(-x, y, RECIPES) == pytest.approx([-high, -low])
    assert limits(3 * x + 1, y, RECIPES) == pytest.approx([low, high])


def test_a_standard_error_is_the_jackknife_s() -> None:
    # Of a mean without groups it is the sample's, whatever the units are called.
    values = np.random.default_rng(0).normal(size=9)
    without = [np.delete(values, i).mean() for i in range(9)]
    found = Spread.of(np.array([values.mean(), *without]), Scale(lambda z, _: z, np.asarray))
    assert found.errors == pytest.approx(stats.sem(values))
    interval = stats.ttest_1samp(values, 0).confidence_interval()
    assert [float(one) for one in found.limits()] == pytest.approx([interval.low, interval.high])


# Tests.


def test_a_p_value_is_scipy_s_where_every_set_is_its_own() -> None:
    x, y = numbers(3, 12), numbers(4, 12) + numbers(3, 12)
    clusters = Clusters.of([ALL], list(ALL))
    found = p_value(x, y, clusters, orders(clusters, 5000, np.random.default_rng(0)))
    ranks = stats.rankdata(x), stats.rankdata(y)
    expected = stats.permutation_test(
        (ranks[0],),
        lambda a: stats.pearsonr(a, ranks[1]).statistic,
        permutation_type="pairings",
        n_resamples=5000,
        rng=np.random.default_rng(0),
    )
    assert found == pytest.approx(expected.pvalue, abs=0.02)


def test_recipes_of_several_groups_change_places_together() -> None:
    clusters = Clusters.of([ALL[:6], ALL[6:]], ["a", "a", "b", "c", "d", "d", *"dcbbad"])
    one, other = orders(clusters, 50, np.random.default_rng(0))
    assert [group.held.tolist() for group in clusters.groups] == [[0, 1, 2, 3]] * 2
    assert np.array_equal(one, other)
    assert len(np.unique(one, axis=0)) > 10


# Differences.


def spread_of(shifts: Any, values: Any) -> Spread:
    moved, none = np.array(shifts, float), np.zeros(len(values))
    degrees = moved.shape[1] - 1
    return Spread(np.array(values), np.arctanh(values), moved, none, degrees, CORRELATION)


def test_what_two_have_in_common_cancels() -> None:
    same = spread_of([[0.1, -0.2, 0.1]] * 2, [0.5, 0.5])
    assert between(same, 0, 1) == (0, 0)
    apart = spread_of([[0.1, -0.1, 0, 0], [0, 0, 0.1, -0.1]], [0.5, 0.2])
    low, high = apart.limits()
    down, up = between(apart, 0, 1)
    assert low[0] - high[1] < down < 0.3 < up < high[0] - low[1]
    assert between(apart, 1, 0) == pytest.approx((-up, -down), abs=1e-3)


@pytest.mark.parametrize("seed", range(6))
def test_a_difference_excludes_nothing_that_is_excluded_on_the_scale(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shifts, middles = rng.normal(size=(2, 9)) / 9, rng.normal(size=2)
    found = spread_of(shifts, np.tanh(middles))
    apart = abs(np.arctanh(found.values) @ [1, -1])
    error = np.linalg.norm(found.shifts[0] - found.shifts[1])
    for factor, holds in ((1.03, True), (0.97, False)):
        low, high = between(found, 0, 1, factor * apart / error)
        assert (low <= 0 <= high) == holds


def test_the_quantile_of_one_pair_is_student_s_and_of_more_it_is_larger() -> None:
    rng = np.random.default_rng(0)
    two = spread_of(rng.normal(size=(2, 9)), [0.1, 0.2])
    assert simultaneous(two, 4000, rng) == pytest.approx(two.quantile, rel=0.06)
    many = spread_of(rng.normal(size=(6, 9)), np.zeros(6))
    assert simultaneous(many, 1000, rng) > 1.5 * two.quantile
    alike = spread_of([[0.1, -0.2, 0.1]] * 6, np.zeros(6))
    assert simultaneous(alike, 1000, rng) == alike.quantile


# Regret.


def picked(x: Any, y: Any, rows: tuple[int, ...]) -> float:
    best = [i for i in rows if x[i] == max(x[list(rows)])]
    return float(np.mean(y[best]))


def brute(x: Any, y: Any, recipes: list[str], candidates: int) -> float:
    """Every choice of recipes, and of a set of each."""
    own = {name: [i for i, one in enumerate(recipes) if one == name] for name in set(recipes)}
    few = min(candidates, len(own))
    lost = []
    for names in combinations(sorted(own), few):
        choices = list(product(*(own[name] for name in names)))
        lost.append(np.mean([picked(y, y, rows) - picked(x, y, rows) for rows in choices]))
    return float(np.mean(lost))


@pytest.mark.parametrize("candidates", [2, 3, 5, 8])
@pytest.mark.parametrize("ties", [True, False])
def test_regret_is_that_of_all_choices(candidates: int, ties: bool) -> None:
    rng = np.random.default_rng(candidates)
    x = numbers(6, 12) if ties else rng.normal(size=12)
    y = rng.uniform(size=12)
    clusters = Clusters.of([ALL], RECIPES)
    found = clusters.without_each(partial(regret, np.stack([x, y, -y]), y, candidates=candidates))
    assert found.shape == (3, 7)
    assert found[1] == pytest.approx(0, abs=1e-12)
    for column, values in ((0, x), (2, -y)):
        assert found[column, 0] == pytest.approx(brute(values, y, RECIPES, candidates))
    for k, left in enumerate("abcdef", 1):
        rows = np.array([i for i in ALL if RECIPES[i] != left])
        some = brute(x[rows], y[rows], [RECIPES[i] for i in rows], candidates)
        assert found[0, k] == pytest.approx(some), left


def test_a_score_with_one_value_loses_what_chance_loses() -> None:
    y = np.random.default_rng(0).uniform(size=12)
    clusters = Clusters.of([ALL], RECIPES)
    found = clusters.without_each(partial(regret, np.zeros(12), y, candidates=3))
    assert found[0] == pytest.approx(brute(np.zeros(12), y, RECIPES, 3))


# Ceilings.


def test_a_ceiling_is_how_far_the_truth_agrees_with_what_was_measured() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=3000)
    trials = truth + 0.7 * rng.normal(size=(3, 3000))
    agrees = stats.spearmanr(truth, trials.mean(0)).statistic
    kept = np.ones((1, 3000))
    clusters = Clusters.of([np.arange(3000)], [i // 150 for i in range(3000)])
    found = ceiling_of(trials, clusters)
    assert found.value == pytest.approx(agrees, abs=0.02)
    assert found.low < found.value < found.high
    assert float(spearman(trials[0], trials[1], kept)[0]) < found.value
    nothing = ceiling_of(rng.normal(size=(2, 60)), Clusters.of([np.arange(60)], list(range(60))))
    assert nothing.value < 0.6
    assert nothing.low <= 0 or nothing.low < 0.2
