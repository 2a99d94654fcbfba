"""Settings of methods, by the names that their own dataclasses have for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from typing import Any

import msgspec

from datastill.base.errors import InputError, suggestion
from datastill.base.wording import quoted
from datastill.distillation.descent import Descent
from datastill.distillation.methods import METHODS, Published, period_of
from datastill.runs.specs.base import Settings
from datastill.runs.specs.population import parse
from datastill.runs.specs.values import converted, wanted


def read(words: Sequence[str], method: str | None, population: Sequence[str]) -> dict[str, Any]:
    """Return settings that were typed, as the values of the methods are.

    Args:
        words: such as ``lr_net=0.1``.
        method: whose they are; None for those of a study, where any method may have them.
        population: of the study.

    Raises:
        InputError: for what is no setting, or no value of one.

    >>> read(["lr_net=0.1", "outer_loop=2"], "DC", ())
    {'lr_net': 0.1, 'outer_loop': 2}
    """
    kinds = [parse(text) for text in population]
    names = [method] if method else [*METHODS.names, *(k.method for k in kinds if k.updates)]
    methods: list[Any] = [METHODS[name](1).method for name in names]
    known = {field.name: getattr(one, field.name) for one in methods for field in fields(one)}
    found: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or name not in known:
            which = suggestion(name, sorted(known)) if known else "this method has none"
            which = f"add its value, {name}=..." if name in known else which
            raise InputError(
                f"--setting takes NAME=VALUE of the method, found {quoted(word)}; {which}"
            )
        if name in found:
            raise InputError(f"--setting {name} is given twice; give it once")
        found[name] = _value(name, text, type(known[name]))
    return found


def _value(name: str, text: str, kind: type) -> Any:
    kind = str if kind is type(None) else kind  # None unless it is said: one of a few words
    try:
        return msgspec.convert(text, kind, strict=False)
    except msgspec.ValidationError:
        raise InputError(f"--setting {name} must be {wanted(kind)}, found {quoted(text)}") from None


def adjusted(published: Published, method: str, settings: Settings) -> Published:
    """Return the published settings with those of the method that were given.

    Args:
        published: the settings.
        method: its name.
        settings: those that were given, by the names that the method has for them.

    Raises:
        InputError: for a setting that the method does not have, or cannot take.
    """
    changed: Any = published.method
    known = [field.name for field in fields(changed)]
    for name in settings:
        if name not in known:
            raise InputError(f"`{name}` has no meaning for {METHODS.spelling(method)}")
    changed = replace(changed, **{k: _setting(changed, k, v) for k, v in settings.items()})
    periods = published.updates // period_of(published.method)
    needs = published.needs | frozenset(getattr(changed, "needs", ()))
    return replace(published, method=changed, updates=periods * period_of(changed), needs=needs)


def made_with(published: Published, model: str, descent: Descent) -> dict[str, Any]:
    """Return what every set says that it was made with, by itself or in a study.

    Args:
        published: the method, with the settings that were given.
        model: architecture of the networks under which images are compared.
        descent: how the images were moved.
    """
    return {
        "method_settings": asdict(published.method),  # pyright: ignore[reportArgumentType]
        "protocol": published.protocol,
        "model": model,
        "descent": descent.facts(),
    }


def _setting(method: object, name: str, value: Any) -> Any:
    # As the method has it itself: a whole number where that is one.
    held = getattr(method, name)
    kind = type(held)
    return converted(name, value, kind) if kind in (bool, int, float, str) else value
