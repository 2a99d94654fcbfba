"""Time the steps that a run is made of, by every route, in one process and in turn.

    python benchmarks/steps.py --repeats 5 --out benchmarks/results/steps.json

FashionMNIST's shape, random pixels: what a step costs does not depend on what is in the pictures.
Every repeat times all routes one after another, so that a drifting machine drifts for all; what
counts is the ratio to the plain route of the same repeat. Compiling is warmed up first, and told.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

from datastill.augment import dsa, usual_strategy
from datastill.data import ImageSet
from datastill.datasets.idx import FASHION
from datastill.distillation import Descent, distill
from datastill.methods import METHODS, Task
from datastill.networks import build, builder
from datastill.protocol import preset
from datastill.rng import Key
from datastill.route import PLAIN, Route
from datastill.train import Fit, train

ROUTES = {
    "plain": PLAIN,
    "chunks": Route(),
    "chunks, bfloat16": Route(precision="bfloat16"),
    "compiled": Route(compiled=True),
    "compiled, bfloat16": Route(compiled=True, precision="bfloat16"),
}


def random_images(per_class: int) -> ImageSet:
    """Make as many random images of every class."""
    labels = torch.arange(10).repeat_interleave(per_class)
    images = torch.randn(len(labels), *FASHION.shape, generator=Key(0).generator())
    return ImageSet(images, labels, FASHION)


def update(method: str, ipc: int, route: Route) -> Callable[[], None]:
    """Return one update of a distillation, of the first that its networks go through."""
    real = random_images(300)
    published = METHODS[method](ipc)
    policy = dsa(usual_strategy(FASHION) if published.augmented else "none")
    task = Task(real, builder("ConvNet", FASHION), Key(0), policy, route)
    descent = Descent(ipc=ipc, updates=1, batch=256, lr=published.lr, init=published.init)

    def run() -> None:
        for _ in distill(published.method, task, descent):
            pass

    return run


def inner_loop(ipc: int, route: Route) -> Callable[[], None]:
    """Return ten epochs of a network's ageing between two updates of DC."""
    data, fit = random_images(ipc), Fit(10, lr=0.01, momentum=0, weight_decay=0)
    network = build("ConvNet", FASHION, key=Key(0))
    return lambda: train(network, data, fit, key=Key(0), route=route)


def validation(ipc: int, route: Route) -> Callable[[], None]:
    """Return ten epochs of validation."""
    data, protocol = random_images(ipc), preset("dsa", epochs=9)
    network = build("ConvNet", FASHION, key=Key(0))
    policy = dsa(usual_strategy(FASHION))
    return lambda: train(network, data, protocol.fit, policy=policy, key=Key(0), route=route)


def seconds(run: Callable[[], None]) -> float:
    """Time one call."""
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def measure(make: Callable[[Route], Callable[[], None]], repeats: int) -> dict[str, object]:
    """Time a step by every route, in turn."""
    steps = {name: make(route) for name, route in ROUTES.items()}
    warm_up = {name: seconds(run) for name, run in steps.items()}
    rows = [{name: seconds(run) for name, run in steps.items()} for _ in range(repeats)]
    return {
        name: {
            "seconds": [round(row[name], 4) for row in rows],
            "median": round(statistics.median(row[name] for row in rows), 4),
            "times_plain": round(statistics.median(row["plain"] / row[name] for row in rows), 2),
            "first_call": round(warm_up[name], 2),
        }
        for name in steps
    }


def main() -> None:
    """Measure, print a line for each step and route, and write all values."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--ipc", type=int, default=10)
    parser.add_argument("--steps", nargs="+", default=["DM", "DC", "DSA", "inner", "validation"])
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    makers: dict[str, Callable[[Route], Callable[[], None]]] = {
        **{m: lambda route, m=m: update(m, options.ipc, route) for m in ("DM", "DC", "DSA")},
        "inner": lambda route: inner_loop(options.ipc, route),
        "validation": lambda route: validation(options.ipc, route),
    }
    machine = {
        "processor": platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }
    results: dict[str, object] = {"machine": machine, "ipc": options.ipc}
    for step in options.steps:
        found = measure(makers[step], options.repeats)
        results[step] = found
        for name, row in found.items():
            print(f"{step:<11} {name:<19} {row['median']:8.3f} s  {row['times_plain']:5.2f} x")
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
