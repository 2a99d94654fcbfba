"""What a study found, as a table and as a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from datastill.base.wording import counted
from datastill.evaluation.studies import Agreement, Coefficient, Record, Study, Verdict
from datastill.evaluation.studies.scopes import (
    EVERYTHING,
    IN_BETTER,
    IN_BOTH,
    IN_IPC,
    IN_METHOD,
    UNGUIDED,
    UNGUIDED_BETTER,
)
from datastill.report.reliability import reliability_section
from datastill.store import replace_file, writing
from datastill.training.accuracies import Accuracies

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
)
LEGEND = """\
Spearman's rank correlation with test accuracy, signed so that +1 is what the direction of an
assessment promises: within each number of images per class (ipc), over all sets, within each
method, within both, as top in the better half of each ipc, and as free within ipc among sets
without CLOM, which lowers what original models judge by. r is Pearson's within ipc. Intervals
draw recipes anew; * is p < 0.05 by permuting recipes, corrected for all assessments. regret:
points of accuracy lost by picking the set that scores best, within ipc. cost: in % of
validating a set by one network, once there are original models. The last row knows nothing of a
set but its recipe."""
NOTES = """\
Correlations with test accuracy are signed so that +1 is what the direction of an assessment
promises. The sets of one recipe (method, updates, alpha), which differ by their seeds, are
relatives: intervals are by a hierarchical bootstrap, which draws recipes anew and then the sets
of each; p is of the rank correlation of the recipes' means, by permuting recipes, corrected
(Benjamini and Hochberg) for the number of assessments. ipc is the number of images per class; a
recipe keeps its name whatever its ipc. Within method, sets of different ipc are compared: what
follows ipc and not quality is exposed there; the better half of each ipc exposes what only
finds the poor sets; the sets without CLOM expose what agrees only where CLOM has lowered the
very thing that original models judge by. Groups of fewer than three sets do not count; of one
recipe alone, sets are drawn and permuted. `values` counts the different scores that the sets
have: few mean that the assessment is saturated. Regret is in points of accuracy lost by picking
the set that scores best: of 8 sets drawn by chance, on average, or of all, where the best one
may have been made to score best; cost in % of validating a set by one network, once there are
original models. The last rows hold validation by one network against the networks that remain,
and the mean accuracy of a recipe's other sets, which looks at no image, against that of each
set: what knows no more than the recipe's name is no help among recipes that were tried before."""
SCOPES = (IN_IPC, EVERYTHING, IN_METHOD, IN_BOTH, IN_BETTER, UNGUIDED, UNGUIDED_BETTER)
BRIEFLY = SCOPES[1:-1]
DETAILS = (
    "family",
    "better",
    "values",
    *(f"Spearman {scope} (95 %; p)" for scope in SCOPES),
    "Kendall within ipc (95 %)",
    "Pearson within ipc (95 %)",
    "regret of 8 within ipc",
    "regret of 8 without CLOM",
    "regret within ipc",
    "regret, all",
    "seconds",
    "cost %",
)


def table(study: Study) -> list[tuple[str, ...]]:
    """Return a row of ``COLUMNS`` for each assessment, the best first, and one to hold them to."""
    return [_row(verdict) for verdict in _lines(study)]


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
        _grid(("assessment", *DETAILS), (_details(verdict) for verdict in _lines(study))),
        *_behind(study),
        *reliability_section(study),
        "## Group by group",
        "Spearman's correlation and its corrected p-value.",
        _grid(("assessment", *groups), (_grouped(verdict, groups) for verdict in _lines(study))),
        "## Plots",
        "\n".join(f"![{name}]({name})" for name in plots),
        "## Sets",
        _grid(("set", "method", "recipe", "ipc", "accuracy, %", "n"), map(_set, study.records)),
    ]
    return "\n\n".join(parts) + "\n"


def write_page(study: Study, facts: Sequence[str], plots: Iterable[str], path: Path) -> None:
    """Write the page, all of it or nothing."""
    with writing(path.parent):
        replace_file(path, page(study, facts, plots).encode())


def _lines(study: Study) -> list[Verdict]:
    held_to = (study.yardstick, study.ignorance)
    return [*study.verdicts, *(verdict for verdict in held_to if verdict is not None)]


def _behind(study: Study) -> list[str]:
    scopes = [scope for scope in SCOPES if scope in study.verdicts[0].agreements]
    lines = [
        (verdict.name, *(_interval(verdict.behind[scope]) for scope in scopes))
        for verdict in study.verdicts[1:]
    ]
    if not lines:
        return []
    return [
        f"## Less than `{study.verdicts[0].name}`",
        "By how much Spearman's correlation of the first in the table above is larger (95 %), in "
        "pairs: both on the same recipes and sets drawn anew. It was picked as the best of all, "
        "so that it looks better than it is.",
        _grid(("assessment", *scopes), lines),
    ]


def _row(verdict: Verdict) -> tuple[str, ...]:
    found, headline = verdict.agreements, verdict.headline
    return (
        verdict.name,
        _interval(headline.spearman) + _star(headline) if verdict.distinct > 1 else "one value",
        *(_plain(found.get(scope)) for scope in BRIEFLY),
        f"{headline.pearson.value:+.2f}",
        f"{100 * verdict.regret_in_ipc:.1f}",
        _percent(verdict.share),
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
            "-" if one is None else f"{_interval(one.spearman)}; {one.corrected:.2g}"
            for one in found
        ),
        _interval(headline.kendall),
        _interval(headline.pearson),
        f"{100 * headline.regret:.2f}",
        "-" if free is None else f"{100 * free.regret:.2f}",
        f"{100 * verdict.regret_in_ipc:.2f}",
        f"{100 * verdict.regret:.2f}",
        f"{verdict.seconds:.3f}",
        _percent(verdict.share),
    )


def _grouped(verdict: Verdict, groups: Sequence[str]) -> tuple[str, ...]:
    found = (verdict.agreements[group] for group in groups)
    cells = (f"{one.spearman.value:+.2f}; {one.corrected:.2g}" for one in found)
    return (verdict.name, *cells)


def _set(record: Record) -> tuple[str, ...]:
    found = Accuracies(tuple(trial.accuracy for trial in record.trials))
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


def _percent(share: float) -> str:
    return f"{100 * share:.2g}" if share < 0.1 else f"{100 * share:.0f}"


def _interval(found: Coefficient) -> str:
    return f"{found.value:+.2f} ({found.low:+.2f}, {found.high:+.2f})"


def _plain(found: Agreement | None) -> str:
    return "-" if found is None else f"{found.spearman.value:+.2f}{_star(found)}"


def _star(found: Agreement) -> str:
    return "*" if found.corrected < 0.05 else " "


def _grid(columns: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    table = [columns, ["---"] * len(columns), *lines]
    return "\n".join("| " + " | ".join(line) + " |" for line in table)
