"""Code of a person's own, named as ``package.module:name``, and that of installed packages."""

from __future__ import annotations

import importlib
import os
import re
import sys
import sysconfig
import traceback
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from datastill.base.errors import InputError, suggestion, told

OWN = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")
LIBRARY = sysconfig.get_path("stdlib")
PLUGINS = {
    "METHODS": "distillation/methods",
    "CORESETS": "training/coresets",
    "FORMATS": "exchange",
    "DATASETS": "datasets",
    "NETWORKS": "networks",
    "ASSESSMENTS": "evaluation/assessments",
}
"""Folders of parts that register themselves."""


def is_own(name: object) -> bool:
    """Tell whether a name has the form of code of a person's own.

    >>> is_own("mine.methods:make"), is_own("DM"), is_own("hf:owner/name"), is_own("DM:150")
    (True, False, False, False)
    """
    return isinstance(name, str) and OWN.fullmatch(name) is not None


def brought(name: str, kind: str, *, called: bool = True) -> Any:
    """Return what ``package.module:name`` names; importing the module runs it.

    The module may lie in the current folder, which is the last place to be looked in, and none once
    the module is imported.

    Args:
        name: of a function, or of a value.
        kind: what it is to be, in words for messages.
        called: whether it must be a function, a class or the like.

    Raises:
        InputError: when there is no such module, it fails, or has nothing of that name.
    """
    path, _, attribute = name.partition(":")
    try:
        with current_folder_last():
            module = importlib.import_module(path)
    except Exception as error:
        raise InputError(
            f"no {kind} {name!r}: {path!r} does not import: {placed(error)}"
        ) from error
    found = getattr(module, attribute, None)
    if not callable(found) if called else found is None:
        wanted = "function " if called else ""
        held = vars(module).items()
        known = [name for name, value in held if callable(value) or not (called or name[:1] == "_")]
        hint = suggestion(attribute, known) if known else f"it has no {wanted.strip() or 'name'}s"
        said = f"no {kind} {name!r}: {path} has no {wanted}{attribute!r}; {hint}"
        raise InputError(said + _namesake(module, path))
    return found


def provided(group: str) -> Mapping[str, EntryPoint]:
    """Return the entry points of a group that installed packages offer, by name, not loaded."""
    return {point.name: point for point in entry_points(group=group)}


@cache
def names_in(registry: str) -> list[str]:
    """Return what a plug-in folder registers and packages provide, without running them.

    >>> names_in("METHODS")
    ['CIM', 'DC', 'DM', 'DSA', 'MTT', 'NCFM', 'TESLA']
    """
    folder = Path(__file__).parents[1] / PLUGINS[registry]
    pattern = re.compile(rf"{registry}\.register\(\s*[\"']([^\"']+)[\"']")
    found = {
        name for file in folder.glob("*.py") for name in pattern.findall(file.read_text("utf-8"))
    }
    return sorted({*found, *provided(f"datastill.{registry.casefold()}")}, key=str.casefold)


def loaded(point: EntryPoint, kind: str) -> Any:
    """Return what an entry point stands for.

    Raises:
        InputError: when its package fails.
    """
    try:
        found = point.load()
    except Exception as error:
        package = point.dist.name if point.dist else point.value
        raise InputError(
            f"{kind} {point.name!r} of the package {package} does not import: {placed(error)}"
        ) from error
    return found


class Guarded:
    """A function of others, whose errors are told in one line; otherwise it is what it was.

    Args:
        called: the function.
        kind: what it is.
        name: of it.
        gives: kinds of what it has to return; none where whoever asks it looks at that.
    """

    def __init__(
        self, called: Callable[..., Any], kind: str, name: str, gives: tuple[type, ...] = ()
    ) -> None:
        self._called, self._whose, self._gives = called, f"the {kind} {name}", gives
        self.__module__ = getattr(called, "__module__", type(called).__module__)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            found = self._called(*args, **kwargs)
        except InputError as error:
            said, typed = (f"{self._whose}: {one}" for one in (error, error.typed))
            raise InputError(said, typed=typed) from error
        except Exception as error:
            raise InputError(f"{self._whose} fails: {placed(error)}") from error
        if self._gives and not isinstance(found, self._gives):
            wanted = " or ".join(
                "None" if one is type(None) else one.__name__ for one in self._gives
            )
            raise InputError(f"{self._whose} must return a {wanted}, found {told(found)}")
        return found

    def __repr__(self) -> str:
        return self._whose

    def __getattr__(self, name: str) -> Any:
        return getattr(self._called, name)


def is_ours(part: Any) -> bool:
    """Tell whether a part is datastill's own: tests hold it to its contract, no check at run time.

    Such a check reads numbers, for which a GPU would have to be waited for.
    """
    return str(getattr(part, "__module__", "")).startswith("datastill.")


@contextmanager
def unchanged(whose: str, **shown: Any) -> Generator[None]:
    """Refuse code that changes tensors in place that it is but shown.

    Args:
        whose: code it is.
        **shown: tensors, by what they are called in the message.

    Raises:
        InputError: naming the first; a GPU is not waited for.
    """
    before = {name: _version(tensor) for name, tensor in shown.items()}
    yield
    for name, tensor in shown.items():
        if _version(tensor) != before[name]:
            said = f"changes {name.replace('_', ' ')} in place; let it work on a copy (clone())"
            raise InputError(f"{whose} {said}")


def declared(part: Any, default: tuple[str, ...], known: tuple[str, ...]) -> frozenset[Any]:
    """Return what a part says that it ``needs``.

    Args:
        part: any.
        default: what it needs where it says nothing.
        known: what may be needed.

    Raises:
        InputError: for anything else.
    """
    found = getattr(part, "needs", default)
    if isinstance(found, str) or not {*found} <= {*known}:
        wanted = " and ".join(map(repr, known))
        raise InputError(
            f"what a part needs is a set of none, some or all of {wanted}, such as "
            f"{{{known[0]!r}}}; {told(part)} says {told(found)}"
        )
    return frozenset(found)


@contextmanager
def current_folder_last() -> Generator[None]:
    """Let modules of the current folder be found, after all that is installed.

    Whoever names code of their own may have it there; nothing else that is called as a file there
    may come before what is installed.
    """
    try:
        here = os.getcwd()  # noqa: PTH109 - a string of its own, to be told from others below
    except OSError:  # the folder is gone
        yield
        return
    sys.path.append(here)
    importlib.invalidate_caches()  # a file may be newer than the last look at its folder
    try:
        yield
    finally:
        sys.path[:] = [place for place in sys.path if place is not here]


def line(error: Exception) -> str:
    """Return an error in one line, with its kind: the message of a KeyError is but a key."""
    return ": ".join([type(error).__name__, *str(error).splitlines()[:1]])


def placed(error: Exception) -> str:
    """Return an error in one line, and where in a person's own code it was raised."""
    ours = str(Path(__file__).parents[1])
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        others = {"site-packages", "dist-packages"} & {*path.parts} or str(path).startswith(LIBRARY)
        if path.is_file() and not others and not str(path).startswith(ours):
            return f"{line(error)} ({path.name}, line {frame.lineno})"
    return line(error)


def _version(tensor: Any) -> int:
    # How often a tensor was changed in place, as autograd counts it.
    return 0 if tensor.is_inference() else tensor._version


def _namesake(module: ModuleType, path: str) -> str:
    # Another module may be called as the person's own file.
    own, found = Path(*path.split(".")).with_suffix(".py"), getattr(module, "__file__", None)
    if found is None or not own.is_file() or own.resolve() == Path(found).resolve():
        return ""
    return f"; it is {found}, for {own} in the current folder comes last: give that another name"
