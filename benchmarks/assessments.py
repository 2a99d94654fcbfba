"""Time every assessment against validating a set once.

    python benchmarks/assessments.py --out benchmarks/results/assessments.json

FashionMNIST's shape, random pixels, 100 images, a pool of 3 ConvNets: what an assessment costs does
not depend on what is in the pictures. Validation by one network is timed by a few epochs before and
after, so that a machine that drifts does so for both; what counts is the ratio.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from dataclasses import replace
from pathlib import Path

import torch
from steps import facts

from datastill.augment import dsa, usual_strategy
from datastill.base.rng import Key
from datastill.data import ImageSet
from datastill.datasets.idx import FASHION
from datastill.evaluation.assessments import COSTLY, Evidence
from datastill.evaluation.scores import assess
from datastill.networks import build
from datastill.training.fit import train
from datastill.training.pool import freeze
from datastill.training.protocol import preset

EPOCHS = 5


def random_images(per_class: int, seed: int) -> ImageSet:
    """Make as many random images of every class."""
    labels = torch.arange(10).repeat_interleave(per_class)
    images = torch.randn(len(labels), *FASHION.shape, generator=Key(seed).generator())
    return ImageSet(images, labels, FASHION)


def validation_seconds(data: ImageSet) -> float:
    """Estimate how long one network trains on a set by the standard protocol."""
    protocol, network = preset("dsa"), build("ConvNet", FASHION, key=Key(0))
    few = replace(protocol.fit, epochs=EPOCHS, milestones=())
    started = time.perf_counter()
    train(network, data, few, policy=dsa(usual_strategy(FASHION)), key=Key(0))
    return (time.perf_counter() - started) / EPOCHS * protocol.fit.epochs


def measure(repeat: int) -> dict[str, float]:
    """Return the seconds of validation, of all cheap assessments, and of each alone."""
    real, one, other = random_images(300, 0), random_images(10, 1), random_images(10, 2)
    pool = [freeze(build("ConvNet", FASHION, key=Key(i)), "ConvNet", FASHION, {}) for i in range(3)]
    evidence = Evidence(one, real, pool, Key(repeat))
    found, before = {}, validation_seconds(one)
    for name, about in (("all, first set", evidence), ("all, further set", evidence.of(other))):
        started = time.perf_counter()
        scores = assess(about)
        found[name] = time.perf_counter() - started
    scores |= assess(about, COSTLY.names)
    found["validating once"] = (before + validation_seconds(one)) / 2
    return found | {name: assessed.seconds for name, assessed in scores.items()}


def main() -> None:
    """Measure, print a table and write every value."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    validation_seconds(random_images(10, 1))  # kernels are built, memory is there
    found = [measure(repeat) for repeat in range(given.repeats)]
    for name in sorted(found[0], key=lambda name: -found[0][name]):
        shares = [100 * one[name] / one["validating once"] for one in found]
        seconds = statistics.median(one[name] for one in found)
        print(f"{name:26s} {seconds:9.3f} s {statistics.median(shares):8.3f} %")
    if given.out:
        told = {"machine": facts(), "seconds": found}
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    main()
