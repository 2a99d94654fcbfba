"""How many of the cores that this process may use are kept busy by others.

Linux counts for each core what became of its time. What this process did not use itself others had:
programs of any kind and of any user. Those that were told to give way (``nice``) do not count.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

COUNTED = "/proc/stat"
"""Lines ``cpu0 user nice system idle iowait irq softirq ...``, in hundredths of a second."""

TICKS = 100.0
"""Of these a second has, on every Linux."""

WINDOW = 0.5
"""Seconds over which is counted, at the least: within fewer a hundredth is a large share."""


class Load:
    """What others computed on some cores since it was last asked.

    Args:
        counted: the file that says what became of the time of each core.
    """

    def __init__(self, counted: str = COUNTED) -> None:
        self._counted = Path(counted)
        self._at, self._busy, self._own = 0.0, -1.0, 0.0
        self._found = 0.0

    def of_others(self, cores: frozenset[int]) -> float:
        """Return how many cores others kept busy of late, on the mean; 0 where nobody counts.

        Args:
            cores: numbers of those that are looked at.
        """
        now = time.monotonic()
        if self._busy >= 0 and now - self._at < WINDOW:
            return self._found
        try:
            busy = _busy(self._counted.read_text("ascii"), cores, polite=gives_way())
        except (OSError, ValueError):
            return 0.0
        own, spent = time.process_time(), now - self._at
        if self._busy >= 0:
            others = (busy - self._busy) - (own - self._own)
            self._found = min(max(others / spent, 0.0), float(len(cores)))
        self._at, self._busy, self._own = now, busy, own
        return self._found


def gives_way() -> bool:
    """Tell whether this process was told to give way to others."""
    return hasattr(os, "nice") and os.nice(0) > 0


def _busy(text: str, cores: frozenset[int], *, polite: bool) -> float:
    # Seconds that cores have computed since the machine was started.
    total = 0.0
    for line in text.splitlines():
        name, *numbers = line.split()
        if name[:3] == "cpu" and name[3:].isdecimal() and int(name[3:]) in cores:
            user, nice, system, _, _, *interrupts = map(int, numbers[:7])
            total += user + (nice if polite else 0) + system + sum(interrupts)
    return total / TICKS
