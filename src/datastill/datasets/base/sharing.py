"""Images that several processes of a machine read: by one of them, and mapped by all."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from torch import Tensor

from datastill.data import Domain, ImageSet
from datastill.data.pixels import Pixels
from datastill.datasets.base.reading import Reading, Split

Sets = dict[Split, ImageSet]

_place: ContextVar[Path | None] = ContextVar("where images are shared", default=None)


@contextmanager
def shared_in(folder: Path | None) -> Generator[None]:
    """Read images once for all processes that name the same folder; for none, each by itself.

    Args:
        folder: for as long as they work; on their machine.
    """
    before = _place.set(folder)
    try:
        yield
    finally:
        _place.reset(before)


def once(asked: tuple[Any, ...], reading: Reading, make: Callable[[], Sets]) -> Sets:
    """Return sets that another process has read, mapped; or read them, and share them.

    Args:
        asked: what is read.
        reading: how.
        make: reads.
    """
    folder = _place.get()
    if folder is None:
        return make()
    how = [getattr(reading, one.name) for one in fields(reading)]
    plain = [value for value in how if not callable(value)]
    address = hashlib.sha256(repr((asked, plain)).encode()).hexdigest()[:16]
    place = folder / address
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / f"{address}.lock"):
        if not (place / "sets.json").exists():
            made = make()
            if not _write(made, place):
                return made
    return _mapped(place)


def noted(asked: tuple[Any, ...], find: Callable[[], bool]) -> bool:
    """Return what another process has found out about files; or find it out, and note it.

    Args:
        asked: what is asked.
        find: answers it.
    """
    folder = _place.get()
    if folder is None:
        return find()
    file = folder / f"{hashlib.sha256(repr(asked).encode()).hexdigest()[:16]}.json"
    if file.exists():
        return json.loads(file.read_text(encoding="utf-8"))
    found = find()
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        scratch = file.with_suffix(f".{os.getpid()}.partial")
        scratch.write_text(json.dumps(found), encoding="utf-8")
        scratch.replace(file)
    return found


def _write(made: Sets, place: Path) -> bool:
    try:
        place.mkdir(exist_ok=True)
        table = {split: _told(data) for split, data in made.items()}
        text = json.dumps(table)
        for split, data in made.items():
            for name, values in _arrays(data).items():
                np.save(place / f"{split}-{name}.npy", values)
        (place / "sets.json.partial").write_text(text, encoding="utf-8")
        (place / "sets.json.partial").replace(place / "sets.json")  # last: all is there
    except (TypeError, OSError):  # facts of a person's own that no file holds, or a full disk
        return False
    return True


def _told(data: ImageSet) -> dict[str, Any]:
    kept = data.images.normalisation if isinstance(data.images, Pixels) else None
    facts = dict(data.facts)
    return {"facts": facts, "domain": asdict(data.domain), "kept": kept}


def _arrays(data: ImageSet) -> dict[str, np.ndarray[Any, Any]]:
    images = data.images
    values = images.chosen() if isinstance(images, Pixels) else images
    found = {"images": values.numpy(), "labels": data.labels.numpy()}
    return found if data.digests is None else {**found, "digests": data.digests}


def _mapped(place: Path) -> Sets:
    table: Mapping[Split, Any] = json.loads((place / "sets.json").read_text(encoding="utf-8"))
    return {split: _set(place, split, said) for split, said in table.items()}


def _set(place: Path, split: Split, said: Mapping[str, Any]) -> ImageSet:
    images, kept = _tensor(place / f"{split}-images.npy"), said["kept"]
    if kept is not None:
        mean, std = kept
        images = Pixels(images, tuple(mean), tuple(std))
    digests = place / f"{split}-digests.npy"
    return ImageSet(
        images,
        _tensor(place / f"{split}-labels.npy"),
        Domain(**said["domain"]),
        said["facts"],
        np.load(digests) if digests.exists() else None,
    )


def _tensor(file: Path) -> Tensor:
    # Copied where somebody writes to it, and only then.
    return torch.from_numpy(np.load(file, mmap_mode="c"))
