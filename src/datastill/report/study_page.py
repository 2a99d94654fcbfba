"""What a study found, as a table and as a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from datastill.base.wording import counted
from datastill.evaluation.studies import Record, Study, Verdict
from datastill.evaluation.studies.scopes import SCOPES, UNGUIDED
from datastill.report import study_sections as sections
from datastill.report.pareto import PLOT
from datastill.report.reliability import reliability_section
from datastill.report.study_cells import figure, grid, interval, percent, points, star
from datastill.store import replace_file, writing

COLUMNS = (
    "assessment",
    "in ipc (95 %)",
    "all",
    "method",
    "both",
    "top",
    "free",
    "r",
    "regret",
    "cost %",
    "of 10",
)
LEGEND = """\
Spearman's rank correlation with test accuracy, signed so that +1 is what the direction of an
assessment promises: within each number of images per class (ipc), over all sets, within each
method, within both, as top in the better half of each ipc, and as free within ipc among sets
without CLOM, which lowers what original models judge by. r is Pearson's within ipc. Intervals
count recipes; * is p < 0.05 by permuting recipes, corrected for all assessments. regret: points
of accuracy lost by picking what scores best of a few recipes that chance offers, within ipc. cost:
in % of validating a set by one network, once there are original models; and of each of 10 sets that
share these. The last rows are no assessments: the name of the recipe, and a pick by chance."""
NOTES = """\
Correlations with test accuracy are signed so that +1 is what the direction of an assessment
promises. The sets of one recipe (method, updates, alpha), which differ by their seeds, are
relatives. Intervals are by a jackknife, which leaves out each recipe with all of its sets, on
Fisher's scale, with Student's quantile for so many recipes; p is of the rank correlation of the
recipes' means, by permuting recipes, corrected (Benjamini and Hochberg) for the number of
assessments. ipc is the number of images per class; a recipe keeps its name whatever its ipc.
Within method, sets of different ipc are compared: what follows ipc and not quality is exposed
there; the better half of each ipc exposes what only finds the poor sets; the sets without CLOM
expose what agrees only where CLOM has lowered the very thing that original models judge by.
Groups of fewer than three sets do not count; of one recipe alone, sets are what is left out and
permuted. `values` counts the different scores that the sets have: few mean that the assessment
is saturated. Regret is in points of accuracy lost by picking the set that scores best: of 8
recipes that chance offers, of half of them where there are fewer than 16, a set of each, on
average; or of all sets, where the best one may have been made to score best. Cost is in % of
validating a set by one network, once there are original models. The last rows are no assessments:
validation by one network against the networks that remain; the mean accuracy of a recipe's other
sets, which looks at no image, for what knows no more than the recipe's name is no help among
recipes that were tried before; and a pick by chance."""
BRIEFLY = SCOPES[1:-1]
DETAILS = (
    "family",
    "better",
    "values",
    *(f"Spearman {scope} (95 %; p)" for scope in SCOPES),
    "Kendall within ipc (95 %)",
    "Pearson within ipc (95 %)",
    "regret of a few within ipc (95 %)",
    "regret of a few without CLOM (95 %)",
    "regret within ipc",
    "regret, all",
    "seconds",
    "cost %",
)


def table(study: Study) -> list[tuple[str, ...]]:
    """Return a row of ``COLUMNS`` for each assessment, the best first, and one to hold them to."""
    return [_row(verdict) for verdict in study.lines]


def page(study: Study, facts: Sequence[str], plots: Iterable[str]) -> str:
    """Write a study down in Markdown.

    Args:
        study: what was found.
        facts: lines that say what it rests on.
        plots: names of pictures beside the page.
    """
    groups = [scope for scope in study.verdicts[0].agreements if scope not in SCOPES]
    parts = [
        "# Which assessment to trust",
        "\n".join(f"- {fact}" for fact in (*facts, *made(study.records))),
        NOTES,
        grid(("assessment", *DETAILS), (_details(verdict) for verdict in study.lines)),
        *sections.ceiling(study),
        *sections.behind(study),
        *sections.beyond(study),
        *sections.families(study),
        *sections.costs(study, PLOT),
        *reliability_section(study),
        "## Group by group",
        "Spearman's correlation and its corrected p-value.",
        grid(("assessment", *groups), (_grouped(verdict, groups) for verdict in study.lines)),
        "## Plots",
        "\n".join(f"![{name}]({name})" for name in plots),
        "## Sets",
        grid(("set", "method", "recipe", "ipc", "accuracy, %", "n"), map(_set, study.records)),
    ]
    return "\n\n".join(parts) + "\n"


def write_page(study: Study, facts: Sequence[str], plots: Iterable[str], path: Path) -> None:
    """Write the page, all of it or nothing."""
    with writing(path.parent):
        replace_file(path, page(study, facts, plots).encode())


def _row(verdict: Verdict) -> tuple[str, ...]:
    found, headline = verdict.agreements, verdict.headline
    return (
        verdict.name,
        interval(headline.spearman) + star(headline) if verdict.distinct > 1 else "one value",
        *(figure(found.get(scope)) for scope in BRIEFLY),
        f"{headline.pearson.value:+.2f}",
        f"{100 * headline.regret.value:.1f}",
        percent(verdict.share),
        percent(verdict.costs[10]),
    )


def _details(verdict: Verdict) -> tuple[str, ...]:
    headline, found = verdict.headline, (verdict.agreements.get(scope) for scope in SCOPES)
    free = verdict.agreements.get(UNGUIDED)
    return (
        verdict.name,
        verdict.family,
        verdict.better,
        str(verdict.distinct),
        *(
            "-" if one is None else f"{interval(one.spearman)}; {one.corrected:.2g}"
            for one in found
        ),
        interval(headline.kendall),
        interval(headline.pearson),
        points(headline.regret),
        "-" if free is None else points(free.regret),
        f"{100 * verdict.regret_in_ipc:.2f}",
        f"{100 * verdict.regret:.2f}",
        f"{verdict.seconds:.3f}",
        percent(verdict.share),
    )


def _grouped(verdict: Verdict, groups: Sequence[str]) -> tuple[str, ...]:
    found = (verdict.agreements[group] for group in groups)
    cells = (f"{one.spearman.value:+.2f}; {one.corrected:.2g}" for one in found)
    return (verdict.name, *cells)


def _set(record: Record) -> tuple[str, ...]:
    found = record.accuracies
    spread = "" if found.std is None else f" ± {100 * found.std:.2f}"
    accuracy = f"{100 * found.mean:.2f}{spread}"
    told = record.name, record.method, record.recipe_name, str(record.ipc)
    return (*told, accuracy, str(len(found.values)))


def made(records: Sequence[Record]) -> list[str]:
    """Say how many sets there are, by what, and how many recipes."""
    methods = Counter(record.method for record in records)
    told = ", ".join(f"{count} {method}" for method, count in sorted(methods.items()))
    recipes = len({record.recipe_name for record in records})
    return [
        f"{counted(len(records), 'set')}: {told}",
        f"{counted(recipes, 'recipe')}, by which intervals and p-values count",
    ]
