"""What is shared is worked out once, and everyone who uses it is told what it costs."""

import time
from dataclasses import dataclass, field

import pytest

from datastill.costs import Known, bill, shared

TICK = 0.02


@dataclass(frozen=True, eq=False)
class House:
    known: Known = field(init=False, default_factory=lambda: Known(lasting=True))

    @shared
    def cellar(self) -> str:
        time.sleep(TICK)
        return "cellar"

    @shared
    def ground(self) -> str:
        time.sleep(2 * TICK)
        return f"ground on {self.cellar}"


def test_what_is_shared_is_paid_by_all_who_use_it() -> None:
    house, known = House(), Known()
    paid = []
    for _ in range(2):
        with bill() as one:
            assert house.ground == "ground on cellar"
            known.once("roof", lambda: time.sleep(TICK))
            time.sleep(TICK)
        paid.append(one)
    for one in paid:
        assert one.own == pytest.approx(TICK, rel=0.5)
        assert one.seconds == pytest.approx(2 * TICK, rel=0.5)
        assert one.once == pytest.approx(3 * TICK, rel=0.5)
    with bill() as cellar:
        assert house.cellar == "cellar"
    assert cellar.once == pytest.approx(TICK, rel=0.5)


def test_what_two_parts_rest_on_is_counted_once() -> None:
    house, known = House(), Known()
    with bill() as paid:
        for name in ("a", "b"):
            known.once(name, lambda: house.cellar)
    assert paid.once == pytest.approx(TICK, rel=0.5)


def test_a_part_that_fails_is_not_kept() -> None:
    known = Known()
    with pytest.raises(ZeroDivisionError), bill():
        known.once("x", lambda: 1 / 0)
    assert known.once("x", lambda: 2) == 2
    with bill() as paid:
        pass
    assert paid.seconds < TICK
