"""The labels that networks learn from besides hard ones: options of validate and compare."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from datastill.base.errors import InputError
from datastill.cli.mirror import options
from datastill.runs.specs import OnTheFlySpec, SoftSpec

ON_THE_FLY = "on-the-fly"


@options()
class SoftLabels:
    """Which labels networks learn from besides hard ones, and how.

    Attributes:
        labels: own: those of the set. on-the-fly: besides, those that original models
            (--models-pool) give every batch, as augmented.
        soft_loss: of soft labels: cross-entropy; kl, divergence from softened logits at
            --temperature; or, on the fly, mse of logits. Default: cross-entropy, on the fly kl.
        temperature: with kl: of the logits. Default: the one that the labels were made with, or 1;
            on the fly 20, which softens the labels too.
        ground_truth: on the fly: weight of the cross-entropy of hard labels, which is added.
            Default: 0, with mse 0.1.
    """

    labels: Literal["own", "on-the-fly"] = "own"
    soft_loss: Literal["cross-entropy", "kl", "mse"] | None = None
    temperature: float | None = None
    ground_truth: float | None = None


def soft(values: Mapping[str, Any]) -> SoftSpec:
    """Return how networks learn from soft labels of a set, of the values of options.

    Raises:
        InputError: for what only labels on the fly have.
    """
    loss, ground_truth = values["soft_loss"], values["ground_truth"]
    if values["labels"] == ON_THE_FLY:
        return SoftSpec()
    if loss == "mse" or ground_truth is not None:
        what = "--soft-loss mse" if ground_truth is None else "--ground-truth"
        raise InputError(f"{what} is for labels given on the fly; add --labels on-the-fly")
    return SoftSpec(loss=loss or "cross-entropy", temperature=values["temperature"])


def on_the_fly(values: Mapping[str, Any]) -> OnTheFlySpec | None:
    """Return how networks learn from labels on the fly, of the values of options."""
    if values["labels"] != ON_THE_FLY:
        return None
    known = {name: values[name] for name in ("temperature", "ground_truth")}
    return OnTheFlySpec(loss=values["soft_loss"] or "kl", **known)


def typed_labels(soft: SoftSpec, fly: OnTheFlySpec | None) -> dict[str, Any]:
    """Return the options that ask for labels, by their names.

    Raises:
        InputError: for what no option says.
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
