"""Plain values: what a description may hold, of which kind, and the words for what is not."""

from __future__ import annotations

import os
import re
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from datastill.base.errors import EMPTY, LARGEST, InputError, in_plain, is_number, suggestion, told
from datastill.base.wording import LONGEST_NAME, listed, readable

WORDS = {
    bool: ("True or False", "True or False"),
    int: ("a whole number", "whole numbers"),
    float: ("a number", "numbers"),
    str: ("text", "texts"),
}
"""What a value of a kind is, and what several are."""


class Table(Mapping[str, Any]):
    """A table in a frozen description: it stays as it was given, and can be hashed.

    >>> table = Table({"lr_net": 0.1})
    >>> table, table == {"lr_net": 0.1}, {table: 1}[Table(table)]
    ({'lr_net': 0.1}, True, 1)
    """

    __slots__ = ("_held",)

    def __init__(self, held: Mapping[str, Any]) -> None:
        self._held = dict(held)

    def __getitem__(self, name: str) -> Any:
        return self._held[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)

    def __hash__(self) -> int:
        return hash(frozenset(self._held.items()))

    def __repr__(self) -> str:
        return repr(self._held)


def as_kept(value: Any) -> Any:
    """Return a value as files hold it: paths as text, tuples as lists, numbers as Python's own.

    >>> from pathlib import Path
    >>> as_kept({"a": (Path("x"), 1)})
    {'a': ['x', 1]}
    """
    if isinstance(value, os.PathLike):
        return os.fspath(typing.cast("os.PathLike[str]", value))
    if isinstance(value, str):
        return str.__str__(value)  # Python's own, of whatever class that is a text
    if isinstance(value, Mapping):
        return {as_kept(name): as_kept(held) for name, held in value.items()}
    if isinstance(value, list | tuple):
        return [as_kept(held) for held in value]
    return in_plain(value) if is_number(value) else value


def converted(name: str, value: Any, hint: Any) -> Any:
    """Return a value as one of a kind: a whole number where any number goes, a list as a tuple.

    Args:
        name: of the value.
        value: as a person or a file gives it.
        hint: its kind, as annotated.

    Raises:
        InputError: for a value of another kind, and text that is empty or that no file can hold.

    >>> converted("lr", 1, float), converted("epochs", [1, 4], tuple[int, ...])
    (1.0, (1, 4))
    >>> converted("epochs", "4", int)
    Traceback (most recent call last):
    ...
    datastill.base.errors.InputError: `epochs` must be a whole number, found '4'
    """
    import msgspec

    given = value
    if isinstance(value, set | frozenset):
        raise InputError(f"`{name}` must be {wanted(hint)}, found a set, which has no order")
    try:
        given = as_kept(value)
        for part in _parts(given):
            if isinstance(part, str) and not _writable(part):
                raise InputError(f"`{name}` holds letters that no file can hold: {told(part)}")
            if part == "":
                raise InputError(f"`{name}` {EMPTY}")
        return msgspec.convert(given, hint)
    except InputError:
        raise
    except Exception:  # of another kind, which may be a class of one's own: its code fails anyhow
        raise InputError(_complaint(name, given, hint)) from None


def require_finite(name: str, value: Any) -> None:
    """Refuse a value that is, or holds, a number which is not finite, or of too many digits."""
    for part in _parts(value):
        if isinstance(part, int) and abs(part) > LARGEST:
            raise InputError(f"`{name}` must be at most {LARGEST:g}, found {told(part)}")
        if isinstance(part, float) and not is_number(part):
            raise InputError(f"`{name}` must be a finite number, found {part}")


def require_path(name: str, path: str | None) -> None:
    """Refuse what no system takes for a path, wherever it may be used; None is none."""
    parts = [] if path is None else re.split(r"[/\\]", path)
    if any("\0" in part for part in parts):
        raise InputError(f"`{name}` is no path: it holds a zero byte")
    if any(len(part.encode()) > LONGEST_NAME for part in parts):
        raise InputError(f"`{name}` is no path: its name is too long")


def require_readable(name: str, text: str | None) -> None:
    r"""Refuse a name that people could not read where it is written down; None is none.

    >>> require_readable("path", "a\x1b[2J")
    Traceback (most recent call last):
    ...
    datastill.base.errors.InputError: `path` cannot be printed: 'a\x1b[2J'; rename it
    """
    if text is not None and not readable(text):
        raise InputError(f"`{name}` cannot be printed: {text!a}; rename it")


def is_list(hint: Any) -> bool:
    """Tell whether values of a kind are lists of any length.

    >>> is_list(tuple[str, ...]), is_list(tuple[int, int])
    (True, False)
    """
    return typing.get_origin(hint) is tuple and typing.get_args(hint)[-1] is ...


def require_distinct(name: str, values: Sequence[Any]) -> None:
    """Refuse a list that names something twice; names are known in any letters.

    >>> require_distinct("against", ("random", "Random"))
    Traceback (most recent call last):
    ...
    datastill.base.errors.InputError: `against` names 'Random' twice; once is enough
    >>> require_distinct("sets", ("a/b", "a/../a/./b"))
    Traceback (most recent call last):
    ...
    datastill.base.errors.InputError: a set is named twice, 'a/../a/./b'; once is enough
    """
    found: set[Any] = set()
    for one in values:
        known = isinstance(one, str) and ":" not in one and name != "sets"
        held = one.casefold() if known else os.path.normpath(one) if name == "sets" else one
        if held in found:
            what = "a set is named twice, {}" if name == "sets" else f"`{name}` names {{}} twice"
            raise InputError(f"{what.format(told(one))}; once is enough")
        found.add(held)


def wanted(hint: Any, *, many: bool = False) -> str:
    """Say what a value of a kind is.

    >>> wanted(int | str), wanted(tuple[int, int] | None), wanted(Literal["kl", "mse"])
    ('a whole number or text', 'a list of whole numbers or None', 'kl or mse')
    """
    if hint in WORDS:
        return WORDS[hint][many]
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return listed([str(part) for part in parts], "or")
    if origin in (typing.Union, types.UnionType):
        said = [wanted(part, many=many) for part in parts]
        return ", or ".join(said) if any(" or " in one for one in said) else listed(said, "or")
    if origin is Mapping:
        return "a table of numbers, texts, True and False, by names"
    if origin is tuple:
        return f"a list of {wanted(parts[0], many=True)}"
    return "None" if hint is type(None) else "a table"


def _complaint(name: str, given: Any, hint: Any) -> str:
    near, parts = "", typing.get_args(hint)
    if typing.get_origin(hint) is Literal and isinstance(given, str):
        near = suggestion(given, [str(part) for part in parts])
        near = f"; {near}" if near.startswith("did") else ""
    return f"`{name}` must be {wanted(hint)}, found {told(given)}{near}"


def _parts(value: Any) -> typing.Iterator[Any]:
    if isinstance(value, Mapping):
        for name, held in value.items():
            yield name
            yield from _parts(held)
    elif isinstance(value, tuple | list):
        for held in typing.cast("Sequence[Any]", value):
            yield from _parts(held)
    else:
        yield value


def _writable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
