"""Images and labels that were found, made a set: of one size, in memory, and normalised."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from datastill.base.errors import InputError
from datastill.base.wording import counted
from datastill.data import Domain, ImageSet, require_sound
from datastill.data.pixels import FLOATS_MOST, Pixels
from datastill.datasets.base.decoded import decoded
from datastill.datasets.base.names import BY_THE_WAY
from datastill.datasets.base.reading import Found, Reading, side_by_side
from datastill.datasets.base.room import require_size, resized
from datastill.datasets.base.statistics import statistics
from datastill.identity import Content, Digests, digests

FEW = 20
"""Images that may well be of as many classes."""


CHARACTERS = {
    *("mnist", "kmnist", "emnist", "qmnist", "notmnist", "kuzushiji", "usps", "svhn", "omniglot"),
    *("digits", "digit", "letters", "letter", "characters", "alphabet", "numbers", "handwritten"),
    *("balanced", "byclass", "bymerge", "hiragana", "katakana"),
}
"""Words in names of datasets of digits and letters, which mean something else in a mirror."""


@dataclass(frozen=True, eq=False)
class Part:
    """Images of one split.

    Attributes:
        found: what was read.
        rows: which of it; None for all.
        known: their digests, where those are known already.
        kept: what is known of the images that are kept for tests, where any are.
        kept_of_classes: how many they are of each class.
    """

    found: Found
    rows: Tensor | None = None
    known: Digests | None = None
    kept: Mapping[str, Any] | None = None
    kept_of_classes: Sequence[int] | None = None

    def content(self) -> Content:
        """Return what the images are, of which digests are known."""
        assert self.known is not None
        assert self.rows is not None
        return Content.of(self.known, self.found.labels[self.rows], self.found.classes)

    def told(self, described: Mapping[str, Any]) -> Part:
        """Return the same with facts about how it is read."""
        facts = {**described, "kept_for_tests": self.kept, **self.found.facts}
        if self.kept_of_classes is not None:
            facts["kept_of_classes"] = self.kept_of_classes
        return replace(self, found=replace(self.found, facts=facts))

    def mirrored(self, name: str, reading: Reading) -> Part:
        """Return the same, which by its name is not to be mirrored, if nobody says otherwise."""
        found = self.found
        said = reading.mirror is not None or found.mirror is not None
        if said or found.normalisation is not None:
            return self
        facts = {**found.facts, "mirror_by_name": shows_characters(name)}
        mirror = False if shows_characters(name) else None
        return replace(self, found=replace(found, facts=facts, mirror=mirror))


def require_classes(found: Found) -> None:
    """Refuse training images whose labels tell nothing apart, or everything.

    Raises:
        InputError: when there are none, one class only, or one for every image.
    """
    present = found.labels.unique().tolist()
    if not present:
        raise InputError(f"{found.source} holds no images")
    if len(present) < 2:
        only = found.classes[present[0]]
        raise InputError(
            f"{found.source} holds images of one class, {only!r}; expected two or more"
        )
    if len(present) == len(found.labels) > FEW:
        raise InputError(
            f"{found.source}: every image has a label of its own; these are no classes"
        )


def shows_characters(name: str) -> bool:
    """Tell whether a dataset is known by its name to show digits or letters.

    >>> [shows_characters(n) for n in ("KMNIST", "emnist-letters", "fashion-mnist", "BreastMNIST")]
    [True, True, False, False]
    """
    words = set(re.findall(r"[^\W\d_]{2,}", name.casefold()))
    return bool(words & CHARACTERS) and words <= CHARACTERS | BY_THE_WAY


def _first(*values: bool | None) -> bool:
    return next(value for value in values if value is not None)


def set_of(part: Part, reading: Reading, name: str, like: Domain | None) -> ImageSet:
    """Make a set of what was found: in memory, of one size, and normalised.

    Its facts tell its content.

    Args:
        part: images and labels.
        reading: sizes and so on.
        name: of the domain.
        like: see ``load_split``.

    Raises:
        InputError: when there are no images, or they do not fit together.
    """
    found = part.found
    if not len(found.labels):
        raise InputError(f"{found.source} holds no images")
    values, rows, labels, own = values_of(found, part.rows, reading)
    normalisation = found.normalisation or (like and (like.mean, like.std))
    normalisation = normalisation or statistics(values, rows, source=found.source)
    shape = (values.shape[1], values.shape[2], values.shape[3])
    if len(normalisation[0]) != shape[0]:
        raise InputError(
            f"{found.source} has images of {counted(shape[0], 'channel')}, not of "
            f"{len(normalisation[0])}"
        )
    mirror = _first(reading.mirror, found.mirror, like.mirror if like else None, True)
    domain = Domain(name, shape, found.classes, *normalisation, mirror)
    images = _images(values, rows, domain)
    made = require_sound(ImageSet(images, labels, domain), found.source)
    known = own if part.known is None else part.known
    known = digests(values, rows) if known is None else known
    facts = {**found.facts, "content": Content.of(known, labels, found.classes).facts()}
    return replace(made, facts=facts, digests=known)


def tests_of(part: Part, reading: Reading, name: str, like: Domain) -> ImageSet:
    """Make a set of test images, under the normalisation and with the classes of training images.

    Args:
        part: images and labels; classes are matched by their names.
        reading: sizes and so on.
        name: of the domain.
        like: the domain of the training images.

    Raises:
        InputError: for a class that training images do not have, a name that two classes bear
            where the names of both are not the same in the same order, or another shape.
    """
    found = part.found
    renamed = replace(
        found,
        labels=_labels_of(found, like),
        classes=like.classes,
        mirror=_first(found.mirror, like.mirror),
        colour=True if like.shape[0] == 3 else found.colour,
    )
    made = set_of(replace(part, found=renamed), reading, name, like)
    if made.domain.shape != like.shape:
        raise InputError(
            f"test images of {found.source} have {side_by_side(made.domain.shape)} values, but "
            f"{like.name} has {side_by_side(like.shape)}"
        )
    return made


def _labels_of(found: Found, like: Domain) -> Tensor:
    # Two classes can bear one name, as the two cranes of ImageNet: their order then tells which.
    if found.classes == tuple(like.classes):
        return found.labels
    place_of = {known: k for k, known in enumerate(like.classes)}
    for k in found.labels.unique().tolist():
        name = found.classes[k]
        if name not in place_of:
            raise InputError(
                f"{found.source} has test images of the class {name!r}, "
                f"which is none of the {counted(len(like.classes), 'class')} of {like.name}"
            )
        if max(found.classes.count(name), like.classes.count(name)) > 1:
            raise InputError(
                f"{found.source} has test images of the class {name!r}, a name that comes twice: "
                f"name the classes as those of {like.name} are, in the same order"
            )
    index = torch.tensor([place_of.get(known, -1) for known in found.classes])
    return index[found.labels]


def values_of(
    found: Found, rows: Tensor | None, reading: Reading
) -> tuple[Tensor, Tensor | None, Tensor, Digests | None]:
    """Return the values of images, which rows of them count if not all, and the labels of these.

    If digests of the images before they are resized are wanted, these come last, else None.
    """
    labels = found.labels if rows is None else found.labels[rows]
    chosen = torch.arange(len(found.labels)) if rows is None else rows
    images = found.images
    if not isinstance(images, Tensor):
        wanted = replace(reading, size=reading.size or found.size)
        held, known = decoded(
            *(images, chosen.tolist(), wanted, found.colour),
            source=found.source,
            known=bool(reading.originals),
        )
        return held, None, labels, known
    size = (images.shape[2], images.shape[3])
    if reading.size is None:
        require_size(size, found.source)
    if reading.size in (None, size):
        return images, rows, labels, None  # they are what is digested anyway
    known = digests(images, chosen) if reading.originals else None
    fitted = resized(images, chosen, reading.size, source=found.source, progress=reading.progress)
    return fitted, None, labels, known


def _images(values: Tensor, rows: Tensor | None, domain: Domain) -> Tensor:
    kept = Pixels(values, domain.mean, domain.std, rows)
    return kept if 4 * kept.numel() > FLOATS_MOST else kept.normalised()
