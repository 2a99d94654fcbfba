"""What a study found, section by section, in Markdown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from datastill.evaluation.studies import Difference, Study, Verdict
from datastill.evaluation.studies.expenses import CHOICES
from datastill.evaluation.studies.scopes import SCOPES
from datastill.report.pareto import offers
from datastill.report.study_cells import difference, grid, interval, percent, points

BEHIND = """\
By how much Spearman's correlation of the first in the table above is larger, in pairs, on the same
recipes: in brackets 95 % of this pair alone, and 95 % of all pairs of assessments at once, which is
the one to read, for the first was picked as the best of all. Where that one holds 0, nothing is
shown to be better."""
BEYOND = """\
By how much it is larger than that of the mean accuracy of the recipe's other sets, which looks at
no image and no network; brackets as above."""
FAMILIES = """\
Recipes of one method are relatives too, with CLOM or without. By families: Spearman's correlation
within ipc, where what is left out for the interval is a family with all of its recipes. Then the
correlation without each."""
CEILING = """\
Accuracies are means of a few networks, and noisy. A score that knows the truth would agree with
them by (95 %), from how far networks agree with one another:"""
COSTS = """\
Regret: points of accuracy lost by picking what scores best of 8 recipes that chance offers (of half
of them where there are fewer than 16), a set of each, in place of the best of them, within ipc
(95 % by recipe). Cost: in % of validating a set by one network, where the original models and the
real images' side are there already; and of one set where 1, 10 or 50 share these. **Bold**: of so
many sets, nothing loses as little for as little."""


def behind(study: Study) -> list[str]:
    """Tell how much better the best agrees than all others."""
    if len(study.verdicts) < 2:
        return []
    told = _differences(study.verdicts[1:], lambda verdict: verdict.behind)
    return [f"## Less than `{study.verdicts[0].name}`", BEHIND, told]


def beyond(study: Study) -> list[str]:
    """Tell how much better assessments agree than the name of the recipe."""
    if study.ignorance is None:
        return []
    return [
        "## More than the recipe's name",
        BEYOND,
        _differences(study.verdicts, lambda verdict: verdict.beyond),
    ]


def families(study: Study) -> list[str]:
    """Tell what remains of agreement without each family."""
    names = list(study.verdicts[0].headline.without)
    if not names:
        return []
    lines: list[tuple[str, ...]] = []
    for verdict in study.lines:
        found = verdict.headline
        apart = "-" if found.by_family is None else interval(found.by_family)
        lines.append((verdict.name, apart, *(f"{found.without[name]:+.2f}" for name in names)))
    columns = ("assessment", "by families (95 %)", *(f"without {name}" for name in names))
    return ["## Family by family", FAMILIES, grid(columns, lines)]


def ceiling(study: Study) -> list[str]:
    """Tell how far anything can agree."""
    if not study.ceiling:
        return []
    cells = tuple(interval(found) for found in study.ceiling.values())
    return ["## As far as anything can", CEILING, grid(tuple(study.ceiling), [cells])]


def costs(study: Study, plot: str) -> list[str]:
    """Tell what assessments lose, and what they cost."""
    best = {sets: offers(study, sets)[1] for sets in CHOICES}
    lines = [
        (
            verdict.name,
            points(verdict.headline.regret),
            percent(verdict.share),
            *(_cost(verdict, sets, best[sets]) for sets in CHOICES),
        )
        for verdict in sorted(study.lines, key=lambda verdict: verdict.headline.regret.value)
    ]
    columns = ("assessment", "regret (95 %)", "cost %", *(f"of {n}" for n in CHOICES))
    return ["## Regret and cost", COSTS, f"![{plot}]({plot})", grid(columns, lines)]


def _cost(verdict: Verdict, sets: int, best: Sequence[str]) -> str:
    told = percent(verdict.costs[sets])
    return f"**{told}**" if verdict.name in best else told


def _differences(
    verdicts: Sequence[Verdict], told: Callable[[Verdict], Mapping[str, Difference]]
) -> str:
    scopes = [scope for scope in SCOPES if scope in verdicts[0].agreements]
    lines = [(one.name, *(difference(told(one)[scope]) for scope in scopes)) for one in verdicts]
    return grid(("assessment", *scopes), lines)
