"""A run that shall end in a given time: how many updates, and networks to judge them by."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from datastill.cli.options import Machine
from datastill.errors import InputError

if TYPE_CHECKING:
    from datastill.costs import Plan
    from datastill.distillation import Descent
    from datastill.methods import Published, Task

OVERHEAD = 12.0
"""Seconds for starting, reading and writing."""

TEST_SHARE = 0.2
"""Test images, against real ones, as far as is known before the test set is read."""


def planned(
    minutes: float, published: Published, task: Task, descent: Descent, model: str, *, guided: bool
) -> Plan:
    """Return how many updates and networks fit.

    Args:
        minutes: for everything.
        published: the method, and how its sets are validated.
        task: what it works on.
        descent: how; its number of updates is the most that is planned.
        model: architecture of all networks.
        guided: whether original models of about its size guide by CLOM.

    Raises:
        InputError: when it is too little time, or the images per class differ.
    """
    from datastill import costs
    from datastill.protocol import preset

    if not isinstance(descent.ipc, int):
        raise InputError("--max-minutes plans for one number of images per class, not for several")
    domain = task.real.domain
    rates = costs.measured(model, domain, task.policy, task.route)
    update = costs.update(
        published.method,
        rates,
        ipc=descent.ipc,
        classes=len(domain.classes),
        batch=min(descent.batch, max(task.real.counts)),
        teachers=rates.pixels if guided else 0.0,
    )
    network = costs.validation(
        preset(published.protocol),
        rates,
        images=descent.ipc * len(domain.classes),
        tested=round(TEST_SHARE * len(task.real)),
    )
    return costs.plan(
        60 * minutes,
        update=update.seconds,
        network=network.seconds,
        overhead=OVERHEAD,
        most=descent.updates,
    )


def judge(
    folder: Path, networks: int, model: str, data_path: Path | None, machine: Machine
) -> None:
    """Validate the finished set, as ``datastill validate`` does."""
    from datastill.cli.validate import Validate

    Validate(folder, data_path=data_path, model=(model,), num_eval=networks, machine=machine).run()
