"""How far assessments agree with validation, over the sets of a study.

Everything is signed by the direction of the assessment: +1 means that the better its score is, the
better a set trains networks.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from datastill.base.errors import InputError
from datastill.evaluation.statistics.clusters import Strata
from datastill.evaluation.statistics.coefficients import Numbers
from datastill.evaluation.statistics.differences import Difference
from datastill.evaluation.studies.agreement import Agreement
from datastill.evaluation.studies.field import Column, Field, validation_of
from datastill.evaluation.studies.records import Record
from datastill.evaluation.studies.resampling import Resampling
from datastill.evaluation.studies.scopes import EVERYTHING, IN_IPC


@dataclass(frozen=True)
class Verdict:
    """What a study says of one assessment.

    Attributes:
        name: of the assessment.
        family: of the assessment.
        better: its direction.
        distinct: how many different values the sets have: few mean that it is saturated.
        agreements: by scope. ``EVERYTHING`` pools all sets; ``IN_IPC``, ``IN_METHOD``,
            ``IN_BOTH`` and ``IN_BETTER`` average what is found within groups, as do ``UNGUIDED``
            and ``UNGUIDED_BETTER`` over the sets that no original models guided; ``"ipc 10"`` and
            ``"method DM"`` are single groups. A scope without groups is left out.
        regret: accuracy lost by picking the set that it likes best, in place of the best set.
        regret_in_ipc: the same within each ipc, averaged.
        seconds: it takes for a set, averaged.
        share: these seconds as a share of those of validating a set by one network.
        costs: such shares with what is paid once, by the number of sets that share it; None where
            nobody knows what the original models cost.
        behind: by how much Spearman's correlation of the assessment that agrees best within ipc
            is larger, in pairs, by scope; none for that assessment itself.
        beyond: by how much its own is larger than that of the recipe's name, see ``ignorance``;
            none where there is no recipe of several sets.
    """

    name: str
    family: str
    better: str
    distinct: int
    agreements: Mapping[str, Agreement]
    regret: float
    regret_in_ipc: float
    seconds: float
    share: float
    costs: Mapping[int, float | None]
    behind: Mapping[str, Difference] = dataclasses.field(default_factory=dict[str, Difference])
    beyond: Mapping[str, Difference] = dataclasses.field(default_factory=dict[str, Difference])

    @property
    def headline(self) -> Agreement:
        """The agreement within ipc: who looks for a set, looks for one of a given size."""
        return self.agreements.get(IN_IPC, self.agreements[EVERYTHING])


def verdicts(
    records: Sequence[Record],
    resampling: Resampling,
    *,
    models: float | None = None,
    ignorant: Column | None = None,
) -> list[Verdict]:
    """Hold every assessment that all sets have against their accuracy.

    Args:
        records: of sets that were validated and assessed.
        resampling: for p-values, and comparisons of all pairs.
        models: seconds that training all original models took; None where nobody knows.
        ignorant: what knows nothing of a set but its recipe, to compare all others with.

    Returns:
        One verdict for each assessment; the best agreement within ipc comes first.

    Raises:
        InputError: for fewer than ``LEAST`` sets, or one that was not validated.
    """
    field = Field.of(records, resampling)
    columns = [Column.of(name, records, models) for name in _scored(records)]
    if not columns:
        return []
    found = _corrected(judged(field, columns, validation_of(records)))
    order = sorted(range(len(found)), key=lambda i: -found[i].headline.spearman.value)
    return _compared([found[i] for i in order], [columns[i] for i in order], field, ignorant)


def contrast(
    records: Sequence[Record], one: str, other: str, resampling: Resampling
) -> dict[str, Difference]:
    """Tell by how much one assessment agrees better than another, by scope.

    Both are looked at on the same recipes: what they have in common cancels. Intervals of all
    pairs at once are of all assessments that the sets have.

    Returns:
        Spearman's correlation of ``one`` less that of ``other``; -2 to 2.

    Raises:
        InputError: see ``verdicts``; and for an assessment that not all sets have.
    """
    field, names = Field.of(records, resampling), _scored(records)
    for name in (one, other):
        if name not in names:
            raise InputError(f"not all sets have a score by {name!r}")
    contests = field.contests([Column.of(name, records, None) for name in names])
    places = names.index(one), names.index(other)
    return {scope: contest.difference(*places) for scope, contest in contests.items()}


def judged(field: Field, columns: Sequence[Column], validation: float) -> list[Verdict]:
    """Return what is said of columns, each by itself.

    Args:
        field: the sets.
        columns: of their scores.
        validation: seconds of validating a set by one network.
    """
    within = field.strata.get(IN_IPC, field.strata[EVERYTHING])
    return [
        Verdict(
            column.name,
            column.family,
            column.better,
            len(np.unique(column.worths)),
            agreements,
            regret(column.worths, field.accuracies, field.strata[EVERYTHING]),
            regret(column.worths, field.accuracies, within),
            column.expense.seconds,
            column.expense.seconds / max(validation, 1e-9),
            column.expense.shares(validation),
        )
        for column, agreements in zip(columns, field.agreements(columns), strict=True)
    ]


def regret(worths: Numbers, accuracies: Numbers, strata: Strata) -> float:
    """Return the accuracy lost by picking the best set by its score, averaged over groups.

    Among sets whose scores are equal the pick is by chance, and the loss its expectation.
    """
    lost = [
        accuracies[rows].max() - accuracies[rows][worths[rows] == worths[rows].max()].mean()
        for rows in strata
    ]
    return float(np.mean(lost))


def _scored(records: Sequence[Record]) -> list[str]:
    # The assessments that all sets have.
    return [name for name in records[0].scores if all(name in one.scores for one in records)]


def _compared(
    found: list[Verdict], columns: list[Column], field: Field, ignorant: Column | None
) -> list[Verdict]:
    contests = field.contests([*columns, *([] if ignorant is None else [ignorant])])
    last = len(columns)
    return [
        replace(
            verdict,
            behind={scope: one.difference(0, i) for scope, one in contests.items()} if i else {},
            beyond={}
            if ignorant is None
            else {scope: one.difference(i, last) for scope, one in contests.items()},
        )
        for i, verdict in enumerate(found)
    ]


def _corrected(found: Sequence[Verdict]) -> list[Verdict]:
    # Every scope is a question of its own, asked of all assessments.
    from scipy.stats import false_discovery_control

    tables = [dict(verdict.agreements) for verdict in found]
    for scope in found[0].agreements:
        rates = false_discovery_control([table[scope].p for table in tables])
        for table, rate in zip(tables, rates, strict=True):
            table[scope] = replace(table[scope], corrected=float(rate))
    return [replace(v, agreements=table) for v, table in zip(found, tables, strict=True)]
