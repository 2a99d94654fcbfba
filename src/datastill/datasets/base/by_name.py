"""Pictures found by what a table calls them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from datastill.datasets.base.names import split_word
from datastill.datasets.base.tree import Tree


@dataclass(frozen=True)
class Pictures:
    """The pictures of a folder, found by what tables call them.

    Attributes:
        root: the folder.
        known: their paths below it, by path, by name, and by name without ending.
        numbered: likewise by the number that is all of their name: 3 for 003.png.
    """

    root: Path
    known: Mapping[str, Sequence[str]]
    numbered: Mapping[int, Sequence[str]]

    @classmethod
    def below(cls, root: Path, tree: Tree) -> Pictures:
        """Return those of a folder."""
        known, numbered = dict[str, list[str]](), dict[int, list[str]]()
        for path in tree.all_pictures():
            place = PurePosixPath(path)
            for name in {path, str(place.with_suffix("")), place.name, place.stem}:
                known.setdefault(name, []).append(path)
            if place.stem.isdecimal():
                numbered.setdefault(int(place.stem), []).append(path)
        return cls(root, known, numbered)

    def called(
        self, value: str, near: str, word: str | None, *, by_number: bool = False
    ) -> str | None:
        """Return the path of the picture that a table means, or None if there is none such.

        Args:
            value: what the table calls it: a path or a name, with or without ending.
            near: the folder of the table.
            word: the split that the table is of; of several pictures of one name, that one counts.
            by_number: whether 3 means 003.png.
        """
        name = value.replace("\\", "/").removeprefix("./")
        if not name or ".." in PurePosixPath(name).parts:
            return None
        looked = [
            self.known.get(key, ())
            for key in (f"{near}/{name}" if near else name, name, PurePosixPath(name).name)
        ]
        if by_number and name.isdecimal():
            looked.append(self.numbered.get(int(name), ()))
        for found in looked:
            if len(found) > 1:
                mine = [path for path in found if word and word in words_above(path)]
                found = mine or [path for path in found if path.startswith(f"{near}/")]
            if len(found) == 1:
                return found[0]
        return None


def words_above(path: str) -> list[str]:
    """Return the words of splits that the folders above a file say."""
    return list(filter(None, map(split_word, PurePosixPath(path).parts[:-1])))
