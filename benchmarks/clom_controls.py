"""Make and tell the controls of docs/results/clom/plan.md: CLOM alone, and larger steps without it.

    python benchmarks/clom_controls.py make STUDY --pool-path pretrained_model --out controls
    datastill study ... --sets controls/*
    python benchmarks/clom_controls.py tell STUDY --out docs/results/clom/decisive

STUDY is the folder of ``datastill study`` that holds DM's sets with CLOM and without. A control
starts from the images of its twins there, sees the same networks, draws and batches where it sees
any, and is then judged in the same study by the same networks. ``make`` passes over what is there.

- *alone*: the updates of the twin with CLOM, by CLOM's gradient and nothing else.
- *faster*: no CLOM, and a learning rate 1 + r times as large, where r is the mean length of CLOM's
  gradient over the mean length of matching's, along the way of the twin with CLOM.

DM at equal cost is a set of the study itself, ``DM:UPDATES``.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from torch import Tensor

from datastill import load, save
from datastill.base.rng import Key
from datastill.data import ImageSet
from datastill.distillation import distill
from datastill.distillation.methods import METHODS
from datastill.distillation.methods.base import Method, Synthetic, Task
from datastill.distillation.parameters import Sgd
from datastill.runs import DataSpec, JudgesSpec, StudySpec
from datastill.runs.conduct.observer import SILENT
from datastill.runs.specs import ComputeSpec
from datastill.runs.specs.population import Candidate, Kind
from datastill.runs.studies import judging
from datastill.runs.studies.material import read, workshop
from datastill.runs.studies.workshop import Workshop, _clom, _descent, _task
from datastill.store import SET_FILE
from datastill.training.accuracies import Accuracies, crossed_difference

CONTROLS = ("alone", "faster")
NAME = re.compile(r"(?P<kind>[\w.]+(-clom[\d.]+)?)-ipc(?P<ipc>\d+)-(?P<rest>.+)")


@dataclass(frozen=True)
class Alone:
    """A method that asks nothing of the images: what moves them is the regulariser."""

    def loss(  # the contract of a method, of which it needs one argument
        self, task: Task, step: int, memory: None, synthetic: Synthetic, *, key: Key
    ) -> tuple[Tensor, None]:
        """Return 0, and remember nothing."""
        del task, step, memory, key
        return synthetic.images.sum() * 0, None


@dataclass
class Lengths:
    """How long the gradients of both were in each update."""

    matching: list[float] = field(default_factory=list[float])
    clom: list[float] = field(default_factory=list[float])

    @property
    def ratio(self) -> float:
        """The mean length of CLOM's over the mean length of matching's."""
        return fmean(self.clom) / fmean(self.matching)


@dataclass(frozen=True, eq=False)
class Measured:
    """A method, and a note of how long its gradient is."""

    method: Method
    lengths: list[float]

    def loss(
        self, task: Task, step: int, memory: Any, synthetic: Synthetic, *, key: Key
    ) -> tuple[Tensor, Any]:
        """Return what the method returns."""
        found, memory = self.method.loss(task, step, memory, synthetic, key=key)
        self.lengths.append(length(found, synthetic.images))
        return found, memory


def length(loss: Tensor, images: Tensor) -> float:
    """Return the norm of a gradient, which can be taken again."""
    (gradient,) = torch.autograd.grad(loss, images, retain_graph=True)
    return float(gradient.norm())


@dataclass(frozen=True, eq=False)
class Bench:
    """Where controls are made: all that their twins in a study were made with.

    Attributes:
        shop: of the study.
        updates: of the twins.
        alpha: of the twin with CLOM.
        ipc: images per class.
    """

    shop: Workshop
    updates: int
    alpha: float
    ipc: int

    def candidate(self, seed: int, alpha: float) -> Candidate:
        """Return the twin of a seed."""
        return Candidate(Kind("DM", self.updates, alpha), self.ipc, seed)

    def twin(self, seed: int, lengths: Lengths | None = None, *, alone: bool = False) -> ImageSet:
        """Make the twin with CLOM again, and measure; or what CLOM alone makes in its place."""
        one = self.candidate(seed, self.alpha)
        method, regularisers = METHODS["DM"](self.ipc).method, _clom(self.shop, one)
        if alone:
            method = Alone()
        if lengths is not None:
            method = Measured(method, lengths.matching)
            regularisers = {"clom": noting(regularisers["clom"], lengths.clom)}
        task = _task(self.shop, one, None)
        runs = distill(method, task, _descent(self.shop, one), regularisers=regularisers)
        return list(runs)[-1].synthetic

    def faster(self, seed: int, ratio: float) -> ImageSet:
        """Make a set without CLOM, by steps that are larger."""
        one = self.candidate(seed, 0.0)
        published = METHODS["DM"](self.ipc)
        step = published.optimisers["images"]
        assert isinstance(step, Sgd)
        larger = {"images": Sgd(step.lr * (1 + ratio), step.momentum)}
        descent = published.descent(
            *(self.ipc,), updates=self.updates, batch=self.shop.batch, optimisers=larger
        )
        task = _task(self.shop, one, None)
        return list(distill(published.method, task, descent))[-1].synthetic


def noting(regulariser: Callable[..., Tensor], lengths: list[float]) -> Callable[..., Tensor]:
    """Return a regulariser that notes how long its gradient is."""

    def noted(images: Tensor, labels: Tensor, *, key: Key) -> Tensor:
        found = regulariser(images, labels, key=key)
        lengths.append(length(found, images))
        return found

    return noted


def bench_of(study: Path, given: argparse.Namespace) -> Bench:
    """Return the bench of a study that was made with such settings."""
    settings: Any = json.loads((study / "settings.json").read_text())
    spec = StudySpec(
        data=DataSpec(given.dataset, path=given.data_path),
        compute=ComputeSpec(seed=settings["seed"], engine=given.engine),
        population=(f"DM:{given.updates}", f"DM:{given.updates}:{given.alpha:g}"),
        ipc=(given.ipc,),
        seeds=given.seeds,
        batch=settings["batch_real"],
        inner_loop=settings["inner_loop"],
        model=settings["model"],
        judges=JudgesSpec(
            architectures=(settings["model"],), num=given.model_num, path=str(given.pool_path)
        ),
    )
    material = read(spec, SILENT)
    judges = judging.loaded(spec, study, material.real)
    shop = workshop(spec, material, judges, None)
    return Bench(shop, given.updates, given.alpha, given.ipc)


def make(study: Path, given: argparse.Namespace) -> None:
    """Make the controls of every seed that are not there yet."""
    bench = bench_of(study, given)
    for control in CONTROLS:
        for seed in range(given.seeds):
            name = f"{control}-{given.updates}-clom{given.alpha:g}-ipc{given.ipc}-seed{seed}"
            place = given.out / name / SET_FILE
            if place.exists():
                continue
            found, lengths = None, Lengths()
            if control == "alone":
                found = bench.twin(seed, alone=True)
            else:
                bench.twin(seed, lengths)
                found = bench.faster(seed, lengths.ratio)
            facts = {"control": control, "seed": seed, "twin": given.updates, "alpha": given.alpha}
            ratio = {"ratio": lengths.ratio} if lengths.clom else {}
            facts = {**found.facts, **facts, **ratio, "method": f"DM.{control}"}
            save(replace(found, facts=facts), place)
            print(name, ratio, flush=True)


def told(study: Path, kind: str) -> dict[int, Accuracies]:
    """Return the accuracies of the sets of a kind, by their seeds.

    Args:
        study: folder of the study.
        kind: such as ``DM-500``; or of a control, ``alone`` or ``faster``.
    """
    found: dict[int, Accuracies] = {}
    for file in sorted((study / "sets").glob("*/record.json")):
        record: Any = json.loads(file.read_text())
        values = tuple(trial["accuracy"] for trial in record["trials"])
        name, seed = file.parent.name, re.search(r"-seed(\d+)$", file.parent.name)
        if kind in CONTROLS and name.startswith(f"DM_{kind}-"):
            found[int(load(file.parent / SET_FILE).facts["seed"])] = Accuracies(values)
        elif seed and name == f"{kind}-ipc{record['ipc']}-seed{seed[1]}":
            found[int(seed[1])] = Accuracies(values)
    return {seed: one for seed, one in found.items() if one.values}


def tell(found: Mapping[str, dict[int, Accuracies]], given: argparse.Namespace) -> str:
    """Return the table of controls: each less its twin without CLOM, and with it, in pairs.

    Args:
        found: what ``compared`` returns.
        given: updates and alpha of the twins.
    """
    rows = "| control | seeds | accuracy | less DM (95 %) | less DM with CLOM (95 %) |\n"
    rows += "|---|---|---|---|---|\n"
    for kind, own in found.items():
        every = Accuracies(tuple(value for one in own.values() for value in one.values))
        pairs = (difference(own, found.get(twin, {})) for twin in twins(given))
        rows += f"| {kind} | {len(own)} | {every} | {' | '.join(pairs)} |\n"
    return rows


def compared(study: Path, given: argparse.Namespace) -> dict[str, dict[int, Accuracies]]:
    """Return the accuracies of all that is told, by kinds and seeds."""
    found = {kind: told(study, kind) for kind in (*twins(given), *CONTROLS, *given.kinds)}
    return {kind: own for kind, own in found.items() if own}


def twins(given: argparse.Namespace) -> tuple[str, str]:
    """Return the kinds that every control is held against: DM without CLOM, and with it."""
    return f"DM-{given.updates}", f"DM-{given.updates}-clom{given.alpha:g}"


def difference(own: dict[int, Accuracies], other: dict[int, Accuracies]) -> str:
    """Return the difference over crossed seeds and networks of those seeds that both have."""
    seeds = sorted(own.keys() & other.keys())
    if not seeds or own == other:
        return ""
    trials = min(len(one[seed].values) for one in (own, other) for seed in seeds)
    first, second = (_cut([one[seed] for seed in seeds], trials) for one in (own, other))
    return str(crossed_difference(first, second))


def _cut(rows: Sequence[Accuracies], trials: int) -> list[Accuracies]:
    return [Accuracies(row.values[:trials]) for row in rows]


def main() -> None:
    """Make controls, or tell what became of them."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=("make", "tell"))
    parser.add_argument("study", type=Path)
    parser.add_argument("--dataset", default="FashionMNIST")
    parser.add_argument("--data-path")
    parser.add_argument("--engine", default="kernels")
    parser.add_argument("--pool-path", type=Path, default=Path("pretrained_model"))
    parser.add_argument("--model-num", type=int, default=3)
    parser.add_argument("--updates", type=int, default=500)
    parser.add_argument("--alpha", type=float, default=100)
    parser.add_argument("--ipc", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--kinds", nargs="*", default=[], help="further sets of the study to tell")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    if given.what == "make":
        make(given.study, given)
    else:
        found = compared(given.study, given)
        text = tell(found, given)
        (given.out / "controls.md").write_text(text)
        values = {
            kind: {str(seed): list(one.values) for seed, one in own.items()}
            for kind, own in found.items()
        }
        (given.out / "controls.json").write_text(json.dumps(values, indent=1) + "\n")
        print(text)


if __name__ == "__main__":
    main()
