"""Folders of pictures, one for each class; also as a zip, which is never unpacked."""

from __future__ import annotations

import io
import re
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath

import torch

from datastill.artifacts import set_header, write_json, writing
from datastill.data import ImageSet
from datastill.errors import InputError
from datastill.exchange.base import (
    ENDINGS,
    FORMATS,
    MOST_VALUES,
    Format,
    Found,
    Reading,
    content_of,
    decode,
    drawable,
    encode,
    header_of,
    losses,
    stack,
    stem_of,
)

HEADER = "datastill.json"
"""Beside the folders of an export: all that pictures do not say."""

Files = Mapping[str, Callable[[], bytes]]
"""What reads each file, by its path below the root."""


def read(path: Path, options: Reading) -> Found:
    """Read every picture of a folder or a zip that has a folder for each class.

    Raises:
        InputError: when there are no pictures, one is damaged, their sizes differ, or a name
            leads out of the zip.
    """
    files = _in_folder(path) if path.is_dir() else _in_zip(path)
    header = header_of(_text(files, path), path) if HEADER in files else None
    names = [name for name in files if PurePosixPath(name).suffix.lower() in ENDINGS]
    names = [name for name in names if len(PurePosixPath(name).parts) == 2]
    if not names:
        raise InputError(f"{path} holds no folders of pictures, one for each class")
    names = sorted(names) if header is None else _listed(header, names, path)
    classes = tuple(sorted({PurePosixPath(name).parts[0] for name in names}))
    images = stack([decode(files[name](), f"{path}/{name}") for name in names], names)
    if header is None:
        labels = [classes.index(PurePosixPath(name).parts[0]) for name in names]
    else:
        labels = [_numbered(PurePosixPath(name).parts[0], path) for name in names]
    return Found(images, torch.tensor(labels), header=header, space="pixels", classes=classes)


def write(data: ImageSet, path: Path) -> tuple[str, ...]:
    """Write each image as a PNG into the folder of its class, and the rest as JSON beside them."""
    pixels, places = drawable(data), folders_of(data)
    names = [f"{places[k]}/{i:05d}.png" for i, k in enumerate(data.hard_labels.tolist())]
    with writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        try:
            for place in places:
                (partial / place).mkdir()
            for name, image in zip(names, pixels, strict=True):
                (partial / name).write_bytes(encode(image))
            write_json(partial / HEADER, {**set_header(data), "files": names})
            partial.chmod(0o755)
            partial.rename(path)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    told = losses(pixels)
    soft = "soft labels are left out: a folder says one class"
    return (*told, soft) if data.labels.ndim == 2 else told


def folders_of(data: ImageSet) -> list[str]:
    """Name the folder of each class so that their order is that of the labels.

    Every loader that sorts folders by name then gives each class its number.
    """
    digits = len(str(len(data.domain.classes) - 1))
    plain = [re.sub(r"[^\w-]+", "_", name) for name in data.domain.classes]
    return [f"{k:0{digits}d}_{name}" for k, name in enumerate(plain)]


def _in_folder(root: Path) -> Files:
    root = root / "train" if (root / "train").is_dir() else root
    paths = [root / HEADER, *root.glob("*/*")]
    return {
        path.relative_to(root).as_posix(): (lambda path=path: content_of(path))
        for path in sorted(paths)
        if path.is_file() and not path.name.startswith(".")
    }


def _in_zip(path: Path) -> Files:
    content = content_of(path)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
    except Exception:  # a damaged archive can fail in any way
        raise InputError(f"{path} is damaged or no zip") from None
    for member in members:
        parts = PurePosixPath(member.filename.replace("\\", "/"))
        if parts.is_absolute() or ".." in parts.parts or ":" in member.filename:
            raise InputError(f"{path}: {member.filename!r} leads out of the zip")
    if sum(member.file_size for member in members) > MOST_VALUES:
        raise InputError(f"{path} would unpack to more than {MOST_VALUES:,} bytes")
    depth = {len(PurePosixPath(member.filename).parts) for member in members}
    wrapped = bool(depth) and min(depth) > 1 and max(depth) == 3  # zipped with its own folder

    def member_of(name: str) -> bytes:
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                return archive.read(name)
        except Exception:
            raise InputError(f"{path} is damaged at {name!r}") from None

    return {
        "/".join(PurePosixPath(member.filename).parts[1 if wrapped else 0 :]): (
            lambda name=member.filename: member_of(name)
        )
        for member in members
    }


def _text(files: Files, path: Path) -> str:
    try:
        return files[HEADER]().decode()
    except UnicodeDecodeError:
        raise InputError(f"{path / HEADER} is damaged: it is no text") from None


def _listed(header: Mapping[str, object], names: list[str], path: Path) -> list[str]:
    listed = header.get("files")
    if not isinstance(listed, list) or sorted(map(str, listed)) != sorted(names):
        raise InputError(f"{path}: {HEADER} lists other pictures than there are")
    return [str(name) for name in listed]


def _numbered(folder: str, path: Path) -> int:
    number = folder.split("_")[0]
    if not number.isdecimal():
        raise InputError(f"{path}: folder {folder!r} does not start with the number of its class")
    return int(number)


FORMATS.register("folder")(
    Format(
        about="pictures (PNG, JPEG, ...), one folder for each class, or a zip of them",
        recognises=lambda path: path.suffix == ".zip" or (path.is_dir() and any(path.glob("*/*"))),
        read=read,
        name=stem_of,
        write=write,
    )
)
