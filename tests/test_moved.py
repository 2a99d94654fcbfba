"""Modules that have moved are found under the names that they had."""

import importlib
import subprocess

import pytest

from copies import python
from datastill.base.moved import MOVED, place_of


@pytest.mark.parametrize("old", sorted(MOVED))
def test_a_moved_module_is_the_one_of_today(old: str) -> None:
    new = importlib.import_module(f"datastill.{MOVED[old]}")
    spec = new.__spec__
    assert importlib.import_module(f"datastill.{old}") is new
    assert new.__spec__ is spec


def test_code_that_was_written_before_the_move_still_runs() -> None:
    code = (
        "from datastill import tuning\n"
        "from datastill.rng import Key\n"
        "from datastill.route import Route, logits\n"
        "import datastill.kernels\n"
        "from datastill.methods.base import METHODS\n"
        "from datastill.distillation import Descent, distill\n"
        "import datastill\n"
        "assert datastill.Key is Key and datastill.Route is Route\n"
        "assert datastill.distill is distill and datastill.METHODS is METHODS\n"
        "print(tuning.__name__, datastill.kernels.__name__)\n"
    )
    line = python("-c", code, loaded="torch")
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["datastill.compute.tuning", "datastill.compute.kernels"], (
        done.stderr
    )


def test_what_never_was_is_not_found() -> None:
    assert place_of("nothing") is None
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("datastill.nothing")
