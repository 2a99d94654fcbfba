"""The distances that methods of distillation lower, as scores: gradients, features, trajectories.

They are made under other networks than those that the set was made by: fresh ones, one of each
architecture, and original models, which may have guided it as CLOM. Methods look at more: 256 real
images of each class, many networks, along their training, under augmentation. One draw of fewer is
what costs little; how much a score changes with the draw, ``datastill study --draws`` tells.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from datastill.compute.route import Route, logits
from datastill.data import ImageSet, convert, draw_rows, require_same_kind
from datastill.data.losses import gradient_distance, mean_feature_distance
from datastill.evaluation.assessments.base import ASSESSMENTS, COSTLY, Score, mean, needing
from datastill.evaluation.evidence import Evidence, View
from datastill.training.fit import Fit, train
from datastill.training.pool import Member, Pool

GRADIENT_IMAGES = 10
"""Real images of each class whose gradient is taken, at most."""

KEPT = 20_000_000
"""Numbers that the real gradients under a network may have to be kept for other sets."""

EXPERT_IMAGES, EXPERT_EPOCHS = 128, 4
"""Real images of each class that an expert trains on, and how often."""

STUDENT = Fit(epochs=1, batch=256, lr=0.01, momentum=0, weight_decay=0)
"""How expert and student learn: as the published experts do."""


@needing()
@ASSESSMENTS.register("fresh-gradient-distance")
def fresh_gradient_distance(evidence: Evidence) -> Score:
    r"""Distance of the gradients of each class under fresh networks: what DC lowers.

    :math:`\frac{1}{K} \sum_k D(\nabla L(real_k), \nabla L(synthetic_k))` with
    ``losses.layerwise_cosine``, averaged over one network of each architecture. A class that the
    set lacks asks for no gradient, which is at distance 1 in every unit. Costs a forward and a
    backward pass of the set and of ``GRADIENT_IMAGES`` real images of each class.

    Reference:
        Zhao, Mopuri and Bilen, Dataset Condensation with Gradient Matching, ICLR 2021.
    """
    names = evidence.architectures
    return _gradients(evidence, [evidence.reference.untrained(name) for name in names])


@ASSESSMENTS.register("om-gradient-distance")
def om_gradient_distance(evidence: Evidence) -> Score:
    """Distance of the gradients of each class under the first original model of each architecture.

    Otherwise it is ``fresh-gradient-distance``, and costs the same.

    Reference:
        Zhao, Mopuri and Bilen, Dataset Condensation with Gradient Matching, ICLR 2021.
    """
    return _gradients(evidence, [group[0] for group in evidence.by_architecture.values()])


@needing()
@ASSESSMENTS.register("fresh-feature-distance")
def fresh_feature_distance(evidence: Evidence) -> Score:
    r"""Distance of the mean features of each class under fresh networks: what DM lowers.

    :math:`\sum_k \|\mu_k^{real} - \mu_k^{synthetic}\|^2` of scaled features, averaged over one
    network of each architecture; the whole set stands in for an absent class. Costs a
    forward pass of the set and of the real sample.

    Reference:
        Zhao and Bilen, Dataset Condensation with Distribution Matching, WACV 2023.
    """
    return _features(evidence, evidence.fresh)


@ASSESSMENTS.register("om-feature-distance")
def om_feature_distance(evidence: Evidence) -> Score:
    """Distance of the mean features of each class under original models, averaged over the pool.

    Otherwise it is ``fresh-feature-distance``; its passes are shared with other assessments.

    Reference:
        Zhao and Bilen, Dataset Condensation with Distribution Matching, WACV 2023.
    """
    return _features(evidence, evidence.originals)


@needing()
@COSTLY.register("trajectory-distance")
@ASSESSMENTS.register("trajectory-distance")
def trajectory_distance(evidence: Evidence) -> Score:
    r"""Distance between where the set leads fresh networks in their first steps, and real images.

    From weights :math:`\theta_0` an expert makes :math:`T` steps on real images to
    :math:`\theta^*`, 20 of ten classes, a student about as many on the set to :math:`\hat\theta`:
    :math:`\|\hat\theta - \theta^*\|^2 / \|\theta_0 - \theta^*\|^2`, averaged over one network of
    each architecture; the published distance begins anywhere on an expert's way, this one at its
    start. 1 for a set that teaches nothing. Costs the training of both, of the expert
    once for all sets: about as much as all the others together.

    Reference:
        Cazenavette et al., Dataset Distillation by Matching Training Trajectories, CVPR 2022.
    """
    names = evidence.architectures
    return Score(mean(_trajectory(evidence, name) for name in names), "lower")


def _gradients(evidence: Evidence, members: Pool) -> Score:
    return Score(mean(_class_gradients(evidence, member) for member in members), "lower")


def _class_gradients(evidence: Evidence, member: Member) -> float:
    require_same_kind(member.domain, evidence.train.domain)
    network = copy.deepcopy(member.network).eval().requires_grad_(True)
    domain = evidence.train.domain

    def gradient(data: ImageSet, rows: Tensor) -> tuple[Tensor, ...]:
        part = data.take(rows.to(data.images.device))
        images = convert(part.images, domain, member.domain)
        return _gradient(network, images, part.labels, evidence.route)

    synthetic, reference = evidence.judged, evidence.reference
    classes = [k for k, rows in enumerate(reference.sample.rows_by_class) if len(rows)]

    def real(label: int) -> tuple[Tensor, ...]:
        rows = reference.sample.rows_by_class[label][:GRADIENT_IMAGES]
        return gradient(reference.sample, rows)

    if len(classes) * sum(weight.numel() for weight in network.parameters()) <= KEPT:
        kept = reference.known.once(("gradients", member), lambda: {k: real(k) for k in classes})
        target = kept.__getitem__
    else:
        target = real
    return mean(
        float(gradient_distance(target(k), gradient(synthetic, synthetic.rows_by_class[k])))
        for k in classes
    )


def _gradient(
    network: nn.Module, images: Tensor, labels: Tensor, route: Route
) -> tuple[Tensor, ...]:
    # Of the mean cross-entropy, summed chunk by chunk; zero for no images.
    weights = list(network.parameters())
    total = [torch.zeros_like(weight) for weight in weights]
    start = 0
    for chunk, count in route.split(images, network) if len(images) else ():
        said = route.run(logits, network, chunk)[:count]
        wanted = labels[start : start + count]
        risk = F.cross_entropy(said, wanted, reduction="sum") / len(images)
        for part, found in zip(total, torch.autograd.grad(risk, weights), strict=True):
            part += found
        start += count
    return tuple(total)


def _features(evidence: Evidence, views: Sequence[View]) -> Score:
    found = [
        mean_feature_distance(
            [view.real[r] for _, r in evidence.pairs],
            [view.synthetic[s] for s, _ in evidence.pairs],
        )
        for view in views
    ]
    return Score(mean(float(distance) for distance in found), "lower")


def _trajectory(evidence: Evidence, architecture: str) -> float:
    key, reference = evidence.key.at("trajectory", architecture), evidence.reference
    rows = torch.cat(draw_rows(evidence.train, EXPERT_IMAGES, key=key.at("real")))
    real = evidence.train.take(rows.to(evidence.train.images.device))
    start = _weights(reference.fresh_network(architecture))

    def led(data: ImageSet, epochs: int) -> Tensor:
        network = reference.fresh_network(architecture)
        fit = Fit(epochs, STUDENT.batch, STUDENT.lr, STUDENT.momentum, STUDENT.weight_decay)
        train(network, data, fit, key=key.at("fit"), route=evidence.route)
        return _weights(network)

    steps = EXPERT_EPOCHS * -(-len(real) // STUDENT.batch)
    expert = reference.once(f"expert/{architecture}", lambda: led(real, EXPERT_EPOCHS))
    student = led(evidence.judged, max(1, round(steps / -(-len(evidence.judged) // STUDENT.batch))))
    moved = (start - expert).square().sum().clamp(min=1e-12)
    return float((student - expert).square().sum() / moved)


def _weights(network: nn.Module) -> Tensor:
    return torch.cat([weight.detach().double().flatten() for weight in network.parameters()])
