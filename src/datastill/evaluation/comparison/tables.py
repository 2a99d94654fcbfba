"""Sets held against real images under one protocol: what is trained, and the table of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

from datastill.base.rng import Key
from datastill.compute.route import Route
from datastill.data import ImageSet, stored_labels, tiled
from datastill.data.labels import hardened
from datastill.evaluation.plan import EvaluationPlan, of_all
from datastill.evaluation.validation import Draw, Trial
from datastill.training.accuracies import Accuracies, Difference, difference
from datastill.training.coresets import Coreset, Known, picked, without_chance
from datastill.training.fit import Fit
from datastill.training.labeller import Labeller
from datastill.training.protocol import Asks, Protocol

RANDOM, REAL = "random", "all real images"
HARD, SOFT, FLY = "hard", "soft", "on the fly"
"""Kinds of labels: classes, shares of them, and those that original models give every batch."""


@dataclass(frozen=True)
class Terms:
    """What is equal for all sets of a comparison.

    Attributes:
        protocol: how networks are trained.
        models: architectures.
        trials: networks of each architecture on each set.
        key: decides their weights, the order of images and every pick.
        routes: how images pass them, by architecture.
        together: networks to train at once, see ``validation.contest``.
    """

    protocol: Protocol
    models: tuple[str, ...]
    trials: int
    key: Key
    routes: Mapping[str, Route] = field(default_factory=dict[str, Route])
    together: int | None = None

    @property
    def ways(self) -> dict[str, Route]:
        """The route of every architecture, also where nothing was said of it."""
        return {model: self.routes.get(model, Route()) for model in self.models}


@dataclass(frozen=True, eq=False)
class Entry:
    """A set in a comparison.

    Attributes:
        name: of the set.
        labels: their kind: ``"hard"``, ``"soft"`` or ``"on the fly"``.
        draw: the set of each trial.
        images: how many it has.
        image_bytes: that they take.
        label_bytes: that the labels take.
        rate: learning rate that it asks for, where it has one of its own.
        labeller: the original models that label on the fly, where they do.
    """

    name: str
    labels: str
    draw: Draw
    images: int
    image_bytes: int
    label_bytes: int
    rate: float | None = None
    labeller: Labeller | None = None

    @property
    def title(self) -> str:
        """The name, with the kind of labels where it is not the usual one."""
        return titled(self.name, self.labels)

    @property
    def model_bytes(self) -> int:
        """Bytes of the models without which its labels are not there."""
        return 0 if self.labeller is None else self.labeller.model_bytes


def titled(name: str, labels: str) -> str:
    """Name a set so that its labels of every kind are told apart.

    >>> titled("DM", HARD), titled("DM", SOFT), titled("DM", FLY)
    ('DM', 'DM, soft labels', 'DM, labels on the fly')
    """
    told = {HARD: name, FLY: f"{name}, labels {FLY}"}
    return told.get(labels, f"{name}, {labels} labels")


def labelled_by(labeller: Labeller, one: Entry) -> Entry:
    """Return a set with hard labels as original models label it on the fly."""
    return replace(one, labels=FLY, labeller=labeller)


def entry(name: str, data: ImageSet, *, bits: int, draw: Draw | None = None) -> Entry:
    """Return the entry of a set.

    Args:
        name: of the set.
        data: the set, or one that is like every draw.
        bits: that one value of a channel takes: 8 for real images, 32 for synthetic ones.
        draw: the set of each trial, where it is not always the same.
    """
    soft, kept = data.labels.ndim == 2, tiled(data.images)
    return Entry(
        name,
        SOFT if soft else HARD,
        draw or (lambda _: data),
        len(data),
        (data.images if kept is None else kept.stored).numel() * bits // 8,
        label_bytes(data),
    )


def label_bytes(data: ImageSet) -> int:
    """Return the bytes that labels need: of hard ones the fewest, of soft ones four a share.

    >>> import torch; from datastill.data import Domain
    >>> domain = Domain("d", (1, 1, 1), tuple(map(str, range(300))), (0.0,), (1.0,))
    >>> label_bytes(ImageSet(torch.zeros(5, 1, 1, 1), torch.arange(5), domain))
    10
    >>> label_bytes(ImageSet(torch.zeros(5, 1, 1, 1), torch.ones(5, 300), domain))
    6000
    """
    labels = stored_labels(data.images, data.labels)
    if labels.ndim == 2:
        return 4 * labels.numel()
    return len(labels) * max(1, math.ceil(math.log2(len(data.domain.classes)) / 8))


def synthetic_entries(name: str, data: ImageSet, labeller: Labeller | None = None) -> list[Entry]:
    """Return a synthetic set as it is; one with soft labels also with its hard ones.

    Args:
        name: of the set.
        data: the set.
        labeller: original models by which it stands there once more, labelled on the fly.
    """
    found = [entry(name, data, bits=32)]
    if data.labels.ndim == 2:
        found.append(entry(name, hardened(data), bits=32))
    if labeller is not None:
        found.append(labelled_by(labeller, found[-1]))
    rate = Asks.of(data.facts).learning_rate
    return [replace(one, rate=rate) for one in found]


def picked_entry(
    name: str,
    coreset: Coreset,
    real: ImageSet,
    counts: Sequence[int],
    *,
    key: Key,
    known: Known | None = None,
    label: Callable[[ImageSet], ImageSet] | None = None,
) -> Entry:
    """Return real images picked by a coreset, anew for each trial if that leaves room for chance.

    Args:
        name: of the entry.
        coreset: picks them.
        real: training images.
        counts: images of each class.
        key: of the picks.
        known: what the coreset may know of the real images.
        label: gives the picked ones other labels.
    """

    @cache
    def draw(i: int) -> ImageSet:
        if i and without_chance(coreset):
            return draw(0)
        found = picked(coreset, real, counts, key=key.at(i), known=known or Known())
        return found if label is None else label(found)

    return entry(name, draw(0), bits=8, draw=draw)


@dataclass(frozen=True)
class Row:
    """What one set is worth to one architecture.

    Attributes:
        name: of the set.
        labels: see ``Entry``.
        model: the architecture.
        images: how many the set has.
        image_bytes: that they take.
        label_bytes: that the labels take.
        epochs: that networks were trained.
        accuracies: of each trial.
        over_random: difference from random images, in pairs, with its 95 % interval.
        recovered: share of the way from random images to all real ones.
        seconds: that training and testing took.
        learning_rate: that training started from, where it is the set's own.
        model_bytes: of the original models that label on the fly.
        right: see ``Result``; so is the last.
    """

    name: str
    labels: str
    model: str
    images: int
    image_bytes: int
    label_bytes: int
    epochs: int
    accuracies: Accuracies
    over_random: Difference | None
    recovered: float | None
    seconds: float
    learning_rate: float | None = None
    model_bytes: int = 0
    right: tuple[tuple[int, ...], ...] = ()
    tested: tuple[int, ...] = ()

    @property
    def title(self) -> str:
        """See ``Entry``."""
        return titled(self.name, self.labels)


def evaluation_plan(entries: Sequence[Entry], test: ImageSet, terms: Terms) -> EvaluationPlan:
    """Return every network of a comparison, to be trained and tested; sources are titles."""
    sets = {one.title: one.draw for one in entries}
    return EvaluationPlan(
        *(sets, test, terms.protocol, terms.ways, terms.trials, terms.key.at("validate")),
        together=terms.together,
        rates={one.title: one.rate for one in entries if one.rate is not None},
        labellers=labellers(entries),
    )


def labellers(entries: Iterable[Entry]) -> dict[str, Labeller]:
    """Return the original models that label on the fly, by the titles of the sets."""
    return {one.title: one.labeller for one in entries if one.labeller is not None}


def rows(trials: Iterable[tuple[Entry, Trial, Fit]]) -> list[Row]:
    """Put the trials of each set and architecture together, and hold them against the real ones.

    Args:
        trials: each with its entry and the training that it had.
    """
    groups: dict[tuple[str, str], list[tuple[Entry, Trial, Fit]]] = {}
    for one, trial, fit in trials:
        groups.setdefault((trial.model, one.title), []).append((one, trial, fit))
    return compared([_row(group) for group in groups.values()])


def compared(found: Sequence[Row]) -> list[Row]:
    """Hold rows against those of random and of all real images, whatever they said of it before."""
    places = {(row.model, row.title): row for row in found}
    return [
        _against(row, places.get((row.model, RANDOM)), places.get((row.model, REAL)))
        for row in found
    ]


def _row(group: Sequence[tuple[Entry, Trial, Fit]]) -> Row:
    one, trial, fit = group[0]
    return Row(
        one.name,
        one.labels,
        trial.model,
        one.images,
        one.image_bytes,
        one.label_bytes,
        fit.epochs,
        Accuracies(tuple(each.accuracy for _, each, _ in group)),
        None,
        None,
        round(sum(each.seconds for _, each, _ in group), 1),
        one.rate,
        one.model_bytes,
        **of_all([each for _, each, _ in group]),
    )


def _against(row: Row, random: Row | None, real: Row | None) -> Row:
    if random is None or (row.name == RANDOM and row.labels == HARD):
        return replace(row, over_random=None, recovered=None)
    paired = len(random.accuracies.values) == len(row.accuracies.values)
    gain = difference(row.accuracies, random.accuracies) if paired else None
    gap = real.accuracies.mean - random.accuracies.mean if real is not None else 0.0
    won = row.accuracies.mean - random.accuracies.mean
    share = won / gap if gap > 0 and row.name != REAL else None
    return replace(row, over_random=gain, recovered=share)
