"""Tell what choosing CLOM's alpha by an assessment loses, in the three sweeps that are committed.

    python benchmarks/alphas.py

A person has one seed of a sweep when they choose: a regret is the accuracy lost by the pick among
the sets of one seed, averaged over seeds, in points. Reads ``study.json`` of each sweep.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import fmean

from datastill.evaluation.studies import Record, record_of

RESULTS = Path(__file__).parents[1] / "docs" / "results"
SWEEPS = {
    "FashionMNIST, ConvNet": ("fashion-mnist-study", "DM-120"),
    "FashionMNIST, ConvNetD2W32": ("alpha-study", "DM-120"),
    "digits, ConvNetD2W32": ("alpha-study/digits", "DM-100"),
}
NAME = re.compile(r"(?P<kind>\w+-\d+)(-clom(?P<alpha>[\d.]+))?-ipc10-seed(?P<seed>\d+)")
ASSESSED = (
    *("nearest-class-mean", "kernel-ridge", "linear-probe", "om-cross-entropy"),
    *("om-gradient-distance", "fresh-feature-distance"),
)
FIXED, BEARABLE = 100.0, 1.05
Sweep = Mapping[float, Record]
Rule = Callable[[Sweep], list[float]]
"""Alphas among which a rule does not choose."""


def sweeps(folder: str, kind: str) -> list[Sweep]:
    """Return the sets of each seed, by alpha; 0 is none."""
    table = json.loads((RESULTS / folder / "study.json").read_text())
    found: dict[str, dict[float, Record]] = {}
    for record in map(record_of, table["records"]):
        match = NAME.fullmatch(record.name)
        if match and match["kind"] == kind:
            found.setdefault(match["seed"], {})[float(match["alpha"] or 0)] = record
    return list(found.values())


def liked_best(name: str) -> Rule:
    """Return the rule that takes what an assessment likes best."""

    def rule(sweep: Sweep) -> list[float]:
        worths = {alpha: record.scores[name].score.worth for alpha, record in sweep.items()}
        return [alpha for alpha, worth in worths.items() if worth == max(worths.values())]

    return rule


def bearable(sweep: Sweep) -> list[float]:
    """Take the largest alpha whose features stay near those of the twin without CLOM."""
    far = {a: r.scores["fresh-feature-distance"].score.value for a, r in sweep.items()}
    return [max(alpha for alpha, distance in far.items() if distance <= BEARABLE * far[0.0])]


RULES: Mapping[str, Rule] = {
    "any of them, by chance": lambda sweep: list(sweep),
    "always 100": lambda _: [FIXED],
    **{f"`{name}`": liked_best(name) for name in ASSESSED},
    "largest within 5 % of its twin's `fresh-feature-distance`": bearable,
}


def regret(rule: Rule, sweep: Sweep) -> float:
    """Return what a pick loses, in points; among equals by chance."""
    best = max(record.accuracy for record in sweep.values())
    return 100 * (best - fmean(sweep[alpha].accuracy for alpha in rule(sweep)))


def table() -> str:
    """Return the regret of every rule in every sweep, in Markdown."""
    rows = [("rule", *SWEEPS), ("---",) * (1 + len(SWEEPS))]
    for name, rule in RULES.items():
        lost = [fmean(regret(rule, one) for one in sweeps(*place)) for place in SWEEPS.values()]
        rows.append((name, *(f"{points:.2f}" for points in lost)))
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


if __name__ == "__main__":
    print(table())
