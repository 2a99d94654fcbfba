"""Same seeds, same bits: what was computed before is computed today, on one machine bit for bit.

``golden/make.py`` made the files that this compares with; where processor, capability, PyTorch and
its like are those that are recorded there, every bit has to be the same. Elsewhere sums are added
in another order: then values have to be as near as ``NEAR`` says, but for those that another
version of PyTorch draws otherwise, see ``SEEDED``.
"""

import json
import math
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from copies import python
from unpainted import PROGRAM

GOLDEN = Path(__file__).parent / "golden"
PLAIN = "plain"
ENGINES = (PLAIN, "avx512", "avx2", "neon")
IMAGE = 1 / 450
"""What one of the test images is in an accuracy."""
NEAR = {
    "tensor": (2e-3, 2e-3),
    "accuracy": (0.0, 1.5 * IMAGE),
    "score": (1e-3, 1e-5),
    "share": (0.0, 0.11),
    "ranking": (0.0, 0.02),
    "agreement": (0.0, 0.35),
}
"""How far values may be from the recorded ones on another machine, by what they are: a share of
what was recorded, and a number. Scores that count images go by one of the ten in a set."""
SHARES = re.compile(
    r"accuracy|agreement|coverage|density|precision|recall|kernel-ridge|linear-probe|class-mean"
)

SEEDED = "picked.k-means."
"""Begins the names of what hangs on a whole number that is drawn below 2**31: where the bound is
2**28 or more, PyTorch 2.6 draws others than 2.13, and clusters begin elsewhere."""

UNPAINTED = PROGRAM + "sys.argv[:] = sys.argv[1:]\nrunpy.run_path(sys.argv[0], run_name='__main__')"

Made = tuple[dict[str, torch.Tensor], dict[str, Any], dict[str, str]]


def read(folder: Path) -> Made:
    texts = [(folder / f"{name}.json").read_text() for name in ("values", "machine")]
    numbers, machine = map(json.loads, texts)
    return load_file(folder / "values.safetensors"), numbers, machine


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Make the files anew, on one thread, and so in a process of its own."""
    folder = tmp_path_factory.mktemp("golden")
    words = python("-c", UNPAINTED, str(GOLDEN / "make.py"), str(folder))
    path = os.pathsep.join([str(GOLDEN.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    alone = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONPATH": path}
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=alone)
    assert done.returncode == 0, done.stderr
    return read(folder)


def kind_of(name: str) -> str:
    first = name.partition(".")[0]
    kind = first if first in NEAR else "accuracy"
    return "share" if kind == "score" and SHARES.search(name) else kind


def flat(value: Any) -> list[float]:
    return [math.nan if one is None else float(one) for one in value]


def compared(made: Made) -> Iterator[tuple[str, str, torch.Tensor, torch.Tensor]]:
    """Yield name, kind, and what was recorded and made of everything.

    An engine that was not recorded is compared with PyTorch's layers.
    """
    tensors, numbers, _ = read(GOLDEN)
    for name, now in made[0].items():
        then = tensors.get(name)
        yield name, "tensor", tensors[stand_in(name)] if then is None else then, now
    for name, now in made[1].items():
        then = numbers.get(name, numbers.get(stand_in(name)))
        values = (torch.tensor(flat(one), dtype=torch.float64) for one in (then, now))
        yield name, kind_of(name), *values


def pytorch(machine: dict[str, str]) -> str:
    """Return the version of PyTorch, whatever it was built for."""
    return machine["torch"].partition("+")[0]


def stand_in(name: str) -> str:
    engine, _, rest = name.partition(".")
    return f"{PLAIN}.{rest}" if engine in ENGINES else name


def near(kind: str, then: torch.Tensor) -> torch.Tensor:
    share, least = NEAR[kind]
    return least + share * then.nan_to_num().abs()


def far(kind: str, then: torch.Tensor, now: torch.Tensor) -> bool:
    if then.shape != now.shape or not torch.equal(then.isnan(), now.isnan()):
        return True
    return bool(((then - now).nan_to_num().abs() > near(kind, then)).any())


def same_bits(then: torch.Tensor, now: torch.Tensor) -> bool:
    as_bytes = (one.contiguous().view(torch.uint8) for one in (then, now))
    return then.dtype == now.dtype and then.shape == now.shape and torch.equal(*as_bytes)


@pytest.mark.slow
def test_everything_that_was_recorded_is_made(made: Made) -> None:
    tensors, numbers, _ = read(GOLDEN)
    here = {name.partition(".")[0] for name in made[0]}
    lacking = set(ENGINES) - here  # sets of instructions that this machine has not
    assert PLAIN in here
    for recorded, found in ((tensors, made[0]), (numbers, made[1])):
        wanted = {name for name in recorded if name.partition(".")[0] not in lacking}
        assert wanted <= set(found)
        assert {stand_in(name) for name in found} <= set(recorded)


def test_values_are_what_they_were(made: Made) -> None:
    recorded = read(GOLDEN)[2]
    differ = {name for name, kind, then, now in compared(made) if far(kind, then, now)}
    if pytorch(made[2]) != pytorch(recorded):
        differ = {name for name in differ if not name.startswith(SEEDED)}
    assert not differ, f"made here {made[2]}, recorded {recorded}"
    if made[2] == recorded:
        changed = [name for name, _, then, now in compared(made) if not same_bits(then, now)]
        assert not changed


def test_a_run_that_was_cut_ends_as_one_in_peace(made: Made) -> None:
    names = [name for name in made[0] if name.startswith("cut.")]
    assert len(names) == 3
    for name in names:
        assert same_bits(made[0][name], made[0][name.replace("cut.", "whole.")])


def test_ways_of_computing_agree(made: Made) -> None:
    """Kernels with PyTorch's layers, and networks trained at once with one after another."""
    for name, now in made[0].items():
        assert not far("tensor", made[0][stand_in(name)], now), name
    for name, now in made[1].items():
        plain = made[1][stand_in(name)]
        assert name == stand_in(name) or not far("accuracy", *tensors_of(plain, now)), name
    assert not far("accuracy", *tensors_of(made[1]["together.1"], made[1]["together.3"]))


def tensors_of(*values: list[float]) -> Iterator[torch.Tensor]:
    return (torch.tensor(one, dtype=torch.float64) for one in values)


def test_what_changes_is_seen(made: Made) -> None:
    """Of every value: a change of one bit, and one that another machine does not explain."""
    for name, kind, then, _ in compared(made):
        flipped, moved = then.clone(), then.clone()
        flipped.view(torch.uint8).view(-1)[0] ^= 1
        moved += 2 * near(kind, then)
        assert not same_bits(then, flipped), name
        assert far(kind, then, moved), name
