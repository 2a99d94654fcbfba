"""A cluster of Ray that somebody else began is joined by its address."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from safetensors.torch import load_file

from datastill.runs.executors.on_ray import require_answer

pytestmark = [pytest.mark.ray, pytest.mark.slow]

HEAD = "start --head --block --num-cpus 2 --include-dashboard=false --disable-usage-stats"
TRAIN = "train --dataset digits --model MLP --num 2 --epochs 1 --quiet --engine plain"


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """Begin a cluster of one machine, whoever may join it, and yield its address."""
    pytest.importorskip("ray")
    port, place = free_port(), Path(tempfile.mkdtemp(prefix="ray-"))
    # Its own folder: what others on this machine began is not its business.
    environment = {**os.environ, "RAY_AUTH_MODE": "disabled", "RAY_TMPDIR": str(place)}
    words = [sys.executable, "-m", "ray.scripts.scripts", *HEAD.split(), "--port", str(port)]
    with subprocess.Popen(
        words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as head:
        assert head.stdout is not None
        said: list[str] = []
        for line in head.stdout:  # it ends where Ray does
            said.append(line)
            if "Ray runtime started" in line:
                break
        try:
            assert head.poll() is None, said
            yield f"127.0.0.1:{port}"
        finally:
            head.terminate()
    shutil.rmtree(place, ignore_errors=True)


def typed(place: Path, line: str) -> subprocess.CompletedProcess[str]:
    place.mkdir()
    words = [sys.executable, "-m", "datastill", *line.split()]
    environment = {**os.environ, "RAY_AUTH_MODE": "disabled"}
    return subprocess.run(
        words, cwd=place, env=environment, capture_output=True, text=True, check=False
    )


def test_models_are_those_of_one_process(cluster: str, tmp_path: Path) -> None:
    joined = typed(tmp_path / "joined", f"{TRAIN} --on ray:{cluster}")
    assert joined.returncode == 0, joined.stderr
    alone = typed(tmp_path / "alone", TRAIN)
    assert alone.returncode == 0, alone.stderr
    found = sorted((tmp_path / "joined").rglob("*.safetensors"))
    assert len(found) >= 2
    for file in found:
        twin = tmp_path / "alone" / file.relative_to(tmp_path / "joined")
        tensors, same = load_file(file), load_file(twin)
        assert tensors.keys() == same.keys()
        assert all(tensors[name].equal(same[name]) for name in tensors)


def test_an_address_at_which_nobody_answers_is_told_at_once(tmp_path: Path) -> None:
    found = typed(tmp_path / "wrong", f"{TRAIN} --on ray:127.0.0.1:{free_port()}")
    assert found.returncode == 2
    assert "no Ray answers at 127.0.0.1:" in found.stderr
    assert found.stderr.count("\n") <= 3  # a line that is folded
    assert not (tmp_path / "wrong" / "pretrained_model").exists()


@pytest.mark.parametrize("address", ["auto", "ray://head:10001/x", "head", "local:x"])
def test_other_words_are_left_to_ray(address: str) -> None:
    assert require_answer(address) is None  # nothing is asked of it
