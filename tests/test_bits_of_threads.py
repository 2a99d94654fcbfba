"""By the kernels whole runs come to the same bits, by however many threads they are computed."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from datastill.augment import dsa
from datastill.base.rng import Key
from datastill.base.sums import product, total
from datastill.compute import kernels
from datastill.compute.route import Route
from datastill.data import Domain, ImageSet
from datastill.data.classes import ByClass
from datastill.data.losses import contrastive_loss, gradient_distance, label_loss
from datastill.distillation.clom import cross_entropy_clom
from datastill.distillation.loop import distill
from datastill.distillation.methods import METHODS, Published, Task
from datastill.networks import build, builder
from datastill.networks.base.network import features
from datastill.training.fit import Fit, epochs, predict
from datastill.training.pool import Pool, Trajectory, train_pool, trajectories

pytestmark = pytest.mark.skipif(bool(kernels.missing()), reason=kernels.missing())

THREADS = (1, 2, 3)
BY_KERNELS = Route(kernels=True)
DOMAIN = Domain("made", (1, 28, 28), tuple("0123456789"), (0.0,), (1.0,))
"""As wide a network sees as is usual: sums that are short are the same by any threads."""


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Leave threads as they were."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def same(compute: Callable[[], list[Tensor]]) -> bool:
    """Tell whether numbers come out bit for bit alike by any number of threads."""
    found: list[list[Tensor]] = []
    for threads in THREADS:
        torch.set_num_threads(threads)
        found.append(compute())
        assert torch.get_num_threads() == threads
    return all(
        torch.equal(one, other)
        for by, more in pairwise(found)
        for one, other in zip(by, more, strict=True)
    )


@cache
def images(each: int) -> ImageSet:
    """Return so many random images of each class."""
    labels = torch.arange(10).repeat(each)
    drawn = torch.randn(10 * each, 1, 28, 28, generator=Key(1).generator())
    return ImageSet(drawn + 0.1 * labels[:, None, None, None], labels, DOMAIN)


@cache
def pool() -> Pool:
    return train_pool("ConvNet", images(4), num=1, fit=Fit(epochs=1, batch=40), key=Key(9))


def ways() -> tuple[Trajectory, ...]:
    return trajectories(pool())


BRIEF: dict[str, Any] = {
    **{"expert_epochs": 1, "max_start": 0, "syn_steps": 2},
    **{"outer_loop": 2, "inner_loop": 2},
}


def brief(published: Published) -> Any:
    """Return a method that takes little."""
    method: Any = published.method
    return replace(
        method, **{name: value for name, value in BRIEF.items() if hasattr(method, name)}
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS.names)
def test_updates_of_every_method_are_the_same(name: str) -> None:
    published = METHODS[name](10)
    descent = published.descent(10, updates=2, batch=32, init="real")
    originals = tuple(way[-1] for way in ways())
    build, policy = builder("ConvNet", DOMAIN), dsa("color_crop_flip")
    task = Task(
        images(40), build, Key(0), policy, BY_KERNELS, originals=originals, trajectories=ways()
    )
    guide = cross_entropy_clom(pool(), 1.0, DOMAIN, route=BY_KERNELS)

    def compute() -> list[Tensor]:
        *_, last = distill(brief(published), task, descent, regularisers={"clom": guide})
        return [last.synthetic.images, *last.losses.values()]

    assert same(compute)


@pytest.mark.parametrize("soft", [False, True])
def test_networks_are_trained_to_the_same(soft: bool) -> None:
    data = images(26)
    if soft:
        data = ImageSet(data.images, data.shares, DOMAIN)

    def compute() -> list[Tensor]:
        network = build("ConvNet", DOMAIN, key=Key(3))
        fit = Fit(epochs=1, cutmix=soft)
        (ended,) = epochs(network, data, fit, key=Key(4), route=BY_KERNELS)
        said = predict(network, data.images, route=BY_KERNELS)
        return [ended.loss, said, *network.state_dict().values()]

    assert same(compute)


@pytest.mark.parametrize("twice", [False, True])
def test_gradients_of_gradients_are_the_same(twice: bool) -> None:
    network = build("ConvNet", DOMAIN, key=Key(3))
    some = images(6).images

    def compute() -> list[Tensor]:
        shown = some.clone().requires_grad_()
        said = BY_KERNELS.run(lambda net, x: net(x), network, shown, twice=twice)
        weights = [shown, *network.parameters()]
        first = torch.autograd.grad(said.square().sum(1).sum(), weights, create_graph=twice)
        if not twice:
            return [said.detach(), *first]
        scalar = torch.stack([total(one.square()) for one in first]).sum()
        return [said.detach(), scalar.detach(), *torch.autograd.grad(scalar, weights)]

    assert same(compute)


def test_sums_and_products_are_the_same() -> None:
    one, other = torch.randn(2, 300, 2000, generator=Key(5).generator())

    def compute() -> list[Tensor]:
        given = [one.clone().requires_grad_(), other.clone().requires_grad_()]
        made = product(given[0], given[1].T)
        return [made.detach(), total(one), *torch.autograd.grad(total(made.square()), given)]

    assert same(compute)


def test_means_of_features_are_the_same() -> None:
    data = images(256)
    shown = ByClass(data.images, (256,) * 10)
    order = data.labels.argsort(stable=True)
    network = build("ConvNetD1", DOMAIN, key=Key(3))
    seen = BY_KERNELS.over(features, network, data.images[order])
    assert same(lambda: [shown.means(seen)])


@pytest.mark.parametrize("metric", ["layerwise-cosine", "mse", "cosine"])
def test_distances_of_gradients_are_the_same(metric: Any) -> None:
    real, synthetic = torch.randn(2, 128, 1152, generator=Key(6).generator())

    def compute() -> list[Tensor]:
        asked = synthetic.clone().requires_grad_()
        found = gradient_distance([real], [asked], metric)
        return [found.detach(), *torch.autograd.grad(found, asked)]

    assert same(compute)


@pytest.mark.parametrize("temperature", [None, 4.0])
def test_losses_of_many_classes_are_the_same(temperature: float | None) -> None:
    logits, wanted = torch.randn(2, 256, 1000, generator=Key(7).generator())

    def compute() -> list[Tensor]:
        said = logits.clone().requires_grad_()
        found = label_loss(said, wanted.softmax(1), temperature)
        return [found.detach(), *torch.autograd.grad(found, said)]

    assert same(compute)


def test_nearness_to_real_images_is_the_same() -> None:
    one, other = torch.randn(2, 300, 512, generator=Key(8).generator())
    labels = torch.arange(300) % 10

    def compute() -> list[Tensor]:
        seen = one.clone().requires_grad_()
        found = contrastive_loss(seen, labels, other, labels)
        return [found.detach(), *torch.autograd.grad(found, seen)]

    assert same(compute)
