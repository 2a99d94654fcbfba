"""Cheap learners that are fitted on the synthetic set and tested on real training images.

They learn from features of original models, so what they miss is what the set fails to say. The
images that they are tested on are the real sample, without those that the set itself holds (unless
it holds them all). They are held out from nothing else: original models were trained on them, and
distillation may have matched them. A readout ranks sets, its accuracy is not what a test set would
give.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from datastill.evaluation.assessments.base import ASSESSMENTS, Score, mean
from datastill.evaluation.evidence import Evidence, View

RIDGE = 1e-2
"""Weight of the ridge, as a share of the mean diagonal of the kernel."""


def ridge(within: Tensor, between: Tensor, targets: Tensor) -> Tensor:
    r"""Predict by kernel ridge regression with an intercept.

    With targets centred to :math:`Y`, :math:`K^T (G + \lambda I)^{-1} Y` plus their mean.

    Args:
        within: ``(M, M)`` kernel of the images learnt from.
        between: ``(M, R)`` kernel with those predicted.
        targets: ``(M, K)``.

    Returns:
        ``(R, K)``.
    """
    # Equal images at the origin have a kernel of zeros, and teach the mean.
    weight = max(RIDGE * float(within.diagonal().mean()), 1e-12)
    system = within + weight * torch.eye(len(within)).to(within)
    centre = targets.mean(0)
    return between.T @ torch.linalg.solve(system, targets - centre) + centre


@ASSESSMENTS.register("nearest-class-mean")
def nearest_class_mean(evidence: Evidence) -> Score:
    r"""Accuracy of giving real images the class whose mean synthetic feature is nearest.

    :math:`\arg\min_k \|f(r) - \mu_k\|` over the classes that the set has, on the real sample,
    averaged over the pool. ``O((M + R K) D)``.

    Reference:
        Mensink et al., Distance-based Image Classification: Generalizing to New Classes at
        Near-zero Cost, 2013.
    """
    present = [k for k, count in enumerate(evidence.judged.counts) if count]
    rows = evidence.judged.rows_by_class

    def predict(view: View) -> Tensor:
        centres = torch.stack([view.synthetic[rows[k]].mean(0) for k in present])
        nearest = torch.cdist(view.real, centres).argmin(1)
        return torch.tensor(present, device=nearest.device)[nearest]

    return _accuracy(evidence, predict)


@ASSESSMENTS.register("linear-probe")
def linear_probe(evidence: Evidence) -> Score:
    """Accuracy on real images of linear ridge regression to the labels, soft ones as they are.

    On centred features, solved in its dual form: ``O(M^3 + M R D)``. Averaged over the pool.

    Reference:
        Alain and Bengio, Understanding Intermediate Layers Using Linear Classifier Probes, 2017.
    """
    targets = evidence.judged.shares.double()

    def predict(view: View) -> Tensor:
        centre = view.synthetic.mean(0)
        points, asked = view.synthetic - centre, view.real - centre
        return ridge(points @ points.T, points @ asked.T, targets).argmax(1)

    return _accuracy(evidence, predict)


@ASSESSMENTS.register("kernel-ridge")
def kernel_ridge(evidence: Evidence) -> Score:
    r"""Accuracy on real images of ridge regression with a gaussian kernel, soft labels as they are.

    :math:`k(x, y) = \exp(-\|x - y\|^2 / h)`, with :math:`h` the mean squared distance of real
    features: ``O(M^3 + M R D)``. Averaged over the pool.

    Reference:
        Nguyen, Chen and Lee, Dataset Meta-Learning from Kernel Ridge-Regression, ICLR 2021.
    """
    targets = evidence.judged.shares.double()

    def predict(view: View) -> Tensor:
        width = max(float(view.judge.distances.mean()), 1e-12)
        within, between = (-view.within / width).exp(), (-view.between / width).exp()
        return ridge(within, between, targets).argmax(1)

    return _accuracy(evidence, predict)


def _accuracy(evidence: Evidence, predict: Callable[[View], Tensor]) -> Score:
    labels = evidence.reference.sample.hard_labels
    held_out = ~evidence.copies.any(0)
    if not bool(held_out.any()):
        held_out = torch.ones_like(held_out)
    found = ((predict(view) == labels)[held_out] for view in evidence.originals)
    return Score(mean(float(right.double().mean()) for right in found), "higher")
