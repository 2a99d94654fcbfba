"""Pickles and files of ``torch.save``, looked at before they are read: none may fill the memory.

A reader of pickles that runs nothing of them can still be made to take any amount of memory by a
few bytes: by the number of a place, by calls that make room for so many bytes, by copies of copies.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import re
import zipfile
from collections.abc import Generator, Sized
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from datastill.base.errors import InputError

MAGIC = b"\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"
"""In the first bytes of a file of ``torch.save`` that is no archive."""

PICKLES_OF_OLD = 5
"""Pickles in such a file, one after another, in front of the numbers."""

SLACK = 4
"""Times the bytes of a pickle that may be copied out of values in it."""

MAKE_ROOM = ("builtins.bytearray", "__builtin__.bytearray", "collections.Counter")
"""What makes as many bytes as it is told to; no set of images needs it, nor the classes of tensors,
whose instances are made by other functions."""

OBJECTS = (
    "Python objects, which are not read: if you trust who made it, np.load(FILE, allow_pickle=True)"
    " it in Python, and np.savez(FILE, images=..., labels=...) of arrays of numbers"
)
"""What is said of a file of NumPy's in which these are."""


class Immodest(ValueError):
    """A file that would take much more memory than it has bytes."""


class Asked(Exception):
    """A pickle asks for something by a name, which is what the exception says."""


def asked_by(error: Exception) -> str | None:
    """Return what a pickle asks for by a name; None where it failed for another reason.

    Args:
        error: what reading it raised: ours, or that of ``torch.load``.
    """
    if isinstance(error, Asked):
        return str(error)
    found = re.search(r"GLOBAL ([\w.]+)", str(error))
    return found[1] if found else None


def require_modest_pickle(stream: IO[bytes], size: int) -> None:
    """Refuse a pickle that would take more memory than it has bytes; what it names is not called.

    Args:
        stream: where the pickle begins; afterwards, where it ends.
        size: bytes of the file.

    Raises:
        Immodest, Asked: then.
        Exception: of any kind, where it is damaged.
    """
    start = stream.tell()
    for number, (code, argument, _) in enumerate(pickletools.genops(stream)):
        # Whoever writes pickles counts: there are no more places than steps.
        if code.name.endswith("PUT") and int(argument or 0) > number:
            raise Immodest("it is a pickle that asks for room for more than it holds")
    stream.seek(start)
    _Rehearsal(stream, SLACK * size + 1024).load()


def require_modest_torch(stream: IO[bytes]) -> None:
    """Do the same for a file that ``torch.save`` wrote, an archive or one of before 1.6.

    Raises:
        Immodest, Asked: see there.
        Exception: of any kind, where it is damaged.
    """
    size = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    if MAGIC in stream.read(64):
        stream.seek(0)
        for _ in range(PICKLES_OF_OLD):
            require_modest_pickle(stream, size)
        return
    with zipfile.ZipFile(stream) as archive:
        members = archive.infolist()
        if any(member.compress_type != zipfile.ZIP_STORED for member in members):
            raise Immodest("its archive is compressed, as torch.save writes none; save it again")
        if sum(member.file_size for member in members) > size:
            raise Immodest("its archive says to hold more bytes than it has")
        for member in members:
            if member.filename.endswith(".pkl"):
                require_modest_pickle(io.BytesIO(archive.read(member)), member.file_size)


class _Rehearsal(pickle.Unpickler):
    # Does what a pickle says with things that are nothing, and counts what would be copied.
    def __init__(self, stream: IO[bytes], room: int) -> None:
        super().__init__(stream, encoding="bytes")
        self.room = room
        self.stub = type("stub", (_Stub,), {"spend": self.spend})

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        name = f"{module_name}.{global_name}"
        tensors = module_name.split(".")[0] == "torch" and global_name.endswith("Tensor")
        if name in MAKE_ROOM or tensors:
            raise Asked(name)
        return self.stub

    def persistent_load(self, pid: Any) -> Any:
        return self.stub()

    def spend(self, *given: object) -> None:
        self.room -= sum(len(one) for one in given if isinstance(one, Sized))
        if self.room < 0:
            raise Immodest("it is a pickle that copies what it holds again and again")


class _Stub:
    spend: Any

    def __new__(cls, *given: object, **named: object) -> Any:
        cls.spend(*given, *named.values())
        return super().__new__(cls)

    def __setstate__(self, state: object) -> None:
        type(self).spend(*(state if isinstance(state, tuple) else (state,)))

    def __setitem__(self, name: object, value: object) -> None: ...

    def append(self, value: object) -> None: ...

    def extend(self, values: object) -> None: ...

    def add(self, value: object) -> None: ...


@contextmanager
def of_numbers(file: Path) -> Generator[None]:
    """Say of what NumPy does not read without running it that it is Python objects.

    Raises:
        InputError: then.
    """
    try:
        yield
    except ValueError as error:
        if not any(words in str(error) for words in ("Object arrays", "Python objects")):
            raise
        raise InputError(f"{file} holds {OBJECTS}") from None
