"""Named things, found by name."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import sys
from collections.abc import Callable, Iterable
from functools import cached_property
from importlib.metadata import EntryPoint
from typing import Any, Generic, TypeVar, cast

from datastill.base.errors import InputError, of_kind, suggestion, told
from datastill.base.own_code import Guarded, brought, is_own, loaded, provided

T = TypeVar("T")
U = TypeVar("U")


def folded(name: str) -> str:
    """Reduce a name to what is compared: letters and digits, without case.

    >>> folded("Fashion-MNIST") == folded("fashion_mnist")
    True
    """
    return "".join(c for c in name.casefold() if c.isalnum())


class Registry(Generic[T]):
    """A table of names that refuses duplicates and explains misses.

    Names are matched without regard to case and punctuation. Besides what was registered it finds
    what installed packages offer as entry points of its group, under their names, and code of a
    person's own by ``package.module:name``; ours come first, and neither is loaded before it is
    asked for.

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

    def __init__(
        self,
        kind: str,
        group: str | None = None,
        expected: type | None = None,
        *,
        gives: tuple[type, ...] = (),
    ) -> None:
        """Make an empty table.

        Args:
            kind: what it holds, in the singular, for messages.
            group: of entry points; None where it is closed to others.
            expected: what others' items are; by default anything that can be called.
            gives: kinds of what others' items return.
        """
        self.kind, self.group, self.expected, self.gives = kind, group, expected, gives
        self._items: dict[str, tuple[str, T]] = {}
        self._modules: dict[str, str] = {}

    def register(self, name: str) -> Callable[[U], U]:
        """Return a decorator that files its argument under ``name``."""
        module = str(sys._getframe(1).f_globals.get("__doc__") or "")

        def add(item: U) -> U:
            if folded(name) in self._items:
                raise ValueError(f"{self.kind} {name!r} is already registered")
            self._items[folded(name)] = (name, cast(T, item))
            self._modules[folded(name)] = module
            return item

        return add

    def __getitem__(self, name: str) -> T:
        found = self._find(name)
        if found in self._items:
            return self._items[found][1]
        if self._is_brought(name):
            called = self.expected is None
            return self._checked(name, brought(name, self.kind, called=called))
        spelled, point = self._provided[found]
        return self._checked(spelled, loaded(point, self.kind))

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and (
            folded(name) in self._items or self._is_brought(name) or folded(name) in self._provided
        )

    def _ipython_key_completions_(self) -> list[str]:
        # What a notebook offers after an opening bracket.
        return self.names

    def spelling(self, name: str) -> str:
        """Return ``name`` as it was registered: ``dm`` becomes ``DM``."""
        found = self._find(name)
        if found in self._items:
            return self._items[found][0]
        return name if self._is_brought(name) else self._provided[found][0]

    @property
    def names(self) -> list[str]:
        """Every registered or provided name, in alphabetical order."""
        known = {**self._provided, **self._items}
        return sorted((name for name, _ in known.values()), key=str.casefold)

    def about(self, name: str, *, module: bool = True) -> str:
        """Return a line about an item: the first of the docstring of the module that registers it.

        Args:
            name: of the item; what a package provides is not loaded, and told by that package.
            module: False where a module registers several, each with a docstring of its own; what
                has an attribute ``about`` says it by that.
        """
        found = self._find(name)
        if found not in self._items:
            point = self._provided.get(found)
            return f"from the package {point[1].dist.name}" if point and point[1].dist else ""
        item: Any = self._items[found][1]
        own = getattr(item, "about", None) or inspect.getdoc(item)
        said = self._modules[found] if module else own
        return next(iter(str(said or "").replace("``", "'").strip().splitlines()), "")

    def has(self, name: str) -> bool:
        """Tell whether a name was registered, whatever packages or persons may bring."""
        return folded(name) in self._items

    def _checked(self, name: str, found: Any) -> T:
        fits = callable(found) if self.expected is None else isinstance(found, self.expected)
        if not fits:
            wanted = "a function" if self.expected is None else f"a {self.expected.__name__}"
            raise InputError(f"the {self.kind} {name} must be {wanted}, found {told(found)}")
        if self.expected is not None:
            return cast(T, found.guarded(name) if hasattr(found, "guarded") else found)
        return cast(T, Guarded(found, self.kind, name, self.gives))

    def _is_brought(self, name: str) -> bool:
        return self.group is not None and is_own(name)

    @cached_property
    def _provided(self) -> dict[str, tuple[str, EntryPoint]]:
        points = provided(self.group) if self.group else {}
        return {folded(name): (name, point) for name, point in points.items()}

    def _find(self, name: str) -> str:
        of_kind(str, f"the name of a {self.kind}", name=name)
        if name not in self:
            hint = suggestion(name, self.names)
            raise InputError(f"no {self.kind} named {name!r}; {hint}")
        return folded(name)


def load_plugins(package: str, path: Iterable[str]) -> None:
    """Import every module of a plug-in folder, so that each registers what it holds."""
    for module in pkgutil.iter_modules(path):
        importlib.import_module(f"{package}.{module.name}")
