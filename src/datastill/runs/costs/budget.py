"""A run that shall end in a given time: how many updates, and networks to judge them by."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TypeVar

import torch

from datastill.augment import policy_for
from datastill.data import ImageSet
from datastill.distillation.clom import Regulariser
from datastill.distillation.descent import Descent
from datastill.distillation.loop import distill
from datastill.distillation.methods import Method, Published, Task, period_of
from datastill.networks import build
from datastill.runs.costs import forecast
from datastill.runs.costs.forecast import Plan
from datastill.training.fit import epochs
from datastill.training.protocol import Protocol, preset

OVERHEAD = 12.0
"""Seconds for starting, reading and writing."""

Item = TypeVar("Item")

PROBED = 4
"""Updates and epochs that are tried out. The first costs more, or less, than those to come."""


def planned(
    minutes: float,
    published: Published,
    task: Task,
    descent: Descent,
    regularisers: Mapping[str, Regulariser],
    *,
    model: str,
) -> Plan:
    """Try out a few updates and a few epochs, and return how many updates and networks fit.

    Args:
        minutes: for everything.
        published: the method, and how its sets are validated.
        task: what it works on.
        descent: how; its number of updates is the most that is planned.
        regularisers: what else is computed in an update.
        model: architecture of the networks that judge.

    Raises:
        InputError: when it is too little time.
    """
    started = _now()
    protocol = preset(published.protocol, dataset=task.real.domain.name)
    update, made = _update(published.method, task, descent, regularisers)
    epoch = _epoch(made, task, protocol, model)
    return forecast.plan(
        60 * minutes,
        update=update,
        network=protocol.fit.epochs * epoch,
        overhead=OVERHEAD + _now() - started,
        most=descent.updates,
    )


def _update(
    method: Method, task: Task, descent: Descent, regularisers: Mapping[str, Regulariser]
) -> tuple[float, ImageSet]:
    # Seconds that an update takes on average, and the set that some have made.

    brief, made = replace(descent, updates=PROBED), None
    spent: list[float] = []
    for snapshot, seconds in _timed(distill(method, task, brief, regularisers=regularisers)):
        spent.append(seconds)
        made = snapshot.synthetic
    assert made is not None
    outer = period_of(method)
    later = statistics.median(spent[1:])  # the first comes without an aged network, and warms up
    return (min(spent[0], later) + (outer - 1) * later) / outer, made


def _epoch(made: ImageSet, task: Task, protocol: Protocol, model: str) -> float:
    # Seconds that an epoch of a network takes that judges the set.

    policy = policy_for(protocol.augmentation, made.domain)
    network = build(model, made.domain, key=task.key).to(made.images.device)
    brief = replace(protocol.fit, epochs=PROBED)
    fitted = epochs(network, made, brief, policy=policy, key=task.key, route=task.route)
    return statistics.median([seconds for _, seconds in _timed(fitted)][1:])


def _timed(items: Iterable[Item]) -> Iterator[tuple[Item, float]]:
    last = _now()
    for item in items:
        now = _now()
        yield item, now - last
        last = _now()


def _now() -> float:
    if torch.cuda.is_available():  # it goes on computing what was asked of it
        torch.cuda.synchronize()
    return time.perf_counter()
