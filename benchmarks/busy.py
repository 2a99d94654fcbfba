"""Measure what neighbours cost: a DM update and an epoch of validation, alone and beside others.

    python benchmarks/busy.py --out benchmarks/results/busy.json

Neighbours are processes that burn a core each, at the same priority; "itself" is the same step in
another process at the same time. In every round each step is timed by each way, alone and beside
each number of neighbours, one after another; what counts is the ratio to alone within the round.
``--waits spinning`` lets threads wait as OpenMP does by default, for comparison. Processes have as
many threads as there are cores, and share these out; with ``--threads``, which is OMP_NUM_THREADS,
each keeps what it says.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

STEPS = ("DM 10", "validation 10")
WAYS = ("kernels", "plain", "channels last")
SPINNING = "300000"
"""What libgomp takes where nobody says otherwise."""

GONE = 2.5
"""Seconds after which a process that computes no more is nobody's neighbour."""

SETTLE = 0.5
"""Seconds that neighbours are given to begin."""


class Worker:
    """A process that runs steps when it is asked, and says how long they took."""

    def __init__(self, threads: int | None, waits: str) -> None:
        os.environ.pop("OMP_NUM_THREADS", None)
        if threads is not None:
            os.environ["OMP_NUM_THREADS"] = str(threads)  # a process started now inherits it
        os.environ.pop("GOMP_SPINCOUNT", None)
        if waits == "spinning":
            os.environ["GOMP_SPINCOUNT"] = SPINNING
        context = multiprocessing.get_context("spawn")
        self.line, far = context.Pipe()
        self.process = context.Process(target=work, args=(far,), daemon=True)
        self.process.start()

    def ask(self, step: str, way: str, count: int) -> None:
        """Have a step run so many times."""
        self.line.send((step, way, count))

    def seconds(self) -> list[float]:
        """Return what one of them took by the clock, and of the processors' time."""
        return self.line.recv()


def work(line: Connection) -> None:
    """Answer what a ``Worker`` asks, until there is nobody."""
    from steps import ROUTES, ours

    known: dict[tuple[str, str], Any] = {}
    with contextlib.suppress(EOFError):
        while True:
            step, way, count = line.recv()
            if (step, way) not in known:
                known[step, way] = ours(step, ROUTES[way])
                known[step, way]()  # warms up
            started, burnt = time.perf_counter(), time.process_time()
            for _ in range(count):
                known[step, way]()
            took = time.perf_counter() - started, time.process_time() - burnt
            line.send([seconds / count for seconds in took])


@contextlib.contextmanager
def neighbours(count: int) -> Generator[None]:
    """Keep so many cores busy inside the ``with`` block."""
    # Until nobody is there to end them.
    code = "import os\nhere = os.getppid()\nwhile os.getppid() == here: sum(range(10**6))"
    burn = [sys.executable, "-c", code]
    running = [subprocess.Popen(burn) for _ in range(count)]
    try:
        time.sleep(SETTLE if count else 0)
        yield
    finally:
        for one in running:
            one.kill()
            one.wait()


def once(workers: Sequence[Worker], step: str, way: str, count: int) -> list[float]:
    """Return what a step took where all workers ran it at the same time: of the slowest."""
    for worker in workers:
        worker.ask(step, way, count)
    return max(worker.seconds() for worker in workers)


def measured(options: argparse.Namespace, waits: str) -> dict[str, Any]:
    """Return the seconds of every round, by step, way and what was beside."""
    pair = [Worker(options.threads, waits) for _ in range(2)]
    found: dict[str, Any] = {}
    for step in options.steps:
        for way in options.ways:
            once(pair, step, way, 1)
            time.sleep(GONE)
            row: dict[str, list[list[float]]] = {}
            for _ in range(options.rounds):
                for count in (0, *options.neighbours):
                    with neighbours(count):
                        row.setdefault(str(count), []).append(
                            once(pair[:1], step, way, options.count)
                        )
                once(pair, step, way, 1)  # takes note of one another
                row.setdefault("itself", []).append(once(pair, step, way, options.count))
                time.sleep(GONE)
            found[f"{step}, {way}"] = row
            tell(f"{step}, {way}, {waits}", row)
    for worker in pair:
        worker.line.close()
        worker.process.join(5)
    return found


def tell(name: str, row: dict[str, list[list[float]]]) -> None:
    """Print the seconds alone, and the ratios beside others, as medians and ranges."""
    clock = {beside: [seconds for seconds, _ in rounds] for beside, rounds in row.items()}
    parts = []
    for beside, rounds in row.items():
        burnt = statistics.median(seconds for _, seconds in rounds)
        ratios = sorted(b / a for a, b in zip(clock["0"], clock[beside], strict=True))
        told = f"{statistics.median(ratios):.2f} x ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        if beside == "0":
            told = f"{statistics.median(clock['0']):.3f} s"
        parts.append(f"{'alone' if beside == '0' else beside} {told}, cores {burnt:.3f} s")
    print(f"{name:<36} {'; '.join(parts)}", flush=True)


def main() -> None:
    """Measure, print a line for each step and way, and write all values."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--count", type=int, default=3, help="runs of a step in one measurement")
    parser.add_argument("--threads", type=int, help="of each; else they share")
    parser.add_argument("--neighbours", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=list(STEPS))
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=["kernels", "plain"])
    parser.add_argument(
        "--waits", nargs="+", choices=("sleeping", "spinning"), default=["sleeping"]
    )
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    found = {waits: measured(options, waits) for waits in options.waits}
    if options.out:
        from steps import facts

        from datastill.compute import kernels

        options.out.parent.mkdir(parents=True, exist_ok=True)
        about: dict[str, Any] = {"machine": {**facts(), "threads": options.threads}}
        about["kernels"] = kernels.instructions()
        options.out.write_text(json.dumps({**about, "seconds": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
