"""How processes that run the tests side by side share the cores of a machine."""

import os

from datastill.base import threads

MOST = 8
"""Workers; each takes half a gigabyte, and there are no more long tests than that."""


def cores() -> int:
    """Return the cores that the tests may use, those of a container's limits rounded down."""
    return max(1, int(min(threads.cores(), threads.quota() or MOST)))


def workers() -> int:
    """Return how many processes run the tests.

    One more than there are cores: tests that wait for processes, kernels and browsers of their own
    left a quarter of each core idle.
    """
    return min(MOST, cores() + 1)


def told_of_cores() -> dict[str, str]:
    """Return what the environment has to say to a worker, and to what it starts.

    Each has its part of the cores, where nobody said otherwise.
    """
    beside = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if beside == 1 or "OMP_NUM_THREADS" in os.environ:
        return {}
    return {"OMP_NUM_THREADS": str(max(1, cores() // beside))}
