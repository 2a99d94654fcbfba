"""Records that cannot be read, or say something else than what they belong to: it is told."""

import json
from pathlib import Path

import pytest

from datastill.store import load
from test_cli import Run, run

__all__ = ["run"]
SET = Path("condensed/digits/DM/IPC1")
DISTILL = "distill --dataset digits --model MLP --ipc 1 --iterations 1 --batch-real 4"
TRAIN = "train --dataset digits --model MLP --num 1 --epochs 1"
VALIDATE = f"validate {SET} --model MLP --epochs 1 --num-eval 1"
ASSESS = f"assess {SET} --models-pool MLP --assessments om-accuracy --draws 1"


@pytest.mark.parametrize("more", ["", "--resume", "--seed 1"])
@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("[{", "validation.json is damaged: Expecting"),
        ("[]", "validation.json says other than the set itself; it is written anew"),
    ],
)
def test_validations_are_written_anew_from_the_set(
    run: Run, content: str, complaint: str, more: str
) -> None:
    assert run(DISTILL).code == run(VALIDATE).code == 0
    record = SET / "validation.json"
    record.write_text(content)
    said = run(f"{VALIDATE} {more}")
    assert said.code == 0
    assert complaint in " ".join(said.out.split())
    assert sum("written anew" in line for line in said.out.splitlines()) == 1
    assert json.loads(record.read_text()) == load(SET).facts["validated"]
    again = run(f"{VALIDATE} {more}")
    assert (again.code, "written anew" in again.out) == (0, False)


def test_an_assessment_tells_of_the_damaged_one_whose_place_it_takes(run: Run) -> None:
    assert run(TRAIN).code == run(DISTILL).code == run(ASSESS).code == 0
    (SET / "assessment.json").write_text("{")
    said = run(ASSESS)
    assert said.code == 0
    assert "assessment.json is damaged: Expecting" in said.out
    assert json.loads((SET / "assessment.json").read_text())["scores"]
    assert "damaged" not in run(ASSESS).out


def test_descriptions_that_describe_nothing_stay_and_are_told(run: Run) -> None:
    assert run(TRAIN).code == run(DISTILL).code == run(ASSESS).code == 0
    (SET / "assess.toml").write_text("kind = ")
    said = run(ASSESS)
    assert "assess.toml is damaged: it describes no run, and stays as it is" in said.out
    assert (SET / "assess.toml").read_text() == "kind = "
    assert (SET / "assess-2.toml").exists()
    pool = Path("pretrained_model/digits/original/MLP")
    for name in ("run.toml", "run-2.toml"):
        (pool / name).write_text("kind = ")
    assert run(f"{TRAIN} --add").code == 0
    assert [(pool / name).read_text() for name in ("run.toml", "run-2.toml")] == ["kind = "] * 2
    assert (pool / "run-3.toml").exists()


def test_a_comparison_does_not_take_a_folder_whose_description_is_damaged(run: Run) -> None:
    assert run(DISTILL).code == 0
    Path("mine").mkdir()
    Path("mine/run.toml").write_text("kind = ")
    said = run(f"compare {SET} --model MLP --epochs 1 --num-eval 1 --real-epochs 0 --out mine")
    assert said.code == 2
    assert "delete it, or take another --out" in said.err
