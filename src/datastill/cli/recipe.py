"""Recipes: what a file says, as values of the options of a command."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from datastill.base.errors import InputError
from datastill.cli.described import options_of_spec
from datastill.cli.grammar import Option
from datastill.cli.sense import Typed
from datastill.runs.specs import Old
from datastill.runs.specs.old_recipes import values_in
from datastill.runs.specs.recipes import find, read


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
        spec = read(path).spec
    except Old as old:
        _require_for(path, old.command, typed.command)
        types = {one.name: one.plain for one in options.values() if not one.bare}
        types.pop("recipe", None)
        return {**values_in(path, old.table, types), **itself}
    _require_for(path, spec.kind, typed.command)
    try:
        found = options_of_spec(spec)
    except InputError as error:
        raise InputError(f"recipe {path}: {error}") from None
    strange = [name for name in found if name not in options]
    if strange:
        raise InputError(f"recipe {path}: datastill {typed.command} has no option --{strange[0]}")
    return {**found, **itself}


def _require_for(path: Path, meant: str, command: str) -> None:
    if meant != command:
        raise InputError(f"recipe {path} is for 'datastill {meant}', not 'datastill {command}'")
