"""What a format is, and what one finds in a file."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from datastill.base.errors import InputError, damaged, in_plain_numbers, of_kind, whole
from datastill.base.own_code import Guarded, unchanged
from datastill.base.registry import Registry
from datastill.base.wording import counted
from datastill.data import ImageSet, tiled

Space = Literal["pixels", "normalised", "whitened"]
Rule = Literal["pixels", "normalised"]
"""On what a whitening was measured: on pixels in ``[0, 1]`` (MTT and what followed it), or on
normalised images (DataDAM)."""


@dataclass(frozen=True)
class Reading:
    """What a person may say about a file, for formats that do not say it themselves.

    Attributes:
        experiment: which of several sets in a file, from 0.
        factor: from 1: images of IDC, IDM and others hold ``factor`` x ``factor`` smaller ones.
    """

    experiment: int | None = None
    factor: int | None = None

    def __post_init__(self) -> None:
        whole(0, experiment=0 if self.experiment is None else self.experiment)
        whole(factor=1 if self.factor is None else self.factor)
        in_plain_numbers(self, "experiment", "factor")


@dataclass(frozen=True, eq=False)
class Found:
    """What a file holds, before anything is made of it.

    Attributes:
        images: ``(N, C, H, W)``, numbers as they are in the file.
        labels: ``(N,)`` or ``(N, K)``, likewise.
        header: what datastill wrote beside them, when the file is an export of its own.
        space: what the numbers of the images are, where the format or the name says it; it
            outranks their statistics.
        undone: whether these were whitened, and whoever saved them undid it.
        whitens: whether the format's images may be whitened, so that statistics that say so are
            believed.
        rule: how such whitening is measured, where the format says it.
        logits: whether labels that are no shares of classes are logits.
        factor: see ``Reading``, as the name says it.
        mosaics: whether the format's images often hold several.
        classes: their names, where the format says them.
        normalisation: a mean and a std of every channel that lie beside them.
        place: where in a path it was found, whose names tell as those of the path do.
        facts: what else is known, to be kept with the set.
        remarks: what a person should be told.
    """

    images: Tensor
    labels: Tensor
    header: Mapping[str, Any] | None = None
    space: Space | None = None
    undone: bool = False
    whitens: bool = False
    rule: Rule | None = None
    logits: bool = False
    factor: int | None = None
    mosaics: bool = False
    classes: tuple[str, ...] | None = None
    normalisation: tuple[list[float], list[float]] | None = None
    place: Path | None = None
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])
    remarks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        of_kind(Tensor, "a tensor", images=self.images, labels=self.labels)


@dataclass(frozen=True)
class Format:
    """One way in which synthetic sets travel.

    Attributes:
        about: what it is, in a few words.
        recognises: tells by its name whether a path is of this format.
        read: returns what a path holds; never runs what is in it, writes nothing.
        name: returns the usual name of the file or folder of an export.
        write: writes a set to a path, whole or not at all; returns what is lost, in words.
        several: whether a path may hold several sets, of which a number names one.
    """

    about: str
    recognises: Callable[[Path], bool]
    read: Callable[[Path, Reading], Found]
    name: Callable[[ImageSet], str] | None = None
    write: Callable[[ImageSet, Path], Sequence[str]] | None = None
    several: bool = True

    def guarded(self, name: str) -> Format:
        """Return the same, of others, whose errors are told by its name."""
        write = None if self.write is None else Guarded(self.write, "format", name, (tuple, list))
        return replace(
            self,
            read=Guarded(self.read, "format", name, (Found,)),
            name=None if self.name is None else Guarded(self.name, "format", name, (str,)),
            write=write,
        )

    def put(self, data: ImageSet, path: Path) -> tuple[str, ...]:
        """Write a set to a path by ``write``, and return what is lost, in words.

        No format knows images that hold several: these are written as networks see them.

        Raises:
            InputError: when the format is read only.
        """
        if self.write is None:
            raise InputError(f"sets are read in this format ({self.about}), and not written")
        kept = tiled(data.images)
        shown = data if kept is None else replace(data, images=kept.clone())
        with unchanged("a format", the_images_of_a_set=shown.images):
            lost = tuple(self.write(shown, path))
        if not path.exists():
            raise InputError(f"the format ({self.about}) wrote nothing to {path}")
        if kept is None:
            return lost
        said = (
            f"the set keeps {counted(len(kept.stored), 'image')} of {kept.folding.parts} smaller "
            f"ones each; the format does not know such: they were written enlarged, "
            f"{kept.folding.parts} times the bytes"
        )
        return (said, *lost)


BEGINNING = 128
"""Bytes by which a file is told."""

FORMATS = Registry[Format]("format", "datastill.formats", Format)


def content_of(path: Path, *, most: int | None = None) -> bytes:
    """Return the bytes of a file.

    Args:
        path: of the file.
        most: how many there may be.

    Raises:
        InputError: when it is none, cannot be read, or is larger than that.
    """
    if not path.is_file():
        raise InputError(f"no file at {path}")
    with damaged(path):
        size = path.stat().st_size
        if most is not None and size > most:
            raise InputError(f"{path} has {size:,} bytes; at most {most:,} are read at once")
        return path.read_bytes()


def holds_objects(start: bytes) -> bool:
    """Tell whether what a file of NumPy's begins with says that its array is of Python objects."""
    return start.startswith(b"\x93NUMPY") and b"'descr': '|O'" in start[:BEGINNING]


def header_of(text: object, path: Path) -> Mapping[str, Any] | None:
    """Return the header that an export carries as JSON, or None where there is no text.

    Raises:
        InputError: when it is damaged.
    """
    if text is None:
        return None
    try:
        return dict(json.loads(str(text)))
    except (TypeError, ValueError, RecursionError):
        raise InputError(f"{path} is damaged: what datastill wrote in it is no JSON") from None


def stem_of(data: ImageSet) -> str:
    """Return a name for the exports of a set: dataset, method and images per class.

    A set says itself what its dataset is called; that must not lead to another folder.
    """
    dataset = re.sub(r"[^\w+ .-]", "_", data.domain.name).lstrip(". ")[:60] or "set"
    method = "".join(c for c in str(data.facts.get("method", "set")) if c.isalnum())
    return f"{dataset}-{method}-IPC{max(data.stored_counts)}"
