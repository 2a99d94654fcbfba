"""What can be typed after a command: one option, and those of a command."""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from datastill.base.errors import EMPTY, InputError, suggestion
from datastill.base.own_code import names_in
from datastill.base.wording import listed, quoted
from datastill.cli.arguments import in_options

LISTED = re.compile(r"`([A-Z]+)`")
"""In what is said of an option: a registry, whose names belong there."""
SILENT = ""  # the help text itself says what happens without the option
METAVARS: Mapping[Any, str] = {int: "INT", float: "FLOAT", str: "TEXT", Path: "PATH"}
IPC = "N|CLASS=N,...|proportional:N"
WORDS = {
    int: ("a whole number", "whole numbers"),
    float: ("a number", "numbers"),
    Path: ("a path", "paths"),
}
"""What a value of a kind is, and what several are."""


@dataclass(frozen=True)
class Option:
    """What can be typed after a command.

    Attributes:
        name: as typed, without dashes.
        hint: type of its value.
        default: what it is anyway; ``dataclasses.MISSING`` where it is needed.
        about: what it is for.
        path: of the value of a description that it stands for, if it does: its name, after those of
            the parts that it is in, and dots.
    """

    name: str
    hint: Any
    default: Any
    about: str
    path: str = ""

    @property
    def field(self) -> str:
        """Its name as an attribute of a command."""
        return self.name.replace("-", "_")

    @property
    def plain(self) -> Any:
        """Its type without what is said of its help."""
        annotated = typing.get_origin(self.hint) is Annotated
        return typing.get_args(self.hint)[0] if annotated else self.hint

    @property
    def many(self) -> bool:
        return typing.get_origin(self.plain) is tuple

    @cached_property
    def _one(self) -> tuple[Any, ...]:
        # What one value may be.
        one = typing.get_args(self.plain)[0] if self.many else self.plain
        union = typing.get_origin(one) in (typing.Union, types.UnionType)
        return typing.get_args(one) if union else (one,)

    @property
    def optional(self) -> bool:
        return type(None) in self._one

    @cached_property
    def words(self) -> tuple[str, ...]:
        """Words that it takes: all that it does, or besides numbers."""
        some = [typing.get_args(one) for one in self._one if typing.get_origin(one) is Literal]
        return some[0] if some else ()

    @cached_property
    def kind(self) -> Any:
        """Type of a value: ``int``, ``float``, ``str``, ``bool``, ``Path``."""
        kinds = [one for one in self._one if one in (int, float, str, bool, Path)]
        return kinds[0] if len(kinds) == 1 else str

    @property
    def bare(self) -> bool:
        """Whether it is typed without its name, for its place."""
        return "Positional" in repr(self.hint)

    @property
    def typed(self) -> str:
        return self.name.upper() if self.bare else f"--{self.name}"

    @property
    def asked(self) -> str:
        if self.words and self.kind is str:
            return listed(self.words, "or")
        return WORDS.get(self.kind, ("a value", "values"))[self.many]

    def value(self, words: Sequence[str]) -> Any:
        """Return the value that words stand for.

        Raises:
            InputError: for a word that it does not take, saying what it takes.
        """
        if self.kind is bool:
            return True
        if not words and (not self.many or self.default == ()):
            raise InputError(f"{self.typed} needs {self.asked}")
        found = tuple(self._value(word) for word in (words if self.many else words[:1]))
        return found if self.many else found[0]

    def _value(self, word: str) -> Any:
        if not word:
            raise InputError(f"{self.typed} {EMPTY}")
        if word == "None" and self.optional:
            return None
        if word in self.words:
            return word
        number = int in self._one and word.isdecimal()
        try:  # a number of thousands of digits is none
            if self.words and self.kind is str and not number:
                raise ValueError
            return int(word) if number else self.kind(word)
        except ValueError:
            near = suggestion(word, self.words) if self.words else ""
            found = quoted(word) + (f"; {near}" if near.startswith("did you mean") else "")
            raise InputError(f"{self.typed} takes {self.asked}, found {found}") from None

    @property
    def annotation(self) -> Any:
        """Its type with what tyro's help is to say of it."""
        if typing.get_origin(self.hint) is Annotated:
            return self.hint
        if {int, str} <= {*self._one}:
            usual = SILENT if self.default is None else f"(default: {self.default})"
            return Annotated[self.hint, tyro.conf.arg(metavar=IPC, help_behavior_hint=usual)]
        if self.optional:
            metavar = f"{{{','.join(self.words)}}}" if self.words else METAVARS[self.kind]
            return Annotated[self.hint, tyro.conf.arg(metavar=metavar, help_behavior_hint=SILENT)]
        if self.default is False or self.default == ():
            return Annotated[self.hint, tyro.conf.arg(help_behavior_hint=SILENT)]
        return self.hint


@cache
def options_of(kind: Any) -> Mapping[str, Option]:
    """Return the options of a command, and those of the groups of options in it, by names."""
    found = (field.metadata["option"] for field in _fields(kind))
    return {option.name: option for option in found}


def told(kind: Any) -> None:
    """Give every option of a command the words for its help, with names from the registries."""
    known = {*options_of(kind)}
    for field in _fields(kind):
        said = field.metadata["option"].about
        text = LISTED.sub(lambda found: listed(names_in(found[1])), said)
        field.metadata = types.MappingProxyType({**field.metadata, "help": in_options(text, known)})


def _fields(kind: Any) -> Iterator[dataclasses.Field[Any]]:
    for field in dataclasses.fields(kind):
        if "option" in field.metadata:
            yield field
        else:
            yield from _fields(field.default)


def filled(kind: Any, values: Mapping[str, Any], *, without: Any = None) -> Any:
    """Return a command, or a group of options, with values of its options.

    Args:
        kind: dataclass of the options.
        values: by the options' names.
        without: what stands for an option that is needed, and has no value.
    """
    given: dict[str, Any] = {}
    for field in dataclasses.fields(kind):
        option = field.metadata.get("option")
        if option is None:
            given[field.name] = filled(type(field.default), values)
        elif option.name in values or option.default is MISSING:
            given[field.name] = values.get(option.name, without)
    return kind(**given)
