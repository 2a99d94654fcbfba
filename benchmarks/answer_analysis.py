"""Analyse the studies of docs/results/answer/plan.md: its five hypotheses, and its tables.

    python benchmarks/answer_analysis.py FOLDER ...

FOLDER is that of ``benchmarks/answer.py``, one for each dataset. Reads ``recipes/study.json`` and
``block/study.json`` and prints every number of the plan's section "Hypotheses"; nothing is trained.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import numpy as np
from answer import SEEDS, TINY, Answer, Size  # beside this file
from scipy import stats

from datastill import Key
from datastill.evaluation.studies import Record, Resampling, conclude, contrast, record_of
from datastill.evaluation.studies.records import GUIDED
from datastill.evaluation.studies.reliability import reliability
from datastill.runs import DataSpec

CE, OM, FFD = "om-cross-entropy", "om-accuracy", "fresh-feature-distance"
TRAJECTORY, PROXY, RIDGE = "trajectory-distance", "proxy-likelihood", "fresh-kernel-ridge"
PROXY_60 = PROXY
"""What a proxy does without a number is 60 epochs."""
COMPOSITE, OTHER_COMPOSITE = "fidelity-and-trajectory", "fidelity-and-coverage"
MAIN = (
    *(OM, CE, FFD, TRAJECTORY, PROXY, f"{PROXY}@20", "proxy-accuracy", "proxy-accuracy@20"),
    *(RIDGE, COMPOSITE, OTHER_COMPOSITE, "kernel-ridge", "nearest-class-mean"),
)
SCOPE = "all sets"
MARGIN, CLOSE, BEST_FIXED = 0.03, 1.05, 100
"""Of H3 in correlation; of H5 the ratio of distances, and the alpha that was published."""


def known(folder: Path) -> list[Record]:
    """Return the records of a study."""
    table = json.loads((folder / "study.json").read_text())
    return list(map(record_of, table["records"]))


def sorted_out(records: Sequence[Record], places: Mapping[str, tuple[str, str]]) -> list[Record]:
    """Return records whose methods are the plan's families, and whose recipes are its recipes.

    Args:
        records: of the first study.
        places: see ``Answer.recipes``.

    Raises:
        KeyError: for a set that is none of the plan's.
    """
    found: list[Record] = []
    for record in records:
        family, recipe = places[re.sub(r"-ipc\d+-(seed\d+|[0-9a-f]{16})$", "", record.name)]
        found.append(replace(record, method=family + GUIDED * record.guided, recipe=recipe))
    return found


def concordance(records: Sequence[Record], name: str) -> tuple[int, int, float]:
    """Return how many pairs of seeds of a recipe a score orders as accuracy does, of how many.

    And a two-sided p-value, by all orders of the seeds of each recipe: the share of them by which
    as many pairs or more deviate from a half. Equal values are half of a pair.
    """
    halves: list[list[float]] = []
    found, pairs = 0.0, 0
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(record.recipe_name, []).append(record)
    for some in groups.values():
        worths = [one.scores[name].score.worth for one in some]
        accuracies = [one.accuracy for one in some]
        own = [_agreeing(order, accuracies) for order in itertools.permutations(worths)]
        found, pairs = found + own[0], pairs + math.comb(len(some), 2)
        halves.append(own)
    sums = np.zeros(1)
    for own in halves:
        sums = np.add.outer(sums, np.array(own)).ravel()
    far = np.abs(sums - pairs / 2) >= abs(found - pairs / 2) - 1e-9
    return round(found), pairs, float(far.mean())


def _agreeing(worths: Sequence[float], accuracies: Sequence[float]) -> float:
    pairs = itertools.combinations(zip(worths, accuracies, strict=True), 2)
    return sum(0.5 + 0.5 * np.sign((a[0] - b[0]) * (a[1] - b[1])) for a, b in pairs)


def sweeps(records: Sequence[Record]) -> dict[str, dict[float, Record]]:
    """Return the sets of the sweep of CLOM's weight, by seeds and weights; 0 is none."""
    found: dict[str, dict[float, Record]] = {}
    for record in records:
        named = re.fullmatch(
            r"DM-\d+(?:-clom(?P<alpha>[\d.e+]+))?-ipc\d+-(?P<seed>seed\d+)", record.name
        )
        if named:
            found.setdefault(named["seed"], {})[float(named["alpha"] or 0)] = record
    return found


def regrets(records: Sequence[Record]) -> dict[str, list[float]]:
    """Return what rules for CLOM's weight lose in each sweep, in points.

    Weights are judged by their mean accuracy over the other seeds, so that no rule is held to
    the luck of a set.
    """
    runs, found = sweeps(records), dict[str, list[float]]()
    for seed, own in runs.items():
        others = [run for other, run in runs.items() if other != seed]
        worth = {alpha: fmean(run[alpha].accuracy for run in others) for alpha in own}
        best = max(worth.values())
        for rule, alpha in _picks(own).items():
            found.setdefault(rule, []).append(100 * (best - worth[alpha]))
        chance = fmean(100 * (best - one) for one in worth.values())
        found.setdefault("by chance", []).append(chance)
    return found


def _picks(run: Mapping[float, Record]) -> dict[str, float]:
    distance = {alpha: one.scores[FFD].score.value for alpha, one in run.items()}
    close = [alpha for alpha in run if distance[alpha] <= CLOSE * distance[0]]
    picks = {f"largest within {CLOSE}": max(close), f"always {BEST_FIXED}": float(BEST_FIXED)}
    for name in (CE, OM, FFD, TRAJECTORY, PROXY_60, RIDGE, COMPOSITE, OTHER_COMPOSITE):
        if all(name in one.scores for one in run.values()):
            picks[name] = max(run, key=lambda alpha: run[alpha].scores[name].score.worth)
    return picks


def tell(folder: Path, size: Size) -> None:
    """Print what the plan asks for, of one dataset."""
    print(f"# {folder.name}\n")
    places = Answer(DataSpec("any"), size, folder).recipes
    records = sorted_out(known(folder / "recipes"), places)
    resampling = Resampling(Key(SEEDS["recipes"]).at("resampling"))
    found = {verdict.name: verdict for verdict in conclude(records, resampling).verdicts}
    print(f"{len(records)} sets, {len({one.method for one in records})} families")
    for name, verdict in found.items():
        rho, again = verdict.agreements[SCOPE].spearman, reliability(records, name)
        told = "" if again is None else f"  reliability {again.mean:+.2f} of {again.draws} draws"
        print(f"{name:32} {rho.value:+.3f} ({rho.low:+.3f}, {rho.high:+.3f}){told}")
    rho = found[OM].agreements[SCOPE].spearman
    print(
        f"H1: {OM} {rho.value:+.3f}, lower limit {rho.low:+.3f}; holds above 0.5: {rho.low > 0.5}"
    )
    for label, one, other, least in (
        ("H2", COMPOSITE, CE, 0.0),
        ("H2", COMPOSITE, FFD, 0.0),
        ("H2, other composite", OTHER_COMPOSITE, CE, 0.0),
        ("H2, other composite", OTHER_COMPOSITE, FFD, 0.0),
        ("H3", PROXY_60, COMPOSITE, -MARGIN),
        ("H3, ridge", RIDGE, COMPOSITE, -MARGIN),
        ("secondary", CE, OM, 0.0),
        ("secondary", f"{PROXY}@20", PROXY_60, 0.0),
    ):
        if not {one, other} <= set(found):
            print(f"{label}: {one} or {other} was not scored")
            continue
        by = contrast(records, one, other, resampling)[SCOPE]
        print(
            f"{label}: {one} less {other} {by.value:+.3f} ({by.low:+.3f}, {by.high:+.3f}); "
            f"holds above {least:+.2f}: {by.low > least}"
        )
    published = folder / "published" / "study.json"
    tell_more(records, known(published.parent) if published.exists() else [])
    tell_block(known(folder / "block"))


def tell_more(records: Sequence[Record], published: Sequence[Record]) -> None:
    """Print what else the plan asks for: costs of one draw, families left out, another truth."""
    names = [name for name in MAIN if all(name in record.scores for record in records)]
    trials = {record.name: record.trials for record in published}
    again = [replace(one, trials=trials[one.name]) for one in records if one.name in trials]
    one_network = fmean(trial.seconds for record in records for trial in record.trials)
    told = [f"one network takes {one_network:.1f} s"]
    if again:
        long = fmean(trial.seconds for record in again for trial in record.trials)
        told.append(f"by the published protocol {long:.1f} s")
    print("; ".join(told))
    first = [record.trials[0].accuracy for record in records]
    second = [record.trials[-1].accuracy for record in records]
    print(f"one network agrees with another: {spearman(first, second):+.3f}")
    for name in names:
        scores = [record.scores[name] for record in records]
        seconds = fmean(one.seconds / max(1, len(one.draws)) for one in scores)
        families = sorted({record.method for record in records})
        out = [agreement([r for r in records if r.method != family], name) for family in families]
        row = f"{name:32} {seconds:.2f} s, {100 * seconds / one_network:.1f} % of a network"
        if again:
            row += f" ({100 * seconds / long:.1f} % of a published one, and "
            row += f"{agreement(again, name):+.3f} with these, {len(again)} sets)"
        worst = min(zip(out, families, strict=True))
        print(f"{row}; without a family {worst[0]:+.3f} ({worst[1]}) to {max(out):+.3f}")


def agreement(records: Sequence[Record], name: str) -> float:
    """Return Spearman's correlation of a score with accuracy."""
    worths = [record.scores[name].score.worth for record in records]
    return spearman(worths, [record.accuracy for record in records])


def spearman(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the correlation of ranks; 0 where one of them has one value."""
    if len({*one}) < 2 or len({*other}) < 2:
        return 0.0
    return float(np.corrcoef(stats.rankdata(one), stats.rankdata(other))[0, 1])


def tell_block(block: Sequence[Record]) -> None:
    """Print what the plan asks for of the block within recipes."""
    free = [record for record in block if not record.guided]
    for name in (CE, OM, FFD, TRAJECTORY, PROXY_60, RIDGE, COMPOSITE):
        if all(name in record.scores for record in block):
            agreeing, pairs, p = concordance(free, name)
            print(f"H4 ({name}, unguided): {agreeing} of {pairs} pairs agree, p = {p:.4f}")
    for rule, lost in regrets(block).items():
        each = " ".join(f"{one:.2f}" for one in lost)
        print(f"H5 ({rule}): mean regret {fmean(lost):.2f} points ({each})")


def main() -> None:
    """Tell of every folder that was named."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--tiny", action="store_true")
    given = parser.parse_args()
    for folder in given.folders:
        tell(folder, TINY if given.tiny else Size())


if __name__ == "__main__":
    main()
