"""A process takes the cores that it may use, and its threads do not burn them waiting."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from copies import python
from datastill.base import threads
from datastill.compute import kernels


def said(code: str, begun: Sequence[str] = (sys.executable, "-c"), **environment: str) -> str:
    """Run Python in a process of its own, whose environment says nothing of OpenMP but this."""
    names = ("OMP_", "GOMP_", "KMP_", "MKL_")
    plain = {name: value for name, value in os.environ.items() if not name.startswith(names)}
    command = [*begun, code]
    done = subprocess.run(
        command, env={**plain, **environment}, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


TOLD = "import os; print(os.environ.get('GOMP_SPINCOUNT'), os.environ.get('KMP_BLOCKTIME'))"


def test_threads_sleep_soon_where_nobody_said_otherwise() -> None:
    assert said(f"import datastill; {TOLD}") == f"{threads.SPINS} {threads.PATIENCE}"
    assert said(f"import datastill; {TOLD}", GOMP_SPINCOUNT="7") == f"7 {threads.PATIENCE}"
    assert said(f"import datastill; {TOLD}", OMP_WAIT_POLICY="ACTIVE") == "None None"
    assert said(f"import datastill.cli; {TOLD}") == f"{threads.SPINS} {threads.PATIENCE}"


def test_nothing_is_said_that_nobody_would_hear() -> None:
    """OpenMP has read its environment by then; what is there is for others."""
    begun = python("-c", loaded="torch")
    assert said(f"import torch, datastill; {TOLD}", begun) == "None None"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks the loader of Linux")
def test_openmp_hears_it_and_the_kernels_share_its_threads() -> None:
    if kernels.missing():
        pytest.skip(kernels.missing())
    code = """
import datastill, torch
from pathlib import Path
from datastill.compute.route import Route, logits
from datastill.networks import build
from datastill.data import Domain
domain = Domain("d", (1, 8, 8), ("a", "b"), (0.5,), (0.5,))
network = build("ConvNetD1W32", domain, key=datastill.Key(0))
Route(kernels=True).over(logits, network, torch.zeros(4, 1, 8, 8))
held = {line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines()
        if "libgomp" in line}
print(len(held))
"""
    assert said(code, OMP_DISPLAY_ENV="VERBOSE").splitlines()[-1] == "1"


@pytest.mark.parametrize(
    ("files", "group", "allowed"),
    [
        ({}, "0::/", None),
        ({"cpu.max": "max 100000"}, "0::/", None),
        ({"cpu.max": "150000 100000"}, "0::/", 1.5),
        ({"a/cpu.max": "400000 100000", "cpu.max": "max 100000"}, "0::/a/b", 4.0),
        ({"a/b/cpu.max": "400000 100000", "a/cpu.max": "200000 100000"}, "0::/a/b", 2.0),
        ({"a/cpu.max": "100000 100000"}, "0::/other", None),
        (
            {"cpu/a/cpu.cfs_quota_us": "50000", "cpu/a/cpu.cfs_period_us": "100000"},
            "4:cpu,cpuacct:/a",
            0.5,
        ),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, "4:cpu:/", None),
        ({"cpu.max": "some words here"}, "0::/", None),
        ({"cpu.max": "1 0"}, "0::/", None),
    ],
)
def test_the_limits_of_a_container_count(
    tmp_path: Path, files: dict[str, str], group: str, allowed: float | None
) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    ours = tmp_path / "ours"
    ours.write_text(f"12:memory:/a\n{group}\n")
    assert threads.quota(str(tmp_path), str(ours)) == allowed
    assert threads.quota(str(tmp_path), str(tmp_path / "missing")) is None


@pytest.mark.parametrize(
    ("allowed", "before", "after"),
    [(1.5, None, "2"), (0.2, None, "1"), (8.0, None, None), (None, None, None), (1.0, "3", "3")],
)
def test_no_more_threads_start_than_the_limits_allow(
    monkeypatch: pytest.MonkeyPatch, allowed: float | None, before: str | None, after: str | None
) -> None:
    monkeypatch.setattr(threads, "quota", lambda: allowed)
    monkeypatch.setattr(threads, "cores", lambda: 4)
    monkeypatch.delitem(sys.modules, "torch")
    monkeypatch.setattr(os, "environ", {"OMP_NUM_THREADS": before} if before else {})
    threads.share_cores()
    assert os.environ.get("OMP_NUM_THREADS") == after
