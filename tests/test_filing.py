"""No two runs fight for one folder: one that differs gets a folder beside the usual one."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings

from datastill import runs
from datastill.base.errors import InputError
from datastill.runs import Keeping, StopRequest, Talking
from datastill.runs.conduct.differences import first
from datastill.runs.folders.describing import write_description
from datastill.runs.folders.filing import address, beside, filed, found, others
from datastill.runs.specs import ComputeSpec, DataSpec, DistillSpec, PoolSpec, RelabelSpec
from datastill.runs.specs.recipes import RUN_FILE
from datastill.store import load
from test_cli import Run, files, run
from test_specs import ANY

__all__ = ["run"]

pytestmark = pytest.mark.usefixtures("sketched")

LINE = "distill --dataset digits --model ConvNetD1W16 --ipc 1 --iterations 3 --batch-real 4"
USUAL = Path("condensed/digits/DM/IPC1")
SPEC = DistillSpec(
    data=DataSpec("digits"), model="ConvNetD1W16", ipc=1, updates=3, batch=4, pool=PoolSpec()
)


def done(run: Run, line: str) -> str:
    said = run(line)
    assert said.code == 0, said.err
    return " ".join(said.out.split())


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in files(folder)}


def test_what_keeps_a_run_from_going_on_is_told_and_not_its_updates(run: Run) -> None:
    done(run, LINE)
    said = done(run, f"{LINE.replace('iterations 3', 'iterations 4')} --tiles 2 --resume")
    assert "holds another run, which was begun without --tiles 2" in said


def test_a_run_that_differs_gets_a_folder_beside_the_usual_one(run: Run) -> None:
    done(run, LINE)
    before = contents(USUAL)
    said = done(run, f"{LINE} --seed 1")
    (own,) = others(USUAL)
    assert f"{USUAL} holds another run, which was begun with --seed 0, not 1" in said
    assert f"this one is in {own}" in said
    assert own.name == f"IPC1@{address(replace(SPEC, compute=ComputeSpec(seed=1)))[:8]}"
    assert contents(USUAL) == before
    assert not torch.equal(load(own).images, load(USUAL).images)
    for line in (LINE, f"{LINE} --seed 1", f"{LINE} --seed 1 --method dm"):
        again = run(line)
        assert (again.code, "holds another" in again.err) == (2, False)
        assert f"this very run is in {USUAL}" in again.err
        assert "finished; pass --resume with more --iterations to go on" in again.err
        assert "is finished" in done(run, f"{line} --resume")
    done(run, f"{LINE} --seed 2 --resume")
    assert len(others(USUAL)) == 2
    repeated = done(run, f"run {own} --save-path again")
    assert "holds another" not in repeated
    assert torch.equal(load(own).images, load("again/digits/DM/IPC1").images)


def test_what_looks_for_the_set_finds_the_first_and_names_the_others(run: Run) -> None:
    done(run, LINE)
    done(run, f"{LINE} --seed 1")
    (own,) = others(USUAL)
    which = "--dataset digits --ipc 1"
    for line in (f"show {which}", f"validate {which} --model MLP --num-eval 1 --epochs 1"):
        assert f"this is {USUAL}; beside it there is {own}, to be named by path" in done(run, line)
    assert "beside it" not in done(run, f"show {own}")
    for path in sorted(USUAL.iterdir()):
        path.unlink()
    USUAL.rmdir()
    assert str(own) in done(run, f"show {which}")
    ranked = run(f"select --by class-mean-accuracy {own} {own}")
    assert "no image set" not in ranked.err


def test_the_same_run_asked_for_twice_is_told_apart_from_another(run: Run) -> None:
    done(run, "train --dataset digits --model MLP --num 1 --epochs 1")
    done(run, LINE)
    compared = (
        "compare --dataset digits --ipc 1 --against random --model MLP --epochs 1 --real-epochs 0 "
        "--num-eval 1"
    )
    soft = f"relabel {USUAL} --models-pool MLP"
    whole = "all --dataset digits --model MLP --ipc 1 --iterations 1 --epochs 1 --num-eval 1"
    whole += " --save-path whole"
    for line, place, passed in (
        (LINE, USUAL, "--resume with more --iterations to go on with it, or --overwrite"),
        (compared, "comparison/digits-IPC1-dsa", "--resume to be told again, or --overwrite"),
        (soft, "condensed/digits/DM/IPC1-soft", "--overwrite to start over"),
        (whole, "whole/digits/DM/IPC1", "--resume to go on after it, or --overwrite"),
    ):
        if line != LINE:
            done(run, line)
        before = contents(Path(place))
        said = run(line)
        told = " ".join(said.err.split())
        assert (said.code, said.err.count("\n")) == (2, 1)
        assert told.startswith(f"datastill: this very run is in {place}, finished; pass {passed}")
        assert contents(Path(place)) == before
        done(run, f"{line} --overwrite")
    for line in (LINE, compared, whole):
        done(run, f"{line} --resume")
    longer = LINE.replace("--iterations 3", "--iterations 4")
    assert "going on after update 3" in done(run, f"{longer} --resume")


def test_a_run_that_was_cut_off_is_told_so_when_it_is_asked_for_again(tmp_path: Path) -> None:
    stopped(SPEC, tmp_path / "IPC1")
    with pytest.raises(
        InputError, match=r"this very run is in .*, not finished; pass `resume=True"
    ):
        runs.distill(SPEC, tmp_path / "IPC1")
    runs.distill(SPEC, tmp_path / "IPC1", keeping=Keeping(resume=True))
    stopped(SPEC, tmp_path / "IPC1", overwrite=True)  # and the finished one is still there
    with pytest.raises(InputError, match="not finished; pass `resume=True"):
        runs.distill(SPEC, tmp_path / "IPC1")


def stopped(spec: DistillSpec, folder: Path, **keeping: Any) -> None:
    stop = StopRequest()

    def moved(label: str, at: float, total: int, note: str) -> None:
        del label, at, total, note
        stop.request()

    given: dict[str, Any] = {"observer": Talking(moved=moved), "stop": stop}
    with pytest.raises(runs.Stopped):
        runs.distill(spec, folder, keeping=Keeping(**keeping), **given)


def where(spec: Any, usual: Path, **keeping: Any) -> str:
    """Return the name of the folder that a run gets."""
    return filed(spec, usual, Keeping(**keeping), runs.SILENT).name


def test_a_run_finds_its_folder_whatever_became_of_it(tmp_path: Path) -> None:
    usual, other = tmp_path / "IPC1", replace(SPEC, batch=5)
    own = beside(usual, other).name
    assert where(SPEC, usual) == where(other, usual) == "IPC1"  # it is free
    stopped(SPEC, usual)
    for resume in (False, True):
        assert where(SPEC, usual, resume=resume) == "IPC1"
        assert where(other, usual, resume=resume) == own
    assert where(other, usual, overwrite=True) == "IPC1"
    runs.distill(SPEC, usual, keeping=Keeping(resume=True))
    stopped(other, usual, overwrite=True)  # it is to take the place of that
    assert where(other, usual, resume=True) == where(SPEC, usual, resume=True) == "IPC1"
    more = replace(SPEC, updates=4)
    assert where(more, usual, resume=True) == "IPC1"  # it goes on with what is there
    assert where(more, usual) == beside(usual, more).name
    fewer = replace(SPEC, updates=2)
    assert where(fewer, usual, resume=True) == beside(usual, fewer).name
    (usual / RUN_FILE).write_text("kind = [", "utf-8")
    assert where(SPEC, usual) == "IPC1"  # what is written in the settings counts too


def test_a_folder_of_before_is_what_it_was(tmp_path: Path) -> None:
    runs.distill(SPEC, tmp_path)
    (tmp_path / RUN_FILE).unlink()
    (tmp_path / "settings.json").write_text("{}", "utf-8")
    other = replace(SPEC, batch=5)
    assert filed(other, tmp_path, Keeping(), runs.SILENT) == tmp_path
    with pytest.raises(InputError, match="holds another run"):
        runs.distill(other, tmp_path)
    with pytest.raises(InputError, match="was begun with `batch=4`, not 5"):
        runs.distill(other, tmp_path, keeping=Keeping(resume=True))


def test_an_explicit_folder_that_holds_another_run_is_refused(tmp_path: Path) -> None:
    runs.distill(SPEC, tmp_path)
    before = contents(tmp_path)
    with pytest.raises(InputError, match=r"holds another run \(synthetic.safetensors\)"):
        runs.distill(replace(SPEC, batch=5), tmp_path)
    assert contents(tmp_path) == before


def test_what_was_planned_is_found_by_what_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datastill.runs.costs.forecast import Plan

    def planned(*_given: Any, **_named: Any) -> Plan:
        return Plan(2, 1, 2.0)

    monkeypatch.setattr("datastill.runs.making.preparing.planned", planned)
    spec = replace(SPEC, updates=None, minutes=1)
    runs.distill(spec, tmp_path / "IPC1")
    for same in (spec, replace(SPEC, updates=2)):  # as it was asked for, and as it is repeated
        assert where(same, tmp_path / "IPC1") == "IPC1"


def test_soft_labels_and_comparisons_are_filed_likewise(run: Run) -> None:
    done(run, "train --dataset digits --model MLP --num 1 --epochs 1")
    done(run, LINE)
    line = f"relabel {USUAL} --models-pool MLP --temperature"
    assert "holds another run, which was begun with --temperature 1.0, not 2.0" not in done(
        run, f"{line} 1"
    )
    assert "holds another run, which was begun with --temperature 1.0, not 2.0" in done(
        run, f"{line} 2"
    )
    assert len(others(Path("condensed/digits/DM/IPC1-soft"))) == 1
    line = (
        "compare --dataset digits --ipc 1 --against random --model MLP --epochs 1 --real-epochs 0 "
        "--num-eval"
    )
    done(run, f"{line} 1")
    assert "which was begun with --num-eval 1, not 2" in done(run, f"{line} 2")
    assert len(others(Path("comparison/digits-IPC1-dsa"))) == 1
    refused = run(f"{line} 2 --out comparison/digits-IPC1-dsa")
    assert (refused.code, "holds another run" in refused.err) == (2, True)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(one=ANY, other=ANY)
def test_any_two_runs_share_a_folder_only_if_they_are_the_same(
    tmp_path: Path, one: Any, other: Any
) -> None:
    usual = tmp_path / "usual"
    usual.mkdir(exist_ok=True)
    (usual / RUN_FILE).unlink(missing_ok=True)
    assert filed(other, usual, Keeping(), runs.SILENT) == usual
    write_description(one, usual / RUN_FILE)
    assert filed(one, usual, Keeping(resume=True), runs.SILENT) == usual
    said: list[str] = []
    place = filed(other, usual, Keeping(), Talking(tell=said.append))
    assert (place == usual) == (address(one) == address(other))
    assert len(said) == (place != usual)
    same = first(one.table(places=False), other.table(places=False)) is None
    assert same or type(one) is not type(other) or address(one) != address(other)


def test_the_first_of_several_sets_is_the_usual_one(tmp_path: Path) -> None:
    usual = tmp_path / "[a]"
    for name in ("[a]@00000002", "[a]@00000001", "[a]@x", "a@00000003"):
        runs_folder = tmp_path / name
        runs_folder.mkdir()
        (runs_folder / "synthetic.safetensors").touch()
    said: list[str] = []
    assert found(usual, Talking(tell=said.append)).name == "[a]@00000001"
    usual.mkdir()
    assert found(usual, Talking(tell=said.append)) == usual
    assert [line.count("[a]@") for line in said] == [2, 2]
    assert beside(usual, RelabelSpec(set="a")).name[:4] == "[a]@"
