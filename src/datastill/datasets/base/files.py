"""Pictures in files."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from datastill.datasets.base.names import is_clutter, is_picture
from datastill.datasets.base.reading import Encoded


@dataclass(frozen=True)
class Files:
    """Pictures in files."""

    paths: Sequence[Path]

    def __len__(self) -> int:
        return len(self.paths)

    def at(self, rows: Sequence[int]) -> Iterator[Encoded]:
        """Yield the files of some rows."""
        for row in rows:
            yield Encoded(str(self.paths[row]), self.paths[row])


def pictures_in(folder: Path) -> tuple[list[Path], Counter[str]]:
    """Return the pictures at any depth below a folder, and count other files by their endings."""
    found: list[Path] = []
    others = Counter[str]()
    for place, inner, names in os.walk(folder):
        inner[:] = sorted(name for name in inner if not is_clutter(name))
        for name in sorted(name for name in names if not is_clutter(name)):
            if is_picture(name):
                found.append(Path(place, name))
            else:
                others[Path(name).suffix.casefold() or name] += 1
    return found, others
