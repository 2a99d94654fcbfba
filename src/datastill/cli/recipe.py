"""Recipes: options of a command in a file, with where their numbers come from."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from datastill.base.errors import InputError, suggestion

HEAD = ("command", "source", "expected", "measured")
"""What a recipe may say besides its options."""
OPTIONS = "options"
OURS = Path(__file__).parents[1] / "recipes"
"""Where the recipes are that come with datastill."""


def words_of_recipe(words: Sequence[str], command: str, known: Iterable[str]) -> list[str]:
    """Return the options of a ``--recipe`` as they are typed, but those that were: these win.

    Args:
        words: arguments after the command's name.
        command: that name; the recipe must be for it.
        known: the command's options.

    Raises:
        InputError: when there is no such recipe, it is no TOML, for another command, or names an
            option that does not exist or stands in the wrong place.
    """
    given = {option_of(word) for word in words if word.startswith("--")}
    if "recipe" not in given:
        return []
    path = found(_asked(words))
    options = _options(path, command, known)
    added: list[str] = []
    for name, value in options.items():
        if option_of(name) not in given:
            added += _words(option_of(name), value, path)
    return added


def found(asked: str) -> Path:
    """Return the file of a recipe: at a path, or of those that come with datastill, by its name.

    Raises:
        InputError: when there is neither.
    """
    path, own = Path(asked), OURS / f"{asked.removesuffix('.toml')}.toml"
    if path.is_file():
        return path
    if asked == path.name and own.is_file():
        return own
    names = sorted(file.stem for file in OURS.glob("*.toml"))
    raise InputError(f"no recipe {asked!r}, neither a file nor a name; {suggestion(asked, names)}")


def option_of(word: str) -> str:
    """Return the option that a word names: ``--lr_img=1`` names ``lr-img``."""
    return word.removeprefix("--").split("=")[0].replace("_", "-")


def _asked(words: Sequence[str]) -> str:
    for word, after in zip(words, [*words[1:], ""], strict=True):
        if word == "--recipe" and after:
            return after
        if word.startswith("--recipe=") and word != "--recipe=":
            return word.removeprefix("--recipe=")
    raise InputError("--recipe needs a file, or the name of a recipe")


def _options(path: Path, command: str, known: Iterable[str]) -> dict[str, Any]:
    table = _read(path)
    if "command" not in table:
        raise InputError(
            f'recipe {path} does not say what for; begin it with command = "{command}"'
        )
    if table["command"] != command:
        raise InputError(
            f"recipe {path} is for 'datastill {table['command']}', not 'datastill {command}'"
        )
    for name in table:
        if name not in (*HEAD, OPTIONS):
            where = f"belongs below [{OPTIONS}]" if option_of(name) in known else "has no meaning"
            raise InputError(f"recipe {path}: {name!r} {where}")
    options = table.get(OPTIONS, {})
    if not isinstance(options, dict):
        raise InputError(f"recipe {path}: [{OPTIONS}] is a table of options, not {options!r}")
    for name in options:
        if option_of(name) not in known or option_of(name) in ("help", "recipe"):
            raise InputError(f"recipe {path}: no option {name!r}; {suggestion(name, known)}")
    return options


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read recipe {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"recipe {path} is not TOML: {error}") from None


def _words(option: str, value: Any, path: Path) -> list[str]:
    if value is False:
        return []
    if value is True:
        return [f"--{option}"]
    values = value if isinstance(value, list) else [value]
    for one in values:
        if not isinstance(one, str | int | float):
            raise InputError(f"recipe {path}: {option} is a number, a text, or a list of such")
    return [f"--{option}", *map(str, values)]
