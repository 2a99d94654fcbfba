"""Sets and original models made from Python: what the commands make, as values and as files."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from datastill import load, runs
from datastill.base.errors import InputError
from datastill.store import load_pool, pool_folder
from test_cli import Run, files, run

__all__ = ["run"]

pytestmark = pytest.mark.usefixtures("sketched")
DATA, COMPUTE = runs.DataSpec("digits"), runs.ComputeSpec(seed=3, engine="plain")
DISTILL = runs.DistillSpec(
    data=DATA, compute=COMPUTE, method="DC", model="ConvNetD1W16", ipc=1, updates=6, batch=4
)
DISTILL = replace(DISTILL, settings={"outer_loop": 3, "inner_loop": 2})
LINE = (
    "distill --dataset digits --seed 3 --engine plain --method DC --model ConvNetD1W16 --ipc 1 "
    "--iterations 6 --batch-real 4 --outer-loop 3 --inner-loop 2"
)
TRAIN = runs.TrainSpec(data=DATA, compute=COMPUTE, models=("MLP", "ConvNetD1W16"), num=2, epochs=3)
TRAIN_LINE = (
    "train --dataset digits --seed 3 --engine plain --model MLP ConvNetD1W16 --num 2 --epochs 3"
)
MADE = Path("condensed/digits/DC/IPC1")
OFTEN = runs.Keeping(checkpoint_minutes=0)
GOING_ON = runs.Keeping(resume=True, checkpoint_minutes=0)


class Seen:
    """An observer that writes down all that it is told, and does something after a while."""

    def __init__(self, at: int = -1, act: Any = None) -> None:
        self.told: list[str] = []
        self.steps: list[tuple[str, float, int]] = []
        self.snapshots: list[int] = []
        self.at, self.act = at, act

    def observer(self) -> runs.Talking:
        def look(snapshot: Any) -> None:
            self.snapshots.append(snapshot.step)
            if len(self.snapshots) == self.at:
                self.act()

        def moved(label: str, step: float, total: int, note: str) -> None:
            del note
            self.steps.append((label, step, total))

        return runs.Talking(tell=self.told.append, moved=moved, look=look)


def settings(folder: Path) -> Any:
    held = json.loads((folder / "settings.json").read_text())
    return {name: value for name, value in held.items() if name != "recipe"}


def course(folder: Path) -> list[Any]:
    """Return the events of a run, but for how long they took and how often they were told."""
    lines = map(json.loads, (folder / "log.jsonl").read_text().splitlines())
    return [(line["event"], line["step"], line.get("match")) for line in lines][-2:]


def weights(root: Path, name: str, **which: Any) -> list[dict[str, Any]]:
    pool = load_pool(pool_folder(root, "digits", name), **which)
    return [dict(member.network.state_dict()) for member in pool]


def alike(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> bool:
    pairs = zip(one, other, strict=True)
    return all(torch.equal(value, b[name]) for a, b in pairs for name, value in a.items())


def test_a_set_is_what_the_command_makes(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    said = run(LINE)
    assert said.code == 0, said.err
    seen, called = Seen(), Path("called")
    found = runs.distill(DISTILL, called, observer=seen.observer())
    assert capsys.readouterr() == ("", "")
    assert files(called) == files(MADE)
    for name in ("synthetic.safetensors", "distill.state"):
        assert (called / name).stat().st_size == (MADE / name).stat().st_size
    typed, made = load(MADE), load(called)
    assert torch.equal(made.images, typed.images)
    assert torch.equal(made.images, found.set.images)
    apart = ("seconds", "recipe")
    assert {k: v for k, v in made.facts.items() if k not in apart} == {
        k: v for k, v in typed.facts.items() if k not in apart
    }
    assert settings(called) == settings(MADE)
    assert course(called) == course(MADE)
    assert (found.folder, found.plan) == (called, None)
    assert seen.snapshots == [1, 2, 3, 4, 5, 6]
    assert ("distilling digits", 6, 6) in seen.steps
    assert seen.told[0] == said.out.splitlines()[0]
    assert "DC on digits: 1 image for each of 10 classes from 1347 real ones, 6 updates" in (
        "\n".join(seen.told)
    )


def test_without_a_folder_the_set_is_all_that_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    found, kept = runs.distill(DISTILL), runs.distill(DISTILL, "kept", facts={"note": [1]})
    assert files(tmp_path) == {f"kept/{name}" for name in files(tmp_path / "kept")}
    assert torch.equal(found.set.images, kept.set.images)
    assert (found.folder, kept.set.facts["note"]) == (None, [1])
    assert found.set.facts["run"] == {"kind": "distill", **DISTILL.table()}
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("at", [1, 4])
def test_a_stop_that_is_asked_for_at_a_snapshot_takes_effect_there(at: int, tmp_path: Path) -> None:
    whole = runs.distill(DISTILL, tmp_path / "whole")
    stop = runs.StopRequest()
    seen, folder = Seen(at, stop.request), tmp_path / "cut"
    with pytest.raises(runs.Stopped):
        runs.distill(DISTILL, folder, observer=seen.observer(), stop=stop)
    assert seen.snapshots == [*range(1, at + 1)]
    with pytest.raises(InputError, match="not finished"):
        runs.distill(DISTILL, folder)
    seen = Seen()
    found = runs.distill(DISTILL, folder, keeping=GOING_ON, observer=seen.observer())
    assert f"going on after update {at}" in seen.told
    assert seen.snapshots == [*range(at + 1, 7)]
    assert torch.equal(found.set.images, whole.set.images)
    assert files(folder) == files(tmp_path / "whole")


def test_a_stop_at_the_last_snapshot_has_nothing_to_stop(tmp_path: Path) -> None:
    stop = runs.StopRequest()
    seen = Seen(6, stop.request)
    found = runs.distill(DISTILL, tmp_path / "cut", observer=seen.observer(), stop=stop)
    assert found.set.facts["step"] == 6


def test_a_run_that_was_killed_goes_on(tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    def kill() -> None:
        raise Killed

    whole = runs.distill(DISTILL, tmp_path / "whole")
    with pytest.raises(Killed):
        runs.distill(DISTILL, tmp_path / "cut", keeping=OFTEN, observer=Seen(5, kill).observer())
    seen = Seen()
    found = runs.distill(DISTILL, tmp_path / "cut", keeping=GOING_ON, observer=seen.observer())
    assert seen.snapshots == [5, 6]  # the fifth was not kept when the run was killed
    assert torch.equal(found.set.images, whole.set.images)
    again = runs.distill(DISTILL, tmp_path / "cut", keeping=GOING_ON, observer=seen.observer())
    assert torch.equal(again.set.images, whole.set.images)
    assert seen.snapshots == [5, 6]
    assert "is finished" in seen.told[-1]


def test_original_models_are_those_of_the_command(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    said = run(f"{TRAIN_LINE} --save-epochs 1")
    assert said.code == 0, said.err
    seen = Seen()
    spec = replace(TRAIN, save_epochs=(1,))
    found = runs.train(spec, "called", observer=seen.observer())
    assert capsys.readouterr() == ("", "")
    assert files(Path("called")) == files(Path("pretrained_model"))
    for name in TRAIN.models:
        for epoch in (1, 3):
            one, other = (
                weights(Path(root), name, epoch=epoch) for root in ("called", "pretrained_model")
            )
            assert alike(one, other)
    places = [(row.architecture, row.number) for row in found.rows]
    assert places == [("MLP", 0), ("MLP", 1), ("ConvNetD1W16", 0), ("ConvNetD1W16", 1)]
    assert all(0 < (row.test_accuracy or 0) <= 1 for row in found.rows)
    held = [member.network.state_dict() for member in found.pool]
    assert alike(held[:2], weights(Path("called"), "MLP"))
    assert ("MLP 1", 3, 3) in seen.steps
    assert seen.told[0] == said.out.splitlines()[0]
    alone = runs.train(replace(spec, models=("MLP",)))
    assert alone.folder is None
    assert alike([member.network.state_dict() for member in alone.pool], held[:2])


@pytest.mark.parametrize("at", [("MLP 0", 1), ("MLP 1", 3), ("ConvNetD1W16 1", 2)])
def test_a_training_that_is_stopped_goes_on(
    at: tuple[str, int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stop = runs.StopRequest()

    def moved(label: str, step: float, total: int, note: str) -> None:
        del total, note
        if (label, step) == at:
            stop.request()

    runs.train(TRAIN, tmp_path / "whole")
    cut = tmp_path / "cut"
    with pytest.raises(runs.Stopped):
        runs.train(TRAIN, cut, observer=runs.Talking(moved=moved), stop=stop)
    with pytest.raises(InputError, match="not finished"):
        runs.train(TRAIN, cut)
    with pytest.raises(InputError, match=r"0\.5"):
        runs.train(replace(TRAIN, lr=0.5), cut, keeping=GOING_ON)
    runs.train(TRAIN, cut, keeping=GOING_ON)
    for name in TRAIN.models:
        assert alike(weights(cut, name), weights(tmp_path / "whole", name))
    assert files(cut) == files(tmp_path / "whole")
    assert capsys.readouterr() == ("", "")


VERBS: dict[str, Any] = {
    "train": TRAIN,
    "distill": DISTILL,
    "validate": runs.ValidateSpec(set="here"),
    "compare": runs.CompareSpec(sets=("here",)),
    "assess": runs.AssessSpec(set="here"),
    "rank": runs.RankSpec(sets=("here",), by="coverage"),
    "study": runs.StudySpec(data=DATA),
    "relabel": runs.RelabelSpec(set="here"),
    "estimate": DISTILL,
    "check": DISTILL,
    "run": DISTILL,
}
WRONG: dict[str, tuple[Any, ...]] = {
    "folder": (3, "a\0b", object()),
    "keeping": (True, "resume", {"resume": True}, runs.Keeping),
    "observer": (print, None, runs.Talking, "loud"),
    "stop": (True, runs.StopRequest, lambda: True),
}


@pytest.mark.parametrize("name", VERBS)
def test_what_a_verb_is_given_by_mistake_is_told(name: str) -> None:
    import inspect

    verb, spec = getattr(runs, name), VERBS[name]
    for wrong in (None, "digits", {"data": "digits"}, type(spec), runs.PoolSpec()):
        with pytest.raises(InputError, match=r"`spec` must be an? "):
            verb(wrong)
    for argument in WRONG.keys() & inspect.signature(verb).parameters.keys():
        for wrong in WRONG[argument]:
            with pytest.raises(InputError, match=f"`{argument}`") as told:
                verb(spec, **{argument: wrong})
            assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"method": "DN"}, "did you mean 'DM'"),
        ({"model": "ConvNut"}, "did you mean 'ConvNet'"),
        ({"init": "noize"}, "did you mean 'noise'"),
        ({"augmentation": "flop"}, "did you mean 'flip'"),
        ({"settings": {"outer_lop": 3}}, "`outer_lop` has no meaning for DC"),
        ({"settings": {"dis_metric": "cosin"}}, "no distance named 'cosin'"),
        ({"data": runs.DataSpec("digit")}, "did you mean 'digits'"),
        ({"select": runs.SelectSpec(by="coverag")}, "did you mean 'coverage'"),
        ({"ipc": "0=1,rest"}, "ipc"),
    ],
)
def test_unknown_words_get_one_line(change: dict[str, Any], complaint: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=complaint) as told:
        runs.distill(replace(DISTILL, **change), tmp_path / "made")
    assert "\n" not in str(told.value)
    assert not files(tmp_path)
