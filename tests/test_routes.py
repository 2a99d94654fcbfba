"""The same updates by every route: what changes is the time."""

from itertools import islice

import pytest
import torch

from conftest import blobs
from datastill.augment import dsa
from datastill.base.rng import Key
from datastill.compute.route import PLAIN, Route
from datastill.distillation.loop import Descent, distill
from datastill.distillation.methods import METHODS, Task
from datastill.networks import builder

FLOAT32 = [
    Route(),
    Route(chunk=7),
    Route(kernels=False),
    Route(kernels=False, channels_last=True),
    Route(kernels=False, reworded=True),
    Route(kernels=False, reworded=True, at_once=True),
]
# Only real images pass in bfloat16, which keeps 8 bits of a number: 0.4 % of each feature, less of
# the means and gradients of a batch, whose errors are independent.
BFLOAT16 = Route(kernels=False, precision="bfloat16")


def losses(method: str, route: Route, updates: int = 3) -> torch.Tensor:
    """Return the losses of some updates of a small set."""
    real = blobs(shape=(1, 28, 28), classes=3, per_class=20)
    published = METHODS[method](2)
    task = Task(real, builder("ConvNetW32", real.domain), Key(3), dsa("color_crop"), route)
    descent = Descent(ipc=2, updates=updates, batch=15, lr=published.lr)
    steps = islice(distill(published.method, task, descent), updates)
    return torch.stack([step.losses["match"] for step in steps])


@pytest.mark.parametrize("method", ["DM", "DC", "DSA"])
def test_losses_of_routes_agree(method: str) -> None:
    wanted = losses(method, PLAIN)
    assert len(set(wanted.tolist())) == 3
    for route in FLOAT32:
        torch.testing.assert_close(losses(method, route), wanted, rtol=1e-4, atol=0)


@pytest.mark.parametrize("method", ["DM", "DC", "DSA"])
def test_losses_with_real_images_in_bfloat16_are_near(method: str) -> None:
    found, wanted = losses(method, BFLOAT16, 1), losses(method, PLAIN, 1)
    assert not torch.equal(found, wanted)
    torch.testing.assert_close(found, wanted, rtol=1e-2, atol=0)


def test_synthetic_images_stay_exact() -> None:
    fast = Route(precision="bfloat16", compiled=True, chunk=5)
    assert fast.exact == Route(chunk=5)
