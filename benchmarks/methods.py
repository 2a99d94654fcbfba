"""Make and judge the sets of docs/results/methods/plan.md, by the commands that anybody types.

    OMP_NUM_THREADS=1 python benchmarks/methods.py FashionMNIST-10 --seeds 1 --folder FOLDER
    python benchmarks/methods.py

FOLDER holds pretrained models as ``datastill train`` leaves them (``pool``), and gets the sets and
comparisons. Every command takes up what is there: a run that was cut off goes on. Without a cell
the tables are written anew from the comparisons under docs/results/methods.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

OUT = Path(__file__).parents[1] / "docs" / "results" / "methods"
POINTS = (4, 2, 1)
"""Parts of the updates after which a set is judged."""

PICKED = ("random", "k-means", "random-tiles", "rded", "early-labels")


@dataclass(frozen=True)
class Cell:
    """A dataset, a number of images, and how long rows are distilled.

    Attributes:
        dataset: its name.
        ipc: stored images per class.
        epochs: of the networks that judge.
        updates: of each row; see the plan.
    """

    dataset: str
    ipc: int
    epochs: int
    updates: dict[str, int] = field(default_factory=dict[str, int])


ROWS = {
    "DM": ["--method", "DM"],
    "DM-tiles": ["--method", "DM", "--tiles", "2"],
    "DM-tiles-CLOM": ["--method", "DM", "--tiles", "2", "--alphas", "100"],
    "IDM-like": ["--recipe", "FashionMNIST-DM-10-tiles-pool"],
    "NCFM": ["--method", "NCFM"],
    "CIM": ["--method", "CIM"],
    "DSA": ["--method", "DSA", "--inner-loop", "10"],
}
"""Options of each distilled row."""

CELLS = {
    "FashionMNIST-10": Cell("FashionMNIST", 10, 300),
    "FashionMNIST-1": Cell("FashionMNIST", 1, 1000),
    "CIFAR10-10": Cell("CIFAR10", 10, 300),
}


@dataclass(frozen=True)
class Bench:
    """A cell that is carried out in a folder."""

    name: str
    cell: Cell
    folder: Path

    def run(self, seed: int) -> None:
        """Make the sets of a seed, and judge them."""
        cell = self.cell
        sets = [made for row, updates in cell.updates.items() for made in self.row(row, updates, seed)]
        pool = [*("--pool-path", self.pool), *("--models-pool", "ConvNet")]
        usual = [*("--dataset", cell.dataset), *("--ipc", str(cell.ipc)), *("--seed", str(seed))]
        usual += [*self.data, *("--protocol", "modern"), *("--epochs", str(cell.epochs))]
        usual += [*("--num-eval", "2"), *("--real-epochs", "0"), "--resume", *pool]
        out = self.folder / f"{self.name}-seed{seed}"
        hard = [*usual, *("--against", *PICKED), *("--coreset-features", "ConvNet")]
        typed("compare", *sets, *hard, "--out", f"{out}-hard")
        soft = [*usual, *("--against", "random", "rded"), *("--labels", "on-the-fly")]
        best = [made for made in sets if made.startswith(str(self.place("CIM", seed)))][-1:]
        typed("compare", *best, *soft, "--out", f"{out}-soft")

    def row(self, row: str, updates: int, seed: int) -> Iterator[str]:
        """Make a row's sets, and return where they lie: the later goes on from the earlier."""
        cell, place = self.cell, self.place(row, seed)
        for part in POINTS:
            count = max(1, updates // part)
            kept = place / str(count)
            if not (kept / "synthetic.safetensors").exists():
                options = [*ROWS[row], *("--dataset", cell.dataset), *self.data]
                options += [*("--ipc", str(cell.ipc)), *("--seed", str(seed))]
                options += [*("--iterations", str(count)), "--resume"]
                options += [*("--pool-path", self.pool), *("--models-pool", "ConvNet")]
                typed("distill", *options, "--save-path", str(place))
                (made,) = place.glob("*/*/IPC*/synthetic.safetensors")
                kept.mkdir(parents=True, exist_ok=True)
                shutil.copy(made, kept / made.name)
            yield str(kept / "synthetic.safetensors")

    def place(self, row: str, seed: int) -> Path:
        """Return the folder of a row's sets."""
        return self.folder / self.name / f"{row}-seed{seed}"

    @property
    def pool(self) -> str:
        """Where the original models lie."""
        return str(self.folder / "pool" / self.cell.dataset)

    @property
    def data(self) -> list[str]:
        """How the images are found."""
        own = self.folder / "data" / self.cell.dataset
        return ["--data-path", str(own)] if own.exists() else []


def typed(*words: str) -> None:
    """Carry out a command of datastill, and say which.

    Raises:
        subprocess.CalledProcessError: when it fails.
    """
    print("datastill", *words, flush=True)
    subprocess.run([sys.executable, "-m", "datastill", *words, "--plain"], check=True)
