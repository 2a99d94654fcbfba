"""Files that describe runs, of whatever kind."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any

from datastill.base.errors import InputError, suggestion
from datastill.runs.specs.assessing import AssessSpec, RankSpec
from datastill.runs.specs.base import About, Spec, build, require_text, split
from datastill.runs.specs.distilling import DistillSpec
from datastill.runs.specs.relabelling import RelabelSpec
from datastill.runs.specs.studying import StudySpec
from datastill.runs.specs.training import TrainSpec
from datastill.runs.specs.validating import CompareSpec, ValidateSpec

KINDS: dict[str, type[Spec]] = {
    one.kind: one
    for one in (
        *(TrainSpec, DistillSpec, ValidateSpec, CompareSpec),
        *(AssessSpec, RankSpec, StudySpec, RelabelSpec),
    )
}
"""Kinds of runs, by the names that files begin with."""


class Old(Exception):
    """A file that says the options of a command, as recipes did before they described runs."""

    def __init__(self, command: str, table: Mapping[str, Any]) -> None:
        super().__init__(command)
        self.command = command
        self.table = table


def read(text: str, source: str = "the description") -> tuple[Spec, About]:
    r"""Return what a file describes, and what it says of itself.

    Args:
        text: of the file.
        source: its name, for messages.

    Raises:
        InputError: see ``Spec.from_toml``.
        Old: when it is of options.

    >>> read('kind = "relabel"\nset = "condensed/digits/DM/IPC1"')[0].temperature
    1.0
    """
    require_text(text)
    _require_new(text)
    kind, about, table = split(text, source)
    if kind not in KINDS:
        raise InputError(f"{source}: no kind of run {kind!r}; {suggestion(kind, KINDS)}")
    return build(KINDS[kind], table, source), about


def _require_new(text: str) -> None:
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError):
        return  # told by who reads it next
    if "kind" not in table and isinstance(table.get("command"), str):
        raise Old(table["command"], table)
