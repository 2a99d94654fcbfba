"""Coresets that ask original models, wherever coresets are named on the command line."""

from pathlib import Path

import pytest

import datastill
from datastill.data import tiled
from test_cli import Run, run

__all__ = ["run"]

pytestmark = pytest.mark.usefixtures("sketched")

SMALL = "--dataset digits --model ConvNetD1W16"
TRAIN = f"train {SMALL} --num 1 --epochs 1"
DISTIL = f"distill {SMALL} --batch-real 16 --ipc 1 --iterations 2"


def test_sets_start_from_what_an_original_model_picks(run: Run, tmp_path: Path) -> None:
    early = run(f"{DISTIL} --init rded")
    assert early.code == 2
    assert "fewer than the 1 asked for; make them with 'datastill train'" in early.err
    assert not (tmp_path / "condensed").exists()
    assert run(TRAIN).code == 0
    for init in ("rded", "clearest"):
        said = run(f"{DISTIL} --init {init} --tiles 2 --save-path {init}")
        assert said.code == 0, said.err
        made = datastill.load(tmp_path / init / "digits" / "DM" / "IPC1")
        assert tiled(made.images) is not None
        assert made.stored_counts == (1,) * 10
        (judge,) = made.facts["coreset_originals"]["originals"]
        assert judge["architecture"] == "ConvNetD1W16"
        assert made.facts["features"] is None
        again = run(f"{DISTIL} --init {init} --tiles 2 --save-path {init} --resume")
        assert again.code == 0, again.err
    shown = run("show rded/digits/DM/IPC1")
    assert "started as judged by" in shown.out
    other = run(f"{DISTIL} --init rded --save-path plain --coreset-features hf:tiny")
    assert other.code == 2
    assert "hf:tiny knows no classes, and rded asks for them" in other.err


def test_they_stand_beside_sets_in_comparisons_validations_and_studies(run: Run) -> None:
    assert run(TRAIN).code == 0
    assert run(DISTIL).code == 0
    folder, much = "condensed/digits/DM/IPC1", "--model ConvNetD1W16 --epochs 1 --num-eval 1"
    checked = run(f"validate {folder} {much} --against rded clearest")
    assert checked.code == 0, checked.err
    assert "rded" in checked.out
    compared = run(f"compare {folder} {much} --against rded herding --real-epochs 0")
    assert compared.code == 0, compared.err
    assert "rded" in compared.out
    # The networks that are trained are of an architecture without original models.
    wrong = run(f"compare {folder} --model MLP --epochs 1 --num-eval 1 --against rded --out x")
    assert wrong.code == 2
    assert "make them with 'datastill train'" in wrong.err
    named = run(
        f"compare {folder} --model MLP --epochs 1 --num-eval 1 --against rded --out x "
        "--coreset-features ConvNetD1W16 --real-epochs 0"
    )
    assert named.code == 0, named.err
    study = (
        "study --dataset digits --population random rded DM:1 --ipc 1 --seeds 2 --model MLP "
        "--epochs 1 --num-eval 1 --models-pool ConvNetD1W16 --pool-path pretrained_model "
        "--assessments om-cross-entropy --model-num 1"
    )
    studied = run(study)
    assert studied.code == 0, studied.err


@pytest.mark.parametrize("line", [f"{DISTIL} --init rded", "compare"])
def test_what_they_need_is_checked_beforehand(run: Run, tmp_path: Path, line: str) -> None:
    file = tmp_path / "r.toml"
    kind = "distill" if "distill" in line else "compare"
    words = {
        "distill": 'init = "rded"\nmodel = "ConvNetD1W16"\nipc = 1\nupdates = 1\n',
        "compare": 'against = ["rded"]\nmodels = ["ConvNetD1W16"]\nipc = 1\n',
    }
    file.write_text(f'kind = "{kind}"\n{words[kind]}[data]\nname = "digits"\n')
    said = run(f"recipes check {file}")
    assert said.code == 2
    assert "fewer than the 1 asked for" in said.err
    assert run(TRAIN).code == 0
    said = run(f"recipes check {file}")
    assert said.code == 0, said.err
    assert "coresets pick as judged by 1 ConvNetD1W16" in said.out
