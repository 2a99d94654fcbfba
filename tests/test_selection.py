"""Choosing a set by an assessment."""

from dataclasses import replace

import pytest
import torch

from conftest import blobs, linear
from datastill.base.errors import InputError
from datastill.base.registry import Registry
from datastill.base.rng import Key
from datastill.distillation.loop import Snapshot
from datastill.evaluation import scores
from datastill.evaluation.assessments import Evidence, Score
from datastill.evaluation.selection import Choice, Selector, climbed, ranked
from datastill.training.pool import freeze


@pytest.fixture
def evidence() -> Evidence:
    real = blobs()
    return Evidence(real, real, (freeze(linear(real.domain), "Linear", real.domain, {}),), Key(0))


def snapshot(step: int, brightness: float) -> Snapshot:
    data = blobs(per_class=1)
    pixels = torch.full_like(data.images, brightness)
    return Snapshot(step, replace(data, images=pixels), {})


def choose(selector: Selector, brightness: list[float]) -> Choice[Snapshot]:
    choice = None
    for step, value in enumerate(brightness, 1):
        choice = selector.after(choice, snapshot(step, value))
    assert choice is not None
    return choice


@pytest.fixture(params=["higher", "lower"])
def bright(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """An assessment that likes bright sets, or dark ones; its sign."""
    registry = Registry[object]("assessment")
    registry.register("bright")(
        lambda evidence: Score(float(evidence.synthetic.images.mean()), request.param)
    )
    monkeypatch.setattr(scores, "ASSESSMENTS", registry)
    return 1 if request.param == "higher" else -1


def test_the_best_snapshot_is_kept_whatever_comes_after(evidence: Evidence, bright: int) -> None:
    selector = Selector("bright", evidence, every=1)
    choice = choose(selector, [bright * value for value in (1.0, 3.0, 2.0)])
    assert choice.snapshot.step == 2
    assert choice.score.value == 3 * bright
    assert [score.value for score in choice.scores.values()] == [bright, 3 * bright, 2 * bright]
    assert list(choice.scores) == [1, 2, 3]


def test_of_equal_snapshots_the_last_is_kept(evidence: Evidence, bright: int) -> None:
    assert choose(Selector("bright", evidence, every=1), [1.0, 1.0, 1.0]).snapshot.step == 3


def test_it_looks_every_so_often_and_at_the_end(evidence: Evidence) -> None:
    selector = Selector("om-accuracy", evidence, every=4)
    assert [step for step in range(1, 11) if selector.looks(step, 10)] == [4, 8, 10]


def test_a_snapshot_that_cannot_be_scored_is_told(evidence: Evidence) -> None:
    selector = Selector("om-accuracy", replace(evidence, pool=()), every=1)
    with pytest.raises(InputError, match="needs a pool"):
        selector.after(None, snapshot(1, 0.0))


@pytest.mark.parametrize(
    ("count", "rungs", "asked"),
    [
        (1, [20, 60], {20: 1}),
        (3, [20, 60], {20: 3}),  # one is left
        (4, [20, 60, 200], {20: 4, 60: 2}),
        (45, [20, 60, 200], {20: 45, 60: 15, 200: 5}),
        (5, [20], {20: 5}),
    ],
)
def test_the_best_third_is_scored_at_the_next_rung(
    count: int, rungs: list[int], asked: dict[int, int]
) -> None:
    seen: list[tuple[int, int]] = []

    def score(name: int, rung: int) -> Score:
        seen.append((name, rung))
        return Score(-name if rung == 20 else name, "higher")  # later rungs turn the order

    ladder = climbed(range(count), rungs, score)
    assert {rung: sum(one == rung for _, one in seen) for rung in asked} == asked
    assert len(seen) == sum(asked.values())
    assert sorted(ladder.scores) == list(range(count))
    reached = list(ladder.rungs.values())
    assert reached == sorted(reached, reverse=True)  # who came further comes first
    last = [name for name, rung in ladder.rungs.items() if rung == max(asked)]
    assert len(last) == asked[max(asked)]
    assert last == (sorted(last) if max(asked) == 20 else sorted(last, reverse=True))


def test_ranks_follow_the_direction() -> None:
    values = {"a": 2.0, "b": 1.0, "c": 3.0, "d": 1.0}
    up = {name: Score(value, "higher") for name, value in values.items()}
    down = {name: Score(value, "lower") for name, value in values.items()}
    assert ranked(up) == ["c", "a", "b", "d"]
    assert ranked(down) == ["b", "d", "a", "c"]
