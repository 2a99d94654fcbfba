"""Labels that networks learn from, as a person says them: in four words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from datastill.base.errors import InputError
from datastill.runs.specs import OnTheFlySpec, SoftSpec

ON_THE_FLY = "on-the-fly"


def soft(values: Mapping[str, Any]) -> SoftSpec:
    """Return how networks learn from soft labels of a set, of what a person says.

    Raises:
        InputError: for what only labels on the fly have.
    """
    loss, ground_truth = values["soft_loss"], values["ground_truth"]
    if values["labels"] == ON_THE_FLY:
        return SoftSpec()
    if loss == "mse" or ground_truth is not None:
        what = "soft_loss='mse'" if ground_truth is None else "ground_truth"
        typed = "--soft-loss mse" if ground_truth is None else "--ground-truth"
        raise InputError(
            f"`{what}` is for labels given on the fly; say `labels='{ON_THE_FLY}'` too",
            typed=f"{typed} is for labels given on the fly; add --labels {ON_THE_FLY}",
        )
    return SoftSpec(loss=loss or "cross-entropy", temperature=values["temperature"])


def on_the_fly(values: Mapping[str, Any]) -> OnTheFlySpec | None:
    """Return how networks learn from labels on the fly, of what a person says."""
    if values["labels"] != ON_THE_FLY:
        return None
    known = {name: values[name] for name in ("temperature", "ground_truth")}
    return OnTheFlySpec(loss=values["soft_loss"] or "kl", **known)


def typed_labels(soft: SoftSpec, fly: OnTheFlySpec | None) -> dict[str, Any]:
    """Return the words that ask for labels: the other way round.

    Raises:
        InputError: for what no words say.
    """
    if fly is not None and soft != SoftSpec():
        raise InputError("no option says the loss of own soft labels beside labels on the fly")
    told = fly or soft
    return {
        "labels": ON_THE_FLY if fly else "own",
        "soft_loss": None if told.loss == type(told)().loss else told.loss,
        "temperature": told.temperature,
        "ground_truth": fly and fly.ground_truth,
    }
