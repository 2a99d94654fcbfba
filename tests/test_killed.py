"""Real processes, killed by SIGKILL at random moments, resumed, and held against runs in peace."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from copies import python
from unpainted import PROGRAM

HERE = Path(__file__).parent
FOLDER = HERE.parent / "benchmarks"
RESULTS = FOLDER / "results" / "kills.json"
DIGITS = "--dataset digits --model ConvNetD1W16"
DISTILL = f"distill {DIGITS} --batch-real 16 --checkpoint-minutes 0"
MADE = f"{DISTILL} --ipc 1 --iterations 1"
MADE_ONES = "condensed/digits/DM/IPC1 --model MLP --num-eval 2 --checkpoint-minutes 0"
JOBS = {
    "distill DM": (f"{DISTILL} --ipc 1 --iterations 12",),
    "distill DC": (f"{DISTILL} --method DC --ipc 1 --iterations 4 --outer-loop 2 --inner-loop 2",),
    "train": (
        "train --dataset digits --model MLP ConvNetD1W16 --num 1 --epochs 2 --batch-train 256 "
        "--save-epochs 1 --checkpoint-minutes 0",
    ),
    "validate": (f"validate {MADE_ONES} --epochs 6 --against random", MADE),
    "compare": (
        f"compare {MADE_ONES} --epochs 4 --real-epochs 1 --against random k-means --dd-ranking "
        "--learning-rates 0.01 0.1",
        MADE,
    ),
    "study": (
        "study --dataset digits --model MLP --population random k-means DM:1 DM:2 noise:0.5 "
        "--ipc 1 --seeds 1 --num-eval 1 --epochs 3 --models-pool MLP --model-num 1 --pool-epochs 1 "
        "--assessments om-cross-entropy om-accuracy --checkpoint-minutes 0",
    ),
}
"""The commands of ``benchmarks/kill.py`` with the least budgets, and those before them."""
CODE = (  # of plots it only counts that they are there
    PROGRAM
    + """
import json
import kill
kill.JOBS = {name: kill.Job(line, tuple(before)) for name, (line, *before) in
             json.loads(sys.argv[1]).items()}
sys.exit(kill.start(sys.argv[2:]) > 0)
"""
)


@pytest.mark.slow
def test_killed_runs_end_as_those_in_peace(tmp_path: Path) -> None:
    out = tmp_path / "kills.json"
    points = len(JOBS)
    line = python("-c", CODE, json.dumps(JOBS), "--out", str(out), "--points", str(points))
    path = os.pathsep.join([str(FOLDER), str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        line,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(out.read_text())
    assert {*found["commands"]} == {*JOBS}
    assert found["kills"] >= points
    assert found["runs_equal"] == found["runs"]


def test_what_was_measured_says_enough() -> None:
    found = json.loads(RESULTS.read_text())
    commands = {row["command"].split()[0] for row in found["commands"].values()}
    assert commands == {"distill", "train", "validate", "compare", "study"}
    assert found["kills"] >= 100
    assert found["runs_equal"] == found["runs"]
