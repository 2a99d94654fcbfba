"""Settings of a method, tried on FashionMNIST and judged by held-out training images.

    python benchmarks/tuning.py NCFM --updates 600 --variants lr=0.02 lr=0.05 lr=0.02,clom=10
    python benchmarks/tuning.py DM --seconds 60 --variants "" tiles=2,lr=3 --out rows.json

No test image is read: 5,000 training images are held out, and neither original models nor the
method see them. A variant is NAME=VALUE, several with commas: ``lr``, ``momentum`` (SGD in place
of what is published), ``clom``, ``batch``, ``tiles``, ``augmentation``, ``updates``, ``seconds``
(of the processor, in place of updates), ``share`` (LOW:HIGH, of the way of original models between
which networks are drawn), or a setting of the method. Original models are trained once, and kept
below ``--pool``. Rows are added to ``--out``, with every accuracy.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from datastill import Key
from datastill.augment import dsa, usual_strategy
from datastill.compute.route import Route
from datastill.data import ImageSet
from datastill.datasets import load_split
from datastill.distillation.clom import Regulariser, cross_entropy_clom
from datastill.distillation.descent import Descent
from datastill.distillation.loop import distill
from datastill.distillation.methods import METHODS, Published, Task
from datastill.distillation.parameters import Sgd
from datastill.distillation.parametrisations import in_tiles
from datastill.evaluation.validation import validate
from datastill.networks import builder
from datastill.runs.specs.settings import adjusted, read
from datastill.store import load_pool, member_path, save_member
from datastill.training.accuracies import Accuracies
from datastill.training.pool import (
    Member,
    Pool,
    Trajectory,
    original_fit,
    split_held_out,
    train_pool,
    trajectories,
)
from datastill.training.protocol import preset

HELD_OUT = 5000 / 60_000
OPTIONS = ("lr", "momentum", "clom", "batch", "tiles", "augmentation", "updates", "seconds")
OPTIONS += ("share",)


@dataclass(frozen=True)
class Made:
    """A set, and what it took: updates, and seconds of the processor."""

    data: ImageSet
    updates: int
    seconds: float


@dataclass(frozen=True)
class Bench:
    """What all variants have in common."""

    real: ImageSet
    held: ImageSet
    pool: Pool
    asked: argparse.Namespace

    def tried(self, variant: str) -> dict[str, object]:
        """Distil by a variant, and return what networks reach that are trained on the sets."""
        asked, words = self.asked, dict(part.split("=", 1) for part in variant.split(",") if part)
        given = {name: words.pop(name, None) for name in OPTIONS}
        own = read([f"{k}={v}" for k, v in words.items()], asked.method, ())
        published = adjusted(METHODS[asked.method](asked.ipc), asked.method, own)
        protocol = preset(asked.protocol, epochs=asked.epochs)
        made: list[Made] = []
        each: list[tuple[float, ...]] = []
        for seed in range(asked.first_seed, asked.first_seed + asked.seeds):
            made.append(self.made(published, given, seed))
            judged = {"trials": asked.networks, "key": Key(7)}
            each.append(validate(made[-1].data, self.held, asked.model, protocol, **judged).values)
        found = Accuracies(tuple(value for values in each for value in values))
        seconds = [round(one.seconds, 1) for one in made]
        updates = [one.updates for one in made]
        print(f"{variant or 'as published':40} {found}  {updates} updates, {seconds} s", flush=True)
        common = ("method", "model", "ipc", "protocol", "epochs", "first_seed")
        row = {name: getattr(asked, name) for name in common}
        return {**row, "variant": variant, "updates": updates, "seconds": seconds, "values": each}

    def made(self, published: Published, given: dict[str, str | None], seed: int) -> Made:
        """Return the set of a seed."""
        real, asked, changes = self.real, self.asked, dict[str, float]()
        if given["tiles"]:
            shape = in_tiles(published.parametrisation, int(given["tiles"]))
            published = replace(published, parametrisation=shape)
        if given["momentum"]:
            sgd = Sgd(float(given["lr"] or published.lr), float(given["momentum"]))
            published = replace(published, optimisers={**published.optimisers, "images": sgd})
        elif given["lr"]:
            changes["lr"] = float(given["lr"])
        seconds = float(given["seconds"] or asked.seconds)
        updates = 1_000_000 if seconds else int(given["updates"] or asked.updates)
        descent = published.descent(
            asked.ipc, updates=updates, batch=int(given["batch"] or 256), **changes
        )
        usual = usual_strategy(real.domain) if published.augmented else "none"
        policy, key = dsa(given["augmentation"] or usual), Key(seed).at("distil")
        task = Task(real, builder(asked.model, real.domain), key, policy, Route())
        ways = trajectories(self.pool)
        if given["share"]:
            low, high = map(float, given["share"].split(":"))
            ways = [(between(way, low), between(way, high)) for way in ways]
        task = replace(task, trajectories=ways)
        weight = published.clom if given["clom"] is None else float(given["clom"])
        guides = {"clom": cross_entropy_clom(self.pool, weight, real.domain)} if weight else {}
        return finished(published, task, descent, guides, seconds)


def finished(
    published: Published,
    task: Task,
    descent: Descent,
    guides: Mapping[str, Regulariser],
    most: float,
) -> Made:
    """Distil to the end of the updates, or of so many seconds of the processor if not 0."""
    started, number = time.process_time(), 0
    made: ImageSet | None = None
    for now in distill(published, task, descent, regularisers=guides):
        made, number = now.synthetic, now.step
        if most and time.process_time() - started > most:
            break
    assert made is not None
    return Made(made, number, time.process_time() - started)


def between(way: Trajectory, share: float) -> Member:
    """Return an original model at a share of its way from the weights it set out from."""
    first, last = way[0], way[-1]
    network = copy.deepcopy(last.network)
    with torch.no_grad():
        for weight, begun in zip(network.parameters(), first.network.parameters(), strict=True):
            weight.copy_(torch.lerp(begun, weight, share))
    return replace(last, network=network)


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


def keep(row: dict[str, object], out: Path | None) -> None:
    """Add a row to a file."""
    if out is not None:
        rows = json.loads(out.read_text()) if out.exists() else []
        lines = ",\n".join(json.dumps(one) for one in [*rows, row])
        out.write_text(f"[\n{lines}\n]\n")


def main(words: Sequence[str] | None = None) -> None:
    """Print what each variant reaches."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("method")
    parser.add_argument("--variants", nargs="+", default=[""])
    parser.add_argument("--model", default="ConvNetW32")
    parser.add_argument("--pool", default="tuning")
    parser.add_argument("--protocol", default="modern")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--seconds", type=float, default=0)
    for name, usual in {
        **{"ipc": 10, "updates": 600, "seeds": 1, "first-seed": 0, "networks": 2, "epochs": 300},
        **{"pool-num": 3, "pool-epochs": 6},
    }.items():
        parser.add_argument(f"--{name}", type=int, default=usual)
    asked = parser.parse_args(words)
    rest, held = split_held_out(load_split("FashionMNIST", "train"), HELD_OUT, key=Key(5))
    pool = originals(rest, asked)
    reached = ", ".join(f"{100 * member.facts['held_out_accuracy']:.1f}" for member in pool)
    print(
        f"{asked.method}, {asked.model}, {asked.ipc} per class; {len(pool)} original models "
        f"({reached} % of what they were not trained on); {len(held)} held-out images, "
        f"{asked.seeds} seeds of {asked.networks} networks, {asked.protocol} of {asked.epochs}",
        flush=True,
    )
    bench = Bench(rest, held, pool, asked)
    for variant in asked.variants:
        keep(bench.tried(variant), asked.out)


if __name__ == "__main__":
    os.environ.setdefault("DATASTILL_ENGINE", "kernels")
    main()
