"""DD-Ranking: scores of a set against random and all real images (Li et al., 2025).

All networks are known as evaluation plans, first those that choose learning rates (``tuning``),
then those that are tested (``finals``); ``rankings`` makes the scores of what they reached.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from datastill.data import ImageSet
from datastill.evaluation.comparison.tables import Entry, Terms
from datastill.evaluation.plan import EvaluationPlan
from datastill.evaluation.validation import Trial
from datastill.training.labeller import Labeller
from datastill.training.protocol import Protocol, at_learning_rate

AUGMENTED, PLAIN = "augmented", "plain"

RATES = (0.001, 0.005, 0.01, 0.05, 0.1)
"""The learning rates among which one is chosen."""

Rates = Mapping[tuple[str, str], float]
"""Chosen learning rates, by what is trained on and the architecture."""


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
        labels: kind of the labels that the set was ranked with, see ``Entry``; None of rankings
            that earlier versions wrote.
        label_bytes: that they take; None likewise.
        model_bytes: of the original models that give them on the fly.
    """

    name: str
    model: str
    hlr: float | None
    ior: float
    lrs: float | None
    ars: float
    accuracies: Mapping[str, float]
    rates: Mapping[str, float]
    labels: str | None = None
    label_bytes: int | None = None
    model_bytes: int = 0


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
class RankedSet:
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
class RankingProtocol:
    """By what sets are ranked.

    Attributes:
        test: images that nothing before has seen.
        held: training images to choose learning rates by; the set may stem from them, the
            random images of ``RankedSet.fitted`` do not.
        variants: the protocol with and without augmentation, as ``AUGMENTED`` and ``PLAIN``.
        real: the accuracy of all real images, by architecture, where it is known.
        rates: learning rates to choose from.
    """

    test: ImageSet
    held: ImageSet
    variants: Mapping[str, Protocol]
    real: Mapping[str, float]
    rates: Sequence[float] = RATES


@dataclass(frozen=True, eq=False)
class _Part:
    # What one accuracy of a ranking is found on; ranked sets may share it.
    judged: Entry
    tuned: Entry
    variant: str

    @property
    def name(self) -> str:
        return f"{self.judged.title}, {self.variant}"

    def at(self, rate: float) -> str:
        return f"{self.name}, at learning rate {rate}"

    def labellers(self, name: str) -> dict[str, Labeller]:
        return {} if self.judged.labeller is None else {name: self.judged.labeller}


def tuning(
    ranked_sets: Iterable[RankedSet], ranking: RankingProtocol, terms: Terms
) -> list[EvaluationPlan]:
    """Return one network for each learning rate on all that is trained on.

    They are tested on held-out training images.
    """
    key = terms.key.at("rate")
    return [
        EvaluationPlan(
            *({part.at(rate): part.tuned.draw}, ranking.held, protocol, terms.ways, 1, key),
            labellers=part.labellers(part.at(rate)),
        )
        for part in _parts(ranked_sets, terms)
        for rate in ranking.rates
        for protocol in [at_learning_rate(ranking.variants[part.variant], rate)]
    ]


def rates(
    ranked_sets: Iterable[RankedSet], ranking: RankingProtocol, terms: Terms, tuned: Iterable[Trial]
) -> Rates:
    """Choose learning rates: those by which one network did best on held-out training images.

    Args:
        ranked_sets: see ``tuning``; so are the next two.
        ranking: by what they are ranked.
        terms: what is equal for all.
        tuned: the trials of ``tuning``; others do not count.
    """
    reached = {(trial.source, trial.model): trial.accuracy for trial in tuned}
    return {
        (part.name, model): max(
            ranking.rates, key=lambda rate, part=part, model=model: reached[part.at(rate), model]
        )
        for part in _parts(ranked_sets, terms)
        for model in terms.models
    }


def finals(
    ranked_sets: Iterable[RankedSet], ranking: RankingProtocol, terms: Terms, chosen: Rates
) -> list[EvaluationPlan]:
    """Return the networks that are tested on test images, by the chosen learning rates."""
    return [
        EvaluationPlan(
            *({part.name: part.judged.draw}, ranking.test, protocol, {model: route}),
            *(terms.trials, terms.key.at("validate"), terms.together),
            labellers=part.labellers(part.name),
        )
        for part in _parts(ranked_sets, terms)
        for model, route in terms.ways.items()
        for protocol in [at_learning_rate(ranking.variants[part.variant], chosen[part.name, model])]
    ]


def rankings(
    ranked_sets: Iterable[RankedSet],
    ranking: RankingProtocol,
    terms: Terms,
    chosen: Rates,
    trials: Iterable[Trial],
) -> list[Ranking]:
    """Score sets by what the networks of ``finals`` reached; other trials do not count."""
    groups: dict[tuple[str, str], list[float]] = {}
    for trial in trials:
        groups.setdefault((trial.source, trial.model), []).append(trial.accuracy)
    found: list[Ranking] = []
    for ranked_set in ranked_sets:
        for model in terms.models:
            plan = _plan(ranked_set, terms)
            reached = {k: statistics.mean(groups[p.name, model]) for k, p in plan.items()}
            its = {k: chosen[p.name, model] for k, p in plan.items()}
            if model in ranking.real:
                reached["real"] = ranking.real[model]
            own = ranked_set.own
            score = scored(own.name, model, reached, its, _main(terms))
            found.append(
                replace(
                    score,
                    labels=own.labels,
                    label_bytes=own.label_bytes,
                    model_bytes=own.model_bytes,
                )
            )
    return found


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


def _main(terms: Terms) -> str:
    return AUGMENTED if terms.protocol.augmented else PLAIN


def _plan(ranked_set: RankedSet, terms: Terms) -> dict[str, _Part]:
    # What every accuracy of a ranking is found on.
    own, random = ranked_set.own, ranked_set.random
    return {
        **{f"synthetic, {variant}": _Part(own, own, variant) for variant in (AUGMENTED, PLAIN)},
        **{
            f"random, {variant}": _Part(random, ranked_set.fitted, variant)
            for variant in (AUGMENTED, PLAIN)
        },
        "synthetic, hard labels": _Part(ranked_set.hard, ranked_set.hard, _main(terms)),
    }


def _parts(ranked_sets: Iterable[RankedSet], terms: Terms) -> Iterator[_Part]:
    # Each once: random images serve many sets, and a set may have hard labels alone.
    parts = [part for one in ranked_sets for part in _plan(one, terms).values()]
    yield from {part.name: part for part in parts}.values()
