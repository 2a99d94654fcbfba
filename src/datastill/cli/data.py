"""Options that say how a dataset is read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datastill.base.errors import InputError
from datastill.cli.options import Flag, MaybeFloat, MaybeText, MaybeYes
from datastill.runs.specs import DataSpec


@dataclass(frozen=True)
class Data:
    """How a dataset is read."""

    size: MaybeText = None
    """Bring images to so many pixels, 32 or 48x64 (height x width): their middle, resized."""
    image_column: MaybeText = None
    """Column or array that holds the images. Default: found by its name or type."""
    label_column: MaybeText = None
    """Column or array that holds the labels. Default: likewise."""
    test_share: MaybeFloat = None
    """Share of each class kept for tests where there are no test images. Default: 0.2."""
    skip_damaged: Flag = False
    """Go on without pictures that cannot be decoded; the set says which they were."""
    mirror: MaybeYes = None
    """Whether a mirrored image still shows its class, so that augmentation may mirror: no for
    digits, letters, signs. Default: as is known of the dataset, or yes."""

    def spec(self, dataset: str | None, path: Path | None) -> DataSpec:
        """Return what is to be read, and how.

        Args:
            dataset: name or path; None where a set is to say.
            path: of its files.

        Raises:
            InputError: for a size or share that makes no sense.
        """
        return DataSpec(
            dataset,
            path=None if path is None else str(path),
            size=self.pixels(),
            image_column=self.image_column,
            label_column=self.label_column,
            test_share=self.test_share,
            skip_damaged=self.skip_damaged,
            mirror=None if self.mirror is None else self.mirror == "yes",
        )

    def pixels(self) -> tuple[int, int] | None:
        """Return the height and width of ``--size``."""
        if self.size is None:
            return None
        found = re.fullmatch(r"(\d{1,6})(?:x(\d{1,6}))?", self.size.strip())
        if found is None:
            raise InputError(f"--size is one number, or two such as 48x64, not {self.size!r}")
        return int(found[1]), int(found[2] or found[1])


def repeated(dataset: str, data_path: Path | None, data: Data) -> dict[str, Any]:
    """Return the options that name a dataset, to be typed again."""
    return {
        "dataset": dataset,
        "data_path": data_path,
        "size": data.size,
        "image_column": data.image_column,
        "label_column": data.label_column,
        "test_share": data.test_share,
        "mirror": data.mirror,
        "skip_damaged": data.skip_damaged,
    }
