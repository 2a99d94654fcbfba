"""Distances between what a network sees in real and in synthetic images: pure arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Metric = Literal["layerwise-cosine", "mse", "cosine"]


LEAST_SQUARE = 1e-12
"""Of a squared distance, below which its root has no gradient."""


def gradient_distance(
    real: Sequence[Tensor], synthetic: Sequence[Tensor], metric: Metric = "layerwise-cosine"
) -> Tensor:
    """Measure how far the gradients of two sets of images are apart.

    Args:
        real: one gradient per parameter.
        synthetic: likewise, in the same order; the result is differentiable in these.
        metric: ``"layerwise-cosine"`` is the published choice, see ``layerwise_cosine``;
            ``"mse"`` the sum of squared differences; ``"cosine"`` one minus the cosine of all
            gradients laid end to end. The last two count biases and norm scales too.

    Returns:
        A scalar, 0 for equal gradients; see ``layerwise_cosine`` of those that are small.

    Raises:
        ValueError: for another metric, or when the numbers of gradients differ.

    Reference:
        Zhao, Mopuri and Bilen, Dataset Condensation with Gradient Matching, ICLR 2021.

    >>> gradient_distance([torch.tensor([1.0, 2.0])], [torch.tensor([0.0, 0.0])], "mse").item()
    5.0
    """
    if metric == "layerwise-cosine":
        return layerwise_cosine(real, synthetic)
    if metric == "mse":
        pairs = zip(real, synthetic, strict=True)
        return torch.stack([(s - r).square().sum() for r, s in pairs]).sum()
    if metric == "cosine":
        pairs = [(r.flatten(), s.flatten()) for r, s in zip(real, synthetic, strict=True)]
        return 1 - _cosine(torch.cat([r for r, _ in pairs]), torch.cat([s for _, s in pairs]))
    raise ValueError(f"no gradient metric {metric!r}; choose layerwise-cosine, mse or cosine")


def layerwise_cosine(real: Sequence[Tensor], synthetic: Sequence[Tensor]) -> Tensor:
    r"""Measure how far two gradients point apart, unit by unit.

    With :math:`g_i` the gradient of the weights that feed output unit :math:`i` of a layer, the
    distance is :math:`\sum_{layers} \sum_i 1 - \cos(g_i^{real}, g_i^{synthetic})`. Biases and
    norm scales have one weight per unit, hence no direction, and are left out.

    Args:
        real: one gradient per parameter, each ``(out, ...)``.
        synthetic: likewise, in the same order; the result is differentiable in these.

    Returns:
        A scalar, near 0 when every unit's gradients are parallel. A unit is at distance 1 where one
        of its gradients is zero, or both are. The published 1e-6 is added to the product of their
        norms, so that small gradients are apart though equal: of norm 0.001, at a half.

    Raises:
        ValueError: when the numbers of gradients differ, or none has more than one axis.

    Reference:
        Zhao, Mopuri and Bilen, Dataset Condensation with Gradient Matching, ICLR 2021.

    >>> weight, bias = torch.eye(3), torch.ones(3)
    >>> layerwise_cosine([weight, bias], [2 * weight, -bias]).item() < 1e-5
    True
    >>> round(layerwise_cosine([weight], [-weight]).item())
    6
    """
    distances = [
        (1 - _cosine(r.flatten(1), s.flatten(1))).sum()
        for r, s in zip(real, synthetic, strict=True)
        if r.ndim > 1
    ]
    if not distances:
        raise ValueError("no gradient has the two axes that make a direction")
    return torch.stack(distances).sum()


def mean_feature_distance(
    real: Tensor | Sequence[Tensor], synthetic: Tensor | Sequence[Tensor]
) -> Tensor:
    """Sum over classes of the squared distance between mean features.

    Args:
        real: the features of each class: ``(K, B, D)``, or K tensors ``(B_k, D)``.
        synthetic: likewise; the result is differentiable in these.

    Returns:
        A scalar.

    Raises:
        ValueError: when the numbers of classes differ, or a class has no features.

    Reference:
        Zhao and Bilen, Dataset Condensation with Distribution Matching, WACV 2023.

    >>> mean_feature_distance(torch.ones(2, 5, 3), torch.zeros(2, 1, 3))
    tensor(6.)
    """
    if any(len(r) == 0 or len(s) == 0 for r, s in zip(real, synthetic, strict=True)):
        raise ValueError("a class without features has no mean")
    return (_means(real) - _means(synthetic)).square().sum(1).sum()


def contrastive_loss(
    synthetic: Tensor, labels: Tensor, real: Tensor, real_labels: Tensor
) -> Tensor:
    r"""Share of the cosine distance that lies between images of one class.

    With :math:`d_{ij} = 1 - \cos(s_i, r_j)` it is
    :math:`\sum_{ij} d_{ij} [y_i = y_j] / \sum_{ij} d_{ij}`: small when synthetic images are near
    the real ones of their own class and far from the others.

    Args:
        synthetic: ``(M, D)`` features; the result is differentiable in these.
        labels: ``(M,)``.
        real: ``(B, D)`` features.
        real_labels: ``(B,)``.

    Returns:
        A scalar between 0 and 1.

    Reference:
        Lu et al., Dataset Distillation with Pre-trained Models: A Contrastive Approach,
        Neurocomputing 2025.

    >>> axes = torch.eye(2)
    >>> contrastive_loss(axes, torch.tensor([0, 1]), axes, torch.tensor([0, 1])).item()
    0.0
    >>> contrastive_loss(axes, torch.tensor([0, 1]), axes, torch.tensor([1, 0])).item()
    1.0
    """
    distance = 1 - F.normalize(synthetic, dim=1) @ F.normalize(real, dim=1).T
    same = labels[:, None] == real_labels[None, :]
    # Where all features are parallel there is no distance to share out: the loss is 0.
    return (distance * same).sum() / distance.sum().clamp(min=1e-6)


def label_loss(logits: Tensor, labels: Tensor, temperature: float | None = None) -> Tensor:
    r"""Sum over images what a network's logits cost under their labels.

    Cross-entropy, :math:`-\sum_k p_k \log q_k`, of hard labels and of soft ones. With a
    temperature :math:`T` the loss of soft labels is
    :math:`T^2 \sum_k p_k (\log p_k - \log q^T_k)`, where :math:`q^T` are the shares of
    the logits divided by :math:`T`; :math:`T^2` keeps the size of the gradient.

    Args:
        logits: ``(N, K)``; the result is differentiable in these.
        labels: ``(N,)`` classes, or ``(N, K)`` shares of them.
        temperature: of soft labels, None for cross-entropy.

    Returns:
        A scalar.

    Reference:
        Hinton, Vinyals and Dean, Distilling the Knowledge in a Neural Network, 2015.

    >>> round(label_loss(torch.zeros(2, 4), torch.tensor([0, 3])).item(), 4)  # 2 log 4
    2.7726
    >>> label_loss(torch.zeros(1, 4), torch.full((1, 4), 0.25), temperature=5.0).item()
    0.0
    """
    if labels.ndim == 1 or temperature is None:
        return F.cross_entropy(logits, labels, reduction="sum")
    softened = F.log_softmax(logits / temperature, dim=1)
    return F.kl_div(softened, labels, reduction="sum") * temperature**2


def logit_loss(logits: Tensor, wanted: Tensor) -> Tensor:
    """Sum over images the mean squared difference of logits from those of another model.

    Args:
        logits: ``(N, K)``; the result is differentiable in these.
        wanted: ``(N, K)``.

    Returns:
        A scalar.

    Reference:
        Shao et al., Generalized Large-Scale Data Condensation via Various Backbone and Statistical
        Matching, CVPR 2024.

    >>> logit_loss(torch.ones(3, 2), torch.tensor([[1.0, 3.0]] * 3)).item()
    6.0
    """
    return (logits - wanted).square().mean(1).sum()


def _cosine(a: Tensor, b: Tensor, eps: float = 1e-6) -> Tensor:
    # The published eps is added to the product of the norms: a dead unit is at distance 1.
    return (a * b).sum(-1) / (a.norm(dim=-1) * b.norm(dim=-1) + eps)


def _means(features: Tensor | Sequence[Tensor]) -> Tensor:
    if isinstance(features, Tensor):
        return features.mean(1)
    return torch.stack([some.mean(0) for some in features])


def characteristic(features: Tensor, frequencies: Tensor) -> Tensor:
    r"""Return the empirical characteristic function of a sample, :math:`E e^{i t \cdot x}`.

    Args:
        features: ``(N, D)``, the sample.
        frequencies: ``(T, D)``, where.

    Returns:
        ``(2, T)``, its real and its imaginary part.

    >>> at = characteristic(torch.tensor([[0.0], [torch.pi]]), torch.tensor([[1.0]]))
    >>> at.flatten().round(decimals=4).abs().tolist()
    [0.0, 0.0]
    """
    angles = features @ frequencies.T
    return torch.stack([angles.cos().mean(0), angles.sin().mean(0)])


def characteristic_distance(
    real: Tensor, synthetic: Tensor, *, amplitude: float = 0.5, phase: float = 0.5
) -> Tensor:
    r"""Return how far characteristic functions are apart, on the mean over frequencies.

    The published root, of :math:`a (|\Phi_r| - |\Phi_s|)^2 + 2 p (|\Phi_r| |\Phi_s| - \mathrm{Re}
    \Phi_r \overline{\Phi_s})`, is that of :math:`p |\Phi_r - \Phi_s|^2 + (a - p)
    (|\Phi_r| - |\Phi_s|)^2`. So it is worked out: nothing large is subtracted from its like, and
    with equal weights no modulus is needed.

    Args:
        real: ``(K, 2, T)``, see ``characteristic``.
        synthetic: likewise; the result is differentiable in both.
        amplitude: :math:`a`.
        phase: :math:`p`.

    Returns:
        ``(K,)``.

    Reference:
        Wang et al., Dataset Distillation with Neural Characteristic Function, CVPR 2025.
    """
    squared = phase * (real - synthetic).square().sum(1)
    if amplitude != phase:
        moduli = torch.linalg.vector_norm(real, dim=1) - torch.linalg.vector_norm(synthetic, dim=1)
        squared = squared + (amplitude - phase) * moduli.square()
    return squared.clamp(min=LEAST_SQUARE).sqrt().mean(1)
