"""Pictures in folders of classes, and lists that say which of them are for training."""

from __future__ import annotations

from pathlib import Path

import torch

from datastill.base.errors import InputError
from datastill.datasets.base import FORMATS, Files, Format, Found, Reading, Split
from datastill.datasets.base.layout import layout_of
from datastill.datasets.base.lists import Lists, lists_in
from datastill.datasets.base.reading import require_no_columns
from datastill.datasets.base.tree import tree_of_folder


def read(split: Split, path: Path, reading: Reading) -> Found | None:
    """Read those pictures of ``path/CLASS``, or of ``path/images/CLASS``, that a list names.

    Raises:
        InputError: when a picture is listed for training and for tests, or a column is named.
    """
    require_no_columns(reading, path, "a folder of pictures for each class")
    classes, lists = _found(path)
    assert lists is not None
    chosen = {
        name: [p for p in files if p in lists.parts[split]] for name, files in classes.items()
    }
    chosen = {name: files for name, files in chosen.items() if files}
    named = frozenset[str]().union(*lists.parts.values())
    neither = sum(file not in named for files in classes.values() for file in files)
    return Found(
        Files([path / name for files in chosen.values() for name in files]),
        torch.tensor([k for k, files in enumerate(chosen.values()) for _ in files]),
        tuple(chosen),
        str(path),
        facts={"lists": lists.told(neither)},
    )


def _found(path: Path) -> tuple[dict[str, list[str]], Lists | None]:
    # None where folders say splits, or no classes, or lists do not.
    tree = tree_of_folder(path)
    try:
        layout = layout_of(tree, str(path))
        part = None if "test" in layout.trees else layout.part("train")
    except InputError:
        part = None
    if part is None or len(part.classes) < 2:
        return {}, None
    return dict(part.classes), lists_in(path, tree)


FORMATS.register("listed splits")(
    Format(
        recognises=lambda path: path.is_dir() and _found(path)[1] is not None,
        read=read,
        has_test=lambda _path, _reading: True,
    )
)
