"""Randomness has an address: nothing else decides what is drawn."""

import dataclasses
import enum
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier, BrokenBarrierError, Event

import numpy as np
import pytest
import torch
from torch import Tensor

from datastill.base.errors import InputError
from datastill.base.rng import Key


def drawn(key: Key) -> Tensor:
    return torch.rand(5, generator=key.generator())


def test_an_address_gives_the_same_numbers_whatever_was_drawn_before() -> None:
    first = drawn(Key(3).at("a", 1))
    torch.rand(100)
    drawn(Key(3))
    drawn(Key(3).at("a"))
    assert torch.equal(drawn(Key(3).at("a", 1)), first)


def test_the_numbers_of_an_address_stay_what_they_are() -> None:
    """Whoever changes these makes every published run irreproducible."""
    assert Key(0).at("network", 3).seed == 5554891332101576806
    assert [Key(0).at("choice", i).integer(10) for i in range(5)] == [5, 6, 0, 0, 2]


def test_addresses_compose() -> None:
    assert Key(5).at("a", 2, "b") == Key(5).at("a").at(2).at("b")
    assert Key(5).at() == Key(5)


def test_different_addresses_give_different_numbers() -> None:
    keys = [
        *(Key(0), Key(1), Key(0).at("a"), Key(1).at("a"), Key(0).at("b"), Key(0).at("a", "b")),
        *(Key(0).at("b", "a"), Key(0).at("ab"), Key(0).at(1), Key(0).at("1"), Key(0).at(12)),
        *(Key(0).at(1, 2), Key(0).at(2, 1), Key(0).at(-1), Key(0).at("")),
    ]
    assert len({tuple(drawn(key).tolist()) for key in keys}) == len(keys)


def test_neighbouring_addresses_are_not_alike() -> None:
    """A thousand streams give uniform numbers, not a pattern."""
    first = torch.tensor([drawn(Key(0).at("step", i))[0] for i in range(1000)])
    assert abs(float(first.mean()) - 0.5) < 0.04
    assert abs(float(torch.corrcoef(torch.stack([first[1:], first[:-1]]))[0, 1])) < 0.13


def test_a_key_is_a_value() -> None:
    assert {Key(1): "found"}[Key(1)] == "found"
    with pytest.raises(dataclasses.FrozenInstanceError):
        Key(1).seed = 2


def test_integers_are_uniform() -> None:
    found = [Key(0).at("draw", i).integer(3) for i in range(600)]
    assert set(found) == {0, 1, 2}
    assert min(found.count(value) for value in (0, 1, 2)) > 150


def test_a_scope_decides_initialisers_and_leaves_no_trace() -> None:
    torch.rand(3)
    before = torch.random.get_rng_state()
    with Key(1).scope():
        one = torch.nn.Linear(3, 3).weight.detach()
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.rand(7)
    with Key(1).scope():
        again = torch.nn.Linear(3, 3).weight.detach()
    with Key(2).scope():
        other = torch.nn.Linear(3, 3).weight.detach()
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_a_scope_leaves_no_trace_when_its_block_fails() -> None:
    before = torch.random.get_rng_state()

    def fail() -> None:
        with Key(1).scope():
            torch.rand(3)
            raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        fail()
    assert torch.equal(torch.random.get_rng_state(), before)


def test_threads_draw_in_scopes_as_if_each_were_alone() -> None:
    both, begun, gone = Barrier(2), list[int](), Event()

    def drawn_in(seed: int) -> list[float]:
        with Key(seed).scope():
            found = [torch.rand(()).item()]
            begun.append(seed)
            with suppress(BrokenBarrierError):  # another thread is in a scope as well, or waits
                both.wait(timeout=0.2)
            if seed != begun[0]:
                gone.wait(timeout=5)  # for whoever came first to draw from what came last
            found.append(torch.rand(()).item())
            gone.set()
            return found

    before = torch.get_rng_state()
    with ThreadPoolExecutor(2) as threads:
        found = list(threads.map(drawn_in, (1, 2)))
    assert torch.equal(torch.get_rng_state(), before)
    assert found == [drawn_in(1), drawn_in(2)]


def test_scopes_nest() -> None:
    with Key(1).scope():
        whole = torch.rand(4)
    with Key(1).scope():
        first = torch.rand(2)
        with Key(2).scope():
            torch.rand(9)
        rest = torch.rand(2)
    assert torch.equal(torch.cat([first, rest]), whole)


class Loud(str):
    __slots__ = ()

    def __str__(self) -> str:
        return self.upper()

    def __repr__(self) -> str:
        return f"<{self}>"


class Stage(enum.IntEnum):
    THIRD = 3


class Place(enum.StrEnum):
    NETWORK = "network"


@pytest.mark.parametrize(
    ("step", "same"),
    [
        *((np.int64(3), 3), (np.uint8(3), 3), (np.array(3), 3), (Stage.THIRD, 3)),
        *((torch.tensor(3), 3), (torch.tensor(3, dtype=torch.uint8), 3)),
        *((np.bool_(True), True), (torch.tensor(True), True), (np.str_("a"), "a")),
        *((Loud("a"), "a"), (Place.NETWORK, "network")),
    ],
    ids=repr,
)
def test_a_step_is_the_same_whatever_type_holds_it(step: object, same: str | int) -> None:
    assert Key(0).at(step) == Key(0).at(same)
    assert Key(0).at("a", step, 2) == Key(0).at("a", same, 2)


@pytest.mark.parametrize(
    "step",
    [
        *(0.5, 3.0, np.float32(3), torch.tensor(3.0), None, b"a", (1, 2), [1], {1: 2}),
        *(np.array([3]), torch.tensor([3]), object(), Key(0), complex(1)),
    ],
    ids=lambda step: type(step).__name__,
)
def test_what_has_no_address_is_refused(step: object) -> None:
    with pytest.raises(InputError, match="text or a whole number"):
        Key(0).at("a", step)


@pytest.mark.parametrize("seed", [np.int64(5), torch.tensor(5), np.array(5)])
def test_a_seed_is_the_same_whatever_type_holds_it(seed: object) -> None:
    assert Key(seed) == Key(5)
    assert Key(seed).at("a") == Key(5).at("a")
    assert torch.equal(drawn(Key(seed)), drawn(Key(5)))


@pytest.mark.parametrize("seed", ["5", 0.5, None, True, 2**64, -(2**63) - 1, torch.tensor([5])])
def test_what_is_no_seed_is_refused(seed: object) -> None:
    with pytest.raises(InputError, match="whole number"):
        Key(seed)
