"""How far assessments agree with validation, over the sets of a study.

Everything is signed by the direction of the assessment: +1 means that the better its score is, the
better a set trains networks.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from datastill.errors import InputError
from datastill.rng import Key
from datastill.scores import family
from datastill.studies.records import Record

Numbers = NDArray[np.float64]
Rows = NDArray[np.int64]
Strata = Sequence[Rows]

LEAST = 3
"""Sets that a group must have: the order of two agrees with anything fully or not at all."""

EVERYTHING, IN_IPC = "all sets", "within ipc"
IN_METHOD, IN_BOTH = "within method", "within method and ipc"
IN_BETTER = "better half of each ipc"
UNGUIDED, UNGUIDED_BETTER = "without CLOM, within ipc", "without CLOM, better half of each ipc"
"""The scopes that average over groups, besides those of single groups."""


@dataclass(frozen=True)
class Coefficient:
    """A correlation with its 95 % interval, by a bootstrap over sets."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Agreement:
    """How a score and validated accuracy go together over some sets.

    Attributes:
        sets: how many.
        spearman: of ranks.
        kendall: tau-b, of pairs.
        pearson: of values.
        p: of Spearman's correlation, two-sided, by permutation.
        corrected: the same after the false discovery rate of all assessments (Benjamini and
            Hochberg).
    """

    sets: int
    spearman: Coefficient
    kendall: Coefficient
    pearson: Coefficient
    p: float
    corrected: float


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

    @property
    def headline(self) -> Agreement:
        """The agreement within ipc: who looks for a set, looks for one of a given size."""
        return self.agreements.get(IN_IPC, self.agreements[EVERYTHING])


@dataclass(frozen=True)
class Resampling:
    """How often to draw anew.

    Attributes:
        key: decides the draws.
        bootstraps: samples of sets for an interval.
        permutations: of scores for a p-value.
    """

    key: Key
    bootstraps: int = 1000
    permutations: int = 9999

    def generator(self, *path: str) -> np.random.Generator:
        """Return the generator at an address."""
        return np.random.default_rng(self.key.at(*path).seed)


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
    _require_enough(records, trials=1)
    accuracies = np.array([record.accuracy for record in records])
    validation = fmean(trial.seconds for record in records for trial in record.trials)
    groups, found = scopes(records, accuracies), list[Verdict]()
    for name in (name for name in records[0].scores if all(name in r.scores for r in records)):
        column = _Column.of(name, records)
        agreements = {
            scope: agreement(column.worths, accuracies, strata, resampling, name, scope)
            for scope, strata in groups.items()
        }
        found.append(_verdict(column, accuracies, groups, agreements, validation))
    return sorted(_corrected(found), key=lambda verdict: -verdict.headline.spearman.value)


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
    groups = scopes(records, rest)
    agreements = {
        scope: agreement(first, rest, strata, resampling, "yardstick", scope)
        for scope, strata in groups.items()
    }
    return _verdict(column, rest, groups, agreements, seconds)


def scopes(records: Sequence[Record], accuracies: Numbers) -> dict[str, Strata]:
    """Return the groups of sets, as rows, within which agreement is looked for.

    The better half of an ipc is that of the sets at or above the median: to tell these apart is
    harder, and matters more, than to find the poor ones. Where some sets were guided by CLOM, the
    others are looked at by themselves as well: CLOM lowers what original models judge by. Groups
    of fewer than ``LEAST`` sets are left out, and scopes without groups.
    """
    rows = np.arange(len(records))
    ipcs = _groups([record.ipc for record in records], rows)
    methods = _groups([record.method for record in records], rows)
    both = _groups([(record.ipc, record.method) for record in records], rows)
    free = rows[[not record.guided for record in records]]
    unguided = _groups([record.ipc for record in records], free) if len(free) < len(rows) else {}
    found: dict[str, Strata] = {
        EVERYTHING: [rows],
        IN_IPC: list(ipcs.values()),
        IN_METHOD: list(methods.values()),
        IN_BOTH: list(both.values()),
        IN_BETTER: _better(ipcs.values(), accuracies),
        UNGUIDED: list(unguided.values()),
        UNGUIDED_BETTER: _better(unguided.values(), accuracies),
        **{f"ipc {ipc}": [rows] for ipc, rows in ipcs.items()},
        **{f"method {method}": [rows] for method, rows in methods.items()},
    }
    return {scope: strata for scope, strata in found.items() if strata}


def agreement(
    x: Numbers, y: Numbers, strata: Strata, resampling: Resampling, *address: str
) -> Agreement:
    """Correlate two columns within groups, and average over the groups.

    A group weighs one less than its number of sets: the inverse of the variance of a rank
    correlation. Sets are drawn anew, and scores permuted, within groups. Where one column is
    constant within a group, they agree there by 0.

    Args:
        x: ``(N,)`` scores, signed so that more is better.
        y: ``(N,)`` accuracies.
        strata: rows of each group.
        resampling: how often.
        address: of the random draws.
    """
    weights = np.array([len(rows) - 1.0 for rows in strata])
    groups = list(zip(weights / weights.sum(), strata, strict=True))
    found: dict[str, Coefficient] = {}
    for name, (exact, along) in COEFFICIENTS.items():
        rng = resampling.generator("bootstrap", name, *address)
        low, high = _interval(x, y, groups, along, resampling.bootstraps, rng)
        value = sum(weight * _exactly(exact, x[rows], y[rows]) for weight, rows in groups)
        found[name] = Coefficient(float(value), low, high)
    rng = resampling.generator("permutation", *address)
    p = _p_value(x, y, groups, resampling.permutations, rng)
    return Agreement(sum(map(len, strata)), **found, p=p, corrected=p)


def regret(worths: Numbers, accuracies: Numbers, strata: Strata) -> float:
    """Return the accuracy lost by picking the best set by its score, averaged over groups.

    Among sets whose scores are equal the pick is by chance, and the loss its expectation.
    """
    lost = [
        accuracies[rows].max() - accuracies[rows][worths[rows] == worths[rows].max()].mean()
        for rows in strata
    ]
    return float(np.mean(lost))


def pearson(x: Numbers, y: Numbers) -> Numbers:
    """Correlate values along the last axis; constant ones agree with nothing: 0."""
    return _cosine(x - x.mean(-1, keepdims=True), y - y.mean(-1, keepdims=True))


def spearman(x: Numbers, y: Numbers) -> Numbers:
    """Correlate ranks along the last axis; constant values agree with nothing: 0."""
    return pearson(stats.rankdata(x, axis=-1), stats.rankdata(y, axis=-1))


def kendall(x: Numbers, y: Numbers) -> Numbers:
    """Return tau-b along the last axis; constant values agree with nothing: 0."""
    one, other = np.triu_indices(x.shape[-1], 1)
    return _cosine(np.sign(x[..., one] - x[..., other]), np.sign(y[..., one] - y[..., other]))


Along = Callable[[Numbers, Numbers], Numbers]
COEFFICIENTS: Mapping[str, tuple[Callable[..., Any], Along]] = {
    "spearman": (stats.spearmanr, spearman),
    "kendall": (stats.kendalltau, kendall),
    "pearson": (stats.pearsonr, pearson),
}
"""The coefficient of two columns, and the same of thousands of resampled pairs at once."""


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


def _verdict(
    column: _Column,
    accuracies: Numbers,
    groups: Mapping[str, Strata],
    agreements: Mapping[str, Agreement],
    validation: float,
) -> Verdict:
    return Verdict(
        column.name,
        column.family,
        column.better,
        len(np.unique(column.worths)),
        agreements,
        regret(column.worths, accuracies, groups[EVERYTHING]),
        regret(column.worths, accuracies, groups.get(IN_IPC, groups[EVERYTHING])),
        column.seconds,
        column.seconds / max(validation, 1e-9),
    )


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


def _exactly(exact: Callable[..., Any], x: Numbers, y: Numbers) -> float:
    return 0.0 if np.ptp(x) == 0 or np.ptp(y) == 0 else float(exact(x, y).statistic)


def _interval(
    x: Numbers,
    y: Numbers,
    groups: Sequence[tuple[float, Rows]],
    along: Along,
    samples: int,
    rng: np.random.Generator,
) -> tuple[float, float]:
    def average(*drawn: NDArray[Any], **_: int) -> Numbers:  # along the last axis
        rows = [sample.astype(np.int64) for sample in drawn]
        parts = [w * along(x[r], y[r]) for (w, _), r in zip(groups, rows, strict=True)]
        return np.sum(parts, axis=0)

    found = stats.bootstrap(
        [rows for _, rows in groups],
        average,
        vectorized=True,
        batch=256,
        n_resamples=samples,
        method="percentile",
        rng=rng,
    )
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


def _p_value(
    x: Numbers,
    y: Numbers,
    groups: Sequence[tuple[float, Rows]],
    permutations: int,
    rng: np.random.Generator,
) -> float:
    # As scipy.stats.permutation_test does with pairings, which knows no groups.
    total, drawn = 0.0, np.zeros(permutations)
    for weight, rows in groups:
        ranks = stats.rankdata(x[rows])
        shuffled = rng.permuted(np.tile(ranks, (permutations, 1)), axis=1)
        wanted = stats.rankdata(y[rows])
        total += weight * float(pearson(ranks, wanted))
        drawn += weight * pearson(shuffled, wanted)
    as_far = int((np.abs(drawn) >= abs(total) - 1e-9).sum())
    return (as_far + 1) / (permutations + 1)


def _cosine(x: Numbers, y: Numbers) -> Numbers:
    norm = np.sqrt((x**2).sum(-1) * (y**2).sum(-1))
    return (x * y).sum(-1) / np.where(norm > 1e-12, norm, np.inf)


def _groups(labels: Sequence[Hashable], rows: Rows) -> dict[Hashable, Rows]:
    found: dict[Hashable, list[int]] = {}
    for row in rows:
        found.setdefault(labels[row], []).append(row)
    return {label: np.array(some) for label, some in found.items() if len(some) >= LEAST}


def _better(groups: Iterable[Rows], accuracies: Numbers) -> list[Rows]:
    halves = (rows[accuracies[rows] >= np.median(accuracies[rows])] for rows in groups)
    return [rows for rows in halves if len(rows) >= LEAST]


def _require_enough(records: Sequence[Record], *, trials: int) -> None:
    if len(records) < LEAST:
        raise InputError(f"a study needs at least {LEAST} sets, found {len(records)}")
    for record in records:
        if len(record.trials) < trials:
            raise InputError(
                f"set {record.name!r} was validated by {len(record.trials)} networks, "
                f"fewer than {trials}"
            )
