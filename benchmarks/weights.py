"""Compare rules for CLOM's alpha with a sweep, seed by seed: docs/results/clom/auto/plan.md.

    OMP_NUM_THREADS=1 python benchmarks/weights.py weak small [--seeds 0 5] [--cifar10 FOLDER]
    python benchmarks/weights.py

Sweeps are named as in ``SWEEPS``. What is there already is not made again: a run that was cut off
goes on after the last set. Without a sweep the tables are written anew from the values that are
there, into ``tables.md`` beside ``values.json``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import datastill as ds
from datastill.distillation.clom import Regulariser
from datastill.distillation.methods.base import Synthetic, Targets, sloping
from datastill.distillation.weighing import Weighed
from datastill.store import load_pool, pool_folder
from datastill.training.accuracies import Accuracies, difference

OUT = Path(__file__).parents[1] / "docs" / "results" / "clom"
ALPHAS = (0.0, 1.0, 10.0, 100.0, 1000.0, 10000.0)
SHARES = (0.1, 0.3, 1.0)
BASE, FIXED, MOST = 200, 100.0, 1e5
OWN = "own."
"""In front of the names of what the balanced method itself remembers."""


@dataclass(frozen=True)
class Sweep:
    """What is distilled, under what, and how it is judged.

    Attributes:
        dataset: of the real images.
        model: architecture of all networks.
        epochs: of the three original models; None for those that are committed.
        method: by which sets are made.
        updates: of each.
        networks: trained on each.
        passes: nominal epochs of these.
    """

    dataset: str
    model: str
    epochs: int | None
    method: str
    updates: int
    networks: int
    passes: int


SWEEPS = {
    "weak": Sweep("digits", "ConvNetD2W32", 30, "DM", 100, 3, 200),
    "small": Sweep("FashionMNIST", "ConvNetD2W32", 6, "DM", 120, 3, 200),
    "DSA": Sweep("FashionMNIST", "ConvNetD2W32", 6, "DSA", 60, 3, 200),
    "CIFAR-10": Sweep("CIFAR10", "ConvNet", 12, "DM", 200, 2, 1000),
    "FashionMNIST": Sweep("FashionMNIST", "ConvNet", None, "DM", 120, 2, 1000),
}


@dataclass(frozen=True, eq=False)
class Balance:
    """What a balanced method remembers.

    Attributes:
        own: what the method itself remembers.
        weight: the logarithm of CLOM's weight, smoothed.
    """

    own: Any
    weight: Tensor

    def state_dict(self) -> dict[str, Tensor]:
        """Return both by name."""
        own = {} if self.own is None else self.own.state_dict()
        return {"weight": self.weight, **{f"{OWN}{name}": one for name, one in own.items()}}


@dataclass(frozen=True, eq=False)
class Balanced:
    """A method with a regulariser whose gradient is so long as a share of the method's own."""

    method: Any
    regulariser: Regulariser
    share: float

    def loss(
        self, task: ds.Task, step: int, memory: Any, synthetic: Synthetic, *, key: ds.Key
    ) -> tuple[Tensor, Balance]:
        """Return both, weighed by what their gradients were in the updates before."""
        own = None if memory is None else memory.own
        loss, own = self.method.loss(task, step, own, synthetic, key=key)
        here = key.at("regulariser", "clom")
        term = self.regulariser(synthetic.images, synthetic.labels, key=here)
        (one,) = torch.autograd.grad(loss, synthetic.images)
        (other,) = torch.autograd.grad(term, synthetic.images)
        now = (self.share * one.norm() / (other.norm() + 1e-8)).clamp(max=MOST).log()
        weight = now if memory is None else 0.9 * memory.weight + 0.1 * now
        value = loss.detach() + weight.exp() * term.detach()
        return sloping(value, {synthetic.images: one + weight.exp() * other}), Balance(own, weight)

    def recall(self, task: ds.Task, tensors: Mapping[str, Tensor]) -> Balance:
        """Return what was remembered, of its tensors."""
        own = {n.removeprefix(OWN): one for n, one in tensors.items() if n.startswith(OWN)}
        return Balance(self.method.recall(task, own) if own else None, tensors["weight"])


@dataclass(frozen=True, eq=False)
class Bench:
    """Everything of a sweep that its sets have in common."""

    sweep: Sweep
    real: ds.ImageSet
    test: ds.ImageSet
    pool: Any
    method: Any
    settings: Any

    @classmethod
    def of(cls, sweep: Sweep, folder: str | None, device: str = "cpu") -> Bench:
        """Read the images, and train the original models."""
        found = ds.load_dataset(sweep.dataset, **({"path": folder} if folder else {}))
        real, test = (one.to(torch.device(device)) for one in found)
        settings = ds.METHODS[sweep.method](10)
        method = settings.method
        if hasattr(method, "inner_loop"):
            method = replace(method, inner_loop=10)
        key = ds.Key(BASE).at("pool")
        if sweep.epochs is None:
            pool = committed(sweep.dataset, sweep.model)
        else:
            fit = ds.original_fit(epochs=sweep.epochs)
            pool = ds.train_pool(sweep.model, real, num=3, fit=fit, key=key)
        return cls(sweep, real, test, pool, method, settings)

    def seed(self, seed: int, there: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
        """Make and judge the sets of a seed that are not there yet."""
        sweep, real = self.sweep, self.real
        key = ds.Key(BASE).at("seed", seed)
        policy = ds.dsa(ds.usual_strategy(real.domain))
        build = ds.builder(sweep.model, real.domain, real.images.device)
        targets = Targets() if sweep.method == "DM" else None
        task = ds.Task(real, build, key.at("distil"), policy=policy, targets=targets)
        descent = self.settings.descent(10, updates=sweep.updates)
        protocol = ds.preset("dsa", epochs=sweep.passes)
        for name, method, terms in self.arms():
            if name in there:
                continue
            started, weight = time.perf_counter(), None
            for now in ds.distill(method, task, descent, regularisers=terms):
                weight = now.losses.get("clom-weight", weight)
            seconds = time.perf_counter() - started
            judged = ds.validate(
                now.synthetic,
                self.test,
                sweep.model,
                protocol,
                trials=sweep.networks,
                key=key.at("validate"),
            )
            yield (
                name,
                {
                    "accuracies": list(judged.values),
                    "seconds": round(seconds, 1),
                    "weight": None if weight is None else float(weight),
                },
            )

    def arms(self) -> Iterator[tuple[str, Any, dict[str, Regulariser]]]:
        """Every way of weighing: its name, the method, and what is added to it."""

        def clom(alpha: float) -> Regulariser:
            return ds.cross_entropy_clom(self.pool, alpha, self.real.domain)

        for alpha in ALPHAS:
            yield f"{alpha:g}", self.method, {"clom": clom(alpha)} if alpha else {}
        yield "bearable", self.method, {"clom": Weighed(clom(1.0))}
        for share in SHARES:
            yield f"balanced {share:g}", Balanced(self.method, clom(1.0), share), {}


def committed(dataset: str, model: str) -> Any:
    """Return the original models that lie beside the pages of results."""
    return load_pool(pool_folder(OUT / "pretrained_model", dataset, model))


Values = dict[str, dict[str, dict[str, Any]]]
"""By sweep, seed and rule."""


def regrets(seeds: Mapping[str, Mapping[str, Any]]) -> dict[str, list[float]]:
    """Return what each rule loses at each seed, in points, against the others' best alpha."""
    means = {
        seed: {name: 100 * statistics.fmean(one["accuracies"]) for name, one in arms.items()}
        for seed, arms in seeds.items()
    }
    names, found = [f"{alpha:g}" for alpha in ALPHAS], dict[str, list[float]]()
    for seed, here in means.items():
        others = [arms for other, arms in means.items() if other != seed]
        best = max(names, key=lambda name: statistics.fmean(arms[name] for arms in others))
        lost = {name: here[best] - value for name, value in here.items()}
        lost["chance"] = statistics.fmean(lost[name] for name in names)
        for name, value in lost.items():
            found.setdefault(name, []).append(value)
    return found


def told(lost: list[float]) -> str:
    """Return the mean of what is lost with its 95 % interval; equal values have none."""
    points = Accuracies(tuple(value / 100 for value in lost))
    found = difference(points, Accuracies((0.0,) * len(lost)))
    if found.interval is None:
        return f"{100 * found.mean:.2f}"
    low, high = (100 * end for end in found.interval)
    return f"{100 * found.mean:.2f} ({low:.2f} to {high:.2f})"


def tables(values: Values) -> str:
    """Return the accuracies and regrets of every sweep that has two seeds."""
    lines: list[str] = []
    for name, seeds in values.items():
        full = {s: arms for s, arms in seeds.items() if len(arms) == len(ALPHAS) + 1 + len(SHARES)}
        if len(full) < 2:
            continue
        lost = regrets(full)
        lines += [
            f"## {name}, {len(full)} seeds",
            "",
            "| rule | accuracy, % | regret, points | weight |",
        ]
        lines += ["|---|---|---|---|"]
        for rule, values_lost in lost.items():
            reached = weights = ""
            if rule != "chance":
                each = [100 * statistics.fmean(arms[rule]["accuracies"]) for arms in full.values()]
                reached = f"{statistics.fmean(each):.2f} ± {statistics.stdev(each):.2f}"
                found = [arms[rule]["weight"] for arms in full.values() if arms[rule]["weight"]]
                weights = " ".join(f"{one:.3g}" for one in found)
            lines.append(f"| {rule} | {reached} | {told(values_lost)} | {weights} |")
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    """Read the options, and make what lacks."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("sweeps", nargs="*", choices=[*SWEEPS, []])
    parser.add_argument("--seeds", type=int, nargs=2, default=(0, 5), metavar=("FIRST", "END"))
    parser.add_argument("--cifar10", help="folder of CIFAR-10's files")
    parser.add_argument("--device", default="cpu", help="where all of it is computed")
    parser.add_argument("--out", type=Path, default=OUT / "auto")
    given = parser.parse_args()
    file = given.out / "values.json"
    values: Values = json.loads(file.read_text()) if file.exists() else {}
    for name in given.sweeps:
        sweep = SWEEPS[name]
        bench = Bench.of(sweep, given.cifar10 if sweep.dataset == "CIFAR10" else None, given.device)
        for seed in range(*given.seeds):
            there = values.setdefault(name, {}).setdefault(str(seed), {})
            for rule, found in bench.seed(seed, there):
                there[rule] = found
                file.write_text(json.dumps(values, indent=1) + "\n")
                print(name, seed, rule, found, flush=True)
    (given.out / "tables.md").write_text(tables(values))
    print(tables(values))


if __name__ == "__main__":
    main()
