"""Networks trained on sets and tested, each kept when it is done, so that a run can go on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from datastill.base.errors import InputError
from datastill.compute.route import Route
from datastill.evaluation.alike import tell_of_alike
from datastill.evaluation.plan import EvaluationPlan, trial_of
from datastill.evaluation.validation import Trial, Watch
from datastill.runs.conduct.given import Conduct
from datastill.runs.conduct.observer import Steps
from datastill.runs.conduct.stop import StopRequest
from datastill.runs.folders.underway import Fits, Make, Underway
from datastill.store import Checkpoint, CheckpointFile
from datastill.training.fit import Epoch, Fitting

WHEN = "after this epoch, which is kept"
"""When a run of trials heeds a request to stop."""


def unwritten() -> int:
    """Return the length of no journal."""
    return 0


@dataclass(eq=False)
class TrialRunner:
    """Trains and tests networks, one evaluation plan after another, and keeps every trial.

    Attributes:
        asked: all that the results follow from.
        file: of checkpoints; None where nothing is kept.
        conduct: says how often there is one, and asks to stop.
        routes: of images through networks, by architecture: as they were when the run was cut off.
        found: trials that are done, those of the run that was cut off first.
        logged: bytes of the journal when it was cut off.
        held: what was kept then.
        past: trials that are of plans gone through before.
        known: trials that were carried out elsewhere, by set, architecture and number.
    """

    asked: Mapping[str, Any]
    file: CheckpointFile | None
    conduct: Conduct
    routes: Mapping[str, Route]
    found: list[Trial]
    logged: int = 0
    held: Checkpoint | None = None
    past: int = 0
    known: Mapping[tuple[str, str, int], Trial] = field(
        default_factory=dict[tuple[str, str, int], Trial]
    )

    def check(self, plans: Sequence[EvaluationPlan]) -> int:
        """Return how many of the trials that plans are made of are done.

        Args:
            plans: those that follow what ``run`` went through before.

        Raises:
            InputError: when trials that were kept are others.
        """
        places = [place for one in plans for place in one.places]
        kept = [(one.source, one.model, one.number) for one in self.found[self.past :]]
        done = min(len(kept), len(places))
        # Of each set and architecture the first are done, but not of all as many.
        counts = Counter(place[:2] for place in kept[:done])
        first = [place for place in places if place[2] < counts[place[:2]]]
        if sorted(kept[:done]) != sorted(first):
            raise _of_another(self.file)
        return done

    def run(
        self,
        plans: Sequence[EvaluationPlan],
        journal: Callable[[], int] = unwritten,
        *,
        steps: Steps,
    ) -> Iterator[Trial]:
        """Train and test what is not done, keep each trial, and stop if that is asked for.

        Args:
            plans: all of them, done or not.
            journal: tells its length; a trial is written down before it is kept.
            steps: sees the epochs of a network; who takes the trials tells it what is done.

        Raises:
            InputError: see ``check``.
        """
        self.check(plans)
        before, self.past = self.past, self.past + sum(one.total for one in plans)

        def made(facts: Mapping[str, Any], tensors: Mapping[str, Any]) -> Checkpoint:
            return checkpoint_of(self.asked, self.found, self.routes, journal(), (facts, tensors))

        watched, pending = self._watched(made), 0
        for one in plans:

            def told(epoch: int, epochs: int = one.protocol.fit.epochs) -> None:
                steps.within(len(self.found) - before, epoch, epochs)

            for trial in one.remaining(tuple(self.found), watched(told), self.known):
                self.found.append(replace(trial, network=None))
                yield trial
                pending += 1
                if pending == trial.together:  # what was trained at once is kept at once
                    if self.file is not None:
                        self.file.save(made({}, {}))
                    pending = 0
                    self.conduct.stop.raise_if_requested()
        networks = [(trial.source, trial) for trial in self.found[before:]]
        tell_of_alike(networks, self.conduct.observer.message)

    def _watched(self, made: Make) -> Callable[[Callable[[int], None]], Watch]:
        stop = self.conduct.stop
        if self.file is None:
            return lambda told: Unkept(stop, told)
        underway = Underway(self.held, self.conduct.keeping.keeper(self.file), stop, made)
        return lambda told: Fits(underway, told)


@dataclass(frozen=True, eq=False)
class Unkept:
    """Watches networks of which nothing is kept. See ``validation.Watch``.

    Attributes:
        stop: asks to, which is heeded after every epoch.
        told: of the number of every epoch.
    """

    stop: StopRequest
    told: Callable[[int], None]

    def begun(self, place: str) -> Fitting | None:
        """Return nothing: every network begins at the start."""
        del place

    def seen(self, place: str, epoch: Epoch) -> None:
        """Stop after an epoch, if that was asked for."""
        del place
        self.told(epoch.number)
        self.stop.raise_if_requested()


def start(
    file: CheckpointFile | None,
    asked: Mapping[str, Any],
    routes: Mapping[str, Route],
    conduct: Conduct,
    *,
    shorter: Sequence[Trial] | None = None,
) -> TrialRunner:
    """Return what is to be gone on with, or begun.

    Args:
        file: of checkpoints; None where nothing is kept.
        asked: all that the results follow from.
        routes: by architecture, for a run that begins.
        conduct: whether to go on, or to forget what there is; its observer is told what is damaged.
        shorter: the trials of a finished validation of fewer networks, the first of these.

    Raises:
        InputError: when there is a run that was cut off, and nothing was said of it; or it was
            asked for otherwise.
    """
    begun = TrialRunner(asked, file, conduct, routes, list(shorter or ()))
    if file is None:
        return begun
    if conduct.keeping.overwrite:
        file.remove()
    held = conduct.past(file, asked)
    if held is None:
        if file.exists:
            raise _unfinished(file)
        return begun
    found, then, logged = trials_of(held)
    if set(then) != set(routes):
        raise _of_another(file)
    its = {name: then[name] for name in routes}
    return TrialRunner(asked, file, conduct, its, found, logged, held)


def checkpoint_of(
    asked: Mapping[str, Any],
    trials: Sequence[Trial],
    routes: Mapping[str, Route],
    logged: int,
    underway: tuple[Mapping[str, Any], Mapping[str, Any]] = ({}, {}),
) -> Checkpoint:
    """Return the trials that are done; their networks are not kept.

    Args:
        asked: all that the results follow from.
        trials: that are done.
        routes: by which.
        logged: bytes of the journal.
        underway: facts and tensors of the network that is trained.
    """
    facts = {
        **underway[0],
        "trials": [{name: getattr(trial, name) for name in _told(trial)} for trial in trials],
        "routes": {name: asdict(route) for name, route in routes.items()},
        "logged": logged,
    }
    return Checkpoint(asked, facts, underway[1])


def trials_of(checkpoint: Checkpoint) -> tuple[list[Trial], dict[str, Route], int]:
    """Return what ``checkpoint_of`` made a checkpoint of.

    Raises:
        InputError: when it is no such checkpoint.
    """
    facts = checkpoint.facts
    try:
        trials = [trial_of(row) for row in facts["trials"]]
        routes = {name: Route(**route) for name, route in facts["routes"].items()}
        return trials, routes, int(facts["logged"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"the checkpoint is none of a validation: {error!r}") from None


def _told(trial: Trial) -> list[str]:
    return [one.name for one in fields(trial) if one.name != "network"]


def _unfinished(file: CheckpointFile) -> InputError:
    return InputError(
        f"{file.path.parent} holds a validation that is not finished; pass `resume=True` to go on "
        "with it, or `overwrite=True` to forget it"
    )


def _of_another(file: CheckpointFile | None) -> InputError:
    folder = Path() if file is None else file.path.parent
    return InputError(f"the checkpoint in {folder} is of another validation")
