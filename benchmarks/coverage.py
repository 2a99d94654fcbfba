"""Hold the statistics of studies to their word, on simulated studies whose truth is known.

    python benchmarks/coverage.py --out benchmarks/results/coverage.json
    python benchmarks/coverage.py --studies 200 --recipes 13

An interval of 95 % has to hold the truth in 95 of 100 studies, a test at 5 % to reject 5 of 100
truths. Recipes are drawn from a population, and of each a few seeds, which explain little: 5 % of
the variance here, as found on FashionMNIST. Beside what ``datastill study`` does stands what it
did before: percentiles of a bootstrap that draws recipes anew, and one that takes every set for a
witness. Nothing here looks at a study that was made.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from datastill.evaluation.statistics.clusters import Clusters, Group
from datastill.evaluation.statistics.coefficients import Numbers, spearman
from datastill.evaluation.statistics.differences import between, simultaneous
from datastill.evaluation.statistics.intervals import Spread
from datastill.evaluation.statistics.permutation import orders, p_value
from datastill.evaluation.statistics.regrets import candidates_of, losses

POPULATION = 400_000
"""Recipes whose correlation is taken for the truth."""
BOOTSTRAPS = 400
Limits = tuple[Numbers, Numbers]


@dataclass(frozen=True)
class Design:
    """A population of recipes, and how many are drawn.

    Attributes:
        recipes: in a study.
        seeds: sets of each recipe.
        rho: correlation of a score with accuracy over recipes, by the normal law.
        shape: ``normal``; ``heavy``, by Student's law of 3 degrees of freedom; ``apart``, where
            three recipes of ten are broken, in score and in accuracy; ``saturated``, where a score
            has one value for the better third.
        noise: share of the variance that seeds explain.
    """

    recipes: int
    seeds: int = 3
    rho: float = 0.0
    shape: str = "normal"
    noise: float = 0.05

    def draw(self, rng: np.random.Generator, studies: int) -> tuple[Numbers, Numbers]:
        """Return scores and accuracies of many studies, ``(S, recipes * seeds)`` each."""
        both = rng.normal(size=(studies, self.recipes, 2))
        both[..., 1] = self.rho * both[..., 0] + (1 - self.rho**2) ** 0.5 * both[..., 1]
        if self.shape == "heavy":
            both /= np.sqrt(rng.chisquare(3, size=(studies, self.recipes, 1)) / 3)
        if self.shape == "apart":
            both -= 3 * (rng.random((studies, self.recipes, 1)) < 0.3)
        own = rng.normal(size=(studies, self.recipes, self.seeds, 2))
        both = (1 - self.noise) ** 0.5 * both[:, :, None] + self.noise**0.5 * own
        x, y = (both[..., i].reshape(studies, -1) for i in (0, 1))
        return (np.minimum(x, 0.43) if self.shape == "saturated" else x), y

    def truth(self, rng: np.random.Generator) -> float:
        """Return the rank correlation of the population."""
        x, y = replace(self, recipes=POPULATION, seeds=1).draw(rng, 1)
        return float(np.corrcoef(stats.rankdata(x[0]), stats.rankdata(y[0]))[0, 1])

    @property
    def clusters(self) -> Clusters:
        """The sets of a study, by recipe."""
        rows = np.arange(self.recipes * self.seeds)
        return Clusters.of([rows], (rows // self.seeds).tolist())


def jackknife(x: Numbers, y: Numbers, clusters: Clusters, _: np.random.Generator) -> Limits:
    """Leave out recipes: what ``datastill study`` does."""
    return Spread.of_correlations(clusters.without_each(partial(_agreement, x, y))).limits()


def by_recipe(x: Numbers, y: Numbers, clusters: Clusters, rng: np.random.Generator) -> Limits:
    """Draw recipes anew, and the sets of each; percentiles."""
    (group,) = clusters.groups
    times = rng.multinomial(clusters.count, np.full(clusters.count, 1 / clusters.count), BOOTSTRAPS)
    weights = np.empty((BOOTSTRAPS, len(group.rows)))
    for unit in range(clusters.count):
        own = np.flatnonzero(group.units == unit)
        weights[:, own] = rng.multinomial(
            times[:, unit] * len(own), np.full(len(own), 1 / len(own))
        )
    return _percentiles(x, y, weights)


def by_set(x: Numbers, y: Numbers, _: Clusters, rng: np.random.Generator) -> Limits:
    """Draw sets anew, as if none were relatives; percentiles."""
    count = x.shape[-1]
    weights = rng.multinomial(count, np.full(count, 1 / count), BOOTSTRAPS).astype(float)
    return _percentiles(x, y, weights)


Construction = Callable[[Numbers, Numbers, Clusters, np.random.Generator], Limits]
CONSTRUCTIONS: Mapping[str, Construction] = {
    "jackknife of recipes": jackknife,
    "bootstrap of recipes": by_recipe,
    "bootstrap of sets": by_set,
}


def held(
    design: Design, construction: Construction, studies: int, rng: np.random.Generator
) -> float:
    """Return in how many studies the truth is within the interval, as a share."""
    truth, (x, y) = design.truth(rng), design.draw(rng, studies)
    low, high = construction(x, y, design.clusters, rng)
    return float(((low <= truth) & (truth <= high)).mean())


def rejected(
    design: Design, studies: int, rng: np.random.Generator, *, relatives: bool = True
) -> float:
    """Return in how many studies the test rejects at 5 %, as a share.

    Args:
        design: of the studies; its correlation is 0 where the level is asked for.
        studies: how many.
        rng: draws them.
        relatives: whether sets of a recipe are taken for relatives.
    """
    clusters = design.clusters
    if not relatives:
        rows = clusters.groups[0].rows
        clusters = Clusters.of([rows], rows.tolist())
    x, y = design.draw(rng, studies)
    permuted = orders(clusters, 1999, rng)
    told = [p_value(one, other, clusters, permuted) for one, other in zip(x, y, strict=True)]
    return float((np.array(told) <= 0.05).mean())


def differences_held(
    design: Design, count: int, studies: int, rng: np.random.Generator, *, at_once: bool = True
) -> tuple[float, float]:
    """Return how often the difference of two scores is held, and how often those of all pairs.

    All scores are the truth with as much noise, half of which they have in common: no pair differs.

    Args:
        design: of the studies.
        count: scores.
        studies: how many.
        rng: draws them.
        at_once: whether the quantile is that for all pairs.
    """
    alone, together = 0, 0
    for _ in range(studies):
        common = rng.normal(size=(design.recipes, 1, 1))
        common = common + 0.5 * rng.normal(size=(design.recipes, 1, count + 1))
        own = 0.2 * rng.normal(size=(design.recipes, design.seeds, count + 1))
        *x, y = (common + own).reshape(-1, count + 1).T
        replicates = design.clusters.without_each(partial(_agreement, np.array(x), y))
        spread = Spread.of_correlations(replicates)
        quantile = simultaneous(spread, 400, rng) if at_once else spread.quantile
        alone += _holds(between(spread, 0, 1))
        pairs = [(i, j) for i in range(count) for j in range(i)]
        together += all(_holds(between(spread, *pair, quantile)) for pair in pairs)
    return alone / studies, together / studies


def regrets_held(design: Design, studies: int, rng: np.random.Generator) -> float:
    """Return how often the regret is held of picking among a few recipes of the population."""
    few = candidates_of(design.recipes)
    x, y = replace(design, recipes=few, seeds=1).draw(rng, POPULATION // 4)
    places = np.arange(len(x))
    truth = float((y.max(1) - y[places, x.argmax(1)]).mean())
    hits = 0
    for one, other in zip(*design.draw(rng, studies), strict=True):
        low, high = losses(one[None], other, design.clusters).limits()
        hits += bool(low[0] <= truth <= high[0])
    return hits / studies


def _agreement(x: Numbers, y: Numbers, group: Group, kept: Numbers) -> Numbers:
    return spearman(x[..., group.rows], y[..., group.rows], kept)


def _percentiles(x: Numbers, y: Numbers, weights: NDArray[np.float64]) -> Limits:
    drawn = np.array([spearman(one, other, weights) for one, other in zip(x, y, strict=True)])
    low, high = np.quantile(drawn, [0.025, 0.975], axis=-1)
    return low, high


def _holds(limits: tuple[float, float]) -> bool:
    return limits[0] <= 0 <= limits[1]


FAMILIES = {13: (4, 3, 3, 3, 7, 4, 4, 2, 3, 5, 3, 2, 2), 7: (10, 6, 3, 6, 4, 5, 3)}
"""Recipes of each family, by the number of families."""


def families_held(
    families: int, rho: float, studies: int, rng: np.random.Generator, *, known: bool = True
) -> float:
    """Return how often the truth is held where families explain 40 % of the variance.

    Args:
        families: one of ``FAMILIES``; a recipe has one seed.
        rho: correlation over families, and over recipes within them.
        studies: how many.
        rng: draws them.
        known: whether families are what is left out; otherwise recipes are.
    """
    own = np.repeat(np.arange(families), FAMILIES[families])
    drawn = [rng.normal(size=(studies, count, 2)) for count in (families, len(own), len(own))]
    for both in drawn[:2]:
        both[..., 1] = rho * both[..., 0] + (1 - rho**2) ** 0.5 * both[..., 1]
    shared, recipes, seeds = drawn
    both = 0.4**0.5 * shared[:, own] + 0.55**0.5 * recipes + 0.05**0.5 * seeds
    truth = 6 / np.pi * np.arcsin(0.95 * rho / 2)  # Spearman's, of the normal law
    rows = np.arange(len(own))
    clusters = Clusters.of([rows], own.tolist() if known else rows.tolist())
    low, high = jackknife(both[..., 0], both[..., 1], clusters, rng)
    return float(((low <= truth) & (truth <= high)).mean())


POPULATIONS = (
    *((rho, "normal") for rho in (0.0, 0.6, 0.9, 0.97)),
    *((0.8, shape) for shape in ("apart", "heavy", "saturated")),
)
SIZES = ((6, 3), (13, 3), (13, 1), (45, 1))
"""Recipes and seeds."""
SCORES = 6
"""Of which all pairs are compared."""


def measured(recipes: int, seeds: int, studies: int, rng: np.random.Generator) -> dict[str, Any]:
    """Return all that is held and rejected with so many recipes, as shares of studies."""
    designs = [Design(recipes, seeds, rho, shape) for rho, shape in POPULATIONS]
    null = Design(recipes, seeds)
    alone, together = differences_held(null, SCORES, studies // 2, rng)
    return {
        "recipes": recipes,
        "seeds": seeds,
        "studies": studies,
        "populations": [f"{one.shape}, rho {one.rho:g}" for one in designs],
        **{name: [held(one, made, studies, rng) for one in designs]
           for name, made in CONSTRUCTIONS.items()},
        "regret": [regrets_held(one, studies // 3, rng) for one in designs],
        "difference of a pair": alone,
        "differences of all pairs": together,
        "level, recipes permuted": rejected(null, studies, rng),
        "level, sets permuted": rejected(null, studies, rng, relatives=False),
    }  # fmt: skip


SHARES = (*CONSTRUCTIONS, "regret", "difference of a pair", "differences of all pairs",
          "level, recipes permuted", "level, sets permuted")  # fmt: skip


def table(results: list[dict[str, Any]]) -> str:
    """Return what was measured in Markdown: the least and the largest share of all populations."""
    head = ["", *(f"{one['recipes']} recipes x {one['seeds']}" for one in results)]
    lines = [head, ["---"] * len(head)]
    lines += [[name, *(_range(one[name]) for one in results)] for name in SHARES]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def _range(found: Any) -> str:
    shares = [100 * one for one in np.atleast_1d(found).tolist()]
    low, high = f"{min(shares):.1f}", f"{max(shares):.1f}"
    return low if low == high else f"{low} to {high}"


def main() -> None:
    """Measure, tell and keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=600)
    parser.add_argument("--recipes", type=int, help="only this number")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    sizes = [size for size in SIZES if options.recipes in (None, size[0])]
    found = [measured(*size, options.studies, np.random.default_rng(size)) for size in sizes]
    print(table(found))
    if options.out is not None:
        options.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
