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
from datastill.base import threads
from datastill.base.rng import Key
from datastill.compute import cores, kernels
from datastill.compute.route import Route
from datastill.data import Domain, ImageSet
from datastill.distillation.clom import cross_entropy_clom
from datastill.distillation.loop import distill
from datastill.distillation.methods import METHODS, Published, Task
from datastill.networks import build, builder
from datastill.training.fit import Fit, epochs, predict
from datastill.training.pool import Pool, Trajectory, train_pool, trajectories

pytestmark = pytest.mark.skipif(bool(kernels.missing()), reason=kernels.missing())

THREADS = (1, 2, 3)
BY_KERNELS = Route(kernels=True)
DOMAIN = Domain("made", (1, 28, 28), tuple("0123456789"), (0.0,), (1.0,))
"""As wide a network sees as is usual: sums that are short are the same by any threads."""


@pytest.fixture(autouse=True)
def as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Leave threads as they were, and meanwhile all that are asked for to the kernels."""
    monkeypatch.setattr(threads, "SAID", True)
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def same(compute: Callable[[], list[Tensor]]) -> bool:
    """Tell whether numbers come out bit for bit alike by any number of threads."""
    found: list[list[Tensor]] = []
    for count in THREADS:
        torch.set_num_threads(count)
        found.append(compute())
        assert torch.get_num_threads() == count
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
        with cores.shared(some.device):
            return found()

    def found() -> list[Tensor]:
        shown = some.clone().requires_grad_()
        said = BY_KERNELS.run(lambda net, x: net(x), network, shown, twice=twice)
        weights = [shown, *network.parameters()]
        first = torch.autograd.grad(said.square().sum(1).sum(), weights, create_graph=twice)
        if not twice:
            return [said.detach(), *first]
        scalar = torch.stack([one.square().sum() for one in first]).sum()
        return [said.detach(), scalar.detach(), *torch.autograd.grad(scalar, weights)]

    assert same(compute)
