"""A run that shall end in a given time: how many updates, and networks to judge them by."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from datastill.cli.options import Machine

if TYPE_CHECKING:
    from datastill.clom import Regulariser
    from datastill.distillation import Descent
    from datastill.forecast import Plan
    from datastill.methods import Published, Task

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
    from datastill import forecast
    from datastill.augment import dsa, identity, usual_strategy
    from datastill.distillation import distill
    from datastill.networks import build
    from datastill.protocol import preset
    from datastill.train import epochs

    started = time.perf_counter()
    brief = replace(descent, updates=PROBED)
    made = None
    spent: list[float] = []
    for snapshot, seconds in _timed(
        distill(published.method, task, brief, regularisers=regularisers)
    ):
        spent.append(seconds)
        made = snapshot.synthetic
    assert made is not None
    outer = getattr(published.method, "outer_loop", 1)
    later = statistics.median(spent[1:])  # the first comes without an aged network, and warms up
    update = (min(spent[0], later) + (outer - 1) * later) / outer

    protocol = preset(published.protocol)
    policy = dsa(usual_strategy(made.domain)) if protocol.augmented else identity
    network = build(model, made.domain, key=task.key).to(made.images.device)
    brief_fit = replace(protocol.fit, epochs=PROBED)
    fitted = epochs(network, made, brief_fit, policy=policy, key=task.key, route=task.route)
    epoch = statistics.median([seconds for _, seconds in _timed(fitted)][1:])
    return forecast.plan(
        60 * minutes,
        update=update,
        network=protocol.fit.epochs * epoch,
        overhead=OVERHEAD + time.perf_counter() - started,
        most=descent.updates,
    )


def judge(
    folder: Path, networks: int, model: str, data_path: Path | None, machine: Machine
) -> None:
    """Validate the finished set, as ``datastill validate`` does."""
    from datastill.cli.validate import Validate

    Validate(folder, data_path=data_path, model=(model,), num_eval=networks, machine=machine).run()


def _timed(items: Iterable[Item]) -> Iterator[tuple[Item, float]]:
    last = time.perf_counter()
    for item in items:
        now = time.perf_counter()
        yield item, now - last
        last = time.perf_counter()
