"""A learning rate that was learned with a set: kept, told, and what training on it starts from."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from conftest import blobs
from datastill import load, save
from datastill.base.errors import InputError
from datastill.base.rng import Key
from datastill.compute.route import Route
from datastill.data import ImageSet
from datastill.datasets import load_split
from datastill.evaluation.plan import EvaluationPlan
from datastill.evaluation.validation import validate
from datastill.training.fit import Fit
from datastill.training.protocol import Asks, Protocol, at_learning_rate
from test_cli import Run, run

__all__ = ["run"]

RATE = 0.1
QUICK = Protocol("quick", Fit(epochs=2, batch=16, lr=0.01), augmentation="none")


def imported(run: Run, folder: Path) -> ImageSet:
    """Import ten digits as trajectory matching saves them."""
    digits = load_split("digits", "train").take(torch.arange(60))
    (folder / "digits").mkdir()
    torch.save(digits.images, folder / "digits" / "images_best.pt")
    torch.save(digits.labels, folder / "digits" / "labels_best.pt")
    torch.save(torch.tensor(RATE), folder / "digits" / "lr_best.pt")
    said = run("import digits --out made")
    assert said.code == 0, said.err
    return load(folder / "made")


def test_networks_start_from_the_rate_of_a_set() -> None:
    data, test = blobs(per_class=4), blobs("test")

    def draw(number: int) -> ImageSet:
        return data

    sets = {"own": draw, "other": draw}
    plan = EvaluationPlan(sets, test, QUICK, {"MLP": Route()}, 2, Key(0), rates={"own": RATE})
    reached = {(one.source, one.number): one.accuracy for one in plan.remaining()}
    for source, protocol in (("own", at_learning_rate(QUICK, RATE)), ("other", QUICK)):
        alone = validate(data, test, "MLP", protocol, trials=2, key=Key(0))
        assert alone.values == tuple(reached[source, i] for i in range(2))
    assert reached["own", 0] != reached["other", 0]


def test_validation_starts_from_it_tells_it_and_records_it(run: Run, tmp_path: Path) -> None:
    made = imported(run, tmp_path)
    assert made.facts["learning_rate"] == pytest.approx(RATE)
    line = "--model MLP --epochs 2 --num-eval 2 --no-dsa"
    said = run(f"validate made {line} --against random")
    assert said.code == 0, said.err
    assert "the set asks for its own learning rate, 0.1; real images are trained on at 0.01" in (
        said.out
    )
    (report,) = json.loads((tmp_path / "made" / "validation.json").read_text())
    assert report["learning_rates"] == pytest.approx({"synthetic": RATE})  # not of random images
    own = report["results"][0]["accuracies"]["values"]
    plain = replace(made, facts={k: v for k, v in made.facts.items() if k != "learning_rate"})
    save(plain, tmp_path / "plain.safetensors")
    assert run(f"validate plain.safetensors {line}").code == 0
    (other,) = json.loads((tmp_path / "plain.validation.json").read_text())
    assert other["learning_rates"] is None
    assert other["results"][0]["accuracies"]["values"] != own
    shown = run("show made").out
    assert "0.1, learned with the images" in shown
    assert "its own learning rate 0.1" in shown


def test_a_comparison_trains_each_set_at_its_own_rate(run: Run, tmp_path: Path) -> None:
    made = imported(run, tmp_path)
    plain = replace(made, facts={**made.facts, "learning_rate": None, "method": "plain"})
    save(plain, tmp_path / "plain.safetensors")
    line = "--protocol dc --model MLP --epochs 2 --num-eval 2 --real-epochs 0 --against random"
    said = run(f"compare made plain.safetensors {line} --out held")
    assert said.code == 0, said.err
    assert "asks for its own learning rate, 0.1; other images are trained on at 0.01" in said.out
    rows = json.loads((tmp_path / "held" / "comparison.json").read_text())["rows"]
    found = {row["name"]: (row["learning_rate"], row["accuracies"]["values"]) for row in rows}
    assert found["trajectory matching"][0] == pytest.approx(RATE)
    assert found["plain"][0] is None
    assert found["random"][0] is None
    assert found["trajectory matching"][1] != found["plain"][1]


@pytest.mark.parametrize("rate", ["0.1", -1, 0, float("nan"), float("inf"), True, [0.1], {}])
def test_odd_facts_ask_for_nothing(rate: object) -> None:
    with pytest.raises(InputError, match="the set asks for a learning rate of"):
        Asks.of({"learning_rate": rate})
    with pytest.raises(InputError, match="which is no name"):
        Asks.of({"protocol": 3})


def test_a_set_with_odd_facts_gets_one_line(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = imported(run, tmp_path)
    monkeypatch.setattr("datastill.store.sets.require_facts", lambda *_: None)  # by others' hands
    save(replace(made, facts={**made.facts, "learning_rate": "fast"}), tmp_path / "odd.safetensors")
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    for line in ("validate odd.safetensors", "compare odd.safetensors", "show odd.safetensors"):
        said = run(line)
        assert said.code == 2
        assert 'learning_rate is "fast"' in said.err
        assert len(said.err.splitlines()) == 1
