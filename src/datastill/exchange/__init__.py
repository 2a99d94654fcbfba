"""Every module in this folder is a format in which sets travel; importing it registers them."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from safetensors import SafetensorError, safe_open

from datastill.base.errors import InputError
from datastill.base.registry import load_plugins
from datastill.data import ImageSet
from datastill.exchange.base import FORMATS, Claim, Format, Reading, content_of, interpret
from datastill.store import SET_FILE

load_plugins(__name__, __path__)

ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".7z", ".rar", ".gz")

__all__ = ["FORMATS", "Claim", "Format", "Reading", "import_set", "recognised"]


def recognised(path: Path) -> str:
    """Return the name of the format that a path is of, by its name alone.

    Raises:
        InputError: when there is nothing at the path, or it is of none.
    """
    if not path.exists():
        raise InputError(f"nothing at {path}")
    if FORMATS["hub"].recognises(path):
        return "hub"
    if _is_own(path):
        raise InputError(
            f"{path} is a set of datastill's own and needs no import: datastill validate {path}"
        )
    # What looks for a longer name is asked first: images_best.pt is also a .pt.
    for name in ("trajectory", "idc", *FORMATS.names):
        if FORMATS[name].recognises(path):
            return FORMATS.spelling(name)
    raise InputError(_unknown(path))


def _is_own(path: Path) -> bool:
    file = path / SET_FILE if path.is_dir() else path
    if file.suffix != ".safetensors" or not file.is_file():
        return False
    try:
        with safe_open(file, framework="pt") as opened:
            return "datastill" in (opened.metadata() or {})
    except (SafetensorError, OSError):
        return False


def _unknown(path: Path) -> str:
    # What to do with a path that no format recognises.
    if path.is_file() and any(path.name.endswith(ending) for ending in ARCHIVES):
        return f"{path} is an archive that is not read; unpack it, and name what was in it"
    inside = [] if path.is_file() else sorted(file for file in path.iterdir() if file.is_file())
    names = [file.name for file in inside if _is_known(file)]
    if names:
        return f"{path} holds {', '.join(names[:3])}{', ...' * (len(names) > 3)}; name one of them"
    kinds = "; ".join(f"{name}: {FORMATS[name].about}" for name in FORMATS.names)
    return f"{path} is of no known format; choose --format from {kinds}"


def _is_known(file: Path) -> bool:
    return any(FORMATS[name].recognises(file) for name in FORMATS.names)


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
    name = recognised(path) if format is None or _is_own(path) else FORMATS.spelling(format)
    if name not in ("folder", "hub", "trajectory", "idc") and path.is_dir():
        raise InputError(_unknown(path))
    reading = reading or Reading()
    found = FORMATS[name].read(path, reading)
    data, remarks = interpret(found, path, claim or Claim(), reading.factor)
    origin = {"file": path.name, "format": name, "remarks": list(remarks)}
    if path.is_file():
        origin["fingerprint"] = hashlib.blake2b(content_of(path), digest_size=8).hexdigest()
    return replace(data, facts={**data.facts, "imported": origin}), remarks
