"""A command made of values of its options, whatever groups these are in."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping
from typing import Any


def filled(
    kind: Any, values: Mapping[str, Any], default: Any = None, *, without: Any = None
) -> Any:
    """Return a command, or a group of options, with values of its options.

    Args:
        kind: dataclass of the options.
        values: by the options' names.
        default: what has the others; by default those that the dataclass has.
        without: what stands for an option that is needed, and has no value.
    """
    given: dict[str, Any] = {}
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        name = field.name.replace("_", "-")
        if dataclasses.is_dataclass(hints[field.name]):
            usual = field.default if default is None else getattr(default, field.name)
            given[field.name] = filled(hints[field.name], values, usual)
        elif name in values:
            given[field.name] = values[name]
        elif default is None and is_needed(field):
            given[field.name] = without
    return kind(**given) if default is None else dataclasses.replace(default, **given)


def is_needed(field: dataclasses.Field[Any]) -> bool:
    """Tell whether an option has no value without being given one."""
    missing = dataclasses.MISSING
    return field.default is missing and field.default_factory is missing
