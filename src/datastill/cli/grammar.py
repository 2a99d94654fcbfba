"""What a command's options take, read from its dataclass."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import itertools
import re
import textwrap
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from datastill.base.errors import InputError, suggestion
from datastill.base.own_code import provided
from datastill.base.wording import listed
from datastill.cli.filling import is_needed

LISTED = re.compile(r"\{([A-Z]+)\}")
"""In what is said of an option: a registry whose names belong there, as ``{METHODS}``."""
PLUGINS = {
    "METHODS": "distillation/methods",
    "CORESETS": "training/coresets",
    "FORMATS": "exchange",
}


@dataclass(frozen=True)
class Option:
    """What can be typed after a command.

    Attributes:
        name: as typed, without dashes.
        about: what it is for.
        kind: type of a value: ``int``, ``float``, ``str``, ``bool``, ``Path``.
        hint: type of the whole, as annotated.
        many: whether it takes any number of values.
        choices: its values, where these are few.
        optional: whether ``None`` can be typed.
        needed: whether the command cannot do without.
        bare: whether it is typed without its name, for its place.
        empty: whether nothing is what it is anyway.
        words: that it takes besides.
    """

    name: str
    about: str
    kind: Any
    hint: Any = None
    many: bool = False
    choices: tuple[str, ...] = ()
    optional: bool = False
    needed: bool = False
    bare: bool = False
    empty: bool = False
    words: tuple[str, ...] = ()

    def check(self, values: Sequence[str]) -> None:
        """Refuse values that it does not take.

        Raises:
            InputError: saying which, and what it takes.
        """
        if self.kind is bool:
            return
        if not values and (not self.many or self.empty):
            raise InputError(f"{self.typed} needs {self.asked}")
        for value in values if self.many else values[:1]:
            if not self.takes(value):
                near = f"; {suggestion(value, self.choices)}" if self.choices else ""
                near = near if "did you mean" in near else ""
                raise InputError(f"{self.typed} takes {self.asked}, found {value!r}{near}")

    def takes(self, value: str) -> bool:
        """Tell whether a word is one of its values."""
        if (value == "None" and self.optional) or value in self.words:
            return True
        if self.choices:
            return value in self.choices
        try:
            if self.kind in (int, float):
                self.kind(value)
        except ValueError:
            return False
        return True

    @property
    def typed(self) -> str:
        """How a person knows it."""
        return self.name.upper() if self.bare else f"--{self.name}"

    @property
    def asked(self) -> str:
        """What it takes, in words."""
        if self.choices:
            return listed(self.choices, "or")
        one, several = {
            int: ("a whole number", "whole numbers"),
            float: ("a number", "numbers"),
            Path: ("a path", "paths"),
        }.get(self.kind, ("a value", "values"))
        return several if self.many else one


@cache  # the source of a command is read once, whoever asks
def options_of(kind: Any) -> Mapping[str, Option]:
    """Return the options of a command, and those of the groups of options in it, by names."""
    found: dict[str, Option] = {}
    hints, texts = typing.get_type_hints(kind, include_extras=True), said_of(kind)
    for field in dataclasses.fields(kind):
        if dataclasses.is_dataclass(hints[field.name]):
            found.update(options_of(hints[field.name]))
        else:
            option = _option(field, hints[field.name], texts.get(field.name, ""))
            found[option.name] = option
    return found


@cache
def said_of(kind: Any) -> Mapping[str, str]:
    """Return what the source says below each field of a dataclass, on one line each."""
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(body, ast.ClassDef)
    found: dict[str, str] = {}
    for one, after in itertools.pairwise(body.body):
        if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name):
            said = after.value if isinstance(after, ast.Expr) else None
            if isinstance(said, ast.Constant) and isinstance(said.value, str):
                found[one.target.id] = " ".join(said.value.split())
    return found


@cache
def told(kind: Any) -> None:
    """Give every option of a command the words for its help, with names from the registries."""
    hints, texts = typing.get_type_hints(kind), said_of(kind)
    for field in dataclasses.fields(kind):
        if dataclasses.is_dataclass(hints[field.name]):
            told(hints[field.name])
        elif field.name in texts:
            text = LISTED.sub(lambda found: listed(names_in(found[1])), texts[field.name])
            field.metadata = types.MappingProxyType({**field.metadata, "help": text})


def names_in(registry: str) -> list[str]:
    """Return what a plug-in folder registers and packages provide, without running them.

    >>> names_in("METHODS")
    ['CIM', 'DC', 'DM', 'DSA', 'MTT', 'NCFM']
    """
    folder = Path(__file__).parents[1] / PLUGINS[registry]
    pattern = re.compile(rf"{registry}\.register\(\s*[\"']([^\"']+)[\"']")
    found = [pattern.findall(file.read_text(encoding="utf-8")) for file in folder.glob("*.py")]
    ours = itertools.chain.from_iterable(found)
    return sorted({*ours, *provided(f"datastill.{registry.casefold()}")}, key=str.casefold)


def _option(field: dataclasses.Field[Any], hint: Any, about: str) -> Option:
    plain = typing.get_args(hint)[0] if typing.get_origin(hint) is typing.Annotated else hint
    kind, many, optional, choices = hint, False, False, ()
    words: tuple[str, ...] = ()
    while (origin := typing.get_origin(kind)) is not None:
        parts = typing.get_args(kind)
        if origin is typing.Annotated:
            kind = parts[0]
        elif origin is tuple:
            kind, many = parts[0], True
        elif origin is Literal:
            kind, choices = str, parts
        else:  # a union: of None, or of all that Ipc can be
            optional = type(None) in parts
            others = [part for part in parts if part is not type(None)]
            if float in others:  # or a word, which is a Literal
                words = typing.get_args(others[-1])
                others = [float]
            kind = others[0] if len(others) == 1 else str
    return Option(
        field.name.replace("_", "-"),
        about,
        kind,
        plain,
        many,
        tuple(map(str, choices)),
        optional,
        is_needed(field),
        bare="Positional" in repr(hint),
        empty=field.default == (),
        words=words,
    )
