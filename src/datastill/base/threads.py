"""How a process shares the cores of a machine with others. OpenMP reads it when PyTorch is loaded.

By default threads that wait for one another go round and round for milliseconds. Alone on a
machine that costs nothing; beside other work they burn, waiting for a thread that was held up, the
very time that the system would give it.
"""

# This runs before the current folder is off the module path: only what Python has loaded already.
import os
import sys

SPINS = "1000"
"""Rounds that a thread waits before it sleeps: tens of microseconds, as long as waking takes."""

PATIENCE = "1"
"""The same in milliseconds, for the OpenMP of LLVM and Intel."""

SAID = "OMP_NUM_THREADS" in os.environ
"""Whether somebody has said how many threads there are to be."""

GROUPS = "/sys/fs/cgroup"
OURS = "/proc/self/cgroup"


def share_cores() -> None:
    """Let threads that wait sleep soon, and start no more of them than this process may use.

    What the environment says already stands. Without effect once PyTorch is loaded.
    """
    if "torch" in sys.modules:
        return
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
        os.environ.setdefault("KMP_BLOCKTIME", PATIENCE)
    allowed = quota()
    if allowed is not None and allowed < cores():
        os.environ.setdefault("OMP_NUM_THREADS", str(max(1, int(-(-allowed // 1)))))


def quota(groups: str = GROUPS, ours: str = OURS) -> "float | None":
    """Return the cores whose time a container's limits allow this process; None without limit.

    Args:
        groups: where the system mounts its control groups.
        ours: the file that says to which of them this process belongs.
    """
    limits: list[float] = []
    for line in _words(ours, "\n"):
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        here = (groups + "/cpu" if controllers else groups) + path.rstrip("/")
        while len(here) >= len(groups):  # a group limits those below it
            limits += _limits(here)
            here = here.rpartition("/")[0]
    return min(limits, default=None)


def _limits(folder: str) -> "list[float]":
    share = _words(folder + "/cpu.max") or [
        *_words(folder + "/cpu.cfs_quota_us"),
        *_words(folder + "/cpu.cfs_period_us"),
    ]
    known = len(share) == 2 and all(word.isdecimal() and int(word) for word in share)
    return [int(share[0]) / int(share[1])] if known else []  # "max" and -1 are no limit


def _words(path: str, between: "str | None" = None) -> "list[str]":
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return []
    try:
        return os.read(descriptor, 2**16).decode(errors="replace").strip().split(between)
    except OSError:
        return []
    finally:
        os.close(descriptor)


def cores() -> int:
    """Return how many cores this process may run on."""
    return len(own_cores())


def own_cores() -> "frozenset[int]":
    """Return the numbers of the cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return frozenset(os.sched_getaffinity(0))
    return frozenset(range(os.cpu_count() or 1))
