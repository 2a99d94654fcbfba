"""Modules of a person's own that a description names, as files, with those that they import."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from importlib.util import find_spec
from modulefinder import ModuleFinder
from pathlib import Path
from typing import Any, cast

from datastill.base.own_code import current_folder_last, is_own
from datastill.runs.specs import Spec

INSTALLED = tuple(
    {Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "purelib", "platlib")}
)
"""Folders of what every worker has of itself."""


def modules_of(spec: Spec) -> list[str]:
    """Return the modules that a description names, by the names that imports have for them.

    >>> from datastill import runs
    >>> modules_of(runs.TrainSpec(data=runs.DataSpec("digits"), models=("MLP", "mine.nets:small")))
    ['mine.nets']
    """
    return sorted({text.partition(":")[0] for text in _texts(spec.table()) if is_own(text)})


def files_of(modules: Iterable[str]) -> dict[Path, Path]:
    """Return the files of modules, by where they lie in a folder in which imports find them.

    Of a package that is all of it; with a module come those of the same folder that it imports.
    What is installed is left out, and what is not found: whoever imports it tells that.
    """
    found = dict[Path, Path]()
    for module in modules:
        top = _file(module.partition(".")[0])
        if top is None or any(place in top.parents for place in INSTALLED):
            continue
        base = top.parents[top.name == "__init__.py"]
        for name in _with_imported(module, base):
            found.update((file.relative_to(base), file) for file in _all(base / name))
    return found


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from _texts(list(cast("Mapping[str, Any]", value).values()))
    elif isinstance(value, list | tuple):
        for one in cast("list[Any]", value):
            yield from _texts(one)


def _file(name: str) -> Path | None:
    # Of a module or package, as it was imported here, or would be.
    held = getattr(sys.modules.get(name), "__file__", None)
    if held is None and name not in sys.modules:
        with current_folder_last(), suppress(ImportError, ValueError):
            held = getattr(find_spec(name), "origin", None)
    return Path(held).resolve() if held and held.endswith(".py") else None


def _with_imported(module: str, base: Path) -> set[str]:
    # Names in the folder: nothing is run to find out what is imported.
    finder = ModuleFinder([str(base)])
    with suppress(ImportError, SyntaxError):
        finder.import_hook(module)
    seen = [name for name, one in finder.modules.items() if getattr(one, "__file__", None)]
    return {name.partition(".")[0] for name in (module, *seen)}


def _all(place: Path) -> Iterator[Path]:
    if not place.is_dir():
        yield place.with_suffix(".py")
        return
    for file in sorted(place.rglob("*")):
        if file.is_file() and "__pycache__" not in file.parts:
            yield file
