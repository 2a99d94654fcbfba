"""Accuracy class by class: counted once, kept with every network, read again, shown."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from conftest import blobs
from datastill import load, runs, save
from datastill.base.errors import InputError
from datastill.base.rng import Key
from datastill.datasets import load_split
from datastill.evaluation.plan import collect, trial_of
from datastill.evaluation.studies.records import Record, blank, record_of, table_of
from datastill.evaluation.validation import contest
from datastill.report.page.classes import class_by_class
from datastill.runs import CompareSpec, Keeping, ValidateSpec
from datastill.runs.validation.finished import trials_in
from datastill.store.results import results_in, rows_in
from datastill.training.fit import predict
from datastill.training.protocol import preset
from test_report import Read, page_at

SPEC = ValidateSpec(set="set", models=("MLP",), trials=2, epochs=2, against=("random",))


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    save(load_split("digits", "train").take(torch.arange(20)), "set/synthetic.safetensors")
    return tmp_path / "set"


def cells(page: Read) -> list[str]:
    return [" ".join(text.split()) for text in page.text if text.strip()]


def test_a_trial_counts_what_its_network_takes_for_its_class() -> None:
    data, test = blobs(per_class=3), blobs(per_class=5)
    protocol = preset("dc", epochs=1)
    (trial,) = contest({"set": lambda _: data}, test, ["MLP"], protocol, trials=1, key=Key(0))
    assert trial.network is not None
    guesses = predict(trial.network, test.images).argmax(1)
    wanted = [int((guesses[test.labels == k] == k).sum()) for k in range(4)]
    assert list(trial.right) == wanted
    assert trial.tested == (5, 5, 5, 5)
    assert trial.accuracy == pytest.approx(sum(wanted) / 20)
    (found,) = collect([trial, replace(trial, number=1, right=(), tested=())])
    assert found.right == (tuple(wanted), ())  # of a network of which nothing is known
    assert found.tested == (5, 5, 5, 5)


def test_a_validation_keeps_it_and_its_page_shows_it_without_networks(made: Path) -> None:
    found = runs.validate(SPEC, made)
    held = json.loads((made / "validation.json").read_text())
    again = results_in(held[0])
    assert list(found.results) == again
    real = load_split("digits", "test")
    for row in again:
        assert row.tested == real.counts
        shares = [sum(right) / len(real) for right in row.right]
        assert shares == pytest.approx(row.accuracies.values)
    assert [(one.right, one.tested) for one in trials_in(held[0])][:2] == [
        (right, real.counts) for right in again[0].right
    ]
    runs.report(made, "page.html")
    said = cells(page_at(Path("page.html")))
    place = said.index("synthetic, MLP (n=2)")
    assert said[place + 1] == "random, MLP (n=2)"
    shares = [100 * right[0] / real.counts[0] for right in again[0].right]
    mean, spread = torch.tensor(shares).mean(), torch.tensor(shares).std()
    assert said[place + 2 : place + 5] == ["0", str(real.counts[0]), f"{mean:.1f} ± {spread:.1f}"]


def test_more_networks_and_fewer_keep_it(made: Path) -> None:
    runs.validate(SPEC, made)
    more = runs.validate(replace(SPEC, trials=3), made, keeping=Keeping(resume=True))
    assert all(len(row.right) == 3 and all(row.right) for row in more.results)
    fewer = runs.validate(SPEC, made, keeping=Keeping(resume=True))
    assert [row.right for row in fewer.results] == [row.right[:2] for row in more.results]


def test_a_validation_of_an_older_version_is_read_and_says_that_it_knows_nothing(
    made: Path,
) -> None:
    runs.validate(SPEC, made)
    data = load(made)
    older = json.loads(json.dumps(data.facts["validated"]))
    for row in older[0]["results"]:
        del row["right"], row["tested"]
    save(replace(data, facts={**data.facts, "validated": older}), made / "synthetic.safetensors")
    runs.report(made, "page.html")
    assert (
        "class by class is left out: an older version wrote none" in page_at(Path("page.html")).said
    )
    more = runs.validate(replace(SPEC, trials=3), made, keeping=Keeping(resume=True))
    assert [[bool(right) for right in row.right] for row in more.results] == [
        [False, False, True]
    ] * 2
    runs.report(made, "page.html")
    assert "synthetic, MLP (n=1)" in cells(page_at(Path("page.html")))


def test_a_comparison_keeps_it_and_its_page_shows_it(made: Path) -> None:
    spec = CompareSpec(
        sets=(str(made),), models=("MLP",), trials=2, epochs=1, against=("random",), real_epochs=0
    )
    found = runs.compare(spec, "compared")
    table = json.loads(Path("compared/comparison.json").read_text())
    assert rows_in(table)[0] == list(found.rows)
    assert all(sum(row.tested) == 450 and len(row.right) == 2 for row in found.rows)
    runs.report("compared", "page.html")
    assert page_at(Path("page.html")).said.count("(n=2)") >= len(found.rows)
    for row in table["rows"]:
        del row["right"], row["tested"]
    del table["classes"]
    assert [row.right for row in rows_in(table)[0]] == [()] * len(found.rows)


def test_what_cannot_have_been_counted_is_refused() -> None:
    row: dict[str, Any] = {
        **{"source": "set", "model": "MLP", "number": 0, "accuracy": 0.5, "seconds": 1.0},
        **{"right": [1, 2], "tested": [2, 2]},
    }
    assert trial_of(row).right == (1, 2)
    for wrong in ([1, 3], [1], [-1, 2], [0.5, 1], 3, ["1", "2"]):
        with pytest.raises((TypeError, ValueError)):
            trial_of({**row, "right": wrong})
    result = {"source": "set", "model": "MLP", "accuracies": {"values": [0.5]}, "seconds": 1}
    kept = {**result, "right": [[1, 2]], "tested": [2, 2]}
    assert results_in({"results": [kept]})[0].right == ((1, 2),)
    with pytest.raises(InputError, match="makes no sense"):
        results_in({"results": [{**kept, "right": [[1, 2], [1, 2]]}]})


def test_records_of_a_study_keep_it(made: Path) -> None:
    data = load(made)
    record = blank("random-ipc1-seed0", data)
    told = {"accuracy": 0.5, "seconds": 1.0, "right": [1] * 10, "tested": [2] * 10}
    known = record_of({**table_of(record), "trials": [told]})
    assert known.trials[0].right == (1,) * 10
    assert record_of(json.loads(json.dumps(table_of(known)))) == known
    del told["right"], told["tested"]
    older: Record = record_of({**table_of(record), "trials": [told]})
    assert older.trials[0].tested == ()


def test_classes_without_test_images_have_no_accuracy() -> None:
    (row,) = results_in(
        {
            "results": [
                {
                    **{"source": "s", "model": "MLP", "seconds": 1, "right": [[1, 0], [2, 0]]},
                    **{"accuracies": {"values": [0.5, 1]}, "tested": [2, 0]},
                }
            ]
        }
    )
    table = class_by_class([("s", row)], ["cat", "dog"])
    assert table is not None
    assert table.rows == [("cat", "2", "75.0 ± 35.4"), ("dog", "0", "none")]
    assert class_by_class([("s", row)], ["cat"]) is None  # of other classes
