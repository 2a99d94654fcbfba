"""Kill commands at random moments, resume them, and hold what they made against a run in peace.

    python benchmarks/kill.py --points 120 --out benchmarks/results/kills.json

Each run is a process of its own, forked from this one, which has loaded the libraries; it is ended
by SIGKILL, up to three times, and then resumed to its end. What is compared is every file but logs:
tensors, labels, losses, scores, accuracies and settings, bit for bit; not how many seconds it took.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import json
import os
import pkgutil
import random
import re
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import matplotlib.pyplot  # noqa: F401  (all that commands import, so that forks need not)
import safetensors.torch
import scipy.stats  # noqa: F401
import sklearn.cluster
import sklearn.datasets
import sklearn.model_selection  # noqa: F401
import torch
import torch._dynamo
from safetensors import safe_open

import datastill
from datastill.cli import main

MODEL = "--model ConvNetD1W16"
DIGITS = f"--dataset digits {MODEL}"
SECONDS = ("seconds", "once", "share", "costs")
"""Of what time was taken, which is never the same twice; so is a number of "models" in a study."""

TOLD = r": \d+ s in all|took \d+ s before, \d+% of"
"""The same where it is said in words."""

KILLS = 3
"""Most kills of one run."""

os.environ.setdefault("DATASTILL_ENGINE", "kernels")
# What is fastest is measured, and beside other work the answer may be another one the next time;
# bits are equal by one and the same way through networks alone.


@dataclass(frozen=True)
class Job:
    """A command that is killed, and those before it that are not."""

    line: str
    before: tuple[str, ...] = ()


DISTILL = f"distill {DIGITS} --batch-real 32 --checkpoint-minutes 0"
CLOM = "--alphas 10 --models-pool MLP --model-num 1"
ORIGINAL = "train --dataset digits --model MLP --num 1 --epochs 2 --batch-train 64"
JOBS = {
    "distill DM": Job(f"{DISTILL} --ipc 2 --iterations 60"),
    "distill DC": Job(
        f"{DISTILL} --method DC --ipc 2 --iterations 20 --outer-loop 4 --inner-loop 3"
    ),
    "distill DSA CLOM": Job(
        f"{DISTILL} --method DSA --ipc 1 --iterations 20 --outer-loop 4 --inner-loop 3 {CLOM} "
        "--select om-cross-entropy --select-every 3",
        (ORIGINAL,),
    ),
    "train": Job(
        "train --dataset digits --model MLP ConvNetD1W16 --num 2 --epochs 4 --batch-train 64 "
        "--save-epochs 1 --checkpoint-minutes 0"
    ),
    "validate": Job(
        f"validate condensed/digits/DM/IPC1 {MODEL} --num-eval 3 --epochs 12 --against random "
        "--checkpoint-minutes 0",
        (f"{DISTILL} --ipc 1 --iterations 3",),
    ),
    "compare": Job(
        f"compare condensed/digits/DM/IPC1 {MODEL} --num-eval 2 --epochs 6 --real-epochs 1 "
        "--against random k-means --dd-ranking --learning-rates 0.01 0.1 --checkpoint-minutes 0",
        (f"{DISTILL} --ipc 1 --iterations 3",),
    ),
    "study": Job(
        f"study {DIGITS} --population random k-means DM:2 DM:5 DC:2 noise:0.5 --ipc 1 --seeds 1 "
        "--inner-loop 2 --num-eval 2 --epochs 5 --models-pool MLP --model-num 2 --pool-epochs 3 "
        "--assessments om-cross-entropy om-accuracy --checkpoint-minutes 0"
    ),
}


def run(line: str, folder: Path, kill_after: float | None = None) -> tuple[int, float]:
    """Run a command in a process of its own, and end it after some seconds.

    Returns:
        Its exit code, or -9 after a kill, and the seconds that it took.
    """
    started = time.perf_counter()
    child = os.fork()
    if child == 0:
        _command(line, folder)
    while True:
        found, status = os.waitpid(child, os.WNOHANG)
        seconds = time.perf_counter() - started
        if found:
            return os.waitstatus_to_exitcode(status), seconds
        if kill_after is not None and seconds >= kill_after:
            os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            return os.waitstatus_to_exitcode(status), seconds
        time.sleep(0.0005)


def _command(line: str, folder: Path) -> None:
    os.chdir(folder)
    output = os.open("output.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    code = 1
    try:
        main([*line.split(), "--quiet"])
        code = 0
    except SystemExit as ending:
        code = int(ending.code or 0)
    finally:
        os._exit(code)


def made(folder: Path) -> dict[str, str]:
    """Return the digest of every file but logs, without the seconds that anything took."""
    return {
        str(path.relative_to(folder)): _digest(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".") and path.name != "output.txt"
    }


def _digest(path: Path) -> str:
    content = b""  # of logs, plots and pages it only counts that they are there
    if path.suffix == ".safetensors":
        with safe_open(path, framework="pt") as file:
            header = json.loads(file.metadata()["datastill"])
        content = _timeless(header) + safetensors.torch.save(safetensors.torch.load_file(path))
    elif path.suffix == ".json":
        content = _timeless(json.loads(path.read_text()))
    elif path.name == "preview.png":
        content = path.read_bytes()
    return hashlib.blake2b(content, digest_size=8).hexdigest()


def _timeless(value: Any) -> bytes:
    def timed(key: str, value: Any) -> bool:
        return key in SECONDS or (key == "models" and isinstance(value, float))

    def without(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: without(v) for k, v in value.items() if not timed(k, v)}
        if isinstance(value, list):
            return [without(item) for item in value]
        return re.sub(TOLD, "", value) if isinstance(value, str) else value

    return json.dumps(without(value), sort_keys=True).encode()


def killed(
    job: Job, expected: dict[str, str], seconds: float, *, most: int, rng: random.Random
) -> dict[str, Any]:
    """Kill a run at up to ``most`` random moments, resume it, and tell whether all is the same."""
    with tempfile.TemporaryDirectory() as place:
        folder, moments = Path(place), list[float]()
        for line in job.before:
            run(line, folder)
        for _ in range(most):
            code, spent = run(f"{job.line} --resume", folder, rng.uniform(0, seconds))
            if code != -signal.SIGKILL:
                break
            moments.append(round(spent, 4))
        code, _ = run(f"{job.line} --resume", folder)
        found = made(folder)
        differing = sorted(
            name for name in expected | found if expected.get(name) != found.get(name)
        )
        row: dict[str, Any] = {"killed_after": moments, "code": code, "differing": differing}
        if code or differing:
            row["said"] = (folder / "output.txt").read_text()[-2000:]
        return row


def peaceful(job: Job) -> tuple[dict[str, str], float]:
    """Return what a run makes that nobody kills, and how long it takes when all is warm."""
    seconds = 0.0
    found: list[dict[str, str]] = []
    for _ in range(2):
        with tempfile.TemporaryDirectory() as place:
            for line in job.before:
                run(line, Path(place))
            code, seconds = run(job.line, Path(place))
            if code:
                raise SystemExit((Path(place) / "output.txt").read_text())
            found.append(made(Path(place)))
    if found[0] != found[1]:
        raise SystemExit(f"two runs in peace differ: {job.line}")
    return found[0], seconds


def trial(name: str, points: int, rng: random.Random) -> dict[str, Any]:
    """Kill a command until so many moments have been tried."""
    expected, seconds = peaceful(JOBS[name])
    rows: list[dict[str, Any]] = []
    while (left := points - sum(len(row["killed_after"]) for row in rows)) > 0:
        rows.append(
            killed(JOBS[name], expected, seconds, most=min(left, rng.randint(1, KILLS)), rng=rng)
        )
    good = [row for row in rows if not row["code"] and not row["differing"]]
    return {
        "command": JOBS[name].line,
        "seconds_in_peace": round(seconds, 2),
        "kills": sum(len(row["killed_after"]) for row in rows),
        "runs": len(rows),
        "runs_equal": len(good),
        "rows": rows,
    }


def start(words: Sequence[str] | None = None) -> int:
    """Kill all commands, write what was found, and return the number of runs that differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=120, help="kills, over all commands")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--jobs", nargs="*", default=list(JOBS), choices=list(JOBS))
    parser.add_argument("--out", type=Path, help="file to write")
    options = parser.parse_args(words)
    for module in pkgutil.walk_packages(datastill.__path__, "datastill."):
        import_module(module.name)  # or a kill may come before there is anything to lose
    gc.freeze()  # what all of them share is looked through by none
    torch.set_num_threads(1)
    each, rng = -(-options.points // len(options.jobs)), random.Random(options.seed)
    found: dict[str, Any] = {}
    for name in options.jobs:
        found[name] = trial(name, each, rng)
        row = found[name]
        print(
            f"{name}: {row['kills']} kills of {row['runs']} runs of {row['seconds_in_peace']} s, "
            f"{row['runs_equal']} equal",
            flush=True,
        )
    kills, runs = (sum(row[key] for row in found.values()) for key in ("kills", "runs"))
    equal = sum(row["runs_equal"] for row in found.values())
    summary = {"kills": kills, "runs": runs, "runs_equal": equal, "torch": torch.__version__}
    if options.out:
        options.out.write_text(json.dumps({**summary, "commands": found}, indent=1) + "\n")
    print(f"{kills} kills of {runs} runs, {equal} equal to one in peace")
    return runs - equal


if __name__ == "__main__":
    sys.exit(start() > 0)
