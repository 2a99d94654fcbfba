"""Analyse the studies of docs/results/answer/plan.md: its five hypotheses, and its tables.

    python benchmarks/answer_analysis.py FOLDER ...

FOLDER is that of ``benchmarks/answer.py``, one for each dataset. Reads ``recipes/study.json`` and
``block/study.json`` and prints every number of the plan's section "Hypotheses"; nothing is trained.
Without a block, what is claimed of it is passed over, and still counted among the five.
``--pairs ONE OTHER ONE OTHER`` adds by how much one score agrees better than another, over the sets
of both: what was not planned, and is told as that.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import numpy as np
from answer import SEEDS, TINY, Answer, Size  # beside this file
from answer_block import (
    CE,
    COMPOSITE,
    FFD,
    LATER,
    OM,
    OTHER_COMPOSITE,
    PROXY,
    PROXY_60,
    RIDGE,
    TRAJECTORY,
    tell_block,
)
from answer_hypotheses import tell_hypotheses, tell_later
from scipy import stats

from datastill import Key
from datastill.evaluation.studies import (
    Difference,
    Interval,
    Record,
    Resampling,
    Study,
    conclude,
    contrast,
    record_of,
)
from datastill.evaluation.studies.expenses import CHOICES, unbeaten
from datastill.evaluation.studies.records import GUIDED
from datastill.evaluation.studies.reliability import reliability
from datastill.runs import DataSpec

MAIN = (
    *(OM, CE, FFD, TRAJECTORY, PROXY, f"{PROXY}@20", "proxy-accuracy@20"),
    *(RIDGE, COMPOSITE, OTHER_COMPOSITE, "kernel-ridge", "nearest-class-mean", *LATER),
)
SCOPE = "all sets"
BETTER_HALF = "better half of each ipc"
PARTS = (
    *("within method", BETTER_HALF, "without CLOM, within ipc"),
    *("without CLOM, better half of each ipc",),
)
"""Parts of the sets that are told of too."""


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


def tell(folder: Path, size: Size, pairs: Sequence[str] = (), *, later: bool = False) -> None:
    """Print what the plan asks for, of one dataset, and pairs of scores that it does not.

    Args:
        folder: of what ``answer.py`` made.
        size: of that.
        pairs: scores to be held apart.
        later: test what was found on other images too.
    """
    print(f"# {folder.name}\n")
    places = Answer(DataSpec("any"), size, folder).recipes
    records = sorted_out(known(folder / "recipes"), places)
    resampling = Resampling(Key(SEEDS["recipes"]).at("resampling"))
    table = json.loads((folder / "recipes" / "study.json").read_text())
    study = conclude(records, resampling, models=table.get("models"))
    families = {one.family for one in records}
    print(f"{len(records)} sets, {len(families)} families")
    tell_scores(study)
    published = folder / "published" / "study.json"
    others = sorted_out(known(published.parent), places) if published.exists() else []
    again = with_trials(records, others)
    there = (folder / "block" / "study.json").exists()
    block = known(folder / "block") if there else []
    tell_more(records, again)
    if block:
        tell_block(block)
    tell_hypotheses(records, block, resampling, SCOPE)
    if later:
        tell_later(records, block, resampling, SCOPE)
    for name, least in ((PROXY_60, 7), (RIDGE, 1)) if again else ():
        share = 100 * cost(records, name) / network(again)
        print(f"H3's cost: {name} {share:.2f} % of a published network, at most {least} asked")
    tell_pairs(records, pairs, resampling, "not planned")
    if again:
        tell_published(again, others, resampling)
        tell_pairs(again, pairs, resampling, "not planned, by the published protocol")


def tell_pairs(
    records: Sequence[Record], pairs: Sequence[str], resampling: Resampling, what: str
) -> None:
    """Print by how much one score of each pair agrees better than the other."""
    whole = [replace(record, recipe=record.family) for record in records]
    for one, other in zip(pairs[::2], pairs[1::2], strict=True):
        by = contrast(records, one, other, resampling)[SCOPE]
        family = contrast(whole, one, other, resampling)[SCOPE]
        told = f"{by.value:+.3f} {limits(by)}, by family {limits(family)}"
        print(f"{what}: {one} less {other} {told}, all pairs at once {widest(by)}")


def tell_published(
    again: Sequence[Record], others: Sequence[Record], resampling: Resampling
) -> None:
    """Print how scores agree with networks by the published protocol, and what a pick loses.

    Args:
        again: scores as they were, with these networks.
        others: the sets that these networks were trained on.
        resampling: leaves recipes out.
    """
    names = {one.name for one in again}
    same = sum(one.name in names for one in others)
    lowest, *_, highest = sorted(one.accuracy for one in again)
    print(f"by the published protocol: {len(again)} sets, {same} of the same name, ", end="")
    print(f"{100 * lowest:.1f} to {100 * highest:.1f} %; a pick among 8, points:")
    for line in conclude(again, resampling).lines:
        for scope in (SCOPE, BETTER_HALF) if line.name in (*MAIN, "a pick by chance") else (SCOPE,):
            found = line.agreements[scope]
            apart = "" if found.by_family is None else f" {limits(found.by_family)}"
            told = f"{found.spearman.value:+.3f} {limits(found.spearman)}{apart}  "
            told += points_lost(found.regret)
            what = "" if scope == SCOPE else f"{scope}: "
            print(f"by the published protocol: {line.name:32} {what}{told}")


def tell_scores(study: Study) -> None:
    """Print how every score agrees, what its pick among 8 loses, and what it costs."""
    print("score; Spearman by recipe, by family; points lost by a pick among 8; cost of one of")
    print(f"{', '.join(map(str, CHOICES))} candidates in networks; reliability")
    for line in study.lines:
        found = line.agreements[SCOPE]
        scored = line in study.verdicts
        again = reliability(study.records, line.name) if scored else None
        told = "" if again is None else f"  reliability {again.mean:+.2f} of {again.draws} draws"
        apart = "" if found.by_family is None else limits(found.by_family)
        costs = " ".join("?" if one is None else f"{one:.3f}" for one in line.costs.values())
        print(
            f"{line.name:32} {found.spearman.value:+.3f} {limits(found.spearman)} {apart}  "
            f"{points_lost(found.regret)}  {costs}{told}"
        )
    for line in study.lines:
        for scope in PARTS if line.name in (*MAIN, "validation by one network") else ():
            one = line.agreements[scope]
            told = f"{line.name:32} {scope}: {one.spearman.value:+.3f} {limits(one.spearman)}"
            print(told, points_lost(one.regret))
    for scope, ceiling in study.ceiling.items():
        print(f"ceiling, {scope}: {ceiling.value:+.3f} {limits(ceiling)}")
    for sets in CHOICES:
        lines = [line for line in study.lines if line.costs.get(sets) is not None]
        points = [(float(ln.costs[sets] or 0), ln.agreements[SCOPE].regret.value) for ln in lines]
        best = (
            f"{lines[i].name} ({points[i][0]:.3f}, {100 * points[i][1]:.2f})"
            for i in unbeaten(points)
        )
        print(f"nothing beats, among {sets} (networks, points): {'; '.join(best)}")


def points_lost(regret: Interval) -> str:
    """Return what a pick loses, in points, and its limits in brackets."""
    return f"{100 * regret.value:.2f} ({100 * regret.low:.2f}, {100 * regret.high:.2f})"


def limits(interval: Interval) -> str:
    """Return an interval in brackets."""
    return f"({interval.low:+.3f}, {interval.high:+.3f})"


def widest(found: Difference) -> str:
    """Return the limits that hold of all pairs of scores at once, in brackets."""
    return f"({found.lowest:+.3f}, {found.highest:+.3f})"


def with_trials(records: Sequence[Record], others: Sequence[Record]) -> list[Record]:
    """Return the records whose recipes others know too, with the networks of these.

    There is a set of each recipe. One that was made anew elsewhere has another name where its
    content is another.
    """
    trials = {record.recipe: record.trials for record in others}
    return [replace(one, trials=trials[one.recipe]) for one in records if one.recipe in trials]


def network(records: Sequence[Record]) -> float:
    """Return the seconds of a network that is trained on a set."""
    return fmean(trial.seconds for record in records for trial in record.trials)


def cost(records: Sequence[Record], name: str) -> float:
    """Return the seconds of one draw of a score."""
    scores = [record.scores[name] for record in records]
    return fmean(one.seconds / max(1, len(one.draws)) for one in scores)


def tell_more(records: Sequence[Record], again: Sequence[Record]) -> None:
    """Print what else the plan asks for: costs of one draw, families left out, another truth.

    Args:
        records: with networks by the protocol that is the truth.
        again: the same with one by the published protocol, of those that have one.
    """
    names = [name for name in MAIN if all(name in record.scores for record in records)]
    one_network, long = network(records), network(again) if again else 0.0
    told = [f"one network takes {one_network:.1f} s"]
    if again:
        told.append(f"by the published protocol {long:.1f} s")
    print("; ".join(told))
    first = [record.trials[0].accuracy for record in records]
    second = [record.trials[-1].accuracy for record in records]
    print(f"one network agrees with another: {spearman(first, second):+.3f}")
    for name in names:
        seconds = cost(records, name)
        families = sorted({record.family for record in records})
        out = [agreement([r for r in records if r.family != family], name) for family in families]
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


def main() -> None:
    """Tell of every folder that was named."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--pairs", nargs="+", default=[], metavar="SCORE", help="to be held apart")
    parser.add_argument("--later", action="store_true", help="H6 and H7, which P3 alone tests")
    given = parser.parse_args()
    for folder in given.folders:
        tell(folder, TINY if given.tiny else Size(), given.pairs, later=given.later)


if __name__ == "__main__":
    main()
