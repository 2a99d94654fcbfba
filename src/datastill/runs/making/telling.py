"""What is said of a distillation, and what is written of it when it ends."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from datastill.base.wording import counted
from datastill.data import ImageSet
from datastill.distillation.loop import Snapshot
from datastill.evaluation.selection import Choice, Selector
from datastill.report.preview import write_preview
from datastill.runs.conduct.observer import Observer
from datastill.runs.costs.forecast import Plan
from datastill.runs.costs.reached import expectation
from datastill.runs.inputs.reading import describe, tell_mirror
from datastill.runs.making.course import Course, Diverged
from datastill.runs.making.preparing import Work
from datastill.runs.specs.quota import in_words
from datastill.store import GOOD_FILE, SET_FILE, load, save


def announce(work: Work, observer: Observer) -> None:
    """Say what was read, and what is about to be done."""
    real, alphas = work.task.real, (work.settings["clom"] or {}).get("alphas", ())
    describe(real, observer)
    for caveat in work.settings.get("caveats") or ():
        observer.message(caveat)
    if work.settings["dsa_strategy"] != "none":
        tell_mirror(real, observer)
    made = sum(work.counts)
    if made >= len(real):
        observer.message(
            f"{counted(made, 'synthetic image')} are no fewer than the {len(real)} real ones that "
            "they stand for: nothing is saved; `ipc` takes fewer"
        )
    parts = work.descent.parametrisation.parts
    tiles = f" of {parts} smaller ones each," if parts > 1 else ""
    observer.message(
        f"{work.method} on {work.dataset}: {in_words(work.counts)}{tiles} from "
        f"{len(real)} real ones, "
        f"{counted(work.descent.updates, 'update')}, "
        + (f"CLOM alpha {' '.join(map(str, alphas))}" if alphas else "no CLOM")
    )


def foresee(work: Work, plan: Plan, minutes: float, observer: Observer) -> None:
    """Say how long it should take, and what is known of such runs."""
    known = expectation(work.dataset, work.method, work.counts, plan.updates)
    observer.message(
        f"{counted(plan.updates, 'update')} and {counted(plan.networks, 'network')} "
        f"to judge them by should take {plan.seconds / 60:.1f} of {minutes:g} minutes; {known}"
    )


def keep(work: Work, course: Course, path: Path) -> ImageSet:
    """Write the set with its recipe, and a picture of it, into the folder of the run."""
    facts = {**work.settings, **course.kept.synthetic.facts}
    facts |= {"step": course.kept.step, "seconds": course.seconds}
    weight = course.kept.losses.get("clom-weight")
    if weight is not None:  # the one that was found
        facts["clom"] = {**work.settings["clom"], "weight": float(weight)}
    if work.selector is not None and course.choice is not None:
        facts["selected"] = why(work.selector, course.choice)
    made = replace(course.kept.synthetic, facts=facts)
    write_preview(made, path / "preview.png")
    save(made, path / SET_FILE)  # last: where it is, the run is finished
    return made


def told_again(path: Path) -> str:
    """Say what a run that is finished came to."""
    made = load(path)
    updates = made.facts.get("step")
    said = f"{counted(len(made), 'synthetic image')}"
    return f"{said} after {counted(updates, 'update')}" if isinstance(updates, int) else said


def keep_good(work: Work, diverged: Diverged, path: Path) -> str:
    """Write the last set of finite numbers, and say what happened and what to change."""
    said = f"{diverged}; take a smaller `lr` than {work.descent.lr:g}"
    if work.regularisers:
        said += " or smaller `alphas`"
    if diverged.good is None:
        return said
    made = diverged.good.synthetic
    facts = {**work.settings, **made.facts, "step": diverged.good.step, "stopped": str(diverged)}
    save(replace(made, facts=facts), path / GOOD_FILE)
    good = f"{path / GOOD_FILE} is after update {diverged.good.step}"
    return f"{said}, and pass `overwrite=True`; {good}"


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
