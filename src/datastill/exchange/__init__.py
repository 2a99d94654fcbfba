"""Every module in this folder is a format in which sets travel; importing it registers them."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path

from safetensors import SafetensorError

from datastill.base.errors import InputError, damaged, of_kind, path_of, truth
from datastill.base.registry import load_plugins
from datastill.base.tensor_files import opened
from datastill.data import ImageSet
from datastill.exchange.base import FORMATS, Claim, Format, Reading, content_of, interpret
from datastill.exchange.base.strange import unknown
from datastill.exchange.folder import is_exported
from datastill.report.commands import typed
from datastill.store import SET_FILE, require_savable

load_plugins(__name__, __path__)

FOLDERS = ("folder", "hub")
"""Formats that are folders."""

__all__ = ["FORMATS", "Claim", "Format", "Reading", "export_set", "import_set", "recognised"]


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
            f"{path} is a set of datastill's own and needs no import: {typed('validate', path)}"
        )
    # What looks for a longer name is asked first: images_best.pt is also a .pt.
    first = ("trajectory", "idc")
    rest = (name for name in FORMATS.names if name not in (*first, "folder", "dataset"))
    for name in (*first, *rest):
        if FORMATS[name].recognises(path):
            return FORMATS.spelling(name)
    _require_none_below(path)
    # A table beside pictures says more than the folders that they lie in.
    for name in ("dataset", "folder"):
        if FORMATS[name].recognises(path) and not (name == "dataset" and is_exported(path)):
            return name
    raise InputError(unknown(path))


def _require_none_below(path: Path) -> None:
    # Previews of own sets are no pictures of another. Runs lie by dataset, method and IPC.
    files = (file for deep in range(1, 4) for file in sorted(path.glob("*/" * deep + SET_FILE)))
    own = next((file.parent for file in files if _is_own(file)), None)
    if own is not None:
        raise InputError(
            f"{path} holds sets of datastill's own, such as {own}, which need no import: "
            f"{typed('validate', own)}"
        )


def _is_own(path: Path) -> bool:
    file = path / SET_FILE if path.is_dir() else path
    if file.suffix != ".safetensors" or not file.is_file():
        return False
    try:
        with opened(file) as found:
            return "datastill" in (found.metadata() or {})
    except SafetensorError:
        return False
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror or error}") from None


def import_set(
    path: Path | str,
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
    path_of("the path of a file or folder", path=path)
    claim, reading = claim or Claim(), reading or Reading()
    of_kind(Claim, "a Claim, such as Claim('CIFAR10')", claim=claim)
    of_kind(Reading, "a Reading, such as Reading(factor=2)", reading=reading)
    with damaged(path):  # whatever a file of somebody else's can make go wrong
        return _imported(Path(path), claim, format, reading)


def _imported(
    path: Path, claim: Claim, format: str | None, reading: Reading
) -> tuple[ImageSet, tuple[str, ...]]:
    name = recognised(path) if format is None or _is_own(path) else FORMATS.spelling(format)
    if name not in ("folder", "hub", "trajectory", "idc", "dataset") and path.is_dir():
        raise InputError(unknown(path))
    if reading.experiment and not FORMATS[name].several:
        raise InputError(f"{path} holds one set; there is no number {reading.experiment}")
    found = FORMATS[name].read(path, reading)
    data, remarks = interpret(found, path, claim, reading.factor)
    origin = {"file": path.name, "format": name, "remarks": list(remarks)}
    if path.is_file():
        origin["fingerprint"] = hashlib.blake2b(content_of(path), digest_size=8).hexdigest()
    return replace(data, facts={**data.facts, "imported": origin}), remarks


def export_set(
    data: ImageSet, path: Path | str, *, format: str, overwrite: bool = False
) -> tuple[str, ...]:
    """Write a synthetic set for other programs.

    Args:
        data: the set.
        path: of the file, or of a folder that is not there yet.
        format: its name.
        overwrite: whether to replace a file that is there; a folder never is.

    Returns:
        What the format does not keep, in words.

    Raises:
        InputError: when the format is unknown or read only, the set is none that could be saved
            (see ``store.save``), or something is there that must not be replaced.
    """
    of_kind(ImageSet, "an ImageSet", data=data)
    truth(overwrite=overwrite)
    of_kind((str, os.PathLike), "the path of a file or folder", path=path)
    path_of("the path of a file or folder", path=path)
    held, path = FORMATS[format], Path(path)
    if not len(data):
        raise InputError("the set holds no images")
    require_savable(data)
    folder = format.casefold() in FOLDERS
    if path.exists() and (folder or path.is_dir()):
        what = "a folder is never replaced" if folder else f"{format} is a file: name one"
        said = f"{path} is there; take another --out, {what}"
        if not folder:
            said = f"{path} is a folder; --to {format} writes a file: name one by --out"
        raise InputError(f"{path} is there; take another `path`, {what}", typed=said)
    if path.exists() and not overwrite:
        raise InputError(f"{path} is there; pass `overwrite=True` to replace it")
    return held.put(data, path)
