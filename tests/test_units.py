"""Pieces of a run, carried out by themselves: the whole comes to the same as if there were none."""

import pickle
import random
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from datastill import load, runs, save
from datastill.base.errors import InputError
from datastill.base.rng import Key
from datastill.datasets import load_split
from datastill.evaluation import studies
from datastill.runs.making import training
from datastill.runs.studies import findings, workshop
from datastill.training.coresets import CORESETS
from test_cli import files

pytestmark = pytest.mark.usefixtures("sketched")

DATA, COMPUTE = runs.DataSpec("digits"), runs.ComputeSpec(seed=5, engine="plain")
TRAIN = runs.TrainSpec(
    data=DATA,
    compute=COMPUTE,
    models=("MLP", "ConvNetD1W16"),
    num=2,
    epochs=2,
    save_epochs=(1,),
)
VALIDATE = runs.ValidateSpec(
    set="random.safetensors",
    compute=COMPUTE,
    models=("MLP", "ConvNetD1W16"),
    trials=3,
    epochs=2,
    against=("random",),
)
STUDY = runs.StudySpec(
    data=DATA,
    compute=COMPUTE,
    population=("random", "DM:1", "DM:3", "DM:2:1"),
    ipc=(1,),
    seeds=2,
    batch=4,
    model="MLP",
    trials=1,
    epochs=2,
    judges=runs.JudgesSpec(architectures=("MLP",), num=2, pool_epochs=2, early=(1,)),
    assessments=("om-accuracy", "coverage"),
)

LOST = """def flaky(domain):
    if first_time("flaky.was"):
        raise RuntimeError("not today")
    return made(domain)

def killed(domain):
    if first_time("killed.was"):
        os.kill(os.getpid(), signal.SIGKILL)
    return made(domain)
"""
"""Of code of one's own: what fails, and what kills its process, the first time that it is used."""


def resample_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let studies resample as little as tests can afford."""
    few = partial(studies.Resampling, bootstraps=30, permutations=99)
    monkeypatch.setattr(findings, "Resampling", few)


def ranks(found: runs.Studied) -> Any:
    """Return how every assessment of a study agrees, in their order."""
    return [(verdict.name, verdict.agreements) for verdict in found.study.verdicts]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    resample_little(monkeypatch)
    return tmp_path


def shuffled(spec: Any) -> list[runs.Unit]:
    units = list(spec.units())
    random.Random(1).shuffle(units)
    return units


def left_out(spec: Any, leave: int) -> list[runs.Unit]:
    return shuffled(spec)[:leave]


def carry_out_some(spec: Any, folder: str, *, leave: int = 0) -> None:
    """Carry out all units but a few, in any order, each as a worker would that was sent it."""
    for unit in shuffled(spec)[leave:]:
        runs.carry_out(pickle.loads(pickle.dumps(unit)), folder)


def timeless(value: Any) -> Any:
    if isinstance(value, dict):
        apart = ("seconds", "seconds_once", "once", "facts", "run")
        return {name: timeless(inner) for name, inner in value.items() if name not in apart}
    return [timeless(inner) for inner in value] if isinstance(value, list) else value


def same_models(one: Any, other: Any) -> bool:
    pairs = zip(one, other, strict=True)
    return all(
        torch.equal(weight, b.network.state_dict()[name])
        for a, b in pairs
        for name, weight in a.network.state_dict().items()
    )


def count(monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> list[Any]:
    """Note every call of a function."""
    seen, inner = list[Any](), getattr(module, name)

    def noted(*given: Any, **named: Any) -> Any:
        seen.append(given)
        return inner(*given, **named)

    monkeypatch.setattr(module, name, noted)
    return seen


@pytest.mark.parametrize("leave", [0, 3])
def test_a_pool_of_members_trained_apart(leave: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = runs.train(TRAIN, "whole")
    assert [unit.address for unit in TRAIN.units()] == [
        *("MLP/0", "MLP/1", "ConvNetD1W16/0", "ConvNetD1W16/1"),
    ]
    carry_out_some(TRAIN, "apart", leave=leave)
    assert {path.name for path in Path("apart").iterdir()} == {".pieces"}
    trained = count(monkeypatch, training, "train_member")
    found = runs.train(TRAIN, "apart")
    assert len(trained) == leave
    assert same_models(found.pool, whole.pool)
    assert files(Path("apart")) == files(Path("whole"))
    for name in ("MLP", "ConvNetD1W16"):
        one, other = (
            Path(root, f"digits/original/{name}/log.jsonl") for root in ("apart", "whole")
        )
        assert one.read_text() == other.read_text()
    assert [row.test_accuracy for row in found.rows] == [row.test_accuracy for row in whole.rows]


@pytest.mark.parametrize("leave", [0, 3])
def test_trials_of_a_validation_apart(
    leave: int, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = load_split("digits", "train")
    save(real.take(CORESETS["random"](real, [1] * 10, key=Key(1))), "random.safetensors")
    whole = runs.validate(VALIDATE, "whole")
    assert len(VALIDATE.units()) == 6
    carry_out_some(VALIDATE, "apart", leave=leave)
    assert {path.name for path in Path("apart").iterdir()} == {".pieces"}
    steps: list[float] = []
    watched = runs.Talking(moved=lambda label, step, total, note: steps.append(step))
    found = runs.validate(VALIDATE, "apart", observer=watched)
    for one, other in zip(found.results, whole.results, strict=True):
        assert (one.source, one.model) == (other.source, other.model)
        assert one.accuracies.values == other.accuracies.values
    assert timeless(found.report) == timeless(whole.report)
    assert files(home / "apart") == files(home / "whole")
    epochs = [step for step in steps if step != int(step)]  # told within a network
    assert bool(epochs) == bool(leave)


@pytest.mark.parametrize("leave", [0, 2])
def test_sets_of_a_study_apart(leave: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = runs.study(STUDY, "whole")
    assert [unit.address for unit in STUDY.units()] == [
        *("judges/MLP/0", "judges/MLP/1", "sets/random-clom0-ipc1-seed0"),
        *("sets/random-clom0-ipc1-seed1", "sets/DM-clom0-ipc1-seed0", "sets/DM-clom0-ipc1-seed1"),
    ]
    carry_out_some(STUDY, "apart", leave=leave)
    runs_of_dm = count(monkeypatch, workshop, "distill")
    found = runs.study(STUDY, "apart")
    cut = [unit.address for unit in left_out(STUDY, leave)]
    guided = 2  # these need the study's own models
    assert len(runs_of_dm) == guided + sum(address.startswith("sets/DM") for address in cut)
    assert ranks(found) == ranks(whole)
    for place in Path("whole/sets").iterdir():
        one, other = load(Path("apart/sets", place.name)), load(place)
        assert torch.equal(one.images, other.images)
        assert one.facts == other.facts
    assert files(Path("apart")) == files(Path("whole"))


def test_with_others_judges_every_set_is_a_piece() -> None:
    spec = replace(STUDY, judges=replace(STUDY.judges, path="pool"))
    addresses = [unit.address for unit in spec.units()]
    assert not any(address.startswith("judges") for address in addresses)
    assert "sets/DM-clom1-ipc1-seed0" in addresses


def test_a_piece_of_another_run_is_not_taken() -> None:
    unit, other = TRAIN.units()[0], replace(TRAIN, lr=0.5)
    runs.carry_out(other.units()[0], "here")
    runs.carry_out(unit, "here")
    whole = runs.train(TRAIN, "here")
    assert same_models(whole.pool, runs.train(TRAIN).pool)
    assert len(list(Path("here/.pieces").iterdir())) == 1  # that of the other run stays
    # What follows from something else under the same description: other code, other images.
    runs.carry_out(unit, "there")
    (place,) = Path("there/.pieces").iterdir()
    (mine,) = Path("here/.pieces").iterdir()
    shutil.rmtree(place)
    mine.rename(place)
    with pytest.raises(InputError, match="lr"):
        runs.train(TRAIN, "there")


def test_a_piece_that_is_cut_off_goes_on_or_begins_anew() -> None:
    stop = runs.StopRequest()
    stop.request()
    unit = TRAIN.units()[1]
    with pytest.raises(runs.Stopped):
        runs.carry_out(unit, "cut", stop=stop)
    runs.carry_out(unit, "cut", keeping=runs.Keeping(resume=True))
    assert same_models(runs.train(TRAIN, "cut").pool, runs.train(TRAIN).pool)


def test_what_is_no_piece_is_told() -> None:
    unit = TRAIN.units()[0]
    for wrong in (None, TRAIN, "MLP/0"):
        with pytest.raises(InputError, match="`unit` must be one of"):
            runs.carry_out(wrong, "here")  # pyright: ignore[reportArgumentType]
    with pytest.raises(InputError, match="`folder` must be the path"):
        runs.carry_out(unit, None)  # pyright: ignore[reportArgumentType]
    with pytest.raises(InputError, match="'train' has no piece 'MLP/7'; did you mean"):
        runs.carry_out(replace(unit, address="MLP/7"), "here")
    for spec in (VALIDATE, STUDY):
        with pytest.raises(InputError, match="has no piece"):
            runs.carry_out(runs.Unit("../../MLP/0", spec), "here")
    rank = runs.RankSpec(sets=("nowhere",), by="coverage")
    with pytest.raises(InputError, match="'select' has no pieces"):
        runs.carry_out(runs.Unit("a", rank), "here")
    assert not Path("here").exists()


def test_of_most_runs_the_only_piece_is_the_whole() -> None:
    spec = runs.DistillSpec(data=DATA, compute=COMPUTE, model="MLP", ipc=1, updates=1, batch=4)
    (unit,) = spec.units()
    runs.carry_out(unit, "made")
    assert torch.equal(load("made").images, runs.distill(spec).set.images)
