"""DC and DSA against the paper's formula, written a second way."""

from dataclasses import fields, replace
from typing import get_args, get_type_hints

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from conftest import blobs, linear
from datastill.augment import draw_crop, siamese
from datastill.base.rng import Key
from datastill.cli.settings import NAMED, Settings
from datastill.compute.route import PLAIN, Route
from datastill.data import ByClass, sample_per_class
from datastill.distillation.loop import Descent, distill
from datastill.distillation.methods import METHODS, Task, gradient_matching
from datastill.distillation.methods.gradient_matching import (
    LOOPS,
    GradientMatching,
    freeze_batch_statistics,
    loops,
)
from datastill.networks import build, builder
from datastill.runs.specs.base import said_of

AT_ONCE = replace(PLAIN, at_once=True)


def cosine(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return a.dot(b) / (a.norm() * b.norm() + 1e-6)


def apart(real: list[torch.Tensor], synthetic: list[torch.Tensor], metric: str) -> torch.Tensor:
    pairs = list(zip(real, synthetic, strict=True))
    if metric == "mse":
        return sum(((a - b) ** 2).sum() for a, b in pairs)
    if metric == "cosine":
        a, b = (torch.cat([x.flatten() for x in side]) for side in (real, synthetic))
        return 1 - cosine(a, b)
    return sum(
        1 - cosine(unit_a.flatten(), unit_b.flatten())
        for a, b in pairs
        if a.ndim > 1
        for unit_a, unit_b in zip(a, b, strict=True)
    )


def by_hand(network: nn.Module, real: ByClass, synthetic: ByClass, metric: str) -> torch.Tensor:
    """Sum over classes, images, layers and units, one at a time, as the paper writes it."""

    def gradient(images: torch.Tensor, label: int) -> list[torch.Tensor]:
        target = torch.tensor([label])
        loss = sum(F.cross_entropy(network(image[None]), target) for image in images) / len(images)
        return list(torch.autograd.grad(loss, list(network.parameters()), create_graph=True))

    return sum(
        apart([g.detach() for g in gradient(r, label)], gradient(s, label), metric)
        for label, (r, s) in enumerate(zip(real.split(), synthetic.split(), strict=True))
        if len(s)
    )


@pytest.mark.parametrize("metric", ["layerwise-cosine", "mse", "cosine"])
@pytest.mark.parametrize("counts", [(2, 2, 2, 2), (1, 3, 0, 2)])
@pytest.mark.parametrize("route", [PLAIN, Route(chunk=3), AT_ONCE], ids=["plain", "3", "at once"])
def test_the_loss_is_the_papers(metric, counts: tuple[int, ...], route: Route) -> None:
    data = blobs()
    network = build("ConvNetD2W16", data.domain, key=Key(0))
    real = sample_per_class(data, 7, key=Key(1))
    start = sample_per_class(data, counts, key=Key(2))
    pixels = start.images.clone().requires_grad_()
    synthetic = ByClass(pixels, start.counts)
    found = GradientMatching(dis_metric=metric).match(network, real, synthetic, route=route)
    wanted = by_hand(network, real, synthetic, metric)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
    ours, theirs = (torch.autograd.grad(loss, pixels)[0] for loss in (found, wanted))
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", ["ConvNetD2W16", "ConvNetD2W16GNMP", "LeNet", "MLP"])
@pytest.mark.parametrize("counts", [(2, 2, 2, 2), (0, 3, 0, 3)])
def test_all_classes_at_once_are_the_classes_one_by_one(
    name: str, counts: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = blobs(shape=(3, 16, 16))
    data = replace(data, images=data.images.double())
    network = build(name, data.domain, key=Key(0)).double()
    real = sample_per_class(data, [5 if count else 0 for count in counts], key=Key(1))
    start = sample_per_class(data, counts, key=Key(2))
    found: list[torch.Tensor] = []
    for route in (AT_ONCE, PLAIN):
        if route is PLAIN:
            monkeypatch.setattr(gradient_matching, "vmap", None)
        pixels = start.images.clone().requires_grad_()
        # A crop leaves images with their channels last.
        pair = siamese(draw_crop, real, ByClass(pixels, start.counts), key=Key(3))
        loss = GradientMatching().match(network, *pair, route=route)
        found += [loss, *torch.autograd.grad(loss, pixels)]
    torch.testing.assert_close(found[:2], found[2:], rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize(
    ("name", "real", "synthetic"),
    [
        ("ConvNetD2W16", (5, 5, 5, 5), (2, 2, 1, 2)),
        ("ConvNetD2W16", (5, 5, 4, 5), (2, 2, 2, 2)),
        ("ConvNetD2W16", (5, 5, 5, 5), (2, 0, 2, 2)),
        ("ConvNetD2W16BN", (5, 5, 5, 5), (2, 2, 2, 2)),
    ],
)
def test_uneven_classes_and_other_networks_go_class_by_class(
    name: str, real: tuple[int, ...], synthetic: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = blobs()
    network = build(name, data.domain, key=Key(0))
    sides = [sample_per_class(data, counts, key=Key(1)) for counts in (real, synthetic)]
    wanted = GradientMatching().match(network, *sides, route=PLAIN)
    monkeypatch.setattr(gradient_matching, "vmap", None)
    found = GradientMatching().match(network, *sides, route=AT_ONCE)
    torch.testing.assert_close(found, wanted)


# Parts of torch that compilation imports are deprecated.
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_all_classes_at_once_can_be_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """As far as the graph; turning it into code takes a quarter of a minute."""
    traced = torch.compile(gradient_matching.class_gradients, dynamic=False, backend="aot_eager")
    monkeypatch.setattr(gradient_matching, "fused", lambda function: traced)
    data = blobs(shape=(1, 6, 6), per_class=5)
    network = linear(data.domain)
    sides = [sample_per_class(data, n, key=Key(n)) for n in (4, 2)]
    for _ in range(2):
        wanted = GradientMatching().match(network, *sides, route=PLAIN)
        found = GradientMatching().match(network, *sides, route=replace(AT_ONCE, compiled=True))
        torch.testing.assert_close(found, wanted)
        network = linear(data.domain, seed=5)  # other weights must count


def test_bfloat16_is_for_the_real_side_alone() -> None:
    data = blobs()
    network = build("ConvNetD2W16", data.domain, key=Key(0))
    sides = [sample_per_class(data, n, key=Key(n)) for n in (7, 2)]
    exact = GradientMatching().match(network, *sides, route=PLAIN).detach()
    half = {torch.bfloat16: 0, torch.float32: 0}

    def note(module: nn.Module, _: object, made: torch.Tensor) -> None:
        half[made.dtype] += len(made)

    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(note)
    for route in (PLAIN, AT_ONCE):
        half.update(dict.fromkeys(half, 0))
        route = replace(route, precision="bfloat16")
        found = GradientMatching().match(network, *sides, route=route).detach()
        assert 0 < abs(float(found - exact)) < 0.02 * float(exact)
        real, synthetic = half.values()
        assert real / synthetic == 7 / 2


@pytest.mark.parametrize(("ipc", "wanted"), LOOPS.items())
def test_loops_are_the_published_ones(ipc: int, wanted: tuple[int, int]) -> None:
    assert loops(ipc) == wanted
    for name in ("DC", "DSA"):
        found = METHODS[name](ipc)
        assert isinstance(found.method, GradientMatching)
        assert (found.method.outer_loop, found.method.inner_loop) == wanted
        assert found.updates == 1000 * wanted[0]


def test_loops_between_the_published_ones_are_between_them() -> None:
    for ipc in range(1, 120):
        (a, b), (c, d) = loops(ipc), loops(ipc + 1)
        assert abs(c - a) <= 1
        assert abs(d - b) <= 6


def test_a_network_ages_by_plain_sgd_on_the_synthetic_set() -> None:
    data = blobs()
    method = GradientMatching(outer_loop=3, inner_loop=4, lr_net=0.1)
    task = Task(data, builder("ConvNetD1W16", data.domain), Key(0))
    synthetic = data.take(torch.arange(6))
    network = method.network(task, 0, None, synthetic)
    fresh = {name: value.clone() for name, value in network.state_dict().items()}
    aged = method.network(task, 1, network, synthetic)
    assert aged is network

    oracle = builder("ConvNetD1W16", data.domain)(key=Key(5))
    oracle.load_state_dict(fresh)
    for _ in range(4):  # one batch holds all six images: their order does not matter
        oracle.zero_grad()
        F.cross_entropy(oracle(synthetic.images), synthetic.labels).backward()
        with torch.no_grad():
            for weight in oracle.parameters():
                weight -= 0.1 * weight.grad
    for a, b in zip(aged.parameters(), oracle.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)
    other = method.network(task, 3, aged, synthetic)
    assert other is not aged


def test_batch_norm_is_frozen_on_real_images_of_all_classes() -> None:
    data = blobs()
    method = GradientMatching(outer_loop=2, inner_loop=1)
    task = Task(data, builder("ConvNetD1W16BN", data.domain), Key(0))
    network = method.network(task, 0, None, data)
    assert network.training
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    assert norms
    assert not any(module.training for module in norms)
    before = [module.running_mean.clone() for module in norms if module.running_mean is not None]
    assert all(float(mean.abs().sum()) > 0 for mean in before)
    real = sample_per_class(data, 5, key=Key(1))
    method.match(
        network, real, ByClass(real.images.clone().requires_grad_(), real.counts), route=Route()
    )
    after = [module.running_mean for module in norms]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True) if b is not None)


def test_statistics_of_batch_norm_go_a_tenth_of_the_way() -> None:
    """As in the reference code, whose norms have PyTorch's momentum."""
    data = blobs()
    network = builder("ConvNetD1W16BN", data.domain)(key=Key(0))
    norm = next(module for module in network.modules() if isinstance(module, nn.BatchNorm2d))
    seen: list[torch.Tensor] = []
    norm.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    freeze_batch_statistics(network, data, key=Key(1))
    assert norm.running_mean is not None
    torch.testing.assert_close(norm.running_mean, 0.1 * seen[0].mean((0, 2, 3)))


def test_dsa_is_dc_under_another_policy() -> None:
    assert METHODS["DC"](10).method == METHODS["DSA"](10).method
    assert METHODS["DSA"](10).augmented
    assert not METHODS["DC"](10).augmented


def test_distilling_lowers_the_distance() -> None:
    data = blobs()
    task = Task(data, builder("ConvNetD1W16", data.domain), Key(0))
    method = GradientMatching(outer_loop=10, inner_loop=1)
    descent = Descent(ipc=1, updates=10, batch=12, lr=0.1, init="noise")
    losses = [float(snapshot.losses["match"]) for snapshot in distill(method, task, descent)]
    assert losses[-1] < losses[0]


def test_options_for_settings_are_those_that_the_method_has() -> None:
    # The options know nothing of the method, so that help needs no PyTorch.
    method, said = GradientMatching(), said_of(Settings)
    hints, options = get_type_hints(GradientMatching), get_type_hints(Settings)
    assert list(NAMED) == [field.name for field in fields(method)]
    for name in NAMED:
        words = get_args(hints[name]) or (hints[name],)
        told = get_args(options[name])[0]
        assert (get_args(told) or (told,)) == words, name
    for name in ("lr_net", "batch_train", "dis_metric"):
        assert said[name].endswith(f"Default: {getattr(method, name)}.")
