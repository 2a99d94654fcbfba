"""How the synthetic set lies among real images in the features of original models.

All of it is linear algebra on ``M`` synthetic and ``R`` real features, once they are there. Every
value is the mean over the pool.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from datastill.evaluation.assessments.base import ASSESSMENTS, Score, mean
from datastill.evaluation.evidence import Evidence, View

NEIGHBOURS = 5
"""Neighbours whose distance is the radius of an image: as published for density and coverage;
precision and recall were published with 3."""


def frechet(a: Tensor, b: Tensor) -> float:
    r"""Return the Frechet distance of two normal distributions fitted to ``(n, D)`` features.

    :math:`\|\mu_a - \mu_b\|^2 + tr(C_a + C_b - 2 (C_a C_b)^{1/2})`, with covariances that divide
    by :math:`n`. With centred features :math:`A` and :math:`B` the last trace is the sum of the
    singular values of :math:`A B^T / \sqrt{n_a n_b}`: exact with fewer images than dimensions,
    defined for a single one, and without a root of a matrix.

    >>> round(frechet(torch.tensor([[0.0], [2.0]]), torch.tensor([[1.0], [7.0]])), 6)
    13.0
    """
    shift = (a.mean(0) - b.mean(0)).square().sum()
    a, b = a - a.mean(0), b - b.mean(0)
    spread = a.square().sum() / len(a) + b.square().sum() / len(b)
    shared = torch.linalg.svdvals(a @ b.T).sum() / (len(a) * len(b)) ** 0.5
    return max(float(shift + spread - 2 * shared), 0.0)


def kernel(a: Tensor, b: Tensor, within: float | None = None) -> float:
    r"""Return the squared maximum mean discrepancy under :math:`k(x, y) = (x \cdot y / D + 1)^3`.

    The mean of :math:`k` within :math:`a` plus that within :math:`b` less twice that between
    them. Images are not compared with themselves, so the estimate has no bias and may be
    negative; where there is but one image, its value with itself has to do.

    Args:
        a: ``(M, D)``.
        b: ``(R, D)``.
        within: the mean within ``b``, where it is known.
    """
    within = _within(b) if within is None else within
    return _within(a) + within - 2 * float(_polynomial(a, b).mean())


@ASSESSMENTS.register("frechet-distance")
def frechet_distance(evidence: Evidence) -> Score:
    """Frechet distance of all synthetic from all real features, see ``frechet``.

    ``O(M R D)`` by the singular values of an ``M x R`` matrix.

    Reference:
        Heusel et al., GANs Trained by a Two Time-Scale Update Rule, NeurIPS 2017.
    """
    found = [frechet(view.synthetic, view.real) for view in evidence.originals]
    return Score(mean(found), "lower")


@ASSESSMENTS.register("class-frechet-distance")
def class_frechet_distance(evidence: Evidence) -> Score:
    """Frechet distance within each class, averaged; the whole set stands in for an absent class.

    Less than ``frechet-distance`` costs; with one image of a class it is the distance of
    the means plus the spread of real images.

    Reference:
        Heusel et al., NeurIPS 2017; class by class as in DeVries et al., On the Evaluation of
        Conditional GANs, 2019.
    """
    found = [
        frechet(view.synthetic[s], view.real[r])
        for view in evidence.originals
        for s, r in evidence.pairs
    ]
    return Score(mean(found), "lower")


@ASSESSMENTS.register("kernel-distance")
def kernel_distance(evidence: Evidence) -> Score:
    """Kernel distance of all synthetic from all real features, see ``kernel``: ``O((M + R)^2 D)``.

    Reference:
        Binkowski, Sutherland, Arbel and Gretton, Demystifying MMD GANs, ICLR 2018.
    """
    found = [
        kernel(view.synthetic, view.real, _real_kernel(view, "all", view.real))
        for view in evidence.originals
    ]
    return Score(mean(found), "lower")


@ASSESSMENTS.register("class-kernel-distance")
def class_kernel_distance(evidence: Evidence) -> Score:
    """Kernel distance within each class, averaged; the whole set stands in for an absent class.

    Reference:
        Binkowski, Sutherland, Arbel and Gretton, Demystifying MMD GANs, ICLR 2018.
    """
    found = [
        kernel(view.synthetic[s], view.real[r], _real_kernel(view, k, view.real[r]))
        for view in evidence.originals
        for k, (s, r) in enumerate(evidence.pairs)
    ]
    return Score(mean(found), "lower")


@dataclass(frozen=True, eq=False)
class Balls:
    """Which images lie in the balls around others, that reach to their nearest neighbours.

    Attributes:
        in_real: ``(M, R)``, whether a synthetic image lies in the ball of a real one.
        in_synthetic: ``(M, R)``, whether a real image lies in the ball of a synthetic one.
        neighbours: how many of its own kind the ball of a real image holds.
    """

    in_real: Tensor
    in_synthetic: Tensor
    neighbours: int


def balls(between: Tensor, synthetic: Tensor, real: Tensor) -> Balls:
    """Draw a ball around every image, to its fifth neighbour of its own kind.

    To the last, where there are fewer; a lone image's has radius 0.

    Args:
        between: ``(M, R)`` squared distances of synthetic from real images.
        synthetic: ``(M, M)``, of synthetic ones among themselves.
        real: ``(R, R)``, of real ones.
    """
    return Balls(
        between <= _radii(real),
        between <= _radii(synthetic)[:, None],
        max(1, min(NEIGHBOURS, len(real) - 1)),
    )


@ASSESSMENTS.register("precision")
def precision(evidence: Evidence) -> Score:
    """Share of synthetic images that lie in the ball of some real one, see ``balls``.

    ``O((M + R)^2 D)``, once for this and the next three.

    Reference:
        Kynkaanniemi et al., Improved Precision and Recall Metric, NeurIPS 2019.
    """
    return _of_balls(evidence, lambda found: found.in_real.any(1).double().mean())


@ASSESSMENTS.register("recall")
def recall(evidence: Evidence) -> Score:
    """Share of real images that lie in the ball of some synthetic one, see ``balls``.

    Balls of few images are large: compare sets of one size.

    Reference:
        Kynkaanniemi et al., Improved Precision and Recall Metric, NeurIPS 2019.
    """
    return _of_balls(evidence, lambda found: found.in_synthetic.any(0).double().mean())


@ASSESSMENTS.register("density")
def density(evidence: Evidence) -> Score:
    r"""Count the real balls that a synthetic image lies in, as a share of what real ones have.

    :math:`\frac{1}{kM} \sum_{i,j} [s_i \in B(r_j)]`, see ``balls``. It may be above 1.

    Reference:
        Naeem et al., Reliable Fidelity and Diversity Metrics for Generative Models, ICML 2020.
    """
    return _of_balls(
        evidence, lambda found: found.in_real.double().sum(1).mean() / found.neighbours
    )


@ASSESSMENTS.register("coverage")
def coverage(evidence: Evidence) -> Score:
    """Share of real images in whose ball some synthetic one lies, see ``balls``.

    Reference:
        Naeem et al., Reliable Fidelity and Diversity Metrics for Generative Models, ICML 2020.
    """
    return _of_balls(evidence, lambda found: found.in_real.any(0).double().mean())


@ASSESSMENTS.register("scatter")
def scatter(evidence: Evidence) -> Score:
    r"""Share of the synthetic features' scatter that lies within classes, from 0 to 1.

    With :math:`W = \sum_i \|s_i - \mu_{y_i}\|^2` and :math:`B = \sum_k n_k \|\mu_k - \mu\|^2` it
    is :math:`W / (W + B)`: it grows with the ratio :math:`W / B`, and stays finite. 0 with one
    image of each class, 1 when nothing tells the classes apart. ``O(M D)``.

    Reference:
        Fisher, The Use of Multiple Measurements in Taxonomic Problems, 1936.
    """
    rows = [rows for rows in evidence.judged.rows_by_class if len(rows)]

    def share(view: View) -> float:
        points = view.synthetic
        total = float((points - points.mean(0)).square().sum())
        within = sum(float((points[r] - points[r].mean(0)).square().sum()) for r in rows)
        # Equal images leave nothing but rounding errors.
        return within / total if total > 1e-9 * float(points.square().sum()) else 1.0

    return Score(mean(share(view) for view in evidence.originals), "lower")


def _real_kernel(view: View, part: str | int, points: Tensor) -> float:
    # The same for every set.
    return view.judge.known.once(("kernel", part), lambda: _within(points))


def _of_balls(evidence: Evidence, share: Callable[[Balls], Tensor]) -> Score:
    found = [
        float(share(balls(view.between, view.within, view.judge.distances)))
        for view in evidence.originals
    ]
    return Score(mean(found), "higher")


def _polynomial(a: Tensor, b: Tensor) -> Tensor:
    return (a @ b.T / a.shape[1] + 1) ** 3


def _within(points: Tensor) -> float:
    found, n = _polynomial(points, points), len(points)
    if n == 1:
        return float(found)
    return float((found.sum() - found.trace()) / (n * (n - 1)))


def _radii(distances: Tensor) -> Tensor:
    # An image is the nearest to itself, hence one more.
    rank = min(NEIGHBOURS, len(distances) - 1) + 1
    return distances.kthvalue(rank, dim=1).values
