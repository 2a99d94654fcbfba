"""Assessing, and choosing by assessments, on the command line."""

import json
import math
from pathlib import Path

import pytest
import torch

import datastill
from datastill.cli import main
from datastill.datasets import load_split
from test_cli import Run, files, run

__all__ = ["run"]

POOL = "--models-pool ConvNetD1W16 MLP"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pool with early snapshots, and a set."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for line in (
            "train --model ConvNetD1W16 MLP --num 1 --epochs 2 --save-epochs 1 --batch-train 64",
            "distill --model ConvNetD1W16 --ipc 1 --iterations 2 --batch-real 8",
        ):
            main([*line.split(), "--dataset", "digits", "--quiet"])
    return folder


@pytest.fixture
def at_home(run: Run, home: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(home)
    return run


def test_assess_tells_and_writes_every_value(at_home: Run, home: Path) -> None:
    said = at_home(f"assess --dataset digits --ipc 1 {POOL} --early-epochs 1")
    assert said.code == 0, said.err
    folder = home / "condensed" / "digits" / "DM" / "IPC1"
    table = json.loads((folder / "assessment.json").read_text())
    assert [member["epoch"] for member in table["pool"]] == [2, 2]
    assert [member["epoch"] for member in table["early"]] == [1, 1]
    rows = {row["name"]: row for row in table["scores"]}
    assert {"om-accuracy", "om-accuracy/MLP", "om-entropy@1", "coverage"} < set(rows)
    for name, row in rows.items():
        assert f" {name} " in said.out
        assert len(row["random"]) == 3
        assert all(math.isfinite(value) for value in (row["value"], *row["random"]))
        assert row["better"] in ("higher", "lower")
        assert row["seconds"] >= 0
    assert "nan" not in said.out
    for word in ("better", "worse", "↑ higher", "↓ lower", "semantic", "readout"):
        assert word in said.out
    again = at_home(f"assess {folder} {POOL} --early-epochs 1 --quiet")
    assert (again.code, again.out) == (0, "")
    second = json.loads((folder / "assessment.json").read_text())["scores"]
    assert [row["value"] for row in second] == [row["value"] for row in rows.values()]


def test_assess_takes_any_number_of_sets(at_home: Run, home: Path) -> None:
    made = datastill.load(home / "condensed" / "digits" / "DM" / "IPC1")
    for name in ("one", "other"):
        datastill.save(made, home / f"{name}.safetensors")
    line = "assess one.safetensors other.safetensors --assessments om-margin coverage --draws 1"
    alone = at_home(f"{line} {POOL}")
    assert alone.code == 0, alone.err
    assert alone.out.index("Assessments of one.saf") < alone.out.index("Assessments of other.saf")
    assert all(len(line) <= 80 for line in alone.out.splitlines() if "om-margin" in line)
    tables = [home / f"{name}.assessment.json" for name in ("one", "other")]
    values = [json.loads(table.read_text())["scores"][0]["value"] for table in tables]
    assert values[0] == values[1]
    for table in tables:
        table.unlink()
    beside = at_home(f"{line} {POOL} --jobs 2")
    assert beside.code == 0, beside.err
    assert [json.loads(table.read_text())["scores"][0]["value"] for table in tables] == values
    assert beside.out.count("om-margin") == alone.out.count("om-margin") == 2
    said = at_home(f"{line} {POOL} --out here")
    assert (said.code, "--out takes a copy of one set" in said.err) == (2, True)
    again = at_home(f"run {home}/one.assess.toml")  # which is about one
    assert again.code == 0, again.err


def test_assess_by_name_loads_the_epochs_that_names_ask_for(at_home: Run, home: Path) -> None:
    lone = home / "lone.safetensors"
    datastill.save(datastill.load(home / "condensed" / "digits" / "DM" / "IPC1"), lone)
    said = at_home(f"assess {lone} {POOL} --assessments om_accuracy@1 coverage --draws 0")
    assert said.code == 0, said.err
    table = json.loads((home / "lone.assessment.json").read_text())
    assert [(row["name"], row["random"]) for row in table["scores"]] == [
        ("om-accuracy@1", []),
        ("coverage", []),
    ]


def test_assessing_reads_no_images_to_be_tested_on(
    at_home: Run, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def spy(name: str, split: str, *others: object, **more: object):
        asked.append(split)
        return load_split(name, split, *others, **more)

    for reader in ("reading", "origin"):
        monkeypatch.setattr(f"datastill.runs.{reader}.load_split", spy)
    folder = home / "condensed" / "digits" / "DM" / "IPC1"
    assert at_home(f"assess {folder} {POOL} --draws 1").code == 0
    assert at_home(f"select {folder} --by coverage {POOL}").code == 0
    line = f"distill --dataset digits --model MLP --ipc 1 --iterations 2 {POOL} --select coverage"
    assert at_home(f"{line} --save-path spied --batch-real 4").code == 0
    assert set(asked) == {"train"}


def test_distill_keeps_the_snapshot_that_is_liked_best(at_home: Run, home: Path) -> None:
    line = "distill --dataset digits --model ConvNetD1W16 --ipc 1 --iterations 5 --batch-real 8"
    said = at_home(
        f"{line} {POOL} --lr-img 300 --select mean-image-distance --select-every 2 --save-path a"
    )
    assert said.code == 0, said.err
    made = datastill.load(home / "a" / "digits" / "DM" / "IPC1")
    chosen = made.facts["selected"]
    found = chosen["scores"]
    best = min(found, key=lambda step: found[step])
    assert (chosen["by"], chosen["better"]) == ("mean-image-distance", "lower")
    assert list(found) == ["2", "4", "5"]
    assert made.facts["step"] == int(best)
    assert f"kept the set after {best} of 5 updates: mean-image-distance" in said.out
    plain = at_home(f"{line} --lr-img 300 --iterations {best} --save-path b")
    assert plain.code == 0, plain.err
    same = datastill.load(home / "b" / "digits" / "DM" / "IPC1")
    assert torch.equal(made.images, same.images)
    events = (home / "a" / "digits" / "DM" / "IPC1" / "log.jsonl").read_text()
    assert events.count('"assessed"') == 3


def test_select_ranks_finished_sets(at_home: Run, home: Path) -> None:
    real = load_split("digits", "train")
    rows = torch.cat([rows[:1] for rows in real.rows_by_class])
    datastill.save(real.take(rows), home / "real.safetensors")
    noise = torch.randn(real.take(rows).images.shape, generator=torch.Generator().manual_seed(0))
    datastill.save(
        datastill.ImageSet(noise, real.labels[rows], real.domain), home / "noise.safetensors"
    )
    for by, worst in (("om-cross-entropy", "noise"), ("om-accuracy/mlp@1", "noise")):
        said = at_home(f"select noise.safetensors real.safetensors --by {by} {POOL}")
        assert said.code == 0, said.err
        assert said.out.index("real.safetensors") < said.out.index(f"{worst}.safetensors")
    sizes = at_home(f"select {home}/lone.safetensors real.safetensors --by coverage {POOL}")
    assert "sets of different size" not in sizes.out
    datastill.save(real.take(rows[:4]), home / "few.safetensors")
    sizes = at_home(f"select few.safetensors real.safetensors --by coverage {POOL}")
    assert "sets of different size" in sizes.out


def test_assess_needs_as_many_real_images_beside_or_none(at_home: Run, home: Path) -> None:
    real = load_split("digits", "train")
    rows = torch.cat([torch.arange(len(real)), real.rows_by_class[3][:1]])
    datastill.save(real.take(rows), home / "large.safetensors")
    said = at_home(f"assess large.safetensors {POOL} --assessments om-margin")
    assert said.code == 2
    assert "class '3' has 137 real images, fewer than the 138 to be picked; --draws 0" in said.err
    said = at_home(f"assess large.safetensors {POOL} --assessments om-margin --draws 0")
    assert said.code == 0, said.err
    (home / "large.safetensors").unlink()


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("assess", "name a set by its path, or by --dataset"),
        ("assess nowhere", "no image set at nowhere"),
        (f"assess S {POOL} --assessments om-acuracy", "did you mean 'om-accuracy'?"),
        (f"assess S {POOL} --assessments om-accuracy/VGG", "no original models named 'VGG'"),
        (f"assess S {POOL} --assessments /dev/null", "NAME@NUMBER, found '/dev/null'"),
        (f"select S {POOL} --by om-accuracy@", "NAME@NUMBER, found 'om-accuracy@'"),
        (f"assess S {POOL} --assessments om-accuracy@7", "0 original models at epoch 7"),
        (f"assess S {POOL} --early-epochs 0", "--early-epochs must be above zero"),
        (f"assess S {POOL} --draws -1", "--draws must not be negative"),
        ("assess S --models-pool MLP MLP", "--models-pool names 'MLP' twice"),
        ("assess S", "0 original models, fewer than the 1 asked for; make them with"),
        (f"assess S --dataset MNIST --data-path nowhere {POOL}", "no file train-images"),
        ("select --by coverage", "name the sets to rank by their paths"),
        (f"select S --by covrage {POOL}", "did you mean 'coverage'?"),
        (f"distill --dataset digits --ipc 1 {POOL} --select covrage", "did you mean 'coverage'?"),
        (f"distill --dataset digits --ipc 1 {POOL} --select-every 0", "--select-every must be"),
        ("distill --dataset digits --ipc 1 --select coverage", "0 original models"),
    ],
)
def test_mistakes_get_one_line_and_leave_nothing(
    at_home: Run, home: Path, line: str, complaint: str
) -> None:
    datastill.save(datastill.load(home / "condensed/digits/DM/IPC1"), home / "S.safetensors")
    before = files(home)
    said = at_home(line.replace(" S", f" {home}/S.safetensors"))
    assert said.code == 2
    assert complaint in said.err
    assert len(said.err.splitlines()) == 1
    assert files(home) == before
