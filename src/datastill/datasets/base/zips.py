"""Pictures in a zip, which is never unpacked."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from datastill.base.errors import InputError, damaged
from datastill.datasets.base.reading import Encoded

MOST_OF_ONE = 2**28
"""Bytes of one file: more is no picture, but was made to fill the memory."""


@dataclass(frozen=True)
class Zip:
    """A zip of files with names that lead nowhere else.

    Attributes:
        path: of the zip.
        members: what each file in it is called there, by its path as we write it.
        size: bytes of all files, as the zip says.
    """

    path: Path
    members: Mapping[str, str]
    size: int

    def read(self, name: str, opened: zipfile.ZipFile | None = None) -> bytes:
        """Return the content of a file.

        Raises:
            InputError: when it is damaged.
        """
        try:
            with nullcontext(opened) if opened else zipfile.ZipFile(self.path) as archive:
                member = archive.getinfo(self.members[name])
                if member.file_size > MOST_OF_ONE:
                    raise InputError(
                        f"{self.path}: {name!r} would unpack to {member.file_size:,} bytes"
                    )
                return archive.read(member)
        except InputError:
            raise
        except Exception:  # a damaged archive can fail in any way
            raise InputError(f"{self.path} is damaged at {name!r}") from None


@dataclass(frozen=True)
class Zipped:
    """Pictures in a zip.

    Attributes:
        archive: the zip.
        names: their paths in it.
    """

    archive: Zip
    names: Sequence[str]

    def __len__(self) -> int:
        return len(self.names)

    def at(self, rows: Sequence[int]) -> Iterator[Encoded]:
        """Yield some of them."""
        with zipfile.ZipFile(self.archive.path) as opened:
            for row in rows:
                name = self.names[row]
                yield Encoded(f"{self.archive.path}/{name}", self.archive.read(name, opened))


def opened_zip(path: Path) -> Zip:
    """Look into a zip.

    Raises:
        InputError: when it is damaged, or a name leads out of it.
    """
    with damaged(path, "no zip", why=False), zipfile.ZipFile(path) as archive:
        members = [member for member in archive.infolist() if not member.is_dir()]
    known: dict[str, str] = {}
    for member in members:
        plain = PurePosixPath(member.filename.replace("\\", "/"))
        if plain.is_absolute() or ".." in plain.parts or ":" in member.filename:
            raise InputError(f"{path}: {member.filename!r} leads out of the zip")
        known[plain.as_posix()] = member.filename
    return Zip(path, known, sum(member.file_size for member in members))
