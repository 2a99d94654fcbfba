"""Files of named arrays: one with all splits, or one for each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from datastill.datasets.base.arrays import Arrays, found_in, has_split
from datastill.datasets.base.reading import SPLIT_NAMES, Format, Found, Reading, Split


@dataclass(frozen=True)
class NamedArrays:
    """A way in which named arrays are kept in files.

    Attributes:
        suffixes: of such files.
        arrays: returns what loads each array of a file, or raises ``InputError``.
        folders: where they may lie below a folder that is named.
    """

    suffixes: tuple[str, ...]
    arrays: Callable[[Path], Arrays]
    folders: tuple[str, ...] = ("",)

    @property
    def format(self) -> Format:
        """The format of such files."""
        return Format(
            lambda path: self.file(path, "train")[0] is not None, self.read, self.has_test
        )

    def file(self, path: Path, split: Split) -> tuple[Path | None, bool]:
        """Return the file that holds a split, and whether it holds nothing else.

        Args:
            path: the file with all splits; or a folder with one for each, such as ``train.npz``.
            split: which.
        """
        if path.is_file():
            return (path, False) if path.suffix.casefold() in self.suffixes else (None, False)
        files = [
            path / folder / f"{name}{suffix}"
            for folder in self.folders
            for suffix in self.suffixes
            for name in SPLIT_NAMES[split]
        ]
        return next((file for file in files if file.is_file()), None), True

    def read(self, split: Split, path: Path, reading: Reading) -> Found | None:
        """Read one split; None if there are no test images.

        Raises:
            InputError: for a file that is damaged or holds no images and labels.
        """
        file, own = self.file(path, split)
        if file is None:
            return None
        return found_in(self.arrays(file), split, reading, source=str(file), own=own)

    def has_test(self, path: Path, reading: Reading) -> bool:
        """Tell whether there are test images."""
        file, own = self.file(path, "test")
        return file is not None and (own or has_split(self.arrays(file), "test", reading))
