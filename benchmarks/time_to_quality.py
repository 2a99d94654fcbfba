"""How long from nothing to a validated set of FashionMNIST that trains a network to 80 %?

    make bench        or        python benchmarks/time_to_quality.py --out FILE

DM, 10 images per class, published settings but for the number of updates, which was fixed before
(see docs/speed.md); then networks are trained on the set by the published protocol and tested once.
Nothing stops early and nothing is chosen on the test set: the run ends when it ends, and says
whether it got there.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from steps import facts

import datastill as ds
from datastill.compute.tuning import fastest
from datastill.datasets import load_split

GOAL = 0.80
UPDATES = 120
IPC = 10


class Clock:
    """Seconds of each stage."""

    def __init__(self) -> None:
        self.stages: dict[str, float] = {}
        self.last = time.perf_counter()

    def lap(self, stage: str) -> None:
        """End a stage."""
        now = time.perf_counter()
        self.stages[stage] = round(now - self.last, 2)
        self.last = now
        print(f"{stage:<34} {self.stages[stage]:8.1f} s", flush=True)


def main() -> None:
    """Run all of it, print the stages, and write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--updates", type=int, default=UPDATES)
    parser.add_argument("--networks", type=int, default=3)
    parser.add_argument("--epochs", type=int, help="of validation; default: the protocol's 1000")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    key, clock = ds.Key(options.seed), Clock()

    real, test = (load_split("FashionMNIST", split) for split in ("train", "test"))
    clock.lap("reading 70,000 images")
    choice = fastest("ConvNet", real.domain)
    route = choice.route
    clock.lap("choosing a route" if choice.measured else "recalling the route")
    published = ds.METHODS["DM"](IPC)
    task = ds.Task(
        real,
        ds.builder("ConvNet", real.domain),
        key.at("distil"),
        ds.dsa(ds.usual_strategy(real.domain)),
        route,
    )
    descent = published.descent(IPC, updates=options.updates)
    *_, last = ds.distill(published.method, task, descent)
    clock.lap(f"distilling, updates: {options.updates}")
    accuracies = ds.validate(
        *(last.synthetic, test, "ConvNet", ds.preset("dsa", epochs=options.epochs)),
        trials=options.networks,
        key=key.at("validate"),
        route=route,
    )
    clock.lap(f"validating, networks: {options.networks}")

    total = sum(clock.stages.values())
    for stage, seconds in clock.stages.items():
        print(f"  {100 * seconds / total:5.1f} %  {stage}")
    reached = "reached" if accuracies.mean >= GOAL else "not reached"
    print(f"{accuracies} in {total / 60:.1f} minutes: {100 * GOAL:.0f} % {reached}")
    if options.out:
        found = {
            "machine": facts(),
            "route": route.facts(),
            "updates": options.updates,
            "stages": clock.stages,
            "accuracies": accuracies.values,
        }
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
