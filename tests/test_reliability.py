"""Scores under several draws: averaged, kept, and held against themselves."""

import json

import numpy as np
import pytest

from conftest import blobs
from datastill.base.rng import Key
from datastill.compute.route import PLAIN
from datastill.data import ImageSet
from datastill.evaluation.assessments import Score
from datastill.evaluation.scores import Assessed
from datastill.evaluation.studies import Bench, Record, blank, examine, record_of, table_of
from datastill.evaluation.studies.reliability import reliability
from datastill.report.reliability import reliability_section
from datastill.training.fit import Fit
from datastill.training.protocol import Protocol

NAMES = ("fresh-feature-distance", "proxy-likelihood@1", "total-variation")


def scored(*draws: float) -> Assessed:
    return Assessed(Score(float(np.mean(draws)), "higher"), 1.0, 0.0, draws)


def record(name: str, *draws: float, ipc: int = 1) -> Record:
    return Record(name, "random", ipc, (), {"some": scored(*draws)})


@pytest.fixture(scope="module")
def sets() -> dict[str, ImageSet]:
    return {f"random-ipc2-seed{i}": blobs(f"set {i}", per_class=2) for i in range(3)}


@pytest.fixture(scope="module")
def bench() -> Bench:
    real, short = blobs(per_class=40), Protocol("dc", Fit(epochs=1), "none")
    held = blobs("unseen", per_class=4)
    given = (real, blobs("test"), (), "MLP", short, Key(1))
    return Bench(*given, route=PLAIN, assessing=PLAIN, held_out=held)


def examined(sets: dict[str, ImageSet], bench: Bench, draws: int, **known: Record) -> list[Record]:
    records = {name: blank(name, data) for name, data in sets.items()} | known
    for one in examine(sets, bench, records, trials=1, names=NAMES, draws=draws):
        records[one.name] = one
    return list(records.values())


def test_scores_are_means_over_draws(sets: dict[str, ImageSet], bench: Bench) -> None:
    once, thrice = examined(sets, bench, 1), examined(sets, bench, 3)
    for one, many in zip(once, thrice, strict=True):
        for name in NAMES:
            draws = many.scores[name].draws
            assert one.scores[name].draws == ()
            assert (len(draws), draws[0]) == (3, one.scores[name].score.value)
            assert many.scores[name].score.value == pytest.approx(np.mean(draws))
            assert len({*draws}) == 3
        assert [trial.accuracy for trial in one.trials] == [t.accuracy for t in many.trials]


def test_a_study_grows_by_draws(sets: dict[str, ImageSet], bench: Bench) -> None:
    whole = examined(sets, bench, 3)
    before = {one.name: record_of(json.loads(json.dumps(table_of(one)))) for one in whole}
    assert examined(sets, bench, 3, **before) == list(before.values())  # nothing is computed
    some = {one.name: one for one in examined(sets, bench, 2)}
    grown = examined(sets, bench, 3, **some)
    for one, other in zip(whole, grown, strict=True):
        for name in NAMES:
            assert one.scores[name].draws == other.scores[name].draws
            assert one.scores[name].score == other.scores[name].score


def test_an_older_record_has_one_draw() -> None:
    table = json.loads(json.dumps(table_of(record("a", 1.0, 2.0))))
    assert record_of(table).scores["some"].draws == (1.0, 2.0)
    del table["scores"]["some"]["draws"]
    assert record_of(table).scores["some"].draws == ()
    table["scores"]["some"]["draws"] = [float("nan")]
    with pytest.raises(ValueError, match="not a finite number"):
        record_of(table)


def test_reliability_is_the_correlation_with_itself() -> None:
    records = [record(str(i), i, j) for i, j in enumerate([0, 1, 3, 2, 4])]
    found = reliability(records, "some")
    assert found is not None
    assert (found.draws, found.enough) == (2, 1)
    assert found.one == pytest.approx(0.9)
    assert found.mean == pytest.approx(1.8 / 1.9)
    weak = reliability([record(str(i), i, j) for i, j in enumerate([1, 0, 4, 3, 2])], "some")
    assert weak is not None
    assert weak.one == pytest.approx(0.5)
    assert weak.enough == 9  # 9 x 0.5 / (1 + 8 x 0.5) = 0.9
    against = reliability([record(str(i), i, -i) for i in range(4)], "some")
    assert against is not None
    assert (against.one, against.enough) == (pytest.approx(-1), None)


def test_groups_of_one_size_count_by_themselves() -> None:
    few = [record(f"few {i}", i, i) for i in range(4)]
    many = [record(f"many {i}", 9 + i, 9 - i, ipc=10) for i in range(4)]
    both = reliability([*few, *many], "some")
    assert both is not None
    assert both.one == pytest.approx(0)
    alone = reliability([*few, *many[:2]], "some")
    assert alone is not None
    assert alone.one == pytest.approx(1)


def test_what_has_no_chance_is_reliable_and_one_draw_tells_nothing() -> None:
    same = reliability([record(str(i), 2.0, 2.0) for i in range(4)], "some")
    assert same is not None
    assert (same.one, same.mean, same.enough) == (1, 1, 1)
    assert reliability([record(str(i), 2.0) for i in range(4)], "some") is None
    assert reliability([record(str(i), 2.0, 3.0) for i in range(2)], "some") is None


def test_the_page_says_which_score_is_reliable() -> None:
    from datastill.evaluation.studies import Outcome, Resampling, conclude

    draws = [(0.0, 0.1), (1.0, 0.9), (2.0, 2.2), (3.0, 2.1)]
    records = [
        Record(str(i), "random", 1, (Outcome(0.5 + i / 10, 1.0),), {"om-accuracy": scored(*two)})
        for i, two in enumerate(draws)
    ]
    found = conclude(records, Resampling(Key(0), bootstraps=20, permutations=19))
    section = "\n".join(reliability_section(found))
    assert "| om-accuracy | 2 | +0.80 | +0.89 | 3 |" in section
