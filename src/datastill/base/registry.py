"""Named things, found by name."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar, cast

from datastill.base.errors import InputError, of_kind, suggestion

T = TypeVar("T")
U = TypeVar("U")


def plain(name: str) -> str:
    """Reduce a name to what is compared: letters and digits, without case.

    >>> plain("Fashion-MNIST") == plain("fashion_mnist")
    True
    """
    return "".join(c for c in name.casefold() if c.isalnum())


class Registry(Generic[T]):
    """A table of names that refuses duplicates and explains misses.

    Names are matched without regard to case and punctuation.

    >>> SHAPES = Registry[type]("shape")
    >>> @SHAPES.register("Square")
    ... class Square: ...
    >>> SHAPES["square"] is Square
    True
    >>> SHAPES["sqare"]
    Traceback (most recent call last):
    ...
    datastill.base.errors.InputError: no shape named 'sqare'; did you mean 'Square'?
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._items: dict[str, tuple[str, T]] = {}

    def register(self, name: str) -> Callable[[U], U]:
        """Return a decorator that files its argument under ``name``."""

        def add(item: U) -> U:
            if plain(name) in self._items:
                raise ValueError(f"{self.kind} {name!r} is already registered")
            self._items[plain(name)] = (name, cast(T, item))
            return item

        return add

    def __getitem__(self, name: str) -> T:
        return self._items[self._find(name)][1]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and plain(name) in self._items

    def spelling(self, name: str) -> str:
        """Return ``name`` as it was registered: ``dm`` becomes ``DM``."""
        return self._items[self._find(name)][0]

    @property
    def names(self) -> list[str]:
        """Every registered name, in alphabetical order."""
        return sorted((name for name, _ in self._items.values()), key=str.casefold)

    def _find(self, name: str) -> str:
        of_kind(str, f"the name of a {self.kind}", name=name)
        if plain(name) not in self._items:
            hint = suggestion(name, self.names)
            raise InputError(f"no {self.kind} named {name!r}; {hint}")
        return plain(name)


def load_plugins(package: str, path: Iterable[str]) -> None:
    """Import every module of a plug-in folder, so that each registers what it holds."""
    for module in pkgutil.iter_modules(path):
        importlib.import_module(f"{package}.{module.name}")
