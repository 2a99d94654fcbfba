"""How networks do that were trained on a set, class by class."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, stdev
from typing import Protocol

from datastill.base.wording import counted
from datastill.report.page.held import ByClass
from datastill.report.page.parts import Grid


class Counted(Protocol):
    """What says of networks how many test images of each class they label correctly."""

    @property
    def right(self) -> Sequence[Sequence[int]]:
        """For each network a number for each class; nothing where that was not written down."""
        ...

    @property
    def tested(self) -> Sequence[int]:
        """Test images of each class."""
        ...


def class_by_class(
    found: Sequence[tuple[str, Counted]], classes: Sequence[str], above: str = ""
) -> Grid | None:
    """Return a table of the mean over networks, with its spread; None where nothing is known.

    Args:
        found: networks that were trained on one thing, with a name for each.
        classes: their names.
        above: added to the title.
    """
    known = [(name, one) for name, one in found if _says(one, len(classes))]
    if not known:
        return None
    tested = known[0][1].tested
    heads = [f"{name} (n={sum(map(bool, one.right))})" for name, one in known]
    rows = [
        (label, f"{tested[k]:,}", *(_told(one, k) for _, one in known))
        for k, label in enumerate(classes)
    ]
    title = f"Accuracy class by class, %, on {counted(sum(tested), 'test image')}{above}"
    return Grid(title, ("class", "test images", *heads), rows)


def _says(one: Counted, classes: int) -> bool:
    return len(one.tested) == classes and any(one.right)


def _told(one: Counted, k: int) -> str:
    if not one.tested[k]:
        return "none"
    shares = [100 * right[k] / one.tested[k] for right in one.right if right]
    spread = f" ± {stdev(shares):.1f}" if len(shares) > 1 else ""
    return f"{fmean(shares):.1f}{spread}"


def of_kept(found: ByClass, classes: Sequence[str]) -> Grid:
    """Return a table of networks that were kept, of which no counts were written down."""
    several = len(found.rows) > 1
    names = [name for name, _ in found.rows]
    rows: list[tuple[str, ...]] = []
    for k, label in enumerate(classes):
        reached = [shares[k] for _, shares in found.rows]
        mean = [_percent(fmean(reached))] if several else []
        rows.append((label, *mean, *map(_percent, reached)))
    columns = ("class", *(["mean"] if several else []), *names)
    title = f"Accuracy on {counted(found.tested, 'test image')}, class by class, %"
    return Grid(title, columns, rows)


def _percent(share: float) -> str:
    return "none" if math.isnan(share) else f"{100 * share:.1f}"
