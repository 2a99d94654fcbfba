"""Fitting and testing one network: by hand, in chunks, compiled and in half precision."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from conftest import blobs, linear, same, watching, weights
from datastill.augment import Transform, dsa
from datastill.base.errors import InputError
from datastill.base.rng import Key
from datastill.compute.route import PLAIN, Route, logits
from datastill.data import ImageSet
from datastill.networks import Network, build, features
from datastill.training.fit import Fit, accuracy, epochs, predict, train
from datastill.training.protocol import (
    PRESETS,
    at_learning_rate,
    modern_fit,
    preset,
    published_fit,
    with_augmentation,
    without_augmentation,
)

ALL = Fit(epochs=7, batch=1000, lr=0.1, momentum=0.8, weight_decay=0.01)
"""Every image in every step, so that their order does not matter."""


def by_hand(network: Network, data: ImageSet, lrs: list[float], restarts: set[int]) -> None:
    """Descend on all images at once by written-out SGD with the momentum and decay of ``ALL``."""
    speed = [torch.zeros_like(weight) for weight in network.parameters()]
    for step, lr in enumerate(lrs):
        log_share = network(data.images).log_softmax(1)
        loss = -log_share[range(len(data)), data.labels].sum() / len(data)
        slopes = torch.autograd.grad(loss, list(network.parameters()))
        with torch.no_grad():
            for weight, v, slope in zip(network.parameters(), speed, slopes, strict=True):
                v.mul_(0 if step in restarts else 0.8).add_(slope + 0.01 * weight)
                weight.sub_(lr * v)


def close(one: dict[str, Tensor], other: dict[str, Tensor], atol: float = 1e-5) -> bool:
    return all(torch.allclose(one[name], other[name], atol=atol) for name in one)


@pytest.mark.parametrize(
    ("milestones", "restart", "lrs"),
    [
        ((), False, [0.1] * 7),
        ((3,), False, [0.1] * 3 + [0.01] * 4),
        ((3,), True, [0.1] * 3 + [0.01] * 4),
        ((2, 4), False, [0.1] * 2 + [0.01] * 2 + [0.001] * 3),
        ((2, 4), True, [0.1] * 2 + [0.01] * 2 + [0.001] * 3),
    ],
)
def test_milestones_and_restarts_are_those_of_sgd_by_hand(
    milestones: tuple[int, ...], restart: bool, lrs: list[float]
) -> None:
    data = blobs()
    expected, found = linear(data.domain), linear(data.domain)
    by_hand(expected, data, lrs, set(milestones) if restart else set())
    train(found, data, replace(ALL, milestones=milestones, restart=restart), key=Key(0))
    assert close(weights(found), weights(expected))


def test_the_hand_tells_schedules_apart() -> None:
    data = blobs()
    results = []
    for milestones, restart in (((), False), ((3,), False), ((3,), True), ((4,), True)):
        network = linear(data.domain)
        train(network, data, replace(ALL, milestones=milestones, restart=restart), key=Key(0))
        results.append(weights(network))
    for i, one in enumerate(results):
        assert not any(close(one, other) for other in results[:i])


def test_an_epoch_sees_every_image_once_in_an_order_of_its_own() -> None:
    data = blobs(per_class=(6, 5, 7, 5))
    with watching() as seen:
        train(linear(data.domain), data, Fit(epochs=2, batch=10), key=Key(0), route=PLAIN)
    assert all(training for _, training, _ in seen)
    assert [len(images) for _, _, images in seen] == [10, 10, 3] * 2
    orders = [torch.cat([images for _, _, images in seen[i : i + 3]]) for i in (0, 3)]
    expected = sorted(data.images.flatten(1).sum(1).tolist())
    for order in orders:
        assert sorted(order.flatten(1).sum(1).tolist()) == pytest.approx(expected, abs=1e-4)
    assert not torch.equal(*orders)


def test_training_follows_its_key_alone() -> None:
    data = blobs()

    def fitted(seed: int) -> dict[str, Tensor]:
        network = linear(data.domain)
        torch.rand(3)
        fit = Fit(epochs=2, batch=10, lr=0.1)
        train(network, data, fit, policy=dsa("crop_color"), key=Key(seed))
        return weights(network)

    assert same(fitted(1), fitted(1))
    assert not same(fitted(1), fitted(2))


def test_every_image_of_a_batch_is_augmented_by_a_draw_of_its_own() -> None:
    data, asked = blobs(), []

    def policy(n: int, *, key: Key) -> Transform:
        asked.append((n, key))
        return lambda images: images + 5

    with watching() as seen:
        fit = Fit(epochs=2, batch=20)
        train(linear(data.domain), data, fit, policy=policy, key=Key(0), route=PLAIN)
    assert [n for n, _ in asked] == [20, 20, 8] * 2
    assert len({key for _, key in asked}) == 6
    assert min(float(images.mean()) for _, _, images in seen) > 4


def test_epochs_pause_and_report_the_mean_loss() -> None:
    data = blobs()
    network = linear(data.domain)
    with torch.no_grad():
        before = F.cross_entropy(network(data.images), data.labels)
    found = list(epochs(network, data, Fit(epochs=3, batch=10, lr=0), key=Key(0)))
    assert [epoch.number for epoch in found] == [1, 2, 3]
    for epoch in found:
        assert epoch.loss.item() == pytest.approx(before.item(), rel=1e-5)
        assert not epoch.loss.requires_grad


def test_the_state_of_an_epoch_is_its_own_or_refused() -> None:
    data, fit = blobs(), Fit(epochs=3)
    first, second, last = epochs(linear(data.domain), data, fit, key=Key(0))
    for over in (first, second):
        with pytest.raises(InputError, match=f"epoch {over.number} is over"):
            over.state()
    assert last.state().epoch == 3


def test_training_happens_in_training_mode_whatever_the_caller_does_between_epochs() -> None:
    data = blobs()
    network = build("ConvNetD1W16BN", data.domain, key=Key(0)).eval()
    with watching() as seen:
        for _ in epochs(network, data, Fit(epochs=3, batch=100), key=Key(0)):
            network.eval()
    assert [training for _, training, _ in seen] == [True] * 3


def test_training_learns() -> None:
    data, test = blobs("train"), blobs("test")
    for name in ("ConvNetD2W16", "ConvNetD1W16BN", "MLP"):
        network = build(name, data.domain, key=Key(0))
        train(network, data, Fit(epochs=8, batch=16, lr=0.02), key=Key(0))
        assert accuracy(network, test) > 0.9, name


def test_soft_labels_train_as_hard_ones_do() -> None:
    hard = blobs()
    one_hot = replace(hard, labels=F.one_hot(hard.labels, 4).float())
    results = []
    for data in (hard, one_hot):
        network = linear(hard.domain)
        train(network, data, replace(ALL, batch=10), key=Key(0))
        results.append(weights(network))
    assert close(*results)


def test_soft_labels_are_what_a_network_comes_to_say() -> None:
    data = blobs(classes=3, per_class=1)
    wanted = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8], [0.2, 0.5, 0.3]])
    network = linear(data.domain)
    fit = Fit(epochs=300, lr=0.02, weight_decay=0)
    train(network, replace(data, labels=wanted), fit, key=Key(0))
    assert torch.allclose(predict(network, data.images).softmax(1), wanted, atol=0.01)


# Routes: the plain one is the oracle.


SHORT = Fit(epochs=2, batch=23, lr=0.02)


def trained(name: str, route: Route, data: ImageSet) -> dict[str, Tensor]:
    network = build(name, data.domain, key=Key(3))
    train(network, data, SHORT, key=Key(0), route=route)
    return weights(network)


@pytest.mark.parametrize("chunk", [1, 5, 8, 23, 100])
@pytest.mark.parametrize("name", ["ConvNetD1W16", "ConvNetD1W16BN"])
def test_chunks_train_as_whole_batches_do(name: str, chunk: int) -> None:
    data = blobs()
    plain = trained(name, PLAIN, data)
    assert close(trained(name, Route(chunk=chunk), data), plain)
    untouched = build(name, data.domain, key=Key(3))
    assert not close(weights(untouched), plain, atol=1e-3)


@pytest.mark.parametrize("soft", [False, True])
def test_a_chunk_sees_its_own_labels(soft: bool) -> None:
    data = blobs()
    data = replace(data, labels=F.one_hot(data.labels, 4).float()) if soft else data
    plain = trained("ConvNetD1W16", PLAIN, data)
    assert close(trained("ConvNetD1W16", Route(chunk=4), data), plain)


@pytest.mark.parametrize("compiled", [False, True])
def test_chunks_are_no_larger_than_asked_and_of_one_size_to_compile(compiled: bool) -> None:
    data = blobs()
    network = build("ConvNetD1W16", data.domain, key=Key(0))
    for count in (1, 7, 8, 9, 23, 48):
        parts = Route(chunk=8, compiled=compiled).split(data.images[:count], network)
        assert len({len(part) for part, _ in parts}) == 1 or not compiled
        assert len(parts[0][0]) <= 8
        assert len(parts) == -(-count // 8)
        kept = torch.cat([part[:real] for part, real in parts])
        assert torch.equal(kept, data.images[:count])


@pytest.mark.parametrize("through", [logits, features])
@pytest.mark.parametrize("training", [True, False])
def test_chunks_give_what_the_whole_gives(through: object, training: bool) -> None:
    data = blobs()
    for name in ("ConvNetD1W16", "ConvNetD1W16BN"):
        network = build(name, data.domain, key=Key(0)).train(training)
        whole = PLAIN.over(through, network, data.images)
        torch.testing.assert_close(Route(chunk=7).over(through, network, data.images), whole)
        assert not whole.requires_grad


def test_batch_norm_sees_its_batch_whole_when_it_trains_and_only_then() -> None:
    data = blobs()
    network = build("ConvNetD1W16BN", data.domain, key=Key(0))
    with watching() as seen:
        train(network, data, Fit(epochs=1, batch=23), key=Key(0), route=Route(chunk=5))
    assert [len(images) for _, _, images in seen] == [23, 23, 2]
    with watching() as seen:
        predict(network, data.images, route=Route(chunk=5))
    assert max(len(images) for _, _, images in seen) == 5


@pytest.mark.parametrize("route", [Route(), PLAIN])
def test_a_last_batch_of_one_image_that_batch_norm_cannot_take_is_told(route: Route) -> None:
    data = blobs(per_class=(4, 3, 3, 3))
    body = nn.Sequential(nn.Flatten(), nn.Linear(192, 8), nn.BatchNorm1d(8))
    network = Network(body, nn.Linear(8, 4))
    with pytest.raises(InputError, match="ends with a batch of one image"):
        train(network, data, Fit(epochs=1, batch=12), key=Key(1), route=route)
    train(network, data, Fit(epochs=1, batch=11), key=Key(1), route=route)


def test_bfloat16_stays_close() -> None:
    data = blobs()
    network = build("ConvNetD1W16", data.domain, key=Key(0))
    plain = predict(network, data.images, route=PLAIN)
    half = predict(network, data.images, route=Route(precision="bfloat16"))
    assert half.dtype == torch.float32
    assert 0 < (half - plain).abs().max() < 0.03
    coarse = trained("ConvNetD1W16", Route(precision="bfloat16"), data)
    assert all(weight.dtype == torch.float32 for weight in coarse.values())
    assert close(coarse, trained("ConvNetD1W16", PLAIN, data), atol=3e-3)


def test_a_gpu_gets_as_much_at_once_as_fills_it() -> None:
    images = torch.empty(9000, 1, 32, 32, device="meta")
    network = build("ConvNetD1W16", blobs().domain, key=Key(0))
    for route in (Route(), Route(kernels=False, channels_last=True)):
        assert [len(part) for part, _ in route.split(images, network)] == [3000] * 3
    assert len(PLAIN.split(images, network)) == 1


def switches() -> tuple[bool, bool]:
    return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32


def test_tf32_is_allowed_where_it_is_asked_for_and_nowhere_else() -> None:
    gpu, before = torch.device("cuda"), switches()
    with Route(precision="tf32").arithmetic(gpu):
        assert switches() == (True, True)
        with Route().arithmetic(gpu):
            assert switches() == (False, False)
        assert switches() == (True, True)
    with pytest.raises(KeyError), Route(precision="tf32").arithmetic(gpu):
        raise KeyError
    with Route(precision="tf32").arithmetic(torch.device("cpu")):
        assert switches() == before
    assert switches() == before


def test_every_pass_of_training_and_testing_multiplies_as_the_route_says() -> None:
    """Backward too: gradients are found while the switches are as they should be."""
    seen: list[tuple[bool, bool]] = []

    class Noting(torch.autograd.Function):
        @staticmethod
        def forward(ctx: object, x: Tensor) -> Tensor:
            seen.append(switches())
            return x.clone()

        @staticmethod
        def backward(ctx: object, *grads: Tensor) -> Tensor:
            seen.append(switches())
            return grads[0]

    class Layer(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return Noting.apply(x)

    data, before = blobs(per_class=2).to("meta"), switches()
    network = Network(nn.Sequential(nn.Flatten(), nn.Linear(192, 4), Layer()), nn.Identity())
    network.to("meta")
    for precision, wanted in (("tf32", True), ("float32", False)):
        seen.clear()
        route = Route(kernels=False, precision=precision)
        for _ in epochs(network, data, Fit(epochs=2, batch=8), key=Key(0), route=route):
            assert switches() == before
        predict(network, data.images, route=route)
        assert seen == [(wanted, wanted)] * 5, precision
    assert switches() == before


def test_what_moves_pixels_is_exact_unless_all_is_rounded() -> None:
    assert Route(chunk=3, precision="bfloat16", compiled=True).exact == Route(chunk=3)
    for precision in ("float32", "tf32"):
        assert Route(precision=precision).exact == Route(precision=precision)


# Parts of torch that compilation imports are deprecated.
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_a_compiled_route_gives_what_the_plain_one_does() -> None:
    data = blobs(shape=(1, 6, 6), per_class=5)
    network = linear(data.domain)
    fit = Fit(epochs=2, batch=10, lr=0.1)
    train(network, data, fit, key=Key(0), route=Route(chunk=4, compiled=True))
    plain = linear(data.domain)
    train(plain, data, fit, key=Key(0), route=PLAIN)
    assert close(weights(network), weights(plain))
    other = linear(data.domain, seed=5)  # of one architecture: other weights must count
    compiled = predict(other, data.images, route=Route(chunk=4, compiled=True))
    torch.testing.assert_close(compiled, predict(other, data.images, route=PLAIN))


# Testing.


def test_accuracy_is_the_share_of_right_answers() -> None:
    data = blobs(per_class=5)

    class Oracle(nn.Module):
        """Says the class that its image holds in its first pixel."""

        def forward(self, images: Tensor) -> Tensor:
            return F.one_hot(images[:, 0, 0, 0].long(), 4).float()

    images = data.labels.float()[:, None, None, None].expand(20, 3, 8, 8).clone()
    images[3:8] = (images[3:8] + 1) % 4
    assert accuracy(Oracle(), replace(data, images=images)) == pytest.approx(15 / 20)
    soft = replace(data, images=images, labels=F.one_hot(data.labels, 4) * 0.5 + 0.1)
    assert accuracy(Oracle(), soft) == pytest.approx(15 / 20)


@pytest.mark.parametrize("training", [True, False])
def test_testing_happens_in_evaluation_mode_and_leaves_no_trace(training: bool) -> None:
    data = blobs()
    network = build("ConvNetD1W16BN", data.domain, key=Key(0))
    train(network, data, SHORT, key=Key(0))
    network.train(training)
    before = weights(network)
    with watching() as seen:
        found = predict(network, data.images)
        accuracy(network, data)
    assert not any(mode for _, mode, _ in seen)
    assert all(module.training == training for module in network.modules())
    assert same(weights(network), before)
    assert not found.requires_grad
    alone = torch.cat([predict(network, image[None]) for image in data.images[:5]])
    torch.testing.assert_close(alone, found[:5])


def test_testing_leaves_frozen_batch_norm_frozen() -> None:
    data = blobs(per_class=3)
    network = build("ConvNetD1W16BN", data.domain, key=Key(0))
    norm = next(part for part in network.modules() if isinstance(part, nn.BatchNorm2d)).eval()
    predict(network, data.images)
    assert network.training
    assert not norm.training


def test_training_leaves_the_images_alone() -> None:
    data = blobs()
    before = data.images.clone()
    train(linear(data.domain), data, SHORT, policy=dsa("color_flip_cutout"), key=Key(0))
    assert torch.equal(data.images, before)
    assert data.images.grad is None


# The published protocol.


@pytest.mark.parametrize("nominal", [1, 2, 5, 300, 1000])
def test_the_published_schedule_is_that_of_the_reference_loop(nominal: int) -> None:
    lr, lrs = 0.01, []
    for epoch in range(nominal + 1):
        lrs.append(lr)
        if epoch == nominal // 2 + 1:
            lr *= 0.1
    fit = published_fit(nominal)
    slow = [sum(milestone <= epoch for milestone in fit.milestones) for epoch in range(fit.epochs)]
    assert [0.01 * 0.1**times for times in slow] == pytest.approx(lrs)
    assert (fit.lr, fit.momentum, fit.weight_decay, fit.batch) == (0.01, 0.9, 5e-4, 256)
    assert fit.restart


def test_presets() -> None:
    assert all(preset(name).name == name for name in PRESETS)
    assert not preset("dc").augmented
    assert preset("dsa").augmented
    assert (preset("dc").fit.epochs, preset("dsa").fit.epochs) == (301, 1001)
    assert preset("dsa", epochs=20) == replace(preset("dsa"), fit=published_fit(20))
    assert preset("modern", epochs=20) == replace(preset("modern"), fit=modern_fit(20))
    assert preset("modern").fit.epochs == 1000
    mnist = preset("dc", dataset="MNIST")
    assert mnist == replace(preset("dc", epochs=1000), augmentation="crop_scale_rotate")
    assert preset("dsa", dataset="MNIST") == preset("dsa")
    assert preset("dc", dataset="FashionMNIST") == preset("dc")
    assert with_augmentation(preset("dc"), "dsa") == replace(preset("dc"), augmentation="dsa")
    with pytest.raises(InputError, match="no augmentation named 'corp' in 'corp_noise'; did you"):
        with_augmentation(preset("dc"), "corp_noise")
    with pytest.raises(InputError, match="no protocol named 'dza'; did you mean 'dsa'"):
        preset("dza")


@pytest.mark.parametrize("epochs", [20, 100, 1000])
def test_the_modern_learning_rate_rises_then_falls_to_zero(epochs: int) -> None:
    fit = modern_fit(epochs)
    rates = [fit.lr_at(epoch) for epoch in range(epochs)]
    top = rates.index(max(rates))
    assert top == fit.warmup == epochs // 20
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert 0 < rates[-1] < 0.01 * fit.lr
    assert max(rates) == pytest.approx(fit.lr, rel=0.02)


def test_protocols_change_in_one_thing() -> None:
    for name in PRESETS:
        found, plain = preset(name), without_augmentation(preset(name))
        assert not plain.augmented
        assert plain.fit == replace(found.fit, cutmix=False)
        slow = replace(found, fit=replace(found.fit, lr=0.5), soft_lr=None)
        assert at_learning_rate(found, 0.5) == slow


def test_one_step_with_nesterov_momentum_is_as_it_is_defined() -> None:
    data = blobs()
    fit = Fit(epochs=2, batch=len(data), lr=0.1, weight_decay=0.01, nesterov=True, cosine=True)
    network, moved = linear(data.domain), linear(data.domain)
    train(moved, data, fit, key=Key(0))
    state = dict.fromkeys(range(2), 0.0)
    for lr in (0.1, 0.05):
        loss = F.cross_entropy(network(data.images), data.labels)
        slopes = torch.autograd.grad(loss, list(network.parameters()))
        for i, (weight, slope) in enumerate(zip(network.parameters(), slopes, strict=True)):
            whole = slope + 0.01 * weight.detach()
            state[i] = 0.9 * state[i] + whole
            weight.data -= lr * (whole + 0.9 * state[i])
    for one, other in zip(moved.parameters(), network.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def test_nesterov_momentum_without_momentum_is_refused() -> None:
    with pytest.raises(InputError, match="`nesterov=True` looks ahead by a `momentum`, which is 0"):
        replace(modern_fit(10), momentum=0.0)


def test_cutmix_trains_on_mixed_images_and_labels() -> None:
    data = blobs()
    with watching() as seen:
        train(linear(data.domain), data, Fit(epochs=1, batch=64, cutmix=True), key=Key(0))
    (images,) = [images for _, training, images in seen if training]
    whole = (images[:, None] == data.images[None]).flatten(2).all(2).any(1)
    assert not bool(whole.all())
    pixels = (images[:, None] == data.images[None]).all(2).any(1)
    assert bool(pixels.all())  # every pixel is that of some image, at its place
