"""From real images to a synthetic set: the loop, its methods, CLOM, soft labels."""

from typing import Any

_LOOP = ("Descent", "Snapshot", "State", "distill", "initial", "starting_counts")


def __getattr__(name: str) -> Any:
    # The loop was a module of this name.
    if name not in _LOOP:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module("datastill.distillation.loop"), name)
