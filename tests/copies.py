"""Copies of a process that has loaded libraries, in place of Pythons that each load them anew.

Loading takes seconds, longer than most of what tests have other processes do. ``python`` returns
the words of a command that is Python with libraries of others loaded, of which nothing has been
called; datastill is none of them. Such a command has its own environment, folder, input and output,
and ends as what it runs does; if it is killed, so is that. All processes that run tests share one
process to take copies of, which ends with the first of them.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from select import select
from typing import Any, NamedTuple, NoReturn

SHARED = "DATASTILL_TESTS_SHARED"
"""The environment variable that names the folder which processes that run tests share."""
FIRST = "DATASTILL_TESTS_FIRST"
"""The one that says the number of the first of these processes."""
LEVELS = {
    "torch": ("torch", "torch._dynamo"),  # which an optimiser loads with its first step
    "all": (
        *("PIL.Image", "matplotlib.figure", "matplotlib.backends.backend_agg", "safetensors.torch"),
        *("scipy.stats", "sklearn.cluster", "sklearn.datasets", "sklearn.model_selection"),
    ),
}
"""What is loaded, of which each is loaded after those before it."""
TOLD = ("-X", "warn_default_encoding", "-W", "ignore::EncodingWarning")
"""What Python hears at its start alone: warnings that a test may ask for."""


class Asked(NamedTuple):
    """What a copy is to do."""

    words: list[str]
    folder: str
    environment: dict[str, str]


@contextmanager
def telling(words: list[str], first: str, **named: Any) -> Generator[subprocess.Popen[str]]:
    """Have a process run until the block ends, which has said a first line by then."""
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, **named) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == f"{first}\n"
            yield process
        finally:
            process.kill()


def python(*words: str, loaded: str = "all") -> list[str]:
    """Return what runs Python with these words, which begin with ``-c``, ``-m`` or a file."""
    if sys.platform != "linux":  # elsewhere copies of a process with libraries are not safe
        return [sys.executable, *TOLD, *words]
    return [sys.executable, "-I", "-S", __file__, _begun(), loaded, *words]


def _begun() -> str:
    """Return by what name copies are asked for, of a process that is there by then."""
    from filelock import FileLock

    folder = Path(os.environ[SHARED])
    with FileLock(folder / "copies.lock"):
        if not (folder / "copies.log").exists():
            told, telling = os.pipe()
            streams = [
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, telling, 1),
                (os.POSIX_SPAWN_OPEN, 2, folder / "copies.log", os.O_WRONLY | os.O_CREAT, 0o600),
            ]
            words = [sys.executable, *TOLD, __file__, folder.name]
            environment = {**os.environ, "OMP_NUM_THREADS": "1"}
            os.posix_spawn(sys.executable, words, environment, file_actions=streams)
            os.close(telling)
            with os.fdopen(told) as said:
                assert said.readline() == "here\n", (folder / "copies.log").read_text()
    return folder.name


def _serve(name: str, first: int) -> Asked:
    """Make copies for all who ask; it is in these that this returns."""
    listening: list[socket.socket] = []
    for level in LEVELS:
        listening.append(socket.socket(socket.AF_UNIX))
        listening[-1].bind(f"\0{name} {level}")
        listening[-1].listen(64)
    print("here", flush=True)
    end = os.pidfd_open(first)
    for number, level in enumerate(LEVELS):
        for module in LEVELS[level]:
            import_module(module)
        gc.collect()
        gc.freeze()  # what all of them share is looked through by none
        found = _copied(listening[number], listening[number + 1 :][:1], end)
        if found:
            for one in listening:
                one.close()
            return found
    raise AssertionError("there is no level beyond the last")


def _copied(mine: socket.socket, later: list[socket.socket], end: int) -> Asked | None:
    """Return in a copy what it is to do; and in one that is to load more, nothing."""
    while True:
        ready, _, _ = select([mine, *later, end], [], [])
        if end in ready:
            os._exit(0)
        if {*later} & {*ready}:
            if os.fork() == 0:
                return None
            later = []
        if mine in ready:
            connection, _ = mine.accept()
            if os.fork() == 0:
                return _kept(connection)
            connection.close()
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _kept(connection: socket.socket) -> Asked:
    """Return in a copy of this process what it is to do, and here look after that."""
    size, descriptors, _, _ = socket.recv_fds(connection, 4, 3)
    with connection.makefile("rb") as file:
        asked = Asked(*json.loads(file.read(int.from_bytes(size))))
    child = os.fork()
    if child == 0:
        connection.close()
        for number, descriptor in enumerate(descriptors):
            os.dup2(descriptor, number)
            os.close(descriptor)
        return asked
    for descriptor in descriptors:
        os.close(descriptor)
    ended = os.pidfd_open(child)
    if ended not in select([connection, ended], [], [])[0]:
        os.kill(child, signal.SIGKILL)  # whoever asked is gone
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with suppress(OSError):
        connection.sendall(str(code).encode())
    os._exit(0)


def _carry_out(asked: Asked) -> None:
    """Do what Python does with words, a folder and an environment."""
    from multiprocessing import process

    import torch

    os.chdir(asked.folder)
    process.ORIGINAL_DIR = asked.folder  # from where its own processes look for what it runs
    os.environ.clear()
    os.environ.update(asked.environment)
    said = os.environ.get("OMP_NUM_THREADS", "")
    torch.set_num_threads(int(said) if said.isdecimal() else len(os.sched_getaffinity(0)))
    named = [one for one in os.environ.get("PYTHONPATH", "").split(os.pathsep) if one]
    sys.path[:] = [*named, *(one for one in sys.path if one not in named)]
    _open_streams()
    how, *rest = asked.words
    here = str(Path.cwd())
    if "PYTHONSAFEPATH" not in os.environ:
        sys.path.insert(0, {"-c": "", "-m": here}.get(how, str(Path(here, how).parent)))
    sys.argv = ["-c", *rest[1:]] if how == "-c" else rest if how == "-m" else asked.words
    if how == "-c":
        exec(compile(rest[0], "<string>", "exec"), {"__name__": "__main__"})
    elif how == "-m":
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(how, run_name="__main__")


def _end(work: Callable[[], None]) -> NoReturn:
    """End as Python does after work, but for tidying up all that is loaded: that takes a second."""
    code: object = 0
    try:
        work()
    except SystemExit as ending:
        code = ending.code or 0
        if not isinstance(code, int):
            print(code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
        code = 1
    threading._shutdown()  # pyright: ignore[reportAttributeAccessIssue]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    os._exit(code if isinstance(code, int) else 1)


def _open_streams() -> None:
    """Read and write what has the numbers of the streams now, as Python does at its start."""
    encoding = sys.stdout.encoding
    sys.stdin = sys.__stdin__ = os.fdopen(0, encoding=encoding, closefd=False)
    sys.stdout = sys.__stdout__ = os.fdopen(1, "w", encoding=encoding, closefd=False)
    told = {"errors": "backslashreplace", "closefd": False}
    sys.stderr = sys.__stderr__ = os.fdopen(2, "w", buffering=1, encoding=encoding, **told)


def _ask(name: str, level: str, words: list[str]) -> int:
    """Have a copy carry out what this process is asked for, and return its code."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(f"\0{name} {level}")
        text = json.dumps([words, str(Path.cwd()), dict(os.environ)]).encode()
        socket.send_fds(connection, [len(text).to_bytes(4)], [0, 1, 2])
        connection.sendall(text)
        code = int(connection.recv(16) or 1)
    if code < 0:
        os.kill(os.getpid(), -code)
    return code


if __name__ == "__main__":
    if sys.argv[2:]:
        sys.exit(_ask(sys.argv[1], sys.argv[2], sys.argv[3:]))
    del sys.path[0]  # this folder
    _end(partial(_carry_out, _serve(sys.argv[1], int(os.environ[FIRST]))))
