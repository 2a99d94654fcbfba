"""Requests to stop reach what is computed, whoever carries it out: here, or workers."""

import json
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from datastill import load, runs, save
from datastill.base.rng import Key
from datastill.datasets import load_split
from datastill.runs.assessment import assessing
from datastill.runs.executors.board import STOP, Asked, Board, Written
from datastill.training.coresets import CORESETS
from test_cli import Run, run
from test_sweeping import DISTILL
from test_units import COMPUTE, STUDY, TRAIN, VALIDATE, resample_little, same_models

__all__ = ["run"]

pytestmark = pytest.mark.usefixtures("sketched")

LONG = 400
"""Updates or epochs: more than pass before a request is heeded."""
AT = 3
"""Of these, when it is made."""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    resample_little(monkeypatch)
    Path("some.toml").write_text(replace(DISTILL, updates=LONG).to_toml())
    real = load_split("digits", "train")
    save(real.take(CORESETS["random"](real, [1] * 10, key=Key(1))), "random.safetensors")
    return tmp_path


def asking(monkeypatch: pytest.MonkeyPatch, ask: Any, *, seen: bool, after: int = AT) -> list[str]:
    """Have a request made in the middle of a piece, and return how far that says that it is.

    Args:
        ask: makes it.
        seen: whether the piece waits until it is on the board, as it is for workers.
        after: how often the piece says how far it is before that.
    """
    said: list[str] = []

    def noted(self: Written, how_far: str) -> None:
        said.append(how_far)
        if len(said) <= after:
            return
        ask()
        for _ in range(500 if seen else 0):
            if (self.board.folder / STOP).exists():
                return
            time.sleep(0.01)

    monkeypatch.setattr(Written, "_write", noted)
    return said


def progress_in(folder: str) -> list[int]:
    """Return how far runs were that were cut off in a folder."""
    lines = (path.read_bytes().splitlines()[1] for path in Path(folder).rglob("*.checkpoint"))
    facts = [json.loads(line)["facts"] for line in lines]
    return [one.get("step", one.get("epoch")) for one in facts]


def test_a_sweep_here_stops_after_the_update_that_is_under_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spec = replace(DISTILL, updates=6)
    specs = {"a": spec, "b": replace(spec, compute=replace(spec.compute, seed=1))}
    stop = runs.StopRequest()
    with monkeypatch.context() as watched:
        asking(watched, stop.request, seen=False)
        with pytest.raises(runs.Stopped):
            runs.sweep(specs, "cut", stop=stop)
    assert progress_in("cut") == [AT]
    assert not Path("cut/b").exists()
    assert {*runs.sweep(specs, "cut").rows} == {"a", "b"}
    for name, one in specs.items():
        assert torch.equal(load(f"cut/{name}").images, runs.run(one).set.images)


def test_a_signal_to_a_sweep_here_is_heeded_at_once(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[int] = []

    def once() -> None:
        if not sent:
            sent.append(1)
            signal.raise_signal(signal.SIGINT)

    asking(monkeypatch, once, seen=False)
    said = run("sweep some.toml --over seed=0,1 --quiet")
    assert said.code == 130
    assert "stopping after this update, which is kept; once more stops at once" in said.err
    assert "the same command goes on from there" in said.err
    assert progress_in("sweep") == [AT]


def test_a_second_signal_ends_a_sweep_here(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asking(monkeypatch, lambda: signal.raise_signal(signal.SIGINT), seen=False)

    def never(self: Asked) -> None:
        """Do as a run that takes long to come to where it can be taken up."""

    monkeypatch.setattr(Asked, "raise_if_requested", never)
    monkeypatch.setattr(Asked, "requested", property(lambda self: False))
    said = run("sweep some.toml --over seed=0,1 --quiet")
    assert said.code == 130
    assert not Path("sweep/seed=0/synthetic.safetensors").exists()
    assert not Path("sweep/seed=1").exists()


def test_a_signal_where_nothing_is_kept_ends_a_sweep_here(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored: list[str] = []

    def ends(spec: runs.AssessSpec, *_: Any, **__: Any) -> None:
        scored.append(spec.set)
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(assessing, "scored", ends)
    Path("some.toml").write_text(runs.AssessSpec(set="random.safetensors").to_toml())
    said = run("sweep some.toml --over draws=1,2 --quiet")
    assert said.code == 143
    assert len(scored) == 1
    assert said.err.splitlines()[-1] == "stopped by SIGTERM; the same command goes on from there"


def test_workers_stop_after_the_epoch_that_is_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = replace(TRAIN, models=("MLP",), num=1, epochs=5, save_epochs=())
    stop = runs.StopRequest()
    with monkeypatch.context() as watched:
        asking(watched, stop.request, seen=True)
        with ThreadPoolExecutor(1) as threads, pytest.raises(runs.Stopped):
            runs.train(spec, "cut", stop=stop, executor=threads)
    assert max(progress_in("cut")) == AT
    found = runs.train(spec, "cut", keeping=runs.Keeping(resume=True))
    assert same_models(found.pool, runs.train(spec, "whole").pool)


LONG_RUNS = {
    "train": replace(TRAIN, models=("MLP",), num=1, epochs=LONG, save_epochs=()),
    "validate": replace(VALIDATE, models=("MLP",), trials=1, epochs=LONG, against=()),
    "compare": runs.CompareSpec(
        sets=("random.safetensors",),
        compute=COMPUTE,
        epochs=LONG,
        models=("MLP",),
        trials=1,
        against=("random",),
        real_epochs=LONG,
    ),
    "study": replace(STUDY, population=(f"DM:{LONG}",), seeds=3),
}
SWEPT = {**LONG_RUNS, "study": replace(STUDY, population=("DM:2",), seeds=AT)}
"""A study that is a run of a sweep says how many sets it has, not how far one is."""


@pytest.mark.parametrize("kind", SWEPT)
@pytest.mark.parametrize("away", [False, True])
def test_every_kind_of_run_stops_in_the_middle(
    kind: str, away: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop, spec = runs.StopRequest(), SWEPT[kind]
    said = asking(monkeypatch, stop.request, seen=away)
    with ThreadPoolExecutor(1) if away else nullcontext() as executor, pytest.raises(runs.Stopped):
        runs.sweep({"a": spec}, "cut", stop=stop, executor=executor)
    assert len(said) == AT + 1


@pytest.mark.parametrize("kind", LONG_RUNS)
def test_every_piece_of_a_run_stops_in_the_middle(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop, spec = runs.StopRequest(), LONG_RUNS[kind]
    said = asking(monkeypatch, stop.request, seen=True, after=0)
    with ThreadPoolExecutor(1) as threads, pytest.raises(runs.Stopped):
        runs.run(spec, "cut", stop=stop, executor=threads)
    assert len(said) <= 2  # as it begins, and after an epoch
    assert not list(Path("cut").rglob("done.json"))


def test_a_board_says_that_a_stop_is_asked_for(tmp_path: Path) -> None:
    board = Board(tmp_path)
    stop = Asked(board)
    assert not stop.requested
    stop.raise_if_requested()
    board.stop()
    assert stop.requested
    with pytest.raises(runs.Stopped):
        stop.raise_if_requested()


def test_workers_leave_signals_to_whoever_sent_them_pieces() -> None:
    with runs.Processes(1) as workers:
        worker, server = (workers.submit(get).result() for get in (os.getpid, os.getppid))
        assert server != os.getpid()
        for number in (signal.SIGTERM, signal.SIGINT):
            os.kill(server, number)  # as a system that ends a job does to every process
            os.kill(worker, number)
        assert workers.submit(os.getpid).result() == worker
    with runs.Processes(1) as workers:
        assert workers.submit(os.getppid).result() == server
