"""What a notebook shows: pictures and small tables, where a terminal has a line."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterable, Sequence
from typing import Any

from PIL import Image

from datastill.data import ImageSet
from datastill.report.figures import png
from datastill.report.preview import drawn_classes, preview
from datastill.report.tables import Table

CLASSES, IMAGES = 10, 10
"""Of a set, that a cell shows."""


def of_set(data: ImageSet) -> str:
    """Return a set as HTML: what it is in a line, and a picture of some of its images."""
    if not len(data):
        return told(repr(data))
    there = len(data.domain.classes)
    shown = len(drawn_classes(there, CLASSES))
    left = [f"{shown} of {there} classes are shown."] if shown < there else []
    return told(repr(data), [preview(data, most=IMAGES, classes=CLASSES)], left)


def told(
    title: str, pictures: Iterable[Image.Image] = (), found: Iterable[Table | str] = ()
) -> str:
    """Return a title, pictures, tables and lines as HTML; texts are texts, whatever they hold."""
    parts = [f"<div><strong>{html.escape(title)}</strong></div>"]
    parts += [_picture(picture, title) for picture in pictures]
    parts += [
        f"<div>{html.escape(one)}</div>" if isinstance(one, str) else _table(*one) for one in found
    ]
    return "\n".join(parts)


def drawn(figure: Any) -> Image.Image:
    """Return a matplotlib figure as a picture."""
    return Image.open(io.BytesIO(png(figure, dpi=90)))


def _cells(row: Sequence[str]) -> str:
    # The first one says what the row is of.
    first, *others = map(html.escape, row)
    return f'<th scope="row" style="text-align: left">{first}</th>' + "".join(
        f"<td>{cell}</td>" for cell in others
    )


def _picture(picture: Image.Image, title: str) -> str:
    content = io.BytesIO()
    picture.save(content, format="PNG")
    text = base64.b64encode(content.getvalue()).decode()
    size = f'width="{picture.width}" height="{picture.height}"'
    return f'<img src="data:image/png;base64,{text}" {size} alt="{html.escape(title)}">'


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in columns)
    body = "".join(f"<tr>{_cells(row)}</tr>" for row in rows)
    caption = f"<caption>{html.escape(title)}</caption>"
    return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
