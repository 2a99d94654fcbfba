"""One run at a time in one folder, by whatever a file system and a system have for that."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from copies import telling
from datastill import store
from datastill.base.errors import InputError

SOURCE = Path(__file__).parents[1] / "src"
HOLDER = """
import fcntl, sys, time
from contextlib import AbstractContextManager
from pathlib import Path
{without}
from datastill.store import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""
WITHOUT = """
def refuse(*_):
    raise OSError({number}, "not here")
fcntl.flock = refuse
"""
NUMBERS = [errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK]


def held(folder: Path, without: str = "") -> AbstractContextManager[subprocess.Popen[str]]:
    """Hold the lock of a folder in another process."""
    code = HOLDER.format(without=without)
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    words = [sys.executable, "-P", "-c", code, str(folder)]
    return telling(words, "held", env=environment)


def without_locks(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def refuse(*_: int) -> None:
        raise OSError(number, "not here")

    monkeypatch.setattr(fcntl, "flock", refuse)


@pytest.mark.parametrize("number", [None, NUMBERS[0]])  # the others are told below
def test_a_process_keeps_others_out_until_it_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int | None
) -> None:
    if number is not None:
        without_locks(monkeypatch, number)
    with held(tmp_path, WITHOUT.format(number=number) if number else "") as process:
        with pytest.raises(InputError, match="another run is at work") as refused:
            store.locked(tmp_path).__enter__()
        assert len(str(refused.value).splitlines()) == 1
        process.send_signal(signal.SIGKILL)
        process.wait()
        with store.locked(tmp_path):
            pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", NUMBERS)
def test_a_file_system_without_locks_is_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    without_locks(monkeypatch, number)
    with (
        store.locked(tmp_path),
        store.locked(tmp_path, "other."),
        pytest.raises(InputError, match=r"if none is, delete .*\.lock-by-name"),
    ):
        store.locked(tmp_path).__enter__()
    with store.locked(tmp_path):
        pass
    assert not list(tmp_path.iterdir())


def test_what_is_no_lack_of_locks_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_locks(monkeypatch, errno.EIO)
    with pytest.raises(InputError, match=r"cannot write to .*: not here"):
        store.locked(tmp_path).__enter__()
