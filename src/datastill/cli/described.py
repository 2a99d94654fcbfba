"""Descriptions of runs, as values of the options that ask for them."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

from datastill.base.errors import InputError
from datastill.cli.arguments import name_of
from datastill.cli.settings import settings_of, typed_settings
from datastill.runs.specs import (
    CompareSpec,
    ComputeSpec,
    DataSpec,
    DistillSpec,
    Spec,
    StudySpec,
    ValidateSpec,
)
from datastill.runs.specs.base import PLACE, Part, default_of, kinds_of, part_of, require_unsaid
from datastill.runs.specs.labels import on_the_fly, soft, typed_labels

P = TypeVar("P", bound=Part)

MADE: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "settings": settings_of,
    "soft": soft,
    "on_the_fly": on_the_fly,
    "rates": lambda values: values["learning_rates"] if values["dd_ranking"] else (),
}
"""What is made of options that stand for no value each."""

USUAL_MODEL = "ConvNet"
"""Architecture where none is named."""


def given(options: Any) -> dict[str, Any]:
    """Return all options of a command by their names, those of its groups too."""
    found: dict[str, Any] = {}
    for field in fields(options):
        value = getattr(options, field.name)
        found |= given(value) if is_dataclass(value) else {field.name: value}
    return found


def asked(command: Any, kind: type[P]) -> P:
    """Return the description that the options of a command ask for.

    Raises:
        InputError: for options that make no sense.
    """
    return _build(kind, getattr(kind, "kind", ""), "", given(command))


def _build(part: type[P], kind: str, at: str, values: Mapping[str, Any]) -> P:
    found: dict[str, Any] = {}
    for field in fields(part):
        path, name = f"{at}{field.name}", name_of(kind, f"{at}{field.name}")
        inner = part_of(kinds_of(part)[field.name])
        if path in MADE:
            found[field.name] = MADE[path](values)
        elif inner is not None:
            first = name_of(kind, f"{path}.{fields(inner)[0].name}")
            if first in values or default_of(field) is not None:
                found[field.name] = _build(inner, kind, f"{path}.", values)
            if default_of(field) is None and values.get(first) in (None, ()):
                require_unsaid(found.get(field.name), path)
                found[field.name] = None  # but it was checked
        elif name in values:
            found[field.name] = _held(field, path, values[name])
    return part(**found)


def _held(field: Field[Any], path: str, value: Any) -> Any:
    if value in (None, ()) and default_of(field) is MISSING:
        # what stands for it while the others are checked
        return (0.0,) if field.name == "alphas" else value if value == () else "-"
    return TYPED[path][1](value) if value is not None and path in TYPED else value


def options_of_spec(spec: Spec) -> dict[str, Any]:
    """Return the options of the command of its kind that ask for a run, by their names.

    What is None is left out: without it a command does the same.

    Raises:
        InputError: for what no option says.

    >>> from datastill.runs.specs import RelabelSpec
    >>> options_of_spec(RelabelSpec(set="a", temperature=4))["temperature"]
    4.0
    """
    found: dict[str, Any] = {}
    for name, value in said(spec, spec.kind):
        if found.setdefault(name, value) != value:
            raise InputError(f"`{name}` can be said once, found {found[name]} and {value}")
    if isinstance(spec, CompareSpec) and spec.rates:
        found |= {"dd_ranking": True, "learning_rates": spec.rates}
    if isinstance(spec, CompareSpec | ValidateSpec):
        found |= typed_labels(spec.soft, spec.on_the_fly)
    if isinstance(spec, DistillSpec):
        found |= typed_settings(spec.settings)
    if isinstance(spec, StudySpec) and spec.settings:
        found |= typed_settings(spec.settings, ())
    return {k.replace("_", "-"): value for k, value in found.items() if value is not None}


def said(part: Part, kind: str = "", at: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the options, and their values, that stand for what a description says."""
    for field in fields(part):
        path, value = f"{at}{field.name}", getattr(part, field.name)
        paths = PLACE in field.metadata or path in ("set", "sets")
        if path in MADE:
            continue
        if isinstance(value, Part):
            yield from said(value, kind, f"{path}.")
        elif value is not None and not value == () == default_of(field):
            if paths:
                value = tuple(map(Path, value)) if isinstance(value, tuple) else Path(value)
            yield name_of(kind, path), TYPED[path][0](value) if path in TYPED else value


def repeated(part: DataSpec | ComputeSpec) -> dict[str, Any]:
    """Return the options that belong into the next command too, by their names.

    >>> repeated(ComputeSpec(seed=3, device="cpu")), repeated(DataSpec("digits", size=16))
    ({'device': 'cpu'}, {'dataset': 'digits', 'size': '16x16'})
    """
    at = "data." if isinstance(part, DataSpec) else "compute."
    return {
        k: value
        for k, value in said(part, at=at)
        if k != "seed" and value != "auto" and value is not False  # a share of 0 is said
    }


def _sides(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d{1,6})(?:x(\d{1,6}))?", text.strip())
    if found is None:
        raise InputError(f"--size is one number, or two such as 48x64, not {text!r}")
    return int(found[1]), int(found[2] or found[1])


TYPED: Mapping[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "data.size": (lambda sides: "x".join(map(str, sides)), _sides),
    "data.mirror": (lambda mirror: "yes" if mirror else "no", lambda text: text == "yes"),
    "augmented": (operator.not_, operator.not_),
}
"""Values that are typed otherwise than they are held: how they are typed, and held."""
