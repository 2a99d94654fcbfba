"""Who else computes on the cores of this process, and how many of them it is to take.

While it computes, a process holds a lock on a file of its own in a folder that all processes of a
user share; the system lets go of it when the process ends, however that came. Whoever counts the
locks knows the neighbours. Other processes are known by what they take, see ``load``.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import stat
import tempfile
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from datastill.base import threads
from datastill.base.load import Load
from datastill.base.threads import own_cores

try:
    import fcntl
except ImportError:  # where files know no such locks every process takes what it was given
    fcntl = None

SHARED = Path("/dev/shm")
"""A folder in memory, which is there on Linux; elsewhere it is that of temporary files."""

LINGERS = 2.0
"""Seconds for which who has just stopped computing counts as going on: between two epochs, say."""

TRIES = 20
"""At a lock of its own, before a process goes without."""

LOOK = 0.25
"""Seconds for which what was counted stands."""

MARGIN, PRESSED = 0.2, 5.0
"""Cores beyond half of them that others take where they want more, and seconds for which that
stands: beside all threads of this process they no longer show it."""

FORGOTTEN = 60.0
"""Seconds after which a file that nobody holds is removed: that of a process that was killed."""


def fair(cores: int, mine: int, others: Sequence[int]) -> int:
    """Return how many threads a process is to compute by, so that all have alike.

    Who asks for less than an equal part leaves the rest to others.

    Args:
        cores: that there are.
        mine: threads that this process was given, the most that it takes.
        others: those that its neighbours were given.

    >>> [fair(2, 2, []), fair(2, 2, [2]), fair(8, 8, [1]), fair(8, 8, [8, 8]), fair(2, 2, [2] * 5)]
    [2, 1, 7, 2, 1]
    """
    left, asked = cores, sorted([mine, *others])
    for i, most in enumerate(asked):
        even = left // (len(asked) - i)
        if most > even:
            return max(1, min(mine, even))
        left -= most
    return mine


@dataclass(frozen=True)
class Neighbour:
    """A process that computes.

    Attributes:
        threads: that it was given.
        cores: numbers of those that it may run on.
    """

    threads: int
    cores: frozenset[int]


class Street:
    """The processes of a user that compute.

    Args:
        folder: where each has its file; None for the usual one.
        load: counts what others compute, of this package or not.
    """

    def __init__(self, folder: Path | None = None, load: Load | None = None) -> None:
        self._folder, self.load = folder, load or Load()
        self._computing, self._alone = 0, threading.RLock()
        self._file: int | None = None
        self._named, self._process, self._given = Path(), 0, 0
        self._looked, self._known = -LOOK, list[Neighbour]()
        self._pressed = 0.0

    @property
    def folder(self) -> Path:
        """Where each has its file.

        Raises:
            OSError: where there is no place for such files.
        """
        if self._folder is None:
            self._folder = usual_folder()
        return self._folder

    @contextlib.contextmanager
    def computing(self, given: int) -> Generator[None]:
        """Let others know that this process computes inside the ``with`` block.

        Args:
            given: threads by which it would compute alone.
        """
        entered = 0
        try:
            with self._alone:
                self._computing += 1
                entered = 1
                if self._computing == 1:
                    with contextlib.suppress(OSError):
                        self._begin(given)
            yield
        finally:
            with self._alone:
                self._computing -= entered
                if not self._computing:
                    with contextlib.suppress(OSError):
                        self._pause()

    def share(self, given: int) -> int:
        """Return by how many threads this process is to compute beside its neighbours and others.

        Processes of this package share alike. Others are left what they take, up to half of the
        cores: threads of which some wait for a core keep all waiting. Where others want more than
        that, the system decides who gets a core, and all threads ask for one.

        Args:
            given: the most.
        """
        own = own_cores()
        others = [each.threads for each in self.neighbours() if not own.isdisjoint(each.cores)]
        allowed = threads.quota()
        cores = len(own) if allowed is None else max(1, min(len(own), int(-(-allowed // 1))))
        taken, half = self.load.of_others(own), -(-len(own) // 2)
        if taken > half + MARGIN:
            self._pressed = time.monotonic() + PRESSED
        left = max(int(len(own) - taken + 0.5), half)
        most = given if time.monotonic() < self._pressed else max(1, min(given, left))
        return fair(cores, most, others) if others else most

    def neighbours(self) -> list[Neighbour]:
        """Return the other processes that compute, as they were a moment ago at the most.

        While this process computes also those that have just stopped.
        """
        now = time.monotonic()
        with self._alone:
            if now - self._looked >= LOOK:
                try:
                    self._known = list(self._seen())
                except OSError:
                    self._known = []
                self._looked = now
            return self._known

    def _begin(self, given: int) -> None:
        if fcntl is None:
            return
        if self._file is None or self._process != os.getpid() or not self._stands():
            self._open()
        assert self._file is not None
        if given != self._given:
            said = f"{given} {','.join(map(str, sorted(own_cores())))}\n".encode()
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, said, 0)
            self._given = given
        for _ in range(TRIES):  # whoever looks holds it for a moment
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            time.sleep(0.001)

    def _pause(self) -> None:
        if fcntl is not None and self._file is not None and self._process == os.getpid():
            os.utime(self._file)
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def _open(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _require_own(self.folder)
        if self._file is not None:
            os.close(self._file)
            self._file = None
        if not self._process:
            atexit.register(self._leave)
        self._process, self._given = os.getpid(), 0
        self._named = self.folder / f"{self._process}-{time.monotonic_ns():x}"
        self._file = os.open(self._named, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)

    def _leave(self) -> None:
        with contextlib.suppress(OSError):
            if self._process == os.getpid() and self._stands():
                self._named.unlink()

    def _stands(self) -> bool:
        # Whether the file that is held is still the one of its name: who cleans up removes it.
        if self._file is None:
            return False
        try:
            return os.path.samestat(os.fstat(self._file), self._named.stat())
        except OSError:
            return False

    def _seen(self) -> Iterator[Neighbour]:
        if fcntl is None:
            return
        _require_own(self.folder)
        mine, now = None, -FORGOTTEN
        if self._file is not None and self._process == os.getpid():
            os.utime(self._file)
            mine, now = self._named, os.fstat(self._file).st_mtime
        for path in self.folder.iterdir():
            if path == mine:
                continue
            with contextlib.suppress(OSError, ValueError):
                found = self._looked_at(path, now)
                if found is not None:
                    yield found

    @staticmethod
    def _looked_at(path: Path, now: float) -> Neighbour | None:
        assert fcntl is not None
        file = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | os.O_NONBLOCK)
        try:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return None if _stopped(path.name.partition("-")[0]) else _read(file)
            idle = now - os.fstat(file).st_mtime
            if idle > FORGOTTEN:
                path.unlink()
            return _read(file) if 0 <= idle < LINGERS else None
        finally:
            os.close(file)


def usual_folder() -> Path:
    """Return where the processes of this user have their files."""
    home = SHARED if os.access(SHARED, os.W_OK | os.X_OK) else Path(tempfile.gettempdir())
    return home / f"datastill-{os.getuid() if hasattr(os, 'getuid') else 'user'}"


def _read(file: int) -> Neighbour | None:
    given, _, cores = os.read(file, 2**16).decode("ascii").strip().partition(" ")
    if not given:  # it has only just begun
        return None
    return Neighbour(max(1, int(given)), frozenset(map(int, cores.split(","))))


def _stopped(process: str) -> bool:
    # By Ctrl-Z, say: it holds its lock, and computes nothing until somebody lets it go on.
    try:
        said = Path("/proc", process, "stat").read_text("utf-8", errors="replace")
    except OSError:  # another system, or a process of another container
        return False
    return said.rpartition(")")[2].split()[:1] in (["T"], ["t"])


def _require_own(folder: Path) -> None:
    # A folder that another user made in a place that all can write to is not asked.
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError(folder)
    if hasattr(os, "getuid") and (found.st_uid != os.getuid() or found.st_mode & 0o022):
        raise PermissionError(folder)


STREET = Street()
"""Of this process."""
