"""Recipes as they were before they described runs: options of a command, below ``[options]``."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from datastill.base.errors import InputError, is_number, suggestion
from datastill.runs.specs.recipes import in_files
from datastill.runs.specs.values import converted

HEAD = ("command", "source", "expected", "measured")
"""What they may say besides options."""
OPTIONS = "options"
WRITTEN: dict[Any, Any] = {
    Path: str,
    Path | None: str | None,
    tuple[Path, ...]: tuple[str, ...],
}
"""As what a file holds paths."""


def values_in(path: Path, table: Mapping[str, Any], types: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of options that a file says, by their names.

    Args:
        path: of the file.
        table: what it says.
        types: of the options that there are, by their names.

    Raises:
        InputError: for what is no option, or of another kind.
    """
    for name in table:
        if name not in (*HEAD, OPTIONS):
            where = f"belongs below [{OPTIONS}]" if _plain(name) in types else "has no meaning"
            raise InputError(f"recipe {path}: {name!r} {where}")
    given = table.get(OPTIONS, {})
    if not isinstance(given, dict):
        raise InputError(f"recipe {path}: [{OPTIONS}] is a table of options, not {given!r}")
    found: dict[str, Any] = {}
    for name, value in given.items():
        if _plain(name) not in types:
            raise InputError(f"recipe {path}: no option {name!r}; {suggestion(name, types)}")
        found[_plain(name)] = _value(_plain(name), value, types[_plain(name)], f"recipe {path}")
    return found


def _value(name: str, value: Any, hint: Any, source: str) -> Any:
    # Where several may be, one may stand alone; where text may be, a number is its text.
    many = typing.get_origin(hint) is tuple
    kinds = {*(typing.get_args(hint) or (hint,))} - {type(None), ...}
    given = [value] if many and not isinstance(value, list) else value
    if kinds in ({str}, {Path}):
        given = [_text(one) for one in given] if isinstance(given, list) else _text(given)
    try:
        found = converted(name, given, WRITTEN.get(hint, hint))
    except InputError as error:
        raise InputError(in_files(f"{source}: {error}")) from None
    if kinds == {Path} and found is not None:
        return tuple(map(Path, found)) if many else Path(found)
    return found


def _text(value: Any) -> Any:
    return str(value) if is_number(value) else value


def _plain(name: str) -> str:
    return name.replace("_", "-")
