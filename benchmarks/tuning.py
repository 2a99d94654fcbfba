"""Settings of a method, tried on FashionMNIST and judged by held-out training images.

    python benchmarks/tuning.py NCFM --updates 600 --variants lr=0.02 lr=0.05 lr=0.02,clom=10

No test image is read: 5,000 training images are held out, and neither original models nor the
method see them. A variant is NAME=VALUE, several with commas: ``lr``, ``momentum`` (SGD in place
of what is published), ``clom``, ``batch``, ``tiles``, ``augmentation``, ``updates``, or a setting
of the method. Original models are trained once, and kept below ``--pool``.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from datastill import Key
from datastill.augment import dsa, usual_strategy
from datastill.cli.settings import settings_of
from datastill.compute.route import Route
from datastill.data import ImageSet
from datastill.datasets import load_split
from datastill.distillation.clom import cross_entropy_clom
from datastill.distillation.loop import distill
from datastill.distillation.methods import METHODS, Published, Task
from datastill.distillation.parameters import Sgd
from datastill.distillation.parametrisations import in_tiles
from datastill.evaluation.validation import validate
from datastill.networks import builder
from datastill.store import load_pool, member_path, save_member
from datastill.training.pool import Pool, original_fit, split_held_out, train_pool, trajectories
from datastill.training.protocol import preset

HELD_OUT = 5000 / 60_000


@dataclass(frozen=True)
class Bench:
    """What all variants have in common."""

    real: ImageSet
    held: ImageSet
    pool: Pool
    asked: argparse.Namespace

    def tried(self, variant: str) -> str:
        """Distil by a variant, and say what networks that are trained on the set reach."""
        asked, words = self.asked, dict(part.split("=", 1) for part in variant.split(",") if part)
        given = {name: words.pop(name, None) for name in OPTIONS}
        published = METHODS[asked.method](asked.ipc)
        own = settings_of([f"{k}={v}" for k, v in words.items()], published.method)
        method: Any = published.method
        found: list[float] = []
        seconds = 0.0
        for seed in range(asked.seeds):
            made, spent = self.made(replace(published, method=replace(method, **own)), given, seed)
            seconds += spent
            protocol = preset(published.protocol, epochs=asked.epochs)
            tested = validate(
                made, self.held, asked.model, protocol, trials=asked.networks, key=Key(7)
            )
            found += tested.values
        mean = sum(found) / len(found)
        each = " ".join(f"{100 * value:.1f}" for value in found)
        return f"{variant or 'as published':45} {100 * mean:5.1f} %  ({each})  {seconds:.0f} s"

    def made(
        self, published: Published, given: dict[str, str | None], seed: int
    ) -> tuple[ImageSet, float]:
        """Return the set, and the seconds it took."""
        real, asked, changes = self.real, self.asked, dict[str, Any]()
        if given["tiles"]:
            shape = in_tiles(published.parametrisation, int(given["tiles"]))
            published = replace(published, parametrisation=shape)
        if given["momentum"]:
            sgd = Sgd(float(given["lr"] or published.lr), float(given["momentum"]))
            published = replace(published, optimisers={**published.optimisers, "images": sgd})
        elif given["lr"]:
            changes["lr"] = float(given["lr"])
        updates, batch = int(given["updates"] or asked.updates), int(given["batch"] or 256)
        descent = published.descent(asked.ipc, updates=updates, batch=batch, **changes)
        usual = usual_strategy(real.domain) if published.augmented else "none"
        policy, key = dsa(given["augmentation"] or usual), Key(seed).at("distil")
        task = Task(real, builder(asked.model, real.domain), key, policy, Route())
        task = replace(task, trajectories=trajectories(self.pool))
        weight = published.clom if given["clom"] is None else float(given["clom"])
        guides = {"clom": cross_entropy_clom(self.pool, weight, real.domain)} if weight else {}
        started = time.perf_counter()
        *_, last = distill(published, task, descent, regularisers=guides)
        return last.synthetic, time.perf_counter() - started


OPTIONS = ("lr", "momentum", "clom", "batch", "tiles", "augmentation", "updates")


def originals(real: ImageSet, asked: argparse.Namespace) -> Pool:
    """Return original models of the images that are not held out, trained now if there are none."""
    folder = Path(asked.pool) / f"{asked.model}-{asked.pool_epochs}"
    if not folder.exists():
        fit = original_fit(asked.pool_epochs)
        pool = train_pool(asked.model, real, num=asked.pool_num, fit=fit, key=Key(11))
        folder.mkdir(parents=True)
        for number, member in enumerate(pool):
            save_member(member, member_path(folder, number, asked.pool_epochs))
    return load_pool(folder, asked.pool_num)


def main(words: Sequence[str] | None = None) -> None:
    """Print what each variant reaches."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("method")
    parser.add_argument("--variants", nargs="+", default=[""])
    parser.add_argument("--model", default="ConvNetW32")
    parser.add_argument("--pool", default="tuning")
    for name, usual in {
        **{"ipc": 10, "updates": 600, "seeds": 1, "networks": 2, "epochs": 300},
        **{"pool-num": 3, "pool-epochs": 6},
    }.items():
        parser.add_argument(f"--{name}", type=int, default=usual)
    asked = parser.parse_args(words)
    rest, held = split_held_out(load_split("FashionMNIST", "train"), HELD_OUT, key=Key(5))
    pool = originals(rest, asked)
    reached = ", ".join(f"{100 * member.facts['held_out_accuracy']:.1f}" for member in pool)
    print(
        f"{asked.method}, {asked.model}, {asked.ipc} per class, {asked.updates} updates; "
        f"{len(pool)} original models ({reached} % of what they were not trained on); "
        f"{len(held)} held-out images, {asked.seeds} seeds of {asked.networks} networks",
        flush=True,
    )
    bench = Bench(rest, held, pool, asked)
    for variant in asked.variants:
        print(bench.tried(variant), flush=True)


if __name__ == "__main__":
    main()
