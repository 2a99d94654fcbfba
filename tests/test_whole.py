"""The whole job on one dataset, as descriptions of runs."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from datastill import load
from datastill.base.errors import InputError
from datastill.exchange import import_set
from datastill.runs.compound.whole import require_possible, whole
from datastill.runs.inputs.series import rests
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
from datastill.store import checkpoint_file, member_path
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


JOB = "all --dataset digits --ipc 1 --model MLP --epochs 1 --num-eval 1"


def test_models_that_are_there_are_told_by_options_that_there_are(run: Run) -> None:
    assert run("train --dataset digits --model MLP --num 1 --epochs 1").code == 0
    said = run(f"{JOB} --method NCFM --num 1 --original-epochs 1 --iterations 1")
    assert said.code == 2
    assert "MLP holds 1 original model; --overwrite replaces them, 'datastill train" in said.err


@pytest.mark.parametrize("method", ["CIM", "MTT", "TESLA"])
def test_a_method_that_looks_at_original_models_gets_its_own_where_none_are(
    run: Run, method: str
) -> None:
    job = f"{JOB} --method {method} --original-epochs 3 --iterations 1"
    models = Path("pretrained_model/digits/original/MLP")
    assert run(job).code == 0
    made = {file.name: file.read_bytes() for file in models.glob("model_*_epoch_*")}
    number = 1 if method == "CIM" else 3
    epochs = (3,) if method == "CIM" else (1, 2, 3)
    assert sorted(made) == [
        f"model_{n:03}_epoch_{e:03}.safetensors" for n in range(number) for e in epochs
    ]
    said = run(f"{job} --overwrite")
    assert said.code == 0
    assert f"the original models in {models} serve" in said.out
    assert {file.name: file.read_bytes() for file in models.glob("model_*_epoch_*")} == made


def test_original_models_that_were_cut_off_are_not_served(run: Run, tmp_path: Path) -> None:
    plan = whole(replace(SPEC, method="CIM", clom=None), "out", original_epochs=2)
    assert plan.lent
    assert plan.distill.pool.num is None
    assert plan.train is not None
    assert (plan.train.num, plan.train.models) == (2, ("MLP",))
    folder = tmp_path / "pool"
    assert not rests(folder)
    member_path(folder, 0, 2).parent.mkdir()
    member_path(folder, 0, 2).touch()
    assert rests(folder)
    checkpoint_file(folder, "train").path.touch()
    assert not rests(folder)


def images_in(export: Path) -> torch.Tensor:
    found, _ = import_set(export)
    assert found.facts["imported"]["format"] == ("npz" if export.is_file() else "folder")
    return found.domain.pixels(found.images)


@pytest.mark.parametrize("to", ["npz", "folder"])
def test_an_export_is_written_again_when_the_set_has_changed(run: Run, to: str) -> None:
    place = Path("condensed/digits/DM/IPC1")
    export = place / ("export" if to == "folder" else f"export.{to}")
    assert run(f"{JOB} --iterations 2 --export {to}").code == 0
    before, note = images_in(export), export / "note.txt"
    if to == "folder":
        note.write_text("a person's own")
    said = run(f"{JOB} --iterations 4 --resume --export {to}")
    assert said.code == 0
    assert "was of the set as it was before" in said.out
    made, after = load(place), images_in(export)
    assert made.facts["step"] == 4
    wanted = made.domain.pixels(made.images)
    if to == "npz":
        assert torch.equal(after, wanted)
    else:
        assert torch.allclose(after, wanted.clamp(0, 1), atol=0.51 / 255)
    assert not torch.equal(before, after)
    if to == "folder":
        assert (place / "export-1/note.txt").read_text() == "a person's own"
        assert torch.equal(images_in(place / "export-1"), before)

    stamp = export.stat().st_mtime_ns
    said = run(f"{JOB} --iterations 4 --resume --export {to}")
    assert said.code == 0
    assert "as it was before" not in said.out
    assert export.stat().st_mtime_ns == stamp


@pytest.mark.parametrize("mine", ["mine", "npz"])
def test_what_is_no_export_of_ours_is_never_replaced(run: Run, mine: str) -> None:
    assert run(f"{JOB} --iterations 2").code == 0
    export = Path("condensed/digits/DM/IPC1/export.npz")
    if mine == "npz":
        np.savez(export, images=np.zeros((2, 1, 8, 8)), labels=np.arange(2))
    else:
        export.write_text(mine)
    content = export.read_bytes()
    said = run(f"{JOB} --iterations 4 --resume --export npz")
    assert said.code == 2
    assert "export.npz is there, and is no export of datastill's own" in said.err
    assert export.read_bytes() == content
    assert load(export.parent).facts["step"] == 2
