"""A distillation that is ready to begin: what is said of it, and what is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datastill.base.wording import counted
from datastill.cli.console import Console
from datastill.cli.course import Course, Diverged
from datastill.runs.quota import in_words

if TYPE_CHECKING:
    from torch import Tensor

    from datastill.compute.route import Route
    from datastill.data import ImageSet
    from datastill.distillation.clom import Regulariser
    from datastill.distillation.descent import Descent
    from datastill.distillation.loop import Snapshot
    from datastill.distillation.methods import Published, Task
    from datastill.evaluation.selection import Choice, Selector
    from datastill.runs.forecast import Plan

CHUNK_LEAST = 4
"""Images that go through a network at once, below which no memory is sought."""

RUN_ALONE = ("recipe", "route", "data")
"""Settings that may differ between a run and the same run when it goes on."""


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

    @property
    def asked(self) -> dict[str, Any]:
        """The settings in which a run that goes on must equal what it was."""
        return {name: value for name, value in self.settings.items() if name not in RUN_ALONE}

    def by(self, route: Route) -> Work:
        """Return the same by another route."""
        from datastill.distillation.clom import tracking

        return replace(
            self,
            task=replace(self.task, route=route),
            regularisers={
                name: tracking(one, route.tracked) for name, one in self.regularisers.items()
            },
            settings={**self.settings, "route": route.facts()},
        )

    def with_smaller_chunks(self) -> Work | None:
        """Return the same in need of less memory at once, or None if there is no such way."""
        route, images = self.task.route, self.task.real.images
        chunk = replace(route, chunk=route.chunk or "auto").most(images) // 2
        tracked = (
            min(route.at_most(images.shape[1:]), max(sum(self.counts), self.descent.batch)) // 2
        )
        if route.vectorises(images):
            return self.by(replace(route, at_once=False, tracked=max(tracked, CHUNK_LEAST)))
        if max(chunk, tracked) < CHUNK_LEAST:
            return None
        chunk, tracked = max(chunk, CHUNK_LEAST), max(tracked, CHUNK_LEAST)
        return self.by(replace(route, chunk=chunk, tracked=tracked))


def announce(work: Work, console: Console) -> None:
    """Say what was read, and what is about to be done."""
    from datastill.runs.reading import describe, tell_mirror

    real, alphas = work.task.real, (work.settings["clom"] or {}).get("alphas", ())
    describe(real, console)
    for caveat in work.settings.get("caveats") or ():
        console.message(caveat)
    if work.settings["dsa_strategy"] != "none":
        tell_mirror(real, console)
    made = sum(work.counts)
    if made >= len(real):
        console.message(
            f"{counted(made, 'synthetic image')} are no fewer than the {len(real)} real ones that "
            "they stand for: nothing is saved; --ipc takes fewer"
        )
    parts = work.descent.parametrisation.parts
    tiles = f" of {parts} smaller ones each," if parts > 1 else ""
    console.message(
        f"{work.method} on {work.dataset}: {in_words(work.counts)}{tiles} from "
        f"{len(real)} real ones, "
        f"{counted(work.descent.updates, 'update')}, "
        + (f"CLOM alpha {' '.join(map(str, alphas))}" if alphas else "no CLOM")
    )


def foresee(work: Work, plan: Plan, minutes: float, console: Console) -> None:
    """Say how long it should take, and what is known of such runs."""
    from datastill.runs.reached import expectation

    known = expectation(work.dataset, work.method, work.counts, plan.updates)
    console.message(
        f"{counted(plan.updates, 'update')} and {counted(plan.networks, 'network')} "
        f"to judge them by should take {plan.seconds / 60:.1f} of {minutes:g} minutes; {known}"
    )


def keep(work: Work, course: Course, path: Path) -> ImageSet:
    """Write the set with its recipe, and a picture of it, into the folder of the run."""
    from datastill.report.preview import write_preview
    from datastill.store import SET_FILE, save

    facts = {**work.settings, **course.kept.synthetic.facts}
    facts |= {"step": course.kept.step, "seconds": course.seconds}
    if work.selector is not None and course.choice is not None:
        facts["selected"] = why(work.selector, course.choice)
    made = replace(course.kept.synthetic, facts=facts)
    write_preview(made, path / "preview.png")
    save(made, path / SET_FILE)  # last: where it is, the run is finished
    return made


def told_again(path: Path) -> str:
    """Say what a run that is finished came to."""
    from datastill.store import load

    made = load(path)
    updates = made.facts.get("step")
    said = f"{counted(len(made), 'synthetic image')}"
    return f"{said} after {counted(updates, 'update')}" if isinstance(updates, int) else said


def keep_good(work: Work, diverged: Diverged, path: Path) -> str:
    """Write the last set of finite numbers, and say what happened and what to change."""
    from datastill.store import GOOD_FILE, save

    said = f"{diverged}; take a smaller --lr-img than {work.descent.lr:g}"
    if work.regularisers:
        said += " or smaller --alphas"
    if diverged.good is None:
        return said
    made = diverged.good.synthetic
    facts = {**work.settings, **made.facts, "step": diverged.good.step, "stopped": str(diverged)}
    save(replace(made, facts=facts), path / GOOD_FILE)
    return f"{said}, and pass --overwrite; {path / GOOD_FILE} is after update {diverged.good.step}"


def why(selector: Selector, choice: Choice[Snapshot]) -> dict[str, Any]:
    """Return what the facts of a set say of its choice."""
    return {
        "by": selector.name,
        "better": choice.score.better,
        "every": selector.every,
        "scores": {str(step): score.value for step, score in choice.scores.items()},
    }


def explained(selector: Selector, choice: Choice[Snapshot]) -> str:
    """Say which snapshot was kept, and why."""
    kept, (last, final) = choice.score, list(choice.scores.items())[-1]
    equal = sum(score.value == kept.value for score in choice.scores.values())
    return (
        f"kept the set after {choice.snapshot.step} of {counted(last, 'update')}: {selector.name} "
        f"{kept.value:.4g}, {kept.better} is better; {final.value:.4g} after the last"
        + (f"; the latest of {equal} equal ones" if equal > 1 else "")
    )
