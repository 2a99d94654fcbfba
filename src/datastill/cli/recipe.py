"""Recipes: what a file says, as values of the options of a command."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from datastill.base.errors import InputError, is_number, suggestion
from datastill.cli.arguments import in_files
from datastill.cli.described import options_of_spec
from datastill.cli.grammar import Option
from datastill.cli.sense import HELP, Typed
from datastill.runs.recipes import find, read
from datastill.runs.specs import Old, Spec
from datastill.runs.specs.values import converted

HEAD = ("command", "source", "expected", "measured")
"""What a recipe of options may say besides these."""
OPTIONS = "options"
WRITTEN: dict[Any, Any] = {
    Path: str,
    Path | None: str | None,
    tuple[Path, ...]: tuple[str, ...],
}
"""As what a file holds paths."""


def values_of_recipe(
    typed: Typed, options: Mapping[str, Option], file: str | None = None
) -> dict[str, Any]:
    """Return the values of a recipe, by the names of options.

    Args:
        typed: after the command; the recipe must be for it.
        options: that the command has.
        file: of the recipe; by default that of ``--recipe``, if there is one.

    Raises:
        InputError: when there is no such recipe, it is no TOML, for another command, or says what
            makes no sense.
    """
    asked = (file,) if file else dict(typed.options).get("recipe")
    if asked is None:
        return {}
    if not asked:
        raise InputError("--recipe needs a file, or the name of a recipe")
    path = find(asked[0])
    itself = {"recipe": Path(asked[0])} if "recipe" in options else {}
    try:
        return {**_values(path, typed.command, options), **itself}
    except InputError as error:
        raise InputError(str(error), typed=in_files(str(error))) from None


def command_of(path: Path) -> str:
    """Return the command that a recipe is for.

    Raises:
        InputError: see ``runs.recipes.read``.
    """
    try:
        return read(path).spec.kind
    except Old as old:
        return old.command
    except InputError as error:
        raise InputError(str(error), typed=in_files(str(error))) from None


def _values(path: Path, command: str, options: Mapping[str, Option]) -> dict[str, Any]:
    try:
        spec = read(path).spec
    except Old as old:
        _require_for(path, old.command, command)
        return _old(path, old.table, options)
    _require_for(path, spec.kind, command)
    try:
        found = options_of_spec(spec)
    except InputError as error:
        raise InputError(f"recipe {path}: {error}") from None
    strange = [name for name in found if name not in options]
    if strange:
        raise InputError(f"recipe {path}: datastill {command} has no option --{strange[0]}")
    return found


def description_in(path: Path) -> Spec:
    """Return the run that a recipe describes.

    Raises:
        InputError: see ``runs.recipes.read``; for one of options too.
    """
    try:
        return read(path).spec
    except Old as old:
        raise InputError(
            f"recipe {path} holds options of 'datastill {old.command}', which can be run but not "
            "checked; 'datastill recipes show FashionMNIST-DM-10-clom' shows how they are written "
            "now"
        ) from None
    except InputError as error:
        raise InputError(str(error), typed=in_files(str(error))) from None


def _require_for(path: Path, meant: str, command: str) -> None:
    if meant != command:
        raise InputError(f"recipe {path} is for 'datastill {meant}', not 'datastill {command}'")


def _old(path: Path, table: Mapping[str, Any], options: Mapping[str, Option]) -> dict[str, Any]:
    # Options of a command below [options], as recipes had them before they described runs.
    known = {option.name for option in options.values() if not option.bare}
    for name in table:
        if name not in (*HEAD, OPTIONS):
            where = f"belongs below [{OPTIONS}]" if _plain(name) in known else "has no meaning"
            raise InputError(f"recipe {path}: {name!r} {where}")
    given = table.get(OPTIONS, {})
    if not isinstance(given, dict):
        raise InputError(f"recipe {path}: [{OPTIONS}] is a table of options, not {given!r}")
    found: dict[str, Any] = {}
    for name, value in given.items():
        if _plain(name) not in known or _plain(name) in (HELP, "recipe"):
            raise InputError(f"recipe {path}: no option {name!r}; {suggestion(name, known)}")
        found[_plain(name)] = typed_as(options[_plain(name)], value, f"recipe {path}")
    return found


def typed_as(option: Option, value: Any, source: str) -> Any:
    """Return a value out of a file as an option takes it.

    Where several values may be, one may stand alone; where text may be, a number is its text.

    Raises:
        InputError: when it is of another kind.
    """
    given = [value] if option.many and not isinstance(value, list) else value
    if option.kind in (str, Path) and option.hint != int | str:
        given = [_text(one) for one in given] if isinstance(given, list) else _text(given)
    try:
        found = converted(option.name, given, WRITTEN.get(option.hint, option.hint))
    except InputError as error:
        raise InputError(f"{source}: {error}") from None
    if option.kind is Path and found is not None:
        return tuple(map(Path, found)) if option.many else Path(found)
    return found


def _text(value: Any) -> Any:
    return str(value) if is_number(value) else value


def _plain(name: str) -> str:
    return name.replace("_", "-")
