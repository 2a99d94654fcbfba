"""Layers in other words are those of PyTorch: what they say, and both derivatives of it."""

from collections import Counter
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import vmap
from torch.utils._python_dispatch import TorchDispatchMode

from datastill.compute.rewording import Reworded, halves
from datastill.compute.route import candidates

NORMS = {groups: nn.GroupNorm(groups, 8).double() for groups in (1, 4, 8)}
POOLS = {
    "halves": nn.AvgPool2d(2),
    "steps": nn.AvgPool2d(2, stride=1),
    "edge": nn.AvgPool2d(2, padding=1),
    "thirds": nn.AvgPool2d(3),
    "override": nn.AvgPool2d(2, divisor_override=3),
    "pairs": nn.AvgPool2d((2, 2), (2, 2), (0, 0), ceil_mode=True),
}


def images(*sides: int) -> Tensor:
    return torch.randn(3, 8, *sides, generator=torch.Generator().manual_seed(1)).double()


def derivatives(layer: nn.Module, given: Tensor) -> list[Tensor]:
    """Return what a layer says, its gradients, and the gradients of their squares."""
    given = given.clone().requires_grad_(True)
    wanted = [given, *layer.parameters()]
    said = layer(given)
    first = torch.autograd.grad(said.square().sum(), wanted, create_graph=True)
    total = sum(one.square().sum() for one in first)
    assert isinstance(total, Tensor)
    return [said, *first, *torch.autograd.grad(total, wanted)]


def agree(layer: nn.Module, given: Tensor) -> None:
    wanted = derivatives(layer, given)
    with Reworded():
        found = derivatives(layer, given)
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("groups", NORMS)
@pytest.mark.parametrize("sides", [(4, 4), (5, 3), (1, 2)])
def test_norms(groups: int, sides: tuple[int, int]) -> None:
    layer = NORMS[groups]
    with torch.no_grad():
        for i, weight in enumerate(layer.parameters()):
            weight.copy_(torch.linspace(0.5, 1.5, 8) - i)
    agree(layer, images(*sides))


@pytest.mark.parametrize("bare", [{"weight": None}, {"bias": None}, {"weight": None, "bias": None}])
def test_norms_that_lack_a_weight_or_a_shift(bare: dict[str, None]) -> None:
    given = {"weight": torch.linspace(1, 2, 8).double(), "bias": torch.ones(8).double(), **bare}
    wanted = F.group_norm(images(4, 4), 4, **given)
    with Reworded():
        torch.testing.assert_close(F.group_norm(images(4, 4), 4, **given), wanted)


@pytest.mark.parametrize("sides", [(4, 6), (5, 6), (4, 7)])
@pytest.mark.parametrize("name", POOLS)
def test_pools(name: str, sides: tuple[int, int]) -> None:
    agree(POOLS[name], images(*sides))


def test_only_what_is_meant_is_said_otherwise() -> None:
    used = Counter[str]()

    class Noted(TorchDispatchMode):
        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            used[func.overloadpacket.__name__] += 1
            return func(*args, **(kwargs or {}))

    network = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.GroupNorm(8, 8), nn.AvgPool2d(2))
    with Noted(), Reworded():
        network(images(4, 4).float())
    assert used["native_layer_norm"] == used["convolution"] == 1
    assert not used["native_group_norm"]
    assert not used["avg_pool2d"]
    assert halves(images(4, 4), kernel_size=2, stride=2)


def test_a_gpu_tries_them_and_a_cpu_does_not() -> None:
    network = nn.Sequential(nn.Conv2d(8, 8, 3), nn.GroupNorm(8, 8))
    tried = candidates(network, (8, 4, 4), torch.device("cuda"))
    assert list(tried) == ["plain", "channels last", "reworded"]
    assert tried["reworded"].reworded
    here = candidates(network, (8, 4, 4), torch.device("cpu"))
    assert not any(route.reworded for route in here.values())


def test_many_networks_at_once() -> None:
    weights = torch.randn(5, 8, generator=torch.Generator().manual_seed(2)).double()

    def one(weight: Tensor, given: Tensor) -> Tensor:
        return F.avg_pool2d(F.group_norm(given, 8, weight, weight), 2)

    given = images(4, 4).expand(5, -1, -1, -1, -1)
    wanted = vmap(one)(weights, given)
    with Reworded():
        torch.testing.assert_close(vmap(one)(weights, given), wanted)
