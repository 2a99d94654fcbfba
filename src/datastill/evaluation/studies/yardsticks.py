"""What assessments are held to: one network, the recipe's name, chance, and validation's noise."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

import numpy as np

from datastill.evaluation.statistics.ceilings import ceiling_of
from datastill.evaluation.statistics.intervals import Interval
from datastill.evaluation.studies.expenses import Expense
from datastill.evaluation.studies.field import Column, Field, require_enough, validation_of
from datastill.evaluation.studies.ranking import Verdict, judged
from datastill.evaluation.studies.records import Record
from datastill.evaluation.studies.resampling import Resampling
from datastill.evaluation.studies.scopes import SCOPES


def yardstick(records: Sequence[Record], resampling: Resampling) -> Verdict:
    """Judge validation by one network as if it were an assessment, by the networks that remain.

    Raises:
        InputError: for fewer than ``LEAST`` sets, or one with fewer than two trials.
    """
    require_enough(records, trials=2)
    first = np.array([record.trials[0].accuracy for record in records])
    rest = np.array([fmean(t.accuracy for t in record.trials[1:]) for record in records])
    seconds = fmean(record.trials[0].seconds for record in records)
    cost = Expense(seconds, 0.0, 0.0)
    column = Column("validation by one network", "validation", "higher", first, cost)
    (found,) = judged(Field.of(records, resampling, rest), [column], seconds)
    return found


def ceiling(records: Sequence[Record], resampling: Resampling) -> dict[str, Interval]:
    """Tell how far a score that knows the truth would agree with these accuracies, by scope.

    They are means of a few networks, and noisy: nobody can be expected to agree better.

    Raises:
        InputError: for fewer than ``LEAST`` sets, or one with fewer than two trials.
    """
    require_enough(records, trials=2)
    few = min(len(record.trials) for record in records)
    trials = np.array([[t.accuracy for t in record.trials[:few]] for record in records]).T
    field = Field.of(records, resampling)
    return {
        scope: ceiling_of(trials, ground.recipes)
        for scope, ground in field.grounds.items()
        if scope in SCOPES
    }


def ignorance(records: Sequence[Record], resampling: Resampling) -> Verdict | None:
    """Judge the name of a recipe as if it were an assessment: the accuracy of its other sets.

    Who looks at no image and at no network knows that much, once each recipe was tried before:
    what an assessment has to beat to be worth its cost among sets of known recipes.

    Returns:
        The verdict; None where no recipe has two sets of one ipc.

    Raises:
        InputError: see ``verdicts``.
    """
    require_enough(records, trials=1)
    column = ignorant(records)
    if column is None:
        return None
    (found,) = judged(Field.of(records, resampling), [column], validation_of(records))
    return found


def chance(records: Sequence[Record], resampling: Resampling) -> Verdict:
    """Judge a pick by chance as if it were an assessment: what it loses anyone may lose for free.

    Raises:
        InputError: see ``verdicts``.
    """
    column = Column(
        "a pick by chance", "chance", "higher", np.zeros(len(records)), Expense(0, 0, 0)
    )
    (found,) = judged(Field.of(records, resampling), [column], validation_of(records))
    return found


def ignorant(records: Sequence[Record]) -> Column | None:
    """Return what ``ignorance`` judges; None where no recipe has two sets of one ipc.

    A set that is the only one of its recipe is taken to be like the average of all others of its
    ipc.
    """
    others = [
        [one for j, one in enumerate(records) if j != i and one.place == record.place]
        for i, record in enumerate(records)
    ]
    if not any(others):
        return None
    told = np.array(
        [fmean(one.accuracy for one in own or _others(records, i)) for i, own in enumerate(others)]
    )
    tried = fmean(sum(len(one.trials) for one in own) for own in others)
    cost = Expense(tried * validation_of(records), 0.0, 0.0)
    return Column("mean of the recipe's other sets", "ignorance", "higher", told, cost)


def _others(records: Sequence[Record], i: int) -> list[Record]:
    rest = [one for j, one in enumerate(records) if j != i]
    return [one for one in rest if one.ipc == records[i].ipc] or rest
