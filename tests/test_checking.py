"""Whether a run can be carried out here, found out before it."""

from dataclasses import replace
from pathlib import Path

import pytest

from datastill import load
from datastill.base.errors import InputError
from datastill.cli import main
from datastill.cli.console import Console
from datastill.runs.costs.forecast import Rates
from datastill.runs.foresight.checking import check
from datastill.runs.specs import (
    AssessSpec,
    ClomSpec,
    CompareSpec,
    ComputeSpec,
    DataSpec,
    DistillSpec,
    JudgesSpec,
    OnTheFlySpec,
    PoolSpec,
    RankSpec,
    RelabelSpec,
    SelectSpec,
    Spec,
    StudySpec,
    TrainSpec,
    ValidateSpec,
)
from test_cli import files, run

__all__ = ["run"]
DIGITS, PLAIN = DataSpec("digits"), ComputeSpec(engine="plain")
POOL, SET = PoolSpec(architectures=("MLP",)), "condensed/digits/DM/IPC1"
DISTILL = DistillSpec(data=DIGITS, compute=PLAIN, model="MLP", ipc=1)
GUIDED = replace(DISTILL, pool=POOL, clom=ClomSpec(alphas=(1.0,)))
STUDY = StudySpec(data=DIGITS, compute=PLAIN, model="MLP", population=("random", "DM:2"))
SOUND: dict[str, tuple[Spec, str]] = {
    "train": (TrainSpec(data=DIGITS, models=("MLP",)), "digits: 1347 training images and 450 test"),
    "distill": (
        replace(GUIDED, select=SelectSpec(by="om-accuracy")),
        "om-accuracy chooses, judged by 1 MLP",
    ),
    "both ends of models": (replace(DISTILL, method="NCFM"), "1 original model of MLP to follow"),
    "guided as published": (replace(DISTILL, method="NCFM"), "1 MLP guide"),
    "validate": (
        ValidateSpec(set=SET, models=("MLP",), against=("random",)),
        f"{SET}: 10 images of digits",
    ),
    "validate on the fly": (
        ValidateSpec(set=SET, models=("MLP",), on_the_fly=OnTheFlySpec(), pool=POOL),
        "% for its labels",
    ),
    "compare": (
        CompareSpec(sets=(SET,), models=("MLP",), pool=POOL, coreset_features="MLP"),
        "1 MLP label random images",
    ),
    "compare real": (
        CompareSpec(data=DIGITS, ipc="0=2,rest=1", models=("MLP",)),
        "11 images, 1 to 2 for each of 10 classes are picked",
    ),
    "assess": (AssessSpec(set=SET, pool=POOL, assessments=("om-margin",)), "judged by 1 MLP"),
    "select": (RankSpec(sets=(SET,), by="om-accuracy/MLP", pool=POOL), "judged by 1 MLP"),
    "study": (replace(STUDY, sets=(SET,)), "8 sets to be made"),
    "study of a pool": (
        replace(STUDY, judges=JudgesSpec(architectures=("MLP",), num=1, path="pretrained_model")),
        "1 MLP judge",
    ),
    "relabel": (RelabelSpec(set=SET, pool=POOL), "1 MLP say what the labels are"),
}
BROKEN: dict[str, tuple[Spec, str]] = {
    "train": (TrainSpec(data=DIGITS, models=("MLQ",)), "did you mean 'MLP'"),
    "no data": (TrainSpec(data=DataSpec("./nowhere")), "nowhere"),
    "no engine": (
        replace(DISTILL, compute=ComputeSpec(engine="kernels", precision="bfloat16")),
        "computes in float32",
    ),
    "distill": (replace(DISTILL, ipc=500), "fewer than"),
    "method": (replace(DISTILL, method="DN"), "did you mean 'DM'"),
    "init": (replace(DISTILL, init="nois"), "did you mean 'noise'"),
    "tiles": (replace(DISTILL, tiles=20, ipc=1), "do not hold 20 a side, but 8 at most"),
    "trajectories": (
        replace(DISTILL, method="MTT", model="ConvNetD1W16"),
        "ConvNetD1W16 holds 0 original models",
    ),
    "ends": (
        replace(DISTILL, method="NCFM", model="ConvNetD1W16"),
        "ConvNetD1W16 holds 0 original models",
    ),
    "setting": (replace(DISTILL, settings={"inner_loop": 2}), "no meaning for DM"),
    "augmentation": (replace(DISTILL, augmentation="flop"), "did you mean 'flip'"),
    "alphas": (replace(GUIDED, clom=ClomSpec(alphas=(1.0, 2.0))), "2 alphas for 1"),
    "pool": (
        replace(GUIDED, pool=replace(POOL, num=3)),
        "holds 1 original models?, fewer than the 3",
    ),
    "chooses": (replace(GUIDED, select=SelectSpec(by="om-acuracy")), "did you mean 'om-accuracy'"),
    "validate": (ValidateSpec(set="nowhere"), "no image set at nowhere"),
    "protocol": (ValidateSpec(set=SET, protocol="dsb"), "no protocol named 'dsb'"),
    "against": (ValidateSpec(set=SET, against=("randm",)), "did you mean 'random'"),
    "compare": (CompareSpec(sets=(SET,), coreset_features="ConvNet"), "holds 0 original models"),
    "assess": (AssessSpec(set=SET, pool=POOL, assessments=("om-magin",)), "did you mean"),
    "select": (RankSpec(sets=(SET,), by="om-accuracy@7", pool=POOL), "epoch 7|epochs? 1"),
    "study": (replace(STUDY, population=("DM",)), "must be followed by its updates"),
    "ipc": (replace(STUDY, ipc=(500,)), "fewer than"),
    "relabel": (RelabelSpec(set=SET, pool=replace(POOL, num=2)), "fewer than the 2"),
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a pool of one network, and a set."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        main(
            [
                "train",
                "--dataset",
                "digits",
                "--model",
                "MLP",
                "--num",
                "1",
                "--epochs",
                "1",
                "--quiet",
            ]
        )
        line = "distill --dataset digits --model MLP --ipc 1 --iterations 1 --engine plain --quiet"
        main(line.split())
    return folder


@pytest.fixture(autouse=True)
def there(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def measured(*_: object) -> Rates:
        return Rates(features=1e-3, weights=3e-3, augmented=0.0, step=0.0)

    monkeypatch.setattr("datastill.runs.foresight.estimating.measured", measured)
    monkeypatch.chdir(home)


@pytest.mark.parametrize("name", SOUND)
def test_what_a_run_needs_is_built_and_nothing_is_written(home: Path, name: str) -> None:
    spec, line = SOUND[name]
    before = files(home)
    checked = check(spec)
    assert any(line in found for found in checked.found), checked.found
    assert (checked.estimate is None) == (spec.kind != "distill")
    assert files(home) == before


@pytest.mark.parametrize("name", BROKEN)
def test_what_cannot_be_carried_out_is_told_before(home: Path, name: str) -> None:
    spec, complaint = BROKEN[name]
    before = files(home)
    with pytest.raises(InputError, match=complaint):
        check(spec)
    assert files(home) == before


def test_a_method_of_which_no_cost_is_known_is_checked_nevertheless(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise InputError("the cost of this method is not known")

    monkeypatch.setattr("datastill.runs.foresight.checking.estimate", unknown)
    checked = check(DISTILL)
    assert checked.estimate is None
    assert checked.found[-1] == (
        "what it will cost is not known: the cost of this method is not known"
    )


def test_the_command_checks_a_file_and_tells_the_estimate(home: Path) -> None:
    text = DISTILL.to_toml()
    (home / "mine.toml").write_text(text)
    said: list[str] = []

    def message(console: Console, text: str = "") -> None:
        assert not console.quiet
        said.append(text)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Console, "message", message)
        main(["recipes", "check", "mine.toml"])
    assert said[:3] == [
        "digits: 1347 training images and 450 test images of 1x8x8, 10 classes",
        said[1],
        "DM: 1 image for each of 10 classes",
    ]
    assert any(line.startswith("20000 updates: ") for line in said)
    assert said[-1] == "it can be carried out here:\n  datastill run mine.toml"
    (home / "mine.toml").unlink()
    assert load(SET).facts["step"] == 1
