"""From a name or a path to a set of real images."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from datastill.base.errors import InputError, of_kind, path_of
from datastill.base.usual import as_usual
from datastill.data import UNNAMED, Domain, ImageSet, require_same_kind, rows_by_class
from datastill.datasets.base.making import (
    Part,
    require_classes,
    set_of,
    tests_of,
    values_of,
)
from datastill.datasets.base.places import Place, place, sized
from datastill.datasets.base.reading import Reading, Size, Split, sides
from datastill.datasets.base.sharing import noted, once
from datastill.identity import Aside, Content, digests, kept_aside


def load_split(
    name: str,
    split: Split,
    path: Path | str | None = None,
    reading: Reading | None = None,
    *,
    like: Domain | None = None,
) -> ImageSet:
    """Read one split of a dataset and, where files keep them apart, nothing of the other.

    Args:
        name: of a registered dataset; or the path of one's own images, in any of ``FORMATS``; or
            ``hf:NAME`` for one on the Hugging Face hub.
        split: ``"train"`` or ``"test"``.
        path: folder that holds the files, for a dataset that has any; by default
            ``./data/NAME`` and where the system's packages put it.
        reading: sizes, columns and so on.
        like: a domain of the same dataset, where its statistics are not published: they are then
            not computed anew, and no training images are read for test images.

    Raises:
        InputError: for an unknown name, for files that are missing or not what they should be, and
            for test images that do not exist.
    """
    found = _load(name, (split,), path, reading, like)
    if split not in found:
        raise untestable(name, reading or Reading())
    return found[split]


def untestable(name: str, reading: Reading) -> InputError:
    """Return what to say of a dataset without images to test networks on."""
    if reading.test_share:
        return InputError(
            f"{name} has no test images, and no class has two images, of which one could be kept "
            "for tests; put test images into a folder 'test' beside 'train', or add images"
        )
    return InputError(
        f"{name} has no test images, and none of its others are kept for tests; "
        "`test_share=0.2` keeps some"
    )


def is_testable(name: str, path: Path | str | None = None, reading: Reading | None = None) -> bool:
    """Tell whether there are test images, or classes of which some can be kept."""
    reading = replace(reading or Reading(), skip_damaged=False)
    where = place(name, None if path is None else Path(path))
    if where.has_test(reading):
        return True
    found = where.read("train", reading)
    return found is not None and bool((found.labels.bincount() > 1).any())


def load_test(
    name: str,
    path: Path | str | None = None,
    reading: Reading | None = None,
    *,
    like: Domain | None = None,
) -> ImageSet | None:
    """Do what ``load_split`` does for test images; return None if there are none."""
    return _load(name, ("test",), path, reading, like).get("test")


@as_usual
def load_dataset(
    name: str | PathLike[str],
    path: Path | str | None = None,
    reading: Reading | None = None,
    *,
    size: Size | int | None = None,
    like: Domain | None = None,
) -> tuple[ImageSet, ImageSet | None]:
    """Read a dataset: the training images, and the test images where there are any.

    A ``size`` is that of a ``reading``, where nothing else is to be said.

    Facts of the test images say how many of them are among the training images too. For the
    arguments see ``load_split``.

    Raises:
        InputError: see there; also when what is given is not what is asked for.
    """
    if size is not None:
        if reading is not None:
            raise InputError("give a `size`, or a `reading` that has one, and not both")
        reading = Reading(size=sides(size))
    found = _load(name, ("train", "test"), path, reading, like)
    if like is not None:
        require_named(like, found["train"].domain, name)
        require_same_kind(found["train"].domain, like)
    return found["train"], found.get("test")


def require_named(made: Domain, real: Domain, dataset: str | PathLike[str]) -> None:
    """Refuse a set whose classes are numbers, as an import without a dataset leaves them.

    Raises:
        InputError: saying how they get names.
    """
    numbers = all(name.isdecimal() for name in made.classes)
    if made.name == UNNAMED and numbers and made.classes != real.classes:
        raise InputError(
            f"the set's {len(made.classes)} classes are numbers, those of {real.name} have names: "
            f"import it again with --dataset {shlex.quote(fspath(dataset))}"
        )


def agreed(name: str, path: Path | str | None = None) -> bool:
    """Tell whether everybody agrees which images of a dataset are for tests: see ``Place``."""
    where = None if path is None else Path(path)
    return noted(("agreed", name, path and str(path)), lambda: place(name, where).agreed)


def dataset_name(name: str, path: Path | str | None = None, size: Size | None = None) -> str:
    """Return the name that a dataset's images bear: that of folders with models and sets of it.

    >>> dataset_name("cifar-10"), dataset_name("cifar-10", size=(16, 16))
    ('CIFAR10', 'CIFAR10-16')
    """
    return sized(place(name, None if path is None else Path(path)).name, size)


def _load(
    name: str | PathLike[str],
    wanted: Sequence[Split],
    path: Path | str | None,
    reading: Reading | None,
    like: Domain | None,
) -> dict[Split, ImageSet]:
    name, reading = _named(name), Reading() if reading is None else reading
    path_of("a name, or the path of images", name=name)
    path_of("the path of a folder, or None", path=path)
    of_kind(Reading, "a Reading, such as Reading(size=(32, 32))", reading=reading)
    of_kind((Domain, type(None)), "the domain of a set (`data.domain`)", like=like)
    asked, how = (name, tuple(wanted), path and str(path), like), reading
    return once(asked, how, lambda: _made(name, wanted, path, how, like))


def _made(
    name: str,
    wanted: Sequence[Split],
    path: Path | str | None,
    reading: Reading,
    like: Domain | None,
) -> dict[Split, ImageSet]:
    where = place(name, None if path is None else Path(path))
    called = sized(where.name, reading.size)
    own = where.has_test(reading)
    if reading.originals is None:
        reading = replace(reading, originals=not own)
    parts = _read(where, wanted, reading, name) if own else _divided(where, wanted, reading, name)
    described = _described(name, path, reading)
    parts = {s: part.told(described).mirrored(where.name, reading) for s, part in parts.items()}
    made = dict[Split, ImageSet]()
    if "train" in wanted:
        require_classes(parts["train"].found)
        made["train"] = set_of(parts["train"], reading, called, like)
        like = made["train"].domain
    test = parts.get("test") if "test" in wanted else None
    if test is not None and test.found.normalisation is not None:
        made["test"] = set_of(test, reading, called, None)
    elif test is not None:
        like = like or _domain(parts.get("train"), name, path, reading, called)
        made["test"] = tests_of(test, reading, called, like)
    return _told_of_each_other(made)


def _named(name: str | PathLike[str]) -> str:
    # A path is no name, though it be of one word.
    wanted = "the name of a dataset, or the path of images"
    of_kind((str, PathLike), wanted, name=name)
    if isinstance(name, str):
        return name
    path_of(wanted, name=name)
    text = fspath(name)
    return text if "/" in text else f"./{text}"


def _domain(
    train: Part | None, name: str, path: Path | str | None, reading: Reading, called: str
) -> Domain:
    if train is None:
        return _load(name, ("train",), path, reading, None)["train"].domain
    return set_of(train, reading, called, None).domain


def _read(where: Place, wanted: Sequence[Split], reading: Reading, name: str) -> dict[Split, Part]:
    parts = dict[Split, Part]()
    for split in wanted:
        found = where.read(split, reading)
        if found is None:
            raise InputError(f"{name} has no {split} images")
        parts[split] = Part(found)
    return parts


def _divided(
    where: Place, wanted: Sequence[Split], reading: Reading, name: str
) -> dict[Split, Part]:
    # All are decoded, for it is what they show that says which are kept for tests.
    if "train" not in wanted and not reading.test_share:
        return {}
    found = where.read("train", reading)
    if found is None:
        raise InputError(f"{name} has no train images")
    if not reading.test_share:
        return {"train": Part(found)}
    require_classes(found)
    values, _, labels, known = values_of(found, None, reading)
    known = digests(values) if known is None else known
    found = replace(found, images=values)
    kept = kept_aside(known, rows_by_class(labels, len(found.classes)), reading.test_share)
    sides: dict[Split, Tensor] = {
        "train": (~kept).nonzero()[:, 0],
        "test": kept.nonzero()[:, 0],
    }
    parts: dict[Split, Part] = {
        split: Part(found, rows, known[rows.numpy()]) for split, rows in sides.items()
    }
    tests = parts["test"]
    aside = {
        **Aside.by(known, kept, reading.test_share).facts(),
        **tests.content().facts(),
        "all": Content.of(known, labels, found.classes).digest,
    }
    of_classes = labels[kept].bincount(minlength=len(found.classes)).tolist()
    for split, part in parts.items():
        parts[split] = replace(part, kept=aside, kept_of_classes=of_classes)
    return parts if kept.any() else {"train": parts["train"]}


def _told_of_each_other(made: dict[Split, ImageSet]) -> dict[Split, ImageSet]:
    if len(made) < 2:
        return made
    test, train = made["test"], made["train"]
    assert test.digests is not None
    assert train.digests is not None
    among = int(np.isin(test.digests, train.digests, kind="sort").sum())
    return {**made, "test": replace(test, facts={**test.facts, "among_training": among})}


def _described(name: str, path: Path | str | None, reading: Reading) -> dict[str, Any]:
    return {
        "dataset": name,
        "data_path": None if path is None else str(path),
        "size": reading.size,
        "image_column": reading.images,
        "label_column": reading.labels,
        "mirror": reading.mirror,
        "skip_damaged": reading.skip_damaged,
        "originals": reading.originals,
    }
