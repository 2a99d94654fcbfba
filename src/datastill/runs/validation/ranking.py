"""DD-Ranking of the sets of a comparison: what they have to beat, and by what they are ranked."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from datastill.base.errors import InputError
from datastill.data import ImageSet, require_held
from datastill.evaluation.comparison import (
    AUGMENTED,
    FLY,
    HARD,
    PLAIN,
    REAL,
    SOFT,
    Entry,
    RankedSet,
    Ranking,
    RankingProtocol,
    Row,
    Terms,
    finals,
    labelled_by,
    rankings,
    rates,
    synthetic_entries,
    tuning,
)
from datastill.evaluation.plan import EvaluationPlan
from datastill.evaluation.validation import Trial
from datastill.runs.validation.material import Material, randomly
from datastill.training.pool import split_held_out
from datastill.training.protocol import Protocol, without_augmentation

HELD_OUT = 0.05
"""Share of the training images by which learning rates are chosen."""

Follow = Callable[[str, Sequence[EvaluationPlan]], Sequence[Trial]]
"""Trains and tests, under a label, and returns the trials."""


def ranked(
    material: Material,
    terms: Terms,
    ranking: RankingProtocol,
    follow: Follow,
    *,
    temperature: float,
) -> list[Ranking]:
    """Score every set by DD-Ranking.

    Args:
        material: what is compared.
        terms: what is equal for all.
        ranking: see ``ranking_protocol``.
        follow: trains and tests.
        temperature: at which random images are labelled.
    """
    ranked_sets = _ranked_sets(material, terms, temperature)
    tuned = follow("choosing learning rates", tuning(ranked_sets, ranking, terms))
    chosen = rates(ranked_sets, ranking, terms, tuned)
    trials = follow("ranking", finals(ranked_sets, ranking, terms, chosen))
    return rankings(ranked_sets, ranking, terms, chosen, trials)


def ranking_protocol(
    material: Material,
    terms: Terms,
    found: Sequence[Row],
    choices: Sequence[float],
    augmented: Protocol,
) -> RankingProtocol:
    """Return by what sets are ranked.

    Args:
        material: what is compared.
        terms: what is equal for all.
        found: the rows of the comparison, those of all real images among them.
        choices: learning rates to choose from.
        augmented: the protocol with augmentation, where that of the comparison has none.
    """
    usual = terms.protocol
    variants = {
        AUGMENTED: usual if usual.augmented else augmented,
        PLAIN: without_augmentation(usual),
    }
    whole = {row.model: row.accuracies.mean for row in found if row.name == REAL}
    return RankingProtocol(material.test, kept_apart(material, terms)[1], variants, whole, choices)


def require_kept_apart(material: Material, terms: Terms) -> None:
    """Refuse to pick more real images than there are beside those that rates are chosen by.

    Raises:
        InputError: naming the first class that has too few.
    """
    try:
        require_held(kept_apart(material, terms)[0], material.counts)
    except InputError as error:
        share = f"{HELD_OUT:.0%} of the training images"
        raise InputError(
            f"{error}; {share} are kept to choose among `rates` by",
            typed=f"{error.typed}; --dd-ranking keeps {share} to choose by",
        ) from None


def kept_apart(material: Material, terms: Terms) -> tuple[ImageSet, ImageSet]:
    """Return the training images without those that anything is chosen by, and these."""
    return split_held_out(material.real, HELD_OUT, key=terms.key.at("held-out"))


def _ranked_sets(material: Material, terms: Terms, temperature: float) -> list[RankedSet]:
    # The sets that are ranked, each with the random images that it has to beat.
    fitted, _ = kept_apart(material, terms)

    def rivals(data: ImageSet) -> list[Entry]:
        fly = material.labeller
        at = temperature if material.softens(data) and fly is None else None
        some = [randomly(i, material, terms.key, temperature=at) for i in (material.real, fitted)]
        return some if fly is None else [labelled_by(fly, one) for one in some]

    found: list[RankedSet] = []
    for name, data in material.sets.items():
        entries = {one.labels: one for one in synthetic_entries(name, data, material.labeller)}
        own = next(entries[kind] for kind in (FLY, SOFT, HARD) if kind in entries)
        found.append(RankedSet(own, entries[HARD], *rivals(data)))
    return found
