"""From a name or a path to a set of real images."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from datastill.data import Domain, ImageSet, draw_share, require_sound, rows_by_class
from datastill.datasets.base.arrays import CHUNK
from datastill.datasets.base.decode import decode, kind_of, require_size, resized
from datastill.datasets.base.places import place
from datastill.datasets.base.reading import Found, Reading, Size, Split, side_by_side
from datastill.errors import InputError
from datastill.layout import BY_THE_WAY
from datastill.pixels import FLOATS_MOST, Pixels
from datastill.rng import Key

FEW = 20
"""Images that may well be of as many classes."""

CHARACTERS = {
    *("mnist", "kmnist", "emnist", "qmnist", "notmnist", "kuzushiji", "usps", "svhn", "omniglot"),
    *("digits", "digit", "letters", "letter", "characters", "alphabet", "numbers", "handwritten"),
    *("balanced", "byclass", "bymerge", "hiragana", "katakana"),
}
"""Words in names of datasets of digits and letters, which mean something else in a mirror."""

KEPT_FOR_TESTS = Key(0).at("kept for tests")
"""Decides, once and for all, which images are kept aside where a dataset has no test images."""


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
    found = _load(name, split, path, reading or Reading(), like)
    if found is None:
        raise untestable(name, reading or Reading())
    return found


def untestable(name: str, reading: Reading) -> InputError:
    """Return what to say of a dataset without images to test networks on."""
    if reading.test_share:
        return InputError(
            f"{name} has no test images, and no class has two images, of which one could be kept "
            "for tests; put test images into a folder 'test' beside 'train', or add images"
        )
    return InputError(
        f"{name} has no test images, and none of its others are kept for tests; "
        "--test-share 0.2 keeps some"
    )


def is_testable(name: str, path: Path | str | None = None, reading: Reading | None = None) -> bool:
    """Tell whether there are test images, or classes of which some can be kept."""
    reading = reading or Reading()
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
    return _load(name, "test", path, reading or Reading(), like)


def load_dataset(
    name: str, path: Path | str | None = None, reading: Reading | None = None
) -> tuple[ImageSet, ImageSet | None]:
    """Read a dataset: the training images, and the test images where there are any."""
    train = load_split(name, "train", path, reading)
    return train, load_test(name, path, reading, like=train.domain)


def dataset_name(name: str, path: Path | str | None = None, size: Size | None = None) -> str:
    """Return the name that a dataset's images bear: that of folders with models and sets of it.

    >>> dataset_name("cifar-10"), dataset_name("cifar-10", size=(16, 16))
    ('CIFAR10', 'CIFAR10-16')
    """
    return _sized(place(name, None if path is None else Path(path)).name, size)


def image_set(
    found: Found,
    reading: Reading,
    *,
    name: str,
    rows: Tensor | None = None,
    like: Domain | None = None,
) -> ImageSet:
    """Make a set of what was found: in memory, of one size, and normalised.

    Args:
        found: images and labels.
        reading: sizes and so on.
        name: of the domain.
        rows: which images; by default all.
        like: see ``load_split``.

    Raises:
        InputError: when there are no images, or they do not fit together.
    """
    if not len(found.labels):
        raise InputError(f"{found.source} holds no images")
    values, rows, labels = _values(found, rows, reading)
    normalisation = found.normalisation or (like and (like.mean, like.std))
    normalisation = normalisation or statistics(values, rows, source=found.source)
    shape = (values.shape[1], values.shape[2], values.shape[3])
    if len(normalisation[0]) != shape[0]:
        raise InputError(
            f"{found.source} has images of {shape[0]} channels, not of {len(normalisation[0])}"
        )
    mirror = _first(reading.mirror, found.mirror, like.mirror if like else None, True)
    domain = Domain(name, shape, found.classes, *normalisation, mirror)
    images = _images(values, rows, domain)
    return require_sound(ImageSet(images, labels, domain, facts=found.facts), found.source)


def set_for_tests(
    found: Found, reading: Reading, like: Domain, *, name: str, rows: Tensor | None = None
) -> ImageSet:
    """Make a set of test images, under the normalisation and with the classes of training images.

    Args:
        found: images and labels; classes are matched by their names.
        reading: see ``image_set``, as for the rest.
        like: the domain of the training images.
        name: of the domain.
        rows: which images.

    Raises:
        InputError: for a class that training images do not have, or another shape.
    """
    place_of = {known: k for k, known in enumerate(like.classes)}
    for k in found.labels.unique().tolist():
        if found.classes[k] not in place_of:
            raise InputError(
                f"{found.source} has test images of the class {found.classes[k]!r}, "
                f"which is none of the {len(like.classes)} classes of {like.name}"
            )
    index = torch.tensor([place_of.get(known, -1) for known in found.classes])
    renamed = replace(
        found,
        labels=index[found.labels],
        classes=like.classes,
        mirror=_first(found.mirror, like.mirror),
        colour=True if like.shape[0] == 3 else found.colour,
    )
    made = image_set(renamed, reading, name=name, rows=rows, like=like)
    if made.domain.shape != like.shape:
        raise InputError(
            f"test images of {found.source} have {side_by_side(made.domain.shape)} values, but "
            f"{like.name} has {side_by_side(like.shape)}"
        )
    return made


def require_classes(found: Found) -> None:
    """Refuse training images whose labels tell nothing apart, or everything.

    Raises:
        InputError: when there is one class only, or one for every image.
    """
    present = found.labels.unique().tolist()
    if len(present) < 2:
        only = found.classes[present[0]] if present else "none"
        raise InputError(
            f"{found.source} holds images of one class, {only!r}; expected two or more"
        )
    if len(present) == len(found.labels) > FEW:
        raise InputError(
            f"{found.source}: every image has a label of its own; these are no classes"
        )


def statistics(
    values: Tensor, rows: Tensor | None, *, source: str
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the mean and the standard deviation of each channel, of pixels in ``[0, 1]``.

    A channel that never changes gets a deviation of 1, to be divided by.

    Args:
        values: ``(N, C, H, W)`` bytes or floats.
        rows: which of them; by default all.
        source: for messages.

    Raises:
        InputError: for bytes of 0 and 1 alone, which mean something else.
    """
    chosen = torch.arange(len(values)) if rows is None else rows
    count = len(chosen) * values.shape[2] * values.shape[3]
    if values.dtype == torch.uint8:
        often = _histogram(values, chosen)
        if not bool(often[:, 2:].any()):
            raise InputError(
                f"{source}: no byte is above 1; pixels are bytes from 0 to 255, "
                "or floats from 0 to 1"
            )
        levels = torch.arange(256, dtype=torch.float64) / 255
        mean, square = (often @ levels.pow(power) / count for power in (1, 2))
    else:
        mean, square = _moments(values, chosen) / count
    std = (square - mean.square()).clamp(min=0).sqrt()
    std = torch.where(std > 1e-6, std, torch.ones_like(std))
    return tuple(mean.tolist()), tuple(std.tolist())


def shows_characters(name: str) -> bool:
    """Tell whether a dataset is known by its name to show digits or letters.

    >>> [shows_characters(n) for n in ("KMNIST", "emnist-letters", "fashion-mnist", "BreastMNIST")]
    [True, True, False, False]
    """
    words = set(re.findall(r"[^\W\d_]{2,}", name.casefold()))
    return bool(words & CHARACTERS) and words <= CHARACTERS | BY_THE_WAY


def _with_mirror(found: Found, name: str, reading: Reading) -> Found:
    # Of own data of which nobody said it, the name may tell.
    if reading.mirror is not None or found.mirror is not None or found.normalisation is not None:
        return found
    by_name = shows_characters(name)
    facts = {**found.facts, "mirror_by_name": by_name}
    return replace(found, mirror=False if by_name else None, facts=facts)


def _first(*values: bool | None) -> bool:
    return next(value for value in values if value is not None)


def _load(
    name: str, split: Split, path: Path | str | None, reading: Reading, like: Domain | None
) -> ImageSet | None:
    where = place(name, None if path is None else Path(path))
    called = _sized(where.name, reading.size)
    own_test = where.has_test(reading)
    if split == "test" and not own_test and not reading.test_share:
        return None
    found = where.read(split if own_test else "train", reading)
    if found is None:
        raise InputError(f"{name} has no {split} images")
    rows, kept = (None, None) if own_test else _kept_for_tests(found, split, reading)
    if split == "test" and rows is not None and not len(rows):
        return None
    facts = {**_described(name, path, reading), "kept_for_tests": kept, **found.facts}
    if kept and rows is not None:
        mine, whole = (
            labels.bincount(minlength=len(found.classes))
            for labels in (found.labels[rows], found.labels)
        )
        facts["kept_of_classes"] = (mine if split == "test" else whole - mine).tolist()
    found = _with_mirror(replace(found, facts=facts), where.name, reading)
    if split == "train":
        require_classes(found)
        return image_set(found, reading, name=called, rows=rows, like=like)
    if found.normalisation is not None:
        return image_set(found, reading, name=called, rows=rows)
    if like is None:
        train = _load(name, "train", path, reading, None)
        assert train is not None
        like = train.domain
    return set_for_tests(found, reading, like, name=called, rows=rows)


def _values(
    found: Found, rows: Tensor | None, reading: Reading
) -> tuple[Tensor, Tensor | None, Tensor]:
    labels = found.labels if rows is None else found.labels[rows]
    chosen = torch.arange(len(found.labels)) if rows is None else rows
    images = found.images
    if not isinstance(images, Tensor):
        wanted = replace(reading, size=reading.size or found.size)
        kind = kind_of(images, wanted, found.colour, source=found.source)
        decoded = decode(
            images, chosen.tolist(), kind, source=found.source, progress=reading.progress
        )
        return decoded, None, labels
    size = (images.shape[2], images.shape[3])
    if reading.size is None or reading.size == size:
        require_size(size, found.source)
        return images, rows, labels
    fitted = resized(images, chosen, reading.size, source=found.source, progress=reading.progress)
    return fitted, None, labels


def _histogram(values: Tensor, rows: Tensor) -> Tensor:
    # (C, 256): how often each channel has each value.
    often = torch.zeros(values.shape[1], 256, dtype=torch.float64)
    for part in rows.split(CHUNK):
        for channel, pixels in enumerate(values[part].unbind(1)):
            often[channel] += torch.bincount(pixels.flatten(), minlength=256)
    return often


def _moments(values: Tensor, rows: Tensor) -> Tensor:
    # (2, C): the sums of the values of each channel and of their squares.
    total = torch.zeros(2, values.shape[1], dtype=torch.float64)
    for part in rows.split(CHUNK):
        pixels = values[part].movedim(1, 0).flatten(1).double()
        total += torch.stack([pixels.sum(1), pixels.square().sum(1)])
    return total


def _images(values: Tensor, rows: Tensor | None, domain: Domain) -> Tensor:
    kept = Pixels(values, domain.mean, domain.std, rows)
    return kept if 4 * kept.numel() > FLOATS_MOST else kept.normalised()


def _kept_for_tests(
    found: Found, split: Split, reading: Reading
) -> tuple[Tensor | None, Mapping[str, Any] | None]:
    if not reading.test_share:
        return None, None
    classes = rows_by_class(found.labels, len(found.classes))
    kept = draw_share(classes, reading.test_share, key=KEPT_FOR_TESTS)
    digest = hashlib.blake2b(digest_size=8)
    for tensor in (found.labels, kept):
        digest.update(tensor.numpy().tobytes())
    facts = {"share": reading.test_share, "images": int(kept.sum()), "which": digest.hexdigest()}
    return (kept if split == "test" else ~kept).nonzero()[:, 0], facts


def _sized(name: str, size: Size | None) -> str:
    if size is None:
        return name
    return f"{name}-{size[0] if size[0] == size[1] else side_by_side(size)}"


def _described(name: str, path: Path | str | None, reading: Reading) -> dict[str, Any]:
    return {
        "dataset": name,
        "data_path": None if path is None else str(path),
        "size": reading.size,
        "image_column": reading.images,
        "label_column": reading.labels,
        "mirror": reading.mirror,
    }
