"""Tables of results: a title, what the columns are, and rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean, stdev

from datastill.base.wording import counted
from datastill.evaluation.comparison import Ranking, Row
from datastill.evaluation.plan import Result
from datastill.evaluation.scores import Assessed, family
from datastill.training.accuracies import difference

Table = tuple[str, Sequence[str], Sequence[Sequence[str]]]
"""A title, the heads of the columns, and rows of as many cells."""
Listing = tuple[Sequence[str], Sequence[Sequence[str]]]
"""The same without a title."""
REFERENCE = "random"
ARROWS = {"higher": "↑ higher", "lower": "↓ lower"}


def results(title: str, found: Sequence[Result], *, timed: bool = True) -> Table:
    """Say what each set is worth, and by how much it differs from random real images.

    Args:
        title: of the table.
        found: the results of one validation.
        timed: whether to tell seconds.
    """
    models = list(dict.fromkeys(row.model for row in found))
    references = {row.model: row.accuracies for row in found if row.source == REFERENCE}
    rows: list[tuple[str, ...]] = []
    for row in found:
        gain, other = "", references.get(row.model)
        paired = other is not None and len(other.values) == len(row.accuracies.values)
        if other is not None and paired and row.source != REFERENCE:
            gain = str(difference(row.accuracies, other))
        gains = (gain,) if references else ()
        its = (row.model,) if len(models) > 1 else ()
        spent = (f"{row.seconds:.0f}",) if timed else ()
        rows.append((row.source, *its, str(row.accuracies), *gains, *spent))
    gained = ("minus random (95 %)",) if references else ()
    its, spent = ("model",) if len(models) > 1 else (), ("seconds",) if timed else ()
    title = title if its else f"{title}, {models[0]}"
    return title, ("trained on", *its, "mean ± std", *gained, *spent), rows


def comparison(found: Sequence[Row]) -> Iterator[Table]:
    """Say for each architecture what every set is worth, and what it takes."""
    columns = (
        *("trained on", "images", "mean ± std", "minus random (95 %)", "of gap"),
        *("images + labels", "seconds"),
    )
    for model in dict.fromkeys(row.model for row in found):
        rows = [_compared(row) for row in found if row.model == model]
        yield f"Test accuracy of {model}", columns, rows


def _compared(row: Row) -> tuple[str, ...]:
    return (
        row.title,
        f"{row.images:,}",
        str(row.accuracies),
        "" if row.over_random is None else str(row.over_random),
        "" if row.recovered is None else f"{row.recovered:.0%}",
        _bytes(row),
        f"{row.seconds:.0f}",
    )


def _bytes(row: Row) -> str:
    models = f", models {row.model_bytes / 1000:,.0f} kB" if row.model_bytes else ""
    return f"{row.image_bytes / 1000:,.2f} + {row.label_bytes / 1000:,.2f} kB{models}"


def rankings(found: Sequence[Ranking]) -> Iterator[Table]:
    """Say DD-Ranking's scores, if there are any."""
    rows = [
        (
            one.name,
            one.model,
            "-" if one.hlr is None else f"{one.hlr:+.3f}",
            f"{one.ior:+.3f}",
            "-" if one.lrs is None else f"{one.lrs:.3f}",
            f"{one.ars:.3f}",
            _labels(one),
        )
        for one in found
    ]
    if rows:
        columns = ("set", "model", "HLR (lower)", "IOR", "LRS", "ARS", "labels")
        yield "DD-Ranking, of accuracies as fractions", columns, rows


def _labels(one: Ranking) -> str:
    if one.label_bytes is None:
        return "-"
    models = f", models {one.model_bytes / 1000:,.0f} kB" if one.model_bytes else ""
    return f"{one.labels}, {one.label_bytes / 1000:,.2f} kB{models}"


def assessments(
    found: Mapping[str, Assessed], random: Sequence[Mapping[str, Assessed]], whose: str = ""
) -> Table:
    """Say every score of a set, family by family, beside those of random real images.

    Args:
        found: the scores.
        random: those of random images.
        whose: the set, where there are several.
    """
    families: dict[str, list[tuple[str, ...]]] = {}
    for name, one in found.items():
        beside, than = "", ""
        if random:
            draws = [other[name].score for other in random]
            mean = fmean(draw.value for draw in draws)
            gain = one.score.worth - fmean(draw.worth for draw in draws)
            beside, than = f"{mean:.4g}", than_random(gain)
        spread = f" ± {stdev(one.draws):.2g}" if one.draws else ""
        better, value = ARROWS[one.score.better], f"{one.score.value:.4g}{spread}"
        line = (f"  {name}", better, value, beside, than, f"{one.seconds:.3f}")
        families.setdefault(family(name), []).append(line)
    rows = [row for kind in sorted(families) for row in ((kind, *[""] * 5), *families[kind])]
    columns = ("assessment", "better", "this set", "random", "than random", "seconds")
    draws = f"; random: mean of {counted(len(random), 'draw')}" if random else ""
    of = f" of {whose}" if whose else ""
    return f"Assessments{of} without a test set{draws}", columns, rows


def than_random(gain: float) -> str:
    """Say how a set compares with random images that it is so much better than.

    >>> than_random(0.1), than_random(-2.0), than_random(0.0)
    ('better', 'worse', 'equal')
    """
    return "better" if gain > 0 else "worse" if gain < 0 else "equal"
