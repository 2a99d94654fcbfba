"""Train fresh networks on sets of images and test them: the judge of every synthetic set."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from scipy import stats

from datastill.augment import dsa, identity, usual_strategy
from datastill.data import ImageSet
from datastill.networks import Network, build
from datastill.protocol import Protocol
from datastill.rng import Key
from datastill.route import Route
from datastill.train import accuracy, train


@dataclass(frozen=True)
class Accuracies:
    """Test accuracy of each network, at its last epoch.

    >>> print(Accuracies((0.8, 0.9)))
    85.0 ± 5.0 % (n=2)
    """

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The mean over networks, between 0 and 1."""
        return statistics.mean(self.values)

    @property
    def std(self) -> float:
        """The population standard deviation over networks, as papers of the field report it."""
        return statistics.pstdev(self.values)

    def __str__(self) -> str:
        return f"{100 * self.mean:.1f} ± {100 * self.std:.1f} % (n={len(self.values)})"


@dataclass(frozen=True)
class Difference:
    """Mean of paired differences, with the 95 % interval of Student's t; None for one pair.

    >>> print(difference(Accuracies((0.8, 0.9, 0.85)), Accuracies((0.7, 0.8, 0.74))))
    +10.3 (+8.9 to +11.8)
    """

    mean: float
    interval: tuple[float, float] | None

    def __str__(self) -> str:
        if self.interval is None:
            return f"{100 * self.mean:+.1f}"
        low, high = self.interval
        return f"{100 * self.mean:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"


def difference(one: Accuracies, other: Accuracies) -> Difference:
    """Compare two sets of trials pair by pair."""
    pairs = zip(one.values, other.values, strict=True)
    deltas = [a - b for a, b in pairs]
    mean = statistics.mean(deltas)
    if len(deltas) < 2:
        return Difference(mean, None)
    if len(set(deltas)) == 1:
        return Difference(mean, (mean, mean))
    interval = stats.t.interval(0.95, len(deltas) - 1, loc=mean, scale=stats.sem(deltas))
    return Difference(mean, (float(interval[0]), float(interval[1])))


@dataclass(frozen=True, eq=False)
class Trial:
    """One network trained on one set, and its accuracy on the test set.

    Attributes:
        source: name of the set.
        model: architecture of the network.
        number: of the trial.
        network: as trained.
        accuracy: on the test set, between 0 and 1.
        seconds: that training and testing took.
    """

    source: str
    model: str
    number: int
    network: Network
    accuracy: float
    seconds: float


@dataclass(frozen=True)
class Result:
    """All trials of one architecture on one set."""

    source: str
    model: str
    accuracies: Accuracies
    seconds: float


Draw = Callable[[int], ImageSet]
"""The set that trial ``i`` trains on: the same for all, or a draw of its own for each."""


def validate(
    synthetic: ImageSet,
    test: ImageSet,
    model: str,
    protocol: Protocol,
    *,
    trials: int,
    key: Key,
    route: Route | None = None,
) -> Accuracies:
    """Train ``trials`` networks on ``synthetic`` and test each once, at the end.

    Args:
        synthetic: the set to be judged; any set of labelled images.
        test: images that nothing before has seen.
        model: name of the architecture, see ``networks.build``.
        protocol: how to train.
        trials: number of networks. Trial ``i`` has the same weights and the same order of images
            whatever the set, so that two sets are compared in pairs.
        key: decides all of that.
        route: how images pass the network.

    Raises:
        InputError: when the two sets differ in shape or classes.
    """
    sets: dict[str, Draw] = {"synthetic": lambda _: synthetic}
    found = contest(sets, test, [model], protocol, trials=trials, key=key, route=route)
    return Accuracies(tuple(trial.accuracy for trial in found))


def contest(
    sets: Mapping[str, Draw],
    test: ImageSet,
    models: Sequence[str],
    protocol: Protocol,
    *,
    trials: int,
    first: int = 0,
    key: Key,
    route: Route | None = None,
) -> Iterator[Trial]:
    """Hold sets against each other under one protocol, and pause after every network.

    Args:
        sets: by name.
        test: see ``validate``; so are the others.
        models: names of architectures.
        protocol: the same for all sets.
        trials: networks for each set and architecture.
        first: number of the first trial.
        key: trial ``i`` of an architecture starts from the same weights for every set.
        route: how images pass the networks.
    """
    for model in models:
        for name, draw in sets.items():
            for i in range(first, first + trials):
                here = key.at("trial", model, i)
                started = time.perf_counter()
                data = draw(i)
                judge = test.under(data.domain)  # refuses a set of another kind before training
                network = _trained(data, model, protocol, key=here, route=route)
                found = accuracy(network, judge, route=route)
                yield Trial(name, model, i, network, found, time.perf_counter() - started)


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
        )
        for (source, model), group in groups.items()
    ]


def _trained(
    data: ImageSet, model: str, protocol: Protocol, *, key: Key, route: Route | None
) -> Network:
    policy = dsa(usual_strategy(data.domain)) if protocol.augmented else identity
    network = build(model, data.domain, key=key.at("network")).to(data.images.device)
    train(network, data, protocol.fit, policy=policy, key=key.at("fit"), route=route)
    return network
