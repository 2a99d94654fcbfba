"""What a study found, in cells of tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from datastill.evaluation.studies import Agreement, Difference, Interval


def grid(columns: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    table = [columns, ["---"] * len(columns), *lines]
    return "\n".join("| " + " | ".join(line) + " |" for line in table)


def interval(found: Interval) -> str:
    """Return a correlation with its interval."""
    return f"{found.value:+.2f} ({found.low:+.2f}, {found.high:+.2f})"


def points(found: Interval) -> str:
    """Return a share with its interval, in points."""
    return f"{100 * found.value:.2f} ({100 * found.low:.2f}, {100 * found.high:.2f})"


def figure(found: Agreement | None) -> str:
    """Return a correlation with its star, if any."""
    return "-" if found is None else f"{found.spearman.value:+.2f}{star(found)}"


def star(found: Agreement) -> str:
    """Mark what chance hardly brings, however many assessments are looked at."""
    return "*" if found.corrected < 0.05 else " "


def difference(found: Difference) -> str:
    """Return a difference with the interval of this pair, and that of all pairs."""
    alone, together = ((found.low, found.high), (found.lowest, found.highest))
    told = "; ".join(f"{low:+.2f}, {high:+.2f}" for low, high in (alone, together))
    return f"{found.value:+.2f} ({told})"


def percent(share: float | None) -> str:
    """Return a share in %, with two digits where it is small."""
    if share is None:
        return "-"
    return f"{100 * share:.2g}" if share < 0.1 else f"{100 * share:.0f}"
