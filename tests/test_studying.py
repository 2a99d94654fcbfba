"""A study from Python: what the command does, as values and as files."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import datastill
from datastill.base.errors import InputError
from datastill.cli import main
from datastill.identity import described
from datastill.runs.conduct.carrying import carry_out
from datastill.runs.conduct.keeping import Keeping
from datastill.runs.conduct.observer import SILENT, Talking
from datastill.runs.conduct.stop import Stopped, StopRequest
from datastill.runs.inputs.needed import of_study
from datastill.runs.making.distilling import distill
from datastill.runs.making.training import train
from datastill.runs.specs import (
    ComputeSpec,
    DataSpec,
    DistillSpec,
    JudgesSpec,
    PoolSpec,
    StudySpec,
    TrainSpec,
)
from datastill.runs.studies import material as study_material
from datastill.runs.studies.studying import study
from datastill.store import fingerprint, load_pool, members_in, pool_folder
from test_units import resample_little

NAMES = ("om-accuracy", "om-entropy@1", "coverage")
LINE = (
    "study --dataset digits --model MLP --population random noise:0.5 DM:1 DM:3:1 --seeds 2 "
    "--num-eval 2 --epochs 2 --batch-real 4 --models-pool MLP --model-num 2 --pool-epochs 2 "
    f"--early-epochs 1 --ipc 1 --assessments {' '.join(NAMES)}"
)
SPEC = StudySpec(
    data=DataSpec("digits"),
    population=("random", "noise:0.5", "DM:1", "DM:3:1"),
    ipc=(1,),
    seeds=2,
    batch=4,
    model="MLP",
    trials=2,
    epochs=2,
    judges=JudgesSpec(architectures=("MLP",), num=2, pool_epochs=2, early=(1,)),
    assessments=NAMES,
)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, sketched: None) -> None:
    monkeypatch.chdir(tmp_path)
    resample_little(monkeypatch)


@pytest.fixture(scope="module")
def typed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a study that was typed."""
    folder = tmp_path_factory.mktemp("typed")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        resample_little(patch)
        main([*LINE.split(), "--quiet"])
    return folder / "studies" / "digits"


def tree(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def known(folder: Path) -> dict[str, Any]:
    """Return what was found of every set, but for what differs each time."""
    table = json.loads((folder / "study.json").read_text())
    return {
        record["name"]: (
            [trial["accuracy"] for trial in record["trials"]],
            {name: one["score"] for name, one in record["scores"].items()},
        )
        for record in table["records"]
    }


def agreements(folder: Path) -> list[Any]:
    table = json.loads((folder / "study.json").read_text())
    return [(verdict["name"], verdict["agreements"]) for verdict in table["verdicts"]]


def same_images(one: Path, other: Path) -> bool:
    sets = sorted(path.name for path in (one / "sets").iterdir())
    return all(
        datastill.load(one / "sets" / name).images.equal(
            datastill.load(other / "sets" / name).images
        )
        for name in sets
    )


def test_what_needs_no_models_asks_for_none_whatever_judges() -> None:
    spec = replace(SPEC, judges=replace(SPEC.judges, architectures=("LeNet",)))
    real = datastill.load_dataset("digits")[0]
    found = of_study(spec, real, None)(frozenset())
    assert (found.trajectories, found.originals) == ((), ())
    with pytest.raises(InputError, match="trains original models of LeNet alone"):
        of_study(spec, real, None)(frozenset({"originals"}))


def test_a_study_is_what_the_command_makes(typed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = list[str]()
    found = study(SPEC, "called", observer=Talking(told.append))
    called = Path("called")
    assert tree(called) == tree(typed)
    assert known(called) == known(typed)
    assert agreements(called) == agreements(typed)
    assert same_images(called, typed)
    for file in ("settings.json", "judges.json", "judges-after-1.json"):
        assert (called / file).read_bytes() == (typed / file).read_bytes()
    assert {verdict.name for verdict in found.study.verdicts} == set(NAMES)
    assert found.page == called / "study.md"
    assert found.facts[0] in found.page.read_text()
    assert all(plot.exists() for plot in found.plots)
    assert "training 2 MLP to judge by, 2 epochs each; `judges.path` takes models" in told[0]
    assert "called: 8 sets, judged by 2 MLP, and as they were after epochs 1" in told
    assert "".join(capsys.readouterr()) == ""


@pytest.mark.parametrize("own", [True, False])
def test_a_study_in_pieces_knows_how_many_there_are(typed: Path, own: bool) -> None:
    far = list[tuple[float, int]]()

    def look(at: str, step: float, total: int, _: str) -> None:
        if at == "pieces":
            far.append((step, total))

    spec = SPEC
    if not own:
        judges = replace(SPEC.judges, path=str(typed / "pretrained_model"), early=())
        spec = replace(SPEC, judges=judges, assessments=("om-accuracy",))
    with ThreadPoolExecutor(1) as executor:
        study(spec, "called", observer=Talking(moved=look), executor=executor)
    assert len({total for _, total in far}) == 1
    assert max(step for step, _ in far) == far[0][1]


@pytest.mark.parametrize(("label", "steps"), [("making sets", 3), ("training", 5)])
def test_a_study_that_is_stopped_goes_on(typed: Path, label: str, steps: int) -> None:
    stop = StopRequest()

    def look(at: str, step: float, *_: object) -> None:
        if (at, step) == (label, steps):
            stop.request()

    with pytest.raises(Stopped):
        study(SPEC, "called", observer=Talking(moved=look), stop=stop)
    called = Path("called")
    assert not (called / "study.json").exists()
    before = {path: path.stat().st_mtime_ns for path in (called / "sets").glob("*/*.safetensors")}
    assert before
    study(SPEC, called)
    assert before.items() == {path: path.stat().st_mtime_ns for path in before}.items()
    assert (known(called), agreements(called)) == (known(typed), agreements(typed))
    assert tree(called) == tree(typed)


def test_a_study_that_is_stopped_while_its_judges_are_trained_goes_on(typed: Path) -> None:
    stop = StopRequest()
    stop.request()
    for _ in range(2):
        with pytest.raises(Stopped):
            study(SPEC, "called", stop=stop)
    called = Path("called")
    pool = pool_folder(called / "pretrained_model", "digits", "MLP")
    assert [(number, epoch) for number, epoch, _ in members_in(pool)] == [(0, 1), (0, 2)]
    assert not (called / "sets").exists()
    study(SPEC, called)
    assert (known(called), agreements(called)) == (known(typed), agreements(typed))
    assert tree(called) == tree(typed)


@pytest.mark.slow
def test_what_was_typed_goes_on_from_python_and_the_other_way(
    typed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main([*LINE.replace("--num-eval 2", "--num-eval 1").split(), "--quiet"])
    folder = tmp_path / "studies" / "digits"
    study(SPEC, folder)
    assert (known(folder), agreements(folder)) == (known(typed), agreements(typed))
    main(LINE.split())
    assert "to judge by" not in capsys.readouterr().out
    assert (known(folder), agreements(folder)) == (known(typed), agreements(typed))


def test_without_a_folder_nothing_is_left(typed: Path, tmp_path: Path) -> None:
    found = study(SPEC)
    assert (found.folder, found.page, found.plots) == (None, None, ())
    assert tree(tmp_path) == set()
    values = {r.name: [trial.accuracy for trial in r.trials] for r in found.study.records}
    assert values == {name: accuracies for name, (accuracies, _) in known(typed).items()}


def test_others_judge_only_if_that_is_said(typed: Path) -> None:
    pool = typed / "pretrained_model"
    few = replace(SPEC, population=("random",), seeds=3, trials=1)
    study(few, "called")
    before = known(Path("called"))
    by_one = replace(few, judges=JudgesSpec(architectures=("MLP",), num=1, path=str(pool)))
    by_one = replace(by_one, assessments=("om-accuracy", "coverage"))
    with pytest.raises(InputError, match="other original models; pass `reassess=True` to score"):
        study(by_one, "called")
    assert known(Path("called")) == before
    study(by_one, "called", reassess=True)
    after = known(Path("called"))
    assert {name: one[0] for name, one in after.items()} == {n: o[0] for n, o in before.items()}
    assert all(set(scores) == {"om-accuracy", "coverage"} for _, scores in after.values())


def test_those_that_guide_need_not_judge(typed: Path) -> None:
    pool = replace(SPEC, population=("random", "DM:1", "DM:1:1", "el2n"), seeds=1, trials=1)
    spec = TrainSpec(data=SPEC.data, models=("MLP",), num=1, epochs=1, held_out=0.1)
    train(replace(spec, compute=ComputeSpec(seed=7)), "guides")
    told = list[str]()
    study(replace(pool, guides="guides"), "called", observer=Talking(told.append))
    assert any(
        "judged by 2 MLP, and as they were after epochs 1, guided by 1 MLP" in t for t in told
    )
    judges = {one["weights"] for one in json.loads(Path("called/judges.json").read_text())["pool"]}
    (guide,) = described(load_pool(pool_folder(Path("guides"), "digits", "MLP")))
    assert guide["weights"] not in judges
    sets = {
        name: datastill.load(f"called/sets/{name}-ipc1-seed0") for name in ("DM-1-clom1", "el2n")
    }
    assert sets["DM-1-clom1"].facts["clom"]["originals"] == [guide]
    assert sets["el2n"].facts["coreset_originals"]["originals"] == [guide]
    both = JudgesSpec(architectures=("MLP",), num=1, path="guides")
    with pytest.raises(InputError, match=r"MLP 0 after epoch 1 in `guides` judges as well"):
        study(replace(pool, guides="guides", judges=both), "other")
    assert not any("clom1" in unit.address for unit in pool.units())
    assert any("clom1" in unit.address for unit in replace(pool, guides="guides").units())


def test_a_study_validates_by_the_protocol_that_is_asked_for(typed: Path) -> None:
    spec = replace(SPEC, population=("random",), seeds=3, trials=1, protocol="modern")
    study(spec, "called")
    held = json.loads(Path("called/settings.json").read_text())["protocol"]
    assert (held["name"], held["fit"]["cutmix"]) == ("modern", True)
    with pytest.raises(InputError, match="leave out `augmented`"):
        replace(spec, augmented=False)


def test_a_study_holds_images_out_of_everything(typed: Path) -> None:
    kept = replace(SPEC.data, assess_share=0.1)
    names = ("proxy-accuracy@1", "fresh-kernel-ridge@1", "om-margin")
    spec = replace(SPEC, population=("random", "DM:1"), seeds=2, trials=1, assessments=names)
    found = study(replace(spec, data=kept, draws=2), "called")
    assert found.page is not None
    assert "| om-margin | 2 | +1.00 | +1.00 | 1 |" in found.page.read_text()
    assert {verdict.name for verdict in found.study.verdicts} == {*names}
    assert found.facts[0].startswith("digits: 1208 training images")
    with pytest.raises(InputError, match=r"^proxy-accuracy@1 and fresh-kernel-ridge@1 need"):
        study(spec, "other")
    assert not Path("other").exists()


def test_what_sets_follow_from_takes_one_look_at_all_images(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    material = study_material.read(SPEC, SILENT)
    look, seen = study_material.fingerprint, list[int]()

    def looked(data: datastill.ImageSet) -> str:
        seen.append(len(data))
        return look(data)

    monkeypatch.setattr(study_material, "fingerprint", looked)
    first = study_material.settings_of(SPEC, material)
    assert study_material.settings_of(SPEC, material) == first
    assert seen == [len(material.real), len(material.test)]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"population": ("hering",)}, "no kind of sets named 'hering'; did you mean 'herding'"),
        ({"population": ("random",), "seeds": 1}, "a study needs at least 3 sets, found 1"),
        ({"ipc": (400,)}, "fewer than the 400 to start from; take a smaller `ipc`"),
        ({"assessments": ("om-acuracy",)}, "did you mean 'om-accuracy'"),
        ({"model": "ConvNetD4"}, "needs images of at least 16 pixels"),
        ({"sets": ("nowhere",)}, "no image set at nowhere"),
    ],
)
def test_what_makes_no_sense_is_told_before_anything_is_written(
    tmp_path: Path, change: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(InputError, match=complaint):
        study(replace(SPEC, **change), "called")
    assert tree(tmp_path) == set()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"epochs": 3}, r"was begun with networks of 3 epochs, not 4 \(`epochs`\)"),
        ({"batch": 5}, "was begun with `batch=4`, not 5; take another `folder`"),
    ],
)
def test_a_study_stays_what_it_is(typed: Path, change: dict[str, Any], complaint: str) -> None:
    before = tree(typed)
    with pytest.raises(InputError, match=complaint):
        study(replace(SPEC, **change), typed)
    assert tree(typed) == before


@pytest.mark.parametrize("keeping", [Keeping(overwrite=True), Keeping(sinks=("tensorboard",))])
def test_a_study_is_never_overwritten(keeping: Keeping) -> None:
    with pytest.raises(InputError, match="another `folder` to start over"):
        study(SPEC, "called", keeping=keeping)


@pytest.mark.parametrize(
    ("build", "complaint"),
    [
        (lambda: JudgesSpec(pool_epochs=0), "`pool_epochs` must be above zero"),
        (lambda: JudgesSpec(pool_epochs=3, early=(3,)), "`early=3` is not before the last of"),
        (lambda: replace(SPEC, trials=0), "`trials` must be above zero"),
        (lambda: StudySpec(data=DataSpec()), "needs the name of a dataset"),
    ],
)
def test_descriptions_make_sense(build: Callable[[], object], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        build()


NEEDY = replace(
    SPEC,
    population=("random", "noise:0.5", "DM:1", "MTT:1", "NCFM:1", "CIM:1"),
    seeds=1,
    trials=1,
    settings={"syn_steps": 1, "expert_epochs": 1},
    judges=JudgesSpec(architectures=("MLP",), num=1, pool_epochs=2, early=(1,)),
    assessments=("coverage",),
)


def test_methods_that_need_original_models_are_given_those_that_judge() -> None:
    addresses = [unit.address for unit in NEEDY.units()]
    assert [name for name in addresses if name.startswith("sets/")] == [
        f"sets/{kind}-clom0-ipc1-seed0" for kind in ("random", "noise-0.5", "DM")
    ]  # the others wait for the study's own models
    study(NEEDY, "own")
    pool = Path("own/pretrained_model")
    given = replace(NEEDY, judges=replace(NEEDY.judges, path=str(pool)))
    assert len(given.units()) == len(NEEDY.population)
    for unit in given.units():
        carry_out(unit, "given")
    assert not Path("given/sets").exists()
    study(given, "given")
    assert same_images(Path("own"), Path("given"))
    facts = {place.name: datastill.load(place).facts for place in Path("own/sets").iterdir()}
    assert len(facts["MTT-1-ipc1-seed0"]["trajectories"]["originals"]) == 2
    ncfm = facts["NCFM-1-clom1-ipc1-seed0"]
    assert len(ncfm["trajectories"]["originals"]) == 1
    assert ncfm["clom"]["alphas"] == [1.0]
    assert len(facts["CIM-1-ipc1-seed0"]["compared_under"]["originals"]) == 1
    assert not {"trajectories", "compared_under"} & set(facts["DM-1-ipc1-seed0"])
    # As a distillation gets them: the same models have the same say.
    alone = DistillSpec(
        data=NEEDY.data,
        method="MTT",
        model="MLP",
        ipc=1,
        updates=1,
        batch=4,
        settings=NEEDY.settings or {},
        pool=PoolSpec(num=1, path=str(pool)),
    )
    distill(alone, "alone")
    assert (
        datastill.load("alone").facts["trajectories"] == facts["MTT-1-ipc1-seed0"]["trajectories"]
    )
    distill(replace(alone, method="NCFM", settings={}), "as-published")
    clom = datastill.load("as-published").facts["clom"]
    assert {name: clom[name] for name in ncfm["clom"]} == ncfm["clom"]


def test_sets_of_an_earlier_version_are_not_taken_for_those_with_clom() -> None:
    """Once a study made NCFM without its CLOM; such sets are named as those without it are."""
    spec = replace(NEEDY, population=("random", "noise:0.5", "NCFM:1:0"))
    study(spec, "own")
    before = datastill.load("own/sets/NCFM-1-ipc1-seed0")
    told = list[str]()
    study(replace(spec, population=("random", "NCFM:1")), "own", observer=Talking(told.append))
    (line,) = (line for line in told if "CLOM" in line)
    assert line.startswith("1 set of NCFM-1 stays as it is, without CLOM: ")
    assert "NCFM-1-clom1 is made beside it" in line
    assert "NCFM:1:0 names what is there" in line
    after = datastill.load("own/sets/NCFM-1-ipc1-seed0")
    assert fingerprint(after) == fingerprint(before)
    assert not after.facts.get("clom")
    assert datastill.load("own/sets/NCFM-1-clom1-ipc1-seed0").facts["clom"]["alphas"] == [1.0]
    told.clear()
    both = replace(spec, population=("random", "NCFM:1", "NCFM:1:0"))
    study(both, "own", observer=Talking(told.append))
    assert not [line for line in told if "without CLOM" in line]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"settings": {}}, "MTT-1: no original model is known .* 3 later; 'datastill train'"),
        ({"model": "ConvNetD1W16"}, "trains original models of MLP alone, and .* ConvNetD1W16"),
        (
            {"judges": replace(NEEDY.judges, path="none")},
            r"MTT-1: none/digits/original/MLP holds 0 .* 'datastill train' and --save-epochs",
        ),
        ({"settings": {"syn_stops": 1}}, "no method has a setting `syn_stops`; did you mean"),
    ],
)
def test_a_study_whose_models_cannot_serve_makes_nothing(
    change: dict[str, Any], complaint: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=complaint) as caught:
        study(replace(NEEDY, population=("random", "MTT:1"), **change), "refused")
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())
