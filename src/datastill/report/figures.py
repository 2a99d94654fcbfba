"""Figures of matplotlib as files."""

from __future__ import annotations

import io
from typing import Any


def png(figure: Any, dpi: int = 110) -> bytes:
    """Return a figure as the content of a PNG file.

    Args:
        figure: of matplotlib, which is a matter of whoever draws one.
        dpi: pixels of an inch.
    """
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=dpi)
    return content.getvalue()
