"""Measure what bfloat16 brings on this processor, in seconds and in accuracy, in pairs.

    python benchmarks/precision.py --out benchmarks/results/precision.json
    python benchmarks/precision.py --dataset digits --model ConvNetD2W32 --updates 20 --epochs 20

Two questions, for every seed:

- the real side: a set is distilled by DM with real images in float32, and one with them in
  bfloat16, by the same draws; networks are trained on both in float32 and tested.
- validation: networks are trained on the first set, and tested, in float32 and in bfloat16.

Float32 passes by the route that is fastest here (``datastill.compute.tuning``), bfloat16 by
PyTorch's layers, which use AVX512-BF16 or AMX where a processor has them. Both are timed for each
seed one after the other; the unit of a difference is a seed. There is no integer arithmetic to
measure: datastill trains with none.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from steps import facts

import datastill as ds
from datastill.base import machine
from datastill.compute import kernels
from datastill.compute.route import Route
from datastill.compute.tuning import fastest
from datastill.data import ImageSet
from datastill.training.accuracies import Accuracies, difference

T = TypeVar("T")
WORDS = ("avx512_bf16", "amx_bf16", "amx_tile", "avx512_vnni", "bf16")
"""What the system calls arithmetic that is made for few bits."""


def timed(run: Callable[[], T]) -> tuple[T, float]:
    """Return what a function returns, and the seconds that it took."""
    started = time.perf_counter()
    found = run()
    return found, time.perf_counter() - started


def made(options: argparse.Namespace, real: ImageSet, seed: int, route: Route) -> ImageSet:
    """Distil a set by DM; only statistics of real images follow the route's precision."""
    published, key = ds.METHODS["DM"](options.ipc), ds.Key(seed).at("distil")
    policy = ds.dsa(ds.usual_strategy(real.domain))
    task = ds.Task(real, ds.builder(options.model, real.domain), key, policy, route)
    descent = published.descent(options.ipc, updates=options.updates)
    *_, last = ds.distill(published.method, task, descent)
    return last.synthetic


def seed_of(
    options: argparse.Namespace, real: ImageSet, test: ImageSet, seed: int, routes: dict[str, Route]
) -> dict[str, Any]:
    """Return the seconds and accuracies of one seed, by question and precision."""
    protocol, key = ds.preset("dsa", epochs=options.epochs), ds.Key(seed).at("validate")

    def judged(data: ImageSet, route: Route) -> Accuracies:
        count = options.networks
        return ds.validate(data, test, options.model, protocol, trials=count, key=key, route=route)

    found: dict[str, Any] = {"real side": {}, "validation": {}}
    sets: dict[str, ImageSet] = {}
    for name, route in routes.items():
        sets[name], seconds = timed(lambda route=route: made(options, real, seed, route))
        found["real side"][name] = {"seconds": seconds}
    for name, route in routes.items():
        accuracies, seconds = timed(lambda route=route: judged(sets["float32"], route))
        found["validation"][name] = {"seconds": seconds, "accuracies": accuracies.values}
    same = found["validation"]["float32"]["accuracies"]
    found["real side"]["float32"]["accuracies"] = same
    other = judged(sets["bfloat16"], routes["float32"])
    found["real side"]["bfloat16"]["accuracies"] = other.values
    return found


def tell(rows: list[dict[str, Any]]) -> None:
    """Print how many times as fast bfloat16 is, and how accuracies differ, over seeds."""
    for question in ("real side", "validation"):
        pairs = [(row[question]["float32"], row[question]["bfloat16"]) for row in rows]
        ratios = sorted(one["seconds"] / other["seconds"] for one, other in pairs)
        means = [
            Accuracies(tuple(statistics.mean(pair[side]["accuracies"]) for pair in pairs))
            for side in (0, 1)
        ]
        print(
            f"{question:<11} float32 / bfloat16 in seconds: {statistics.median(ratios):.2f} "
            f"({ratios[0]:.2f} to {ratios[-1]:.2f}); accuracy {means[0]} and {means[1]}, "
            f"difference {difference(means[1], means[0])}",
            flush=True,
        )


def main() -> None:
    """Measure seed by seed, print, and write all values."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", default="FashionMNIST")
    parser.add_argument("--model", default="ConvNet")
    parser.add_argument("--ipc", type=int, default=10)
    parser.add_argument("--updates", type=int, default=120)
    parser.add_argument("--epochs", type=int, default=1000)
    parser.add_argument("--networks", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    real, test = ds.load_dataset(options.dataset)
    if test is None:
        parser.error(f"{options.dataset} has no test images")
    float32 = fastest(options.model, real.domain).route
    plain = Route(kernels=False, chunk=float32.chunk if not float32.kernels else "auto")
    routes = {"float32": float32, "bfloat16": replace(plain, precision="bfloat16")}
    about = {
        "machine": facts(),
        "arithmetic": sorted(set(WORDS) & machine.features()),
        "kernels": kernels.instructions(),
        "options": {**vars(options), "out": None},
        "routes": {name: route.facts() for name, route in routes.items()},
    }
    print(f"has {', '.join(about['arithmetic']) or 'nothing made for few bits'}")
    brief = argparse.Namespace(**{**vars(options), "updates": 1})
    for route in routes.values():
        made(brief, real, 0, route)  # warms up
    rows: list[dict[str, Any]] = []
    for seed in range(options.seeds):
        rows.append(seed_of(options, real, test, seed, routes))
        tell(rows)
        if options.out:
            options.out.parent.mkdir(parents=True, exist_ok=True)
            options.out.write_text(json.dumps({**about, "seeds": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
