"""Settings of methods: some have options, all can be given by their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_type_hints

from datastill.cli.mirror import options


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


NAMED = tuple(name for name in get_type_hints(Settings) if name != "setting")
"""Settings for which there are options."""


def settings_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that options ask for, as the method's own values are.

    Args:
        values: of all options, by their names.

    Raises:
        InputError: for what is no setting of the method, or no value of one.

    >>> settings_of({"method": "DC", "outer_loop": 2, "setting": ["lr_net=0.1"]})
    {'outer_loop': 2, 'lr_net': 0.1}
    """
    one = values.get("method")  # of a study there are many, and what has a name is its own value
    found = {n: values[n] for n in NAMED if one and values.get(n) is not None}
    if values.get("setting"):
        from datastill.runs.specs.settings import read

        found |= read(values["setting"], one, values.get("population", ()))
    return found


def typed_settings(settings: Mapping[str, Any], named: Sequence[str] = NAMED) -> dict[str, Any]:
    """Return the options that ask for settings, by their names; ``named`` have one of their own."""
    found = {name: value for name, value in settings.items() if name in named}
    others = tuple(f"{name}={value}" for name, value in settings.items() if name not in named)
    return {**found, "setting": others} if others else found
