"""Every folder of a run holds the file that repeats it, bit for bit."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from conftest import blobs
from datastill import runs
from datastill.base.errors import InputError
from datastill.identity.originals import weights
from datastill.runs import Keeping, StopRequest, Talking
from datastill.runs.costs.forecast import Plan
from datastill.runs.folders.describing import add_description, descriptions, write_description
from datastill.runs.specs import (
    AssessSpec,
    ComputeSpec,
    DataSpec,
    DistillSpec,
    RelabelSpec,
    TrainSpec,
    ValidateSpec,
    recipes,
)
from datastill.runs.specs.recipes import RUN_FILE
from datastill.store import load, load_member, save
from datastill.store.succession import RUN_FILES
from test_cli import Run, run

__all__ = ["run"]

pytestmark = pytest.mark.usefixtures("sketched")

SEEN = "--dataset digits --seed 3"
MODEL = "ConvNetD1W16"
DISTILL = f"distill {SEEN} --model {MODEL} --ipc 1 --iterations 2 --batch-real 4"
TRAIN = f"train {SEEN} --model MLP --num 2 --epochs 2 --batch-train 256 --save-epochs 1"
SPEC = DistillSpec(
    data=DataSpec("digits"),
    compute=ComputeSpec(seed=3),
    model=MODEL,
    ipc=1,
    updates=3,
    batch=4,
)


def done(run: Run, line: str) -> str:
    said = run(line)
    assert said.code == 0, said.err
    return said.out


def same_sets(one: Path | str, other: Path | str) -> bool:
    a, b = load(one), load(other)
    return torch.equal(a.images, b.images) and torch.equal(a.labels, b.labels)


@pytest.mark.parametrize(
    "more",
    [
        "",
        "--method DC --outer-loop 2 --inner-loop 1 --dis-metric mse --init noise",
        "--alphas 3 --models-pool MLP --model-num 1 --select om-cross-entropy --select-every 1 "
        "--tiles 2 --dsa-strategy crop",
    ],
    ids=["DM", "DC", "guided"],
)
def test_a_set_is_made_again_by_the_file_in_its_folder(run: Run, more: str) -> None:
    done(run, TRAIN)
    done(run, f"{DISTILL} {more}")
    method = "DC" if "DC" in more else "DM"
    folder = Path("condensed/digits") / method / "IPC1"
    for number, file in enumerate((folder, folder / RUN_FILE)):
        done(run, f"run {file} --save-path again{number}")
        made = Path(f"again{number}/digits") / method / "IPC1"
        assert same_sets(made, folder)
        assert (made / RUN_FILE).read_bytes() == (folder / RUN_FILE).read_bytes()
    said = run(f"run {folder}")
    assert (said.code, "this very run" in said.err, "--overwrite" in said.err) == (2, True, True)


def test_a_set_made_by_python_is_repeated_from_its_folder(tmp_path: Path) -> None:
    runs.distill(SPEC, tmp_path / "one")
    spec, _ = runs.read((tmp_path / "one" / RUN_FILE).read_text("utf-8"))
    assert spec == SPEC
    runs.run(spec, tmp_path / "two")
    assert same_sets(tmp_path / "one", tmp_path / "two")
    assert RUN_FILE in RUN_FILES  # those that are removed where a run takes the place of another


def test_a_plan_is_repeated_as_it_was_settled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def planned(*_given: Any, **_named: Any) -> Plan:
        return Plan(2, 1, 2.0)

    monkeypatch.setattr("datastill.runs.making.preparing.planned", planned)
    runs.distill(replace(SPEC, updates=None, minutes=1), tmp_path / "one")
    spec, _ = runs.read((tmp_path / "one" / RUN_FILE).read_text("utf-8"))
    assert spec == replace(SPEC, updates=2)


def test_the_file_is_that_of_the_run_that_is_finished(tmp_path: Path) -> None:
    here, other = tmp_path / "here", replace(SPEC, compute=ComputeSpec(seed=4))
    file = here / RUN_FILE
    runs.distill(SPEC, here)
    stop = StopRequest()

    def moved(label: str, at: float, total: int, note: str) -> None:
        del label, at, total, note
        stop.request()

    given: dict[str, Any] = {"observer": Talking(moved=moved), "stop": stop}
    with pytest.raises(runs.Stopped):
        runs.distill(other, here, keeping=Keeping(overwrite=True), **given)
    assert (
        runs.read(file.read_text("utf-8"))[0] == SPEC
    )  # of what is there, until the other is finished
    runs.distill(other, here, keeping=Keeping(resume=True))
    assert runs.read(file.read_text("utf-8"))[0] == other
    runs.distill(replace(other, updates=4), here, keeping=Keeping(resume=True))
    assert runs.read(file.read_text("utf-8"))[0] == replace(other, updates=4)


def test_a_run_of_before_that_goes_on_gets_its_file(tmp_path: Path) -> None:
    here, stop = tmp_path / "here", StopRequest()

    def moved(label: str, at: float, total: int, note: str) -> None:
        del label, at, total, note
        stop.request()

    with pytest.raises(runs.Stopped):
        runs.distill(SPEC, here, observer=Talking(moved=moved), stop=stop)
    (here / RUN_FILE).unlink()
    runs.distill(SPEC, here, keeping=Keeping(resume=True))
    assert runs.read((here / RUN_FILE).read_text("utf-8"))[0] == SPEC


def test_soft_labels_are_repeated_by_the_file_in_their_folder(run: Run) -> None:
    done(run, TRAIN)
    done(run, DISTILL)
    done(run, "relabel condensed/digits/DM/IPC1 --models-pool MLP --temperature 2")
    folder = Path("condensed/digits/DM/IPC1-soft")
    done(run, f"run {folder} --out again")
    assert same_sets("again", folder)
    assert (Path("again") / RUN_FILE).read_bytes() == (folder / RUN_FILE).read_bytes()


def test_a_folder_of_several_runs_has_a_file_for_each(tmp_path: Path) -> None:
    specs = [RelabelSpec(set="a", temperature=number) for number in (1, 2, 3)]
    file = tmp_path / "validate.toml"
    for spec in (*specs, specs[1]):
        assert add_description(spec, file).parent == tmp_path
    (tmp_path / "validate-mine.toml").write_text("a person's own", "utf-8")
    assert [(path.name, spec) for path, spec in descriptions(file)] == [
        ("validate.toml", specs[0]),
        ("validate-2.toml", specs[1]),
        ("validate-3.toml", specs[2]),
    ]
    (tmp_path / "validate-2.toml").write_text('kind = "cut', "utf-8")
    assert [spec for _, spec in descriptions(file)] == [specs[0], None, specs[2]]
    assert add_description(specs[1], file).name == "validate-4.toml"  # what is there, stays


def test_what_does_not_survive_being_written_is_never_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RelabelSpec, "to_toml", lambda self: 'kind = "relabel"\nset = "b"\n')  # pyright: ignore
    with pytest.raises(RuntimeError, match="does not survive"):
        write_description(RelabelSpec(set="a"), tmp_path / RUN_FILE)
    assert not (tmp_path / RUN_FILE).exists()
    monkeypatch.undo()
    with pytest.raises(InputError, match="cannot write"):
        write_description(RelabelSpec(set="a"), tmp_path / "nowhere" / RUN_FILE)


def test_models_are_trained_again_by_the_file_in_their_folder(run: Run) -> None:
    done(run, f"{TRAIN} --model MLP {MODEL}")
    for name in ("MLP", MODEL):
        folder = Path("pretrained_model/digits/original") / name
        done(run, f"run {folder} --save-path again")
        again = Path("again/digits/original") / name
        assert same_models(folder, again) == 4  # two, after two epochs each
        assert (again / RUN_FILE).read_bytes() == (folder / RUN_FILE).read_bytes()


def same_models(one: Path, other: Path) -> int:
    a, b = (
        {path.name: load_member(path) for path in sorted(place.glob("model_*_epoch_*.safetensors"))}
        for place in (one, other)
    )
    assert set(a) == set(b)
    for name, member in a.items():
        assert weights(member.network) == weights(b[name].network)
    return len(a)


def test_added_models_are_described_too(run: Run, tmp_path: Path) -> None:
    spec = TrainSpec(data=DataSpec("digits"), models=("MLP",), num=1, epochs=1)
    other = replace(spec, compute=ComputeSpec(seed=5))
    for asked in (spec, spec, other, other, spec):
        for keeping in (Keeping(), Keeping(resume=True)):  # which finds all that it asks for
            runs.train(asked, tmp_path, keeping=keeping, add=not keeping.resume)
    folder = tmp_path / "digits" / "original" / "MLP"
    assert [(path.name, found) for path, found in descriptions(folder / RUN_FILE)] == [
        (RUN_FILE, replace(spec, num=2)),
        ("run-2.toml", replace(other, num=2)),
        ("run-3.toml", spec),
    ]
    refused = run(f"run {folder}")
    assert (refused.code, "what several runs made, one after another; name" in refused.err) == (
        2,
        True,
    )
    for number, name in enumerate((RUN_FILE, "run-2.toml", "run-3.toml")):
        more = "--add" if number else ""
        done(run, f"run {folder / name} --save-path again {more}")
    assert same_models(folder, Path("again/digits/original/MLP")) == 5
    runs.train(other, tmp_path, keeping=Keeping(overwrite=True))
    assert [found for _, found in descriptions(folder / RUN_FILE)] == [other]


def test_models_of_before_have_no_file_and_those_that_are_added_do(tmp_path: Path) -> None:
    spec = TrainSpec(data=DataSpec("digits"), models=("MLP",), num=1, epochs=1)
    folder = tmp_path / "digits" / "original" / "MLP"
    runs.train(spec, tmp_path)
    (folder / RUN_FILE).unlink()
    runs.train(spec, tmp_path, add=True)
    assert [path.name for path, _ in descriptions(folder / RUN_FILE)] == ["run-2.toml"]
    with pytest.raises(InputError, match=r"has no run\.toml"):
        recipes.find(str(folder))


def accuracies(file: Path) -> list[Any]:
    return [
        [row["accuracies"] for row in report["results"]]
        for report in json.loads(file.read_text("utf-8"))
    ]


def test_validations_and_assessments_are_repeated_by_files_beside_theirs(run: Run) -> None:
    done(run, TRAIN)
    done(run, DISTILL)
    here, again = Path("condensed/digits/DM/IPC1"), Path("again")
    quick = f"validate {here} --model MLP --epochs 1 --seed 3"
    for more in ("--num-eval 1", "--num-eval 2 --resume", "--num-eval 1 --against random"):
        done(run, f"{quick} {more}")
    for more in ("", "--draws 1", "--draws 1"):
        done(run, f"assess {here} --models-pool MLP --assessments om-cross-entropy {more}")
    for name in ("validate", "validate-2", "assess", "assess-2"):
        assert (here / f"{name}.toml").is_file()
    assert not (here / "validate-3.toml").exists()  # the longer took the place of the shorter
    assert not (here / "assess-3.toml").exists()
    for name in ("validate", "validate-2"):
        done(run, f"run {here / name}.toml --out again")
        assert (again / f"{name}.toml").read_bytes() == (here / f"{name}.toml").read_bytes()
    found = accuracies(here / "validation.json")
    assert accuracies(again / "validation.json") == [
        *found,
        *found,
    ]  # those of the copied set first
    for number in ("", "-2"):
        done(run, f"run {here / 'assess'}{number}.toml --out again")
        one, other = (
            json.loads((f / f"assessment{number}.json").read_text("utf-8")) for f in (here, again)
        )
        for row in (*one["scores"], *other["scores"]):
            del row["seconds"], row["seconds_once"]
        assert one["scores"] == other["scores"]
        assert len(one["scores"][0]["random"]) == (1 if number else 3)


def test_a_study_is_repeated_by_the_file_in_its_folder(run: Run) -> None:
    line = (
        "study --dataset digits --model MLP --num-eval 1 --epochs 1 --ipc 1 --seeds 1 "
        "--population random herding noise noise:0.5 DM:1 --models-pool MLP --model-num 1 "
        "--pool-epochs 1 --assessments om-cross-entropy --batch-real 4"
    )
    done(run, line)
    folder = Path("studies/digits")
    done(run, f"run {folder} --save-path again")
    again = Path("again/digits")
    assert (again / RUN_FILE).read_bytes() == (folder / RUN_FILE).read_bytes()
    for name in ("DM", "random"):
        (one,) = (folder / "sets").glob(f"{name}*")
        assert same_sets(one, again / "sets" / one.name)
    done(run, f"{line} --seeds 2")
    assert [path.name for path, _ in descriptions(folder / RUN_FILE)] == [RUN_FILE, "run-2.toml"]


def test_show_names_the_file_that_repeats_a_set(run: Run) -> None:
    done(run, DISTILL)
    folder = Path("condensed/digits/DM/IPC1")
    line = f"repeated by {folder / RUN_FILE}"
    said = " ".join(done(run, f"show {folder}").split())
    assert line in said
    assert "changed" not in said
    text = (folder / RUN_FILE).read_text("utf-8")
    (folder / RUN_FILE).write_text(text.replace("batch = 4", "batch = 5"), "utf-8")
    assert f"{line}, which was changed since" in " ".join(done(run, f"show {folder}").split())
    (folder / RUN_FILE).unlink()
    assert "repeated by" not in done(run, f"show {folder}")


LINES = {
    "validate": "--model MLP --epochs 1 --num-eval 1",
    "assess": "--models-pool MLP --assessments om-accuracy --draws 1",
}


@pytest.mark.parametrize("verb", LINES)
def test_what_describes_a_set_beside_it_means_that_wherever_both_were_moved(
    run: Run, verb: str
) -> None:
    done(run, TRAIN)
    done(run, DISTILL)
    old, new = Path("condensed/digits/DM/IPC1"), Path("elsewhere/mine")
    record = "validation.json" if verb == "validate" else "assessment.json"
    done(run, f"{verb} {old} {LINES[verb]}")
    assert 'set = "synthetic.safetensors"' in (old / f"{verb}.toml").read_text()
    shutil.copytree(old, new)
    before = (old / record).read_bytes()
    done(run, f"run {new / verb}.toml")
    assert (old / record).read_bytes() == before
    assert not (new / f"{verb}-2.toml").exists()  # it is the same run
    assert "elsewhere/mine" in (new / record).read_text()
    (new / "synthetic.safetensors").unlink()
    said = run(f"run {new / verb}.toml")
    assert (said.code, "no image set at elsewhere/mine/synth" in said.err) == (2, True)


@pytest.mark.parametrize("given", ["condensed/digits/DM/IPC1/synthetic.safetensors", "old/IPC1"])
def test_descriptions_of_before_mean_the_set_beside_them_too(tmp_path: Path, given: str) -> None:
    file = tmp_path / "assess-2.toml"
    file.write_text(AssessSpec(set=given).to_toml())
    assert recipes.described(file) == AssessSpec(set=given)  # there is none beside it
    save(blobs(), tmp_path / "synthetic.safetensors")
    assert recipes.described(file) == AssessSpec(set=str(tmp_path / "synthetic.safetensors"))
    assert dict(descriptions(tmp_path / "assess.toml"))[file] == recipes.described(file)


def test_a_set_is_found_from_the_file_of_a_person_that_lies_by_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    file, spec = tmp_path / "mine.toml", ValidateSpec(set="sets/a.safetensors")
    file.write_text(spec.to_toml())
    assert recipes.described(file) == spec
    save(blobs(), tmp_path / "sets/a.safetensors")
    assert recipes.described(file).set == str(tmp_path / "sets/a.safetensors")  # type: ignore[attr-defined]
    soft = RelabelSpec(set="sets/a.safetensors")  # which describes what it made, not what it is of
    file.write_text(soft.to_toml())
    assert recipes.described(file) == soft


def test_results_elsewhere_are_repeated_there(run: Run) -> None:
    done(run, DISTILL)
    line = f"validate condensed/digits/DM/IPC1 {LINES['validate']} --out mine"
    done(run, line)
    done(run, line)
    done(run, "run mine/validate.toml")
    assert not Path("mine/validate-2.toml").exists()
    assert not Path("condensed/digits/DM/IPC1/validation.json").exists()
    assert len(json.loads(Path("mine/validation.json").read_text())) == 3
