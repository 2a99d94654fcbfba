"""What can be named: methods, networks, datasets and all else, each in a line."""

from __future__ import annotations

from importlib import import_module

from datastill.base.errors import InputError, suggestion
from datastill.base.registry import Registry
from datastill.base.wording import counted
from datastill.runs.specs import recipes

REGISTRIES = {
    "methods": ("distillation.methods", "METHODS", True),
    "networks": ("networks", "NETWORKS", True),
    "datasets": ("datasets", "DATASETS", True),
    "coresets": ("training.coresets", "CORESETS", True),
    "assessments": ("evaluation.assessments", "ASSESSMENTS", False),
    "formats": ("exchange", "FORMATS", False),
}
"""Module and name of each, and whether modules say in a line what they register."""
KINDS = (*REGISTRIES, "protocols", "recipes")
"""What there are names of."""


def catalogue(kind: str) -> dict[str, str]:
    """Return a line about everything of a kind that can be named, by its name.

    That is what comes with datastill and what installed packages provide, which is not loaded.
    Besides, code of one's own is named ``package.module:name``.

    Args:
        kind: one of ``KINDS``.

    Raises:
        InputError: for another.

    >>> catalogue("protocols")["dsa"]
    '1000 epochs with DSA augmentation'
    """
    if kind == "protocols":
        from datastill.training.protocol import PRESETS  # names of kinds wait for no torch

        return {
            name: f"{counted(one.epochs, 'epoch')} {one.words}" for name, one in PRESETS.items()
        }
    if kind == "recipes":
        return {name: f"{command}: {about}" for name, command, about in recipes.table()}
    if kind not in REGISTRIES:
        raise InputError(f"there is no list of {kind!r}; {suggestion(kind, KINDS)}")
    module, name, by_module = REGISTRIES[kind]
    registry: Registry[object] = getattr(import_module(f"datastill.{module}"), name)
    return {one: registry.about(one, module=by_module) for one in registry.names}
