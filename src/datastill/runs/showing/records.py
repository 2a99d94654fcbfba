"""What was found, for programs: one JSON object, of the values that files of runs hold."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from functools import singledispatch
from typing import Any

from datastill.runs.assessment.assessing import Ranked
from datastill.runs.assessment.scored import Scored
from datastill.runs.folders.gathering import STUDIED
from datastill.runs.foresight.estimating import Estimate
from datastill.runs.making.distilling import Distilled
from datastill.runs.making.relabelling import Relabelled
from datastill.runs.making.training import Trained
from datastill.runs.showing.reporting import Reported
from datastill.runs.studies.findings import Studied
from datastill.runs.validation.comparing import Compared
from datastill.runs.validation.validating import Validated
from datastill.store import read_json, versions

LAYOUT = 1
"""Of the object: another number where a key has another meaning, or is gone."""


def in_json(command: str, found: Any) -> str:
    """Return what a command found as strict JSON: a number that is not finite is null.

    Args:
        command: its name.
        found: what it returned; of several runs a list.
    """
    told = [record(one) for one in found] if isinstance(found, list) else record(found)
    whole = {"layout": LAYOUT, "versions": versions(), "command": command, "found": told}
    return json.dumps(strict(whole), allow_nan=False, indent=2)


def strict(value: Any) -> Any:
    """Return a value as strict JSON can hold it.

    >>> strict({"a": (1, float("nan")), "b": {"c": 0.5}})
    {'a': [1, None], 'b': {'c': 0.5}}
    """
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return strict(asdict(value))
    if isinstance(value, Mapping):
        return {str(name): strict(one) for name, one in value.items()}
    if isinstance(value, Sequence | set | frozenset):
        return [strict(one) for one in value]
    return str(value)


@singledispatch
def record(found: Any) -> Any:
    """Return what a run found as its files hold it, or else its values by their names."""
    return found


@record.register
def _(found: Trained) -> Any:
    rows = [
        {"architecture": row.architecture, "number": row.number, **row.facts}
        | {"test_accuracy": row.test_accuracy}
        for row in found.rows
    ]
    return {"kind": "train", "dataset": found.dataset, "folder": found.folder, "models": rows}


@record.register
def _(found: Distilled) -> Any:
    about = {"images": len(found.set), "plan": found.plan}
    return {**found.set.facts, "kind": "distill", "folder": found.folder, **about}


@record.register
def _(found: Validated) -> Any:
    return {"kind": "validate", "file": found.file, "images": found.images, **found.report}


@record.register
def _(found: Compared) -> Any:
    return {"kind": "compare", "file": found.file, **found.report}


@record.register
def _(found: Scored) -> Any:
    told = {} if found.file is None else read_json(found.file)
    others = {"others": [record(one) for one in found.others]} if found.others else {}
    return {"kind": "assess", "file": found.file, **told, **others}


@record.register
def _(found: Ranked) -> Any:
    rows = [
        {
            "set": name,
            "images": found.sizes[name],
            **asdict(score),
            **({"rung": found.rungs[name]} if found.rungs else {}),
        }
        for name, score in found.scores.items()
    ]
    about = {"by": found.by, "judges": found.judges, "caveats": found.caveats}
    return {"kind": "select", **about, "sets": rows}


@record.register
def _(found: Studied) -> Any:
    told = {} if found.folder is None else read_json(found.folder / STUDIED)
    return {"kind": "study", "folder": found.folder, **told}


@record.register
def _(found: Relabelled) -> Any:
    about = {"agreement": found.agreement, "certainty": found.certainty}
    how = found.set.facts.get("relabelled") or {}
    place = {"kind": "relabel", "folder": found.folder, "images": len(found.set)}
    return {**how, **place, **about, "caveats": found.caveats}


@record.register
def _(found: Estimate) -> Any:
    return {"kind": "estimate", **asdict(found), "seconds": found.seconds}


@record.register
def _(found: Reported) -> Any:
    return {"kind": "report", "file": found.file}
