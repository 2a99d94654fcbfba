"""All that a validation trains and tests, as a value, and what comes out of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from datastill.base.rng import Key
from datastill.compute.route import Route
from datastill.data import ImageSet
from datastill.evaluation import validation
from datastill.evaluation.validation import Draw, Trial, Watch
from datastill.training.accuracies import Accuracies
from datastill.training.labeller import Labeller
from datastill.training.protocol import Protocol, at_learning_rate


@dataclass(frozen=True, eq=False)
class EvaluationPlan:
    """All that a validation trains and tests, of which some may be done.

    Attributes:
        sets: by name.
        test: images.
        protocol: how networks are trained.
        routes: of images through networks, by the names of the architectures.
        count: networks of each architecture on each set.
        key: decides the rest.
        together: see ``contest``.
        rates: learning rates of sets that ask for their own, by name.
        labellers: original models that label batches on the fly, by the names of the sets.
    """

    sets: Mapping[str, Draw]
    test: ImageSet
    protocol: Protocol
    routes: Mapping[str, Route]
    count: int
    key: Key
    together: int | None = None
    rates: Mapping[str, float] = field(default_factory=dict[str, float])
    labellers: Mapping[str, Labeller] = field(default_factory=dict[str, Labeller])

    @property
    def total(self) -> int:
        """How many networks that are."""
        return len(self.sets) * len(self.routes) * self.count

    @property
    def places(self) -> list[tuple[str, str, int]]:
        """Set, architecture and number of every trial, in their order."""
        return [
            (source, model, number)
            for model in self.routes
            for source in self.sets
            for number in range(self.count)
        ]

    def protocol_of(self, source: str) -> Protocol:
        """Return how networks are trained on a set."""
        rate = self.rates.get(source)
        return self.protocol if rate is None else at_learning_rate(self.protocol, rate)

    def remaining(
        self,
        done: Sequence[Trial] = (),
        watch: Watch | None = None,
        known: Mapping[tuple[str, str, int], Trial] | None = None,
    ) -> Iterator[Trial]:
        """Train and test what is not done, as ``contest`` would have gone on.

        Args:
            done: trials, the first of each set and architecture.
            watch: see ``contest``.
            known: trials that were carried out elsewhere, which take their turn.
        """
        known = known or {}
        for model in self.routes:
            for source in self.sets:
                number = sum((trial.source, trial.model) == (source, model) for trial in done)
                while number < self.count:
                    later = (i for i in range(number, self.count) if (source, model, i) in known)
                    until = next(later, self.count)
                    yield from self.trials(source, model, range(number, until), watch)
                    yield from (known[source, model, i] for i in [until] if until < self.count)
                    number = until + 1

    def trials(
        self, source: str, model: str, numbers: range, watch: Watch | None = None
    ) -> Iterator[Trial]:
        """Train networks of an architecture on a set, and test them."""
        if not numbers:
            return
        yield from validation.contest(
            *({source: self.sets[source]}, self.test, [model], self.protocol_of(source)),
            trials=len(numbers),
            first=numbers.start,
            key=self.key,
            route=self.routes[model],
            together=self.together,
            watch=watch,
            labels=self.labellers.get(source),
        )


@dataclass(frozen=True)
class Result:
    """All trials of one architecture on one set; see ``Trial``.

    Attributes:
        right: of each trial, nothing of those that do not say.
    """

    source: str
    model: str
    accuracies: Accuracies
    seconds: float
    together: int = 1
    obstacle: str = ""
    right: tuple[tuple[int, ...], ...] = ()
    tested: tuple[int, ...] = ()


def trial_of(row: Mapping[str, Any]) -> Trial:
    """Return a trial that was told of in a file; its network is not kept.

    Raises:
        KeyError, TypeError, ValueError: when it is none.
    """
    found = Trial(**{**row, **counts_in(row)}, network=None)
    if not 0 <= float(found.accuracy) <= 1:
        raise ValueError("an accuracy is no share")
    return found


def counts_in(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a row of a file says of test images class by class, if it does.

    Raises:
        TypeError, ValueError: when that makes no sense.
    """
    right, tested = (tuple(row.get(name) or ()) for name in ("right", "tested"))
    counted = all(type(n) is int and n >= 0 for n in (*right, *tested))
    if not counted or len(right) not in (0, len(tested)):
        raise ValueError("test images of classes that cannot be counted")
    if any(some > all_ for some, all_ in zip(right, tested, strict=False)):
        raise ValueError("more test images of a class are right than there are")
    return {"right": right, "tested": tested}


def of_all(trials: Sequence[Trial]) -> dict[str, Any]:
    """Return what trials of one architecture on one set say class by class, if one does."""
    tested = next((trial.tested for trial in trials if trial.tested), ())
    return {"right": tuple(trial.right for trial in trials), "tested": tested} if tested else {}


def collect(trials: Iterable[Trial]) -> list[Result]:
    """Put the trials of each architecture on each set together, in order of appearance."""
    groups: dict[tuple[str, str], list[Trial]] = {}
    for trial in trials:
        groups.setdefault((trial.source, trial.model), []).append(trial)
    return [
        Result(
            source,
            model,
            Accuracies(tuple(trial.accuracy for trial in group)),
            round(sum(trial.seconds for trial in group), 1),
            max(trial.together for trial in group),
            next((trial.obstacle for trial in group if trial.obstacle), ""),
            **of_all(group),
        )
        for (source, model), group in groups.items()
    ]
