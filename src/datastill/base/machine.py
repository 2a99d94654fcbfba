"""What this machine is, and a place to keep what was found out about it."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import platform
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

# Numbers that malloc.h gives to options, and bytes above which memory is the system's at once.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
LARGE = 2**30
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO}
"""What writing comes to where a disk is full, read-only or broken: standard output's, say."""


def cache_folder() -> Path:
    """Return where things are kept that can be made again: ``$XDG_CACHE_HOME/datastill``.

    Raises:
        OSError: where there is no such place: for a user without a name and without a home, say,
            as containers and services have them.
    """
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(base) if base else Path.home() / ".cache") / "datastill"
    except RuntimeError:  # by which Python says that it knows no home
        raise OSError("this user has no home; let XDG_CACHE_HOME name a folder") from None


@cache
def processor() -> str:
    """Return what the machine says of its first processor, and how many there are."""
    try:
        first = Path("/proc/cpuinfo").read_text("utf-8").split("\n\n")[0]
    except OSError:
        return f"{platform.processor() or platform.machine()}, {os.cpu_count()}"
    known = [line for line in first.splitlines() if line.startswith(("model", "flags", "Features"))]
    return "\n".join([*known, str(os.cpu_count())])


@cache
def features() -> frozenset[str]:
    """Return the words by which the system names what its first processor can do.

    What a processor has and its system does not serve is not among them. Empty where the system
    has no such list.
    """
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").split("\n\n")[0].splitlines()
    except OSError:
        return frozenset()
    return frozenset(
        word
        for line in lines
        if line.lower().startswith(("flags", "features"))
        for word in line.partition(":")[2].split()
    )


def recalled(name: str) -> dict[str, Any]:
    """Return what was kept under a name, empty when there is nothing that can be read."""
    try:
        found = json.loads((cache_folder() / f"{name}.json").read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def remember(name: str, **found: Any) -> None:
    """Keep more under a name; where that cannot be written, it will be found out again."""
    _keep(name, {**recalled(name), **found})


def forget(name: str) -> None:
    """Forget all that was kept under a name."""
    if recalled(name):
        _keep(name, {})


def _keep(name: str, whole: dict[str, Any]) -> None:
    try:
        folder = cache_folder()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, suffix=".json", delete=False) as scratch:
            scratch.write(json.dumps(whole, indent=1).encode())
        Path(scratch.name).replace(folder / f"{name}.json")
    except OSError:
        return


@cache
def keep_memory() -> None:
    """Let memory that is freed serve the next layer, in this process from now on.

    By default the C library of GNU gives large pieces back to the system, which fills each new one
    with zeros, page by page: a third of the time of an update made of PyTorch's layers.
    """
    if os.name != "posix":
        return
    allocator = ctypes.CDLL(None)
    if hasattr(allocator, "mallopt"):
        allocator.mallopt(M_MMAP_THRESHOLD, LARGE)
        allocator.mallopt(M_TRIM_THRESHOLD, LARGE)


def give_back_memory() -> None:
    """Give memory that was freed back to the system, where the C library has a way to."""
    if os.name == "posix" and hasattr(allocator := ctypes.CDLL(None), "malloc_trim"):
        allocator.malloc_trim(0)


def resident() -> int | None:
    """Return the bytes of memory that this process holds, None where the system does not tell."""
    try:
        pages = Path("/proc/self/statm").read_text("utf-8").split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError, AttributeError):
        return None


def lacks_memory(error: BaseException) -> bool:
    """Tell whether an error says that memory, of a device too, did not suffice."""
    words = ("out of memory", "can't allocate memory", "not enough memory", "bad_alloc")
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(word in str(error) for word in words)
    )


def shortage(error: Exception) -> str | None:
    """Say what is short, disk or memory, or cannot be read; None of whatever else happened."""
    if isinstance(error, OSError) and error.errno in FULL:
        place = f" to {error.filename}" if error.filename else ""
        return f"cannot write{place}: {error.strerror}"
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}"  # too long a name, or no right to read it
    if lacks_memory(error):
        return "out of memory; take smaller batches (`batch_real`, `batch_train`) or fewer images"
    return None
