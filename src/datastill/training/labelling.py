"""What networks learn of labels that original models give every batch, as a value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from datastill.base.errors import (
    InputError,
    in_plain_numbers,
    not_negative,
    of_kind,
    positive,
    told,
)

EARLY = "early-labels"
"""How a comparison calls random real images with the labels of early-stopped original models."""

Loss = Literal["kl", "cross-entropy", "mse"]
LOSSES = {"kl": (20.0, 0.0), "cross-entropy": (1.0, 0.0), "mse": (None, 0.1)}
"""The losses, each with the usual temperature and the usual weight of the ground truth."""


@dataclass(frozen=True)
class OnTheFly:
    r"""What networks learn of what original models say of a batch.

    With the models' logits :math:`z`, those of the network :math:`y`, and the classes :math:`c`
    that the images have, the loss of an image is one of

    - ``kl``: :math:`T^2 \sum_k p_k (\log p_k - \log q^T_k)`, of softened shares on both sides;
    - ``cross-entropy``: :math:`-\sum_k p_k \log q_k`, of softened shares and logits as they are;
    - ``mse``: :math:`\frac{1}{K} \sum_k (y_k - z_k)^2`;

    and :math:`-\gamma \log q_c`, the cross-entropy of its class, is added. Of several models
    :math:`p` is the mean of what each says, softened; with ``mse`` it is the mean of logits.

    Attributes:
        loss: ``kl`` is RDED's (but for :math:`T^2`), ``mse`` that of G-VBSM and EDC.
        temperature: :math:`T`, that softens; None for the usual one, 20 of ``kl`` and 1 of
            ``cross-entropy``; ``mse`` has none.
        ground_truth: :math:`\gamma`; None for the usual one, 0.1 of ``mse``, otherwise 0. That is
            G-VBSM's on ImageNet; it takes 0.15 on CIFAR, and EDC 0.025.

    References:
        Sun et al., On the Diversity and Realism of Distilled Dataset: An Efficient Dataset
        Distillation Paradigm, CVPR 2024. Shao et al., Generalized Large-Scale Data Condensation via
        Various Backbone and Statistical Matching, CVPR 2024.

    >>> OnTheFly()
    OnTheFly(loss='kl', temperature=20.0, ground_truth=0.0)
    >>> OnTheFly("mse")
    OnTheFly(loss='mse', temperature=None, ground_truth=0.1)
    """

    loss: Loss = "kl"
    temperature: float | None = None
    ground_truth: float | None = None

    def __post_init__(self) -> None:
        of_kind(str, "kl, cross-entropy or mse", loss=self.loss)
        if self.loss not in LOSSES:
            raise InputError(f"`loss` must be kl, cross-entropy or mse, found {told(self.loss)}")
        positive(temperature=self.temperature)
        not_negative(ground_truth=0 if self.ground_truth is None else self.ground_truth)
        if self.loss == "mse" and self.temperature is not None:
            raise InputError("`loss='mse'` compares logits as they are; leave `temperature` out")
        usual = dict(zip(("temperature", "ground_truth"), LOSSES[self.loss], strict=True))
        for name, value in usual.items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)
        in_plain_numbers(self, *usual)

    @property
    def words(self) -> str:
        """The loss in a few words.

        >>> OnTheFly("mse").words
        'mse, 0.1 of the ground truth'
        """
        degree = "" if self.temperature is None else f" at temperature {self.temperature:g}"
        truth = f", {self.ground_truth:g} of the ground truth" if self.ground_truth else ""
        return f"{self.loss}{degree}{truth}"
