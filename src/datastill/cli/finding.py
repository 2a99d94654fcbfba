"""Sets that a command is given: by path, or by what they were made from."""

from __future__ import annotations

import glob
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from datastill.base.errors import InputError
from datastill.base.wording import listed
from datastill.cli.console import Console
from datastill.cli.data import Data
from datastill.cli.options import Ipc, MaybeText
from datastill.runs.quota import parse

OnePath = Annotated[
    Path | None, tyro.conf.Positional, tyro.conf.arg(metavar="[PATH]", help_behavior_hint="")
]
"""A set by its path, or None."""

Paths = Annotated[
    tuple[Path, ...],
    tyro.conf.Positional,
    tyro.conf.arg(metavar="[PATH ...]", help_behavior_hint=""),
]
"""Any number of sets by their paths."""


@dataclass(frozen=True)
class Which:
    """A set by what it was made from, for want of a path."""

    dataset: MaybeText = None
    """Dataset by which to find the set."""
    method: str = "DM"
    """Method by which to find the set."""
    ipc: Ipc = 10
    """Images per class by which to find the set, as 'datastill distill' was told."""
    save_path: Path = Path("condensed")
    """Folder for synthetic sets."""

    def file(
        self,
        path: Path | None,
        console: Console,
        data_path: Path | None = None,
        data: Data | None = None,
    ) -> Path:
        """Return the file of the set at a path, or else of the one that the options name.

        Args:
            path: of the file or its folder.
            console: is told of sets of other runs beside it.
            data_path: folder with the files of the dataset.
            data: how that is read.
        """
        from datastill.datasets import dataset_name
        from datastill.distillation.methods import METHODS
        from datastill.runs.filing import found
        from datastill.runs.finding import set_file
        from datastill.store import set_folder

        if path is None:
            if self.dataset is None:
                raise InputError("name a set by its path, or by --dataset, --method and --ipc")
            dataset = dataset_name(self.dataset, data_path, (data or Data()).pixels())
            method = METHODS.spelling(self.method)
            label = parse(self.ipc).label
            path = found(set_folder(self.save_path, dataset, method, label), console)
            if not path.exists():
                path = self.resized(dataset, method, label) or path
        return set_file(path)

    def resized(self, dataset: str, method: str, label: str) -> Path | None:
        """Return the folder of the set that was made with ``--size``, if there is one.

        Raises:
            InputError: when there are several.
        """
        from datastill.store import set_folder

        names = [path.name for path in sorted(self.save_path.glob(f"{glob.escape(dataset)}-*"))]
        sizes = [name for name in names if re.fullmatch(r"\d+(x\d+)?", name[len(dataset) + 1 :])]
        found = [set_folder(self.save_path, name, method, label) for name in sizes]
        found = [path for path in found if path.exists()]
        if len(found) > 1:
            raise InputError(f"there are {listed([str(path) for path in found])}; name one")
        return found[0] if found else None
