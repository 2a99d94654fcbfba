"""Hold sets of TESLA against random images, judged by held-out training images.

    python benchmarks/trajectories.py SECONDS [NAME=VALUE,... ...] [--out FILE]

No test image is read: a twentieth of FashionMNIST's training images is held out, two original
models are trained for seven epochs on an eighth of the rest and kept after each, and sets of one
image per class are made from that eighth, each for so many SECONDS of the processor. All networks
are ConvNets of depth 2 and width 16. A word of settings makes a set: a NAME is of the method, or
one of ``images``, ``labels``, ``rate`` (their learning rates) and ``start`` (the rate to begin
with); ``default`` changes nothing, ``syn_steps=80,start=0.01`` is as published. Rows are added to
FILE, with every accuracy.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from tuning import keep  # beside this file

from datastill import Key
from datastill.augment import dsa, usual_strategy
from datastill.compute.route import Route
from datastill.data import ImageSet
from datastill.data.labels import hardened
from datastill.datasets import load_split
from datastill.distillation.descent import Descent
from datastill.distillation.learned import JudgedLabels, LearnedRate
from datastill.distillation.loop import distill
from datastill.distillation.methods import METHODS, Task
from datastill.evaluation.validation import validate
from datastill.networks import builder
from datastill.training.coresets import CORESETS, picked
from datastill.training.fit import Fit
from datastill.training.pool import Member, split_held_out, train_member, trajectories
from datastill.training.protocol import Asks, at_learning_rate, preset

MODEL, NUM, EPOCHS, TRIALS = "ConvNetD2W16", 2, 7, 2
BY_KERNELS = Route(kernels=True)


def snapshots(real: ImageSet) -> list[Member]:
    """Train original models at a learning rate that stays, and return them after every epoch."""
    fit = Fit(epochs=EPOCHS, batch=256, lr=0.01, weight_decay=5e-3)
    return [
        make()
        for i in range(NUM)
        for _, make in train_member(MODEL, real, fit, key=Key(11).at(i), route=BY_KERNELS)
    ]


def judged(name: str, made: ImageSet, held: ImageSet, out: Path | None, **more: Any) -> None:
    """Tell what networks reach that are trained on a set, by the rate that it asks for."""
    protocol, rate = preset("dsa", epochs=500), Asks.of(made.facts).learning_rate
    if rate is not None:
        protocol = at_learning_rate(protocol, rate)
    found = validate(made, held, MODEL, protocol, trials=TRIALS, key=Key(3), route=BY_KERNELS)
    print(f"| {name} | {found} |", flush=True)
    keep({"set": name, "rate": rate, **more, "values": found.values}, out)


def changed(word: str) -> tuple[Any, Descent]:
    """Return the method with settings, and how what it learns is moved."""
    pairs = (one.partition("=") for one in word.split(",") if one != "default")
    given = {name: float(value) for name, _, value in pairs}
    found: Any = METHODS["TESLA"](1)
    moved: dict[str, Any] = dict(found.optimisers)
    for name, leaf in (("images", "images"), ("labels", "labels"), ("rate", "lr")):
        if name in given:
            moved[leaf] = replace(moved[leaf], lr=given.pop(name))
    shape = LearnedRate(JudgedLabels(), lr=given.pop("start", found.parametrisation.lr))
    method: Any = found.method
    whole = {name: type(getattr(method, name))(value) for name, value in given.items()}
    descent = found.descent(1, optimisers=moved, parametrisation=shape)
    return replace(method, **whole), descent


def made_in(seconds: float, word: str, task: Task) -> tuple[ImageSet, dict[str, float]]:
    """Return the set that some settings make in a time, and how that went, which is printed too."""
    method, descent = changed(word)
    began, losses, skipped = time.process_time(), list[float](), 0
    made: ImageSet | None = None
    for now in distill(method, task, descent):
        losses.append(float(now.losses["match"]))
        skipped += int(now.losses["skipped"])
        made = now.synthetic
        if time.process_time() - began > seconds:
            break
    assert made is not None
    took, part = (time.process_time() - began) / len(losses), max(1, len(losses) // 5)
    first, last = (sum(some) / part for some in (losses[:part], losses[-part:]))
    print(
        f"{word}: {len(losses)} updates of {took:.2f} s, {skipped} left out; loss of the first "
        f"fifth {first:.3f}, of the last {last:.3f}; rate {made.facts['learning_rate']:.4f}",
        flush=True,
    )
    went = {"updates": len(losses), "seconds": round(time.process_time() - began, 1)}
    return made, {**went, "skipped": skipped, "first_fifth": first, "last_fifth": last}


def main() -> None:
    """Print what the sets reach."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("seconds", type=float)
    parser.add_argument("words", nargs="*")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    rest, held = split_held_out(load_split("FashionMNIST", "train"), 0.05, key=Key(5))
    _, real = split_held_out(rest, 0.125, key=Key(6))
    pool = snapshots(real)
    told = " ".join(f"{one.facts['held_out_accuracy']:.3f}" for one in pool[:EPOCHS])
    print(
        f"{MODEL}, {len(real)} images, {len(held)} held out; an original model: {told}", flush=True
    )
    policy = dsa(usual_strategy(real.domain))
    task = Task(real, builder(MODEL, real.domain), Key(7), policy, BY_KERNELS)
    task = replace(task, trajectories=trajectories(pool))
    for seed in range(3):
        some = picked(CORESETS["random"], real, [1] * 10, key=Key(seed))
        judged(f"random {seed}", some, held, asked.out)
    _, descent = changed("images=0,labels=0,rate=0")
    begun = next(distill(METHODS["TESLA"](1).method, task, descent)).synthetic
    judged("start, its labels", begun, held, asked.out)
    for word in asked.words:
        made, went = made_in(asked.seconds, word, task)
        judged(f"{word}, its labels", made, held, asked.out, **went)
        judged(f"{word}, hard", hardened(made), held, asked.out)


if __name__ == "__main__":
    main()
