"""Compare sets with real images of FashionMNIST, under the published protocol and a stronger one.

    python benchmarks/comparison.py IPC [SET ...] [OPTIONS OF datastill compare]
    python benchmarks/comparison.py

Runs ``datastill compare`` by ``dsa`` and by ``modern``, each into
``docs/results/comparison/[dataset]-IPC[ipc]-[protocol]`` unless its values are there already, and
writes all that are there as a table, ``docs/results/comparison/README.md``; without an IPC it
writes the table and the plots alone.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from datastill.cli import main as datastill
from datastill.report.comparison import write_plot
from datastill.store.results import rows_in
from datastill.training.accuracies import Accuracies, difference

OUT = Path(__file__).parents[1] / "docs" / "results" / "comparison"
PROTOCOLS = ("dsa", "modern")
HEAD = """\
# Two protocols, and sets beside real images

FashionMNIST, a ConvNet, tested once at the last epoch; trial *i* starts from the same weights and
sees images in the same order whatever the set, random images are drawn anew for each. ± is the
sample standard deviation over networks (n - 1), the interval Student's t over pairs. `dsa` is the
published protocol, `modern` our own, chosen on held-out training images
([protocol](../../protocol.md)).
DM is one set of 120 updates with published settings, made by

    datastill distill --dataset FashionMNIST --method DM --ipc IPC --iterations 120

and the table by `python benchmarks/comparison.py IPC [SET] --num-eval 3 --real-epochs 0`, on two
cores of an AMD EPYC, torch 2.13.0 for CPU. Every value, with fingerprints and settings, is in the
`comparison.json` of each folder, next to a plot. Coresets pick in the space of pixels; at
1 per class herding, k-center and k-means all pick the image nearest to the mean of its class.

| images per class | protocol | trained on | model | test accuracy | minus random (95 %) |
|---|---|---|---|---|---|
"""


def accuracies(row: dict[str, Any]) -> Accuracies:
    """Return what the networks of a row reached."""
    return Accuracies(tuple(row["accuracies"]["values"]))


def is_random(row: dict[str, Any]) -> bool:
    """Tell whether a row is of random images with their own labels."""
    return (row["name"], row["labels"]) == ("random", "hard")


def line(table: dict[str, Any], row: dict[str, Any]) -> str:
    """Return a row of the table in Markdown."""
    name = row["name"] if row["labels"] == "hard" else f"{row['name']}, {row['labels']} labels"
    own, random = accuracies(row), next(accuracies(one) for one in table["rows"] if is_random(one))
    paired = not is_random(row) and len(own.values) == len(random.values)
    cells = (
        str(max(table["images_per_class"])),
        f"{table['protocol']['name']}, {row['epochs']} epochs",
        name,
        row["model"],
        str(own),
        str(difference(own, random)) if paired else "",
    )
    return f"| {' | '.join(cells)} |\n"


def run(ipc: str, options: list[str]) -> None:
    """Run what is missing."""
    if "--dataset" not in options:
        options += ["--dataset", "FashionMNIST"]
    dataset = options[options.index("--dataset") + 1]
    for protocol in PROTOCOLS:
        out = OUT / f"{dataset}-IPC{ipc}-{protocol}"
        if not (out / "comparison.json").exists():
            fixed = ["--ipc", ipc, "--protocol", protocol, "--out", str(out)]
            datastill(["compare", *options, *fixed])


def main() -> None:
    """Run what is missing, and write the table."""
    given = sys.argv[1:]
    if given and not given[0].isdigit():
        sys.exit(__doc__)
    if given:
        run(given[0], given[1:])
    files = sorted(OUT.glob("*/comparison.json"))
    for file in files:
        write_plot(rows_in(json.loads(file.read_text()))[0], file.with_name("comparison.png"))
    tables = [json.loads(file.read_text()) for file in files]
    tables.sort(key=lambda table: (max(table["images_per_class"]), table["protocol"]["name"]))
    found = (line(table, row) for table in tables for row in table["rows"])
    (OUT / "README.md").write_text(HEAD + "".join(found))
    print((OUT / "README.md").read_text())


if __name__ == "__main__":
    main()
