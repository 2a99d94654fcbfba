"""Decoded pictures that are kept between runs, in a folder that can be deleted at any time.

An entry is named by what its pictures were: names, sizes and times of files, or the bytes of what
lies in tables, and how they were decoded. It holds a digest of itself, and is used whole or not at
all. A folder that others may write to is not used; where nothing can be written, nothing is kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import PIL
import torch
from numpy.typing import NDArray
from PIL import features
from torch import Tensor

from datastill.base.errors import InputError
from datastill.base.machine import cache_folder
from datastill.datasets.base.reading import Encoded, Pictures, Reading
from datastill.datasets.base.room import blank
from datastill.identity import Digests

LEAST, MOST = 2**20, 2**32
"""Bytes of encoded pictures below which decoding is quick, and bytes that all entries may take."""

SPARE = 2**30
"""Bytes that are left free on the disk."""

ENDING, HEADER_MOST, CHUNK = ".pictures", 2**20, 2**24
DECODERS = tuple(str(features.version(name)) for name in ("jpg", "zlib", "webp", "libtiff"))


@dataclass(frozen=True)
class Entry:
    """What is kept of some pictures.

    Attributes:
        facts: about them.
        images: ``(n, C, H, W)`` bytes.
        digests: of the pictures as large as they are, where somebody asked.
    """

    facts: Mapping[str, Any]
    images: Tensor
    digests: Digests | None = None


def key_of(pictures: Pictures, rows: Iterable[int], *options: Any) -> str | None:
    """Name what becomes of pictures, or return None where they are too few to be kept.

    Args:
        pictures: encoded.
        rows: which of them, ascending.
        options: all that the result follows from beside them.

    Raises:
        InputError: when pictures are missing.
    """
    total, relative, digest = 0, False, hashlib.blake2b(digest_size=16)
    digest.update(repr((1, PIL.__version__, DECODERS, options)).encode())
    try:
        for encoded in pictures.at(list(rows)):
            told, length = _told(encoded)
            digest.update(f"{len(told)} ".encode())
            digest.update(told)
            total += length
            relative |= isinstance(encoded.content, Path) and not encoded.content.is_absolute()
        if relative:
            digest.update(bytes(Path.cwd()))
    except OSError:  # which is told when it is read
        return None
    return digest.hexdigest() if total >= LEAST else None


def recall(key: str) -> Entry | None:
    """Return what was kept under a name, if it is there and whole."""
    folder = _folder()
    if folder is None:
        return None
    file = folder / f"{key}{ENDING}"
    try:
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        with os.fdopen(os.open(file, flags), "rb") as opened:
            found = _read(opened, key) if _is_ours(os.fstat(opened.fileno())) else None
        if found is None:
            file.unlink()
        else:
            os.utime(file)  # the entry that was used last is deleted last
    except (OSError, InputError):
        return None
    return found


def keep(key: str, entry: Entry, reading: Reading) -> None:
    """Keep an entry for the next run, and say so; where that cannot be, it is made again."""
    folder, images, known = _folder(make=True), entry.images.numpy().reshape(-1), entry.digests
    content = [images, *([] if known is None else [known.view(np.uint8)])]
    length = sum(part.nbytes for part in content)
    if folder is None or length > MOST // 2:
        return
    try:
        _make_room(folder, length)
        if shutil.disk_usage(folder).free < length + SPARE:
            return
        header: dict[str, Any] = {"shape": list(entry.images.shape), "facts": entry.facts}
        header["known"] = known is not None
        header["digest"] = _digest(key, header, content)
        line = json.dumps(header).encode() + b"\n"
        if len(line) > HEADER_MOST:
            return
        _write(folder / f"{key}{ENDING}", line, content)
    except OSError:
        return
    reading.tell(
        f"decoded pictures are kept in {folder} for the next run ({length / 1e6:.0f} MB of "
        f"at most {MOST / 1e9:.0f} GB; the folder may be deleted)"
    )


def _told(encoded: Encoded) -> tuple[bytes, int]:
    if isinstance(encoded.content, bytes):
        return hashlib.blake2b(encoded.content, digest_size=16).digest(), len(encoded.content)
    found = encoded.content.stat()
    # The time of the last change of any kind cannot be set by hand.
    told = (str(encoded.content), found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    return os.fsencode(repr(told)), found.st_size


def _folder(*, make: bool = False) -> Path | None:
    try:
        folder = cache_folder() / "pictures"
        if make:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder if _is_ours(folder.lstat()) else None
    except OSError:  # no such folder, or no home
        return None


def _is_ours(found: os.stat_result) -> bool:
    if not hasattr(os, "geteuid"):  # Windows keeps what is a person's to that person
        return True
    private = found.st_uid == os.geteuid() and not found.st_mode & 0o022
    return private and not stat.S_ISLNK(found.st_mode)


def _read(file: BinaryIO, key: str) -> Entry | None:
    try:
        header = json.loads(file.readline(HEADER_MOST))
        shape, digest, facts = tuple(header["shape"]), header.pop("digest"), dict(header["facts"])
        known = header["known"] is True
        length = int(np.prod(shape, dtype=np.int64))
        sound = len(shape) == 4 and all(type(side) is int and side >= 0 for side in shape)
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    if not sound or os.fstat(file.fileno()).st_size != file.tell() + length + known * 8 * shape[0]:
        return None
    images, digests = blank(shape, torch.uint8), np.empty(known * shape[0], np.uint64)
    content = [images.numpy().reshape(-1), digests.view(np.uint8)]
    for part in _chunks(content):
        if file.readinto(part.data) != part.nbytes:  # type: ignore[attr-defined]
            return None
    if _digest(key, header, content) != digest:
        return None
    return Entry(facts, images, digests if known else None)


def _digest(key: str, header: Mapping[str, Any], content: Sequence[NDArray[np.uint8]]) -> str:
    digest = hashlib.blake2b(json.dumps([key, header]).encode(), digest_size=16)
    for part in _chunks(content):
        digest.update(part.data)
    return digest.hexdigest()


def _chunks(content: Sequence[NDArray[np.uint8]]) -> Iterator[NDArray[np.uint8]]:
    for part in content:
        for start in range(0, part.nbytes, CHUNK):
            yield part[start : start + CHUNK]


def _make_room(folder: Path, length: int) -> None:
    files = sorted(folder.glob(f"*{ENDING}"), key=lambda file: file.lstat().st_mtime)
    total = sum(file.lstat().st_size for file in files) + length
    for file in files:
        if total <= MOST:
            break
        total -= file.lstat().st_size
        file.unlink()


def _write(file: Path, line: bytes, content: Sequence[NDArray[np.uint8]]) -> None:
    scratch = tempfile.NamedTemporaryFile(dir=file.parent, prefix=".", delete=False)  # noqa: SIM115
    try:
        with scratch as opened:
            opened.write(line)
            for part in content:
                opened.write(part.data)
        Path(scratch.name).replace(file)
    finally:
        with contextlib.suppress(OSError):
            Path(scratch.name).unlink()
