"""One strict JSON object on stdout, of the values that runs write down, and nothing else."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datastill.cli import COMMANDS, load
from datastill.cli.grammar import options_of
from datastill.runs.showing.records import in_json
from test_cli import Run, Said, run

__all__ = ["run"]
QUICK = "--dataset digits --model MLP"
SET = "condensed/digits/DM/IPC1"


def refuse(word: str) -> None:
    raise AssertionError(word)


def answer(said: Said, command: str) -> Any:
    """Return what was found, of an object that is strict JSON and all that stdout holds."""
    assert said.code == 0, said.err
    whole = json.loads(said.out, parse_constant=refuse)
    assert (whole["layout"], whole["command"]) == (1, command)
    assert "datastill" in whole["versions"]
    return whole["found"]


def within(small: Any, large: Any) -> bool:
    """Tell whether all that one value says another says too."""
    if isinstance(small, dict):
        return all(within(one, large[name]) for name, one in small.items())
    return small == large


def test_every_command_answers_programs() -> None:
    for name in COMMANDS:
        assert "json" in options_of(load(name)) or name == "completion"


def test_values_are_those_of_files(run: Run, tmp_path: Path) -> None:
    pool = answer(run(f"train {QUICK} --num 1 --epochs 1 --json"), "train")
    (model,) = json.loads(Path("pretrained_model/digits/original/MLP/manifest.json").read_text())
    assert within(model["held_out_accuracy"], pool["models"][0]["held_out_accuracy"])
    said = run(f"distill {QUICK} --ipc 1 --iterations 1 --batch-real 4 --json")
    made = answer(said, "distill")
    assert (made["folder"], made["images"]) == (SET, 10)
    assert "preview.png" in said.err  # what a person is told goes elsewhere
    found = answer(run(f"validate {SET} --model MLP --epochs 2 --num-eval 2 --json"), "validate")
    kept = json.loads(Path(SET, "validation.json").read_text())[0]
    assert found["results"] == kept["results"]
    line = f"compare {SET} --model MLP --epochs 2 --num-eval 2 --real-epochs 0 --json"
    found = answer(run(line), "compare")
    assert within(json.loads(Path(found["file"]).read_text()), found)
    line = f"assess {SET} --models-pool MLP --assessments om-accuracy nearest-psnr --json"
    found = answer(run(line), "assess")
    assert within(json.loads(Path(SET, "assessment.json").read_text()), found)
    found = answer(run(f"select {SET} --by nearest-psnr --json"), "select")
    assert found["sets"][0]["set"] == SET
    assert isinstance(found["sets"][0]["value"], float)
    found = answer(run(f"relabel {SET} --models-pool MLP --json"), "relabel")
    assert found["folder"] == f"{SET}-soft"
    (item, *_) = answer(run("list condensed --json"), "list")["items"]
    assert (item["path"], item["kind"]) == (SET, "set")
    assert answer(run("clean condensed --json"), "clean") == {"left": [], "deleted": None}
    found = answer(run(f"show {SET} --json"), "show")
    assert found[SET]["dataset"] == "digits"


def test_recipes_are_listed_for_programs(run: Run) -> None:
    names = [row[0] for row in answer(run("recipes list --json"), "recipes")]
    assert "FashionMNIST-DM-10-clom" in names
    assert "updates" in answer(run("recipes show FashionMNIST-DM-10-clom --json"), "recipes")
    assert "DM" in answer(run("list methods --json"), "list")["names"]["methods"]


def test_several_runs_are_a_list(run: Run) -> None:
    line = f"all {QUICK} --ipc 1 --iterations 1 --epochs 1 --num-eval 1 --json"
    assert [one["kind"] for one in answer(run(line), "all")] == ["distill", "validate"]


def test_errors_stay_one_line_on_stderr(run: Run) -> None:
    said = run("validate nowhere --json")
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("datastill: ")


@dataclass(frozen=True)
class Odd:
    value: float = math.nan
    others: tuple[float, ...] = (math.inf, 1 / 3)
    path: Path = Path("a b")


def test_what_is_not_finite_is_null_and_all_digits_are_there() -> None:
    found = json.loads(in_json("x", Odd()), parse_constant=refuse)["found"]
    assert found == {"value": None, "others": [None, 1 / 3], "path": "a b"}
