"""Conclude studies anew from their values, without training or assessing anything.

    python benchmarks/conclude.py docs/results/fashion-mnist-study ...
    python benchmarks/conclude.py FOLDER --pairs om-cross-entropy om-accuracy

Reads ``study.json`` (every accuracy and score) and ``settings.json`` (the seed) of each folder, and
writes ``study.json``, ``study.md`` and the plots as ``datastill study`` would; with ``--pairs`` it
only tells by how much the first of two assessments agrees better with validation than the second.
What the original models cost is in ``study.json``; for one that lacks it ``--models`` tells.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from datastill import Key
from datastill.evaluation.studies import Record, Resampling, conclude, contrast, record_of
from datastill.report.study_cells import difference
from datastill.runs.studies.findings import written_down
from datastill.store import write_json


def records(folder: Path) -> tuple[list[Record], Resampling, dict[str, Any]]:
    """Return what is known of the sets of a study, how to draw them anew, and its study.json."""
    table: dict[str, Any] = json.loads((folder / "study.json").read_text())
    seed = json.loads((folder / "settings.json").read_text())["seed"]
    return list(map(record_of, table["records"])), Resampling(Key(seed).at("resampling")), table


def write(folder: Path, models: float | None) -> None:
    """Write what a study finds."""
    known, resampling, table = records(folder)
    models = table.get("models") if models is None else models
    found = conclude(known, resampling, models=models)
    written_down(found, table["facts"], folder)
    write_json(folder / "study.json", {**table, **asdict(found)})
    print(folder / "study.md")


def tell(folder: Path, one: str, other: str) -> None:
    """Print by how much one assessment agrees better than another."""
    known, resampling, _ = records(folder)
    print(
        f"{folder.name}: Spearman's correlation of {one} less that of {other} "
        "(95 % of this pair; of all pairs at once)"
    )
    for scope, found in contrast(known, one, other, resampling).items():
        print(f"  {scope}: {difference(found)}")


def main() -> None:
    """Conclude every study that was named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--pairs", nargs=2, metavar=("ONE", "OTHER"))
    parser.add_argument("--models", type=float, help="seconds that the original models took")
    options = parser.parse_args()
    for folder in options.folders:
        if options.pairs:
            tell(folder, *options.pairs)
        else:
            write(folder, options.models)


if __name__ == "__main__":
    main()
