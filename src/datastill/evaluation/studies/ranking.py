"""How far assessments agree with validation, over the sets of a study.

Everything is signed by the direction of the assessment: +1 means that the better its score is, the
better a set trains networks.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

import numpy as np
from scipy import stats

from datastill.base.errors import InputError
from datastill.base.wording import counted
from datastill.evaluation.scores import family
from datastill.evaluation.studies.agreement import (
    Agreement,
    Coefficient,
    agreed,
    averaged,
    coefficient,
    sampled,
)
from datastill.evaluation.studies.coefficients import Numbers
from datastill.evaluation.studies.records import Record
from datastill.evaluation.studies.resampling import Group, Resampling, Strata, drawn
from datastill.evaluation.studies.scopes import EVERYTHING, IN_IPC, LEAST, scopes


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
        behind: by how much Spearman's correlation of the assessment that agrees best within ipc
            is larger, in pairs, by scope; none for that assessment itself.
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
    behind: Mapping[str, Coefficient] = dataclasses.field(default_factory=dict[str, Coefficient])

    @property
    def headline(self) -> Agreement:
        """The agreement within ipc: who looks for a set, looks for one of a given size."""
        return self.agreements.get(IN_IPC, self.agreements[EVERYTHING])


def verdicts(records: Sequence[Record], resampling: Resampling) -> list[Verdict]:
    """Hold every assessment that all sets have against their accuracy.

    Args:
        records: of sets that were validated and assessed.
        resampling: for intervals and p-values.

    Returns:
        One verdict for each assessment; the best agreement within ipc comes first.

    Raises:
        InputError: for fewer than ``LEAST`` sets, or one that was not validated.
    """
    field = _Field.of(records, resampling)
    validation = fmean(trial.seconds for record in records for trial in record.trials)
    names = [name for name in records[0].scores if all(name in r.scores for r in records)]
    columns = {name: _Column.of(name, records) for name in names}
    found = [field.verdict(column, validation) for column in columns.values()]
    found = sorted(_corrected(found), key=lambda verdict: -verdict.headline.spearman.value)
    return [
        replace(one, behind=field.contrast(columns[found[0].name], columns[one.name]))
        if one.name != found[0].name
        else one
        for one in found
    ]


def contrast(
    records: Sequence[Record], one: str, other: str, resampling: Resampling
) -> dict[str, Coefficient]:
    """Tell by how much one assessment agrees better than another, by scope.

    Both are looked at on the same recipes and sets drawn anew: what they have in common cancels.

    Returns:
        Spearman's correlation of ``one`` less that of ``other``; -2 to 2.

    Raises:
        InputError: see ``verdicts``; and for an assessment that not all sets have.
    """
    for name in (one, other):
        if not all(name in record.scores for record in records):
            raise InputError(f"not all sets have a score by {name!r}")
    columns = (_Column.of(name, records) for name in (one, other))
    return _Field.of(records, resampling).contrast(*columns)


def yardstick(records: Sequence[Record], resampling: Resampling) -> Verdict:
    """Judge validation by one network as if it were an assessment, by the networks that remain.

    No assessment can be expected to do much better than that.

    Raises:
        InputError: for fewer than ``LEAST`` sets, or one with fewer than two trials.
    """
    _require_enough(records, trials=2)
    first = np.array([record.trials[0].accuracy for record in records])
    rest = np.array([fmean(t.accuracy for t in record.trials[1:]) for record in records])
    seconds = fmean(record.trials[0].seconds for record in records)
    column = _Column("validation by one network", "validation", "higher", first, seconds)
    return _Field.of(records, resampling, rest).verdict(column, seconds)


def ignorance(records: Sequence[Record], resampling: Resampling) -> Verdict | None:
    """Judge the name of a recipe as if it were an assessment: the accuracy of its other sets.

    Who looks at no image and at no network knows that much, once each recipe was tried before:
    what an assessment has to beat to be worth its cost among sets of known recipes. A set that is
    the only one of its recipe is taken to be like the average of all others of its ipc.

    Returns:
        The verdict; None where no recipe has two sets of one ipc.

    Raises:
        InputError: see ``verdicts``.
    """
    _require_enough(records, trials=1)
    others = [
        [one for j, one in enumerate(records) if j != i and one.place == record.place]
        for i, record in enumerate(records)
    ]
    if not any(others):
        return None
    told = np.array(
        [fmean(one.accuracy for one in own or _others(records, i)) for i, own in enumerate(others)]
    )
    seconds = fmean(trial.seconds for record in records for trial in record.trials)
    tried = fmean(sum(len(one.trials) for one in own) for own in others)
    column = _Column(
        "mean of the recipe's other sets", "ignorance", "higher", told, tried * seconds
    )
    return _Field.of(records, resampling).verdict(column, seconds)


def regret(worths: Numbers, accuracies: Numbers, strata: Strata) -> float:
    """Return the accuracy lost by picking the best set by its score, averaged over groups.

    Among sets whose scores are equal the pick is by chance, and the loss its expectation.
    """
    lost = [
        accuracies[rows].max() - accuracies[rows][worths[rows] == worths[rows].max()].mean()
        for rows in strata
    ]
    return float(np.mean(lost))


@dataclass(frozen=True, eq=False)
class _Column:
    name: str
    family: str
    better: str
    worths: Numbers
    seconds: float

    @classmethod
    def of(cls, name: str, records: Sequence[Record]) -> _Column:
        scores = [record.scores[name] for record in records]
        worths = np.array([found.score.worth for found in scores])
        seconds = fmean(found.seconds for found in scores)
        return cls(name, family(name), scores[0].score.better, worths, seconds)


@dataclass(frozen=True, eq=False)
class _Field:
    # The sets of a study, and what is drawn of them: the same for every assessment.
    accuracies: Numbers
    strata: Mapping[str, Strata]
    groups: Mapping[str, Sequence[Group]]

    @classmethod
    def of(
        cls, records: Sequence[Record], resampling: Resampling, accuracies: Numbers | None = None
    ) -> _Field:
        _require_enough(records, trials=1)
        if accuracies is None:
            accuracies = np.array([record.accuracy for record in records])
        strata, recipes = scopes(records, accuracies), [record.recipe_name for record in records]
        groups = {scope: drawn(rows, recipes, resampling, scope) for scope, rows in strata.items()}
        return cls(accuracies, strata, groups)

    def verdict(self, column: _Column, validation: float) -> Verdict:
        within = self.strata.get(IN_IPC, self.strata[EVERYTHING])
        return Verdict(
            column.name,
            column.family,
            column.better,
            len(np.unique(column.worths)),
            {
                scope: agreed(column.worths, self.accuracies, groups)
                for scope, groups in self.groups.items()
            },
            regret(column.worths, self.accuracies, self.strata[EVERYTHING]),
            regret(column.worths, self.accuracies, within),
            column.seconds,
            column.seconds / max(validation, 1e-9),
        )

    def contrast(self, one: _Column, other: _Column) -> dict[str, Coefficient]:
        found: dict[str, Coefficient] = {}
        for scope, groups in self.groups.items():
            more, less = (
                (
                    averaged(column.worths, self.accuracies, groups, "spearman"),
                    sampled(column.worths, self.accuracies, groups, "spearman"),
                )
                for column in (one, other)
            )
            found[scope] = coefficient(more[0] - less[0], more[1] - less[1])
        return found


def _corrected(found: Sequence[Verdict]) -> list[Verdict]:
    # Every scope is a question of its own, asked of all assessments.
    if not found:
        return []
    tables = [dict(verdict.agreements) for verdict in found]
    for scope in found[0].agreements:
        rates = stats.false_discovery_control([table[scope].p for table in tables])
        for table, rate in zip(tables, rates, strict=True):
            table[scope] = replace(table[scope], corrected=float(rate))
    return [replace(v, agreements=table) for v, table in zip(found, tables, strict=True)]


def _others(records: Sequence[Record], i: int) -> list[Record]:
    rest = [one for j, one in enumerate(records) if j != i]
    return [one for one in rest if one.ipc == records[i].ipc] or rest


def _require_enough(records: Sequence[Record], *, trials: int) -> None:
    if len(records) < LEAST:
        raise InputError(f"a study needs at least {LEAST} sets, found {len(records)}")
    for record in records:
        if len(record.trials) < trials:
            raise InputError(
                f"set {record.name!r} was validated by {counted(len(record.trials), 'network')}, "
                f"fewer than {trials}"
            )
