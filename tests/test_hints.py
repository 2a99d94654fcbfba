"""What a person is told to type works as it is printed, and mistakes are told at once."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

from datastill import load, runs
from datastill.base.errors import InputError
from datastill.cli import main
from datastill.runs.conduct.observer import SILENT
from datastill.runs.folders import filing
from datastill.runs.specs import CompareSpec
from test_cli import Run, run

__all__ = ["run"]
QUICK = "--dataset digits --model MLP"


def command_in(text: str, verb: str) -> list[str]:
    """Return the words of the command of that name that a text tells to type."""
    (line,) = re.findall(rf"^  (datastill {verb} .*)$", text, re.M)
    return shlex.split(line)[1:]


def test_a_recipe_in_a_folder_with_a_blank_can_be_run_as_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my files").mkdir()
    main(["recipes", "copy", "FashionMNIST-DM-10-clom", "my files/mine.toml"])
    words = command_in(capsys.readouterr().out, "run")
    assert words == ["run", "my files/mine.toml"]
    file = Path("my files/mine.toml")
    file.write_text(
        'kind = "distill"\nmodel = "MLP"\nupdates = 1\nipc = 1\n[data]\nname = "digits"'
    )
    main(["recipes", "check", "my files/mine.toml"])
    assert command_in(capsys.readouterr().out, "run") == ["run", "my files/mine.toml"]


def test_words_below_the_command_line_name_no_options() -> None:
    usual = {"method": "DM", "ipc": 10, "save_path": Path("condensed")}
    with pytest.raises(InputError, match="`save_path` finds a set that no path names") as found:
        filing.named_or_found("x", None, {**usual, "save_path": Path("y")}, usual, SILENT)
    assert "--" not in str(found.value)


def test_a_number_of_images_that_makes_no_sense_is_told_before_anything_is_read(run: Run) -> None:
    with pytest.raises(InputError, match="`ipc`"):
        CompareSpec(sets=("nowhere",), ipc="many")
    said = run("compare nowhere --ipc many")
    assert said.code == 2
    assert "--ipc" in said.err
    assert "nowhere" not in said.err


def test_soft_labels_that_were_killed_are_made_again_without_a_word(
    run: Run, tmp_path: Path
) -> None:
    assert run(f"train {QUICK} --num 1 --epochs 1").code == 0
    assert run(f"distill {QUICK} --ipc 1 --iterations 1 --batch-real 4").code == 0
    line = "relabel condensed/digits/DM/IPC1 --models-pool MLP --temperature 2"
    assert run(line).code == 0
    made = tmp_path / "condensed/digits/DM/IPC1-soft/synthetic.safetensors"
    before = load(made)
    made.unlink()  # the last that is written
    again = run(line)
    assert (again.code, again.err) == (0, "")
    assert load(made).labels.equal(before.labels)


def test_imported_sets_that_were_killed_are_made_again_without_a_word(
    run: Run, tmp_path: Path
) -> None:
    assert run(f"distill {QUICK} --ipc 1 --iterations 1 --batch-real 4").code == 0
    assert run("export condensed/digits/DM/IPC1 --to npz --out a.npz").code == 0
    assert run("import a.npz").code == 0
    (tmp_path / "imported/a/synthetic.safetensors").unlink()
    assert run("import a.npz").code == 0
    (tmp_path / "imported/a/synthetic.safetensors").unlink()
    (tmp_path / "imported/a/distill.checkpoint").touch()  # of what can be gone on with
    shutil.copy("imported/a/settings.json", "kept.json")
    (tmp_path / "imported/a/settings.json").write_text('{"run": {}}')
    assert "pass --overwrite" in run("import a.npz").err


def test_advice_over_models_that_were_cut_off_is_what_helps(run: Run) -> None:
    stop = runs.StopRequest()

    def watch(_: str, step: float, *__: object) -> None:
        if step == 2:
            stop.request()

    spec = runs.TrainSpec(
        data=runs.DataSpec("digits"), models=("MLP",), num=1, epochs=3, save_epochs=(1, 2)
    )
    with pytest.raises(runs.Stopped):
        runs.train(spec, "pretrained_model", observer=runs.Talking(moved=watch), stop=stop)
    asked = f"distill {QUICK} --method TESLA --ipc 1 --iterations 1 --setting expert_epochs=1"
    asked += " max_start=1 syn_steps=1 growing=0"
    said = run(asked)
    assert said.code == 2
    assert "its training was cut off; finish it ('datastill train' with --resume)" in said.err
    assert "epoch of all" not in said.err
    done = run(f"train {QUICK} --num 1 --epochs 3 --save-epochs 1 2 --resume")
    assert done.code == 0, done.err
    found = run(asked)
    assert found.code == 0, found.err
