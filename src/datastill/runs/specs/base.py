"""What a run follows from, as a value: written, read again strictly, and named by a digest."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import inspect
import json
import re
import tomllib
import typing
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self, TypeVar

from datastill.base.errors import InputError, of_kind, suggestion, told
from datastill.base.paths import from_home
from datastill.runs.specs.values import (
    Table,
    as_kept,
    converted,
    is_list,
    require_distinct,
    require_finite,
    require_path,
)

PLACE = "place"
"""Metadata of a field that says where something lies, and not what it is."""
NAME = re.compile(r"`(?=\w)")
"""In a message: what comes before the name of an argument."""

Settings = Mapping[str, bool | int | float | str]
"""Settings of methods, by the names that these have for them."""

P = TypeVar("P", bound="Part")
T = TypeVar("T")


@dataclass(frozen=True)
class About:
    """What a description says of itself besides what is to be done, in prose.

    Attributes:
        source: where its numbers come from.
        expected: what was published of it.
        measured: what came of it.
    """

    source: str = ""
    expected: str = ""
    measured: str = ""


@dataclass(frozen=True)
class Unit:
    """A piece of a run that can be done by itself.

    Attributes:
        address: of what comes of it, within the run.
        spec: what it follows from.
    """

    address: str
    spec: Spec


def place(default: T) -> T:
    """Return a field that says where something lies: it is written, and no part of the digest."""
    return dataclasses.field(default=default, metadata={PLACE: True})


@dataclass(frozen=True, kw_only=True)
class Part:
    """Plain values of known kinds, checked where they are made: by Python, or out of a file."""

    def __post_init__(self) -> None:
        hints = kinds_of(type(self))
        for field in fields(self):
            value, hint = getattr(self, field.name), hints[field.name]
            part = part_of(hint)
            made = _nested(field.name, value, hint, part) if part else None
            made = converted(field.name, value, hint) if part is None else made
            if field.metadata.get(PLACE) and isinstance(made, str):
                made = from_home(made)
            made = Table(made) if isinstance(made, dict) else made
            object.__setattr__(self, field.name, made)
        self.check()
        for field in fields(self):
            require_finite(field.name, getattr(self, field.name))
            if field.metadata.get(PLACE):
                require_path(field.name, getattr(self, field.name))
            if is_list(hints[field.name]):
                require_distinct(field.name, getattr(self, field.name))

    def check(self) -> None:
        """Refuse values that make no sense.

        Raises:
            InputError: calling them by their names.
        """

    def table(self, *, places: bool = True) -> dict[str, Any]:
        """Return all values by names, as files hold them; what is None is left out.

        Args:
            places: with those that say where something lies.
        """
        found: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if value is None or (field.metadata.get(PLACE) and not places):
                continue
            part = isinstance(value, Part)
            found[field.name] = value.table(places=places) if part else as_kept(value)
        return found


@dataclass(frozen=True, kw_only=True)
class Spec(Part):
    """What a run follows from.

    Attributes:
        kind: of the run.
    """

    kind: ClassVar[str] = ""

    @property
    def digest(self) -> str:
        """The address of the run: equal where all is equal that its result follows from."""
        table = {"kind": self.kind, **self.table(places=False)}
        text = json.dumps(_canonical(table), sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def units(self) -> tuple[Unit, ...]:
        """Return the pieces that can be done one without the other; of most runs that is itself."""
        return (Unit("", self),)

    def to_toml(self, about: About = About()) -> str:
        """Return the text of a file that describes this run."""
        import tomli_w

        said = {name: text for name, text in vars(about).items() if text}
        head = tomli_w.dumps({"kind": self.kind, **said}, multiline_strings=True)
        return f"{head}\n{tomli_w.dumps(self.table())}"

    @classmethod
    def from_toml(cls, text: str, source: str = "the description") -> Self:
        """Return what a file describes.

        Args:
            text: of the file.
            source: its name, for messages.

        Raises:
            InputError: when it is no TOML, of another kind, says what has no meaning, or lacks
                what is needed.
        """
        require_text(text)
        kind, _, table = split(text, source)
        if kind != cls.kind:
            raise InputError(f"{source} describes a run of kind {kind!r}, not {cls.kind!r}")
        return build(cls, table, source)


def kinds_of(cls: type[Part]) -> dict[str, Any]:
    """Return the kinds of the values of a description, by names."""
    return _kinds_of(cls)


@functools.cache
def _kinds_of(cls: type[Part]) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def part_of(hint: Any) -> type[Part] | None:
    """Return the kind of description that a value is, if it is one."""
    for candidate in (hint, *typing.get_args(hint)):
        if isinstance(candidate, type) and issubclass(candidate, Part):
            return candidate
    return None


def default_of(field: dataclasses.Field[Any]) -> Any:
    """Return what a value is without being given; ``dataclasses.MISSING`` where it is needed."""
    made = field.default_factory
    return field.default if made is dataclasses.MISSING else made()


def require_unsaid(part: Part | None, path: str) -> None:
    """Refuse values of a part that have no meaning, for want of the first, which is left out.

    Args:
        part: the values, with one that stands for the first; None where there are none.
        path: address of the part.

    Raises:
        InputError: naming both.
    """
    if part is None:
        return
    head, *others = fields(part)
    for field in others:
        if PLACE not in field.metadata and getattr(part, field.name) != default_of(field):
            one, first = f"{path}.{field.name}", f"{path}.{head.name}"
            raise InputError(f"`{one}` has no meaning without `{first}`; give both, or neither")


@functools.cache
def said_of(kind: type) -> Mapping[str, str]:
    """Return what the docstring of a class says of each attribute, a sentence on one line."""
    section = inspect.cleandoc(kind.__doc__ or "").partition("\nAttributes:\n")[2]
    found = re.findall(r"^    (\w+): (.*(?:\n {5,}.*)*)", section, flags=re.MULTILINE)
    return {name: f"{text[0].upper()}{' '.join(text[1:].split())}" for name, text in found}


def require_text(text: Any) -> None:
    """Refuse what is not the text of a file, such as its path."""
    wanted = "the text of a file; of a path, `recipes.read` reads it"
    of_kind(str, wanted, text=text)


def split(text: str, source: str) -> tuple[str, About, dict[str, Any]]:
    """Return the kind of run that a file describes, what it says of itself, and its values.

    Raises:
        InputError: when it is no TOML, or does not say of what kind it is.
    """
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # numbers of too many digits are read by Python
        raise InputError(f"{source} is not TOML: {_line(error)}") from None
    kind = table.pop("kind", None)
    if not isinstance(kind, str):
        raise InputError(f'{source} does not say what it describes; begin it with kind = "distill"')
    head = {field.name: table.pop(field.name, "") for field in fields(About)}
    for name, value in head.items():
        if not isinstance(value, str):
            raise InputError(f"{source}: `{name}` must be text, found {told(value)}")
    return kind, About(**head), table


def build(cls: type[P], table: Mapping[str, Any], source: str, at: str = "") -> P:
    """Return a description of values by names.

    Args:
        cls: its kind.
        table: the values.
        source: where they were found, for messages.
        at: address of the table in there, with a dot after it.

    Raises:
        InputError: for what has no meaning, what lacks, and values that make no sense.
    """
    known = [field.name for field in fields(cls)]
    for name in table:
        if name not in known:
            raise InputError(f"{source}: `{at}{name}` has no meaning; {suggestion(name, known)}")
    for field in fields(cls):
        if default_of(field) is dataclasses.MISSING and field.name not in table:
            raise InputError(f"{source}: `{at}{field.name}` is missing")
    given = dict(table)
    for name, value in table.items():
        part = part_of(kinds_of(cls)[name])
        if part is not None and isinstance(value, Mapping):
            given[name] = build(part, value, source, f"{at}{name}.")
    try:
        return cls(**given)
    except InputError as error:
        raise InputError(f"{source}: {NAME.sub(f'`{at}', str(error))}") from None


def _nested(name: str, value: Any, hint: Any, part: type[Part]) -> Part | None:
    if isinstance(value, part) or (value is None and type(None) in typing.get_args(hint)):
        return value
    raise InputError(f"`{name}` must be a {part.__name__}, found {told(value)}")


def _canonical(value: Any) -> Any:
    # 1 and 1.0 are one number: what is equal has one text.
    if isinstance(value, dict):
        return {name: _canonical(held) for name, held in value.items()}
    if isinstance(value, list):
        return [_canonical(held) for held in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
