"""What is worked out once and used by many, and what each use of it costs."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Hashable, Iterable
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Part:
    """Something worked out once.

    Attributes:
        value: the result.
        seconds: that it took, without those of the parts that it is made of.
        uses: those parts.
        lasting: whether it serves more than one piece of work.
    """

    value: Any
    seconds: float
    uses: frozenset[Part]
    lasting: bool


@dataclass(eq=False)
class Bill:
    """What a piece of work took, whoever had to work out the parts that it shares with others.

    Attributes:
        own: seconds of nobody else's.
        uses: the parts that it asked for.
        elsewhere: seconds within the same time that were spent on parts.
    """

    own: float = 0.0
    uses: set[Part] = field(default_factory=set[Part])
    elsewhere: float = 0.0

    @property
    def seconds(self) -> float:
        """The seconds that the work takes where all that lasts is there already."""
        return self.own + sum(part.seconds for part in _all(self.uses) if not part.lasting)

    @property
    def once(self) -> float:
        """The seconds that it takes besides, the first time."""
        return sum(part.seconds for part in _all(self.uses) if part.lasting)


@dataclass(frozen=True, eq=False)
class Known:
    """Parts by their names.

    Attributes:
        lasting: whether they serve more than one piece of work.
        parts: those worked out so far.

    >>> known = Known()
    >>> known.once("half", lambda: 21), known.once("half", lambda: 0)
    (21, 21)
    """

    lasting: bool = False
    parts: dict[Hashable, Part] = field(default_factory=dict[Hashable, Part])

    def once(self, name: Hashable, make: Callable[[], T]) -> T:
        """Return what ``make`` made when ``name`` was first asked for."""
        if name not in self.parts:
            with bill() as paid:
                value = make()
            self.parts[name] = Part(value, paid.own, frozenset(paid.uses), self.lasting)
        found = self.parts[name]
        asking = _OPEN.get()
        if asking is not None:
            asking.uses.add(found)
        return found.value


class shared(Generic[T]):
    """A property that is worked out once, by its owner's ``known``."""

    def __init__(self, make: Callable[[Any], T]) -> None:
        self.make = make
        self.__doc__ = make.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type | None = None) -> T:
        return instance.known.once(self.name, lambda: self.make(instance))


@contextmanager
def bill() -> Generator[Bill]:
    """Write down what the ``with`` block takes; complete once it has ended."""
    outer, mine = _OPEN.get(), Bill()
    token, started = _OPEN.set(mine), time.perf_counter()
    try:
        yield mine
    finally:
        elapsed = time.perf_counter() - started
        _OPEN.reset(token)
        mine.own = elapsed - mine.elsewhere
        if outer is not None:
            outer.elsewhere += elapsed


_OPEN: ContextVar[Bill | None] = ContextVar("open bill", default=None)


def _all(parts: Iterable[Part]) -> set[Part]:
    found, waiting = set[Part](), list(parts)
    while waiting:
        part = waiting.pop()
        if part not in found:
            found.add(part)
            waiting += part.uses
    return found
