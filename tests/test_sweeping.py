"""Sweeps: one run with many values of its options, each in a folder of its own."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from datastill import load, runs
from datastill.base.errors import InputError
from datastill.runs import recipes, sweeping
from test_cli import Run, files, run
from test_units import count

__all__ = ["run"]

DISTILL = runs.DistillSpec(
    data=runs.DataSpec("digits"),
    compute=runs.ComputeSpec(engine="plain"),
    model="MLP",
    ipc=1,
    updates=2,
    batch=4,
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("some.toml").write_text(DISTILL.to_toml())
    return tmp_path


def times() -> dict[Path, int]:
    """Return when sets were written."""
    return {path: path.stat().st_mtime_ns for path in Path("sweep").rglob("synthetic.safetensors")}


def test_every_combination_is_carried_out_and_filed(run: Run) -> None:
    line = "sweep some.toml --over lr-img=0.1,1 seed=0..1 --quiet"
    assert run(line).code == 0
    names = [f"lr-img={lr},seed={seed}" for lr in ("0.1", "1") for seed in (0, 1)]
    found = json.loads(Path("sweep/sweep.json").read_text())["runs"]
    assert [*found] == names
    for name in names:
        alone = runs.read(Path("sweep", name, "run.toml").read_text())[0]
        assert found[name]["run"] == {"kind": "distill", **alone.table()}
        assert torch.equal(load(f"sweep/{name}").images, runs.run(alone).set.images)
    before = {
        path: path.stat().st_mtime_ns for path in Path("sweep").rglob("synthetic.safetensors")
    }
    assert run(f"{line} --over lr-img=0.1,1 seed=0..2").code == 0  # what is new is added
    after = times()
    assert len(after) == 6
    assert before.items() <= after.items()


def test_the_file_is_read_once(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    read = count(monkeypatch, recipes, "text_of")
    assert run("sweep some.toml --over lr-img=0.1,1 seed=0..1 --quiet").code == 0
    assert len(read) <= 2  # of which kind it is, and what it says


def test_an_executor_comes_to_the_same() -> None:
    specs: dict[str, runs.Spec] = {"a": DISTILL, "b": runs.read(DISTILL.to_toml())[0]}
    one = runs.sweep(specs, "one")
    with ThreadPoolExecutor(1) as threads:
        other = runs.sweep(specs, "other", executor=threads)
    assert {name: row["images"] for name, row in other.rows.items()} == {"a": 10, "b": 10}
    assert [*one.rows] == [*other.rows]
    assert files(Path("one")) == files(Path("other"))


@pytest.mark.parametrize(
    ("over", "told"),
    [
        ("", "--over needs what is to differ"),
        ("alphas", "--over takes a name and values, alphas=1,10,100 or seed=0..4, found 'alphas'"),
        ("seed=", "--over takes a name and values"),
        ("seed=1 seed=2", "--over has seed twice"),
        ("seed=1,1", "--over has a value of seed twice"),
        ("seed=4..1", "4..1 is no range"),
        ("seed=0..9999 ipc=1,2", "--over asks for 20000 runs, more than 10000"),
        ("sead=1", "has no option --sead; did you mean"),
        ("seed=x", "--seed takes a whole number, found 'x'"),
    ],
)
def test_what_makes_no_sense_is_told_before_anything(run: Run, over: str, told: str) -> None:
    said = run(f"sweep some.toml --over {over}" if over else "sweep some.toml")
    assert said.code == 2
    assert told in " ".join(said.err.split())
    assert not Path("sweep").exists()


def test_one_that_fails_is_named_and_the_others_are_kept() -> None:
    late = runs.TrainSpec(data=runs.DataSpec("digits"), models=("MLP",), num=1, epochs=1)
    lost = runs.TrainSpec(data=runs.DataSpec("nowhere"), models=("MLP",), num=1, epochs=1)
    with pytest.raises(InputError, match="1 piece could not be carried out: lost "):
        runs.sweep({"lost": lost, "late": late}, "here")
    assert [*json.loads(Path("here/sweep.json").read_text())["runs"]] == ["late"]
    for wrong in ({}, {"a": 3}):
        with pytest.raises(InputError):
            runs.sweep(wrong, "here")  # pyright: ignore[reportArgumentType]


def test_values_are_read_as_people_type_them() -> None:
    assert sweeping.values_over(["--lr_img=0.1", "seed=-1..1"]) == {
        "lr-img": ("0.1",),
        "seed": ("-1", "0", "1"),
    }
