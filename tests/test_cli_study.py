"""A study on the command line, from nothing to its page, and on again."""

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import datastill
from datastill.cli import parse
from datastill.cli.described import asked, options_of_spec
from datastill.evaluation import validation
from datastill.report.figures import png
from datastill.runs.specs import StudySpec
from datastill.store import members_in, pool_folder
from test_cli import Run, files, run
from test_units import resample_little

__all__ = ["run"]

TINY = (
    "study --dataset digits --model MLP --population random noise:0.5 DM:1 DM:2:1 --seeds 2 "
    "--num-eval 2 --epochs 2 --batch-real 4 --models-pool MLP --model-num 2 --pool-epochs 2 "
    "--early-epochs 1"
)
ONE = f"{TINY} --ipc 1 --assessments om-accuracy om-entropy@1 coverage"
NONE = re.compile(r"\bnan\b|\binf\b", re.IGNORECASE)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    resample_little(monkeypatch)
    if request.function is not test_a_study_from_nothing:  # which looks at its pictures
        request.getfixturevalue("sketched")
        return
    painted = list[bytes]()

    def first(figure: Any) -> bytes:
        painted.extend([] if painted else [png(figure)])
        return painted[0]

    monkeypatch.setattr("datastill.report.scatter.png", first)  # seven of a kind


def read(path: Path) -> Any:
    return json.loads(path.read_text())


@pytest.mark.slow
def test_a_study_from_nothing(run: Run, tmp_path: Path) -> None:
    said = run(f"{TINY} --ipc 1 2")
    assert said.code == 0, said.err
    told = f"{said.err} {said.out}"
    assert "training 2 MLP to judge by, 2 epochs each; --pool-path takes models" in told
    folder = tmp_path / "studies" / "digits"
    table = read(folder / "study.json")
    assert len(table["records"]) == 2 * 2 * 4
    verdicts = {verdict["name"]: verdict for verdict in table["verdicts"]}
    assert {"om-accuracy", "om-accuracy@1", "trajectory-distance", "scatter"} < set(verdicts)
    for name, verdict in verdicts.items():
        assert f"\n{name} " in said.out
        for scope in ("all sets", "within ipc", "within method", "ipc 1", "method DM+CLOM"):
            found = verdict["agreements"][scope]
            assert all(math.isfinite(value) for value in found["spearman"].values())
            assert 0 < found["p"] <= found["corrected"] <= 1
    assert table["yardstick"]["name"] == "validation by one network"
    page = (folder / "study.md").read_text()
    for text in (said.out, page, json.dumps(table)):
        assert not NONE.search(text)
    for name in (
        *(*verdicts, "DM-2-clom1-ipc2-seed1", "16 sets: 4 DM, 4 DM+CLOM"),
        *("4 recipes, by which", "training these took", "| mean of the recipe's other sets |"),
        f"## Less than `{table['verdicts'][0]['name']}`",
    ):
        assert name in page
    assert {record["recipe"] for record in table["records"]} == {
        *("random", "noise-0.5", "DM-1", "DM-2-clom1")
    }
    assert verdicts["om-accuracy"]["agreements"]["ipc 1"]["recipes"] == 4
    plots = re.findall(r"!\[.*?\]\((.*?)\)", page)
    assert "scatter-semantic-parts.png" in plots
    for plot in plots:
        picture = Image.open(folder / plot)
        assert picture.format == "PNG"
        assert len(picture.convert("RGB").getcolors(maxcolors=2**18) or ()) > 50
    for record in table["records"]:
        assert read(folder / "sets" / record["name"] / "record.json")["name"] == record["name"]
        route = datastill.load(folder / "sets" / record["name"]).facts["route"]
        assert route["precision"] == "float32"
        assert "kernels" in route
    assert {*table["routes"]} == {"training", "assessing"}
    assert all("without_kernels" in route for route in table["routes"].values())


def test_a_study_goes_on_where_it_stopped(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = run(f"{ONE} --save-path whole --quiet")
    assert (said.code, said.out) == (0, ""), said.err
    trained, really = list[int](), validation.epochs

    def stopping(*given: Any, **rest: Any) -> Any:
        trained.append(1)
        if len(trained) == 5:
            raise KeyboardInterrupt
        return really(*given, **rest)

    monkeypatch.setattr(validation, "epochs", stopping)
    assert run(ONE).code == 130
    folder = tmp_path / "studies" / "digits"
    assert not (folder / "study.json").exists()
    records = [read(file) for file in sorted((folder / "sets").glob("*/record.json"))]
    assert sorted(len(record["trials"]) for record in records) == [0] * 4 + [1] * 4
    made = {path: path.stat().st_mtime_ns for path in (folder / "sets").glob("*/*.safetensors")}
    said = run(ONE)
    assert said.code == 0, said.err
    assert len(trained) == 5 + 16 - 4
    assert made == {path: path.stat().st_mtime_ns for path in made}
    whole, later = (
        read(tmp_path / name / "digits" / "study.json") for name in ("whole", "studies")
    )
    assert accuracies(whole) == accuracies(later)
    for one, other in zip(whole["verdicts"], later["verdicts"], strict=True):
        assert one["agreements"] == other["agreements"]


def accuracies(table: Any) -> dict[str, list[float]]:
    return {
        record["name"]: [trial["accuracy"] for trial in record["trials"]]
        for record in table["records"]
    }


def test_a_finished_study_grows_without_validating_again(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(ONE).code == 0
    folder = tmp_path / "studies" / "digits"
    before = read(folder / "study.json")

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("it was trained already")

    with monkeypatch.context() as patch:
        patch.setattr(validation, "epochs", refuse)
        said = run(f"{ONE} diversity")
        assert said.code == 0, said.err
        assert "to judge by" not in f"{said.err} {said.out}"
        grown = read(folder / "study.json")
        assert {v["name"] for v in grown["verdicts"]} == {
            *(v["name"] for v in before["verdicts"]),
            "diversity",
        }
        assert accuracies(grown) == accuracies(before)
        fewer = run(f"{ONE} --num-eval 1")
        assert fewer.code == 0, fewer.err
        assert {len(found) for found in accuracies(read(folder / "study.json")).values()} == {1}
    said = run(f"{ONE} --population herding DM:1 --num-eval 2")
    assert said.code == 0, said.err
    larger = accuracies(read(folder / "study.json"))
    assert accuracies(before).items() < larger.items()
    assert set(larger) - set(accuracies(before)) == {"herding-ipc1-seed0"}


def test_sets_are_brought_and_copies_do_not_count(run: Run, tmp_path: Path) -> None:
    for seed in (0, 1):
        line = "distill --dataset digits --model MLP --ipc 1 --iterations 1 --batch-real 4"
        assert run(f"{line} --seed {seed} --save-path s{seed}").code == 0
    made = datastill.load(tmp_path / "s1" / "digits" / "DM" / "IPC1")
    wicked = datastill.ImageSet(
        made.images, made.labels, made.domain, {"method": "../../wicked", "clom": None}
    )
    datastill.save(wicked, tmp_path / "copy.safetensors")
    datastill.save(wicked.take(made.labels.argsort(descending=True)), tmp_path / "back.safetensors")
    line = ONE.replace("--population random noise:0.5 DM:1 DM:2:1 ", "")
    sets = "s0/digits/DM/IPC1 s1/digits/DM/IPC1/synthetic.safetensors copy.safetensors"
    said = run(f"{line} --sets {sets} back.safetensors")
    assert said.code == 0, said.err
    assert "holds the same images as" in said.out
    folder = tmp_path / "studies" / "digits"
    names = set(accuracies(read(folder / "study.json")))
    assert len(names) == 3
    assert all(re.fullmatch(r"(DM|______wicked)-ipc1-[0-9a-f]{16}", name) for name in names)
    assert not list(tmp_path.glob("wicked*"))


def test_other_original_models_mean_other_scores(run: Run, tmp_path: Path) -> None:
    assert run(ONE).code == 0
    folder = tmp_path / "studies" / "digits"
    before = read(folder / "study.json")
    run("train --dataset digits --model MLP --num 2 --epochs 3 --save-epochs 1 --seed 9")
    other = f"{ONE} --pool-path pretrained_model"
    refused = run(other)
    assert refused.code == 2
    assert "pass --reassess to score every set anew" in refused.err
    said = run(f"{other} --reassess")
    assert said.code == 0, said.err
    after = read(folder / "study.json")
    assert accuracies(after) == accuracies(before)
    for one, two in zip(before["records"], after["records"], strict=True):
        assert one["scores"]["om-entropy@1"]["score"] != two["scores"]["om-entropy@1"]["score"]
    assert run(other).code == 0
    assert run(ONE).code == 2


def test_a_model_that_was_left_unfinished_is_not_counted(run: Run, tmp_path: Path) -> None:
    assert run(f"{ONE} --num-eval 1").code == 0
    pool = pool_folder(tmp_path / "studies" / "digits" / "pretrained_model", "digits", "MLP")
    for number, epoch, path in list(members_in(pool)):
        if (number, epoch) == (1, 2):
            path.unlink()
    said = run(f"{ONE} --num-eval 1 --save-path elsewhere")
    assert said.code == 0, said.err
    changed = run(f"{ONE} --num-eval 1 --reassess")
    assert changed.code == 0, changed.err
    epochs = [(number, epoch) for number, epoch, _ in members_in(pool)]
    assert epochs == [(0, 1), (0, 2), (1, 1), (2, 1), (2, 2)]


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        ("--population hering", "no kind of sets named 'hering'; did you mean 'herding'?"),
        ("--population DM", "DM must be followed by its updates"),
        ("--population random --seeds 1", "a study needs at least 3 sets, found 1"),
        ("--population random --ipc 400", "fewer than the 400 to start from"),
        ("--seeds 0", "--seeds must be above zero"),
        ("--ipc 0", "--ipc must be above zero"),
        ("--num-eval 0", "--num-eval must be above zero"),
        ("--epochs 0", "--epochs must be above zero"),
        ("--model-num 0", "--model-num must be above zero"),
        ("--early-epochs 2", "--early-epochs 2 is not before the last of --pool-epochs 2"),
        ("--pool-path nowhere", "nowhere/digits/original/MLP holds 0 original models"),
        ("--assessments om-acuracy", "did you mean 'om-accuracy'?"),
        ("--assessments om-accuracy@x", "'x' is no number of epochs"),
        ("--model ConvNetD4", "needs images of at least 16 pixels"),
        ("--sets nowhere", "no image set at nowhere"),
        ("--save-path /proc/nowhere", "cannot write to /proc/nowhere"),
    ],
)
def test_mistakes_get_one_line_and_leave_nothing(
    run: Run, tmp_path: Path, more: str, complaint: str
) -> None:
    said = run(f"{ONE} {more}")
    assert said.code == 2
    assert complaint in said.err
    assert len(said.err.splitlines()) == 1
    assert not files(tmp_path)


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        ("--epochs 3", "was begun with networks of 3 epochs, not 4 (--epochs)"),
        (
            "--model ConvNetD1W16",
            "was begun with --model MLP, not ConvNetD1W16; take another --save-path",
        ),
        ("--seed 1", "was begun with --seed 0, not 1; take another --save-path"),
        ("--batch-real 5", "was begun with --batch-real 4, not 5"),
    ],
)
def test_a_study_stays_what_it_is(run: Run, tmp_path: Path, more: str, complaint: str) -> None:
    folder = tmp_path / "studies" / "digits"
    folder.mkdir(parents=True)
    assert run(f"{ONE} --num-eval 1 --population random --seeds 3").code == 0
    before = files(tmp_path)
    said = run(f"{ONE} {more}")
    assert said.code == 2
    assert complaint in said.err
    assert files(tmp_path) == before


def test_damaged_files_are_told(run: Run, tmp_path: Path) -> None:
    line = f"{ONE} --num-eval 1 --population random --seeds 3"
    assert run(line).code == 0
    folder = tmp_path / "studies" / "digits"
    record = folder / "sets" / "random-ipc1-seed0" / "record.json"
    for text, complaint in (("{", "is damaged: "), ('{"name": 1}', "delete it to start anew")):
        record.write_text(text)
        said = run(line)
        assert said.code == 2
        assert complaint in said.err
        assert str(record.relative_to(tmp_path)) in said.err
    record.unlink()
    assert run(line).code == 0
    (folder / "settings.json").write_text("[1")
    assert "settings.json is damaged" in run(line).err


def test_settings_of_methods_are_typed_for_a_study() -> None:
    line = f"{ONE} --setting syn_steps=3 lr_net=1 --inner-loop 2"
    spec = asked(parse(line.split()), StudySpec)
    assert spec.settings == {"syn_steps": 3, "lr_net": 1.0}
    assert spec.inner_loop == 2
    typed = options_of_spec(spec)
    assert (typed["setting"], typed["inner-loop"]) == (("syn_steps=3", "lr_net=1.0"), 2)
    assert asked(parse(ONE.split()), StudySpec).settings is None


def test_a_setting_that_no_method_has_is_told(run: Run) -> None:
    said = run(f"{ONE} --setting syn_stops=3")
    assert said.code == 2
    assert "--setting takes NAME=VALUE" in said.err
    assert "syn_steps" in said.err
