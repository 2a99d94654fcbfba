"""The program of the plan of an answer, and what it works out of studies."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from conftest import blobs
from datastill.base.rng import Key
from datastill.evaluation.assessments import Score
from datastill.evaluation.scores import Assessed
from datastill.evaluation.studies import Outcome, Record
from datastill.runs import DataSpec
from datastill.runs.population import parse

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
PLAN = BENCHMARKS.parent / "docs" / "results" / "answer" / "plan.md"
sys.path.insert(0, str(BENCHMARKS))
try:
    import answer
    import answer_analysis as analysis
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
    agreeing, pairs, p = analysis.concordance(records, "score")
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
    found = analysis.regrets([*records, record("random-ipc10-seed0", 0.5)])
    assert found["largest within 1.05"] == pytest.approx([3.0, 0.0])
    assert found["always 100"] == pytest.approx([3.0, 0.0])
    assert found["om-cross-entropy"] == pytest.approx([0.0, 20.0])
