"""Recipes: options of a command in a file, with where their numbers come from."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from datastill.errors import InputError, suggestion

HEAD = ("command", "source", "expected", "measured")
"""What a recipe may say besides its options."""


def with_recipe(words: Sequence[str], command: str, known: Iterable[str]) -> list[str]:
    """Put the options of a ``--recipe FILE`` before those on the command line, which win.

    Args:
        words: arguments after the command's name.
        command: that name; the recipe must be for it.
        known: the command's options.

    Raises:
        InputError: when the file is missing, no TOML, for another command, or names an option
            that does not exist.
    """
    given = {option_of(word) for word in words if word.startswith("--")}
    if "recipe" not in given:
        return list(words)
    table = _read(_path(words))
    if table.get("command") != command:
        raise InputError(
            f"recipe {_path(words)} is for 'datastill {table.get('command')}', not {command!r}"
        )
    options = table.get("options", {})
    for name in options:
        if option_of(name) not in known:
            hint = suggestion(name, known)
            raise InputError(f"recipe {_path(words)}: no option {name!r}; {hint}")
    added: list[str] = []
    for name, value in options.items():
        if option_of(name) not in given:
            added += _words(option_of(name), value)
    return [*words, *added]


def option_of(word: str) -> str:
    """Return the option that a word names: ``--lr_img=1`` names ``lr-img``."""
    return word.removeprefix("--").split("=")[0].replace("_", "-")


def _path(words: Sequence[str]) -> Path:
    for word, after in zip(words, [*words[1:], ""], strict=True):
        if word == "--recipe" and after:
            return Path(after)
        if word.startswith("--recipe="):
            return Path(word.removeprefix("--recipe="))
    raise InputError("--recipe needs the name of a file")


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read recipe {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"recipe {path} is not TOML: {error}") from None


def _words(option: str, value: Any) -> list[str]:
    if value is False:
        return []
    if value is True:
        return [f"--{option}"]
    values = value if isinstance(value, list) else [value]
    return [f"--{option}", *map(str, values)]
