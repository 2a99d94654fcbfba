"""What a notebook shows of what runs found: pictures, and tables in place of long lines."""

from __future__ import annotations

from collections.abc import Iterator
from functools import singledispatch
from typing import Any

from PIL import Image

from datastill.report import notebook
from datastill.report.comparison import plot
from datastill.report.notebook import drawn
from datastill.report.preview import preview
from datastill.report.scatter import scatter
from datastill.runs.making.distilling import Distilled
from datastill.runs.making.relabelling import Relabelled
from datastill.runs.showing.summaries import told
from datastill.runs.studies.findings import Studied
from datastill.runs.validation.comparing import Compared

BEST = 3
"""Assessments of a study that are drawn."""


def html_of(found: Any) -> str:
    """Return what a verb returned as HTML for a notebook."""
    folder = getattr(found, "folder", None) or getattr(found, "file", None)
    where = f" in {folder}" if folder else ""
    return notebook.told(f"{type(found).__name__}{where}", _pictures(found), told(found))


@singledispatch
def _pictures(found: Any) -> Iterator[Image.Image]:
    del found
    yield from ()


@_pictures.register
def _(found: Distilled) -> Iterator[Image.Image]:
    yield preview(found.set, classes=notebook.CLASSES)


@_pictures.register
def _(found: Relabelled) -> Iterator[Image.Image]:
    yield preview(found.set, classes=notebook.CLASSES)


@_pictures.register
def _(found: Compared) -> Iterator[Image.Image]:
    yield drawn(plot(found.rows))


@_pictures.register
def _(found: Studied) -> Iterator[Image.Image]:
    yield drawn(scatter(found.study, [one.name for one in found.study.verdicts[:BEST]]))
