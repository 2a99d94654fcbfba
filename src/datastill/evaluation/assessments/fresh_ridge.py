"""Ridge regression on features of untrained networks, tested on images that nothing has seen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from datastill.evaluation.assessments.base import ASSESSMENTS, Need, Score
from datastill.evaluation.evidence import Evidence
from datastill.evaluation.reference import passed
from datastill.networks import features
from datastill.training.pool import Member

NETWORKS = 10
RIDGES = tuple(10.0**power for power in range(-6, 3))
"""Weights of the ridge to choose from, as shares of the mean diagonal of the kernel."""


def ridge_left_out(kernel: Tensor, targets: Tensor) -> Tensor:
    r"""Return the coefficients of kernel ridge regression that predicts best what is left out.

    With :math:`A = (G + \lambda I)^{-1}` the prediction for image :math:`i` of a fit without it is
    :math:`y_i - (A Y)_i / A_{ii}`; of ``RIDGES`` the weight with the least squared error of these
    counts.

    Args:
        kernel: ``(M, M)``, of the images learnt from.
        targets: ``(M, K)``.

    Returns:
        ``(M, K)``: what to multiply the ``(R, M)`` kernel of others with these by.

    Reference:
        Allen, The Relationship between Variable Selection and Data Augmentation, 1974.
    """
    values, vectors = torch.linalg.eigh(kernel)
    scale = max(float(kernel.diagonal().mean()), 1e-12)
    turned = vectors.T @ targets
    best, least = torch.zeros_like(targets), torch.inf
    for share in RIDGES:
        weights = 1 / (values.clamp(min=0) + share * scale)
        found = vectors @ (weights[:, None] * turned)
        own = (vectors.square() * weights).sum(1)
        error = float((found / own[:, None]).square().mean())
        if error < least:
            best, least = found, error
    return best


@dataclass(frozen=True)
class FreshKernelRidge:
    r"""Margin of ridge regression on features of untrained networks, averaged over networks.

    Each network sees the set and the images that nothing has seen; ridge regression leads from the
    features of the set to its labels, soft ones as they are, less their mean. The predictions
    :math:`p` of all networks are averaged; the score is the mean of
    :math:`p_y - \max_{k \neq y} p_k` over the unseen images. No original model has a part in it:
    what CLOM lowered is not asked again. ``O(M^3)`` a network, and passes of the set through each;
    those of the unseen images once for all sets.

    Attributes:
        number: of networks, of the evidence's ``trained`` architecture.
        needs: see ``base.needs_of``.

    Reference:
        Zhou, Nezhadarya and Ba, Dataset Distillation using Neural Feature Regression, NeurIPS 2022.
    """

    number: int = NETWORKS
    needs: ClassVar[frozenset[Need]] = frozenset({"held_out"})

    def at(self, number: int) -> FreshKernelRidge:
        """Return the same by another number of networks."""
        return replace(self, number=number)

    def __call__(self, evidence: Evidence) -> Score:
        """Return the margin."""
        labels = evidence.unseen.hard_labels
        shares = evidence.judged.shares.double()
        centre = shares.mean(0)
        found = centre.repeat(len(labels), 1)
        for number in range(self.number):
            member = evidence.reference.untrained(evidence.trained, number)
            points = evidence.seen(member, features).double()
            asked = _unseen(evidence, member, number)
            kernel = points @ points.T / points.shape[1]
            weights = points.T @ ridge_left_out(kernel, shares - centre) / points.shape[1]
            found += (asked @ weights.to(asked)).double() / self.number
        own = labels[:, None] == torch.arange(shares.shape[1]).to(labels)
        margin = found[own] - found.masked_fill(own, -torch.inf).amax(1)
        return Score(float(margin.mean()), "higher")


def _unseen(evidence: Evidence, member: Member, number: int) -> Tensor:
    # In float32, for they are kept for all sets.
    images, domain = evidence.unseen.images, evidence.train.domain
    name = ("unseen", member.architecture, number)
    return evidence.reference.known.once(
        name, lambda: passed(features, member, images, domain, evidence.route)
    )


ASSESSMENTS.register("fresh-kernel-ridge")(FreshKernelRidge())
