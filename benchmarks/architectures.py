"""What the kernels spare architectures in training, beside PyTorch's layers.

    OMP_NUM_THREADS=1 python benchmarks/architectures.py --out benchmarks/results/architectures.json

An epoch of validation: 100 images of FashionMNIST's shape, forward and back, not augmented. Ways
take turns, one thread, processor time; what counts is the ratio within a round.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path

import torch

from datastill.base import machine
from datastill.base.rng import Key
from datastill.compute.route import Route
from datastill.data import ImageSet
from datastill.datasets.idx import FASHION
from datastill.networks import build
from datastill.training.fit import epochs
from datastill.training.protocol import preset

WAYS = {
    "plain": Route(kernels=False),
    "bfloat16": Route(kernels=False, precision="bfloat16"),
    "kernels": Route(kernels=True),
}
MODELS = ("ConvNet", "VGG11", "ResNet18", "AlexNet")


def rounds(model: str, repeats: int) -> list[dict[str, float]]:
    """Return the seconds of an epoch by every way, round by round; the first is not counted."""
    labels = torch.arange(100) % 10
    data = ImageSet(torch.randn(100, *FASHION.shape), labels, FASHION)
    fit = preset("dsa", epochs=repeats).fit
    runs = {
        way: epochs(build(model, FASHION, key=Key(0)), data, fit, key=Key(1), route=route)
        for way, route in WAYS.items()
    }
    found: list[dict[str, float]] = []
    for _ in range(repeats + 1):
        found.append({})
        for way, run in runs.items():
            started = time.process_time()
            next(run)
            found[-1][way] = time.process_time() - started
    return found[1:]


def main() -> None:
    """Measure, print a table and write every value."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    machine.keep_memory()
    found = {model: rounds(model, given.repeats) for model in MODELS}
    for model, rows in found.items():
        told = [f"{model:12s} plain {statistics.median(row['plain'] for row in rows):6.2f} s"]
        for way in ("kernels", "bfloat16"):
            ratios = sorted(row["plain"] / row[way] for row in rows)
            middle = statistics.median(ratios)
            told.append(f"{way} {middle:.2f} times ({ratios[0]:.2f} to {ratios[-1]:.2f})")
        print("   ".join(told))
    if given.out:
        facts = {"torch": torch.__version__, "threads": 1, "seconds": found}
        given.out.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
