"""Time on a GPU what a run is made of, by every way and by the reference program, in one call.

    python benchmarks/gpu.py --reference DatasetCondensation --out benchmarks/results/gpu.json

FashionMNIST's shape, random pixels. It ends by itself: what there was no time for is told. Next to
the times stand how far the losses of each way are from those of float32, whether an update ever
waits for the GPU, and the memory that it took. ``--profile`` tells of ours how many kernels a step
starts, for how long they keep the GPU busy (all of a step's time that is left is waiting for the
CPU that starts them), and which take the longest.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from reference import Reference
from steps import epochs, facts, random_images, updates
from torch.profiler import ProfilerActivity, profile

from datastill.augment import dsa, usual_strategy
from datastill.base.rng import Key
from datastill.compute.route import Route
from datastill.datasets.idx import FASHION
from datastill.distillation.methods import METHODS
from datastill.networks import build
from datastill.training import stacked
from datastill.training.protocol import preset

FLOAT32 = Route(kernels=False)
TF32 = replace(FLOAT32, precision="tf32")
BFLOAT16 = replace(FLOAT32, precision="bfloat16")
WAYS = {
    "float32": FLOAT32,
    "tf32": TF32,
    "tf32, class by class": replace(TF32, at_once=False),
    "tf32, channels last": replace(TF32, channels_last=True),
    "tf32, reworded": replace(TF32, reworded=True),
    "bfloat16": BFLOAT16,
    "tf32, compiled": replace(TF32, compiled=True),
    "bfloat16, compiled": replace(BFLOAT16, compiled=True),
}
REFERENCE = "reference"
STEPS = ("DM 10", "DC 10", "DSA 10", "DM 1", "DC 1", "DM 50", "inner 10", "validation 10")
EPOCHS = 10
NETWORKS = 20
COMPARED = 3
LONGEST = 8
"""Updates whose losses are compared: later ones follow from earlier ones, and drift apart."""

Step = Callable[[], object]


@dataclass(frozen=True)
class Bench:
    """Where it is measured, and how often.

    Attributes:
        device: to measure on.
        repeats: of each step.
        deadline: by ``time.perf_counter``, after which nothing more is begun.
        profiles: whether steps of ours are profiled.
    """

    device: str
    repeats: int
    deadline: float
    profiles: bool

    def wait(self) -> None:
        """Let the device end what it has to do."""
        if self.device != "cpu":
            torch.cuda.synchronize()

    def seconds(self, run: Step) -> float:
        """Time one step to its end."""
        self.wait()
        started = time.perf_counter()
        run()
        self.wait()
        return time.perf_counter() - started

    def row(self, run: Step) -> dict[str, Any]:
        """Time a step, and note the memory that it takes."""
        first = self.seconds(run)  # libraries are loaded and programs compiled
        if self.device != "cpu":
            torch.cuda.reset_peak_memory_stats()
        spent = [self.seconds(run) for _ in range(self.repeats)]
        peak = torch.cuda.max_memory_allocated() if self.device != "cpu" else 0
        return {
            "seconds": [round(value, 6) for value in spent],
            "median": statistics.median(spent),
            "first_call": round(first, 3),
            "peak_bytes": peak,
        }

    def profile(self, run: Step) -> dict[str, Any]:
        """Tell what a step does on the GPU, by PyTorch's profiler."""
        self.wait()
        with profile(activities=[ProfilerActivity.CUDA]) as watched:
            run()
            self.wait()
        kernels = [one for one in watched.key_averages() if one.self_device_time_total > 0]
        kernels.sort(key=lambda one: -one.self_device_time_total)
        longest = {
            one.key[:100]: [one.count, round(one.self_device_time_total / 1e6, 6)]
            for one in kernels[:LONGEST]
        }
        return {
            "launches": sum(one.count for one in kernels),
            "busy_seconds": round(sum(one.self_device_time_total for one in kernels) / 1e6, 6),
            "longest": longest,
        }


def ours(step: str, route: Route, device: str) -> Step:
    """Return a step by a route: of a method the next update of one distillation."""
    name, ipc = step.split()
    if name == "inner":
        return epochs(int(ipc), route, augmented=False, device=device)
    if name == "validation":
        return validation(int(ipc), route, device)
    going = updates(name, int(ipc), route, random_images(300, device), count=10**6, ageing=False)
    return lambda: next(going)


def validation(ipc: int, route: Route, device: str) -> Step:
    """Return epochs of many networks at once."""
    data, fit = random_images(ipc, device), preset("dsa", epochs=EPOCHS - 1).fit
    policy, keys = dsa(usual_strategy(FASHION)), [Key(i) for i in range(NETWORKS)]

    def run() -> None:
        networks = [build("ConvNet", FASHION, key=key).to(device) for key in keys]
        sets = [data] * NETWORKS
        stacked.train(networks, sets, fit, policy=policy, keys=keys, route=route)

    return run


def theirs(step: str, reference: Reference, device: str) -> Step:
    """Return a step of the reference program, which validates one network after another."""
    name, ipc = step.split()
    if name == "inner":
        return reference.epochs(int(ipc), EPOCHS, augmented=False)
    if name == "validation":
        runs = [reference.epochs(int(ipc), EPOCHS, augmented=True) for _ in range(NETWORKS)]
        return lambda: [run() for run in runs]
    real = random_images(300, device)
    return reference.update(name, int(ipc), real.images.unflatten(0, (10, 300)))


def losses(step: str, route: Route, device: str) -> list[float]:
    """Return the losses of the first updates of a method."""
    name, ipc = step.split()
    found = updates(name, int(ipc), route, random_images(300, device), count=COMPARED)
    return [float(snapshot.losses["match"]) for snapshot in found]


def waits(step: str, route: Route, device: str) -> str:
    """Say whether an update waits for the GPU, and for what."""
    name, ipc = step.split()
    going = updates(name, int(ipc), route, random_images(300, device), count=2)
    next(going)
    torch.cuda.set_sync_debug_mode("error")
    try:
        next(going)
    except RuntimeError as error:
        return str(error).splitlines()[0]
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return ""


def measure(step: str, ways: dict[str, Route], reference: Reference | None, bench: Bench) -> Any:
    """Measure a step by all ways, as far as time allows, and print a line for each."""
    runs = {name: ours(step, route, bench.device) for name, route in ways.items()}
    if reference is not None:
        runs = {REFERENCE: theirs(step, reference, bench.device), **runs}
    found: dict[str, Any] = {}
    distils = step.split()[0] in METHODS.names
    exact = losses(step, FLOAT32, bench.device) if distils else []
    for name, run in runs.items():
        if time.perf_counter() > bench.deadline:
            found[name] = "left out: no time"
            print(f"{step:<14} {name:<22} left out: no time", flush=True)
            continue
        found[name] = row = bench.row(run)
        row["times"] = round(next(iter(found.values()))["median"] / row["median"], 2)
        if distils and name in ways:
            pairs = zip(losses(step, ways[name], bench.device), exact, strict=True)
            row["losses_apart"] = max(abs(a - b) / abs(b) for a, b in pairs)
            row["waits"] = waits(step, ways[name], bench.device) if bench.device != "cpu" else ""
        if name in ways and bench.profiles:
            row["profile"] = bench.profile(run)
        told = f"{1e3 * row['median']:10.2f} ms {row['times']:7.2f} x"
        busy = 1e3 * row.get("profile", {}).get("busy_seconds", 0)
        told += f"  busy {busy:8.2f} ms  first {row['first_call']:.1f} s"
        print(f"{step:<14} {name:<22} {told}", flush=True)
    return found


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--minutes", type=float, default=8, help="begin nothing after so many")
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=list(STEPS))
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--reference", type=Path, help="a checkout of the reference program")
    parser.add_argument("--profile", action="store_true", help="tell what steps do on the GPU")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if options.device != "cpu" and not torch.cuda.is_available():
        parser.error("there is no GPU here; --device cpu tries the script")
    deadline = time.perf_counter() + 60 * options.minutes
    bench = Bench(options.device, options.repeats, deadline, options.profile)
    reference = Reference(options.reference, options.device) if options.reference else None
    card = torch.cuda.get_device_name() if options.device != "cpu" else "none"
    results: dict[str, Any] = {"machine": {**facts(), "gpu": card}, "networks": NETWORKS}
    for step in options.steps:
        ways = {name: WAYS[name] for name in options.ways}
        results[step] = measure(step, ways, reference, bench)
        if options.out:
            options.out.parent.mkdir(parents=True, exist_ok=True)
            options.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
