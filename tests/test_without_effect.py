"""What was asked for has an effect, or is refused: options that only another gives a meaning, lists
that name something twice.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest

from datastill import load_dataset
from datastill.base.errors import InputError
from datastill.cli import COMMANDS, load
from datastill.cli.grammar import options_of
from datastill.runs import Keeping, distill, train
from datastill.runs.inputs import reading
from datastill.runs.specs import (
    KINDS,
    AssessSpec,
    ClomSpec,
    CompareSpec,
    ComputeSpec,
    DataSpec,
    DistillSpec,
    JudgesSpec,
    OnTheFlySpec,
    Part,
    PoolSpec,
    RelabelSpec,
    SelectSpec,
    StudySpec,
    TrainSpec,
    ValidateSpec,
)
from datastill.runs.specs.base import kinds_of
from datastill.runs.specs.recipes import find
from datastill.runs.specs.values import is_list
from test_cli import Run, files, run

__all__ = ["run"]
DIGITS = DataSpec("digits")
FLY = OnTheFlySpec()
TRAIN = TrainSpec(data=DIGITS)
SPEC = DistillSpec(data=DIGITS)
PARTS = (ClomSpec, ComputeSpec, DataSpec, JudgesSpec, PoolSpec, SelectSpec)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (
            "distill --dataset digits --clom-weighting accuracy",
            "--clom-weighting has no meaning without --alphas; give both, or neither",
        ),
        ("distill --dataset digits --clom-distance cosine", "--clom-distance has no meaning"),
        ("distill --dataset digits --clom-batch-size 8", "--clom-batch-size has no meaning"),
        ("distill --dataset digits --source-dataset MNIST", "--source-dataset has no meaning"),
        (
            "distill --dataset digits --alphas 1 --clom-batch-size 8",
            "--clom-batch-size has no meaning without --clom-distance cosine",
        ),
        ("distill --dataset digits --select-every 5", "without --select; give both, or neither"),
        (
            "distill --dataset digits --models-pool MLP",
            "--models-pool has no meaning here: original",
        ),
        ("distill --dataset digits --model-num 2", "--model-num has no meaning here: original"),
        (
            "distill --dataset digits --epoch 2 --init herding",
            "--epoch has no meaning here: original",
        ),
        (
            "distill --dataset digits --method MTT --epoch 2",
            "--epoch has no meaning here: original",
        ),
        (
            "distill --dataset digits --init clearest --coreset-features pixels",
            "--coreset-features has a meaning with coresets that look at features",
        ),
        (
            "all --dataset digits --num 2",
            "no original models are asked: leave out --num, --original-epochs",
        ),
        ("validate x --model-num 2", "--model-num has no meaning without --models-pool"),
        ("validate x --epoch 2", "--epoch has no meaning without --models-pool"),
        ("validate x --temperature 2", "--temperature has no meaning without --soft-loss kl"),
        ("validate x --coreset-features MLP", "--coreset-features has a meaning with coresets"),
        ("compare x --model-num 2", "--model-num has no meaning without --models-pool"),
        ("compare x --learning-rates 1", "--learning-rates has no meaning without --dd-ranking"),
        ("compare x --real-epochs 0 --real-eval 2", "leave out --real-eval"),
        ("study --dataset digits --epoch 3", "--epoch is of models that --pool-path brings"),
        ("train --dataset digits --add --overwrite", "--add and --overwrite exclude each other"),
        ("validate x --method DC", "--method finds a set that no path names; leave it out"),
        ("assess x --ipc 3", "--ipc finds a set that no path names"),
        ("relabel x --dataset digits", "--dataset finds a set that no path names"),
        ("show x --save-path y", "--save-path finds a set that no path names"),
        ("export x --dataset digits", "--dataset finds a set that no path names"),
        ("export x --to hub --private", "--private has no meaning without --repo"),
        ("show x --most 3", "--most has no meaning without --png"),
        ("show x --scale 3", "--scale has no meaning without --grid"),
        ("validate x --against random random", "--against names 'random' twice; once is enough"),
        ("train --dataset digits --model MLP mlp", "--model names 'mlp' twice"),
        ("assess x --assessments coverage coverage", "--assessments names 'coverage' twice"),
        ("study --dataset digits --ipc 1 1", "--ipc names 1 twice"),
        ("select x x --by coverage", "a set is named twice, 'x'; once"),
        ("all --dataset digits --against random random", "--against names 'random' twice"),
    ],
)
def test_what_has_no_effect_is_refused_in_one_line(run: Run, line: str, complaint: str) -> None:
    said = run(line)
    assert said.code == 2
    assert complaint in said.err
    assert len(said.err.splitlines()) == 1
    assert not files(Path())


@pytest.mark.parametrize(
    "made",
    [
        lambda: ClomSpec(alphas=(1,), batch_size=8),
        lambda: CompareSpec(sets=("a",), real_epochs=0, real_trials=3),
        lambda: CompareSpec(sets=("a", "a")),
        lambda: JudgesSpec(epoch=3),
        lambda: PoolSpec(architectures=("MLP", "mlp")),
        lambda: StudySpec(data=DIGITS, population=("random", "Random")),
        lambda: DistillSpec(data=DIGITS, pool=PoolSpec(early=(1,))),
        lambda: RelabelSpec(set="a", pool=PoolSpec(early=(1,))),
        lambda: CompareSpec(sets=("a",), pool=PoolSpec(early=(1,))),
        lambda: ValidateSpec(set="a", pool=PoolSpec(path="x"), pool_path="y", on_the_fly=FLY),
        lambda: TrainSpec(data=DIGITS, save_epochs=(1, 1)),
        lambda: AssessSpec(set="a", assessments=("coverage", "coverage")),
        lambda: ValidateSpec(set="a", against=("random",), models=("MLP", "MLP")),
    ],
)
def test_descriptions_are_held_to_the_same(made: Callable[[], Any]) -> None:
    with pytest.raises(InputError, match=r"twice|without|leave|neither"):
        made()


def test_what_has_an_effect_is_taken() -> None:
    assert ClomSpec(alphas=(1, 1)).alphas == (1.0, 1.0)
    assert ClomSpec(alphas=(1,), distance="cosine", batch_size=8).batch_size == 8
    assert CompareSpec(sets=("a", "A")).sets == ("a", "A")
    assert CompareSpec(sets=("a",), pool=PoolSpec(path="x")).pool_path == "x"  # one folder
    assert StudySpec(data=DIGITS, population=("mine:net", "mine:Net")).population
    assert ValidateSpec(set="a", models=("mine:net", "mine:Net")).models


def test_one_architecture_spelled_in_two_ways_is_one() -> None:
    with pytest.raises(InputError, match="`models` names 'ConvNetD1W16' twice"):
        reading.buildable(["ConvNetD1W16", "convnet-w16-d1"])


def test_an_empty_text_is_no_value_of_any_option() -> None:
    """As a variable of a shell that is not set leaves it: never taken for one that is not given."""
    for command in COMMANDS:
        for option in options_of(load(command)).values():
            if option.kind is not bool:
                with pytest.raises(InputError, match=f"^{option.typed} is given an empty text"):
                    option.value([""])


@pytest.mark.parametrize("part", [*KINDS.values(), *PARTS])
def test_an_empty_text_is_no_value_of_any_description(part: type[Part]) -> None:
    for name, hint in kinds_of(part).items():
        if str in (hint, *get_args(hint)) and name != "kind":
            needed = {"data": DIGITS, "set": "a", "sets": ("a",), "alphas": (1,), "by": "FID"}
            given = {key: value for key, value in needed.items() if key in kinds_of(part)}
            with pytest.raises(InputError, match=f"^`{name}` is given an empty text"):
                part(**{**given, name: ("",) if is_list(hint) else ""})


def test_an_empty_path_is_not_the_folder_that_one_is_in() -> None:
    for given in (lambda: find(""), lambda: load_dataset(""), lambda: train(TRAIN, "")):
        with pytest.raises(InputError, match="is given an empty text"):
            given()


@pytest.mark.parametrize(
    ("carried_out", "complaint"),
    [
        (lambda: distill(SPEC, keeping=Keeping(sinks=("tensorboard",))), "`sinks` neither"),
        (lambda: distill(SPEC, keeping=Keeping(report_minutes=1)), "writes a page into the folder"),
        (lambda: train(TRAIN, keeping=Keeping(sinks=("tensorboard",))), "`sinks` neither"),
        (lambda: train(TRAIN, add=True), "`add=True` adds to the models of a `folder`: name one"),
    ],
)
def test_what_is_kept_in_a_folder_needs_one(
    carried_out: Callable[[], Any], complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datastill.store.journal.find_spec", lambda name: name)  # is installed
    with pytest.raises(InputError, match=complaint):
        carried_out()
