"""Sets validated and compared from Python: what the commands do, as values and the same files."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from conftest import blobs
from datastill import load, save
from datastill.base.errors import InputError
from datastill.base.rng import Key
from datastill.data import ImageSet
from datastill.data.labels import hardened
from datastill.datasets import load_split
from datastill.runs import (
    CompareSpec,
    ComputeSpec,
    DataSpec,
    JudgesSpec,
    Keeping,
    PoolSpec,
    SoftSpec,
    Stopped,
    StopRequest,
    StudySpec,
    Talking,
    ValidateSpec,
    compare,
    study,
    validate,
)
from datastill.runs.folders.describing import spec_of
from datastill.store.results import results_in, rows_in
from datastill.training.coresets import CORESETS
from test_cli import Run, files, run

__all__ = ["run"]

pytestmark = pytest.mark.usefixtures("sketched")
COMPUTE = ComputeSpec(seed=3, engine="plain")
SAME = "--model MLP --num-eval 2 --epochs 2 --seed 3 --engine plain"
VALIDATE = ValidateSpec(
    set="DM.safetensors", compute=COMPUTE, models=("MLP",), trials=2, epochs=2, against=("random",)
)
COMPARE = CompareSpec(
    sets=("DC.safetensors", "DM.safetensors"),
    compute=COMPUTE,
    models=("MLP",),
    trials=2,
    epochs=2,
    real_epochs=1,
    against=("random", "k-means"),
    rates=(0.01, 0.05),
)


@pytest.fixture
def home(tmp_path: Path, run: Run) -> Path:
    """Put two sets of digits into the current folder."""
    del run
    real = load_split("digits", "train")
    for name, seed in (("DM", 0), ("DC", 1)):
        picked = real.take(CORESETS["random"](real, [2] * 10, key=Key(seed)))
        save(replace(picked, facts={"method": name}), tmp_path / f"{name}.safetensors")
    return tmp_path


def timeless(value: Any) -> Any:
    """Leave out how long things took."""
    if isinstance(value, dict):
        return {name: timeless(held) for name, held in value.items() if name != "seconds"}
    return [timeless(held) for held in value] if isinstance(value, list) else value


def read(path: Path) -> Any:
    return timeless(json.loads(path.read_text()))


def stopping_at(step: float, stop: StopRequest) -> Talking:
    """Return an observer that asks to stop when a piece of work is so far."""

    def moved(label: str, at: float, total: int, note: str) -> None:
        del label, total, note
        if at >= step:
            stop.request()

    return Talking(moved=moved)


def test_a_validation_is_what_the_command_makes_of_it(
    home: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("typed", "called"):
        (home / name).mkdir()
        (home / name / "DM.safetensors").write_bytes((home / "DM.safetensors").read_bytes())
    said = run(f"validate typed/DM.safetensors {SAME} --against random --save-model")
    assert said.code == 0, said.err
    told: list[str] = []
    spec = replace(VALIDATE, set="called/DM.safetensors")
    found = validate(spec, "called", observer=Talking(tell=told.append), save_models=True)
    assert capsys.readouterr() == ("", "")
    assert told[0] == said.out.splitlines()[0].replace("typed", "called")
    assert files(home / "typed") == files(home / "called")
    reports = [read(home / name / "DM.validation.json") for name in ("typed", "called")]
    assert reports[0][0].pop("run")["set"] == "typed/DM.safetensors"
    assert spec_of(reports[1][0].pop("run")) == spec
    assert reports[0] == reports[1]
    assert found.file == Path("called/DM.validation.json")
    assert found.networks == Path("called/models")
    assert list(found.results) == results_in(json.loads(found.file.read_text())[0])
    assert load("called/DM.safetensors").facts["validated"] == json.loads(found.file.read_text())
    for name in files(home / "typed" / "models"):
        one, other = (home / side / "models" / name for side in ("typed", "called"))
        assert one.stat().st_size == other.stat().st_size


def test_a_comparison_is_what_the_command_makes_of_it(
    home: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    line = f"compare DC.safetensors DM.safetensors {SAME} --real-epochs 1 --against k-means"
    said = run(f"{line} --dd-ranking --learning-rates 0.01 0.05 --out typed")
    assert said.code == 0, said.err
    found = compare(replace(COMPARE, against=("k-means",)), "called")
    assert capsys.readouterr() == ("", "")
    assert files(home / "typed") == files(home / "called")
    assert read(home / "typed" / "comparison.json") == read(home / "called" / "comparison.json")
    assert found.file == Path("called/comparison.json")
    assert (found.rows, found.rankings) == rows_in(json.loads(found.file.read_text()))
    assert [one.name for one in found.rankings] == ["DC", "DM"]
    assert found.plot is not None
    assert found.plot.read_bytes()[:4] == b"\x89PNG"
    described = [(home / name / "run.toml").read_text() for name in ("typed", "called")]
    assert described[0] == described[1]
    assert CompareSpec.from_toml(described[0]) == replace(COMPARE, against=("k-means",))
    again = run("run typed/run.toml --out repeated --quiet")
    assert again.code == 0, again.err
    assert read(home / "repeated" / "comparison.json") == read(home / "typed" / "comparison.json")


def test_a_comparison_gets_a_folder_of_its_own_where_one_is_to_be_found(home: Path) -> None:
    spec = replace(COMPARE, sets=(), data=DataSpec("digits"), ipc=1, rates=(), real_epochs=0)
    found = compare(replace(spec, trials=1, epochs=1), root="kept")
    assert found.file == Path("kept/digits-IPC1-dsa/comparison.json")
    (home / "other").mkdir()
    (home / "other" / "run.toml").write_text(VALIDATE.to_toml())
    with pytest.raises(InputError, match=r"other holds another run \(run.toml\)"):
        compare(spec, "other")
    assert (home / "other" / "run.toml").read_text() == VALIDATE.to_toml()
    assert {row.name for row in found.rows} == {"random", "k-means"}


@pytest.mark.parametrize("verb", [validate, compare])
def test_without_a_folder_nothing_is_written(home: Path, verb: Callable[..., Any]) -> None:
    spec, before = (VALIDATE if verb is validate else replace(COMPARE, rates=())), files(home)
    found = verb(spec)
    assert files(home) == before
    assert found.file is None
    again = verb(spec, "out")
    assert timeless(found.report) == timeless(again.report)
    stop = StopRequest()
    with pytest.raises(Stopped):
        verb(spec, observer=stopping_at(1.3, stop), stop=stop)
    assert files(home) == {*before, *(f"out/{name}" for name in files(home / "out"))}
    with pytest.raises(InputError, match="`sinks`"):
        verb(spec, keeping=Keeping(sinks=("tensorboard",)))


@pytest.mark.parametrize(
    ("verb", "spec"), [(validate, VALIDATE), (compare, COMPARE)], ids=["validate", "compare"]
)
def test_what_was_stopped_goes_on_as_if_it_had_not_been(
    home: Path, verb: Callable[..., Any], spec: Any
) -> None:
    whole = verb(spec, "whole")
    for step in (0.3, 1, 3.3):  # within a network, after one, and within another
        stop = StopRequest()
        with pytest.raises(Stopped):
            verb(
                *(spec, "cut"),
                keeping=Keeping(resume=True, checkpoint_minutes=0),
                observer=stopping_at(step, stop),
                stop=stop,
            )
    with pytest.raises(InputError, match="`resume=True`"):
        verb(spec, "cut")
    with pytest.raises(InputError, match="was begun with `trials=2`, not 3"):
        verb(replace(spec, trials=3), "cut", keeping=Keeping(resume=True))
    with pytest.raises(InputError, match="was begun with `seed=3`, not 4"):
        verb(replace(spec, compute=replace(COMPUTE, seed=4)), "cut", keeping=Keeping(resume=True))
    told: list[str] = []
    cut = verb(spec, "cut", keeping=Keeping(resume=True), observer=Talking(tell=told.append))
    assert any("3 of 4 networks" in line or "3 networks are done" in line for line in told)
    assert timeless(cut.report) == timeless(whole.report)
    assert files(home / "cut") == files(home / "whole")
    again = verb(spec, "cut", keeping=Keeping(resume=True), observer=Talking(tell=told.append))
    assert "is finished" in told[-1]
    assert again.report["run"] == {"kind": spec.kind, **spec.table()}
    assert timeless(again.report["caveats"]) == list(again.caveats) == list(whole.caveats)


def test_networks_are_added_to_a_finished_validation(home: Path) -> None:
    whole = validate(replace(VALIDATE, trials=3), "whole")
    validate(VALIDATE, "more")
    told: list[str] = []
    more = validate(
        replace(VALIDATE, trials=3),
        "more",
        keeping=Keeping(resume=True),
        observer=Talking(tell=told.append),
    )
    assert "going on after 4 of 6 networks" in told
    values = [[one.accuracies for one in found.results] for found in (whole, more)]
    assert values[0] == values[1]
    assert len(read(home / "more" / "validation.json")) == 1
    fewer = validate(VALIDATE, "more", keeping=Keeping(resume=True))
    assert [one.accuracies.values for one in fewer.results] == [
        one.accuracies.values[:2] for one in more.results
    ]


def test_results_lie_beside_the_set_or_beside_a_copy(home: Path) -> None:
    brief = replace(VALIDATE, against=(), trials=1, epochs=1)
    assert validate(brief, ".").file == Path("DM.validation.json")
    assert validate(brief, home).file == Path("DM.validation.json")
    assert not (home / "synthetic.safetensors").exists()
    with pytest.raises(InputError, match="without a `folder` nothing is written"):
        validate(brief, save_models=True)
    assert validate(brief, home / "out").file == home / "out" / "validation.json"
    assert torch.equal(load(home / "out").images, load("DM.safetensors").images)
    told: list[str] = []
    watching, before = Talking(tell=told.append), load(home / "out").facts
    validate(brief, home / "out", keeping=Keeping(resume=True), observer=watching)
    assert told == [f"this validation of {home / 'out' / 'synthetic.safetensors'} is finished"]
    assert load(home / "out").facts == before


def test_caveats_are_values_and_written(home: Path) -> None:
    made = load("DM.safetensors")
    save(replace(made, domain=replace(made.domain, mirror=True)), home / "DM.safetensors")
    told: list[str] = []
    brief = {"trials": 1, "epochs": 1, "protocol": "dsa"}
    judged = validate(replace(VALIDATE, **brief), "out", observer=Talking(tell=told.append))
    compared = compare(
        replace(COMPARE, sets=VALIDATE.set and ("DM.safetensors",), rates=(), **brief)
    )
    for found in (judged, compared):
        assert "made with mirrored images (`mirror=True`)" in found.caveats[-1]
        assert found.report["caveats"] == list(found.caveats)
    assert len(judged.caveats) == 1  # a comparison says besides by what its coresets pick
    assert judged.caveats[0] in told


def test_soft_labels_stand_beside_hard_ones(home: Path, run: Run) -> None:
    assert run("train --dataset digits --model MLP --num 1 --epochs 2 --quiet").code == 0
    assert run("relabel DM.safetensors --models-pool MLP --out soft --temperature 2").code == 0
    judged = validate(replace(VALIDATE, set="soft", soft=SoftSpec(loss="kl")))
    assert judged.report["protocol"]["fit"]["temperature"] == 2
    assert [one.source for one in judged.results] == [
        *("synthetic", "synthetic, hard labels", "random"),
    ]
    pool = PoolSpec(architectures=("MLP",))
    compared = compare(replace(COMPARE, sets=("soft",), rates=(), pool=pool))
    assert [(one.name, one.labels) for one in compared.rows][-2:] == [
        *(("random", "soft"), ("all real images", "hard")),
    ]
    assert hardened(load("soft")).counts == (2,) * 10


@pytest.mark.parametrize(
    ("verb", "changes", "complaint"),
    [
        (validate, {"set": "nowhere"}, "no image set at nowhere"),
        (validate, {"models": ("MPL",)}, "did you mean 'MLP'?"),
        (validate, {"against": ("hering",)}, "did you mean 'herding'?"),
        (validate, {"set": "big.safetensors"}, "validate without `against`"),
        (compare, {"sets": ("c.safetensors", "DM.safetensors")}, "cannot be compared"),
        (compare, {"ipc": 500}, "`ipc` says how many to pick"),
        (compare, {"sets": ("big.safetensors",)}, "`ipc` says how many to pick"),
        (compare, {"sets": ("all.safetensors",)}, "5% of the training images are kept to choose"),
        (compare, {"coreset_features": "MLP"}, "holds 0 original models"),
    ],
)
def test_mistakes_are_told_by_the_names_of_arguments_and_leave_nothing(
    home: Path, verb: Callable[..., Any], changes: dict[str, Any], complaint: str
) -> None:
    real = load_split("digits", "train")
    save(real.take(CORESETS["random"](real, real.counts, key=Key(0))), home / "all.safetensors")
    many = ImageSet(real.images.repeat(4, 1, 1, 1), real.labels.repeat(4), real.domain)
    save(many, home / "big.safetensors")
    save(blobs(per_class=1), home / "c.safetensors")
    before = files(home)
    with pytest.raises(InputError) as refused:
        verb(replace(VALIDATE if verb is validate else COMPARE, **changes), "out")
    assert complaint in str(refused.value)
    assert "--" not in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1
    assert {name for name in files(home) if not name.startswith("out/")} == before
    assert not any("comparison" in name or "validation" in name for name in files(home))


@pytest.mark.parametrize(
    ("verb", "given", "complaint"),
    [
        (validate, {"spec": COMPARE}, "`spec` must be a ValidateSpec"),
        (validate, {"spec": "DM.safetensors"}, "`spec` must be a ValidateSpec"),
        (validate, {"spec": VALIDATE, "folder": 3}, "`folder` must be the path of a folder"),
        (validate, {"spec": VALIDATE, "save_models": "yes"}, "`save_models` must be True or"),
        (compare, {"spec": VALIDATE}, "`spec` must be a CompareSpec"),
        (compare, {"spec": COMPARE, "folder": 3}, "`folder` must be the path of a folder"),
        (compare, {"spec": COMPARE, "root": b"x"}, "`root` must be the path of a folder"),
    ],
)
def test_what_is_no_description_or_folder_gets_one_line(
    verb: Callable[..., Any], given: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(InputError) as refused:
        verb(**given)
    assert complaint in str(refused.value)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"sets": ()}, "name `sets` by their paths, or `data` and `ipc`"),
        ({"sets": (), "data": DataSpec("digits"), "ipc": 1}, "DD-Ranking scores `sets`"),
        ({"rates": (0.1, 0.0)}, "`rates` must be above zero"),
        ({"trials": 0}, "`trials` must be above zero"),
        ({"models": ()}, "`models` needs at least one name"),
        ({"protocol": "fast"}, "`protocol` must be dc, dsa or modern"),
    ],
)
def test_descriptions_that_make_no_sense_are_refused(
    changes: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(InputError) as refused:
        replace(COMPARE, **changes)
    assert complaint in str(refused.value)


@pytest.mark.parametrize("kind", ["validate", "compare", "study"])
def test_networks_that_say_one_class_of_all_images_are_told(home: Path, kind: str) -> None:
    real = load_split("digits", "train")
    alike = replace(real.take(real.rows_by_class[3][:20]), facts={"method": "threes"})
    save(alike, home / "threes.safetensors")
    said = list[str]()
    if kind == "validate":
        spec = replace(VALIDATE, set="threes.safetensors", epochs=60, against=())
        validate(spec, observer=Talking(said.append))
    elif kind == "compare":
        sets = (*COMPARE.sets, "threes.safetensors")
        spec = replace(COMPARE, sets=sets, rates=(), against=(), epochs=60, ipc="2")
        compare(spec, observer=Talking(said.append))
        with pytest.raises(InputError, match="20 images, but not as many of each class; sets of"):
            compare(replace(spec, ipc=None))
    else:
        sets = ("DC.safetensors", "DM.safetensors", "threes.safetensors")
        judges = JudgesSpec(architectures=("MLP",), num=1)
        spec = StudySpec(data=DataSpec("digits"), compute=COMPUTE, model="MLP", judges=judges)
        spec = replace(spec, population=(), sets=sets, trials=2, epochs=60)
        spec = replace(spec, assessments=("total-variation",))
        study(spec, home / "study", observer=Talking(said.append))
    (told,) = [line for line in said if "the same class of every test image" in line]
    assert told.startswith("2 networks say the same class of every test image (2 on ")
    assert ("synthetic)" if kind == "validate" else "on threes") in told
