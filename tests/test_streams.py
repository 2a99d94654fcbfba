"""What is printed reaches terminals of few letters, and streams that nobody reads."""

import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from datastill.base.streams import open_streams, tell
from datastill.runs.conduct.stop import Signals

SOURCE = Path(__file__).parents[1] / "src"


def test_letters_that_a_terminal_lacks_are_spelled(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("stdout", "stderr"):
        few = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="strict")
        monkeypatch.setattr(sys, name, few)
        open_streams()
        print("13.0 ± 3.0 % of café \udce9", file=few, flush=True)
        told = few.buffer
        assert isinstance(told, io.BytesIO)
        assert told.getvalue() == rb"13.0 +- 3.0 % of caf\xe9 \udce9" + b"\n"


def test_a_stream_that_was_closed_leads_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    open_streams()
    print("lost")
    print("lost", file=sys.stderr)
    assert sys.stdin.read() == ""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        stream.close()


def test_a_folder_that_is_gone_is_told_before_libraries_end_the_process(tmp_path: Path) -> None:
    code = (
        f"import os, sys; os.rmdir(os.getcwd()); sys.path.insert(0, {str(SOURCE)!r}); "
        "from datastill.__main__ import main; main()"
    )
    (tmp_path / "gone").mkdir()
    said = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code],
        cwd=tmp_path / "gone",
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"]},
    )
    assert (said.returncode, said.stdout) == (2, "")
    assert said.stderr == "datastill: the current folder is gone; go to another one\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a full disk")
def test_a_mistake_that_cannot_be_told_is_one_all_the_same() -> None:
    with Path("/dev/full").open("w") as full:
        env = {**os.environ, "PYTHONPATH": str(SOURCE)}
        command = [sys.executable, "-m", "datastill", "distil"]
        assert subprocess.run(command, stderr=full, env=env, check=False).returncode == 2


def test_what_is_said_where_a_signal_arrives_may_be_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    class Busy(io.StringIO):
        def write(self, _: str) -> int:
            raise RuntimeError("reentrant call")

    monkeypatch.setattr(sys, "stderr", Busy())
    tell("stopping")
    signals = Signals()
    with signals.heeded("soon"):
        os.kill(os.getpid(), signal.SIGINT)
        assert signals.requested
