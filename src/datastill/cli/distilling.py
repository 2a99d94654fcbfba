"""A distillation that is ready to begin: what is said of it, its course, and what is kept."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datastill.cli.console import Console
from datastill.cli.data import describe
from datastill.cli.quota import in_words

if TYPE_CHECKING:
    from torch import Tensor

    from datastill.artifacts import Journal
    from datastill.clom import Regulariser
    from datastill.data import ImageSet
    from datastill.distillation import Descent, Snapshot
    from datastill.forecast import Plan
    from datastill.methods import Published, Task
    from datastill.selection import Choice, Selector

LOG_EVERY = 10.0
"""Seconds between two lines of log.jsonl."""


@dataclass(frozen=True, eq=False)
class Work:
    """A distillation that is ready to begin.

    Attributes:
        method: its name.
        label: how many images, as part of a folder's name.
        counts: synthetic images of each class.
        published: the method, and how its sets are validated.
        task: what it works on.
        descent: how.
        regularisers: what else is computed in an update, by name.
        selector: what chooses a snapshot; None keeps the last.
        features: of the real images, where a coreset to start from picks; None for pixels.
        plan: what fits a budget of time, if there is one.
        settings: all that the result follows from.
    """

    method: str
    label: str
    counts: tuple[int, ...]
    published: Published
    task: Task
    descent: Descent
    regularisers: Mapping[str, Regulariser]
    selector: Selector | None
    features: Tensor | None
    plan: Plan | None
    settings: Mapping[str, Any]

    @property
    def dataset(self) -> str:
        """The name of the real images."""
        return self.task.real.domain.name


@dataclass(frozen=True, eq=False)
class Course:
    """What came of the updates: the last snapshot, what was chosen among all, and the time."""

    last: Snapshot
    choice: Choice | None
    seconds: float

    @property
    def kept(self) -> Snapshot:
        """The snapshot that was chosen, or the last."""
        return self.last if self.choice is None else self.choice.snapshot


def announce(work: Work, console: Console) -> None:
    """Say what was read, and what is about to be done."""
    real, alphas = work.task.real, (work.settings["clom"] or {}).get("alphas", ())
    describe(real, console)
    console.say(
        f"{work.method} on {work.dataset}: {in_words(work.counts)} from {len(real)} real ones, "
        f"{work.descent.updates} updates, "
        + (f"CLOM alpha {' '.join(map(str, alphas))}" if alphas else "no CLOM")
    )


def foresee(work: Work, plan: Plan, minutes: float, console: Console) -> None:
    """Say how long it should take, and what is known of such runs."""
    from datastill.reached import expectation

    known = expectation(work.dataset, work.method, work.counts, plan.updates)
    console.say(
        f"{plan.updates} updates and {plan.networks} networks to judge them by should take "
        f"{plan.seconds / 60:.1f} of {minutes:g} minutes; {known}"
    )


def follow(work: Work, journal: Journal, console: Console) -> Course:
    """Go through the updates, look at the set where it is to be chosen, and log now and then."""
    from datastill.distillation import distill

    started = time.perf_counter()
    last, choice, logged, total = None, None, 0.0, work.descent.updates
    snapshots = distill(
        *(work.published.method, work.task, work.descent),
        regularisers=work.regularisers,
        features=work.features,
    )
    with console.bar(f"distilling {work.dataset}", total) as bar:
        for last in snapshots:
            choice = look(work.selector, choice, last, total, journal)
            if time.perf_counter() - logged < LOG_EVERY and last.step < total:
                bar.at(last.step)
                continue
            logged = time.perf_counter()
            losses: dict[str, Any] = {
                name: round(float(loss), 6) for name, loss in last.losses.items()
            }
            bar.at(last.step, ", ".join(f"{k} {v:.4g}" for k, v in losses.items()))
            journal.log("update", step=last.step, **losses)
    assert last is not None
    course = Course(last, choice, round(time.perf_counter() - started, 1))
    journal.log("done", step=course.kept.step, seconds=course.seconds)
    return course


def look(
    selector: Selector | None, choice: Choice | None, now: Snapshot, total: int, journal: Journal
) -> Choice | None:
    """Return the choice after one more snapshot, of ``total``; None where nothing is chosen."""
    if selector is None or not selector.looks(now.step, total):
        return choice
    choice = selector.after(choice, now)
    said: dict[str, Any] = {selector.name: choice.scores[now.step].value}
    journal.log("assessed", step=now.step, **said)
    return choice


def keep(work: Work, course: Course, path: Path) -> ImageSet:
    """Write the set with its recipe, and a picture of it, into the folder of the run."""
    from datastill.artifacts import SET_FILE, save
    from datastill.report.preview import write_preview

    facts = {**work.settings, "step": course.kept.step, "seconds": course.seconds}
    if work.selector is not None and course.choice is not None:
        facts["selected"] = why(work.selector, course.choice)
    made = replace(course.kept.synthetic, facts=facts)
    save(made, path / SET_FILE)
    write_preview(made, path / "preview.png")
    return made


def why(selector: Selector, choice: Choice) -> dict[str, Any]:
    """Return what the facts of a set say of its choice."""
    return {
        "by": selector.name,
        "better": choice.score.better,
        "every": selector.every,
        "scores": {str(step): score.value for step, score in choice.scores.items()},
    }


def explained(selector: Selector, choice: Choice) -> str:
    """Say which snapshot was kept, and why."""
    kept, (last, final) = choice.score, list(choice.scores.items())[-1]
    equal = sum(score.value == kept.value for score in choice.scores.values())
    return (
        f"kept the set after {choice.snapshot.step} of {last} updates: {selector.name} "
        f"{kept.value:.4g}, {kept.better} is better; {final.value:.4g} after the last"
        + (f"; the latest of {equal} equal ones" if equal > 1 else "")
    )
