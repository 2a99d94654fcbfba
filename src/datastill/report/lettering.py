"""Fonts that have the letters of a name, whatever script it is in, on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

from PIL import ImageFont

ELLIPSIS = "…"
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def label(name: str, number: int, *, size: int, width: int) -> tuple[str, Font]:
    """Return what to draw for a class, and by which font.

    A name without a font that has all of its letters is told by its number and the letters that can
    be drawn, so that no two are alike; a long one loses its middle.

    Args:
        name: of the class.
        number: of the class.
        size: of the letters, in pixels.
        width: that there is, in pixels.
    """
    if name.isascii():
        font: Font = ImageFont.load_default(size=size)
    else:
        file = having(name)
        if file is None:
            file = common()
            name = f"{number} {''.join(c for c in name if ord(c) in letters(file))}".strip()
        font = ImageFont.truetype(str(file), size)
    return shortened(name, font, width), font


def spelled(text: str) -> tuple[str, Path]:
    """Return a text and a font's file for it; letters that no font has are question marks."""
    file = having(text)
    if file is not None:
        return text, file
    return "".join(c if c.isspace() or ord(c) in letters(common()) else "?" for c in text), common()


def shortened(text: str, font: Font, width: int) -> str:
    """Take letters out of the middle of a text until it is as wide as there is room."""
    kept = len(text)
    short = text
    while kept > 2 and font.getlength(short) > width:
        kept -= 1
        tail = kept // 3
        short = text[: kept - tail] + ELLIPSIS + text[len(text) - tail :]
    return short


@cache
def having(text: str) -> Path | None:
    """Return the file of a font that has all letters of a text, or None where there is none."""
    wanted = {ord(c) for c in text if not c.isspace()}
    for file in _files():
        if wanted <= letters(file) and _usable(file):
            return file
    return None


def common() -> Path:
    """Return the file of a font that has the letters of most alphabets, and is always there."""
    import matplotlib

    return Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"


@cache
def letters(file: Path) -> frozenset[int]:
    """Return the code points that a font has; none where it cannot be read."""
    from matplotlib.ft2font import FT2Font

    try:
        return frozenset(FT2Font(str(file)).get_charmap())
    except Exception:  # a font of the machine can be broken in any way
        return frozenset()


def _files() -> Iterator[Path]:
    from matplotlib.font_manager import findSystemFonts

    yield common()
    yield from map(Path, sorted(findSystemFonts()))


def _usable(file: Path) -> bool:
    try:  # fonts of coloured pictures have one size
        ImageFont.truetype(str(file), 12)
    except OSError:
        return False
    return True
