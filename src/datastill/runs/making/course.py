"""The course of a distillation: update by update, looked at, logged and kept."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from datastill.base.errors import InputError
from datastill.base.machine import lacks_memory
from datastill.base.wording import counted
from datastill.compute import measuring
from datastill.compute.route import Route
from datastill.distillation.loop import Snapshot, State, distill
from datastill.evaluation.assessments import Score
from datastill.evaluation.selection import Choice, Selector
from datastill.runs.conduct.keeping import Keeper
from datastill.runs.conduct.observer import Observer
from datastill.runs.conduct.stop import StopRequest
from datastill.runs.folders.underway import CHOSEN, state_of
from datastill.runs.making.preparing import Work
from datastill.store import Checkpoint, Journal, keep_frame, packed, rewind, steps_of, unpacked

LOG_EVERY = 10.0
"""Seconds between two lines of log.jsonl."""


@dataclass(frozen=True, eq=False)
class Course:
    """What came of the updates.

    Attributes:
        last: the last snapshot.
        choice: what was chosen among all.
        seconds: that they took.
        state: what more updates follow from.
    """

    last: Snapshot
    choice: Choice[Snapshot] | None
    seconds: float
    state: Checkpoint

    @property
    def kept(self) -> Snapshot:
        """The snapshot that was chosen, or the last."""
        return self.last if self.choice is None else self.choice.snapshot


@dataclass(frozen=True, eq=False)
class Progress:
    """How far a distillation was when it was cut off.

    Attributes:
        state: what the updates to come follow from.
        choice: among the snapshots so far.
        seconds: that it took so far.
        logged: bytes of its journal.
        route: how images passed the networks.
        found: what was found fastest for other networks, such as CLOM's, by address.
    """

    state: State
    choice: Choice[Snapshot] | None
    seconds: float
    logged: int
    route: Route
    found: Mapping[str, measuring.Answer]


class Diverged(Exception):
    """Losses or pixels are no finite numbers any more."""

    def __init__(self, step: int, what: str, good: Snapshot | None) -> None:
        super().__init__(f"{what} is not a finite number after update {step}")
        self.good = good


def follow(
    work: Work,
    past: Progress | None,
    journal: Journal,
    observer: Observer,
    *,
    keeper: Keeper,
    stop: StopRequest,
) -> tuple[Work, Course]:
    """Go through the updates; with smaller chunks, from the last checkpoint on, if memory lacks.

    Args:
        work: what to do.
        past: where to go on; None for the start.
        journal: what happens is written to.
        observer: watches.
        keeper: writes checkpoints.
        stop: asks to stop.

    Returns:
        The work as it was done at last, and what came of it.

    Raises:
        Diverged: see there.
        MemoryError, RuntimeError: when memory does not suffice in the smallest chunks.
    """
    while True:
        rewind(journal.file, past.logged if past else 0)
        try:
            return work, _updates(work, past, journal, observer, keeper, stop)
        except (MemoryError, RuntimeError) as error:
            again = work.task.share is None and lacks_memory(error)  # else others are further
            smaller = work.with_smaller_chunks() if again else None
            if smaller is None:
                raise
        work, held = smaller, keeper.file.load()
        past = progress_of(held[0], work) if held else None
        done = past.state.step if past else 0
        observer.message(f"out of memory; going on after update {done} with smaller chunks")


def _updates(
    work: Work,
    past: Progress | None,
    journal: Journal,
    observer: Observer,
    keeper: Keeper,
    stop: StopRequest,
) -> Course:
    started, logged = time.perf_counter() - (past.seconds if past else 0), 0.0
    choice, begun = (past.choice, past.state) if past else (None, None)
    good, last, ended = None, None, None
    total, cheap = work.descent.updates, work.task.real.images.device.type == "cpu"

    def state(now: Snapshot, choice: Choice[Snapshot] | None) -> Checkpoint:
        return checkpoint_of(work, now, choice, time.perf_counter() - started, journal.length)

    label, heeded = f"distilling {work.dataset}", stop.heeded("after this update, which is kept")
    with observer.progress(label, total, begun.step if begun else 0) as steps, heeded:
        for last in _snapshots(work, begun, journal, observer):
            before = choice
            choice = look(work.selector, choice, last, total, journal)
            told = time.perf_counter() - logged >= LOG_EVERY or last.step == total
            if looked := cheap or told:  # a GPU is not waited for at every update
                good = sound(last, good)
            steps.at(last.step, tell(last, journal) if told else None)
            logged = time.perf_counter() if told else logged
            observer.snapshot(last)
            if (keeper.due or stop.requested) and last.step < total:  # who watches may ask for it
                good = good if looked else sound(last, good)
                keeper.keep(state(last, choice))
                stop.raise_if_requested()
            if last.step == total:
                # A look at the last set alone is one that a longer run would not have had.
                usual = work.selector is None or last.step % work.selector.every == 0
                ended = state(last, choice if usual else before)
    assert last is not None
    assert ended is not None
    course = Course(last, choice, round(time.perf_counter() - started, 1), ended)
    journal.log("done", step=course.kept.step, seconds=course.seconds)
    return course


def _snapshots(
    work: Work, begun: State | None, journal: Journal, observer: Observer
) -> Iterator[Snapshot]:
    # Whole sets: at pauses, where processes share the classes. Some are kept as pictures.
    updates, left_out, share = 0, None, work.task.share
    pictured, total = steps_of(work.descent.updates), work.descent.updates
    for now in distill(
        *(work.published.method, work.task, work.descent),
        regularisers=work.regularisers,
        features=work.features,
        state=begun,
    ):
        updates += 1
        if (skipped := now.losses.get("skipped")) is not None:  # summed where it is
            left_out = skipped if left_out is None else left_out + skipped
        if share is not None and not share.pauses(now.step, total):
            continue
        if now.step in pictured:
            keep_frame(journal.path, now.step, now.synthetic)
        yield now
        if share is not None and now.step < total:
            share.exchange.go_on()
    if left_out is not None and (number := int(left_out)):
        observer.message(idle(number, updates))


def sound(now: Snapshot, good: Snapshot | None) -> Snapshot:
    """Return a snapshot if all of its numbers are finite.

    Raises:
        Diverged: with the last ``good`` one.
    """
    for name, loss in now.losses.items():
        if not math.isfinite(float(loss)):
            raise Diverged(now.step, f"the loss {name!r}", good)
    if not bool(torch.isfinite(now.synthetic.images).all()):
        raise Diverged(now.step, "a pixel", good)
    if not bool(torch.isfinite(now.synthetic.shares).all()):
        raise Diverged(now.step, "a label", good)
    if not math.isfinite(now.synthetic.facts.get("learning_rate", 0.0)):
        raise Diverged(now.step, "the learning rate", good)
    return now


def idle(skipped: int, updates: int) -> str:
    """Say how many of the updates that were made now were left out.

    >>> idle(2, 8)
    '2 of 8 updates were left out, for their loss was above what the method bears'
    """
    said = f"{skipped} of {counted(updates, 'update')} were left out, for their loss was above what"
    if skipped < updates:
        return f"{said} the method bears"
    return f"{said} the method bears: nothing was learned; see its settings, such as threshold"


def tell(now: Snapshot, journal: Journal) -> str:
    """Write the losses down, and return them in words."""
    losses: dict[str, Any] = {name: round(float(loss), 6) for name, loss in now.losses.items()}
    journal.log("update", step=now.step, **losses)
    return ", ".join(f"{name} {value:.4g}" for name, value in losses.items())


def look(
    selector: Selector | None,
    choice: Choice[Snapshot] | None,
    now: Snapshot,
    total: int,
    journal: Journal,
) -> Choice[Snapshot] | None:
    """Return the choice after one more snapshot, of ``total``; None where nothing is chosen."""
    if selector is None or not selector.looks(now.step, total):
        return choice
    choice = selector.after(choice, now)
    said: dict[str, Any] = {selector.name: choice.scores[now.step].value}
    journal.log("assessed", step=now.step, **said)
    return choice


def checkpoint_of(
    work: Work, now: Snapshot, choice: Choice[Snapshot] | None, seconds: float, logged: int
) -> Checkpoint:
    """Return all that the run can go on from after a snapshot."""
    assert now.state is not None
    state = now.state()
    tensors = state.tensors()
    chosen: dict[str, Any] = {}
    if choice is not None:
        found, chosen = packed(choice.snapshot.synthetic)
        tensors |= {f"{CHOSEN}{name}": value for name, value in found.items()}
    facts = {
        "step": state.step,
        "seconds": round(seconds, 1),
        "logged": logged,
        "route": asdict(work.task.route),
        "fastest": {address: asdict(found) for address, found in measuring.chosen().items()},
        "chosen": choice and choice.snapshot.step,
        "chosen_set": chosen or None,
        "scores": [[step, asdict(s)] for step, s in (choice.scores if choice else {}).items()],
    }
    return Checkpoint(work.asked, facts, tensors)


def progress_of(checkpoint: Checkpoint, work: Work) -> Progress:
    """Return what ``checkpoint_of`` made a checkpoint of.

    Raises:
        InputError: when it is no such checkpoint.
    """
    facts, state = checkpoint.facts, state_of(checkpoint)
    try:
        choice, route = _choice(checkpoint, work), Route(**facts["route"])
        seconds, logged = float(facts["seconds"]), int(facts["logged"])
        found = {at: measuring.Answer(**kept) for at, kept in facts["fastest"].items()}
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise InputError(f"the checkpoint is none of a distillation: {error!r}") from None
    if not 0 < state.step < work.descent.updates:
        raise InputError(f"the checkpoint is after {state.step} of {work.descent.updates} updates")
    return Progress(state, choice, seconds, logged, route, found)


def _choice(checkpoint: Checkpoint, work: Work) -> Choice[Snapshot] | None:
    facts = checkpoint.facts
    if facts["chosen"] is None:
        return None
    tensors = {
        name.removeprefix(CHOSEN): value
        for name, value in checkpoint.tensors.items()
        if name.startswith(CHOSEN)
    }
    chosen = unpacked(tensors, facts["chosen_set"], Path("the checkpoint"))
    made = chosen.to(work.task.real.images.device)
    scores = {int(step): Score(**score) for step, score in facts["scores"]}
    return Choice(Snapshot(int(facts["chosen"]), made, {}), scores)
