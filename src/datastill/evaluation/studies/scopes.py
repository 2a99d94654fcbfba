"""The groups of sets within which agreement is looked for."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

import numpy as np

from datastill.evaluation.statistics.clusters import Rows, Strata
from datastill.evaluation.statistics.coefficients import Numbers
from datastill.evaluation.studies.records import Record

LEAST = 3
"""Sets that a group must have: the order of two agrees with anything fully or not at all."""

EVERYTHING, IN_IPC = "all sets", "within ipc"
IN_METHOD, IN_BOTH = "within method", "within method and ipc"
IN_BETTER = "better half of each ipc"
UNGUIDED, UNGUIDED_BETTER = "without CLOM, within ipc", "without CLOM, better half of each ipc"
SCOPES = (IN_IPC, EVERYTHING, IN_METHOD, IN_BOTH, IN_BETTER, UNGUIDED, UNGUIDED_BETTER)
"""The scopes that average over groups, besides those of single groups."""


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


def _groups(labels: Sequence[Hashable], rows: Rows) -> dict[Hashable, Rows]:
    found: dict[Hashable, list[int]] = {}
    for row in rows:
        found.setdefault(labels[row], []).append(row)
    return {label: np.array(some) for label, some in found.items() if len(some) >= LEAST}


def _better(groups: Iterable[Rows], accuracies: Numbers) -> list[Rows]:
    halves = (rows[accuracies[rows] >= np.median(accuracies[rows])] for rows in groups)
    return [rows for rows in halves if len(rows) >= LEAST]
