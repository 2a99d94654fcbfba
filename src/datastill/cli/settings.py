"""Settings of a method that have no option of their own: those of its dataclass, by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from datastill.base.errors import InputError, suggestion

SETTINGS = ("outer_loop", "inner_loop", "lr_net", "batch_train", "dis_metric")
"""Settings of methods for which there are options."""

KINDS: dict[type, str] = {int: "a whole number", float: "a number", bool: "True or False"}


def settings_of(words: Sequence[str], method: Any) -> dict[str, Any]:
    """Return what was typed as NAME=VALUE, as the method's own values are.

    Raises:
        InputError: for what is no setting of the method, or no value of one.

    >>> from datastill.distillation.methods import METHODS
    >>> settings_of(["lr_net=0.1"], METHODS["DC"](1).method)
    {'lr_net': 0.1}
    """
    known = {field.name for field in fields(method)} if is_dataclass(method) else set[str]()
    found: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or name not in known:
            which = suggestion(name, sorted(known)) if known else "this method has none"
            raise InputError(f"--setting takes NAME=VALUE of the method, found {word!r}; {which}")
        found[name] = _value(name, text, type(getattr(method, name)))
    return found


def _value(name: str, text: str, kind: type) -> Any:
    if kind is bool and text in ("True", "False"):
        return text == "True"
    try:
        if kind in (int, float):
            return kind(text)
    except ValueError:
        pass
    if kind in (str, type(None)):  # what is None unless it is said is one of a few words
        return text
    raise InputError(f"--setting {name} must be {KINDS.get(kind, kind.__name__)}, found {text!r}")
