"""Sweeps: one run with many values of its options, each in a folder of its own."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from datastill import load, runs, save
from datastill.base.errors import InputError
from datastill.base.rng import Key
from datastill.datasets import load_split
from datastill.runs.compound import sweeping
from datastill.runs.executors import tasks
from datastill.runs.specs import recipes
from datastill.training.coresets import CORESETS
from test_cli import Run, files, run
from test_units import TRAIN, count

__all__ = ["run"]

pytestmark = pytest.mark.usefixtures("sketched")

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


def rows() -> dict[str, Any]:
    return json.loads(Path("sweep/sweep.json").read_text())["runs"]


def test_what_earlier_sweeps_found_stays_in_the_file(run: Run) -> None:
    for line in ("seed=0,1", "seed=2", "lr-img=1 seed=2"):
        assert run(f"sweep some.toml --over {line} --quiet").code == 0
    assert [*rows()] == ["seed=0", "seed=1", "seed=2", "lr-img=1,seed=2"]
    assert [one["run"]["compute"]["seed"] for one in rows().values()] == [0, 1, 2, 2]
    assert all(one["found"]["images"] == 10 for one in rows().values())
    before = times()
    assert run("sweep some.toml --over seed=1 --quiet").code == 0
    assert len(rows()) == 4
    assert times() == before


@pytest.mark.parametrize("text", ["{", "[]", "3", '{"runs": 3}'])
def test_a_damaged_file_of_earlier_sweeps_is_written_anew(run: Run, text: str) -> None:
    Path("sweep").mkdir()
    Path("sweep/sweep.json").write_text(text)
    said = run("sweep some.toml --over seed=0")
    assert said.code == 0, said.err
    assert "sweep.json is damaged" in " ".join(said.out.split())
    assert [*rows()] == ["seed=0"]


def test_a_run_of_an_earlier_sweep_that_fails_now_has_no_row(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("sweep some.toml --over seed=0,1 --quiet").code == 0
    Path("sweep/seed=1/synthetic.safetensors").unlink()

    def fails(*_: Any, **__: Any) -> None:
        raise InputError("a full disk")

    monkeypatch.setattr(tasks, "carry_out", fails)
    said = run("sweep some.toml --over seed=1 --quiet")
    assert said.code == 2
    assert (
        "seed=1 (a full disk; what it came to was deleted: delete sweep/seed=1 as well)"
        in " ".join(said.err.split())
    )
    assert [*rows()] == ["seed=0"]


def test_a_run_whose_set_was_deleted_is_carried_out_again(run: Run) -> None:
    assert run("sweep some.toml --over seed=1,2 --quiet").code == 0
    lost = Path("sweep/seed=2/synthetic.safetensors")
    was, before = load(lost).images, times()
    lost.unlink()
    said = run("sweep some.toml --over seed=1,2 --quiet")
    assert said.code == 0, said.err
    assert torch.equal(load(lost).images, was)
    kept = Path("sweep/seed=1/synthetic.safetensors")
    assert times()[kept] == before[kept]


def test_a_run_of_any_kind_whose_result_was_deleted_is_carried_out_again() -> None:
    real = load_split("digits", "train")
    save(real.take(CORESETS["random"](real, [1] * 10, key=Key(1))), "some/synthetic.safetensors")
    own, pool = runs.DataSpec("digits"), runs.PoolSpec(architectures=("MLP",), path="pool")
    train = replace(TRAIN, models=("MLP",), num=1, epochs=1, save_epochs=())
    runs.train(train, "pool")
    plain, names = DISTILL.compute, ("MLP",)
    specs: dict[str, tuple[runs.Spec, str]] = {
        "train": (train, "digits/original/MLP/model_000_epoch_001.safetensors"),
        "validate": (
            runs.ValidateSpec(set="some", compute=plain, models=names, trials=1, epochs=1),
            "validation.json",
        ),
        "compare": (
            runs.CompareSpec(
                sets=("some",), compute=plain, models=names, trials=1, epochs=1, real_epochs=1
            ),
            "comparison.json",
        ),
        "assess": (
            runs.AssessSpec(set="some", data=own, pool=pool, assessments=("om-accuracy",), draws=1),
            "assessment.json",
        ),
        "relabel": (runs.RelabelSpec(set="some", pool=pool), "synthetic.safetensors"),
    }
    before = runs.sweep({name: spec for name, (spec, _) in specs.items()}, "sweep")
    for name, (_, file) in specs.items():
        Path("sweep", name, file).unlink()
    Path("sweep/compare/comparison.png").unlink()
    again = runs.sweep({name: spec for name, (spec, _) in specs.items()}, "sweep")
    assert again.rows == before.rows
    for name, (_, file) in specs.items():
        assert Path("sweep", name, file).is_file() or name == "validate"  # which the set knows


def test_what_was_deleted_in_part_is_told(run: Run) -> None:
    spec = replace(TRAIN, models=("MLP",), num=2, epochs=1, save_epochs=())
    runs.sweep({"a": spec}, "sweep")
    lost = Path("sweep/a/digits/original/MLP/model_001_epoch_001.safetensors")
    lost.unlink()
    with pytest.raises(InputError, match=r"was deleted: delete sweep/a as well"):
        runs.sweep({"a": spec}, "sweep")
    shutil.rmtree("sweep/a")
    runs.sweep({"a": spec}, "sweep")
    assert lost.is_file()


@pytest.mark.parametrize("over", ["outer-loop=1", "setting=outer_loop=1"])
def test_what_stands_for_no_value_and_has_an_effect_may_differ(run: Run, over: str) -> None:
    Path("some.toml").write_text(replace(DISTILL, method="DC").to_toml())
    assert run(f"sweep some.toml --over {over} --quiet").code == 0


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
        (f"seed=0..{'9' * 5000}", "is no range: a number has 18 digits at the most"),
        ("seed=0..99999999", "--over asks for 100000000 runs by 0..99999999, more than 10000"),
        (f"seed={'9' * 5000}", "--seed"),
        ("report-minutes=1", "--over has report-minutes, which says how a run is kept or told"),
        ("seed=1,2 checkpoint-minutes=0,1", "--over has checkpoint-minutes, which says how"),
        ("save-path=a seed=1", "--over has save-path, which says how"),
        ("trackio=1", "--trackio takes no value"),
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
