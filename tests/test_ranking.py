"""What a study says of assessments: by scope, in pairs, and beside what knows less or more."""

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
from datastill.evaluation.statistics.coefficients import CORRELATIONS
from datastill.evaluation.studies import (
    Agreement,
    Outcome,
    Record,
    Resampling,
    Verdict,
    blank,
    conclude,
    contrast,
    record_of,
    table_of,
)
from datastill.evaluation.studies.agreement import Ground, agreed
from datastill.evaluation.studies.expenses import CHOICES
from datastill.evaluation.studies.ranking import regret, verdicts
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
from datastill.evaluation.studies.yardsticks import ceiling, chance, ignorance, ignorant, yardstick

QUICK = Resampling(Key(0), bootstraps=200, permutations=400)
ALL = [np.arange(12)]


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


def agreement(x: Any, y: Any, strata: Any, recipes: Sequence[Any] | None = None) -> Agreement:
    own = list(range(len(x))) if recipes is None else recipes
    ground = Ground.of(strata, own, ["DM"] * len(x), QUICK)
    (found,) = agreed(x[None], y, ground)
    return found


def test_one_group_agrees_by_what_scipy_says() -> None:
    x, y = numbers(3, 12), numbers(4, 12) + numbers(3, 12)
    found = agreement(x, y, ALL)
    exact = {"spearman": stats.spearmanr, "kendall": stats.kendalltau, "pearson": stats.pearsonr}
    for name in CORRELATIONS:
        one = getattr(found, name)
        assert one.value == pytest.approx(exact[name](x, y).statistic)
        assert -1 <= one.low < one.value < one.high <= 1
    assert (found.sets, found.recipes, found.families) == (12, 12, 1)
    assert (found.by_family, found.without) == (None, {})


def test_groups_are_averaged_by_their_size() -> None:
    # Opposite orders in groups of 4 and of 8: -1 and 1, weighing 3 and 7.
    x = np.array([1.0, 2, 3, 4, *range(8)])
    y = np.array([4.0, 3, 2, 1, *range(100, 108)])
    strata = [np.arange(4), np.arange(4, 12)]
    found = agreement(x, y, strata)
    assert found.sets == 12
    for coefficient in (found.spearman, found.kendall, found.pearson):
        assert coefficient.value == pytest.approx((7 - 3) / 10)
        assert coefficient.low <= coefficient.value <= coefficient.high
    assert agreement(x, y, ALL).spearman.value > 0.5  # pooled, groups tell apart


def test_permutations_stay_within_groups() -> None:
    # All that x knows is the group: permuted within groups it says as much as ever.
    x = np.array([0.0] * 6 + [1.0] * 6)
    y = np.arange(12.0)
    strata = [np.arange(6), np.arange(6, 12)]
    assert agreement(x, y, strata).p == 1
    assert agreement(x, y, ALL).p < 0.02


def test_families_are_left_out_with_all_of_their_recipes() -> None:
    x, y = numbers(3, 12), numbers(4, 12)
    families = ["DM"] * 3 + ["DC"] * 4 + ["random"] * 5
    (found,) = agreed(x[None], y, Ground.of(ALL, list(range(12)), families, QUICK))
    assert found.families == 3
    for name, value in found.without.items():
        rows = [i for i in range(12) if families[i] != name]
        assert value == pytest.approx(stats.spearmanr(x[rows], y[rows]).statistic), name
    assert list(found.without) == ["DM", "DC", "random"]
    assert found.by_family is not None
    assert found.by_family.value == found.spearman.value
    few = agreed(x[None], y, Ground.of(ALL, list(range(12)), ["DM"] * 6 + ["DC"] * 6, QUICK))
    assert few[0].by_family is None
    assert list(few[0].without) == ["DM", "DC"]


def test_a_method_is_one_family_with_clom_and_without() -> None:
    kinds = {name: record("x", (0.5,), {}, method=name) for name in ("DM", "DM+CLOM", "DC")}
    assert kinds["DM"].family == kinds["DM+CLOM"].family == "DM"
    assert kinds["DC"].family == "DC"


def recipes_of(seed: int, count: int = 9) -> list[Record]:
    """Three sets of each recipe; two scores, one of which is a power of the other."""
    rng = np.random.default_rng(seed)
    found = list[Record]()
    for kind in range(count):
        middle = rng.normal(size=2)
        for number in range(3):
            x, y = middle.sum() + 0.2 * rng.normal(), middle[1] + 0.2 * rng.normal()
            scores = {"coverage": (float(x), "higher"), "density": (float(x**3), "higher")}
            name = f"kind{kind}-ipc1-seed{number}"
            found.append(record(name, (float(1 / (1 + math.exp(-y))),), scores))
    return found


def test_what_two_assessments_share_cancels_in_their_difference() -> None:
    sets = recipes_of(8)
    found = contrast(sets, "coverage", "density", QUICK)[EVERYTHING]
    assert found.low == found.value == found.high == 0  # the ranks are the same
    assert found.lowest == found.highest == 0
    one, other = verdicts(sets, QUICK)
    assert one.headline.spearman.high - one.headline.spearman.low > 0.3
    assert one.behind == {}
    assert other.behind[EVERYTHING] == found
    with pytest.raises(InputError, match="not all sets have a score by 'recall'"):
        contrast(sets, "coverage", "recall", QUICK)
    with pytest.raises(InputError, match="a study needs at least 3 sets, found 0"):
        contrast([], "coverage", "density", QUICK)


def test_every_assessment_is_compared_with_the_recipe_s_name() -> None:
    sets = recipes_of(8)
    column = ignorant(sets)
    assert column is not None
    assert all(one.beyond == {} for one in verdicts(sets, QUICK))
    name = ignorance(sets, QUICK)
    assert name is not None
    for one in verdicts(sets, QUICK, ignorant=column):
        found = one.beyond[EVERYTHING]
        spearman = one.agreements[EVERYTHING].spearman.value
        assert found.value == pytest.approx(spearman - name.agreements[EVERYTHING].spearman.value)
        assert found.lowest <= found.low <= found.value <= found.high <= found.highest
    told = conclude(sets, QUICK)
    assert told.verdicts[0].beyond[EVERYTHING].value < 0
    assert told.ignorance == name


def test_a_pick_by_chance_loses_what_the_average_does() -> None:
    sets = population(lambda quality, _: quality)
    found = chance(sets, QUICK)
    assert found.distinct == 1
    assert found.agreements[IN_IPC].spearman.value == 0
    assert all(cost == 0 for cost in found.costs.values())
    lost = found.headline.regret
    assert lost.low <= lost.value <= lost.high
    (best,) = verdicts(sets, QUICK)
    assert best.headline.regret.value == pytest.approx(0, abs=1e-12)
    assert best.headline.regret.high > 0
    # Of eight sets of each ipc four are offered.
    accuracies = [one.accuracy for one in sets if one.ipc == 10]
    offers = [max(few) - np.mean(few) for few in combinations(accuracies, 4)]
    assert lost.value == pytest.approx(np.mean(offers))


def test_noise_of_validation_is_the_ceiling() -> None:
    rng = np.random.default_rng(0)
    exact = [record(str(i), (i / 40, i / 40), {}) for i in range(20)]
    assert ceiling(exact, QUICK)[EVERYTHING].value == pytest.approx(1)
    noisy = [record(str(i), tuple(rng.uniform(size=2)), {}) for i in range(20)]
    found = ceiling(noisy, QUICK)
    assert found[EVERYTHING].value < 0.8
    assert set(found) == {EVERYTHING, IN_IPC, IN_METHOD, IN_BOTH, IN_BETTER}
    assert conclude(exact, QUICK).ceiling[EVERYTHING].value == pytest.approx(1)
    single = conclude([record(str(i), (i / 40,), {}) for i in range(20)], QUICK)
    assert single.ceiling == {}


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


def test_the_best_set_of_all_does_not_hide_what_picks_among_a_few_lose() -> None:
    # One set is made to score best and is best; of the others a score knows nothing.
    y = np.arange(20.0) / 20
    x = np.where(y == y.max(), 1.0, 0.0)
    found = agreement(x, y, [np.arange(20)])
    assert regret(x, y, [np.arange(20)]) == 0
    assert found.regret.value > 0.1


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
    assert found.costs == dict.fromkeys(CHOICES)  # nobody knows what original models took
    sets = population(lambda quality, _: quality)
    told = only(verdicts(sets, QUICK, models=30.0))
    assert told.costs == pytest.approx({n: (0.5 + (1 + 30) / n) / 2 for n in CHOICES})


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
        (
            [record(f"a-ipc1-seed{n}", (0.1,) * n, {}) for n in range(3)],
            "'a-ipc1-seed0' was validated by 0 networks",
        ),
    ],
)
def test_too_little_is_told(sets: list[Record], complaint: str) -> None:
    for judge in (verdicts, conclude, chance, ignorance):
        with pytest.raises(InputError, match=complaint):
            judge(sets, QUICK)
    with pytest.raises(InputError, match="validated by 1 network, fewer than 2"):
        yardstick([record(n, (0.1,), {}) for n in "abc"], QUICK)
