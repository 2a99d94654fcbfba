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
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datastill.evaluation.comparison.tables import HARD
from datastill.training.accuracies import Accuracies

OUT = Path(__file__).parents[1] / "docs" / "results" / "methods"
POINTS = (4, 2, 1)
"""Parts of the updates after which a set is judged."""

SEEDS = 2
HEAD = """\
# Methods of today, every row

Written by `python benchmarks/methods.py` from the comparisons beside this page, which have every
value; by which commands they are made is in [plan.md](plan.md). Accuracy is that of the last
epoch on all test images, ± the sample standard deviation over networks (n - 1), two for each
seed; of what is picked by chance each network has a draw of its own. Bytes are those of images
and labels, and of the original models where these label on the fly. Minutes are those of
distilling, worked out before for two cores on which nothing else runs; original models come on
top. Judged on: the instructions of the processor, an Intel Xeon (Sapphire Rapids), or the GPU, an
NVIDIA H200."""
ROWS_HEAD = """\
| set | labels | bytes | minutes | accuracy | each, % | seeds | judged on |
|---|---|---|---|---|---|---|---|"""
MINUTES = 10.0
"""That all updates of a row take on two cores; CIM's published ones take two."""
SHORT = {"CIM": 2.0}
HOUR = 6
"""Times the ten minutes of a row."""
HOURS = ("hourdsa", "hour", "hourResNet18")
"""How a set of an hour is judged: by ConvNets, published and `modern`, and by another network."""
BY_DSA = {"published": ", by dsa", "hourdsa": ", by dsa", "hourResNet18": ", ResNet18 by dsa"}
"""What is judged by the published protocol, and how its rows say so."""
SET = "synthetic.safetensors"
PICKED = ("random", "k-means", "random-tiles", "rded")
WITHOUT_MODELS = {"random", "random-tiles"}
"""Of what is picked, what asks no original model."""
WITHOUT_FEATURES = {*WITHOUT_MODELS, "early-labels"}
"""And what looks at no features of one."""


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
    "FashionMNIST-10": Cell(
        "FashionMNIST",
        10,
        300,
        {
            **{"DM": 1460, "DM-tiles": 1100, "DSA": 320, "CIM": 200},
            **{"DM-tiles-CLOM": 860, "NCFM": 780, "IDM-like": 880},
        },
    ),
    "FashionMNIST-1": Cell(
        "FashionMNIST",
        1,
        1000,
        {
            **{"DM": 1500, "DM-tiles": 1440, "DSA": 380, "CIM": 200},
            **{"DM-tiles-CLOM": 1360, "NCFM": 1240, "IDM-like": 1380},
        },
    ),
    "CIFAR10-10": Cell(
        "CIFAR10",
        10,
        300,
        {
            **{"DM": 1280, "DM-tiles": 960, "DSA": 280, "CIM": 200},
            **{"DM-tiles-CLOM": 760, "NCFM": 680, "IDM-like": 780},
        },
    ),
}


@dataclass(frozen=True)
class Bench:
    """A cell that is carried out in a folder."""

    name: str
    cell: Cell
    folder: Path

    def judge(self, row: str, seed: int) -> None:
        """Make the sets of a row, and judge them; beside DM's also those that are picked.

        Rows are judged by themselves, so that they are told as they come: the networks of a seed
        are the same for all of them.
        """
        cell = self.cell
        sets = [*self.row(row, cell.updates[row], seed)][::-1]  # the last point first
        self.compare(row, seed, "hard", sets, PICKED if row == "DM" else ())
        if row == "DM":
            self.compare(row, seed, "early", [], ["early-labels"])
        if row == "CIM":
            self.compare(row, seed, "soft", sets[:1], ("random", "rded"))

    def compare(
        self, row: str, seed: int, labels: str, sets: list[str], against: Iterable[str]
    ) -> None:
        """Judge sets by two networks, and keep what is found."""
        cell, name = self.cell, f"{self.name}-seed{seed}-{row}-{labels}"
        usual = [*("--dataset", cell.dataset), *("--ipc", str(cell.ipc)), *("--seed", str(seed))]
        how = ("dsa", 1000) if labels in BY_DSA else ("modern", cell.epochs)
        usual += [*self.data, *("--protocol", how[0]), *("--epochs", str(how[1]))]
        if labels == "hourResNet18":
            usual += ["--model", "ResNet18"]
        usual += [*("--num-eval", "2"), *("--real-epochs", "0"), "--resume"]
        names = tuple(against)
        if {*names} - WITHOUT_MODELS:
            usual += [*("--pool-path", self.pool), *("--models-pool", "ConvNet")]
        if {*names} - WITHOUT_FEATURES:
            usual += ["--coreset-features", "ConvNet"]
        usual += ["--against", *names]
        if labels == "soft":
            usual += ["--labels", "on-the-fly"]
        typed("compare", *sets, *usual, "--out", str(self.folder / name))
        found = (self.folder / name / "comparison.json").read_text()
        (OUT / f"{name}.json").write_text(found.replace(f"{self.folder}/", ""))  # of one machine

    def row(self, row: str, updates: int, seed: int) -> Iterator[str]:
        """Make a row's sets, and return where they lie: the later goes on from the earlier."""
        for part in POINTS:
            yield self.made(row, max(1, updates // part), seed)

    def made(self, row: str, count: int, seed: int) -> str:
        """Make a set of so many updates, where it lacks, and return where it lies."""
        cell, place = self.cell, self.place(row, seed)
        kept = place / str(count)
        if not (kept / SET).exists():
            options = [*ROWS[row], *("--dataset", cell.dataset), *self.data]
            options += [*("--ipc", str(cell.ipc)), *("--seed", str(seed))]
            options += [*("--iterations", str(count)), "--resume"]
            options += [*("--pool-path", self.pool), *("--models-pool", "ConvNet")]
            typed("distill", *options, "--save-path", str(place))
            (made,) = place.glob(f"*/*/IPC*/{SET}")
            kept.mkdir(parents=True, exist_ok=True)
            shutil.copy(made, kept / made.name)
        return str(kept / SET)

    def published(self, row: str, seed: int) -> None:
        """Judge what a row has come to by the published protocol."""
        made = self.made(row, self.cell.updates[row], seed)
        self.compare(row, seed, "published", [made], ["random-tiles"] if row == "DM" else ())
        if row == "DM":
            self.compare("picked", seed, "published", [], ["k-means", "rded"])

    def hour(self, row: str, seed: int) -> None:
        """Go on with a row for an hour, and judge what it has come to by all that HOURS names."""
        made = self.made(row, HOUR * self.cell.updates[row], seed)
        for kind in HOURS:
            self.compare(row, seed, kind, [made], ())

    def place(self, row: str, seed: int) -> Path:
        """Return the folder of a row's sets."""
        return self.folder / self.name / f"seed{seed}" / row

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


def tables() -> str:
    """Return the rows of all comparisons that are there: the mean and every network.

    What is picked stands beside several rows, trained by the same networks: it counts once.
    """
    lines = [HEAD, ""]
    for name, cell in CELLS.items():
        found = collected(name)
        if not found:
            continue
        lines += [f"## {name}", "", ROWS_HEAD]
        for (title, labels), rows in found.items():
            values = values_of(rows)
            each = " ".join(f"{100 * value:.1f}" for value in values)
            size = str(rows[-1]["image_bytes"] + rows[-1]["label_bytes"])
            if models := rows[-1].get("model_bytes"):  # which give the labels
                size += f" + {models}"
            where = ", ".join(sorted({row["judged on"] for row in rows}))
            told = f"{minutes(cell, title)} | {Accuracies(values)} | {each} | {len(rows)} | {where}"
            lines.append(f"| {title} | {labels} | {size} | {told} |")
        lines.append("")
    return "\n".join(lines)


def minutes(cell: Cell, title: str) -> str:
    """Return the minutes of distilling of a row, by its title; none of what is picked."""
    row, _, count = title.removesuffix(" updates").partition(", ")
    full = cell.updates.get(row)
    return "" if full is None else f"{SHORT.get(row, MINUTES) * int(count or full) / full:.1f}"


def collected(cell: str) -> dict[tuple[str, str], list[Any]]:
    """Return the rows of a cell, of each seed, by what they are called, and labels."""
    found: dict[tuple[str, str], list[Any]] = {}
    for seed in range(SEEDS):
        for key, row in rows_of(cell, seed).items():
            found.setdefault(key, []).append(row)
    return found


def values_of(rows: Iterable[Any]) -> tuple[float, ...]:
    """Return the accuracies of all networks of rows."""
    return tuple(value for row in rows for value in row["accuracies"]["values"])


def rows_of(cell: str, seed: int) -> dict[tuple[str, str], Any]:
    """Return the rows of one seed, by what they are called, and labels."""
    found: dict[tuple[str, str], Any] = {}
    for file in sorted(OUT.glob(f"{cell}-seed{seed}-*.json")):
        made, kind = file.stem.removeprefix(f"{cell}-seed{seed}-").rsplit("-", 1)
        report = json.loads(file.read_text())
        fast = report["protocol"].get("soft_lr") is None  # as the first ones were judged
        for row in report["rows"]:
            soft = row["labels"] != HARD
            if kind in ("soft", "soft01", "early") and not soft:
                continue  # the same networks as in the comparison of hard labels
            rate = f", from {report['protocol']['fit']['lr']:g}" if fast and soft else ""
            updates = row["name"].removesuffix(f"/{SET}")
            title = f"{made}, {updates} updates" if updates.isdecimal() else updates
            if kind in ("published", *HOURS) and title not in PICKED:  # a single set has no path
                title = made
                if kind in HOURS:
                    title += f", {HOUR * CELLS[cell].updates[made]} updates"
            by = BY_DSA.get(kind, "")
            where = report["execution"]["instructions"] if report["device"] == "cpu" else "GPU"
            found.setdefault((title, row["labels"] + rate + by), {**row, "judged on": where})
    return found


def main() -> None:
    """Read the options, and make what lacks."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("cells", nargs="*", choices=[*CELLS, []])
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--rows", nargs="+", choices=[*ROWS], help="these alone")
    parser.add_argument("--hour", action="store_true", help="of an hour, not of ten minutes")
    parser.add_argument("--published", action="store_true", help="judge by dsa, 1000 epochs")
    parser.add_argument("--make", action="store_true", help="make sets, and judge none")
    parser.add_argument("--folder", type=Path, default=Path("methods"))
    given = parser.parse_args()
    for seed in range(given.seeds):
        for name in given.cells:
            bench = Bench(name, CELLS[name], given.folder)
            for row in given.rows or CELLS[name].updates:
                if given.make:
                    print(*bench.row(row, CELLS[name].updates[row], seed), flush=True)
                elif given.hour:
                    bench.hour(row, seed)
                elif given.published:
                    bench.published(row, seed)
                else:
                    bench.judge(row, seed)
    (OUT / "tables.md").write_text(tables())


if __name__ == "__main__":
    main()
