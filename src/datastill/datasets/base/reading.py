"""How a person wants a dataset read, and what is found of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from torch import Tensor

from datastill.base.errors import (
    LARGEST,
    InputError,
    function,
    in_plain_numbers,
    is_number,
    is_whole,
    of_kind,
    told,
    truth,
)
from datastill.data import Domain, ImageSet
from datastill.datasets.base.names import SPLIT_WORDS, Split

T = TypeVar("T")
Size = tuple[int, int]
"""Height and width."""

LEAST, MOST, MOST_ON_REQUEST = 8, 224, 1024
"""Pixels of a side; more than ``MOST`` only of images that are resized to that."""

TEST_SHARE = 0.2
"""Share of every class that is kept aside for tests where a dataset has no test images."""

SPLIT_NAMES = SPLIT_WORDS
"""What a split may be called, the first that is there counts."""


class Progress(Protocol):
    """Hands on items, and shows how many have been taken."""

    def __call__(self, items: Iterable[T], label: str, total: int, /) -> Iterator[T]: ...


def unseen(items: Iterable[T], label: str, total: int, /) -> Iterator[T]:
    """Hand on items, and show nothing."""
    yield from items


def silent(told: str) -> None:
    """Say nothing."""


def unexamined(data: ImageSet) -> None:
    """Refuse nothing."""


def sides(size: Size | int | None) -> Size | None:
    """Return a size as height and width; one number is both.

    Raises:
        InputError: for anything else.

    >>> sides(32), sides((32, 48)), sides(None)
    ((32, 32), (32, 48), None)
    """
    if size is None:
        return None
    given: tuple[Any, ...] = (size, size)
    if isinstance(size, Sequence) and not isinstance(size, str | bytes):
        given = tuple(size)
    if len(given) != 2 or not all(is_whole(one) and abs(one) <= LARGEST for one in given):
        raise InputError(f"`size` must be a number, or height and width, found {told(size)}")
    height, width = map(int, given)
    return height, width


@dataclass(frozen=True)
class Reading:
    """How a dataset is read.

    Attributes:
        size: what images are brought to: the largest part of their middle that has this shape,
            resized. None leaves them as they are.
        images: name of the column or array that holds images; None finds it.
        labels: likewise.
        test_share: share of every class to keep aside for tests where a dataset has no test images;
            0 keeps none.
        mirror: whether an image seen in a mirror still shows its class, see ``Domain``; None where
            the dataset is to say.
        skip_damaged: whether to go on without pictures that cannot be decoded.
        originals: whether images are known by what they show before they are resized; None where
            that is so if the dataset has no test images of its own.
        progress: shows how far the reading is.
        tell: told what a person may want to know.
        foresee: shown what training images will be before pictures are decoded, with classes and a
            shape, but nothing to see; it may refuse them.
    """

    size: Size | None = None
    images: str | None = None
    labels: str | None = None
    test_share: float = TEST_SHARE
    mirror: bool | None = None
    skip_damaged: bool = False
    originals: bool | None = None
    progress: Progress = unseen
    tell: Callable[[str], None] = silent
    foresee: Callable[[ImageSet], None] = unexamined

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", sides(self.size))
        of_kind((str, type(None)), "the name of a column or array", images=self.images)
        of_kind((str, type(None)), "the name of a column or array", labels=self.labels)
        some = {"mirror": self.mirror, "originals": self.originals}
        of_kind((bool, type(None)), "True, False or None", **some)
        truth(skip_damaged=self.skip_damaged)
        function("a function", progress=self.progress, tell=self.tell, foresee=self.foresee)
        if self.size is not None and not all(LEAST <= n <= MOST_ON_REQUEST for n in self.size):
            raise InputError(
                f"cannot resize images to {side_by_side(self.size)}; "
                f"sides must have {LEAST} to {MOST_ON_REQUEST} pixels"
            )
        if not (is_number(self.test_share) and 0 <= self.test_share < 1):
            found = told(self.test_share)
            raise InputError(f"a share kept for tests is from 0 to below 1, not {found}")
        in_plain_numbers(self, "test_share")


@dataclass(frozen=True, eq=False)
class Encoded:
    """One image as a file holds it: the name of the file, and its bytes unless it can be opened."""

    name: str
    content: Path | bytes


class Pictures(Protocol):
    """Images that are still encoded."""

    def __len__(self) -> int: ...

    def at(self, rows: Sequence[int]) -> Iterator[Encoded]:
        """Yield those that ascending ``rows`` name, in that order."""
        ...


@dataclass(frozen=True, eq=False)
class Found:
    """One split of a dataset as its files have it.

    Attributes:
        images: ``(N, C, H, W)`` bytes or floats in ``[0, 1]``, maybe in a mapped file; or pictures.
        labels: ``(N,)`` int64, the index of each image's class.
        classes: their names; of images in arrays those that occur.
        source: where this comes from, for messages.
        normalisation: mean and std that the field's code uses for this dataset; None where they
            are to be computed from the training images.
        mirror: see ``Domain``; None where nobody says.
        colour: whether pictures are to be read in colour; None if they are to tell.
        size: that pictures are known to have, or are to be brought to unless a size is asked for.
        facts: what else is worth knowing.
    """

    images: Tensor | Pictures
    labels: Tensor
    classes: tuple[str, ...]
    source: str
    normalisation: tuple[tuple[float, ...], tuple[float, ...]] | None = None
    mirror: bool | None = None
    colour: bool | None = None
    size: Size | None = None
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        whose = f"Found of {self.source}"
        if not isinstance(self.images, Tensor):
            if not callable(getattr(self.images, "at", None)):
                wanted = "a tensor of (N, C, H, W), or pictures"
                raise InputError(f"{whose}: images must be {wanted}, found {told(self.images)}")
        elif self.images.ndim != 4 or self.images.requires_grad:
            such = " that require a gradient" if self.images.requires_grad else ""
            raise InputError(
                f"{whose}: images must be (N, C, H, W), found {tuple(self.images.shape)}{such}"
            )
        kind: Any = self.labels
        if not isinstance(kind, Tensor) or kind.ndim != 1:  # pyright: ignore[reportUnnecessaryIsInstance]
            shape = f"{tuple(kind.shape)}" if isinstance(kind, Tensor) else told(kind)
            raise InputError(
                f"{whose}: labels must be a tensor of (N,) int64, one for each image, found {shape}"
            )


@dataclass(frozen=True)
class Published:
    """What the field agrees on about a dataset.

    Attributes:
        normalisation: mean and std that its code uses.
        classes: their names, if those are agreed on too.
        mirror: see ``Domain``.
        colour: whether its images have colours.
        size: that they have; None if they differ.
    """

    normalisation: tuple[tuple[float, ...], tuple[float, ...]]
    classes: tuple[str, ...] | None = None
    mirror: bool = True
    colour: bool = True
    size: Size | None = None

    @classmethod
    def of(cls, domain: Domain) -> Published:
        """Return what a domain says."""
        channels, height, width = domain.shape
        return cls(
            (domain.mean, domain.std),
            domain.classes,
            domain.mirror,
            colour=channels == 3,
            size=(height, width),
        )


Source = Callable[[Split, Path | None, Reading], Found | None]
"""Reads one split from a folder, or from where such data usually lies; None if there is none.

Where the field agrees on more about the dataset, the source has an attribute ``published``; where
columns can be named, ``has_columns``."""


@dataclass(frozen=True)
class Format:
    """A way in which people keep images of their own.

    Attributes:
        recognises: whether what lies at a path is of this format.
        read: reads one split of it; None if there is none.
        has_test: whether there are test images.
        fallback: whether other formats are asked first.
    """

    recognises: Callable[[Path], bool]
    read: Callable[[Split, Path, Reading], Found | None]
    has_test: Callable[[Path, Reading], bool]
    fallback: bool = False


def require_no_columns(reading: Reading, path: Path, what: str) -> None:
    """Refuse columns that were named where images are kept in a way that has none.

    Args:
        reading: may name them.
        path: of the images.
        what: lies there, in words.

    Raises:
        InputError: saying what to leave out.
    """
    asked = {"images": reading.images, "labels": reading.labels}
    for option, name in asked.items():
        if name is not None:
            raise InputError(f"{path} holds {what}, and no column {name!r}: leave out `{option}`")


class Hub(Protocol):
    """A place from which datasets are fetched by the names that they have there."""

    def called(self, name: str) -> str:
        """Return what images of a dataset are to be called here."""
        ...

    def read(self, split: Split, name: str, path: Path | None, reading: Reading) -> Found | None:
        """Read one split, from a local copy if ``path`` names one; None if there is none."""
        ...

    def has_test(self, name: str, path: Path | None, reading: Reading) -> bool:
        """Tell whether there are test images."""
        ...


def side_by_side(size: Sequence[int]) -> str:
    """Write a size as people do: ``(20, 30)`` is ``20x30``."""
    return "x".join(str(n) for n in size)
