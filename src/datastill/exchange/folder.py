"""Folders of pictures, one for each class; also as a zip, which is never unpacked."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import torch

from datastill.base.errors import InputError, damaged
from datastill.base.wording import counted
from datastill.data import ImageSet
from datastill.datasets.base import Files as Paths
from datastill.datasets.base import Zipped, opened_zip, opening
from datastill.datasets.base.familiar import unread_list
from datastill.datasets.base.layout import layout_of
from datastill.datasets.base.names import is_clutter, is_picture, split_word
from datastill.datasets.base.reading import Pictures
from datastill.datasets.base.tree import Tree, tree_of_folder, tree_of_names
from datastill.exchange.base import (
    FORMATS,
    MOST_VALUES,
    Format,
    Found,
    Reading,
    content_of,
    decoded,
    drawable,
    encode,
    header_of,
    losses,
    numbers_of,
    stem_of,
)
from datastill.store import new_folder, set_header, write_json

HEADER = "datastill.json"
"""Beside the folders of an export: all that pictures do not say."""

STEP = re.compile(r"(.+?)[_-](?:iter|iteration|step|epoch)[_-]?\d+", re.IGNORECASE)
"""A picture on its way, by the name of the finished one."""

LONGEST_NAME = 100
"""Characters of a folder that is called as its class."""


@dataclass(frozen=True)
class Files:
    """The files of a folder or a zip.

    Attributes:
        names: their paths below the root.
        pictures: returns those of some names.
        header: what an export says of itself, if this is one.
    """

    names: Sequence[str]
    pictures: Callable[[Sequence[str]], Pictures]
    header: bytes | None


def read(path: Path, options: Reading) -> Found:
    """Read every picture of a folder or a zip that has a folder for each class.

    Hidden files and what programs leave beside are passed over; of folders called like splits the
    training images are taken. Pictures that lie side by side may say their classes by their names,
    ``class003_id007.jpg``.

    Raises:
        InputError: when there are no pictures, one is damaged, their sizes differ, there are too
            many, or a name leads out of the zip.
    """
    files = _in_folder(path) if path.is_dir() else _in_zip(path)
    if files.header is not None:
        return _exported(files, files.header, path)
    names, earlier = _finished(files.names)
    tree = tree_of_names(names)
    if path.is_file() and not tree.has_pictures:
        raise InputError(
            f"{path} holds no pictures: type {opening(path) or 'unzip'} and name what comes out"
        )
    by_class, told, place = _side_by_side(tree), tuple[str, ...](), ""
    if by_class is None:
        by_class, told, place = _by_folder(tree, path)
    classes = tuple(by_class)
    numbers = numbers_of(classes)
    if numbers is not None:
        classes = tuple(name for _, name in sorted(zip(numbers, classes, strict=True)))
    names = [name for each in classes for name in sorted(by_class[each])]
    labels = [k for k, each in enumerate(classes) for _ in by_class[each]]
    images = decoded(files.pictures(names))
    return Found(
        images,
        torch.tensor(labels),
        space="pixels",
        classes=classes,
        place=(path if path.is_dir() else path.with_suffix("")) / place,
        remarks=(*told, *earlier),
    )


def _finished(names: Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
    # class000_id000_iter0100.jpg beside class000_id000.jpg shows it on its way, as SRe2L may.
    stems = {name.rpartition(".")[0] for name in names}
    steps = [
        name
        for name in names
        if (step := STEP.fullmatch(name.rpartition(".")[0])) and step[1] in stems
    ]
    told = f"{counted(len(steps), 'picture')} of earlier steps left out"
    left = set(steps)
    return [name for name in names if name not in left], (told,) if steps else ()


def is_exported(path: Path) -> bool:
    """Tell whether a folder is an export of our own."""
    return (path / HEADER).is_file()


def _by_folder(tree: Tree, path: Path) -> tuple[dict[str, list[str]], tuple[str, ...], str]:
    try:
        layout = layout_of(tree, str(path))
        part = layout.part("train")
    except InputError as error:
        raise InputError(f"{error}{unread_list(path)}") from None
    assert part is not None
    left = [layout.trees["test"].place] if "test" in layout.trees else []
    left += [place for place in layout.unused if place not in left]
    read = f"{part.place} was read; " if part.place else ""
    told = f"{read}{', '.join(left)} left out" if left else ""
    return dict(part.classes), (told,) if told else (), part.place


def _side_by_side(tree: Tree) -> dict[str, list[str]] | None:
    # class003_id007.jpg, without folders
    if tree.folders or not tree.pictures:
        return None
    by_class: dict[str, list[str]] = {}
    for name in sorted(tree.pictures):
        said = re.match(r"(class[_-]?\d+)[_-]", name, re.IGNORECASE)
        if said is None:
            return None
        by_class.setdefault(said[1], []).append(name)
    return by_class


def _exported(files: Files, said: bytes, path: Path) -> Found:
    with damaged(path / HEADER, "no text", why=False):
        header = header_of(said.decode(), path)
    assert header is not None
    inside = tree_of_names(files.names).all_pictures()
    names = _listed(header, [name for name in inside if name.count("/") == 1], path)
    if not names:
        raise InputError(f"{path} holds no folders of pictures, one for each class")
    places = _places_in(header)
    labels = [_number_of(name.split("/")[0], places, path) for name in names]
    images = decoded(files.pictures(names))
    return Found(images, torch.tensor(labels), header=header, space="pixels")


def write(data: ImageSet, path: Path) -> tuple[str, ...]:
    """Write each image as a PNG into the folder of its class, and the rest as JSON beside them."""
    pixels, places = drawable(data), folders_of(data.domain.classes)
    names = [f"{places[k]}/{i:05d}.png" for i, k in enumerate(data.hard_labels.tolist())]
    with new_folder(path) as partial:
        for place in places:
            (partial / place).mkdir()
        for name, image in zip(names, pixels, strict=True):
            (partial / name).write_bytes(encode(image))
        write_json(partial / HEADER, {**set_header(data), "files": names})
    told = losses(pixels)
    soft = "soft labels are left out: a folder says one class"
    return (*told, soft) if data.labels.ndim == 2 else told


def folders_of(classes: Sequence[str]) -> list[str]:
    """Name the folder of each class so that their order is that of the labels.

    Every loader that sorts folders by name then gives each class its number. It calls a class as
    its folder, which is named as the class wherever names in alphabetical order, and fit for any
    file system, allow it; a number comes first elsewhere.
    """
    plain = [re.sub(r"[^\w-]+", "_", name) for name in classes]
    fit = plain == list(classes) and not any(
        is_clutter(name) or split_word(name) or not name or len(name) > LONGEST_NAME
        for name in plain
    )
    if fit and plain == sorted(plain) and len({name.casefold() for name in plain}) == len(plain):
        return plain
    digits = len(str(len(classes) - 1))
    return [f"{k:0{digits}d}_{name}" for k, name in enumerate(plain)]


def _in_folder(root: Path) -> Files:
    names = [name for name in tree_of_folder(root).all_pictures() if _is_read(name)]
    header = content_of(root / HEADER) if is_exported(root) else None
    return Files(names, lambda some: Paths([root / name for name in some]), header)


def _in_zip(path: Path) -> Files:
    archive = opened_zip(path)
    if archive.size > MOST_VALUES:
        raise InputError(f"{path} would unpack to more than {MOST_VALUES:,} bytes")
    headers = sorted((n for n in archive.members if PurePosixPath(n).name == HEADER), key=len)
    start = headers[0].removesuffix(HEADER) if headers else ""
    inside = [n.removeprefix(start) for n in archive.members if n.startswith(start)]
    return Files(
        [name for name in inside if _is_read(name)],
        lambda some: Zipped(archive, [start + name for name in some]),
        archive.read(headers[0]) if headers else None,
    )


def _is_read(name: str) -> bool:
    return is_picture(PurePosixPath(name).name)


def _listed(header: Mapping[str, object], names: list[str], path: Path) -> list[str]:
    listed = header.get("files")
    if not isinstance(listed, list) or sorted(map(str, listed)) != sorted(names):
        raise InputError(f"{path}: {HEADER} lists other pictures than there are")
    return [str(name) for name in listed]


def _places_in(header: Mapping[str, object]) -> dict[str, int]:
    # The folders of classes that a header names, if it is sound: it is looked at again later.
    domain = header.get("domain")
    classes = domain.get("classes") if isinstance(domain, dict) else None
    named = [str(name) for name in classes] if isinstance(classes, list) else []
    return {place: k for k, place in enumerate(folders_of(named))}


def _number_of(folder: str, places: Mapping[str, int], path: Path) -> int:
    if folder in places:
        return places[folder]
    number = folder.split("_")[0]
    if not places and not number.isdecimal():
        raise InputError(f"{path}: {HEADER} is damaged: it names no classes")
    if not number.isdecimal():
        raise InputError(f"{path}: {HEADER} knows no class whose folder is {folder!r}")
    return int(number)


FORMATS.register("folder")(
    Format(
        about="pictures (PNG, JPEG, ...), one folder for each class, or a zip of them",
        recognises=lambda path: (
            path.suffix == ".zip" or (path.is_dir() and tree_of_folder(path).has_pictures)
        ),
        read=read,
        name=stem_of,
        write=write,
        several=False,
    )
)
