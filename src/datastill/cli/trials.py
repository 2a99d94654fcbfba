"""The trials of a validation, each kept when it is done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from datastill.errors import InputError

if TYPE_CHECKING:
    from datastill.artifacts import Checkpoint
    from datastill.data import ImageSet
    from datastill.protocol import Protocol
    from datastill.rng import Key
    from datastill.route import Route
    from datastill.validation import Draw, Trial, Watch

COMMAND = "validate"


@dataclass(frozen=True, eq=False)
class Bouts:
    """All that a validation trains and tests.

    Attributes:
        sets: by name.
        test: images.
        protocol: how networks are trained.
        routes: of images through networks, by the names of the architectures.
        count: networks of each architecture on each set.
        key: decides the rest.
        together: see ``validation.contest``.
    """

    sets: Mapping[str, Draw]
    test: ImageSet
    protocol: Protocol
    routes: Mapping[str, Route]
    count: int
    key: Key
    together: int | None

    @property
    def total(self) -> int:
        """How many networks that are."""
        return len(self.sets) * len(self.routes) * self.count

    def hold(self, trials: list[Trial]) -> bool:
        """Tell whether trials are the first of these, in their order."""
        mine = [
            (source, model, number)
            for model in self.routes
            for source in self.sets
            for number in range(self.count)
        ]
        return mine[: len(trials)] == [(one.source, one.model, one.number) for one in trials]

    def remaining(self, done: list[Trial], watch: Watch) -> Iterator[Trial]:
        """Train and test what is not done, as ``validation.contest`` would have gone on."""
        from datastill.validation import contest

        for model, route in self.routes.items():
            for source, draw in self.sets.items():
                first = sum((trial.source, trial.model) == (source, model) for trial in done)
                yield from contest(
                    *({source: draw}, self.test, [model], self.protocol),
                    trials=self.count - first,
                    first=first,
                    key=self.key,
                    route=route,
                    together=self.together,
                    watch=watch,
                )


def checkpoint_of(
    asked: Mapping[str, Any],
    trials: list[Trial],
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
    from datastill.artifacts import Checkpoint

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
    from datastill.route import Route
    from datastill.validation import Trial

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
