"""The program of the plan of an answer, and what it works out of studies."""

import json
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from conftest import blobs
from datastill.base.rng import Key
from datastill.evaluation.assessments import Score
from datastill.evaluation.scores import Assessed
from datastill.evaluation.statistics.differences import between
from datastill.evaluation.studies import Outcome, Record, table_of
from datastill.runs import DataSpec
from datastill.runs.specs.population import parse

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
PLAN = BENCHMARKS.parent / "docs" / "results" / "answer" / "plan.md"
sys.path.insert(0, str(BENCHMARKS))
try:
    import answer
    import answer_analysis as analysis
    import answer_block as block
    import answer_hypotheses as hypotheses
finally:
    sys.path.remove(str(BENCHMARKS))


def record(name: str, accuracy: float, **scores: float) -> Record:
    found = {
        key.replace("_", "-"): Assessed(Score(value, "lower"), 0.0, 0.0)
        for key, value in scores.items()
    }
    return Record(name, "DM", 10, (Outcome(accuracy, 1.0),), found)


def test_the_plan_has_as_many_recipes_as_it_says() -> None:
    recipes = [recipe for family in answer.RECIPES.values() for recipe in family]
    assert f"*Recipes*: {len(recipes)} in {len(answer.RECIPES)} families" in PLAN.read_text()
    assert len({*recipes}) == len(recipes)
    made = answer.Answer(DataSpec("digits"), answer.Size(), Path())
    own = [recipe for recipe in recipes if made.is_own(recipe)]
    assert {*recipes} - {*own} == {*answer.PICKED, *answer.DISTILLED}
    for recipe in (*own, *answer.BLOCK):
        kind = parse(made.kind(recipe))
        assert recipe not in own or str(kind) in made.recipes
    assert len(made.recipes) == len(recipes)


@pytest.mark.parametrize("size", [answer.Size(), answer.TINY])
def test_sets_are_known_again_by_their_names(size: answer.Size) -> None:
    made = answer.Answer(DataSpec("digits"), size, Path())
    assert len(made.recipes) == sum(map(len, answer.RECIPES.values()))
    name = f"{parse(made.kind('DM:150:100'))}-ipc10-seed0"
    (found,) = analysis.sorted_out([record(name, 0.5)], made.recipes)
    assert (found.recipe, found.method) == ("DM:150:100", "CLOM")
    brought = replace(record("wrong-10-ipc10-0123456789abcdef", 0.5), method="wrong-10")
    (found,) = analysis.sorted_out([brought], made.recipes)
    assert (found.recipe, found.method) == ("wrong-10", "labels")


def test_a_set_that_was_made_anew_is_known_by_its_recipe() -> None:
    places = answer.Answer(DataSpec("digits"), answer.Size(), Path()).recipes
    first, again = (
        analysis.sorted_out([record(f"wrong-10-ipc10-{digest * 16}", accuracy)], places)
        for digest, accuracy in (("0", 0.5), ("f", 0.7))
    )
    other = analysis.sorted_out([record("few-ipc10-0123456789abcdef", 0.5)], places)
    (found,) = analysis.with_trials([*first, *other], again)
    assert (found.name, found.recipe) == (first[0].name, "wrong-10")
    assert found.accuracy == pytest.approx(0.7)


def test_sets_are_spoilt_as_it_is_said() -> None:
    data, key = blobs(per_class=5), Key(0)
    turned = answer.shuffled(data, key)
    assert turned.images.flatten(1).sort().values.equal(data.images.flatten(1).sort().values)
    assert not turned.images.equal(data.images)
    wrong = answer.wrong(0.3)(data, key)
    assert int((wrong.labels != data.labels).sum()) == 6
    assert wrong.images.equal(data.images)
    for made in (answer.blurred(data, key), answer.faint(data, key)):
        assert made.images.shape == data.images.shape
        assert float(made.images.var((2, 3)).mean()) < float(data.images.var((2, 3)).mean())
    noisy = answer.half_noise(data, key)
    changed = (noisy.images != data.images).flatten(1).any(1)
    assert changed.tolist() == [i % 2 == 1 for i in range(len(data))]
    assert answer.few(data, key).counts == data.counts
    assert len(torch.unique(answer.few(data, key).images, dim=0)) == 4


def test_pairs_of_seeds_are_counted_within_recipes() -> None:
    records = [
        record(f"{recipe}-ipc10-seed{seed}", accuracy, score=score)
        for recipe, rows in (("a", [(0.1, 3), (0.2, 2), (0.3, 1)]), ("b", [(0.9, 1), (0.8, 2)]))
        for seed, (accuracy, score) in enumerate(rows)
    ]
    agreeing, pairs, p = block.concordance(records, "score")
    assert (agreeing, pairs) == (4, 4)
    assert p == pytest.approx(2 * 1 / 12)  # of 6 x 2 orders this one, and the other way round


def test_a_rule_loses_what_its_weight_loses_in_the_other_sweeps() -> None:
    def sweep(seed: int, accuracies: tuple[float, float, float]) -> list[Record]:
        names = ("DM-150", "DM-150-clom100", "DM-150-clom1000")
        values = zip(names, accuracies, (1.0, 1.04, 1.2), (3.0, 2.0, 1.0), strict=True)
        return [
            record(
                f"{name}-ipc10-seed{seed}",
                accuracy,
                fresh_feature_distance=distance,
                om_cross_entropy=doubt,
            )
            for name, accuracy, distance, doubt in values
        ]

    records = [*sweep(0, (0.7, 0.8, 0.6)), *sweep(1, (0.7, 0.75, 0.78))]
    found = block.regrets([*records, record("random-ipc10-seed0", 0.5)])
    assert found["largest within 1.05"] == pytest.approx([3.0, 0.0])
    assert found["always 100"] == pytest.approx([3.0, 0.0])
    assert found["om-cross-entropy"] == pytest.approx([0.0, 20.0])


def columns(seed: int, count: int = 18, families: int = 6) -> list[Record]:
    """Recipes of several families, a set of each, and two scores that agree with accuracy."""
    rng = np.random.default_rng(seed)
    truth, close, far = rng.normal(size=(3, count)) * np.array([[1], [0.3], [1.5]])
    return [
        replace(
            record(
                f"r{i}", 0.5 + 0.1 * truth[i], close=-truth[i] - close[i], far=-truth[i] - far[i]
            ),
            recipe=f"r{i}",
            method=f"f{i % families}",
        )
        for i in range(count)
    ]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("bound", [-0.4, 0.0, 0.2, 0.5, 0.9])
def test_a_p_value_is_small_where_the_interval_excludes_the_bound(seed: int, bound: float) -> None:
    found = hypotheses.Correlations.of(columns(seed), ["close", "far", "nobody scored it"])
    assert found.names == ("close", "far")
    for what, p in found.above("far", bound).items():
        low, high = (float(side[1]) for side in found.spreads[what].limits())
        assert (p < 0.025) == (low > bound)
        assert (p > 0.975) == (high < bound)
    for what, p in found.ahead("close", "far", bound).items():
        low, high = between(found.spreads[what], 0, 1)
        assert (p < 0.025) == (low > bound)
        assert (p > 0.975) == (high < bound)
    assert found.ahead("close", "far", 2.1)["recipes"] > 0.999


def test_scores_that_are_the_same_are_not_ahead_of_each_other() -> None:
    twice = [
        replace(one, scores={**one.scores, "again": one.scores["close"]}) for one in columns(0)
    ]
    found = hypotheses.Correlations.of(twice, ["close", "again"])
    assert all(p >= 0.5 for p in found.ahead("close", "again", 0.0).values())
    assert all(p < 1e-6 for p in found.ahead("close", "again", -0.03).values())


def test_signs_are_flipped_and_p_values_corrected() -> None:
    assert hypotheses.flipped([-1.0, -2.0, -0.5]) == 1 / 8
    assert hypotheses.flipped([0.0, 0.0]) == 1.0
    assert hypotheses.holm({"a": 0.5, "b": 0.01, "c": 0.9}) == pytest.approx(
        {"b": 0.03, "a": 1.0, "c": 1.0}
    )


def scored(name: str, accuracy: float, names: Sequence[str], trials: int, luck: float) -> Record:
    scores = {
        one: Assessed(
            Score(accuracy + luck * (place - 3), "higher"), 1.0, 2.0, (accuracy, accuracy)
        )
        for place, one in enumerate(names)
    }
    outcomes = tuple(Outcome(accuracy + 0.001 * trial, 10.0) for trial in range(trials))
    return Record(name, "DM+CLOM" if "clom" in name else "DM", 10, outcomes, scores)


@pytest.mark.slow
def test_all_that_the_plan_asks_for_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    few = partial(analysis.Resampling, bootstraps=100, permutations=99)  # words are looked at
    monkeypatch.setattr(analysis, "Resampling", few)
    rng, names = np.random.default_rng(0), analysis.MAIN
    made = answer.Answer(DataSpec("any"), answer.Size(), tmp_path)
    recipes = [f"{name}-ipc10-seed0" for name in made.recipes]
    seeds = [
        f"{parse(made.kind(recipe))}-ipc10-seed{seed}"
        for recipe in answer.BLOCK
        for seed in range(4)
    ]
    for folder, sets, trials in (
        ("recipes", recipes, 2),
        ("published", recipes, 1),
        ("block", seeds, 3),
    ):
        told = [
            table_of(scored(name, a, names, trials, luck))
            for name, a, luck in zip(
                sets, rng.uniform(0.4, 0.8, len(sets)), rng.normal(size=len(sets)) / 90, strict=True
            )
        ]
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "study.json").write_text(json.dumps({"records": told, "models": 50.0}))
    analysis.tell(tmp_path, answer.Size(), later=True)
    lines = capsys.readouterr().out.splitlines()
    assert "45 sets, 13 families" in lines
    for name in ("H1", "H2", "H3", "H4", "H5"):
        assert any(line.startswith(f"{name}: p = ") and "by Holm" in line for line in lines)
    for name in ("H6", "H7"):
        assert any(re.match(rf"{name}: p = .*, apart from the five", line) for line in lines)
    assert sum(line.startswith("nothing beats, among") for line in lines) == 3
    assert any(line.startswith("ceiling, all sets") for line in lines)
    assert any(line.startswith("a pick by chance") for line in lines)
    assert any(
        line.startswith("H3's cost: proxy-likelihood 5.00 % of a published") for line in lines
    )


def test_claims_of_a_block_that_is_not_there_count_and_do_not_hold() -> None:
    assert hypotheses.claims_of_block([]) == {"H4": 1.0, "H5": 1.0}
    others = {"H1": 0.011, **hypotheses.claims_of_block([]), "H2": 0.5, "H3": 0.5}
    assert hypotheses.holm(others)["H1"] == pytest.approx(5 * 0.011)
