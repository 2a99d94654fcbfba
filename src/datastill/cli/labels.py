"""The labels that networks learn from besides hard ones: options of validate and compare."""

from __future__ import annotations

from typing import Literal

from datastill.cli.mirror import options


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
