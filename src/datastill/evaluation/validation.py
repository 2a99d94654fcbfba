"""Train fresh networks on sets of images and test them: the judge of every synthetic set."""

from __future__ import annotations

import time
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product, takewhile

import torch

from datastill.augment import policy_for
from datastill.base.errors import InputError, countable, of_kind, whole
from datastill.base.rng import Key, require_key
from datastill.base.usual import as_usual
from datastill.base.wording import counted
from datastill.compute.route import Route, require_route
from datastill.data import ImageSet, require_given
from datastill.networks import Model, Network, build, find, name_of
from datastill.training import stacked
from datastill.training.accuracies import Accuracies
from datastill.training.fit import Epoch, Fitting, accuracy_by_class, epochs
from datastill.training.labeller import Labeller
from datastill.training.protocol import Protocol


@dataclass(frozen=True, eq=False)
class Trial:
    """One network trained on one set, and its accuracy on the test set.

    Attributes:
        source: name of the set.
        model: architecture of the network.
        number: of the trial.
        network: as trained; None of one that was told of in a file.
        accuracy: on the test set, between 0 and 1.
        seconds: that training and testing took; of networks trained at once, a share for each.
        together: networks that were trained at once, this one counted.
        obstacle: why that were not more, where it could have been.
        right: test images of each class that it labels correctly; none where an older version
            wrote it down.
        tested: test images of each class; likewise.
    """

    source: str
    model: str
    number: int
    network: Network | None
    accuracy: float
    seconds: float
    together: int = 1
    obstacle: str = ""
    right: tuple[int, ...] = ()
    tested: tuple[int, ...] = ()


class Watch(typing.Protocol):
    """Sees networks that are trained alone, and knows where one was cut off; each has a place."""

    def begun(self, place: str) -> Fitting | None:
        """Return where the fit of a network was cut off; None where it is to begin."""
        ...

    def seen(self, place: str, epoch: Epoch) -> None:
        """Look at a network after an epoch."""
        ...


Draw = Callable[[int], ImageSet]
"""The set that trial ``i`` trains on: the same for all, or a draw of its own for each."""


@as_usual
def validate(
    synthetic: ImageSet,
    test: ImageSet,
    model: str | Model,
    protocol: Protocol,
    *,
    trials: int,
    key: Key,
    route: Route | None = None,
    together: int | None = None,
    labels: Labeller | None = None,
) -> Accuracies:
    """Train ``trials`` networks on ``synthetic`` and test each once, at the end.

    Args:
        synthetic: the set to be judged; any set of labelled images.
        test: images that nothing has seen, whose domain decides whether augmentation may mirror.
        model: name of the architecture, or what makes one: see ``networks.build``.
        protocol: how to train.
        trials: number of networks. Trial ``i`` has the same weights and the same order of images
            whatever the set, so that two sets are compared in pairs.
        key: decides all of that.
        route: how images pass the network.
        together: see ``contest``.
        labels: original models that label every batch on the fly; None for the labels of the set.

    Raises:
        InputError: when the two sets differ in shape or classes, one of them has no images, labels
            that are no classes or values that are not finite; see also ``contest``.
    """
    of_kind(Protocol, "a Protocol, such as preset('dsa')", protocol=protocol)
    require_key(key)
    whole(trials=trials, together=1 if together is None else together)
    countable(trials=trials)
    require_route(route=Route() if route is None else route)
    find(model)
    _require_given(synthetic, test, labels)
    draw, name = partial(_same, synthetic), name_of(model)
    pairing = _Pairing("synthetic", draw, name, test, protocol, key, route, labels=labels)
    return Accuracies(tuple(trial.accuracy for trial in pairing.trials(range(trials), together)))


def _same(data: ImageSet, _: int) -> ImageSet:
    return data


def _require_given(synthetic: ImageSet, test: ImageSet, labels: Labeller | None) -> None:
    of_kind(ImageSet, "an ImageSet", synthetic=synthetic)
    of_kind(ImageSet, "an ImageSet of test images; without any nothing can be tested", test=test)
    require_given(synthetic, "the set")
    require_given(test, "the test images")
    if labels is not None:
        of_kind(Labeller, "a Labeller of original models", labels=labels)
        labels.require_fit(synthetic.domain)


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
    together: int | None = None,
    watch: Watch | None = None,
    labels: Labeller | None = None,
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
        together: networks of an architecture on a set that are trained at once, to end as they
            would have alone, up to rounding. None: on a CPU one, which keeps its caches; on a GPU
            as many as its memory holds, but one where ``stacked.obstacle`` finds something.
        watch: sees the networks that are trained one at a time.
        labels: see ``validate``.

    Raises:
        InputError: when so many cannot be trained at once, or there are no test images.
    """
    if not len(test):
        raise InputError(f"{test.domain.name}: there are no test images, so nothing can be tested")
    for model, (name, draw) in product(models, sets.items()):
        pairing = _Pairing(name, draw, model, test, protocol, key, route, watch, labels)
        yield from pairing.trials(range(first, first + trials), together)


def at_once(device: torch.device, trials: int) -> int:
    """Return how many networks to try to train at once on a device: on a CPU one, else all."""
    return 1 if device.type == "cpu" else trials


@dataclass(frozen=True, eq=False)
class _Pairing:
    # One architecture on one set.
    source: str
    draw: Draw
    model: str
    test: ImageSet
    protocol: Protocol
    key: Key
    route: Route | None
    watch: Watch | None = None
    labels: Labeller | None = None

    def trials(self, numbers: range, together: int | None) -> Iterator[Trial]:
        most, obstacle = self._most(len(numbers), together)
        while numbers:
            some = numbers[:most]
            try:
                found = self._judged(some)
            except torch.OutOfMemoryError:
                if len(some) == 1:
                    raise
                if together is not None:
                    raise self._refusal(len(some), "they do not fit into memory") from None
                found, most = [], len(some) // 2
            if not found:
                torch.cuda.empty_cache()
            yield from (replace(trial, obstacle=obstacle) for trial in found)
            numbers = numbers[len(found) :]

    def _most(self, count: int, together: int | None) -> tuple[int, str]:
        most = min(count, together or at_once(self.test.images.device, count))
        if most == 1:
            return 1, ""
        obstacle = stacked.obstacle(
            [self._built(self.test, i) for i in (0, 1)], self.test.images[:2]
        )
        if obstacle and together is not None:
            raise self._refusal(most, obstacle)
        return (1 if obstacle else most), obstacle

    def _refusal(self, count: int, reason: str) -> InputError:
        return InputError(
            f"{self.model}: {counted(count, 'network')} cannot be trained at once: {reason}"
        )

    def _judged(self, numbers: range) -> list[Trial]:
        # As many as have sets alike, from the first on.
        started, first = time.perf_counter(), self.draw(numbers[0])
        others = takewhile(partial(stacked.alike, first), map(self.draw, numbers[1:]))
        sets = [first, *others]
        if not all(map(len, sets)):
            raise InputError(f"the set {self.source!r} holds no images to train on")
        judges = [self.test.under(data.domain) for data in sets]  # refuses a set of another kind
        networks = [self._built(data, i) for data, i in zip(sets, numbers, strict=False)]
        self._train(networks, sets, numbers)
        found = [
            accuracy_by_class(network, judge, route=self.route)
            for network, judge in zip(networks, judges, strict=True)
        ]
        seconds = (time.perf_counter() - started) / len(sets)
        return [
            Trial(
                *(self.source, self.model, number, network, reached, seconds, len(sets)),
                right=right,
                tested=self.test.counts,
            )
            for number, network, (reached, right) in zip(numbers, networks, found, strict=False)
        ]

    def _train(self, networks: Sequence[Network], sets: Sequence[ImageSet], numbers: range) -> None:
        # Of the test images, whatever a set says of itself: all sets are augmented alike.
        policy = policy_for(self.protocol.augmentation, self.test.domain)
        keys = [self._at(i).at("fit") for i, _ in zip(numbers, sets, strict=False)]
        soft = self.labels is not None or sets[0].labels.ndim == 2
        fit, route = self.protocol.fit_for(soft=soft), self.route
        if len(sets) == 1:
            place = f"{self.source}, {self.model} {numbers[0]}"
            state = self.watch.begun(place) if self.watch else None
            fitted = epochs(
                *(networks[0], sets[0], fit),
                policy=policy,
                key=keys[0],
                route=route,
                state=state,
                labels=self.labels,
            )
            for epoch in fitted:
                if self.watch:
                    self.watch.seen(place, epoch)
        else:
            stacked.train(
                *(networks, sets, fit),
                policy=policy,
                keys=keys,
                route=route,
                labels=self.labels,
            )

    def _built(self, data: ImageSet, number: int) -> Network:
        key = self._at(number).at("network")
        return build(self.model, data.domain, key=key).to(data.images.device)

    def _at(self, number: int) -> Key:
        return self.key.at("trial", self.model, number)
