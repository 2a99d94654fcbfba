"""The statistics of a study: scipy's, checked against scipy where many are made at once."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from scipy import stats

from conftest import blobs
from datastill.base.errors import InputError
from datastill.base.rng import Key
from datastill.evaluation.assessments import Score
from datastill.evaluation.scores import Assessed
from datastill.evaluation.studies import (
    Outcome,
    Record,
    Resampling,
    Verdict,
    blank,
    contrast,
    record_of,
    table_of,
)
from datastill.evaluation.studies.agreement import agreed, agreement
from datastill.evaluation.studies.coefficients import COEFFICIENTS
from datastill.evaluation.studies.ranking import ignorance, regret, verdicts, yardstick
from datastill.evaluation.studies.resampling import CANDIDATES, drawn
from datastill.evaluation.studies.scopes import (
    EVERYTHING,
    IN_BETTER,
    IN_BOTH,
    IN_IPC,
    IN_METHOD,
    UNGUIDED,
    UNGUIDED_BETTER,
    scopes,
)

QUICK = Resampling(Key(0), bootstraps=200, permutations=400)
ALL = [np.arange(12)]
EXACT: dict[str, Any] = {
    "spearman": stats.spearmanr,
    "kendall": stats.kendalltau,
    "pearson": stats.pearsonr,
}


def numbers(seed: int, *shape: int) -> Any:
    return np.random.default_rng(seed).integers(0, 6, shape).astype(float)  # with ties


def record(
    name: str,
    accuracies: Sequence[float],
    scores: dict[str, tuple[float, str]],
    ipc: int = 1,
    method: str = "DM",
) -> Record:
    trials = tuple(Outcome(accuracy, 2.0) for accuracy in accuracies)
    found = {
        key: Assessed(Score(value, better), 0.5, 1.0)  # type: ignore[arg-type]
        for key, (value, better) in scores.items()
    }
    return Record(name, method, ipc, trials, found)


def population(score: Callable[[float, int], float], better: str = "higher") -> list[Record]:
    """Sixteen sets: two methods, two ipc, four accuracies each; a score of accuracy and ipc."""
    return [
        record(
            f"{method}-{ipc}-{i}",
            (0.3 * (ipc == 10) + 0.1 * (method == "DM") + 0.02 * i,),
            {"coverage": (score(0.02 * i + 0.1 * (method == "DM"), ipc), better)},
            ipc,
            method,
        )
        for method in ("DM", "random")
        for ipc in (1, 10)
        for i in range(4)
    ]


def only(found: list[Verdict]) -> Verdict:
    (verdict,) = found
    return verdict


@pytest.mark.parametrize("name", COEFFICIENTS)
def test_weights_are_how_often_a_row_is_there(name: str) -> None:
    x, y = numbers(1, 12), numbers(2, 12)
    weights = np.random.default_rng(3).integers(0, 4, (50, 12))
    found = COEFFICIENTS[name](x, y, weights.astype(float))
    expected = [
        EXACT[name](np.repeat(x, times), np.repeat(y, times)).statistic for times in weights
    ]
    assert found == pytest.approx(expected)
    ones = np.ones((1, 12))
    assert COEFFICIENTS[name](np.ones(12), y, ones) == 0
    assert COEFFICIENTS[name](x, np.ones(12), ones) == 0
    assert COEFFICIENTS[name](x, y, np.zeros((1, 12))) == 0


def test_one_group_agrees_by_what_scipy_says() -> None:
    x, y = numbers(3, 12), numbers(4, 12) + numbers(3, 12)
    found = agreement(x, y, ALL, Resampling(Key(0)))
    for name, exact in EXACT.items():
        assert getattr(found, name).value == pytest.approx(exact(x, y).statistic)
    ranks = stats.rankdata(x), stats.rankdata(y)
    expected = stats.permutation_test(
        (ranks[0],),
        lambda a: stats.pearsonr(a, ranks[1]).statistic,
        permutation_type="pairings",
        n_resamples=2000,
        rng=np.random.default_rng(0),
    )
    assert found.p == pytest.approx(expected.pvalue, abs=0.02)
    interval = stats.bootstrap(
        (x, y),
        lambda a, b, axis: COEFFICIENTS["pearson"](a, b, np.ones_like(a)),
        paired=True,
        vectorized=True,
        n_resamples=4000,
        method="percentile",
        rng=np.random.default_rng(1),
    ).confidence_interval
    assert found.pearson.low == pytest.approx(interval.low, abs=0.1)
    assert found.pearson.high == pytest.approx(interval.high, abs=0.05)
    assert found.pearson.low < found.pearson.value < found.pearson.high


def test_groups_are_averaged_by_their_size_and_drawn_apart() -> None:
    # Opposite orders in groups of 4 and of 8: -1 and 1, weighing 3 and 7.
    x = np.array([1.0, 2, 3, 4, *range(8)])
    y = np.array([4.0, 3, 2, 1, *range(100, 108)])
    strata = [np.arange(4), np.arange(4, 12)]
    found = agreement(x, y, strata, QUICK)
    assert found.sets == 12
    for coefficient in (found.spearman, found.kendall, found.pearson):
        assert coefficient.value == pytest.approx((7 - 3) / 10)
        # However the sets of each group are drawn, they agree as fully; a group of one set drawn
        # over and over says nothing, which is rare.
        assert coefficient.low - 1e-9 <= coefficient.value <= coefficient.high + 1e-9
    assert agreement(x, y, ALL, QUICK).spearman.value > 0.5  # pooled, groups tell apart


def test_permutations_stay_within_groups() -> None:
    # All that x knows is the group: permuted within groups it says as much as ever.
    x = np.array([0.0] * 6 + [1.0] * 6)
    y = np.arange(12.0)
    strata = [np.arange(6), np.arange(6, 12)]
    assert agreement(x, y, strata, QUICK).p == 1
    assert agreement(x, y, ALL, QUICK).p < 0.02


def test_chance_is_not_taken_for_agreement() -> None:
    rng = np.random.default_rng(0)
    p = [
        agreement(rng.normal(size=12), rng.normal(size=12), ALL, QUICK, str(i)).p for i in range(40)
    ]
    assert 0.3 < np.mean(p) < 0.7
    assert sum(value < 0.05 for value in p) <= 6


# Recipes.

SEEDS, RECIPES = 3, 13
FAMILY = np.repeat(np.arange(RECIPES), SEEDS)


def relatives(rng: np.random.Generator, rho: float, count: int = RECIPES) -> tuple[Any, Any]:
    """Draw scores and accuracies of recipes with three seeds each, which explain five per cent.

    As found on FashionMNIST: seeds explain 2 to 11 % of the variance of ranks.
    """
    means = rng.multivariate_normal([0, 0], [[1, rho], [rho, 1]], size=count)
    noise = rng.normal(size=(count, SEEDS, 2))
    both = 0.95**0.5 * means[:, None] + 0.05**0.5 * noise
    return both[..., 0].ravel(), both[..., 1].ravel()


@pytest.mark.parametrize("rho", [0.0, 0.6, 0.9])
def test_intervals_hold_the_truth_and_tests_their_level_where_sets_are_relatives(
    rho: float,
) -> None:
    rng, trials = np.random.default_rng(int(10 * rho)), 400
    many = [relatives(rng, rho, 700) for _ in range(20)]
    truth = np.mean([stats.spearmanr(x, y).statistic for x, y in many])
    strata, few = [np.arange(len(FAMILY))], Resampling(Key(1), bootstraps=400, permutations=399)
    by_recipe = drawn(strata, FAMILY.tolist(), few)
    by_set = drawn(strata, range(len(FAMILY)), few)
    held, rejected = np.zeros(2), np.zeros(2)
    for _ in range(trials):
        x, y = relatives(rng, rho)
        for i, groups in enumerate((by_recipe, by_set)):
            found = agreed(x, y, groups)
            held[i] += found.spearman.low <= truth <= found.spearman.high
            rejected[i] += found.p <= 0.05
    # 95 +- 2 %, and 5 +- 2 %, with room for 400 trials.
    assert 0.93 - 0.02 <= held[0] / trials <= 0.97 + 0.02
    assert held[1] / trials < 0.88  # sets as if they were no relatives
    if rho == 0:
        assert 0.03 - 0.02 <= rejected[0] / trials <= 0.07 + 0.02
        assert rejected[1] / trials > 0.15


def test_differences_between_assessments_hold_the_truth() -> None:
    # Two scores that know as much as each other, by half of the same: the truth is no difference.
    rng, trials, hits = np.random.default_rng(5), 200, 0
    few = Resampling(Key(2), bootstraps=300, permutations=9)
    for _ in range(trials):
        means = rng.normal(size=(RECIPES, 1, 1)) + 0.5 * rng.normal(size=(RECIPES, 1, 3))
        x, other, y = (means + 0.2 * rng.normal(size=(RECIPES, SEEDS, 3))).reshape(-1, 3).T
        sets = [
            record(
                f"kind{FAMILY[i]}-ipc1-seed{i}",
                (float(1 / (1 + math.exp(-y[i]))),),
                {"coverage": (float(x[i]), "higher"), "density": (float(other[i]), "higher")},
            )
            for i in range(len(y))
        ]
        found = contrast(sets, "coverage", "density", few)[EVERYTHING]
        hits += found.low <= 0 <= found.high
    assert 0.91 <= hits / trials <= 0.99


def test_what_two_assessments_share_cancels_in_their_difference() -> None:
    x, y = relatives(np.random.default_rng(8), 0.5)
    sets = [
        record(
            f"kind{FAMILY[i]}-ipc1-seed{i}",
            (float(1 / (1 + math.exp(-y[i]))),),
            {"coverage": (float(x[i]), "higher"), "density": (float(x[i] ** 3), "higher")},
        )
        for i in range(len(x))
    ]
    found = contrast(sets, "coverage", "density", QUICK)[EVERYTHING]
    assert found.low == found.value == found.high == 0  # the ranks are the same
    one, other = verdicts(sets, QUICK)
    assert one.headline.spearman.high - one.headline.spearman.low > 0.3
    assert one.behind == {}
    assert other.behind[EVERYTHING] == found
    with pytest.raises(InputError, match="not all sets have a score by 'recall'"):
        contrast(sets, "coverage", "recall", QUICK)


def test_recipes_of_several_sizes_are_drawn_and_permuted_together() -> None:
    strata = [np.arange(6), np.arange(6, 12)]
    recipes = ["a", "a", "b", "c", "d", "d", "d", "c", "b", "b", "a", "d"]
    one, other = drawn(strata, recipes, Resampling(Key(0), bootstraps=50, permutations=50))
    for group in (one, other):
        assert group.count == 4
        assert np.all(group.weights.sum(1) >= 4)

    def names(group: Any) -> list[str]:
        return [recipes[group.rows[np.flatnonzero(group.units == k)[0]]] for k in range(4)]

    def drawn_of(group: Any, sample: int) -> dict[str, float]:
        # How often each recipe was drawn: its sets together, for each that it has.
        return {
            name: group.weights[sample][group.units == k].sum() / (group.units == k).sum()
            for k, name in enumerate(names(group))
        }

    for sample in range(50):
        assert drawn_of(one, sample) == drawn_of(other, sample)
        first, second = (
            {names(g)[k]: names(g)[g.orders[sample][k]] for k in range(4)} for g in (one, other)
        )
        assert first == second


def test_of_one_recipe_alone_sets_are_drawn() -> None:
    (group,) = drawn([np.arange(5)], ["a"] * 5, QUICK)
    assert group.count == 5
    assert set(np.unique(group.weights)) >= {0, 1, 2}


@pytest.mark.parametrize(
    ("name", "recipe"),
    [
        ("DM-120-clom100-ipc10-seed2", "DM-120-clom100"),
        ("noise-0.5-ipc1-seed0", "noise-0.5"),
        ("DM-ipc10-0123456789", "DM-ipc10-0123456789"),
        ("mine", "mine"),
    ],
)
def test_a_record_knows_its_recipe_by_its_name(name: str, recipe: str) -> None:
    found = record(name, (0.5,), {})
    assert found.recipe_name == recipe
    table = table_of(found)
    del table["recipe"]  # as older studies have it
    assert record_of(table).recipe_name == recipe
    assert record_of(table_of(replace(found, recipe="x"))).recipe_name == "x"


def test_sets_that_are_brought_are_relatives_by_what_made_them() -> None:
    facts = {"method": "DM", "step": 100, "seed": 0, "descent": {"lr": 1.0}, "clom": None}
    one, twin, other, guided = (
        blank(name, replace(blobs(), facts={**facts, **more})).recipe_name
        for name, more in (
            ("DM-ipc10-a", {}),
            ("DM-ipc10-b", {"seed": 5, "seconds": 3.0, "validated": [1]}),
            ("DM-ipc10-c", {"descent": {"lr": 2.0}}),
            ("DM-ipc10-d", {"clom": {"alphas": [1.0]}}),
        )
    )
    assert one == twin
    assert len({one, other, guided}) == 3
    strangers = [blank(name, blobs()).recipe_name for name in ("a", "b")]
    assert strangers == ["a", "b"]


def test_ignorance_is_the_mean_of_the_recipes_other_sets() -> None:
    accuracies = {"a": (0.5, 0.52), "b": (0.7, 0.69), "c": (0.6, 0.62), "d": (0.9,)}
    sets = [
        record(f"{kind}-ipc10-seed{i}", (value,), {}, 10)
        for kind, values in accuracies.items()
        for i, value in enumerate(values)
    ]
    found = ignorance(sets, QUICK)
    assert found is not None
    rest = np.mean([0.5, 0.52, 0.7, 0.69, 0.6, 0.62])
    told = [0.52, 0.5, 0.69, 0.7, 0.62, 0.6, rest]
    known = [one.accuracy for one in sets]
    expected = stats.spearmanr(told, known).statistic
    assert found.agreements[EVERYTHING].spearman.value == pytest.approx(expected)
    assert found.seconds == pytest.approx(2.0 * 6 / 7)
    assert found.family == "ignorance"
    assert ignorance([one for one in sets if one.name.endswith("seed0")], QUICK) is None
    # A recipe at another size is another yardstick.
    sizes = [record(f"a-ipc{ipc}-seed0", (ipc / 20,), {}, ipc) for ipc in (1, 10, 5)]
    assert ignorance(sizes, QUICK) is None


def test_the_direction_makes_the_sign() -> None:
    for better, sign in (("higher", 1), ("lower", -1)):
        found = only(verdicts(population(lambda quality, _: quality, better), QUICK))
        assert found.headline.spearman.value == pytest.approx(sign)
        assert found.better == better


def test_a_score_that_only_tells_ipc_apart_is_exposed() -> None:
    found = only(verdicts(population(lambda _, ipc: ipc), QUICK))
    assert found.agreements[EVERYTHING].spearman.value > 0.8
    assert found.agreements[EVERYTHING].p < 0.01
    for scope in (IN_IPC, IN_BOTH, "ipc 1", "ipc 10"):
        assert found.agreements[scope].spearman.value == 0
        assert found.agreements[scope].p == 1
    assert found.distinct == 2
    assert found.agreements[IN_METHOD].spearman.value > 0.8


def test_a_score_that_only_finds_the_poor_sets_is_exposed() -> None:
    found = only(verdicts(population(lambda quality, _: min(quality, 0.1)), QUICK))
    assert found.agreements[IN_IPC].spearman.value > 0.8
    assert found.agreements[IN_BETTER].spearman.value == 0


def test_what_agrees_only_where_original_models_guided_is_exposed() -> None:
    guides = [(f"guided {i}", 0.5 + i / 20, -i / 10, "DM+CLOM") for i in range(6)]
    others = [(f"other {i}", 0.2 + i / 20, 1 + i / 10, "DM") for i in range(6)]
    sets = [
        record(name, (accuracy,), {"om-cross-entropy": (score, "lower")}, 10, method)
        for name, accuracy, score, method in guides + others
    ]
    found = only(verdicts(sets, QUICK)).agreements
    assert found[IN_IPC].spearman.value > 0.4
    assert found[UNGUIDED].sets == 6
    assert found[UNGUIDED].spearman.value == pytest.approx(-1)
    assert found[UNGUIDED_BETTER].sets == 3
    assert found[UNGUIDED_BETTER].spearman.value == pytest.approx(-1)
    alone = only(verdicts([one for one in sets if not one.guided], QUICK)).agreements
    assert UNGUIDED not in alone
    assert alone[IN_IPC].spearman.value == pytest.approx(-1)


def test_scopes_leave_small_groups_out() -> None:
    sets = [
        record(str(i), (i / 10,), {}, ipc, method)
        for i, (ipc, method) in enumerate([(1, "DM")] * 3 + [(1, "DC")] * 2 + [(10, "DC")] * 2)
    ]
    found = scopes(sets, np.arange(7.0))
    groups = {scope: [rows.tolist() for rows in strata] for scope, strata in found.items()}
    assert groups == {
        EVERYTHING: [[0, 1, 2, 3, 4, 5, 6]],
        IN_IPC: [[0, 1, 2, 3, 4]],
        IN_METHOD: [[0, 1, 2], [3, 4, 5, 6]],
        IN_BOTH: [[0, 1, 2]],
        IN_BETTER: [[2, 3, 4]],
        "ipc 1": [[0, 1, 2, 3, 4]],
        "method DM": [[0, 1, 2]],
        "method DC": [[3, 4, 5, 6]],
    }


def test_regret_is_what_the_pick_loses() -> None:
    accuracies = np.array([0.5, 0.9, 0.7, 0.2, 0.4, 0.3])
    strata = [np.arange(3), np.arange(3, 6)]
    assert regret(accuracies, accuracies, strata) == 0
    assert regret(-accuracies, accuracies, strata) == pytest.approx((0.4 + 0.2) / 2)
    # Of equal scores each may be picked: 0.9 or 0.7 in the first group; any in the second.
    worths = np.array([0.0, 1, 1, 5, 5, 5])
    assert regret(worths, accuracies, strata) == pytest.approx((0.1 + 0.1) / 2)


def test_regret_of_a_few_is_what_picks_among_them_lose() -> None:
    rng = np.random.default_rng(4)
    x, y = rng.integers(0, 5, 10).astype(float), rng.uniform(size=10)
    lost = []
    for few in combinations(range(10), CANDIDATES):
        best = [i for i in few if x[i] == max(x[list(few)])]
        lost.append(max(y[list(few)]) - np.mean(y[best]))
    found = agreement(x, y, [np.arange(10)], replace(QUICK, choices=20000))
    assert found.regret == pytest.approx(np.mean(lost), abs=0.005)
    assert agreement(y, y, [np.arange(10)], QUICK).regret == 0
    # Fewer sets than that are all there is to choose among.
    small = agreement(x[:4], y[:4], [np.arange(4)], QUICK)
    assert small.regret == pytest.approx(regret(x[:4], y[:4], [np.arange(4)]))


def test_the_best_set_of_all_does_not_hide_what_picks_among_a_few_lose() -> None:
    # One set is made to score best and is best; of the others a score knows nothing.
    y = np.arange(20.0) / 20
    x = np.where(y == y.max(), 1.0, 0.0)
    found = agreement(x, y, [np.arange(20)], QUICK)
    assert regret(x, y, [np.arange(20)]) == 0
    assert found.regret > 0.1


def test_p_values_are_corrected_for_the_number_of_assessments() -> None:
    rng = np.random.default_rng(5)
    names = ["coverage", "density", "precision", "recall"]
    sets = [
        record(
            str(i),
            (i / 20,),
            {
                **{name: (float(rng.normal()), "higher") for name in names[1:]},
                "coverage": (float(i), "higher"),
            },
        )
        for i in range(10)
    ]
    found = {verdict.name: verdict.agreements[EVERYTHING] for verdict in verdicts(sets, QUICK)}
    expected = stats.false_discovery_control([found[name].p for name in names])
    assert [found[name].corrected for name in names] == pytest.approx(expected)
    assert found["coverage"].corrected > found["coverage"].p
    assert next(iter(found)) == "coverage"


def test_a_further_assessment_changes_nothing_of_the_others_but_the_correction() -> None:
    sets = population(lambda quality, ipc: math.sin(50 * quality) + ipc)
    more = [
        one.with_scores({"density": Assessed(Score(float(i), "lower"), 0.1, 0.1)})
        for i, one in enumerate(sets)
    ]
    alone = only(verdicts(sets, QUICK)).agreements[IN_IPC]
    (beside,) = (v.agreements[IN_IPC] for v in verdicts(more, QUICK) if v.name == "coverage")
    assert (alone.spearman, alone.p) == (beside.spearman, beside.p)


def test_only_what_all_sets_were_asked_is_judged() -> None:
    sets = population(lambda quality, _: quality)
    sets[3] = record("x", (0.5,), {"density": (1.0, "lower")})
    assert verdicts(sets, QUICK) == []


def test_costs_are_those_of_a_set_against_one_network() -> None:
    found = only(verdicts(population(lambda quality, _: quality), QUICK))
    assert (found.seconds, found.share) == (0.5, 0.25)
    assert found.family == "feature"


def test_validation_is_the_yardstick() -> None:
    accuracies = [(0.1, 0.2, 0.4), (0.2, 0.1, 0.1), (0.3, 0.5, 0.9), (0.4, 0.6, 1.0)]
    sets = [record(str(i), values, {}) for i, values in enumerate(accuracies)]
    found = yardstick(sets, QUICK)
    rest = [np.mean(values[1:]) for values in accuracies]
    expected = stats.spearmanr([values[0] for values in accuracies], rest).statistic
    assert found.agreements[EVERYTHING].spearman.value == pytest.approx(expected)
    assert (found.family, found.share) == ("validation", 1)


@pytest.mark.parametrize(
    ("sets", "complaint"),
    [
        ([record("a", (0.1,), {}), record("b", (0.2,), {})], "at least 3 sets, found 2"),
        ([record(n, (0.1,) * (n != "c"), {}) for n in "abc"], "'c' was validated by 0 networks"),
    ],
)
def test_too_little_is_told(sets: list[Record], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        verdicts(sets, QUICK)
    with pytest.raises(InputError, match="validated by 1 network, fewer than 2"):
        yardstick([record(n, (0.1,), {}) for n in "abc"], QUICK)
