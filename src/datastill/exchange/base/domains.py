"""Whose images a set imitates: found out by names, and dropped where the set contradicts it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from datastill.base.errors import InputError, suggestion
from datastill.base.registry import folded
from datastill.base.wording import counted, some
from datastill.data import Domain
from datastill.datasets import DATASETS, Published, Reading, dataset_name, load_split
from datastill.exchange.base.contract import Found
from datastill.exchange.base.labels import in_order, numbers_of
from datastill.exchange.base.names import names_of
from datastill.exchange.base.neighbours import mentions


def guessed(found: Found, labels: Tensor, path: Path) -> tuple[str | None, tuple[str, ...]]:
    """Return the dataset that the name of a file or of its folders says, and why.

    The nearest name that says one counts, if neither shape nor classes of the set contradict it,
    nor other words of the name: see ``mentions``.

    Args:
        found: what the file holds.
        labels: of it.
        path: as it was typed.
    """
    for name in names_of(path):
        said = mentions(name, DATASETS.names)
        faults = {
            each.dataset: _fault(each.dataset, found, labels) or _estranged(each.stranger)
            for each in said
        }
        fitting = [each for each, fault in faults.items() if fault is None]
        if len(fitting) == 1:
            return fitting[0], (f"taken as {fitting[0]} by its name; --dataset says otherwise",)
        if faults:
            why = [f"{each}, but {fault}" for each, fault in faults.items() if fault]
            told = " and ".join(faults) if fitting or len(faults) > 1 else why[0]
            return None, (f"{name!r} speaks of {told}: not taken; --dataset says whose they are",)
    return None, ()


def _estranged(word: str | None) -> str | None:
    return word and f"{word!r} in it makes it another"


def places_of(names: Sequence[str], classes: Sequence[str], dataset: str) -> list[int] | None:
    """Return which class each name means, see ``in_order``; WordNet's numbers are names too."""
    found = in_order(names, classes)
    subset = _subset(dataset)
    return in_order(names, list(subset)) if found is None and subset else found


def strange_class(names: Sequence[str], domain: Domain, dataset: str) -> str:
    """Return what to say of names of classes of which one is none of a dataset's."""
    numbers, subset = numbers_of(names), _subset(dataset)
    if numbers is not None:
        known = f", or {', '.join([*subset][:2])}, ..." if subset else ""
        return (
            f"its classes are called by numbers from {min(numbers)} to {max(numbers)}, those of "
            f"{domain.name} from 0 to {len(domain.classes) - 1}: call them by these, or by their "
            f"names: {', '.join(domain.classes[:2])}, ...{known}"
        )
    known = set(map(folded, domain.classes))
    strange = next(name for name in names if folded(name) not in known)
    return f"{domain.name} has no class {strange!r}; {suggestion(strange, domain.classes)}"


def order_told(found: Found, dataset: str) -> tuple[str, ...]:
    """Return what to say of numbers of classes that others count in another order.

    MTT and its kin have an order of their own for ImageWoof and the like; programs that write
    folders mostly number WordNet's numbers as they are sorted.
    """
    subset, numbers = _subset(dataset), numbers_of(found.classes or ())
    if not subset or numbers is None or list(subset) == sorted(subset):
        return ()
    first, least = next(iter(subset)), min(subset)
    return (
        f"its classes are numbers, taken in the order of MTT and its kin: 0 is {first}, "
        f"{subset[first]}; programs that sort them begin with {least}, {subset[least]}: where one "
        "of these made it, call its classes by WordNet's numbers",
    )


def classes_left(labels: Tensor, domain: Domain) -> tuple[str, ...]:
    """Return what to say of a set without images of some classes.

    It may be one of several steps, or its labels may not be those that they seem to be.
    """
    there = set(labels.tolist()) if labels.ndim == 1 else set(range(len(domain.classes)))
    left = [name for k, name in enumerate(domain.classes) if k not in there]
    if not left:
        return ()
    every = counted(len(domain.classes), "class")
    return (f"it holds images of {len(there)} of {every}, none of {some(left)}",)


def _subset(dataset: str) -> Mapping[str, str] | None:
    return getattr(DATASETS[dataset], "subset", None) if dataset in DATASETS else None


def _fault(name: str, found: Found, labels: Tensor) -> str | None:
    # What of a set contradicts that it imitates a dataset; None where nothing does.
    published, (channels, *size) = published_of(name) or _read(name), found.images.shape[1:]
    if published is None:
        return None
    if channels != (3 if published.colour else 1) or tuple(size) != (published.size or tuple(size)):
        return f"its images are {channels}x{size[0]}x{size[1]}"
    if published.classes is None:
        return None
    count = len(published.classes)
    if labels.ndim == 2 and labels.shape[1] != count:
        return f"its labels are of {counted(labels.shape[1], 'class')}"
    if labels.ndim == 1 and int(labels.max()) >= count:
        return f"a label is {int(labels.max())}"
    if found.classes is not None and places_of(found.classes, published.classes, name) is None:
        return f"its classes are {', '.join(found.classes[:3])}, ..."
    return None


def _read(name: str) -> Published | None:
    # What is not agreed on is found in the files, where they are at hand.
    try:
        return Published.of(known_domain(name)[0])
    except InputError:
        return None


def published_of(name: str) -> Published | None:
    """Return what the field agrees on about a dataset, if it is known here."""
    return getattr(DATASETS[name], "published", None) if name in DATASETS else None


def known_domain(
    name: str, path: Path | None = None, *, size: tuple[int, int] | None = None
) -> tuple[Domain, Mapping[str, Any]]:
    """Return the domain of a dataset, and how to read it again.

    No file is read where the field agrees on the normalisation and the names of the classes.

    Args:
        name: of the dataset, or a path or ``hf:NAME``, see ``datasets.load_split``.
        path: folder with its files.
        size: of the images, for datasets whose own differ.
    """
    known, published = name in DATASETS, published_of(name)
    of_one_size = known and (published is None or published.size is not None)
    read = Reading(size=None if of_one_size else size)
    if published is not None and published.classes and (published.size or size):
        height, width = published.size or size or (0, 0)
        shape = (3 if published.colour else 1, height, width)
        called = dataset_name(name, path, read.size)
        domain = Domain(
            called, shape, published.classes, *published.normalisation, published.mirror
        )
        where = None if path is None else str(path)
        return domain, {"dataset": name, "data_path": where, "size": read.size}
    real = load_split(name, "train", path, read)
    return real.domain, real.facts


def normalisation_of(
    text: str, channels: int, path: Path | None = None
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the mean and std that a person names.

    Raises:
        InputError: when the text is neither a dataset nor numbers for every channel.

    >>> normalisation_of("0.5/0.25", 1)
    ((0.5,), (0.25,))
    """
    if "/" not in text:
        published = published_of(text)
        if published is not None:
            return published.normalisation
        domain, _ = known_domain(text, path)
        return domain.mean, domain.std
    try:
        mean, std = (tuple(map(float, part.split(","))) for part in text.split("/"))
    except ValueError:
        raise InputError(f"--normalised-with {text!r} is not MEAN,.../STD,...") from None
    sound = len(mean) == len(std) == channels and all(map(math.isfinite, (*mean, *std)))
    if not sound or min(std) <= 0:
        raise InputError(
            f"--normalised-with {text!r} is not a mean and a std above 0 for {channels} channels"
        )
    return mean, std
