"""What Windows lacks is not needed to make, look at and judge a set."""

import os
import subprocess
from pathlib import Path

import pytest

import datastill as ds
from conftest import blobs
from copies import python

PROGRAM = Path(__file__).with_name("windows.py")


@pytest.mark.slow
def test_a_set_is_made_and_judged_without_what_windows_lacks(tmp_path: Path) -> None:
    source = str(Path(ds.__file__).parents[1])
    asked = python(str(PROGRAM), str(tmp_path), loaded="torch")
    environment = {**os.environ, "PYTHONPATH": source, "DATASTILL_ENGINE": "plain"}
    found = subprocess.run(asked, capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert found.returncode == 0, found.stderr
    assert found.stdout.endswith("done\n")


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="the system does not tell")
def test_a_file_that_was_read_is_not_held(tmp_path: Path) -> None:
    """Windows does not replace a file that is mapped into memory, as validation does with a set."""
    file = tmp_path / "made.safetensors"
    ds.save(blobs(), file)
    held = ds.load(file)
    assert str(file) not in Path("/proc/self/maps").read_text()
    ds.save(held, file)
