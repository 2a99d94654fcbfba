"""Hold sets distilled with CLOM against their twins without, in pairs.

    datastill study --recipe FashionMNIST-study
    python benchmarks/clom.py studies/FashionMNIST [--model VGG11 ResNet18 --epochs 200]
    python benchmarks/clom.py

A study makes both of a pair from one seed: the same images to start from, the same networks, draws
and batches; and trains the same networks on both. With ``--model``, other architectures are trained
on copies of the sets as well, by ``datastill validate``, which goes on where it was cut off, and
whose further options may follow.
Writes ``docs/results/clom/values.json``, or that of ``--out``, which later runs add to, and
``tables.md`` beside it;
without a study it writes the tables anew from the values that are there.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import statistics
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from itertools import product
from pathlib import Path
from typing import Any

from datastill.cli import main as datastill
from datastill.training.accuracies import Accuracies, crossed_difference

OUT = Path(__file__).parents[1] / "docs" / "results" / "clom"
NAME = re.compile(r"(?P<kind>\w+-\d+)(-clom(?P<alpha>[\d.]+))?-ipc(?P<ipc>\d+)-seed(?P<seed>\d+)")
HEAD = """\
| method-updates | ipc | alpha | trained | without CLOM | with | difference (95 %) | seeds |
|---|---|---|---|---|---|---|---|
"""
SCORES = ("om-accuracy", "om-cross-entropy")


@dataclass(frozen=True)
class Place:
    """What a pair has in common, and the alpha of one of them; 0 is the other."""

    kind: str
    ipc: int
    model: str
    epochs: int
    alpha: float


@dataclass(frozen=True)
class Found:
    """Accuracies of the networks on one set, and what original models say of it."""

    accuracies: tuple[float, ...]
    scores: dict[str, float]


Values = dict[Place, dict[int, Found]]
"""By place and seed."""


def sets_of(study: Path) -> dict[Path, re.Match[str]]:
    """Return the folders of the distilled sets of a study, with the parts of their names."""
    found = {path: NAME.fullmatch(path.name) for path in sorted((study / "sets").iterdir())}
    return {path: match for path, match in found.items() if match}


def place_of(match: re.Match[str], model: str, epochs: int) -> tuple[Place, int]:
    """Return where a set stands, and its seed."""
    alpha = float(match["alpha"] or 0)
    return Place(match["kind"], int(match["ipc"]), model, epochs, alpha), int(match["seed"])


def recorded(study: Path) -> Values:
    """Return what the study itself found."""
    settings = json.loads((study / "settings.json").read_text())
    found: Values = {}
    for path, match in sets_of(study).items():
        if not (path / "record.json").exists():
            continue
        record: Any = json.loads((path / "record.json").read_text())
        scores = {
            name: record["scores"][name]["score"]["value"]
            for name in SCORES
            if name in record["scores"]
        }
        accuracies = tuple(trial["accuracy"] for trial in record["trials"])
        if accuracies:
            epochs = settings["protocol"]["fit"]["epochs"]
            place, seed = place_of(match, settings["model"], epochs)
            found.setdefault(place, {})[seed] = Found(accuracies, scores)
    return found


def judged(
    study: Path, models: list[str], more: list[str], *, epochs: int, trials: int, kinds: list[str]
) -> Values:
    """Train other architectures on copies of the sets of some kinds, and return what they reach."""
    found: Values = {}
    for path, match in sets_of(study).items():
        if kinds and path.name.split("-ipc")[0] not in kinds:
            continue
        for model in models:
            copy = study.parent / f"{study.name}-{model}" / path.name
            copy.mkdir(parents=True, exist_ok=True)
            if not (copy / "synthetic.safetensors").exists():
                shutil.copy(path / "synthetic.safetensors", copy)
            line = f"--model {model} --protocol dsa --epochs {epochs} --num-eval {trials} --resume"
            datastill(["validate", str(copy), "--dataset", study.name, *line.split(), *more])
            rows: Any = json.loads((copy / "validation.json").read_text())[-1]["results"]
            place, seed = place_of(match, model, epochs + 1)
            accuracies = tuple(rows[0]["accuracies"]["values"])
            found.setdefault(place, {})[seed] = Found(accuracies, {})
    return found


def line(place: Place, alone: dict[int, Found], guided: dict[int, Found]) -> str:
    """Return a row of the table; the difference is over crossed seeds and networks."""
    seeds = sorted(alone.keys() & guided.keys())
    trials = min(len(one[seed].accuracies) for one in (alone, guided) for seed in seeds)
    without, with_ = (
        [Accuracies(one[seed].accuracies[:trials]) for seed in seeds] for one in (alone, guided)
    )
    cells = (
        place.kind,
        str(place.ipc),
        f"{place.alpha:g}",
        f"{trials} {place.model}, {place.epochs} epochs",
        *(
            str(Accuracies(tuple(value for row in one for value in row.values)))
            for one in (without, with_)
        ),
        str(crossed_difference(with_, without)),
        str(len(seeds)),
    )
    return f"| {' | '.join(cells)} |\n"


def table(values: Values) -> str:
    """Return all pairs as a table in Markdown."""
    rows: list[str] = []
    for place in sorted(values, key=lambda p: (p.kind, p.ipc, p.model, p.alpha)):
        alone = values.get(Place(place.kind, place.ipc, place.model, place.epochs, 0.0), {})
        if place.alpha and alone.keys() & values[place].keys():
            rows.append(line(place, alone, values[place]))
    return HEAD + "".join(rows)


def longer(values: Values) -> str:
    """Return what more updates change: of CLOM's gain, and what CLOM with fewer is ahead of them.

    The same networks were trained on all sets of a study, so that both are told in pairs.
    """
    rows = "| what | ipc | trained | difference (95 %) | seeds |\n|---|---|---|---|---|\n"
    for few, many in product(values, values):
        if not few.alpha or not is_longer(few, many):
            continue
        places = (few, replace(few, alpha=0.0), many, replace(many, alpha=0.0))
        found = [values[place] for place in places]
        seeds = sorted(set.intersection(*(set(one) for one in found)))
        trials = min(len(one[seed].accuracies) for one in found for seed in seeds)
        with_few, few_alone, with_many, many_alone = (
            [Accuracies(one[seed].accuracies[:trials]) for seed in seeds] for one in found
        )
        trained = f"{trials} {few.model}, {few.epochs} epochs"
        for what, one, other in (
            (f"{few.kind} with CLOM, less {many.kind} without", with_few, many_alone),
            (
                f"CLOM's gain by {many.kind}, less that by {few.kind}",
                gains(with_many, many_alone),
                gains(with_few, few_alone),
            ),
        ):
            told = str(crossed_difference(one, other))
            rows += f"| {what} | {few.ipc} | {trained} | {told} | {len(seeds)} |\n"
    return rows


def is_longer(few: Place, many: Place) -> bool:
    """Tell whether places differ in the number of updates alone, and which has more."""
    (method, updates), (other, more) = (place.kind.rsplit("-", 1) for place in (few, many))
    return method == other and int(updates) < int(more) and replace(many, kind=few.kind) == few


def gains(with_: list[Accuracies], without: list[Accuracies]) -> list[Accuracies]:
    """Return the differences of each pair of networks, as if they were accuracies."""
    return [
        Accuracies(tuple(a - b for a, b in zip(one.values, other.values, strict=True)))
        for one, other in zip(with_, without, strict=True)
    ]


def plain(values: Values) -> list[dict[str, Any]]:
    """Return every value as JSON can hold it."""
    return [
        {**asdict(place), "seed": seed, **asdict(found)}
        for place, seeds in values.items()
        for seed, found in seeds.items()
    ]


def read(file: Path) -> Values:
    """Return what ``plain`` made of values."""
    found: Values = {}
    for row in json.loads(file.read_text()):
        place = Place(*(row[field.name] for field in fields(Place)))
        accuracies = tuple(row["accuracies"])
        found.setdefault(place, {})[row["seed"]] = Found(accuracies, row["scores"])
    return found


def said(values: Iterable[tuple[Place, dict[int, Found]]]) -> str:
    """Return what original models say of the sets: how far CLOM takes over."""
    rows = "| method-updates | images per class | alpha | " + " | ".join(SCORES) + " |\n"
    rows += "|---|---|---|" + "---|" * len(SCORES) + "\n"
    for place, seeds in sorted(values, key=lambda item: (item[0].kind, item[0].ipc, item[0].alpha)):
        if all(name in found.scores for found in seeds.values() for name in SCORES):
            means = [statistics.mean(f.scores[name] for f in seeds.values()) for name in SCORES]
            told = " | ".join(f"{mean:.3f}" for mean in means)
            rows += f"| {place.kind} | {place.ipc} | {place.alpha:g} | {told} |\n"
    return rows


def main() -> None:
    """Collect what is there, make what was asked for, and write it all down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", type=Path, nargs="?")
    parser.add_argument("--model", nargs="*", default=[], help="other architectures")
    parser.add_argument("--epochs", type=int, default=1000, help="for which they are trained")
    parser.add_argument("--num-eval", type=int, default=3, help="of each, on each set")
    parser.add_argument("--kinds", nargs="*", default=[], help="of sets, such as DM-120; or all")
    parser.add_argument("--out", type=Path, default=OUT, help="folder of values.json and tables.md")
    options, more = parser.parse_known_args()
    file: Path = options.out / "values.json"
    values = read(file) if file.exists() else {}
    if options.study is not None:
        values |= recorded(options.study)
        values |= judged(
            *(options.study, options.model, more),
            epochs=options.epochs,
            trials=options.num_eval,
            kinds=options.kinds,
        )
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(plain(values), indent=1) + "\n")
    text = f"{table(values)}\n{longer(values)}\n{said(values.items())}"
    (file.parent / "tables.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
