"""What the facts in a file must be, before anybody believes them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from datastill.base.wording import readable

LONGEST = 4096
"""Characters of a text."""


@dataclass(frozen=True)
class Kind:
    """What a fact must be.

    Attributes:
        words: for people.
        fits: whether a value is of this kind.
    """

    words: str
    fits: Callable[[Any], bool]


@dataclass(frozen=True)
class Rows:
    """Any number of facts of one kind."""

    each: Kind | Rows | Table


@dataclass(frozen=True)
class Table:
    """Facts by their names; those that are not named here may be anything.

    Attributes:
        fields: what some of them must be, where they are there and not null.
        needed: which must be there.
    """

    fields: Mapping[str, Kind | Rows | Table] = field(default_factory=dict[str, Any])
    needed: tuple[str, ...] = ()


def _is_number(value: Any) -> bool:
    try:
        return type(value) in (int, float) and math.isfinite(value)
    except OverflowError:
        return False


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and readable(value) and len(value) <= LONGEST


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{16}", value) is not None


def _is_size(value: Any) -> bool:
    return (
        isinstance(value, list | tuple)
        and len(value) == 2
        and all(type(side) is int and side > 0 for side in value)
    )


TEXT = Kind("a printable text", _is_text)
SEED = Kind("a whole number", lambda value: type(value) is int)
WHOLE = Kind("a whole number from 0", lambda value: type(value) is int and 0 <= value < 2**53)
NUMBER = Kind("a number", _is_number)
ALPHA = Kind("a number, or auto", lambda value: value == "auto" or _is_number(value))
SHARE = Kind("a share from 0 to 1", lambda value: _is_number(value) and 0 <= value <= 1)
POSITIVE = Kind("a number above 0", lambda value: _is_number(value) and value > 0)
YES_OR_NO = Kind("true or false", lambda value: isinstance(value, bool))
SIZE = Kind("a height and a width", _is_size)

DIGEST = Kind("16 hexadecimal digits", _is_digest)

CONTENT = Table({"images": WHOLE, "digest": TEXT}, needed=("images", "digest"))
KEPT = Table(
    {
        "share": SHARE,
        "images": WHOLE,
        "digest": TEXT,
        "all": TEXT,
        "which": TEXT,
        "kept_though_above": Rows(DIGEST),
        "trained_though_below": Rows(DIGEST),
        "trained_on_some": Rows(DIGEST),
    }
)
TRAINED_ON = Table({**CONTENT.fields, "kept_for_tests": KEPT}, CONTENT.needed)
DATA = Table(
    {
        "dataset": TEXT,
        "data_path": TEXT,
        "size": SIZE,
        "image_column": TEXT,
        "label_column": TEXT,
        "mirror": YES_OR_NO,
        "skip_damaged": YES_OR_NO,
        "originals": YES_OR_NO,
        "damaged": Rows(TEXT),
        "unused_folders": Rows(TEXT),
        "kept_of_classes": Rows(WHOLE),
        "content": CONTENT,
        "kept_for_tests": KEPT,
        "kept_for_assessments": KEPT,
    }
)
ORIGINAL = Table(
    {
        "architecture": TEXT,
        "number": WHOLE,
        "epoch": WHOLE,
        "key": SEED,
        "weights": TEXT,
        "trained_on": TEXT,
    },
    needed=("architecture",),
)
RESULT = Table(
    {
        "source": TEXT,
        "model": TEXT,
        "accuracies": Table({"values": Rows(SHARE)}),
        "seconds": NUMBER,
        "together": WHOLE,
    }
)
VALIDATION = Table(
    {
        "dataset": TEXT,
        "protocol": Table({"name": TEXT, "fit": Table({"epochs": WHOLE})}),
        "seed": SEED,
        "results": Rows(RESULT),
        "caveats": Rows(TEXT),
    }
)
OF_A_SET = Table(
    {
        "method": TEXT,
        "protocol": TEXT,
        "learning_rate": POSITIVE,
        "factor": WHOLE,
        "model": TEXT,
        "seed": SEED,
        "step": WHOLE,
        "seconds": NUMBER,
        "coreset_features": TEXT,
        "dsa_strategy": TEXT,
        "recipe": TEXT,
        "run": Table({"kind": TEXT}),
        "descent": Table({"init": TEXT, "updates": WHOLE, "lr": NUMBER}),
        "clom": Table(
            {
                "alphas": Rows(ALPHA),
                "weight": NUMBER,
                "models_pool": Rows(TEXT),
                "distance": TEXT,
                "weighting": TEXT,
                "originals": Rows(ORIGINAL),
            }
        ),
        "select": Table({"by": TEXT, "every": WHOLE, "originals": Rows(ORIGINAL)}),
        "features": Table({"by": TEXT, "originals": Rows(ORIGINAL)}),
        "compared_under": Table({"originals": Rows(ORIGINAL)}),
        "coreset_originals": Table({"originals": Rows(ORIGINAL)}),
        "selected": Table(),
        "plan": Table({"updates": WHOLE, "networks": WHOLE, "seconds": NUMBER}),
        "versions": Table({"datastill": TEXT, "torch": TEXT}),
        "route": Table(),
        "data": DATA,
        "real_images": WHOLE,
        "real_fingerprint": TEXT,
        "imported": Table(
            {"file": TEXT, "format": TEXT, "fingerprint": TEXT, "remarks": Rows(TEXT)}
        ),
        "relabelled": Table(
            {
                "temperature": POSITIVE,
                "teachers": WHOLE,
                "architectures": Rows(TEXT),
                "hard_labels": Rows(WHOLE),
                "originals": Rows(ORIGINAL),
            }
        ),
        "learned_labels": Table({"hard_labels": Rows(WHOLE)}),
        "trajectories": Table({"originals": Rows(ORIGINAL)}),
        "caveats": Rows(TEXT),
        "validated": Rows(VALIDATION),
    }
)
"""What is known of facts that a set of images may have."""

OF_A_MODEL = Table(
    {
        "key": SEED,
        "seed": SEED,
        "number": WHOLE,
        "epoch": WHOLE,
        "fit": Table({"epochs": WHOLE}),
        "asked": Table(),
        "train_loss": NUMBER,
        "train_images": WHOLE,
        "train_accuracy": SHARE,
        "held_out_images": WHOLE,
        "held_out_accuracy": SHARE,
        "seconds": NUMBER,
        "trained_on": TRAINED_ON,
    }
)
"""Likewise, of an original model."""


def require_facts(facts: Any, wanted: Table) -> dict[str, Any]:
    """Return the facts of a file if they are what they must be.

    Raises:
        ValueError: naming the first that is not, and what it would have to be.

    >>> require_facts({"data": {"size": "big"}}, OF_A_SET)
    Traceback (most recent call last):
    ValueError: the fact data.size is "big", not a height and a width
    """
    _require(facts, wanted, "")
    return dict(facts)


def _require(value: Any, wanted: Kind | Rows | Table, name: str) -> None:
    if isinstance(wanted, Kind):
        if not wanted.fits(value):
            raise _odd(name, value, wanted.words)
    elif isinstance(wanted, Rows):
        if not isinstance(value, list | tuple):
            raise _odd(name, value, "a list")
        for i, each in enumerate(value):  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
            _require(each, wanted.each, f"{name}.{i}")
    else:
        _require_table(value, wanted, name)


def _require_table(value: Any, wanted: Table, name: str) -> None:
    if not isinstance(value, Mapping):
        raise _odd(name, value, "a table")
    for needed in wanted.needed:
        if value.get(needed) is None:  # pyright: ignore[reportUnknownMemberType]
            raise ValueError(f"the fact {_inside(name, needed)} is missing")
    for each, kind in wanted.fields.items():
        if value.get(each) is not None:  # pyright: ignore[reportUnknownMemberType]
            _require(value[each], kind, _inside(name, each))


def _inside(name: str, each: str) -> str:
    return f"{name}.{each}" if name else each


def _odd(name: str, value: Any, words: str, most: int = 40) -> ValueError:
    text = json.dumps(value, default=repr)
    text = text if len(text) <= most else f"{text[:most]}..."
    return ValueError(f"the fact {name} is {text}, not {words}" if name else f"no facts: {text}")
