"""Pieces of runs carried out by a real Ray of two workers: the same bits."""

import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from datastill import runs
from datastill.base.errors import InputError
from datastill.runs.executors.named import executor_named
from datastill.runs.executors.on_ray import OnRay
from test_cli import files
from test_units import STUDY, TRAIN, VALIDATE, ranks, same_models, timeless
from test_workers import OWN, home, of

__all__ = ["home"]

pytestmark = [
    pytest.mark.ray,
    pytest.mark.slow,
    pytest.mark.filterwarnings("default"),  # Ray is free to warn of its own plans
]


@pytest.fixture(scope="module")
def ray() -> Iterator[OnRay]:
    pytest.importorskip("ray")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with OnRay(jobs=2) as found:
            yield found


def test_pool_validation_and_study_are_those_of_one_process(ray: OnRay, home: Path) -> None:
    pool = runs.train(TRAIN, "whole")
    assert same_models(runs.train(TRAIN, "apart", executor=ray).pool, pool.pool)
    assert files(Path("apart")) == files(Path("whole"))
    whole, found = runs.validate(VALIDATE, "a"), runs.validate(VALIDATE, "b", executor=ray)
    assert timeless(found.report) == timeless(whole.report)
    one, other = runs.study(STUDY, "c"), runs.study(STUDY, "d", executor=ray)
    assert ranks(one) == ranks(other)


@pytest.mark.parametrize("name", ["flaky", "killed"])
def test_what_is_lost_is_done_again_and_own_code_is_found(name: str, ray: OnRay) -> None:
    Path("own_workers.py").write_text(OWN.replace("parent_process() is None", "not in_ray()") + IN)
    found = runs.train(of(name), "apart", executor=ray)
    assert Path(f"{name}.was").exists()
    assert same_models(found.pool, runs.train(of(name), "whole").pool)


IN = """
def in_ray():
    import sys
    ray = sys.modules.get("ray")
    return ray is not None and ray.is_initialized() and ray.get_runtime_context().get_task_id()
"""


def test_what_cannot_be_joined_is_told_in_one_line() -> None:
    for wrong in ("rey", "ray:", ""):
        with pytest.raises(InputError, match="`on` must be ray or ray:ADDRESS"):
            executor_named(2, wrong)
