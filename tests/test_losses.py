"""Every formula, written a second way."""

import math
from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor

from datastill.base.rng import Key
from datastill.data.losses import (
    contrastive_loss,
    gradient_distance,
    layerwise_cosine,
    mean_feature_distance,
)

SHAPES = ((4, 3, 2, 2), (4,), (5, 4), (5,), (2, 3, 1))
"""A convolution, its bias, a linear layer, its bias, and a weight with three axes."""


def gradients(seed: int, shapes: Sequence[tuple[int, ...]] = SHAPES) -> list[Tensor]:
    rng = Key(seed).generator()
    return [torch.randn(shape, generator=rng, dtype=torch.float64) for shape in shapes]


def cosine_of(a: list[float], b: list[float]) -> float:
    product = sum(x * y for x, y in zip(a, b, strict=True))
    norms = math.sqrt(sum(x * x for x in a)) * math.sqrt(sum(y * y for y in b))
    return product / (norms + 1e-6)


def plain_layerwise(real: list[Tensor], synthetic: list[Tensor]) -> float:
    total = 0.0
    for r, s in zip(real, synthetic, strict=True):
        if r.ndim > 1:
            for unit in range(r.shape[0]):
                total += 1 - cosine_of(r[unit].flatten().tolist(), s[unit].flatten().tolist())
    return total


def plain_mse(real: list[Tensor], synthetic: list[Tensor]) -> float:
    total = 0.0
    for r, s in zip(real, synthetic, strict=True):
        for x, y in zip(r.flatten().tolist(), s.flatten().tolist(), strict=True):
            total += (x - y) ** 2
    return total


def plain_cosine(real: list[Tensor], synthetic: list[Tensor]) -> float:
    ends = [[x for g in side for x in g.flatten().tolist()] for side in (real, synthetic)]
    return 1 - cosine_of(*ends)


METRICS = {"layerwise-cosine": plain_layerwise, "mse": plain_mse, "cosine": plain_cosine}


@pytest.mark.parametrize(("metric", "plain"), METRICS.items(), ids=METRICS)
def test_gradient_distances_are_those_of_loops(
    metric: str, plain: Callable[[list[Tensor], list[Tensor]], float]
) -> None:
    real, synthetic = gradients(1), gradients(2)
    found = gradient_distance(real, synthetic, metric)
    assert found.shape == ()
    assert found.item() == pytest.approx(plain(real, synthetic), rel=1e-9)
    assert gradient_distance(real, real, metric).item() == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("metric", METRICS)
def test_gradient_distances_are_differentiable_in_the_synthetic(metric: str) -> None:
    shapes = ((2, 2, 2, 1), (2,), (3, 2))
    real, synthetic = gradients(1, shapes), gradients(2, shapes)

    def distance(*weights: Tensor) -> Tensor:
        return gradient_distance(real, weights, metric)

    assert torch.autograd.gradcheck(distance, [s.requires_grad_() for s in synthetic])


def test_the_published_metric_is_the_default() -> None:
    real, synthetic = gradients(1), gradients(2)
    assert torch.equal(gradient_distance(real, synthetic), layerwise_cosine(real, synthetic))


def test_layerwise_cosine_leaves_out_biases_and_norm_scales() -> None:
    real, synthetic = gradients(1), gradients(2)
    changed = [s if s.ndim > 1 else 100 * s + 7 for s in synthetic]
    assert torch.equal(layerwise_cosine(real, changed), layerwise_cosine(real, synthetic))
    for metric in ("mse", "cosine"):
        before = gradient_distance(real, synthetic, metric)
        assert not torch.isclose(gradient_distance(real, changed, metric), before)


def test_layerwise_cosine_knows_no_length() -> None:
    real, synthetic = gradients(1), gradients(2)
    scaled = [s * (i + 0.5) for i, s in enumerate(synthetic)]
    found, before = layerwise_cosine(real, scaled), layerwise_cosine(real, synthetic)
    assert found.item() == pytest.approx(before.item(), abs=1e-4)


def test_a_dead_unit_is_at_distance_one_and_passes_a_finite_gradient() -> None:
    dead = torch.zeros(1, 3, requires_grad=True)
    loss = layerwise_cosine([torch.ones(1, 3)], [dead])
    (slope,) = torch.autograd.grad(loss, dead)
    assert loss.item() == 1
    assert torch.isfinite(slope).all()


@pytest.mark.parametrize("metric", ["layerwise-cosine", "mse"])
def test_gradients_of_another_network_are_refused(metric: str) -> None:
    with pytest.raises(ValueError, match="zip"):
        gradient_distance(gradients(1), gradients(2)[:-1], metric)


def test_gradients_of_another_network_are_refused_by_the_cosine_too() -> None:
    with pytest.raises(ValueError, match="zip"):
        gradient_distance([torch.ones(2), torch.ones(3)], [torch.ones(5)], "cosine")


def test_another_metric_is_refused() -> None:
    with pytest.raises(ValueError, match="no gradient metric 'l1'; choose layerwise-cosine"):
        gradient_distance(gradients(1), gradients(2), "l1")


def plain_feature_distance(real: Sequence[Tensor], synthetic: Sequence[Tensor]) -> float:
    total = 0.0
    for r, s in zip(real, synthetic, strict=True):
        for d in range(r.shape[1]):
            of_real = sum(row[d] for row in r.tolist()) / len(r)
            of_synthetic = sum(row[d] for row in s.tolist()) / len(s)
            total += (of_real - of_synthetic) ** 2
    return total


def test_mean_feature_distance_is_that_of_loops() -> None:
    real, synthetic = gradients(1, [(3, 5, 4)])[0], gradients(2, [(3, 2, 4)])[0]
    found = mean_feature_distance(real, synthetic)
    assert found.item() == pytest.approx(plain_feature_distance(real, synthetic), rel=1e-9)
    assert torch.autograd.gradcheck(
        lambda s: mean_feature_distance(real, s), synthetic.requires_grad_()
    )


def test_mean_feature_distance_of_uneven_classes_is_that_of_loops() -> None:
    real = gradients(1, [(5, 4), (1, 4), (3, 4)])
    synthetic = gradients(2, [(1, 4), (2, 4), (2, 4)])
    found = mean_feature_distance(real, synthetic)
    assert found.item() == pytest.approx(plain_feature_distance(real, synthetic), rel=1e-9)


def test_mean_feature_distance_wants_as_many_classes_on_both_sides() -> None:
    with pytest.raises(ValueError, match="zip"):
        mean_feature_distance(torch.zeros(3, 1, 2), torch.zeros(2, 1, 2))


def test_contrastive_loss_is_that_of_loops() -> None:
    synthetic, real = gradients(1, [(4, 3), (6, 3)])
    labels, real_labels = torch.tensor([0, 1, 2, 0]), torch.tensor([0, 0, 1, 1, 1, 3])
    alike = everything = 0.0
    for s, y in zip(synthetic.tolist(), labels.tolist(), strict=True):
        for r, z in zip(real.tolist(), real_labels.tolist(), strict=True):
            distance = 1 - cosine_of(s, r)
            everything += distance
            alike += distance if y == z else 0
    found = contrastive_loss(synthetic, labels, real, real_labels)
    assert found.item() == pytest.approx(alike / everything, rel=1e-5)
    assert 0 < found.item() < 1
    assert torch.autograd.gradcheck(
        lambda s: contrastive_loss(s, labels, real, real_labels), synthetic.requires_grad_()
    )


def test_contrastive_loss_falls_as_images_come_to_their_own_class() -> None:
    real, labels = torch.eye(3), torch.arange(3)
    losses = [
        contrastive_loss(nearness * real + torch.ones(3, 3), labels, real, labels).item()
        for nearness in (-0.5, 0.0, 1.0, 10.0)
    ]
    assert losses == sorted(losses, reverse=True)
    assert losses[1] == pytest.approx(1 / 3)
