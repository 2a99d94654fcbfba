"""What an update costs is found by carrying some out, whatever the method is."""

from dataclasses import dataclass, field, replace
from mmap import mmap
from typing import Any

import pytest
import torch
from torch import Tensor

from conftest import blobs, linear
from datastill.base import machine
from datastill.base.rng import Key
from datastill.compute import peak
from datastill.compute.peak import Peak
from datastill.distillation.descent import Descent
from datastill.distillation.methods import METHODS, Task, period_of
from datastill.distillation.methods.base import Synthetic
from datastill.runs.foresight import probing
from datastill.runs.foresight.probing import MOST, probed

REAL = blobs(per_class=40)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let time pass only where a method says so."""
    now = [0.0]
    monkeypatch.setattr(probing.time, "perf_counter", lambda: now[0])
    return now


def task() -> Task:
    return Task(REAL, lambda *, key: linear(REAL.domain), Key(0))


@dataclass(frozen=True)
class Costly:
    """Takes the time that it is told: so much, and more for every image."""

    clock: list[float]
    period: int = 1
    once: float = 0.0
    seen: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])

    def loss(
        self, task: Task, step: int, memory: Any, synthetic: Synthetic, *, key: Key
    ) -> tuple[Tensor, Any]:
        synthetic_images = len(synthetic.images)
        self.seen.append((task.batch, synthetic_images))
        took = 1.0 + 0.01 * task.batch + 0.1 * synthetic_images
        self.clock[0] += took + (self.once if step % self.period else 0.0)
        return synthetic.images.square().sum(), None


COST = 1.0 + 0.01 * 200 + 0.1 * 80
"""Of an update with 200 real images of a class, and 80 synthetic ones in all."""
DESCENT = Descent(ipc=20, batch=200)


def test_an_update_is_tried_with_all_images_where_time_allows(clock: list[float]) -> None:
    method = Costly(clock)
    found = probed(method, task(), DESCENT, seconds=1000)
    assert (found.share, found.updates, found.period) == (1.0, MOST, 1)
    assert method.seen[-MOST:] == [(200, 80)] * MOST
    assert found.terms == {"the method": pytest.approx(COST)}
    assert len(found.made) == 80


def test_what_takes_long_is_tried_with_fewer_images(clock: list[float]) -> None:
    method = Costly(clock)
    found = probed(method, task(), DESCENT, seconds=18)
    assert [*dict.fromkeys(method.seen)] == [(20, 8), (60, 24)]
    assert found.share == 0.3
    assert found.later == pytest.approx(COST)  # a line through what was tried
    assert method.seen == [(20, 8)] * 2 + [(60, 24)]  # the first warms up


def test_updates_under_one_network_and_the_next_are_told_apart(clock: list[float]) -> None:
    found = probed(Costly(clock, period=5, once=2.0), task(), DESCENT, seconds=1000)
    assert found.terms == {
        "the method, first of 5 updates": pytest.approx(COST / 5),
        "the method, the others": pytest.approx((COST + 2.0) * 4 / 5),
    }
    few = probed(Costly(clock, period=5, once=2.0), task(), DESCENT, seconds=0)
    assert few.updates == 2  # one of each kind


def test_classes_without_images_stay_without(clock: list[float]) -> None:
    method = Costly(clock)
    probed(method, task(), replace(DESCENT, ipc=(20, 0, 1, 5)), seconds=0)
    assert method.seen == [(20, 2 + 0 + 1 + 1)] * 2 + [(60, 6 + 0 + 1 + 2)]


def test_methods_say_when_they_begin_anew() -> None:
    assert period_of(METHODS["DM"](10).method) == 1
    assert period_of(METHODS["MTT"](10).method) == 1
    assert period_of(METHODS["DC"](10).method) == 10
    assert period_of(METHODS["DSA"](1).method) == 1


@dataclass(frozen=True)
class Hungry:
    """Holds memory for a moment: the system's, so that no earlier test's pieces serve it."""

    floats: int

    def loss(
        self, task: Task, step: int, memory: Any, synthetic: Synthetic, *, key: Key
    ) -> tuple[Tensor, Any]:
        held = torch.frombuffer(mmap(-1, 4 * self.floats), dtype=torch.float32).fill_(1)
        return synthetic.images.square().sum() * held[0], None


@pytest.mark.skipif(machine.resident() is None, reason="the system does not tell")
def test_what_an_update_holds_at_its_peak_is_seen() -> None:
    floats = 2**26
    small, large = (probed(Hungry(n), task(), DESCENT, seconds=1e9).memory for n in (1, floats))
    assert small is not None
    assert large is not None
    assert 0 <= small < 2 * floats
    assert 3.5 * floats < large < 6 * floats


def test_what_the_system_does_not_tell_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peak, "resident", lambda: None)
    with Peak(torch.device("cpu")) as watched:
        pass
    assert watched.bytes is None
    assert probed(Hungry(1), task(), DESCENT).memory is None
