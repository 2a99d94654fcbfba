"""The whole job on one dataset, as descriptions of runs."""

from dataclasses import replace
from pathlib import Path

import pytest

from datastill.base.errors import InputError
from datastill.runs.specs import (
    ClomSpec,
    ComputeSpec,
    DataSpec,
    DistillSpec,
    PoolSpec,
    TrainSpec,
    ValidateSpec,
    read,
)
from datastill.runs.whole import require_possible, whole
from pictures import write_pictures
from test_cli import Run, run

__all__ = ["run"]
SPEC = DistillSpec(
    data=DataSpec("digits", size=16),
    compute=ComputeSpec(seed=3),
    method="dc",
    model="MLP",
    ipc="0=2,rest=1",
    pool=PoolSpec(architectures=("MLP",), num=2),
    clom=ClomSpec(alphas=(1.0,)),
)


def test_the_job_is_its_runs_in_the_order_of_the_work() -> None:
    plan = whole(SPEC, "out", original_epochs=4, epochs=5, trials=6, against=["herding"])
    assert plan.steps == (
        TrainSpec(data=SPEC.data, compute=SPEC.compute, models=("MLP",), num=2, epochs=4),
        SPEC,
        ValidateSpec(
            set=str(Path("out") / "digits-16" / "DC" / "IPC0-2-rest-1"),
            data=DataSpec("digits"),
            compute=SPEC.compute,
            models=("MLP",),
            trials=6,
            epochs=5,
            against=("herding",),
        ),
    )
    assert [read(step.to_toml())[0] for step in plan.steps] == list(plan.steps)
    assert whole(replace(SPEC, clom=None)).train is None


def test_what_would_be_found_out_late_is_told_at_once(tmp_path: Path) -> None:
    require_possible(whole(SPEC))
    with pytest.raises(InputError, match="fewer than"):
        require_possible(whole(replace(SPEC, method="DM", ipc=500)))
    with pytest.raises(InputError, match=r"`pool.num` says how many"):
        whole(replace(SPEC, pool=PoolSpec()))
    write_pictures(tmp_path, {"cat": 1, "dog": 1})
    alone = replace(SPEC, data=DataSpec(str(tmp_path)), ipc=1, clom=None)
    with pytest.raises(InputError, match="has no test images"):
        require_possible(whole(alone))


@pytest.mark.parametrize("option", ["num", "original-epochs", "epochs", "num-eval", "iterations"])
def test_a_number_that_makes_no_sense_is_told_by_its_option(run: Run, option: str) -> None:
    said = run(f"all --dataset digits --alphas 1 --{option} 0")
    assert (said.code, said.out) == (2, "")
    assert said.err == f"datastill: --{option} must be above zero, found 0\n"
