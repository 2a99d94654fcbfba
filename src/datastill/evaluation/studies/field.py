"""The sets of a study as columns: what was scored, what was reached, and who is a relative."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from datastill.base.errors import InputError
from datastill.base.wording import counted
from datastill.evaluation.scores import family
from datastill.evaluation.statistics.clusters import Strata
from datastill.evaluation.statistics.coefficients import Numbers
from datastill.evaluation.statistics.differences import Difference, between, simultaneous
from datastill.evaluation.statistics.intervals import Spread
from datastill.evaluation.studies.agreement import Agreement, Ground, agreed
from datastill.evaluation.studies.expenses import Expense, expense
from datastill.evaluation.studies.records import Record
from datastill.evaluation.studies.resampling import Resampling
from datastill.evaluation.studies.scopes import LEAST, SCOPES, scopes


@dataclass(frozen=True, eq=False)
class Column:
    """What is held against accuracy.

    Attributes:
        name: of the assessment, or of what stands for one.
        family: of the assessment.
        better: its direction.
        worths: ``(N,)``, of every set, more being better.
        expense: what it costs.
    """

    name: str
    family: str
    better: str
    worths: Numbers
    expense: Expense

    @classmethod
    def of(cls, name: str, records: Sequence[Record], models: float | None) -> Column:
        """Return the scores of an assessment that all sets have."""
        scores = [record.scores[name].score for record in records]
        worths = np.array([score.worth for score in scores])
        cost = expense(name, records, models)
        return cls(name, family(name), scores[0].better, worths, cost)


@dataclass(frozen=True, eq=False)
class Field:
    """The sets of a study, and what is drawn of them: the same for every assessment.

    Attributes:
        accuracies: ``(N,)``.
        strata: rows of each group, by scope.
        grounds: the same with who is a relative, by scope.
        resampling: how often is drawn.
    """

    accuracies: Numbers
    strata: Mapping[str, Strata]
    grounds: Mapping[str, Ground]
    resampling: Resampling

    @classmethod
    def of(
        cls, records: Sequence[Record], resampling: Resampling, accuracies: Numbers | None = None
    ) -> Field:
        """Sort the sets of a study.

        Args:
            records: of sets that were validated.
            resampling: how often to draw.
            accuracies: what scores are held against; by default the means over trials.

        Raises:
            InputError: for fewer than ``LEAST`` sets, or one that was not validated.
        """
        require_enough(records, trials=1)
        if accuracies is None:
            accuracies = np.array([record.accuracy for record in records])
        strata = scopes(records, accuracies)
        recipes = [record.recipe_name for record in records]
        families = [record.family for record in records]
        grounds = {
            scope: Ground.of(rows, recipes, families, resampling, scope)
            for scope, rows in strata.items()
        }
        return cls(accuracies, strata, grounds, resampling)

    def agreements(self, columns: Sequence[Column]) -> list[dict[str, Agreement]]:
        """Hold every column against accuracy, by scope."""
        worths = np.array([column.worths for column in columns])
        found = {
            scope: agreed(worths, self.accuracies, ground) for scope, ground in self.grounds.items()
        }
        return [{scope: one[i] for scope, one in found.items()} for i in range(len(columns))]

    def contests(self, columns: Sequence[Column]) -> dict[str, Contest]:
        """Compare columns in pairs, by those scopes that are no single groups."""
        worths = np.array([column.worths for column in columns])
        return {
            scope: Contest.of(ground, worths, self.accuracies, self.resampling, scope)
            for scope, ground in self.grounds.items()
            if scope in SCOPES
        }


@dataclass(frozen=True, eq=False)
class Contest:
    """Rank correlations of several columns on the same sets.

    Attributes:
        spread: of the correlations.
        quantile: standard errors by which all pairs are told at once.
    """

    spread: Spread
    quantile: float

    @classmethod
    def of(
        cls,
        ground: Ground,
        worths: Numbers,
        accuracies: Numbers,
        resampling: Resampling,
        scope: str,
    ) -> Contest:
        """Correlate, and draw the quantile."""
        spread = ground.correlation("spearman", worths, accuracies)
        rng = resampling.generator("bootstrap", scope)
        return cls(spread, simultaneous(spread, resampling.bootstraps, rng))

    def difference(self, one: int, other: int) -> Difference:
        """Tell by how much one column agrees better than another."""
        value = float(self.spread.values[one] - self.spread.values[other])
        alone = between(self.spread, one, other)
        return Difference(value, *alone, *between(self.spread, one, other, self.quantile))


def require_enough(records: Sequence[Record], *, trials: int) -> None:
    """Refuse too few sets, and those that were validated too seldom.

    Raises:
        InputError: for either.
    """
    if len(records) < LEAST:
        raise InputError(f"a study needs at least {LEAST} sets, found {len(records)}")
    for record in records:
        if len(record.trials) < trials:
            raise InputError(
                f"set {record.name!r} was validated by {counted(len(record.trials), 'network')}, "
                f"fewer than {trials}"
            )


def validation_of(records: Sequence[Record]) -> float:
    """Return the seconds of validating a set by one network, on average."""
    return fmean(trial.seconds for record in records for trial in record.trials)
