"""What a process does with its memory."""

import subprocess
import sys

import pytest

from copies import python
from datastill.base import machine
from datastill.compute.kernels import building
from datastill.compute.kernels.source import SETS

FAULTS = """
import resource, sys, torch
from datastill.base import machine
if sys.argv[1] == "keep":
    machine.keep_memory()
def pages():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
torch.ones(2**24)
before = pages()
for _ in range(20):
    torch.ones(2**24)
print(pages() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the C library of GNU")
def test_memory_that_is_kept_is_not_fetched_again() -> None:
    def faults(how: str) -> int:
        command = python("-c", FAULTS, how, loaded="torch")
        return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    assert faults("keep") < 0.5 * faults("leave")


@pytest.mark.skipif(not building._compiler(), reason="needs g++")
def test_where_there_is_no_home_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """So it is for a user without a name, which containers and services run as."""
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "~")  # which is none to Python
    machine.remember("routes", found=1)
    assert machine.recalled("routes") == {}
    assert building.superseded(SETS[0]) == []
    with pytest.raises(building.Unavailable, match="no home; let XDG_CACHE_HOME name a folder"):
        building.built(SETS[0])
