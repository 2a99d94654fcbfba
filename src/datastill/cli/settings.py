"""Settings of methods: some have options, all can be given by their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, Literal

from datastill.base.errors import InputError, suggestion
from datastill.cli.mirror import options
from datastill.runs.specs.values import wanted

NAMED = ("outer_loop", "inner_loop", "lr_net", "batch_train", "dis_metric")
"""Settings for which there are options."""


@options()
class Settings:
    """Settings of methods.

    Attributes:
        outer_loop: DC, DSA: updates under one network before the next. Default: as published for
            this ipc.
        inner_loop: DC, DSA: epochs by which the network ages between updates. Default: as
            published.
        lr_net: DC, DSA: learning rate of that. Default: 0.01.
        batch_train: DC, DSA: images per step of that. Default: 256.
        dis_metric: DC, DSA: distance between gradients. Default: layerwise-cosine.
        setting: those that have no option here, by their names: syn_steps=10 of MTT.
    """

    outer_loop: int | None = None
    inner_loop: int | None = None
    lr_net: float | None = None
    batch_train: int | None = None
    dis_metric: Literal["layerwise-cosine", "mse", "cosine"] | None = None
    setting: tuple[str, ...] = ()


def settings_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that options ask for, as the method's own values are.

    Args:
        values: of all options, by their names.

    Raises:
        InputError: for what is no setting of the method, or no value of one.

    >>> settings_of({"method": "DC", "outer_loop": 2, "setting": ["lr_net=0.1"]})
    {'outer_loop': 2, 'lr_net': 0.1}
    """
    found = {name: values[name] for name in NAMED if values.get(name) is not None}
    if values.get("setting"):
        from datastill.distillation.methods import METHODS

        found |= _named(values["setting"], METHODS[values["method"]](1).method)
    return found


def typed_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that ask for settings of a method, by their names."""
    found = {name: value for name, value in settings.items() if name in NAMED}
    others = tuple(f"{name}={value}" for name, value in settings.items() if name not in NAMED)
    return {**found, "setting": others} if others else found


def _named(words: Sequence[str], method: Any) -> dict[str, Any]:
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
    import msgspec

    kind = str if kind is type(None) else kind  # None unless it is said: one of a few words
    try:
        return msgspec.convert(text, kind, strict=False)
    except msgspec.ValidationError:
        raise InputError(f"--setting {name} must be {wanted(kind)}, found {text!r}") from None
