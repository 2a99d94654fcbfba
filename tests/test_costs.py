"""What is shared is worked out once, and everyone who uses it is told what it costs."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from datastill.base import costs
from datastill.base.costs import Known, bill, shared

Work = Callable[[float], None]


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    """A clock that stands still but for so many seconds of work."""
    now = [100.0]
    monkeypatch.setattr(costs.time, "perf_counter", lambda: now[0])

    def seconds(spent: float) -> None:
        now[0] += spent

    return seconds


@dataclass(frozen=True, eq=False)
class House:
    work: Work
    known: Known = field(init=False, default_factory=lambda: Known(lasting=True))

    @shared
    def cellar(self) -> str:
        self.work(1)
        return "cellar"

    @shared
    def ground(self) -> str:
        self.work(2)
        return f"ground on {self.cellar}"


def test_what_is_shared_is_paid_by_all_who_use_it(work: Work) -> None:
    house, known = House(work), Known()
    for _ in range(2):
        with bill() as paid:
            assert house.ground == "ground on cellar"
            known.once("roof", lambda: work(4))
            work(8)
        assert (paid.own, paid.seconds, paid.once) == (8, 12, 3)
    with bill() as paid:
        assert house.cellar == "cellar"
    assert (paid.own, paid.seconds, paid.once) == (0, 0, 1)


def test_what_two_parts_rest_on_is_counted_once(work: Work) -> None:
    house, known = House(work), Known()
    with bill() as paid:
        for name in ("a", "b"):
            known.once(name, lambda: work(len(house.cellar)))
    assert (paid.seconds, paid.once) == (12, 1)


def test_bills_within_bills_do_not_count_twice(work: Work) -> None:
    with bill() as outer:
        work(1)
        with bill() as inner:
            work(2)
    assert (outer.own, inner.own) == (1, 2)


def test_a_part_that_fails_is_not_kept(work: Work) -> None:
    known = Known()
    with pytest.raises(ZeroDivisionError), bill():
        known.once("x", lambda: 1 / 0)
    assert known.once("x", lambda: 2) == 2
    with bill() as paid:
        work(1)
    assert paid.seconds == 1
