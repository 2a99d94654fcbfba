"""What differs between a run and what is asked of it now, by the names of arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ARGUMENTS = {
    "descent.updates": "updates",
    "descent.lr": "lr",
    "descent.batch": "batch",
    "descent.parametrisation": "tiles",
    "select": "select.by",
    "select.by": "select.by",
    "select.every": "select.every",
    "clom": "alphas",
    "clom.distance": "clom.distance",
    "clom.batch_size": "clom.batch_size",
    "clom.weighting": "clom.weighting",
    "plan": "minutes",
    "fit.lr": "lr",
    "fit.batch": "batch",
    "models": "models",
    "sets": "against",
    "num_eval": "trials",
    "batch_real": "batch",
    "trials": "trials",
    "images_per_class": "ipc",
    "protocol.name": "protocol",
    "protocol.fit.soft_loss": "soft.loss",
    "learning_rates": "learning_rates",
    "labels_on_the_fly.loss": "on_the_fly.loss",
}
"""Arguments whose name is another than the last word of what is written down."""
CONTENT = {
    "real_fingerprint": "other training images",
    "real_images": "another number of training images",
    "test_fingerprint": "other test images",
    "set_fingerprint": "another set",
    "dataset": "another dataset",
    "data": "images that were read otherwise",
    "pool": "other original models",
    "labels_on_the_fly": "networks whose labels come from elsewhere",
    "features": "features of another model",
    "compared_under": "another original model to compare under",
    "coreset_originals": "another original model to pick by",
    "caveats": "original models of which other things are known",
    "paths": "other sets",
    "real": "other training images",
    "test": "other test images",
}
"""What is no option, by the first word of what is written down."""
LONGEST = 60


def told(name: str, old: Any, new: Any) -> str:
    """Say how a run differs from what is asked of it.

    Args:
        name: of what differs, as it is written down: words with dots between them.
        old: what it was.
        new: what is asked for.

    >>> told("descent.updates", 300, 301)
    'was begun with `updates=300`, not 301'
    >>> told("clom", {"alphas": [1.0]}, None)
    'was begun with `alphas=1.0`, and now it is left out'
    >>> told("save_epochs", None, [1, 4])
    'was begun without `save_epochs=1 4`'
    >>> told("real_fingerprint", "b80d", "41aa")
    'is of other training images'
    >>> told("versions.torch", "2.10", "2.11")
    'was begun by torch 2.10, not 2.11'
    """
    first, _, last = name.rpartition(".")
    if name == "protocol.fit.epochs":  # published protocols go through one more than they name
        return f"was begun with networks of {old} epochs, not {new} (`epochs`)"
    if first == "versions":
        return f"was begun by {last} {old}, not {new}"
    if name not in ARGUMENTS and (words := _content(name)):
        return f"is of {words}"
    argument = ARGUMENTS.get(name, last)
    was, now = _value(old), _value(new)
    if not was:
        return f"was begun without `{argument}={now}`"
    if not now:
        return f"was begun with `{argument}={was}`, and now it is left out"
    return f"was begun with `{argument}={was}`, not {now}"


def first(held: Mapping[str, Any], asked: Mapping[str, Any]) -> str | None:
    """Say the first difference between two tables, whichever of them has a name that differs.

    >>> first({"ipc": 1, "compute": {"seed": 0}}, {"ipc": 1, "compute": {"seed": 1}})
    'was begun with `seed=0`, not 1'
    >>> first({"lr": 0.1}, {}), first({"ipc": [1]}, {"ipc": [1]})
    ('was begun with `lr=0.1`, and now it is left out', None)
    """
    old, new = _flat(held), _flat(asked)
    differing = (name for name in {**old, **new} if old.get(name) != new.get(name))
    name = next(differing, None)
    return None if name is None else told(name, old.get(name), new.get(name))


def _flat(table: Mapping[str, Any], at: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in table.items():
        inner = isinstance(value, Mapping)
        found |= _flat(value, f"{at}{name}.") if inner else {f"{at}{name}": value}
    return found


def _content(name: str) -> str:
    whole, first = CONTENT.get(name), name.partition(".")[0]
    if whole is None and first in ("data", "dataset", "pool", "paths"):
        whole = CONTENT[first]
    if whole is None and name.endswith("fingerprint"):
        whole = f"another {name.removesuffix('_fingerprint').replace('_', ' ')}"
    return whole or ""


def _value(value: Any) -> str:
    if value is None or value in ((), [], {}, ""):
        return ""
    if isinstance(value, dict):
        return _value(next(iter(value.values())))  # what one is known by comes first
    values = value if isinstance(value, list | tuple) else (value,)
    said = " ".join(map(str, values))
    return said if len(said) <= LONGEST else f"{said[:LONGEST]}..."
