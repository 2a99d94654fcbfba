"""Time processes side by side, weigh ten of them, and schedule a study on many.

    python benchmarks/workers.py --out benchmarks/results/workers.json

Two processes of one thread are held against one of two, in turns, so that a machine that is busy
meets both alike: by training steps, and by a validation of four networks as the command does it.
Memory is what the processes hold together (proportional set sizes: what is shared counts once),
while ten of them train original models on FashionMNIST. The schedule has the times of real units.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from steps import facts

STEPS = """
import sys, time
from datastill.base.rng import Key
from datastill.datasets import load_split
from datastill.networks import build
from datastill.training.coresets import CORESETS
from datastill.training.fit import train
from datastill.training.protocol import preset
from datastill.augment import dsa, usual_strategy
from dataclasses import replace
real = load_split("FashionMNIST", "test")
data = real.take(CORESETS["random"](real, [10] * 10, key=Key(1)))
fit = replace(preset("dsa").fit, epochs=2, milestones=())
policy = dsa(usual_strategy(real.domain))
network = build("ConvNet", real.domain, key=Key(0))
train(network, data, fit, policy=policy, key=Key(0))
fit = replace(fit, epochs=int(sys.argv[1]))
started = time.perf_counter()
train(network, data, fit, policy=policy, key=Key(0))
print(time.perf_counter() - started)
"""


def python(code: str, *words: str, threads: int) -> subprocess.Popen[str]:
    """Start Python on a piece of code, with so many threads."""
    env = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    return subprocess.Popen([sys.executable, "-c", code, *words], stdout=-1, text=True, env=env)


def steps(epochs: int) -> dict[str, float]:
    """Return the seconds of a network by one process of two threads, and by two side by side."""
    alone = float(python(STEPS, str(epochs), threads=2).communicate()[0])
    both = [python(STEPS, str(epochs), threads=1) for _ in range(2)]
    side = max(float(one.communicate()[0]) for one in both)
    return {"one of two threads": alone, "two of one thread": side / 2}


def validation(folder: Path, epochs: int) -> dict[str, float]:
    """Return the seconds of a validation of four networks, processes' beginnings included."""
    found: dict[str, float] = {}
    for jobs, name in ((1, "one of two threads"), (2, "two of one thread")):
        env = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
        line = f"validate set.safetensors --num-eval 4 --epochs {epochs} --dsa --quiet"
        words = f"{line} --out by-{jobs}-{time.monotonic_ns()} --jobs {jobs} --engine kernels"
        started = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "datastill", *words.split()], check=True, env=env, cwd=folder
        )
        found[name] = time.perf_counter() - started
    return found


def made(folder: Path) -> None:
    """Write a set of ten random real images of each class."""
    from datastill import save
    from datastill.base.rng import Key
    from datastill.datasets import load_split
    from datastill.training.coresets import CORESETS

    real = load_split("FashionMNIST", "train")
    save(real.take(CORESETS["random"](real, [10] * 10, key=Key(1))), folder / "set.safetensors")


def held(parent: int) -> dict[str, float]:
    """Return the MiB that the processes below one hold together, and that the largest has.

    That from which workers are copied counts too, but is no worker.
    """
    sizes = {number: size for number in _below(parent) if (size := _rollup(number))}
    workers = [size for number, size in sizes.items() if not _children(number)]
    together = sum(sizes.values())
    return {"processes": len(workers), "together": together, "largest": max(workers, default=0)}


def _children(parent: int) -> list[int]:
    found: list[int] = []
    try:
        for thread in Path(f"/proc/{parent}/task").iterdir():
            found += map(int, (thread / "children").read_text().split())
    except OSError:  # it has ended
        pass
    return found


def _below(parent: int) -> list[int]:
    children = _children(parent)
    return [*children, *(one for child in children for one in _below(child))]


def _rollup(number: int) -> float:
    try:
        text = Path(f"/proc/{number}/smaps_rollup").read_text()
        command = Path(f"/proc/{number}/cmdline").read_text()
    except OSError:
        return 0.0
    if "spawn_main" not in command and "forkserver" not in command:
        return 0.0
    return next(int(line.split()[1]) / 1024 for line in text.splitlines() if "Pss:" in line)


def weigh(jobs: int, seconds: float, folder: Path) -> dict[str, Any]:
    """Return the most that ten processes held while they train on FashionMNIST."""
    words = f"train --dataset FashionMNIST --model ConvNetD2W32 --num {jobs} --epochs 50 --quiet"
    line = [sys.executable, "-m", "datastill", *words.split(), "--jobs", str(jobs)]
    most: dict[str, Any] = {"together": 0.0}
    with subprocess.Popen(line, cwd=folder) as process:
        started = None
        while process.poll() is None and (not started or time.perf_counter() < started + seconds):
            time.sleep(1)
            now = held(process.pid)
            if now["processes"] == jobs:  # what comes before takes a busy machine long
                started = started or time.perf_counter()
            most = max(most, now, key=lambda one: one["together"])
        for _ in range(2):  # the second ends it at once, in the middle of an epoch
            process.terminate()
            time.sleep(1)
    return most


def main() -> None:
    """Measure, print and write every value."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3, help="of the timings; 0 for none")
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--weigh", type=float, default=90, help="seconds, once all are there")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    found: dict[str, Any] = {"machine": facts(), "cores": os.cpu_count()}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        if given.repeats:
            made(folder)
        timed = (
            ("steps", lambda: steps(given.epochs)),
            ("validation of four networks", lambda: validation(folder, given.epochs)),
        )
        for name, measure in timed if given.repeats else ():
            rows = [measure() for _ in range(given.repeats)]
            ratios = [row["two of one thread"] / row["one of two threads"] for row in rows]
            found[name] = {"seconds": rows, "ratio": statistics.median(ratios), "ratios": ratios}
            print(f"{name}: {statistics.median(ratios):.3f} ({min(ratios):.3f}-{max(ratios):.3f})")
        found["memory of ten, MiB"] = weigh(10, given.weigh, folder)
        print(found["memory of ten, MiB"])
    if given.out:
        given.out.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
