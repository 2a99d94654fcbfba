"""Ctrl-C and SIGTERM before a command has begun: in real processes, while they import."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from datastill.base.waits import READY

SOURCE = Path(__file__).parents[1] / "src"
COMMAND = "from datastill.__main__ import main; main()"
HELD_UP = """
import importlib.abc, os, sys, time

class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == os.environ["HELD_UP"] and name not in sys.modules:
            os.write(2, b"here\\n")
            while True:
                time.sleep(0.01)  # until the signal arrives

sys.meta_path.insert(0, Finder())
"""
"""A library in the middle of its import, at a module of a name."""
SWALLOWS = """
try:
    import os
    os.write(2, b"here\\n")
    import time
    while True:
        time.sleep(0.01)
except BaseException:
    raise AttributeError("module 'numpy' has no attribute 'multiply'") from None
"""
"""A library that turns whatever happens while it is imported into something else."""


def interrupted(
    tmp_path: Path, line: str, number: signal.Signals, **environment: str
) -> tuple[int, list[str]]:
    """Start a command, send it a signal when it is there, and return its code and lines."""
    given = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(tmp_path), str(SOURCE)]),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        **environment,
    }
    words = [sys.executable, "-P", "-c", COMMAND, *line.split()]
    with subprocess.Popen(
        words, cwd=tmp_path, env=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        begun = iter(process.stderr.readline, "")
        assert next(line for line in begun if not awaits(line)) == "here\n"
        process.send_signal(number)
        said = process.stderr.read().splitlines()
        return process.wait(), [line for line in said if not awaits(line)]


def awaits(line: str) -> bool:
    """Tell whether a line says what is awaited, as there is where libraries take their time."""
    return line.strip() == f"{READY} ..."


DISTILL = "distill --dataset digits --model MLP --ipc 1 --iterations 1 --engine plain"
MODULES = {
    **{"datastill.cli": "--version", "datastill.cli.recipe": "--version"},
    **{"datastill.cli.validate": "--help", "tyro": "train --help", "rich.console": DISTILL},
    **{
        "torch": DISTILL,
        "torch.nn": DISTILL,
        "numpy": DISTILL,
        "datastill.compute.kernels": DISTILL,
    },
    **{"scipy": DISTILL, "sklearn.datasets": DISTILL, "PIL": DISTILL},
}
"""Where a command is held up, and the command."""


TERMINATED = ("datastill.cli", "tyro", "torch", "numpy")
"""Where SIGTERM is sent too: what hears one hears the other from the same line on."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "number"),
    [
        *((module, signal.SIGINT) for module in MODULES),
        *((module, signal.SIGTERM) for module in TERMINATED),
    ],
)
def test_one_line_wherever_the_imports_are(
    tmp_path: Path, module: str, number: signal.Signals
) -> None:
    (tmp_path / "sitecustomize.py").write_text(HELD_UP)
    code, said = interrupted(tmp_path, MODULES[module], number, HELD_UP=module)
    assert (code, said) == (128 + number, [f"stopped by {number.name}"])


def test_one_line_in_the_very_first_moment(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(HELD_UP)
    code, said = interrupted(tmp_path, "--version", signal.SIGINT, HELD_UP="datastill.base.signals")
    assert (code, said) == (130, ["stopped by SIGINT"])


@pytest.mark.parametrize("library", ["tyro", "safetensors", "scipy"])
def test_a_library_cannot_swallow_it(tmp_path: Path, library: str) -> None:
    (tmp_path / f"{library}.py").write_text(SWALLOWS)
    code, said = interrupted(tmp_path, DISTILL, signal.SIGINT)
    assert (code, said) == (130, ["stopped by SIGINT"])


def test_what_the_shell_has_a_command_ignore_stays_ignored(tmp_path: Path) -> None:
    words = [sys.executable, "-P", "-c", COMMAND, "--version"]
    (tmp_path / "sitecustomize.py").write_text(
        "import atexit, os, signal\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "atexit.register(lambda: os.kill(os.getpid(), signal.SIGINT))\n"
    )
    path = os.pathsep.join([str(tmp_path), str(SOURCE)])
    done = subprocess.run(
        words, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
