"""What was typed after a command, taken apart, and what is wrong with it in words for people."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass
from typing import Any

from datastill.base.errors import InputError, suggestion
from datastill.cli.grammar import Option

HELP = "help"


@dataclass(frozen=True)
class Typed:
    """What was typed after a command.

    Attributes:
        command: its name.
        options: by their names, with the words after each; of one that was typed twice the last
            counts.
        others: words that belong to no option, and are known by their place.
    """

    command: str
    options: tuple[tuple[str, tuple[str, ...]], ...]
    others: tuple[str, ...]

    @property
    def names(self) -> set[str]:
        """The options."""
        return {name for name, _ in self.options}

    def values(self, given: Mapping[str, Any], options: Mapping[str, Option]) -> dict[str, Any]:
        """Return the values of the options that the command has, by their names.

        Some are ``given`` without being typed. What makes no sense, or is missing, is refused.
        """
        found = dict(given)
        for name, words in self.options:
            if name in options:
                found[name] = options[name].value(words)
        left = list(self.others)
        for option in (option for option in options.values() if option.bare):
            taken, left = (left, []) if option.many else (left[:1], left[1:])
            if taken:
                found[option.name] = option.value(taken)
        for option in () if HELP in self.names else options.values():
            if option.default is MISSING and option.name not in found:
                raise InputError(f"datastill {self.command} needs {option.typed}: {option.about}")
        if left and HELP not in self.names:
            raise InputError(
                f"no option takes {' '.join(left)}; see datastill {self.command} --help"
            )
        return found


def taken_apart(words: Sequence[str], options: Mapping[str, Option], command: str) -> Typed:
    """Take apart the words that were typed after a command that has such options.

    What it does not have, and a value for an option that has none, is refused.
    """
    found: list[tuple[str, list[str]]] = []
    others: list[str] = []
    for place, word in enumerate(words):
        if word == "--":
            others += words[place + 1 :]
            break
        if is_option(word):
            name, values = _option(word, options, command)
            found.append((name, values))
        elif found and len(found[-1][1]) < _room(options.get(found[-1][0])):
            found[-1][1].append(word)
        else:
            others.append(word)
    return Typed(command, tuple((name, tuple(held)) for name, held in found), tuple(others))


def is_option(word: str) -> bool:
    """Tell whether a word names an option: ``-inf`` is a number.

    >>> is_option("--lr-img"), is_option("-h"), is_option("-1e3"), is_option("-inf")
    (True, True, False, False)
    """
    if not re.match(r"--?[A-Za-z]", word):
        return False
    try:
        float(word)
    except ValueError:
        return True
    return False


def _option(word: str, options: Mapping[str, Option], command: str) -> tuple[str, list[str]]:
    typed, equals, value = word.partition("=")
    name = typed.lstrip("-").replace("_", "-")
    if name == "h" or name == HELP:
        return HELP, []
    known = {HELP, *(option.name for option in options.values() if not option.bare)}
    if name not in known or not typed.startswith("--"):
        near = suggestion(name, known)
        hint = near if near.startswith("did") else f"see datastill {command} --help"
        raise InputError(f"datastill {command} has no option {typed}; {hint}")
    if equals and options[name].kind is bool:
        raise InputError(f"{typed} takes no value, found {value!r}")
    return name, [value] if equals else []


def _room(option: Option | None) -> float:
    return 0 if option is None or option.kind is bool else float("inf") if option.many else 1
