"""Time the steps that a run is made of, by every route and by the reference program, in turn.

    python benchmarks/steps.py --reference DatasetCondensation --out benchmarks/results/steps.json

FashionMNIST's shape, random pixels: what a step costs does not depend on what is in the pictures.
Every repeat times all of them one after another, so that a drifting machine drifts for all; what
counts is the ratio within a repeat. What happens once (compiling, building) is told apart, and
ratios are given with it as well, as they are in a run of 100 steps. Kernels are timed for every set
of instructions that the processor has, or those that --instructions names; at the end the ratios
stand in a table, a column for each way.

The reference program runs as PyTorch runs it here. Where that is by AVX-512 it says little of a
processor without: --reference-held-to avx2 times it a second time, by what PyTorch, oneDNN and MKL
have for AVX2 alone, and holds the kernels for AVX2 against both.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import json
import multiprocessing
import os
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from reference import Reference

from datastill.augment import dsa, usual_strategy
from datastill.base.rng import Key
from datastill.compute import kernels
from datastill.compute.kernels.instructions import available, choosing
from datastill.compute.route import Route
from datastill.data import ImageSet
from datastill.datasets import load_split
from datastill.datasets.idx import FASHION
from datastill.distillation.loop import Snapshot, distill
from datastill.distillation.methods import METHODS, Task
from datastill.distillation.methods.gradient_matching import GradientMatching
from datastill.networks import build, builder
from datastill.training.fit import Fit, train
from datastill.training.protocol import preset

ROUTES = {
    "kernels": Route(kernels=True),
    "plain": Route(kernels=False),
    "channels last": Route(chunk=64, kernels=False, channels_last=True),
    "bfloat16": Route(kernels=False, precision="bfloat16"),
    "compiled": Route(kernels=False, compiled=True),
    "compiled, bfloat16": Route(kernels=False, compiled=True, precision="bfloat16"),
}
BY_DEFAULT = ["kernels", "plain", "channels last", "compiled"]
REFERENCE = "reference"
HELD_TO = {
    "avx2": {
        "ATEN_CPU_CAPABILITY": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    }
}
"""What keeps PyTorch and its libraries to a set of instructions; read when they are loaded."""
RUN = 100
"""Steps of a run over which what happens once is spread."""
EPOCHS = 10
LOADING = "loading 60000"
STEPS = (
    *("DM 1", "DM 10", "DM 50", "DC 1", "DC 10", "DSA 1", "DSA 10"),
    *("inner 10", "validation 10", LOADING),
)

Step = Callable[[], None]


def random_images(per_class: int, device: str = "cpu") -> ImageSet:
    """Make as many random images of every class."""
    labels = torch.arange(10).repeat_interleave(per_class)
    images = torch.randn(len(labels), *FASHION.shape, generator=Key(0).generator())
    return ImageSet(images, labels, FASHION).to(device)


def updates(
    name: str,
    ipc: int,
    route: Route,
    real: ImageSet,
    *,
    count: int = 1,
    ageing: bool = True,
) -> Iterator[Snapshot]:
    """Return some updates of a distillation, whose networks may age in between or not."""
    published, place = METHODS[name](ipc), real.images.device
    method = published.method
    if isinstance(method, GradientMatching) and not ageing:
        method = replace(method, outer_loop=1)  # a new network for every update
    policy = dsa(usual_strategy(FASHION) if published.augmented else "none")
    task = Task(real, builder("ConvNet", FASHION, place), Key(0), policy, route)
    descent = published.descent(ipc, updates=count, batch=256)
    return distill(method, task, descent)


def update(method: str, ipc: int, route: Route) -> Step:
    """Return the first update of a distillation."""
    real = random_images(300)

    def run() -> None:
        for _ in updates(method, ipc, route, real):
            pass

    return run


def epochs(ipc: int, route: Route, *, augmented: bool, device: str = "cpu") -> Step:
    """Return epochs on a synthetic set: an inner loop of DC, or, augmented, of validation."""
    data, network = random_images(ipc, device), build("ConvNet", FASHION, key=Key(0)).to(device)
    if not augmented:
        fit = Fit(EPOCHS, lr=0.01, momentum=0, weight_decay=0)
        return lambda: train(network, data, fit, key=Key(0), route=route)
    fit, policy = preset("dsa", epochs=EPOCHS - 1).fit, dsa(usual_strategy(FASHION))
    return lambda: train(network, data, fit, policy=policy, key=Key(0), route=route)


def load() -> None:
    """Read FashionMNIST's training images."""
    load_split("FashionMNIST", "train")


def pixels() -> tuple[np.ndarray, np.ndarray]:
    """Read them as they are in the files."""
    folder = Path("/usr/share/datasets/fashion-mnist")

    def raw(name: str, header: int) -> np.ndarray:
        with gzip.open(folder / f"train-{name}-ubyte.gz") as file:
            return np.frombuffer(file.read(), np.uint8, offset=header)

    return raw("images-idx3", 16).reshape(-1, 28, 28), raw("labels-idx1", 8)


def ours(step: str, route: Route) -> Step:
    """Return a step by a route."""
    name, ipc = step.split()
    if step == LOADING:
        return load
    if name in METHODS.names:
        return update(name, int(ipc), route)
    return epochs(int(ipc), route, augmented=name == "validation")


def ways(step: str, routes: Sequence[str], instructions: Sequence[str]) -> dict[str, Step]:
    """Return a step by every route, by kernels for every set of instructions."""
    if step == LOADING:
        return {"datastill": load}
    found = dict[str, Step]()
    for name in routes:
        run = ours(step, ROUTES[name])
        if name == "kernels":
            found |= {f"kernels, {each}": within(each, run) for each in instructions}
        else:
            found[name] = run
    return found


def within(instructions: str, run: Step) -> Step:
    """Return a step that is run by the kernels for a set of instructions."""

    def chosen() -> None:
        with choosing(instructions):
            run()

    return chosen


def theirs(step: str, reference: Reference) -> Step:
    """Return a step of the reference program."""
    name, ipc = step.split()
    if step == LOADING:
        return reference.loading(pixels)
    if name in METHODS.names:
        return reference.update(name, int(ipc), random_images(300).images.unflatten(0, (10, 300)))
    return reference.epochs(int(ipc), EPOCHS, augmented=name == "validation")


class Apart:
    """The reference program in a process of its own: what speeds ours up must not reach it."""

    def __init__(self, folder: Path, held_to: str = "") -> None:
        context = multiprocessing.get_context("spawn")
        self.here, there = context.Pipe()
        process = context.Process(target=serve, args=(folder, there), daemon=True)
        with mock.patch.dict(os.environ, HELD_TO.get(held_to, {})):
            process.start()

    def step(self, name: str) -> Step:
        """Return a step, which is prepared now and run there."""
        self.ask(name)
        return lambda: self.ask("")

    def ask(self, name: str) -> None:
        """Have a step prepared, or, without a name, the last one run."""
        self.here.send(name)
        self.here.recv()


def serve(folder: Path, pipe: Connection) -> None:
    """Prepare steps and run them, as asked."""
    reference, step = Reference(folder), None
    with contextlib.suppress(EOFError):  # whoever asked has gone
        while True:
            if name := pipe.recv():
                step = theirs(name, reference)
            elif step is not None:
                step()
            pipe.send("done")


def seconds(run: Step) -> float:
    """Time one call."""
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def bases(name: str, steps: Mapping[str, Any]) -> list[str]:
    """Return what a way is held against: the first, and the reference held to the same set."""
    alike = name.replace("kernels", REFERENCE)
    return [next(iter(steps)), *([alike] if name.startswith("kernels") and alike in steps else [])]


def measure(steps: Mapping[str, Step], repeats: int) -> dict[str, Any]:
    """Time all of them in turn, and divide what each is held against by what it takes."""
    first = {name: seconds(run) for name, run in steps.items()}
    rows = [{name: seconds(run) for name, run in steps.items()} for _ in range(repeats)]
    found = dict[str, Any]()
    for name in steps:
        median = statistics.median(row[name] for row in rows)
        once = max(0.0, first[name] - median)
        found[name] = {
            "seconds": [round(row[name], 4) for row in rows],
            "median": round(median, 4),
            "first_call": round(first[name], 2),
        }
        for base in bases(name, steps):
            found[name] |= {
                f"times_{base}": sorted(round(row[base] / row[name], 2) for row in rows),
                f"times_{base}_with_what_happens_once": sorted(
                    round(row[base] / (row[name] + once / RUN), 2) for row in rows
                ),
            }
    return found


def shares(run: Step, most: int = 8) -> dict[str, float]:
    """Return the operations that take most of a step's time, and the part that each takes."""
    run()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as seen:
        run()
    spent = {event.key: event.self_cpu_time_total for event in seen.key_averages()}
    total = sum(spent.values())
    found = sorted(spent, key=lambda name: -spent[name])[:most]
    return {name: round(spent[name] / total, 3) for name in found}


def facts() -> dict[str, object]:
    """Describe the machine."""
    model = [
        line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True).stdout
    return {
        "processor": model[0].split(":")[1].strip() if model else "unknown",
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "instructions": [each.name for each in available()],
        "without_kernels": kernels.missing(),
        "commit": commit.strip(),
    }


def timed(step: str, ways: Mapping[str, Step], repeats: int) -> dict[str, Any]:
    """Measure the ways of a step, and print a line for each."""
    found = measure(ways, repeats)
    for name, row in found.items():
        ratios = next(value for key, value in row.items() if key.startswith("times_"))
        print(
            f"{step:<14} {name:<19} {row['median']:8.3f} s  {statistics.median(ratios):5.2f} x "
            f"({ratios[0]:.2f} to {ratios[-1]:.2f})",
            flush=True,
        )
    return found


def tabled(results: Mapping[str, Any]) -> str:
    """Return the ratios as a table: a row for each step, a column for each way."""
    steps = [step for step in STEPS if step in results and step != LOADING]
    columns = list(dict.fromkeys(name for step in steps for name in results[step]))
    heads, rows = [], {step: list[str]() for step in steps}
    for name in columns:
        # The first is what all are divided by; compiling is what takes long once.
        first, *alike = bases(name, results[steps[0]])
        kinds = [(name, first)] + [(f"{name}, over {base}", base) for base in alike]
        if name.startswith("compiled"):
            once = f"{first}_with_what_happens_once"
            kinds.append((f"{name} (with compiling, {RUN} steps)", once))
        for head, base in kinds:
            heads.append(head)
            for step in steps:
                row = results[step].get(name)
                values = row[f"times_{base}"] if row else []
                told = [f"{value:.2f}" for value in (min(values), max(values))] if row else []
                rows[step].append(
                    f"{statistics.median(values):.2f} ({' to '.join(told)})" if row else ""
                )
    lines = [["step", *heads], ["---"] * (len(heads) + 1)]
    lines += [[step, *cells] for step, cells in rows.items()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def profiled(step: str, ways: Mapping[str, Step]) -> dict[str, dict[str, float]]:
    """Tell what takes the time of a step by each way, and print a line for each."""
    found = {name: shares(way) for name, way in ways.items()}
    for name, row in found.items():
        told = ", ".join(f"{operation} {part:.0%}" for operation, part in row.items())
        print(f"{step:<14} {name:<19} {told}", flush=True)
    return found


def asked() -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    sets = [each.name for each in available()]
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=list(STEPS))
    parser.add_argument("--routes", nargs="+", choices=ROUTES, default=BY_DEFAULT)
    parser.add_argument("--instructions", nargs="+", choices=sets, default=sets)
    parser.add_argument("--reference", type=Path, help="a checkout of the reference program")
    parser.add_argument("--reference-held-to", nargs="*", choices=HELD_TO, default=[])
    parser.add_argument("--profile", action="store_true", help="tell what takes the time instead")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    for name in options.instructions if "kernels" in options.routes else []:
        with choosing(name):
            if kernels.missing():
                parser.error(f"no kernels for {name}: {kernels.missing()}")
    return options


def main() -> None:
    """Measure, print a line for each step and way, and write all values."""
    options = asked()
    references = dict[str, Apart]()
    if options.reference:
        references[REFERENCE] = Apart(options.reference)
        for name in options.reference_held_to:
            references[f"{REFERENCE}, {name}"] = Apart(options.reference, name)
    results: dict[str, Any] = {"machine": facts(), "epochs_in_a_step": EPOCHS}
    for step in options.steps:
        by = ways(step, options.routes, options.instructions)
        if options.profile:
            results[step] = profiled(step, by)
        else:
            theirs_too = {name: apart.step(step) for name, apart in references.items()}
            results[step] = timed(step, theirs_too | by, options.repeats)
        if options.out:
            options.out.parent.mkdir(parents=True, exist_ok=True)
            options.out.write_text(json.dumps(results, indent=1) + "\n")
    if not options.profile:
        print(tabled(results))


if __name__ == "__main__":
    main()
