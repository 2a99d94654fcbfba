"""Networks that a person's own function makes: new ones each, and what they draw has an address."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from conftest import blobs
from datastill import (
    Domain,
    InputError,
    Key,
    Task,
    builder,
    distill,
    preset,
    train_pool,
    validate,
)
from datastill.training.fit import Fit

SAME = nn.Sequential(nn.Flatten(), nn.Linear(192, 4))


def dropping(domain: Domain) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Dropout(), nn.Linear(192, 4))


def the_same(domain: Domain) -> nn.Module:
    return SAME


def frozen(domain: Domain) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(192, 4)).requires_grad_(requires_grad=False)


class Odd(nn.Module):
    """What it does to images, or to logits, is no way to learn."""

    def __init__(self, does: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.last, self.does = nn.Linear(192, 4), does

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if self.does is torch.relu_:
            images = torch.relu_(images)
        logits = self.last(images.flatten(1))
        return logits if self.does is torch.relu_ else self.does(logits)


def detached(domain: Domain) -> nn.Module:
    return Odd(torch.Tensor.detach)


def squeezed(domain: Domain) -> nn.Module:
    return Odd(torch.squeeze)


def in_place(domain: Domain) -> nn.Module:
    return Odd(torch.relu_)


def nowhere(domain: Domain) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(192, 4, device="meta"))


def test_what_own_layers_draw_follows_from_the_seed_alone() -> None:
    found: list[object] = []
    real = blobs(per_class=3)
    for seed in (1, 2):
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        (member,) = train_pool(dropping, real, num=1, fit=Fit(epochs=2), key=Key(0))
        task = Task(real, builder(dropping, real.domain), Key(0))
        snapshot = next(distill("DC", task, ipc=1))
        assert torch.equal(torch.get_rng_state(), before)
        found.append((str(member.network.state_dict()), str(snapshot.synthetic.images)))
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("factory", "complaint"),
    [
        (the_same, "gives the same module again, trained by now; make a new one"),
        (frozen, r"gives weights none of which can be trained \(requires_grad\)"),
        (detached, r"gives logits that no gradient leads through: leave out detach\(\)"),
        (squeezed, r"gives \(4,\) for one image, not one row"),
        (in_place, "fails on an image that is learned: RuntimeError: a leaf Variable that"),
        (nowhere, "gives weights without numbers, on the device meta; take the CPU"),
    ],
)
def test_a_function_makes_new_networks_that_can_be_trained(
    factory: Callable[[Domain], nn.Module], complaint: str
) -> None:
    real = blobs(per_class=3)
    with pytest.raises(InputError, match=complaint):
        validate(real, real, factory, preset("dc", epochs=1), trials=2, key=Key(0))
