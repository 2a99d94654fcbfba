"""Real processes, killed by SIGKILL at random moments, resumed, and held against runs in peace."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "kill.py"
RESULTS = SCRIPT.parent / "results" / "kills.json"


@pytest.mark.parametrize(
    "jobs", [("distill DM", "train"), ("distill DC", "validate"), ("compare",), ("study",)]
)
def test_killed_runs_end_as_those_in_peace(tmp_path: Path, jobs: tuple[str, ...]) -> None:
    out = tmp_path / "kills.json"
    points = 2 * len(jobs)
    line = [sys.executable, str(SCRIPT), "--out", str(out), "--jobs", *jobs]
    line += ["--points", str(points)]
    done = subprocess.run(
        line,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(out.read_text())
    assert found["kills"] >= points
    assert found["runs_equal"] == found["runs"]


def test_what_was_measured_says_enough() -> None:
    found = json.loads(RESULTS.read_text())
    commands = {row["command"].split()[0] for row in found["commands"].values()}
    assert commands == {"distill", "train", "validate", "compare", "study"}
    assert found["kills"] >= 100
    assert found["runs_equal"] == found["runs"]
