"""Whatever datasets are read from, read as a set: one reader for both."""

from __future__ import annotations

import re
from pathlib import Path

from torch import Tensor

from datastill.base.errors import InputError
from datastill.datasets import FORMATS as READERS
from datastill.datasets import Reading as How
from datastill.datasets.base import Format as Reader
from datastill.exchange.base import FORMATS, Format, Found, Reading, decoded

SO = re.compile(r", or (?:a name|names) by `\w+`(?: and `\w+`)?")
CALL = re.compile(r"name (one|it|another column|the one to take) by (`\w+`)")
"""What can be done for ``distill``, where names of columns are given; here they have to be."""


def read(path: Path, options: Reading) -> Found:
    """Read the training images of what ``distill --dataset`` takes, exactly as they are.

    Raises:
        InputError: when it is damaged, or holds no images and labels.
    """
    reader = reader_of(path)
    if reader is None:
        raise InputError(f"{path} holds no images and labels, as datasets are read from")
    try:
        found = reader.read("train", path, How())
    except InputError as error:
        raise InputError(CALL.sub(r"call \1 \2", SO.sub(": call them so", str(error)))) from None
    assert found is not None
    left = reader.has_test(path, How())
    images = found.images if isinstance(found.images, Tensor) else decoded(found.images)
    told = ("the training images were read; those for tests left out",) if left else ()
    return Found(images, found.labels, space="pixels", classes=found.classes, remarks=told)


def reader_of(path: Path) -> Reader | None:
    """Return what reads a path; None where nothing but folders of classes may lie there."""
    known = [READERS[name] for name in READERS.names]
    return next((each for each in known if not each.fallback and each.recognises(path)), None)


FORMATS.register("dataset")(
    Format(
        about="what --dataset takes: .mat, CSV, idx, .npy files, pictures with a table of classes",
        recognises=lambda path: reader_of(path) is not None,
        read=read,
        several=False,
    )
)
