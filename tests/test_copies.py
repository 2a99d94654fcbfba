"""Copies of a process that has loaded libraries are Python to those that start them."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from copies import python

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere Python is begun anew")

TOLD = """
import json, os, sys
seen = [name for name in ("torch", "torch._dynamo", "sklearn", "datastill") if name in sys.modules]
print(json.dumps([sys.argv[1:], os.getcwd(), os.environ.get("SAID"), sys.path[0], seen]))
print(sys.stdin.read().upper(), file=sys.stderr)
sys.exit(3)
"""


def test_a_copy_has_its_own_words_folder_environment_and_streams(tmp_path: Path) -> None:
    (tmp_path / "told.py").write_text(TOLD)
    for words, first in ((["told.py"], str(tmp_path)), (["-c", TOLD], "")):
        done = subprocess.run(
            python(*words, "a", "b c", loaded="torch"),
            **{"cwd": tmp_path, "env": {**os.environ, "SAID": "é"}, "input": "heard"},
            capture_output=True,
            text=True,
            check=False,
        )
        found = f'[["a", "b c"], "{tmp_path}", "\\u00e9", "{first}", ["torch", "torch._dynamo"]]\n'
        assert (done.returncode, done.stdout, done.stderr) == (3, found, "HEARD\n")


@pytest.mark.parametrize(
    ("code", "told"), [("1 / 0", 1), ("import os; os.kill(os.getpid(), 9)", -9)]
)
def test_a_copy_ends_as_what_it_runs_does(code: str, told: int) -> None:
    done = subprocess.run(python("-c", code), capture_output=True, text=True, check=False)
    assert done.returncode == told
    assert ("ZeroDivisionError" in done.stderr) == (told == 1)


def test_a_copy_ends_with_the_command_that_is_killed() -> None:
    line = python("-c", "import signal; print('here', flush=True); signal.pause()")
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        process.send_signal(signal.SIGKILL)
        assert process.stdout.read() == ""  # which lasts until nobody can write there


BEGINS = """
import sys
from multiprocessing import get_context

def say() -> None:
    print("said", flush=True)

if __name__ == "__main__":
    one = get_context("spawn").Process(target=say)
    one.start()
    one.join()
    sys.exit(one.exitcode)
"""


def test_processes_of_a_copy_find_what_it_runs(tmp_path: Path) -> None:
    (tmp_path / "begins.py").write_text(BEGINS)
    line = python("begins.py", loaded="torch")
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "said\n"), done.stderr
