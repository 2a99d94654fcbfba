"""Plots put together and not painted, which takes long, for tests that do not look at them."""

import io

from PIL import Image

PAINTERS = ("comparison", "pareto", "scatter")
"""The modules of ``datastill.report`` that have plots painted by a function ``png``."""

PROGRAM = """
import runpy, sys
from importlib import import_module
import unpainted

for name in unpainted.PAINTERS:
    import_module(f"datastill.report.{name}").png = unpainted.png
"""
"""Begins a program that paints nothing; this folder is on its path."""


def png(*_: object, **__: object) -> bytes:
    """Return the content of a PNG file that shows nothing."""
    content = io.BytesIO()
    Image.new("1", (1, 1)).save(content, format="PNG")
    return content.getvalue()
