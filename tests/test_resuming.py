"""Runs that are cut off: what is kept of them, and that they end as if nothing had happened."""

import errno
import json
import os
import random
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

import datastill
from conftest import blobs, same
from datastill import store
from datastill.augment import dsa
from datastill.base.errors import InputError
from datastill.base.rng import Key
from datastill.compute.route import Route
from datastill.data import ByClass, ImageSet
from datastill.distillation.clom import cross_entropy_clom
from datastill.distillation.loop import Descent, Snapshot, State, distill
from datastill.distillation.methods import METHODS, Task
from datastill.distillation.methods.distribution_matching import DistributionMatching
from datastill.evaluation import validation
from datastill.networks import build, builder
from datastill.runs.conduct.observer import SILENT
from datastill.runs.folders.underway import Descents, Fits, state_of
from datastill.runs.making.lengthening import keep_state
from datastill.runs.studies import workshop
from datastill.store import Checkpoint, CheckpointFile, Journal, state_file
from datastill.store.succession import STATE_FILE
from datastill.training.fit import Fit, Fitting, epochs
from datastill.training.pool import freeze
from test_cli import Run, files, run

__all__ = ["run"]

pytestmark = pytest.mark.usefixtures("sketched")

METHOD = {
    "DM": METHODS["DM"](2).method,
    "DC": replace(METHODS["DC"](2).method, outer_loop=3, inner_loop=2, batch_train=5),
    "DSA": replace(METHODS["DSA"](2).method, outer_loop=3, inner_loop=2, batch_train=5),
}
QUICK = "distill --dataset digits --model ConvNetD1W16 --batch-real 16 --ipc 1"
LINES = {
    "DM": f"{QUICK} --iterations 8",
    "DC": f"{QUICK} --method DC --iterations 8 --outer-loop 3 --inner-loop 2",
    "selected": f"{QUICK} --iterations 8 --select om-cross-entropy --select-every 2 "
    "--models-pool MLP --alphas 3",
}


# The loop.


def course(name: str, model: str, momentum: float, state: object = None) -> list[Snapshot]:
    real = blobs()
    pool = [freeze(build("MLP", real.domain, key=Key(i)), "MLP", real.domain, {}) for i in (1, 2)]
    clom = {"clom": cross_entropy_clom(pool, [100], real.domain)}
    policy = {"policy": dsa("color_crop")} if name != "DC" else {}
    task = Task(real, builder(model, real.domain), Key(3), **policy)
    descent = Descent(ipc=(2, 1, 0, 2), updates=7, batch=5, lr=0.1, momentum=momentum)
    found = []
    for now in distill(METHOD[name], task, descent, regularisers=clom, state=state):
        assert now.state is not None
        found.append(replace(now, state=now.state()))
    return found


@pytest.mark.parametrize("momentum", [0.5, 0.0])
@pytest.mark.parametrize("model", ["ConvNetD1W16", "ConvNetD1W16BN"])
@pytest.mark.parametrize("name", METHOD)
def test_a_run_goes_on_from_any_update_as_it_would_have(
    name: str, model: str, momentum: float
) -> None:
    whole = course(name, model, momentum)
    for cut in (1, 3, 4, 6):
        rest = course(name, model, momentum, whole[cut - 1].state)
        assert [now.step for now in rest] == list(range(cut + 1, 8))
        for one, other in zip(rest, whole[cut:], strict=True):
            assert torch.equal(one.synthetic.images, other.synthetic.images)
            assert one.losses == other.losses
    assert not course(name, model, momentum, whole[-1].state)


def with_params(state: State, change: Callable[[Tensor], Tensor]) -> State:
    return replace(state, params={"images": change(state.params["images"])})


def with_momentum(state: State, change: Callable[[Tensor], Tensor]) -> State:
    held = change(state.optimisers["images"]["momentum_buffer"])
    return replace(state, optimisers={"images": {"momentum_buffer": held}})


def test_the_state_matters() -> None:
    whole = course("DC", "ConvNetD1W16", 0.5)
    state = whole[3].state
    assert isinstance(state, State)
    for other in (
        with_momentum(state, lambda held: held * 1.5),
        with_params(state, lambda images: images + 0.01),
        replace(state, memory={name: value + 0.01 for name, value in state.memory.items()}),
        replace(state, step=5),
    ):
        last = course("DC", "ConvNetD1W16", 0.5, other)[-1]
        assert not torch.equal(last.synthetic.images, whole[-1].synthetic.images)


def test_a_state_is_made_of_tensors_by_name() -> None:
    state = course("DC", "ConvNetD1W16", 0.5)[1].state
    assert isinstance(state, State)
    again = State.of(2, state.tensors())
    assert again.tensors().keys() == state.tensors().keys()
    assert all(again.tensors()[name] is value for name, value in state.tensors().items())
    with pytest.raises(InputError, match="has no 'network"):
        State.of(2, {**state.tensors(), "network.head": torch.zeros(1)})


def test_a_state_of_another_run_is_refused() -> None:
    state = course("DC", "ConvNetD1W16", 0.5)[0].state
    assert isinstance(state, State)
    for other, name, model in (
        (with_params(state, lambda images: images[:2]), "DC", "ConvNetD1W16"),
        (with_momentum(state, lambda held: held.double()), "DC", "ConvNetD1W16"),
        (replace(state, params={}), "DC", "ConvNetD1W16"),
        (state, "DC", "MLP"),
        (state, "DM", "ConvNetD1W16"),
        (replace(state, memory={}), "DC", "ConvNetD1W16"),
    ):
        with pytest.raises(InputError, match="does not fit this one"):
            course(name, model, 0.5, other)


def test_a_checkpoint_of_an_earlier_datastill_is_refused_in_one_line() -> None:
    old = Checkpoint(
        {"seed": 1}, {"step": 3}, {"pixels": torch.zeros(2), "momentum": torch.zeros(2)}
    )
    with pytest.raises(InputError, match="of an earlier datastill, which"):
        state_of(old)


# Checkpoint files.


def held(number: int) -> Checkpoint:
    return Checkpoint({"seed": 1}, {"step": number}, {"pixels": torch.full((3, 2), float(number))})


def test_checkpoints_are_read_as_they_were_written(tmp_path: Path) -> None:
    file = store.checkpoint_file(tmp_path, "distill")
    assert file.load() is None
    assert not file.exists
    for number in (1, 2, 3):
        file.save(held(number))
    found, complaint = file.load()
    assert (found.asked, found.facts, complaint) == ({"seed": 1}, {"step": 3}, "")
    assert torch.equal(found.tensors["pixels"], held(3).tensors["pixels"])
    assert CheckpointFile(file.before).load()[0].facts == {"step": 2}
    assert files(tmp_path) == {"distill.checkpoint", "distill.checkpoint.before"}
    file.remove()
    assert not files(tmp_path)


def damaged(content: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(content))
    ways = (
        content[:at],
        content[:at] + bytes([content[at] ^ (1 << rng.randrange(8))]) + content[at + 1 :],
        content[:at] + content[at + 1 :],
        content[:at] + rng.randbytes(5) + content[at:],
    )
    return rng.choice(ways)


@pytest.mark.parametrize("number", range(40))
def test_a_damaged_checkpoint_is_never_read_and_the_one_before_is(
    tmp_path: Path, number: int
) -> None:
    rng = random.Random(number)
    file = store.checkpoint_file(tmp_path, "distill")
    file.save(held(1))
    file.save(held(2))
    whole = file.path.read_bytes()
    file.path.write_bytes(damaged(whole, rng))
    found, complaint = file.load()
    assert found.facts == {"step": 1}
    assert "distill.checkpoint is damaged" in complaint
    assert complaint.endswith("going on from the one before")
    file.before.write_bytes(damaged(file.before.read_bytes(), rng))
    with pytest.raises(InputError, match=r"is damaged.*pass `overwrite=True` to start over"):
        file.load()
    file.path.unlink()
    file.before.write_bytes(whole)
    assert file.load()[0].facts == {"step": 2}  # as after a kill between two renames


def test_a_checkpoint_that_cannot_be_written_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = store.checkpoint_file(tmp_path, "distill")
    file.save(held(1))

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match=f"cannot write to {tmp_path}: No space left on device"):
        file.save(held(2))
    assert file.load()[0].facts == {"step": 1}
    assert files(tmp_path) == {"distill.checkpoint"}


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"seed": 2, "descent": {"lr": 1.0, "ipc": [1, 2]}}, "has seed 1, not 2"),
        ({"seed": 1, "descent": {"lr": 0.5, "ipc": [1, 2]}}, "has descent.lr 1.0, not 0.5"),
        ({"seed": 1, "descent": {"lr": 1.0, "ipc": 3}}, r"has descent.ipc \[1, 2\], not 3"),
        ({"seed": 1, "descent": {"lr": 1.0, "ipc": [1, 2]}, "clom": 1}, "has clom null, not 1"),
    ],
)
def test_the_difference_between_two_runs_is_named(asked: dict, said: str) -> None:
    known = {"seed": 1, "descent": {"lr": 1.0, "ipc": [1, 2]}}
    with pytest.raises(InputError, match=said):
        store.require_same(known, asked, "here", "hint")
    store.require_same(known, {"seed": 1, "descent": {"lr": 1.0, "ipc": (1, 2)}}, "here", "")


# Locks.


def test_a_folder_is_for_one_run_at_a_time(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with (
        store.locked(folder),
        pytest.raises(InputError, match=f"another run is at work in {folder}"),
        store.locked(folder),
    ):
        raise AssertionError
    with store.locked(folder), store.locked(folder, "other."):
        pass
    assert not files(folder)


def test_what_a_killed_run_left_is_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / ".lock").write_text("")
    (tmp_path / ".distill.checkpoint.17.partial").write_bytes(b"half")
    with store.locked(tmp_path):
        assert files(tmp_path) == {".lock"}
    assert not files(tmp_path)


# The command.


def at_look(monkeypatch: pytest.MonkeyPatch, act: Callable[[int], None]) -> None:
    """Act after every update of ``datastill distill``."""
    from datastill.runs.making import course as module

    look = module.look

    def watched(selector: object, choice: object, now: Snapshot, *rest: object) -> object:
        act(now.step)
        return look(selector, choice, now, *rest)

    monkeypatch.setattr(module, "look", watched)


def stop_at(step: int, number: int = signal.SIGTERM) -> Callable[[int], None]:
    return lambda now: os.kill(os.getpid(), number) if now == step else None


def made_in(folder: Path, line: str) -> Path:
    return folder / "digits" / ("DC" if "DC" in line else "DM") / "IPC1"


def made(folder: Path, line: str) -> ImageSet:
    return datastill.load(made_in(folder, line))


def same_but_for_time(one: ImageSet, other: ImageSet) -> bool:
    timeless = [{**found.facts, "seconds": None} for found in (one, other)]
    alike = torch.equal(one.images, other.images) and torch.equal(one.labels, other.labels)
    return alike and timeless[0] == timeless[1]


@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
def test_a_signal_saves_first_and_resuming_ends_as_if_there_had_been_none(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    assert run("train --dataset digits --model MLP --num 1 --epochs 1").code == 0
    assert run(f"{line} --save-path whole").code == 0
    for step, number, code in ((5, signal.SIGTERM, 143), (6, signal.SIGINT, 130)):
        with monkeypatch.context() as patch:
            at_look(patch, stop_at(step, number))
            said = run(f"{line} --save-path cut --resume")
        assert said.code == code
        assert "stopping after this update, which is kept" in said.err
        assert len(said.err.splitlines()) == 2
    refused = run(f"{line} --save-path cut")
    assert refused.code == 2
    assert "this very run is in cut/digits/" in refused.err
    assert "pass --resume to go on with it, or --overwrite to start over" in refused.err
    said = run(f"{line} --save-path cut --resume")
    assert said.code == 0, said.err
    assert "going on after update 6" in said.out
    assert same_but_for_time(made(tmp_path / "whole", line), made(tmp_path / "cut", line))
    assert files(tmp_path / "whole") == files(tmp_path / "cut")


@pytest.mark.parametrize(
    ("more", "again"),
    [
        ("", "the same command with --resume goes on from there"),
        ("--resume", "the same command goes on from there"),
        (
            "--overwrite",
            "the same command with --resume in place of --overwrite goes on from there",
        ),
    ],
)
def test_whoever_stops_a_run_is_told_how_it_goes_on(
    run: Run, monkeypatch: pytest.MonkeyPatch, more: str, again: str
) -> None:
    with monkeypatch.context() as patch:
        at_look(patch, stop_at(2, signal.SIGINT))
        said = run(f"{LINES['DM']} {more}")
    assert said.code == 130
    assert said.err.splitlines()[-1] == f"stopped by SIGINT; {again}"
    going_on = run(f"{LINES['DM']} --resume")
    assert going_on.code == 0, going_on.err
    assert "going on after update 2" in going_on.out


def test_a_signal_that_the_shell_has_a_run_ignore_stays_ignored(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # as nohup does, and "&" in a script
    at_look(monkeypatch, stop_at(2, signal.SIGINT))
    said = run(LINES["DM"])
    assert said.code == 0, said.err
    assert "stopping" not in said.err


def test_the_journal_tells_every_update_once(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datastill.runs.making.course.LOG_EVERY", 0)
    line = LINES["DC"]
    assert run(f"{line} --save-path whole").code == 0

    def fail(step: int) -> None:
        if step == 5:
            raise InputError("cut off")  # a checkpoint after 3 stands, 4 is in the journal

    with monkeypatch.context() as patch:
        at_look(patch, stop_at(3))
        assert run(f"{line} --save-path cut").code == 143
    with monkeypatch.context() as patch:
        at_look(patch, fail)
        assert run(f"{line} --save-path cut --resume").code == 2
    assert run(f"{line} --save-path cut --resume").code == 0
    found = []
    for name in ("whole", "cut"):
        log = tmp_path / name / "digits" / "DC" / "IPC1" / "log.jsonl"
        events = [json.loads(line) for line in log.read_text().splitlines()]
        found.append([{**event, "seconds": 0} for event in events])
    assert found[0] == found[1]
    assert [event["step"] for event in found[0]] == [*range(1, 9), 8]


def test_resuming_nothing_begins_and_resuming_what_is_done_does_nothing(
    run: Run, tmp_path: Path
) -> None:
    line = f"{LINES['DM']} --save-path here --resume"
    assert run(line).code == 0
    folder = tmp_path / "here" / "digits" / "DM" / "IPC1"
    before = {name: (folder / name).read_bytes() for name in files(folder)}
    said = run(line)
    assert said.code == 0
    assert "is finished" in said.out
    assert {name: (folder / name).read_bytes() for name in files(folder)} == before
    assert "exclude each other" in run(f"{line} --overwrite").err


@pytest.mark.parametrize("first", [3, 4])
@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
def test_more_updates_of_a_finished_set_end_as_if_it_had_not_been_finished(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, first: int
) -> None:
    assert run("train --dataset digits --model MLP --num 1 --epochs 1").code == 0
    assert run(f"{line} --save-path whole").code == 0
    assert run(f"{line} --save-path more --iterations {first}").code == 0
    folder = made_in(tmp_path / "more", line)
    before = {name: (folder / name).read_bytes() for name in files(folder)}
    for step in (5, 7):  # cut off while it goes on, and what was finished is whole
        with monkeypatch.context() as patch:
            at_look(patch, stop_at(step))
            said = run(f"{line} --save-path more --resume")
        assert said.code == 143
        assert {name: (folder / name).read_bytes() for name in before} == before
    said = run(f"{line} --save-path more --resume")
    assert said.code == 0, said.err
    assert "going on after update 7" in said.out
    assert same_but_for_time(made(tmp_path / "whole", line), made(tmp_path / "more", line))
    assert files(tmp_path / "whole") == files(tmp_path / "more")
    assert "is finished" in run(f"{line} --save-path more --resume").out


def test_more_updates_before_the_first_checkpoint_of_them_and_without_a_state(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = f"{LINES['DM']} --save-path here"
    assert run(f"{LINES['DM']} --save-path whole").code == 0
    assert run(f"{line} --iterations 4").code == 0

    def fail(step: int) -> None:
        assert step == 5
        raise InputError("cut off")

    with monkeypatch.context() as patch:
        at_look(patch, fail)
        assert run(f"{line} --resume").code == 2
    said = run(f"{line} --resume")
    assert "going on after update 4" in said.out
    whole, here = (made(tmp_path / name, LINES["DM"]) for name in ("whole", "here"))
    assert same_but_for_time(whole, here)

    state = made_in(tmp_path / "here", LINES["DM"]) / "distill.state"
    held = state.read_bytes()
    state.write_bytes(held[:-9])
    said = run(f"{line} --resume --iterations 9")
    assert said.code == 2
    assert "is damaged" in said.err
    assert "pass --overwrite to make 9 updates from the start" in said.err
    state.unlink()
    said = run(f"{line} --resume --iterations 9")
    assert said.code == 2
    assert "is finished after 8 updates, and what it would go on from was not kept" in said.err
    assert run(f"{line} --overwrite --iterations 9").code == 0


def test_a_damaged_checkpoint_is_told_and_costs_only_time(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = f"{LINES['DC']} --checkpoint-minutes 0"
    assert run(f"{line} --save-path whole").code == 0
    with monkeypatch.context() as patch:
        at_look(patch, stop_at(5))
        assert run(f"{line} --save-path cut").code == 143
    (file,) = (tmp_path / "cut").rglob("distill.checkpoint")
    file.write_bytes(file.read_bytes()[:-9])
    said = run(f"{line} --save-path cut --resume")
    assert said.code == 0, said.err
    assert "distill.checkpoint is damaged" in said.out
    assert "going on after update 4" in said.out
    assert same_but_for_time(made(tmp_path / "whole", line), made(tmp_path / "cut", line))


@pytest.mark.parametrize(
    ("factor", "what"), [(float("nan"), "the loss 'match'"), (1e38, "a pixel")]
)
def test_what_is_not_finite_stops_the_run_and_the_last_good_set_is_kept(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, factor: float, what: str
) -> None:
    match, calls = DistributionMatching.match, []

    def spoilt(self: object, network: object, real: object, synthetic: ByClass, **how: object):
        calls.append(1)
        found = match(self, network, real, synthetic, **how)
        much = 0 * synthetic.images.sum() + (synthetic.images - synthetic.images.detach()).sum()
        return found + (factor * much if len(calls) == 4 else 0)

    with monkeypatch.context() as patch:
        patch.setattr(DistributionMatching, "match", spoilt)
        said = run(f"{QUICK} --iterations 9 --lr-img 500")
    assert said.code == 2
    assert f"{what} is not a finite number after update 4; take a smaller --lr-img than 500" in (
        said.err
    )
    assert len(said.err.splitlines()) == 1
    folder = tmp_path / "condensed" / "digits" / "DM" / "IPC1"
    good = datastill.load(folder / "last-good.safetensors")
    assert good.facts["step"] == 3
    assert "last-good.safetensors is after update 3" in said.err
    assert not (folder / "synthetic.safetensors").exists()
    assert run(f"{QUICK} --iterations 3 --lr-img 500 --overwrite").code == 0
    assert "last-good.safetensors" not in files(folder)
    assert torch.equal(datastill.load(folder).images, good.images)


def test_two_runs_do_not_write_into_one_folder(run: Run, tmp_path: Path) -> None:
    with store.locked(tmp_path / "condensed" / "digits" / "DM" / "IPC1"):
        said = run(f"{QUICK} --iterations 2")
    assert said.code == 2
    assert "another run is at work in condensed/digits/DM/IPC1" in said.err
    assert len(said.err.splitlines()) == 1
    assert not files(tmp_path)


@pytest.mark.parametrize("step", [1, 3, 8])
def test_a_full_disk_or_a_folder_that_vanished_gets_one_line(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    line = f"{LINES['DM']} --checkpoint-minutes 0"
    folder = tmp_path / "condensed" / "digits" / "DM" / "IPC1"
    with monkeypatch.context() as patch:
        at_look(patch, lambda now: shutil.rmtree(folder) if now == step else None)
        said = run(line)
    assert said.code == 2
    assert "cannot write to condensed/digits/DM/IPC1: No such file or directory" in said.err
    assert len(said.err.splitlines()) == 1
    assert not files(tmp_path)

    sync, full = os.fsync, []

    def fill(now: int) -> None:
        full.extend([True] if now == step else [])

    def synced(file: int) -> None:
        if full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(file)

    with monkeypatch.context() as patch:
        at_look(patch, fill)
        patch.setattr(os, "fsync", synced)
        said = run(line)
    assert said.code == 2
    assert "cannot write to condensed/digits/DM/IPC1: No space left on device" in said.err
    assert run(f"{line} --resume").code == 0
    assert run(f"{line} --save-path whole").code == 0
    assert same_but_for_time(made(tmp_path / "whole", line), made(tmp_path / "condensed", line))


def test_lack_of_memory_makes_chunks_smaller_and_then_gets_one_line(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    match, seen = DistributionMatching.match, []
    enough = 20

    def greedy(self: object, *given: object, route: Route) -> object:
        chunk = route.most(given[1].images)
        seen.append(chunk)
        if chunk > enough:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB")
        return match(self, *given, route=route)

    monkeypatch.setattr(DistributionMatching, "match", greedy)
    said = run(f"{QUICK} --iterations 2")
    assert said.code == 0, said.err
    assert "out of memory; going on after update 0 with smaller chunks" in said.out
    assert seen == sorted(seen, reverse=True)
    assert made(tmp_path / "condensed", "DM").facts["route"]["chunk"] == seen[-1] <= enough
    enough = 1
    said = run(f"{QUICK} --iterations 2 --overwrite")
    assert said.code == 2
    assert said.err.startswith("datastill: out of memory; take smaller batches")
    assert len(said.err.splitlines()) == 1


# Original models.


@pytest.mark.parametrize("model", ["ConvNetD1W16BN", "MLP"])
@pytest.mark.parametrize("restart", [False, True])
def test_a_fit_goes_on_from_any_epoch_as_it_would_have(model: str, restart: bool) -> None:
    real = blobs()
    fit = Fit(epochs=5, batch=7, lr=0.05, milestones=(2, 3), restart=restart)

    def course(state: Fitting | None = None) -> list[Fitting]:
        network = build(model, real.domain, key=Key(1))
        policy = dsa("color_crop")
        return [
            epoch.state()
            for epoch in epochs(network, real, fit, policy=policy, key=Key(2), state=state)
        ]

    whole = course()
    for cut in range(1, 5):
        rest = course(whole[cut - 1])
        assert [now.epoch for now in rest] == list(range(cut + 1, 6))
        for one, other in zip(rest, whole[cut:], strict=True):
            assert same(dict(one.weights), dict(other.weights))
    spoilt = {i: 2 * speed for i, speed in whole[3].momentum.items()}
    other = course(replace(whole[3], momentum=spoilt))[-1]
    assert not same(dict(other.weights), dict(whole[-1].weights))
    with pytest.raises(InputError, match="does not fit this network"):
        course(replace(whole[1], weights={}))


TRAIN = "train --dataset digits --model MLP ConvNetD1W16 --num 2 --epochs 4 --save-epochs 1"


def weights_in(folder: Path) -> dict[str, bytes]:
    found = {}
    for path in folder.rglob("model_*_epoch_*"):
        member = store.load_member(path)
        facts = {**member.facts, "seconds": None}
        held = {name: value.tolist() for name, value in member.network.state_dict().items()}
        found[str(path.relative_to(folder))] = (facts, held)
    return found


def after_epoch(monkeypatch: pytest.MonkeyPatch, act: Callable[[str, int, int], None]) -> None:
    from datastill.runs.making import training as module

    finite = module._finite

    def watched(loss: float, epoch: int, series: module.Series, number: int) -> float:
        act(series.name, number, epoch)
        return finite(loss, epoch, series, number)

    monkeypatch.setattr(module, "_finite", watched)


def test_training_goes_on_with_the_model_and_the_epoch_that_it_was_at(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(f"{TRAIN} --save-path whole").code == 0
    moments = [("MLP", 0, 2), ("MLP", 1, 1), ("MLP", 1, 4), ("ConvNetD1W16", 0, 3)]
    for moment in moments:
        with monkeypatch.context() as patch:
            after_epoch(
                patch,
                lambda *now, moment=moment: (
                    os.kill(os.getpid(), signal.SIGTERM) if now == moment else None
                ),
            )
            said = run(f"{TRAIN} --save-path cut --resume")
        assert said.code == 143, moment
    refused = run(f"{TRAIN} --save-path cut")
    assert refused.code == 2
    assert "of a run that is not finished; pass --resume" in refused.err
    assert "was begun with --num 2, not 3" in run(f"{TRAIN} --save-path cut --resume --num 3").err
    said = run(f"{TRAIN} --save-path cut --resume")
    assert said.code == 0, said.err
    assert "ConvNetD1W16 0: going on after epoch 3" in said.out
    assert weights_in(tmp_path / "whole") == weights_in(tmp_path / "cut")
    assert files(tmp_path / "whole") == files(tmp_path / "cut")
    accounts = list((tmp_path / "whole").rglob("model_*_dynamics.safetensors"))
    assert len(accounts) == 4
    for path in (*(tmp_path / "whole").rglob("log.jsonl"), *accounts):
        other = tmp_path / "cut" / path.relative_to(tmp_path / "whole")
        assert path.read_bytes() == other.read_bytes()
    again = run(f"{TRAIN} --save-path cut --resume")
    assert again.code == 0
    assert weights_in(tmp_path / "whole") == weights_in(tmp_path / "cut")


def test_a_loss_that_is_not_finite_stops_training(run: Run, tmp_path: Path) -> None:
    said = run("train --dataset digits --model MLP --num 1 --epochs 3 --lr-net 1e30")
    assert said.code == 2
    assert "the loss of MLP 0 is not a finite number after epoch 1" in said.err
    assert "take a smaller --lr-net than 1e+30" in said.err
    assert not list(tmp_path.rglob("*.safetensors"))


# Validation.


def stop_after(monkeypatch: pytest.MonkeyPatch, trials: int) -> None:
    """Let ``datastill validate`` stop when so many networks are told of; the last is kept too."""
    log, told = Journal.log, []

    def logging(self: Journal, event: str, **given: Any) -> None:
        log(self, event, **given)
        told.append(event)
        if told.count("trial") == trials:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Journal, "log", logging)


def test_networks_that_were_tested_count_when_validation_goes_on(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("whole", "cut"):
        assert run(f"{LINES['DM']} --save-path {name}").code == 0
    line = "--model MLP ConvNetD1W16 --num-eval 2 --epochs 3 --against random --save-model"
    whole, cut = (f"validate {name}/digits/DM/IPC1 {line}" for name in ("whole", "cut"))
    assert run(whole).code == 0
    for trials in (2, 4):
        with monkeypatch.context() as patch:
            stop_after(patch, trials)
            assert run(f"{cut} --resume").code == 143
    refused = run(cut)
    assert refused.code == 2
    assert "holds a validation that is not finished; pass --resume" in refused.err
    assert "was begun with --num-eval 2, not 3" in run(f"{cut} --resume --num-eval 3").err
    said = run(f"{cut} --resume")
    assert said.code == 0, said.err
    assert "going on after 6 of 8 networks" in said.out
    for _ in range(2):
        found = [datastill.load(tmp_path / n / "digits" / "DM" / "IPC1") for n in ("whole", "cut")]
        reports = [one.facts["validated"] for one in found]
        values = [[row["accuracies"] for row in one["results"]] for (one,) in reports]
        assert values[0] == values[1]
        again = run(f"{cut} --resume")
        assert "is finished" in again.out
    log = (tmp_path / "cut" / "digits" / "DM" / "IPC1" / "log.jsonl").read_text()
    assert log.count('"trial"') == 8
    assert files(tmp_path / "whole") == files(tmp_path / "cut")


def test_networks_are_added_to_a_finished_validation(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("whole", "more"):
        assert run(f"{LINES['DM']} --save-path {name}").code == 0
    line = "--model MLP ConvNetD1W16 --epochs 3 --against random --save-model --resume"
    whole, more = (f"validate {name}/digits/DM/IPC1 {line}" for name in ("whole", "more"))
    assert run(f"{whole} --num-eval 4").code == 0
    for count in (1, 2):
        assert run(f"{more} --num-eval {count}").code == 0
    with monkeypatch.context() as patch:
        stop_after(patch, 3)
        said = run(f"{more} --num-eval 4")
        assert said.code == 143
        assert "going on after 8 of 16 networks" in said.out
    said = run(f"{more} --num-eval 4")
    assert said.code == 0, said.err
    assert "going on after 11 of 16 networks" in said.out
    found = [datastill.load(tmp_path / n / "digits" / "DM" / "IPC1") for n in ("whole", "more")]
    (one,), (other,) = (data.facts["validated"] for data in found)
    assert [row["accuracies"] for row in one["results"]] == [
        row["accuracies"] for row in other["results"]
    ]
    assert [(row["source"], row["model"]) for row in one["results"]] == [
        (row["source"], row["model"]) for row in other["results"]
    ]
    log = (tmp_path / "more" / "digits" / "DM" / "IPC1" / "log.jsonl").read_text()
    assert log.count('"trial"') == 16
    assert files(tmp_path / "whole") == files(tmp_path / "more")
    assert "is finished" in run(f"{more} --num-eval 4").out
    first = run(f"{more} --num-eval 2")
    assert "is finished" in first.out
    assert "(n=2)" in first.out
    assert "going on" not in run(f"{more} --num-eval 5 --seed 1").out


def stop_in_the_middle(monkeypatch: pytest.MonkeyPatch, kind: Any, *, after: int) -> None:
    """Send a signal when the watch of a network or of a set has seen so many epochs or updates."""
    seen, count = kind.seen, list[int]()

    def seeing(self: Any, *given: Any) -> None:
        count.append(1)
        if len(count) == after:
            os.kill(os.getpid(), signal.SIGTERM)
        seen(self, *given)

    monkeypatch.setattr(kind, "seen", seeing)


def taken_up(monkeypatch: pytest.MonkeyPatch, home: ModuleType, name: str) -> list[int]:
    """Note for each fit or distillation how far it had come when it was begun."""
    function, found = getattr(home, name), list[int]()

    def beginning(*given: Any, state: Any = None, **options: Any) -> Any:
        found.append(0 if state is None else getattr(state, "epoch", getattr(state, "step", 0)))
        return function(*given, state=state, **options)

    monkeypatch.setattr(home, name, beginning)
    return found


def test_a_network_in_the_middle_of_its_fit_is_taken_up(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("whole", "cut"):
        assert run(f"{LINES['DM']} --save-path {name}").code == 0
    line = "--model MLP --num-eval 2 --epochs 5 --against random"
    whole, cut = (f"validate {name}/digits/DM/IPC1 {line}" for name in ("whole", "cut"))
    assert run(whole).code == 0
    with monkeypatch.context() as patch:
        stop_in_the_middle(patch, Fits, after=8)  # six epochs of the first, two of the second
        assert run(cut).code == 143
    with monkeypatch.context() as patch:
        begun = taken_up(patch, validation, "epochs")
        said = run(f"{cut} --resume")
    assert said.code == 0, said.err
    assert "going on after 1 of 4 networks" in said.out
    assert begun == [2, 0, 0]
    found = [datastill.load(tmp_path / n / "digits" / "DM" / "IPC1") for n in ("whole", "cut")]
    values = [[row["accuracies"] for row in one.facts["validated"][0]["results"]] for one in found]
    assert values[0] == values[1]
    assert files(tmp_path / "whole") == files(tmp_path / "cut")


def test_a_study_takes_up_a_set_and_a_network_in_the_middle(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = (
        "study --dataset digits --model MLP --population random DM:3 DC:6:1 --ipc 1 --seeds 1 "
        "--batch-real 8 --inner-loop 1 --num-eval 1 --epochs 3 --models-pool MLP --model-num 1 "
        "--pool-epochs 1 --assessments om-accuracy --save-path"
    )
    assert run(f"{line} whole").code == 0
    with monkeypatch.context() as patch:
        stop_in_the_middle(patch, Descents, after=3 + 4)
        assert run(f"{line} cut").code == 143
    with monkeypatch.context() as patch:
        begun = taken_up(patch, workshop, "distill")
        stop_in_the_middle(patch, Fits, after=4 + 2)
        assert run(f"{line} cut").code == 143
    assert begun == [4]
    with monkeypatch.context() as patch:
        begun = taken_up(patch, validation, "epochs")
        said = run(f"{line} cut")
    assert said.code == 0, said.err
    assert begun == [2, 0]
    for name in ("random", "DM-3", "DC-6-clom1"):
        one, other = (
            tmp_path / n / "digits" / "sets" / f"{name}-ipc1-seed0" for n in ("whole", "cut")
        )
        assert torch.equal(datastill.load(one).images, datastill.load(other).images)
        records = [json.loads((path / "record.json").read_text()) for path in (one, other)]
        accuracies = [[trial["accuracy"] for trial in record["trials"]] for record in records]
        assert accuracies[0] == accuracies[1]
    assert files(tmp_path / "whole") == files(tmp_path / "cut")


def test_a_damaged_checkpoint_of_a_study_costs_the_set_under_way(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = (
        "study --dataset digits --model MLP --population random k-means DM:3 --ipc 1 --seeds 1 "
        "--batch-real 8 --num-eval 1 --epochs 1 --models-pool MLP --model-num 1 --pool-epochs 1 "
        "--assessments om-accuracy"
    )
    with monkeypatch.context() as patch:
        stop_in_the_middle(patch, Descents, after=2)
        assert run(line).code == 143
    kept = tmp_path / "studies" / "digits" / "study.checkpoint"
    kept.write_bytes(kept.read_bytes()[:-1])
    said = run(line)
    assert said.code == 0, said.err
    assert "study.checkpoint is damaged: its digest is not that of its content" in said.out
    assert not kept.exists()


def test_a_comparison_goes_on_in_the_middle_of_any_network(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for method in ("DM", "DC"):
        assert run(LINES[method]).code == 0
    line = "compare condensed/digits/DM/IPC1 condensed/digits/DC/IPC1 --model MLP --num-eval 2 "
    line += "--epochs 3 --against random --real-epochs 1 --dd-ranking --learning-rates 0.01 0.1 "
    assert run(f"{line} --out whole").code == 0
    # six and a real one in the table, twelve to choose rates, twelve in the end: of four epochs
    # each, but two of the real one
    table, tuning = 6 * 4 + 2, 12 * 4
    moments = {3: 0, table - 1: 6, table + 5: 8, table + tuning + 7: 20}
    before = 0
    for moment, networks in moments.items():
        with monkeypatch.context() as patch:
            stop_in_the_middle(patch, Fits, after=moment - before)
            said = run(f"{line} --out cut --resume")
        assert said.code == 143, said.err
        before = moment
        refused = run(f"{line} --out cut")
        assert refused.code == 2
        assert "not finished; pass --resume" in refused.err
        found = store.checkpoint_file(tmp_path / "cut", "compare").load()
        assert len(found[0].facts["trials"]) == networks
    assert (
        "was begun with --num-eval 2, not 3" in run(f"{line} --out cut --resume --num-eval 3").err
    )
    with monkeypatch.context() as patch:
        begun = taken_up(patch, validation, "epochs")
        said = run(f"{line} --out cut --resume")
    assert said.code == 0, said.err
    assert "training: 7 networks are done" in said.out
    assert "choosing learning rates: 12 networks are done" in said.out
    assert begun == [3] + [0] * 10
    tables = [json.loads((tmp_path / n / "comparison.json").read_text()) for n in ("whole", "cut")]
    for one in tables:
        for row in one["rows"]:
            del row["seconds"]
    assert tables[0] == tables[1]
    assert files(tmp_path / "whole") == files(tmp_path / "cut")
    again = run(f"{line} --out cut --resume")
    assert again.code == 0
    assert "is finished" in again.out
    other = run(f"{line} --out cut --resume --num-eval 3")
    assert "was begun with --num-eval 2, not 3" in other.err
    assert run(f"{line} --out cut --overwrite").code == 0


def test_an_unfinished_validation_can_be_forgotten(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(LINES["DM"]).code == 0
    line = "validate condensed/digits/DM/IPC1 --model MLP --num-eval 2 --epochs 2"
    with monkeypatch.context() as patch:
        stop_after(patch, 2)
        assert run(line).code == 143
    other = line.replace("--epochs 2", "--epochs 3")
    assert run(f"{other} --overwrite").code == 0
    (report,) = made(tmp_path / "condensed", "DM").facts["validated"]
    assert report["protocol"]["fit"]["epochs"] == 4
    assert not list(tmp_path.rglob("*.checkpoint*"))


def test_the_whole_job_goes_on_where_it_was(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = "all --dataset digits --model MLP --ipc 1 --iterations 4 --epochs 2 --num-eval 2 "
    line += "--alphas 3 --num 1 --original-epochs 2"
    cuts = {
        "train": lambda patch: after_epoch(patch, lambda *_: os.kill(os.getpid(), signal.SIGINT)),
        "distill": lambda patch: at_look(patch, stop_at(2, signal.SIGINT)),
        "validate": lambda patch: stop_after(patch, 2),
    }
    for cut in cuts.values():
        with monkeypatch.context() as patch:
            cut(patch)
            assert run(f"{line} --resume").code in (130, 143)
    said = run(f"{line} --resume")
    assert said.code == 0, said.err
    assert "going on after 2 of 4 networks" in said.out
    assert run(f"{line} --pool-path p --save-path s").code == 0
    one, other = made(tmp_path / "condensed", "DM"), made(tmp_path / "s", "DM")
    assert torch.equal(one.images, other.images)
    values = [d.facts["validated"][0]["results"][0]["accuracies"] for d in (one, other)]
    assert values[0] == values[1]


def test_a_state_that_a_killed_run_had_written_does_not_stay_beside_the_last(
    tmp_path: Path,
) -> None:
    first, last = Checkpoint({"seed": 1}, {}, {}), Checkpoint({"seed": 2}, {}, {})
    keep_state(first, tmp_path, SILENT)  # and killed before the set was written
    keep_state(last, tmp_path, SILENT)
    assert [path.name for path in tmp_path.iterdir()] == [STATE_FILE]
    found = state_file(tmp_path).load()
    assert found is not None
    assert found[0].asked == {"seed": 2}
