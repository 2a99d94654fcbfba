"""Networks trained at once against the same networks trained alone."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from conftest import blobs, linear, same, weights
from datastill.augment import DSA_STEPS, Policy, by_image, dsa
from datastill.base.rng import Key
from datastill.compute.route import PLAIN, Route
from datastill.data import ImageSet
from datastill.data.pixels import Pixels
from datastill.networks import adapt, build
from datastill.networks.base.network import Network
from datastill.training import stacked
from datastill.training.fit import Fit, train
from datastill.training.protocol import modern_fit

AUGMENTED = dsa("_".join(DSA_STEPS))
QUICK = Fit(epochs=3, batch=10, lr=0.05)


def built(name: str, data: ImageSet, count: int = 3) -> list[Network]:
    """Build networks in double precision, where only a mistake tells two ways apart."""
    return [build(name, data.domain, key=Key(i)).double() for i in range(count)]


def wide(data: ImageSet) -> ImageSet:
    labels = data.labels if data.labels.ndim == 1 else data.labels.double()
    return replace(data, images=data.images.double(), labels=labels)


def check(
    name: str,
    sets: Sequence[ImageSet],
    fit: Fit = QUICK,
    *,
    policy: Policy | None = None,
    route: Route = PLAIN,
) -> list[Network]:
    """Train networks at once, and compare each with itself trained alone."""
    sets = [wide(data) for data in sets]
    found, alone = (built(name, sets[0], len(sets)) for _ in range(2))
    keys = [Key(5).at(i) for i in range(len(sets))]
    stacked.train(found, sets, fit, keys=keys, policy=policy, route=route)
    for i, (network, oracle) in enumerate(zip(found, alone, strict=True)):
        before = weights(oracle)
        train(oracle, sets[i], fit, key=keys[i], policy=policy, route=PLAIN)
        wanted = weights(oracle)
        assert not same(before, wanted)
        for part, value in weights(network).items():
            torch.testing.assert_close(value, wanted[part], rtol=1e-6, atol=1e-9)
        assert network.training
    return found


FITS = {
    "a last batch that is smaller": QUICK,
    "all at once": replace(QUICK, batch=1000),
    "one image each": replace(QUICK, batch=1, epochs=1, lr=0.01),
    "plain SGD": replace(QUICK, momentum=0.0, weight_decay=0.0),
    "milestones": replace(QUICK, epochs=6, milestones=(2, 4)),
    "restarts": replace(QUICK, epochs=6, milestones=(2, 4), restart=True),
    "decay": replace(QUICK, weight_decay=0.1),
    "modern": replace(modern_fit(20), epochs=4, batch=10),
    "a loss of soft labels, without any": replace(modern_fit(20), epochs=2, temperature=2.0),
}


@pytest.mark.parametrize("fit", FITS.values(), ids=FITS.keys())
def test_every_network_ends_as_it_does_alone(fit: Fit) -> None:
    check("ConvNetD1W16", [blobs(per_class=(6, 5, 7, 5))] * 3, fit)


@pytest.mark.parametrize("policy", [AUGMENTED, dsa("rotate"), by_image("crop_rotate"), dsa("none")])
def test_every_network_has_draws_of_its_own(policy: Policy) -> None:
    found = check("ConvNetD1W16", [blobs()] * 4, policy=policy)
    keys = [Key(5).at(0)] * 2
    twins = [build("ConvNetD1W16", blobs().domain, key=Key(0)).double() for _ in keys]
    stacked.train(twins, [wide(blobs())] * 2, QUICK, keys=keys, policy=policy)
    assert same(weights(twins[0]), weights(twins[1]))
    assert not same(weights(found[0]), weights(found[1]))


def test_every_network_may_have_a_set_of_its_own() -> None:
    one, other = blobs(per_class=6), blobs("other", per_class=(3, 9, 5, 7))
    check("ConvNetD1W16", [one, other, one], policy=AUGMENTED)


def test_a_set_that_serves_many_is_held_once() -> None:
    one, other = blobs(per_class=6), blobs("other", per_class=6)
    images, labels, first = stacked._joined([one, other, one])
    assert (len(images), len(labels), first.tolist()) == (48, 48, [0, 24, 0])


def test_a_large_set_stays_as_pixels() -> None:
    data = blobs(per_class=6)
    held = (255 * data.domain.pixels(data.images)).byte()
    large = replace(data, images=Pixels(held, data.domain.mean, data.domain.std))
    images, _, first = stacked._joined([large, large])
    assert images is large.images
    assert first.tolist() == [0, 0]
    found, alone = ([linear(data.domain, seed) for seed in (0, 1)] for _ in range(2))
    keys = [Key(1), Key(2)]
    stacked.train(found, [large] * 2, QUICK, keys=keys, policy=AUGMENTED)
    for network, oracle, key in zip(found, alone, keys, strict=True):
        train(oracle, large, QUICK, key=key, policy=AUGMENTED, route=PLAIN)
        torch.testing.assert_close(weights(network), weights(oracle))


def test_soft_labels() -> None:
    data = blobs(per_class=4)
    soft = replace(data, labels=0.7 * F.one_hot(data.labels, 4) + 0.075)
    for fit in (
        QUICK,
        replace(QUICK, temperature=3.0),
        replace(QUICK, temperature=3.0, cutmix=True),
    ):
        check("ConvNetD1W16", [soft] * 2, fit, policy=AUGMENTED)


# Norms of every kind, poolings, residuals; batch norm keeps statistics of each network's own.
ZOO = ["ConvNetD2W16", "ConvNetD1W16BN", "ConvNetD1W16LN", "ConvNetD1W16GN", "ConvNetD1W16MP"]
ZOO += ["ConvNetD1W16AS", "ConvNetD1W16ASwish", "MLP", "LeNet"]


@pytest.mark.parametrize("name", ZOO)
def test_every_kind_of_network_trains_at_once(name: str) -> None:
    data = blobs(shape=(3, 16, 16), per_class=3)
    fit = Fit(epochs=2, batch=8, lr=0.01)
    check(name, [data] * 2, fit)
    assert stacked.obstacle(built(name, data, 2), data.images[:2]) == ""


@pytest.mark.parametrize("name", ["AlexNetBN", "ResNet18", "ResNet18BN_AP", "VGG11"])
def test_large_networks_are_no_obstacle(name: str) -> None:
    data = blobs(shape=(3, 32, 32), per_class=1)
    assert stacked.obstacle(built(name, data, 2), data.images[:2]) == ""


def test_one_network_is_a_stack_too() -> None:
    check("ConvNetD1W16", [blobs()], policy=AUGMENTED)


def test_a_layer_that_is_frozen_stays_as_it_is() -> None:
    data = wide(blobs())
    found, alone = (built("MLP", data, 2) for _ in range(2))
    for network in (*found, *alone):
        network.body[1].requires_grad_(False)
    before = found[1].body[1].weight.clone()
    keys = [Key(1), Key(2)]
    stacked.train(found, [data] * 2, QUICK, keys=keys)
    train(alone[1], data, QUICK, key=keys[1], route=PLAIN)
    assert torch.equal(found[1].body[1].weight, before)
    torch.testing.assert_close(found[1].head.weight, alone[1].head.weight)


def test_routes() -> None:
    """Kernels and channels last, which cannot serve a stack, are passed by; rounding is not."""
    data = [blobs()] * 2
    check("ConvNetD1W32", data, route=Route(channels_last=True, chunk=3))
    check("ConvNetD1W32", data, route=Route(kernels=False, reworded=True))
    exact, coarse = (
        [build("ConvNetD1W16", data[0].domain, key=Key(i)) for i in range(2)] for _ in range(2)
    )
    for networks, precision in ((exact, "float32"), (coarse, "bfloat16")):
        route = Route(precision=precision)
        stacked.train(networks, data, QUICK, keys=[Key(0), Key(1)], route=route)
    for one, other in zip(exact, coarse, strict=True):
        assert not same(weights(one), weights(other))
        for name, value in weights(other).items():
            assert value.dtype == torch.float32
            torch.testing.assert_close(value, weights(one)[name], rtol=0.0, atol=0.02)


# Parts of torch that compilation imports are deprecated.
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_a_stack_can_be_compiled() -> None:
    data = blobs(shape=(1, 6, 6), per_class=5)
    found, plain = ([linear(data.domain, seed) for seed in (0, 1)] for _ in range(2))
    for networks, compiled in ((found, True), (plain, False)):
        route = Route(compiled=compiled)
        stacked.train(networks, [data] * 2, QUICK, keys=[Key(0), Key(1)], route=route)
    for network, oracle in zip(found, plain, strict=True):
        torch.testing.assert_close(weights(network), weights(oracle))


# Obstacles.


class Random(nn.Module):
    """Multiplies by numbers that are no parameters and differ between two of them."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = torch.rand(()).double()

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor


class Asking(nn.Module):
    """Goes one way or the other by the numbers that it sees."""

    def forward(self, x: Tensor) -> Tensor:
        return x if bool(x.sum() > 0) else -x


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (nn.Dropout, "torch.func fails on them: vmap: called random operation"),
        (Random, "they hold more than weights"),
        (Asking, "torch.func fails on them"),
    ],
)
def test_what_cannot_be_trained_at_once_is_told(layer: type[nn.Module], reason: str) -> None:
    data = blobs()

    def made() -> Network:
        body = nn.Sequential(nn.Flatten(), layer(), nn.Linear(192, 8))
        return adapt(nn.Sequential(body, nn.Linear(8, 4)), data.domain)

    assert stacked.obstacle([made(), made()], data.images[:2]).startswith(reason)


def test_looking_for_obstacles_leaves_no_trace() -> None:
    data = blobs()
    networks = [build("ConvNetD1W16BN", data.domain, key=Key(i)).eval() for i in range(2)]
    before = [weights(network) for network in networks]
    assert stacked.obstacle(networks, data.images[:2]) == ""
    assert all(same(weights(n), b) for n, b in zip(networks, before, strict=True))
    assert not any(part.training for network in networks for part in network.modules())


def test_sets_are_alike_in_size_and_kind_of_labels() -> None:
    data = blobs(per_class=2)
    soft = replace(data, labels=F.one_hot(data.labels, 4).float())
    assert stacked.alike(data, blobs("other", per_class=2))
    assert not stacked.alike(data, blobs(per_class=3))
    assert not stacked.alike(data, soft)


def test_networks_without_hidden_layers() -> None:
    data = blobs()
    found, alone = ([linear(data.domain, seed) for seed in (0, 1)] for _ in range(2))
    keys = [Key(1), Key(2)]
    stacked.train(found, [data] * 2, QUICK, keys=keys)
    for network, oracle, key in zip(found, alone, keys, strict=True):
        train(oracle, data, QUICK, key=key, route=PLAIN)
        torch.testing.assert_close(weights(network), weights(oracle))
