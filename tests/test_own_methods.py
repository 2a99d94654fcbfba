"""Methods of a person's own that are not what a method is: told at once, in a line."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from torch import Tensor, nn

from conftest import blobs
from datastill.base.errors import InputError
from datastill.base.own_code import Guarded
from datastill.base.rng import Key
from datastill.distillation.descent import Descent
from datastill.distillation.loop import distill
from datastill.distillation.methods import METHODS, Published, Task
from datastill.distillation.methods.base import Sgd
from datastill.distillation.parametrisations import Synthetic
from datastill.networks import builder


@dataclass(frozen=True)
class Mine:
    """A method that returns what it is told to."""

    found: Callable[[Task, Tensor], Any]

    def loss(self, task: Task, step: int, memory: Any, synthetic: Synthetic, *, key: Key) -> Any:
        del step, memory, key
        return self.found(task, synthetic.images)


@dataclass(frozen=True)
class Forgetful(Mine):
    """A method that recalls nothing of what it remembered."""

    def recall(self, task: Task, tensors: Any) -> Any:
        del task, tensors
        return nn.Linear(1, 1)


def step(method: Any) -> None:
    real = blobs()
    task = Task(real, builder("MLP", real.domain), Key(0))
    next(iter(distill(method, task, Descent(ipc=1, updates=2, batch=4))))


def emptied(task: Task, images: Tensor) -> Any:
    task.real.images.zero_()
    return images.sum(), None


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (lambda task, images: images.sum(), "must return a tuple, .* found a Tensor"),
        (lambda task, images: None, "must return a tuple, .* found None"),
        (
            lambda task, images: (images, None),
            r"a scalar tensor .* float32 of shape \(4, 3, 8, 8\)",
        ),
        (lambda task, images: (np.float32(3), None), "a scalar tensor .* found"),
        (lambda task, images: (images.detach().sum(), None), "that no gradient passes"),
        (lambda task, images: (images.sum() + 0j, None), "found complex64"),
        (lambda task, images: {}["x"], r"fails: KeyError: 'x' \(test_own_methods.py, line \d+\)"),
        (lambda task, images: (images.sum(), {"seen": 1}), "a dict to be remembered"),
        (lambda task, images: (images.sum(), nn.Linear(1, 1)), "and Mine a method recall"),
        (emptied, "changes the real images in place"),
    ],
)
def test_a_loss_of_something_else_is_told_in_the_first_update(found: Any, said: str) -> None:
    with pytest.raises(InputError, match=f"the loss of Mine .*{said}"):
        step(Mine(found))


def test_a_memory_that_does_not_come_back_is_told_in_the_first_update() -> None:
    with pytest.raises(InputError, match="recall of Forgetful gives back another memory"):
        step(Forgetful(lambda task, images: (images.sum(), nn.Linear(1, 1))))
    seen = nn.Linear(1, 1)
    seen.state_dict = lambda: {"seen": 1}  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(InputError, match="what Forgetful remembers cannot be kept and recalled"):
        step(Forgetful(lambda task, images: (images.sum(), seen)))


class Careless:
    """A method without arguments, of which the others are not known to be equal."""

    def loss(self) -> None: ...


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"method": Careless()}, "the loss of Careless must take task, step, memory, synthetic"),
        ({"method": object()}, "must be a method with its settings"),
        ({"updates": 0}, "updates must be a whole number, 1 or more, found 0"),
        ({"protocol": "dcc"}, "no protocol named 'dcc'; did you mean 'dc'"),
        ({"needs": frozenset({"pool"})}, "needs must be a frozenset of trajectories, ends, orig"),
        ({"needs": "originals"}, "needs must be a frozenset"),
        ({"optimisers": None}, "optimisers must be"),
        ({"optimisers": {"pixels": Sgd(1.0)}}, "optimisers must have one of images"),
        ({"papers": ("mine",)}, "papers must be a tuple of Paper, found 'mine'"),
        ({"clom": "1"}, "clom must not be negative, found '1'"),
    ],
)
def test_settings_that_are_none_are_told_where_they_are_published(changed: Any, said: str) -> None:
    with pytest.raises(InputError, match=f"Published of .*{said}"):
        replace(METHODS["DM"](1), **changed)


def test_a_method_is_frozen_for_what_it_kept_itself_would_be_lost() -> None:
    @dataclass
    class Unfrozen:
        def loss(self, *args: Any, key: Key) -> Any: ...

    with pytest.raises(InputError, match=r"put @dataclass\(frozen=True\) above it"):
        replace(METHODS["DM"](1), method=Unfrozen())


def test_what_gives_no_settings_is_told_by_its_name() -> None:
    given: Any = Guarded(lambda ipc: None, "method", "mine:make", (Published,))
    with pytest.raises(
        InputError, match="the method mine:make must return a Published, found None"
    ):
        given(1)
    assert given.__module__ == __name__
