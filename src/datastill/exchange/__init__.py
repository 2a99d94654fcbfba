"""Every module in this folder is a format in which sets travel; importing it registers them."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from datastill.data import ImageSet
from datastill.errors import InputError
from datastill.exchange.base import FORMATS, Claim, Format, Reading, content_of, interpret
from datastill.registry import load_plugins

load_plugins(__name__, __path__)

__all__ = ["FORMATS", "Claim", "Format", "Reading", "import_set", "recognised"]


def recognised(path: Path) -> str:
    """Return the name of the format that a path is of, by its name alone.

    Raises:
        InputError: when there is nothing at the path, or it is of none.
    """
    if not path.exists():
        raise InputError(f"nothing at {path}")
    # What looks for a longer name is asked first: images_best.pt is also a .pt.
    for name in ("trajectory", "idc", "hub", *FORMATS.names):
        if FORMATS[name].recognises(path):
            return FORMATS.spelling(name)
    raise InputError(
        f"{path} is of no known format; choose --format from {', '.join(FORMATS.names)}"
    )


def import_set(
    path: Path,
    claim: Claim | None = None,
    *,
    format: str | None = None,
    reading: Reading | None = None,
) -> tuple[ImageSet, tuple[str, ...]]:
    """Read a synthetic set of another project, or an export of our own.

    Nothing in the file is run and nothing is written.

    Args:
        path: file or folder.
        claim: what a person says about it.
        format: its name; by default as the path's name tells.
        reading: what the format does not say itself.

    Returns:
        The set, whose facts say where it comes from; and what was guessed, in words.

    Raises:
        InputError: when it is damaged, hostile, contradicts itself or does not say enough.
    """
    name = recognised(path) if format is None else FORMATS.spelling(format)
    found = FORMATS[name].read(path, reading or Reading())
    data, remarks = interpret(found, path, claim or Claim())
    origin = {"file": path.name, "format": name, "remarks": list(remarks)}
    if path.is_file():
        origin["fingerprint"] = hashlib.blake2b(content_of(path), digest_size=8).hexdigest()
    return replace(data, facts={**data.facts, "imported": origin}), remarks
