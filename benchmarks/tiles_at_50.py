"""Look for what tiles cost at 50 images per class, and whether a score without a test set sees it.

    OMP_NUM_THREADS=1 python benchmarks/tiles_at_50.py --folder FOLDER
    python benchmarks/tiles_at_50.py --tell

FOLDER gets two sets of FashionMNIST, DM with tiles and without, of as many updates as take ten
minutes; their comparison and scores go to docs/results/methods. What was cut off goes on.
``--tell`` prints both as tables.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

from methods import CELLS, OUT, SET, Bench, Cell, typed

from datastill.training.accuracies import Accuracies

NAME = "FashionMNIST-50"
CELL = Cell("FashionMNIST", 50, 300, {"DM": 1030, "DM-tiles": 490})
SCORES = (
    *("fresh-gradient-distance", "linear-probe", "om-accuracy", "om-cross-entropy"),
    *("class-frechet-distance", "fresh-feature-distance", "om-gradient-distance"),
    *("frechet-distance", "fidelity-and-trajectory", "diversity"),
)
RETESTS = 3
ROOT = Path(__file__).parents[1]
POOL = OUT.parent / "clom" / "pretrained_model"
"""Original models that judge, three ConvNets of 12 epochs, which come with the project."""
JUDGED = {"hard": "`modern`, 300 epochs", "published": "`dsa`, 1000 epochs"}
SEED = 0
FOUND = OUT / "tiles-at-50"
"""What the scores are."""
TEN = "FashionMNIST-10"
AT_TEN = {
    row: str(OUT / "sets" / TEN / f"seed{SEED}" / row / str(CELLS[TEN].updates[row]) / SET)
    for row in CELL.updates
}
"""The same two at ten images per class, where tiles gain: a score that sees what tiles are worth
takes the other one there."""
BOTH = "tiles"
"""What the comparison of both sets is called."""


def made(bench: Bench) -> dict[str, str]:
    """Make both sets, and return where they lie."""
    return {row: bench.made(row, count, SEED) for row, count in CELL.updates.items()}


def scored(bench: Bench, name: str, sets: dict[str, str]) -> None:
    """Score both sets by the same draws, where that lacks, and keep what is found."""
    for row, file in sets.items():
        kept = kept_scores(name, row)
        if kept.exists():
            continue
        out = bench.folder / f"{name}-{row}-scores"
        usual = ["--dataset", CELL.dataset, *bench.data]
        usual += ["--pool-path", str(POOL), "--models-pool", "ConvNet"]
        usual += ["--assessments", *SCORES, "--retests", str(RETESTS), "--seed", str(SEED)]
        typed("assess", file, *usual, "--out", str(out))
        (found,) = out.rglob("assessment.json")
        text = found.read_text().replace(f"{bench.folder}/", "").replace(f"{ROOT}/", "")
        kept.write_text(text)


def kept_scores(name: str, row: str) -> Path:
    """Return the file that has the scores of a set."""
    return FOUND / f"{name}-{row}-assessment.json"


def judged(bench: Bench, sets: dict[str, str], kind: str) -> None:
    """Train two networks on either set, and on random images: the same start on all."""
    bench.compare(BOTH, SEED, kind, [*sets.values()], ())


def read(file: Path) -> Any:
    """Return what was kept, or nothing."""
    return json.loads(file.read_text()) if file.exists() else {}


def accuracies() -> str:
    """Return what networks have, as a table."""
    lines = ["| judged by | random | DM | DM in tiles | tiles bring, points |"]
    lines.append("|---|---|---|---|---|")
    for kind, name in JUDGED.items():
        if not (report := read(OUT / f"{NAME}-seed{SEED}-{BOTH}-{kind}.json")):
            continue
        found = {row["name"].split("/")[0]: row["accuracies"]["values"] for row in report["rows"]}
        random, plain, tiled = (found[str(name)] for name in ("random", *CELL.updates.values()))
        each = [100 * (two - one) for one, two in zip(plain, tiled, strict=True)]
        brought = " and ".join(f"{points:+.1f}" for points in each)
        told = " | ".join(str(Accuracies(values)) for values in (random, plain, tiled))
        lines.append(f"| {name} | {told} | {brought} |")
    return "\n".join(lines)


def scores() -> str:
    """Return which set each score holds for the better one at either size, as a table."""
    lines = ["| score | 50: DM | DM in tiles | the better | 10: DM | DM in tiles | the better |"]
    lines.append("|---|---|---|---|---|---|---|")
    sizes = [of_both(name) for name in (NAME, TEN)]
    for name in SCORES:
        told = [verdict(*(found[name] for found in both)) for both in sizes]
        lines.append(f"| `{name}` | {' | '.join(told)} |")
    return "\n".join(lines)


def of_both(name: str) -> list[dict[str, Any]]:
    """Return the scores of both sets of a size, by their names."""
    reports = [read(kept_scores(name, row)) for row in CELL.updates]
    return [{score["name"]: score for score in report["scores"]} for report in reports]


def verdict(plain: Any, tiled: Any) -> str:
    """Return both values of a score, with their spread over draws, and what it prefers."""
    ahead = tiled["value"] > plain["value"]
    better = "tiles" if ahead == (tiled["better"] == "higher") else "without"
    values = [
        f"{one['value']:.4g} ± {statistics.stdev(one['draws']):.2g}" for one in (plain, tiled)
    ]
    return " | ".join((*values, better))


def main() -> None:
    """Read the options, and make what lacks."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tell", action="store_true", help="print what is there, and make nothing")
    parser.add_argument("--judge", nargs="+", choices=[*JUDGED], default=["hard"])
    parser.add_argument("--folder", type=Path, default=Path("methods"))
    given = parser.parse_args()
    if given.tell:
        print(accuracies(), scores(), sep="\n\n")
        return
    bench = Bench(NAME, CELL, given.folder)
    sets = made(bench)
    scored(bench, NAME, sets)
    scored(bench, TEN, AT_TEN)
    for kind in given.judge:
        judged(bench, sets, kind)


if __name__ == "__main__":
    main()
