"""Pictures in folders, one for each class."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from datastill.base.errors import InputError
from datastill.base.wording import printable
from datastill.datasets.base import FORMATS, Files, Format, Found, Reading, Split, unopened
from datastill.datasets.base.layout import Layout, layout_of, tree_of_folder


def read(split: Split, path: Path, reading: Reading) -> Found | None:
    """Read ``path/train/CLASS`` or ``path/test/CLASS``; of ``path/CLASS`` all are training images.

    The classes are the names of the folders, in alphabetical order. Pictures may lie in folders
    below; hidden files are passed over, other files counted. See ``layout_of`` for what splits may
    be called.

    Raises:
        InputError: when there are no such folders, or one holds no pictures.
    """
    layout = layout_in(path)
    try:
        part = layout.part(split)
    except InputError as error:
        raise InputError(f"{error}{unopened([path])}") from None
    if part is None:
        return None
    facts: dict[str, Any] = {}
    if part.others:
        facts["passed_over"] = dict(part.others)
    if layout.unused:
        facts["unused_folders"] = [printable(name) for name in layout.unused]
    return Found(
        Files([path / file for files in part.classes.values() for file in files]),
        torch.tensor([k for k, files in enumerate(part.classes.values()) for _ in files]),
        tuple(part.classes),
        str(path / part.place),
        facts=facts,
    )


def layout_in(path: Path) -> Layout:
    """Find out where the classes of each split are in a folder."""
    return layout_of(tree_of_folder(path), str(path))


FORMATS.register("folder")(
    Format(
        recognises=Path.is_dir,
        read=read,
        has_test=lambda path, _: "test" in layout_in(path).trees,
        fallback=True,
    )
)
