"""Tell what other students gain from CLOM: the fifth control of docs/results/clom/plan.md.

    cd docs/results/clom/decisive/study/sets
    datastill compare DM-500-ipc10-seed? DM-500-clom100-ipc10-seed? --model VGG11 --epochs 100
        --num-eval 2 --against random --real-epochs 0 --engine kernels --out FOLDER
    python benchmarks/clom_students.py FOLDER/comparison.json [ANOTHER/comparison.json]

The networks of an architecture are the same for all sets, and a set with CLOM started from the
images of its twin without: differences are over crossed seeds and networks. Kept are the
accuracies, in students.json; without files the table is told anew from them.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from datastill.training.accuracies import Accuracies, crossed_difference

OUT = Path(__file__).parents[1] / "docs" / "results" / "clom" / "decisive"
WITHOUT, WITH, RANDOM = "DM-500", "DM-500-clom100", "random"
NAME = re.compile(r"(?P<kind>.+)-ipc\d+-seed(?P<seed>\d+)(/.*)?")

Values = Mapping[str, Mapping[str, Mapping[str, list[float]]]]
"""Accuracies by architecture, kind of set and seed; of random images there is one seed."""


def values_of(files: Iterable[Path]) -> Values:
    """Return the accuracies that comparisons found."""
    found: dict[str, dict[str, dict[str, list[float]]]] = {}
    for file in files:
        rows: Any = json.loads(file.read_text())["rows"]
        for row in rows:
            said = NAME.fullmatch(row["name"])
            kind, seed = (said["kind"], said["seed"]) if said else (row["name"], "0")
            own = found.setdefault(row["model"], {}).setdefault(kind, {})
            own[seed] = row["accuracies"]["values"]
    return found


def table(values: Values) -> str:
    """Return a row for every architecture."""
    lines = ["| student | random images | DM | DM with CLOM | difference (95 %) | by seed |"]
    lines.append("|---|---|---|---|---|---|")
    for model, kinds in values.items():
        without, with_ = (
            [Accuracies(tuple(kinds[kind][seed])) for seed in sorted(kinds[kind])]
            for kind in (WITHOUT, WITH)
        )
        every = (
            str(Accuracies(tuple(value for own in kinds[kind].values() for value in own)))
            for kind in (RANDOM, WITHOUT, WITH)
        )
        each = (f"{100 * (b.mean - a.mean):+.1f}" for a, b in zip(without, with_, strict=True))
        gain = crossed_difference(with_, without)
        lines.append(f"| {model} | {' | '.join(every)} | {gain} | {', '.join(each)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Read comparisons, or what was kept of them, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    kept = given.out / "students.json"
    values = values_of(given.files) if given.files else json.loads(kept.read_text())
    kept.write_text(json.dumps(values, indent=1) + "\n")
    (given.out / "students.md").write_text(table(values))
    print(table(values))


if __name__ == "__main__":
    main()
