"""Networks trained on sets and tested, each kept when it is done, so that a run can go on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from datastill.base.errors import InputError
from datastill.runs.keeping import Keeping, require_same_run

if TYPE_CHECKING:
    from datastill.cli.console import Bar, Console
    from datastill.compute.route import Route
    from datastill.evaluation.validation import Bouts, Trial
    from datastill.runs.stop import StopRequest
    from datastill.store import Checkpoint, CheckpointFile


COUNT = "num_eval"
"""What says how many networks a validation has of each architecture on each set."""


@dataclass(eq=False)
class Programme:
    """Bouts, one after another, whose trials are kept.

    Attributes:
        asked: all that the results follow from.
        file: of checkpoints.
        keeping: says how often there is one.
        routes: of images through networks, by architecture: as they were when the run was cut off.
        found: trials that are done, those of the run that was cut off first.
        logged: bytes of the journal when it was cut off.
        held: what was kept then.
        past: trials that are of bouts gone through before.
    """

    asked: Mapping[str, Any]
    file: CheckpointFile
    keeping: Keeping
    routes: Mapping[str, Route]
    found: list[Trial]
    logged: int = 0
    held: Checkpoint | None = None
    past: int = 0

    def check(self, bouts: Sequence[Bouts]) -> int:
        """Return how many of the trials that bouts are made of are done.

        Args:
            bouts: those that follow what ``go`` went through before.

        Raises:
            InputError: when trials that were kept are others.
        """
        places = [place for one in bouts for place in one.places]
        kept = [(one.source, one.model, one.number) for one in self.found[self.past :]]
        done = min(len(kept), len(places))
        # Of each set and architecture the first are done, but not of all as many.
        counts = Counter(place[:2] for place in kept[:done])
        first = [place for place in places if place[2] < counts[place[:2]]]
        if sorted(kept[:done]) != sorted(first):
            raise InputError(f"the checkpoint in {self.file.path.parent} is of another validation")
        return done

    def go(
        self,
        bouts: Sequence[Bouts],
        stop: StopRequest,
        journal: Callable[[], int] = lambda: 0,
        *,
        bar: Bar,
    ) -> Iterator[Trial]:
        """Train and test what is not done, keep each trial, and stop if that is asked for.

        Args:
            bouts: all of them, done or not.
            stop: asks to.
            journal: tells its length; a trial is written down before it is kept.
            bar: shows the epochs of a network; that it is done, it is told by who takes the trials.

        Raises:
            InputError: see ``check``.
        """
        from datastill.runs.underway import Fits, Underway

        self.check(bouts)
        before = self.past
        self.past += sum(one.total for one in bouts)

        def make(facts: Mapping[str, Any], tensors: Mapping[str, Any]) -> Checkpoint:
            return checkpoint_of(self.asked, self.found, self.routes, journal(), (facts, tensors))

        underway, pending = Underway(self.held, self.keeping.keeper(self.file), stop, make), 0
        for one in bouts:
            epochs = one.protocol.fit.epochs

            def told(epoch: int, epochs: int = epochs) -> None:
                bar.within(len(self.found) - before, epoch, epochs)

            watch = Fits(underway, told)
            for trial in one.remaining(tuple(self.found), watch):
                self.found.append(replace(trial, network=None))
                yield trial
                pending += 1
                if pending == trial.together:  # what was trained at once is kept at once
                    self.file.save(make({}, {}))
                    pending = 0
                    stop.raise_if_requested()


def start(
    file: CheckpointFile,
    asked: Mapping[str, Any],
    routes: Mapping[str, Route],
    keeping: Keeping,
    console: Console,
    *,
    overwrite: bool,
    shorter: Mapping[str, Any] | None = None,
) -> Programme:
    """Return what is to be gone on with, or begun.

    Args:
        file: of checkpoints.
        asked: all that the results follow from.
        routes: by architecture, for a run that begins.
        keeping: whether to go on.
        console: told what is damaged.
        overwrite: whether to forget what there is.
        shorter: a finished validation of fewer networks, which are the first of these.

    Raises:
        InputError: when there is a run that was cut off, and nothing was said of it; or it was
            asked for otherwise.
    """
    if overwrite:
        file.remove()
    held = keeping.found(file, console)
    if held is None:
        if file.exists:
            raise InputError(
                f"{file.path.parent} holds a validation that is not finished; pass --resume to go "
                "on with it, or --overwrite to forget it"
            )
        if shorter is not None:
            return Programme(asked, file, keeping, routes, _trials_in(shorter))
        return Programme(asked, file, keeping, routes, [])
    require_same_run(held.asked, asked, file.path.parent)
    found, then, logged = trials_of(held)
    if set(then) != set(routes):
        raise InputError(f"the checkpoint in {file.path.parent} is of another validation")
    its = {name: then[name] for name in routes}
    return Programme(asked, file, keeping, its, found, logged, held)


def finished_of(
    finished: Iterable[Mapping[str, Any]], asked: Mapping[str, Any]
) -> Mapping[str, Any] | None:
    """Return the last of finished validations that was asked for alike.

    One of more networks will do: the first of them are those that are asked for.

    Args:
        finished: as they were written down.
        asked: all that the results follow from, as JSON has it.
    """
    alike = [held for held in finished if _is_alike(held, asked)]
    same = [held for held in alike if held.get(COUNT, asked[COUNT]) == asked[COUNT]]
    longer = [held for held in alike if _count(held) > asked[COUNT] and _is_whole(held, asked)]
    return same[-1] if same else _cut(longer[-1], asked[COUNT]) if longer else None


def shorter_of(
    finished: Iterable[Mapping[str, Any]], asked: Mapping[str, Any]
) -> Mapping[str, Any] | None:
    """Return the longest of finished validations that differ from what is asked in being shorter.

    Args:
        finished: see ``finished_of``.
        asked: likewise.
    """
    alike = [held for held in finished if _is_alike(held, asked) and _is_whole(held, asked)]
    fit = [held for held in alike if 0 < _count(held) < asked[COUNT]]
    return max(reversed(fit), key=_count, default=None)


def _is_alike(held: Mapping[str, Any], asked: Mapping[str, Any]) -> bool:
    return all(held.get(name, held) == value for name, value in asked.items() if name != COUNT)


def _count(held: Mapping[str, Any]) -> int:
    count = held.get(COUNT)
    return count if type(count) is int else 0


def _cut(held: Mapping[str, Any], count: int) -> dict[str, Any]:
    share = count / held[COUNT]
    results = [
        {
            **one,
            "accuracies": {"values": one["accuracies"]["values"][:count]},
            "seconds": round((one.get("seconds") or 0) * share, 1),
        }
        for one in held["results"]
    ]
    return {**held, COUNT: count, "results": results}


def _is_whole(held: Mapping[str, Any], asked: Mapping[str, Any]) -> bool:
    places = [(model, source) for model in asked["models"] for source in asked["sets"]]
    found = {
        (one.get("model"), one.get("source")): len((one.get("accuracies") or {}).get("values", ()))
        for one in held.get("results") or ()
    }
    return found == dict.fromkeys(places, held[COUNT])


def _trials_in(finished: Mapping[str, Any]) -> list[Trial]:
    from datastill.evaluation.validation import Trial

    found: list[Trial] = []
    for one in finished["results"]:
        values = one["accuracies"]["values"]
        seconds, together = (one.get("seconds") or 0) / len(values), one.get("together") or 1
        obstacle = str(one.get("obstacle") or "")
        found += [
            Trial(one["source"], one["model"], i, None, accuracy, seconds, together, obstacle)
            for i, accuracy in enumerate(values)
        ]
    return found


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
    from datastill.store import Checkpoint

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
    from datastill.compute.route import Route
    from datastill.evaluation.validation import Trial

    facts = checkpoint.facts
    try:
        trials = [Trial(**row, network=None) for row in facts["trials"]]
        if not all(0 <= float(trial.accuracy) <= 1 for trial in trials):
            raise ValueError("an accuracy is no share")
        routes = {name: Route(**route) for name, route in facts["routes"].items()}
        return trials, routes, int(facts["logged"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"the checkpoint is none of a validation: {error!r}") from None


def _told(trial: Trial) -> list[str]:
    return [one.name for one in fields(trial) if one.name != "network"]
