"""What the block of docs/results/answer/plan.md tells: seeds of a recipe, and CLOM's weight."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from statistics import fmean

import numpy as np

from datastill.evaluation.studies import Record

CE, OM, FFD = "om-cross-entropy", "om-accuracy", "fresh-feature-distance"
TRAJECTORY, PROXY, RIDGE = "trajectory-distance", "proxy-likelihood", "fresh-kernel-ridge"
PROXY_60 = PROXY
"""What a proxy does without a number is 60 epochs."""
COMPOSITE, OTHER_COMPOSITE = "fidelity-and-trajectory", "fidelity-and-coverage"
PLANNED = (CE, OM, FFD, TRAJECTORY, PROXY_60, RIDGE, COMPOSITE, OTHER_COMPOSITE)
LATER = (
    *("fresh-gradient-distance", "proxy-accuracy", "linear-probe", "frechet-distance"),
    *("om-gradient-distance",),
)
"""Scores that were looked at because they did well across recipes: not of the plan."""
CLOSE, BEST_FIXED = 1.05, 100
"""Of H5: the ratio of distances, and the alpha that was published."""
LARGEST = f"largest within {CLOSE}"
ALWAYS = f"always {BEST_FIXED}"


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
    picks = {LARGEST: max(close), ALWAYS: float(BEST_FIXED)}
    for name in (*PLANNED, *LATER):
        if all(name in one.scores for one in run.values()):
            picks[name] = max(run, key=lambda alpha: run[alpha].scores[name].score.worth)
    return picks


def tell_block(block: Sequence[Record]) -> None:
    """Print what the plan asks for of the block within recipes."""
    free = [record for record in block if not record.guided]
    guided = f"-clom{BEST_FIXED}-"
    more = [record for record in block if not record.guided or guided in record.name]
    for name in (*PLANNED, *LATER):
        if all(name in record.scores for record in block):
            agreeing, pairs, p = concordance(free, name)
            told = "{} of {} pairs".format(*concordance(more, name)[:2])
            print(f"H4 ({name}, unguided): {agreeing} of {pairs} pairs agree, p = {p:.4f}; {told}")
    runs = sweeps(block).values()
    for alpha in sorted(next(iter(runs))):
        print(f"alpha {alpha:g}: {100 * fmean(run[alpha].accuracy for run in runs):.2f} %")
    for rule, lost in regrets(block).items():
        each = " ".join(f"{one:.2f}" for one in lost)
        print(f"H5 ({rule}): mean regret {fmean(lost):.2f} points ({each})")
