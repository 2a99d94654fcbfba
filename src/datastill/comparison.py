"""Sets held against real images under one protocol, and the field's scores of the outcome."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

from datastill.coresets import Coreset
from datastill.data import ImageSet
from datastill.protocol import Protocol, at_learning_rate
from datastill.relabelling import hardened
from datastill.rng import Key
from datastill.route import Route
from datastill.train import Fit
from datastill.validation import (
    Accuracies,
    Difference,
    Draw,
    Trial,
    contest,
    difference,
    validate,
)

RANDOM, REAL = "random", "all real images"
HARD, SOFT = "hard", "soft"
AUGMENTED, PLAIN = "augmented", "plain"

RATES = (0.001, 0.005, 0.01, 0.05, 0.1)
"""The learning rates among which DD-Ranking chooses."""


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


@dataclass(frozen=True, eq=False)
class Entry:
    """A set in a comparison.

    Attributes:
        name: of the set.
        labels: whether they are ``"hard"`` or ``"soft"``.
        draw: the set of each trial.
        images: how many it has.
        image_bytes: that they take.
        label_bytes: that the labels take.
    """

    name: str
    labels: str
    draw: Draw
    images: int
    image_bytes: int
    label_bytes: int

    @property
    def title(self) -> str:
        """The name, with the kind of labels where it is not the usual one."""
        return titled(self.name, self.labels)


def titled(name: str, labels: str) -> str:
    """Name a set so that its soft labels and its hard ones are two."""
    return name if labels == HARD else f"{name}, {labels} labels"


def entry(name: str, data: ImageSet, *, bits: int, draw: Draw | None = None) -> Entry:
    """Return the entry of a set.

    Args:
        name: of the set.
        data: the set, or one that is like every draw.
        bits: that one value of a channel takes: 8 for real images, 32 for synthetic ones.
        draw: the set of each trial, where it is not always the same.
    """
    soft = data.labels.ndim == 2
    return Entry(
        name,
        SOFT if soft else HARD,
        draw or (lambda _: data),
        len(data),
        data.images.numel() * bits // 8,
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
    if data.labels.ndim == 2:
        return 4 * data.labels.numel()
    return len(data) * max(1, math.ceil(math.log2(len(data.domain.classes)) / 8))


def synthetic_entries(name: str, data: ImageSet) -> list[Entry]:
    """Return a synthetic set as it is; one with soft labels also with its hard ones."""
    found = [entry(name, data, bits=32)]
    if data.labels.ndim == 2:
        found.append(entry(name, hardened(data), bits=32))
    return found


def picked_entry(
    name: str,
    coreset: Coreset,
    real: ImageSet,
    counts: Sequence[int],
    *,
    key: Key,
    label: Callable[[ImageSet], ImageSet] | None = None,
) -> Entry:
    """Return real images picked by a coreset, anew for each trial.

    Args:
        name: of the entry.
        coreset: picks them.
        real: training images.
        counts: images of each class.
        key: of the picks.
        label: gives the picked ones other labels.
    """

    @cache
    def draw(i: int) -> ImageSet:
        picked = real.take(coreset(real, counts, key=key.at(i)).to(real.images.device))
        return picked if label is None else label(picked)

    return entry(name, draw(0), bits=8, draw=draw)


@dataclass(frozen=True)
class Row:
    """What one set is worth to one architecture.

    Attributes:
        name: of the set.
        labels: ``"hard"`` or ``"soft"``.
        model: the architecture.
        images: how many the set has.
        image_bytes: that they take.
        label_bytes: that the labels take.
        epochs: that networks were trained.
        accuracies: of each trial.
        over_random: difference from random images, in pairs, with its 95 % interval.
        recovered: share of the way from random images to all real ones.
        seconds: that training and testing took.
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

    @property
    def title(self) -> str:
        """See ``Entry``."""
        return titled(self.name, self.labels)


def run(entries: Sequence[Entry], test: ImageSet, terms: Terms) -> Iterator[tuple[Entry, Trial]]:
    """Train and test every network of a comparison, and pause after each."""
    by_title = {one.title: one for one in entries}
    sets: dict[str, Draw] = {title: one.draw for title, one in by_title.items()}
    for model in terms.models:
        found = contest(
            *(sets, test, [model], terms.protocol),
            trials=terms.trials,
            key=terms.key.at("validate"),
            route=terms.routes.get(model),
            together=terms.together,
        )
        for trial in found:
            yield by_title[trial.source], trial


def rows(trials: Iterable[tuple[Entry, Trial, Fit]]) -> list[Row]:
    """Put the trials of each set and architecture together, and hold them against the real ones.

    Args:
        trials: each with its entry and the training that it had.
    """
    groups: dict[tuple[str, str], list[tuple[Entry, Trial, Fit]]] = {}
    for one, trial, fit in trials:
        groups.setdefault((trial.model, one.title), []).append((one, trial, fit))
    found = {place: _row(group) for place, group in groups.items()}
    return [
        _against(row, found.get((model, RANDOM)), found.get((model, REAL)))
        for (model, _), row in found.items()
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
    )


def _against(row: Row, random: Row | None, real: Row | None) -> Row:
    if random is None or (row.name == RANDOM and row.labels == HARD):
        return row
    paired = len(random.accuracies.values) == len(row.accuracies.values)
    gain = difference(row.accuracies, random.accuracies) if paired else None
    gap = real.accuracies.mean - random.accuracies.mean if real is not None else 0.0
    won = row.accuracies.mean - random.accuracies.mean
    share = won / gap if gap > 0 and row.name != REAL else None
    return replace(row, over_random=gain, recovered=share)


# DD-Ranking (Li et al., 2025): scores of a set against random and all real images.


@dataclass(frozen=True)
class Ranking:
    """DD-Ranking's scores of one set under one architecture, from accuracies as fractions.

    Attributes:
        name: of the set.
        model: the architecture.
        hlr: hard label recovery, real minus synthetic with hard labels; lower is better. None
            without real images.
        ior: improvement over random images that are labelled and trained likewise.
        lrs: label robust score, of ``ior`` and ``hlr``, from 0 to 1.
        ars: augmentation robust score, of the improvement with and without augmentation.
        accuracies: all that the scores are made of.
        rates: the learning rate that was chosen for each.
    """

    name: str
    model: str
    hlr: float | None
    ior: float
    lrs: float | None
    ars: float
    accuracies: Mapping[str, float]
    rates: Mapping[str, float]


def robust_score(value: float) -> float:
    r"""Map a difference of accuracies, from -1 to 1, to a score from 0 to 1.

    :math:`(e^v - e^{-1}) / (e - e^{-1})`.

    Reference:
        Li et al., DD-Ranking: Rethinking the Evaluation of Dataset Distillation, 2025.

    >>> [round(robust_score(v), 3) for v in (-1.0, 0.0, 1.0)]
    [0.0, 0.269, 1.0]
    """
    return (math.exp(value) - math.exp(-1)) / (math.e - math.exp(-1))


def label_robust_score(hlr: float, ior: float, weight: float = 0.5) -> float:
    """Return LRS, from what is lost with hard labels and what is gained over random images."""
    return robust_score(weight * ior - (1 - weight) * hlr)


def augmentation_robust_score(augmented: float, plain: float, weight: float = 0.5) -> float:
    """Return ARS, from what is gained over random images with and without augmentation."""
    return robust_score(weight * augmented + (1 - weight) * plain)


@dataclass(frozen=True, eq=False)
class Contender:
    """A set to be ranked, and the random images that it has to beat.

    Attributes:
        own: the set with the labels it has.
        hard: the same with hard labels.
        random: random images with labels of the same kind.
        fitted: random images as well, but none that is held out.
    """

    own: Entry
    hard: Entry
    random: Entry
    fitted: Entry


@dataclass(frozen=True, eq=False)
class Exam:
    """By what sets are ranked.

    Attributes:
        test: images that nothing before has seen.
        held: training images to choose learning rates by; the set may stem from them, the
            random images of ``Contender.fitted`` do not.
        variants: the protocol with and without augmentation, as ``AUGMENTED`` and ``PLAIN``.
        real: the accuracy of all real images, by architecture, where it is known.
        rates: learning rates to choose from.
        known: accuracy and learning rate by entry, variant and architecture, so that random images
            that several sets have to beat are trained on once.
    """

    test: ImageSet
    held: ImageSet
    variants: Mapping[str, Protocol]
    real: Mapping[str, float]
    rates: Sequence[float] = RATES
    known: dict[tuple[Entry, str, str], tuple[float, float]] = field(
        default_factory=dict[tuple[Entry, str, str], tuple[float, float]]
    )


def rank(contender: Contender, exam: Exam, terms: Terms) -> Iterator[Ranking]:
    """Score a set by DD-Ranking, and pause after each architecture.

    The learning rate of every set, kind of labels and augmentation is the one that is best on
    held-out training images, with one network; the test images are seen once by each of the
    final networks.
    """
    main = AUGMENTED if terms.protocol.augmented else PLAIN
    plan = {
        f"{who}, {variant}": (judged, tuned, variant)
        for variant in (AUGMENTED, PLAIN)
        for who, judged, tuned in (
            ("synthetic", contender.own, contender.own),
            ("random", contender.random, contender.fitted),
        )
    }
    if contender.hard is not contender.own:
        plan["synthetic, hard labels"] = (contender.hard, contender.hard, main)
    for model in terms.models:
        found: dict[str, tuple[float, float]] = {}
        for name, (judged, tuned, variant) in plan.items():
            place = (judged, variant, model)
            if place not in exam.known:
                rate = choose_rate(tuned.draw(0), exam, model, exam.variants[variant], terms)
                fitted = at_learning_rate(exam.variants[variant], rate)
                its = replace(terms, protocol=fitted, models=(model,))
                values = [trial.accuracy for _, trial in run([judged], exam.test, its)]
                exam.known[place] = (statistics.mean(values), rate)
            found[name] = exam.known[place]
        found.setdefault("synthetic, hard labels", found[f"synthetic, {main}"])
        accuracies = {name: accuracy for name, (accuracy, _) in found.items()}
        rates = {name: rate for name, (_, rate) in found.items()}
        if model in exam.real:
            accuracies["real"] = exam.real[model]
        yield scored(contender.own.name, model, accuracies, rates, main)


def scored(
    name: str, model: str, accuracies: Mapping[str, float], rates: Mapping[str, float], main: str
) -> Ranking:
    """Make DD-Ranking's scores of accuracies, which are fractions.

    Args:
        name: of the set.
        model: the architecture.
        accuracies: of the synthetic and of random images, ``AUGMENTED`` and ``PLAIN``; of the
            synthetic ones with hard labels; of all real ones, if they are known.
        rates: kept as they are.
        main: the variant whose improvement over random images counts for LRS.
    """
    augmented, plain = (
        accuracies[f"synthetic, {variant}"] - accuracies[f"random, {variant}"]
        for variant in (AUGMENTED, PLAIN)
    )
    ior = augmented if main == AUGMENTED else plain
    real = accuracies.get("real")
    hlr = None if real is None else real - accuracies["synthetic, hard labels"]
    lrs = None if hlr is None else label_robust_score(hlr, ior)
    ars = augmentation_robust_score(augmented, plain)
    return Ranking(name, model, hlr, ior, lrs, ars, accuracies, rates)


def choose_rate(data: ImageSet, exam: Exam, model: str, protocol: Protocol, terms: Terms) -> float:
    """Return the learning rate by which one network does best on held-out training images."""
    key, route = terms.key.at("rate"), terms.routes.get(model)
    found = {
        lr: validate(
            data,
            exam.held,
            model,
            at_learning_rate(protocol, lr),
            trials=1,
            key=key,
            route=route,
        ).mean
        for lr in exam.rates
    }
    return max(found, key=lambda lr: found[lr])
