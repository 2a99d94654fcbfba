"""A person's own images, from the command line, from beginning to end."""

import json
from collections.abc import Callable
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import datastill
from datastill.base.errors import InputError
from datastill.cli import main
from datastill.datasets import load_split
from pictures import COUNTS, write_pictures

Go = Callable[[str], tuple[int, str, str]]
QUICK = "--iterations 2 --batch-real 4"


@pytest.fixture
def go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Go:
    """Run a command in an empty folder; return its code, and what it said and complained of."""
    monkeypatch.chdir(tmp_path)

    def run(line: str) -> tuple[int, str, str]:
        code = 0
        try:
            main(line.split())
        except SystemExit as ending:
            code = int(ending.code or 0)
        return code, *capsys.readouterr()

    return run


def succeed(go: Go, line: str) -> str:
    code, out, err = go(line)
    assert code == 0, err
    return out


def results(folder: Path) -> dict[str, list[float]]:
    (*_, last) = json.loads((folder / "validation.json").read_text())
    return {row["source"]: row["accuracies"]["values"] for row in last["results"]}


@pytest.mark.parametrize("method", ["DM", "DSA"])
def test_seven_uneven_classes_in_oblong_colour(go: Go, tmp_path: Path, method: str) -> None:
    write_pictures(tmp_path / "pets")
    out = succeed(go, "train --dataset ./pets --model ConvNetD2W16 --num 1 --epochs 2")
    assert "7 classes of 1 (owl) to 7 training images" in out
    assert "8 of its 36 are kept for tests (about 0.2 of each class)" in out
    assert "datastill distill --method DM --dataset ./pets" in out

    quick = QUICK + (" --outer-loop 1 --inner-loop 1" if method == "DSA" else "")
    line = f"distill --dataset ./pets --model ConvNetD2W16 --method {method} {quick}"
    out = succeed(go, f"{line} --ipc cat=3,owl=1,rest=2 --alphas 5 --models-pool ConvNetD2W16")
    assert "14 images, 1 to 3 for each of 7 classes from 28 real ones" in out
    folder = tmp_path / "condensed" / "pets" / method / "IPCcat-3-owl-1-rest-2"
    made = datastill.load(folder)
    assert made.counts == (2, 3, 2, 2, 2, 2, 1)
    assert made.images.shape == (14, 3, 20, 30)
    assert made.domain.classes == tuple(COUNTS)
    data = made.facts["data"]
    assert (data["dataset"], data["size"]) == ("./pets", None)
    assert data["kept_for_tests"]["images"] == 8
    with Image.open(folder / "preview.png") as picture:
        assert picture.size[1] > 7 * 20

    line = "--num-eval 1 --epochs 3 --model ConvNetD2W16 --against random herding"
    out = succeed(go, f"validate {folder} {line}")
    assert "tested on 8 images of pets" in out
    assert set(results(folder)) == {"synthetic", "random", "herding"}
    judges = "--models-pool ConvNetD2W16 --draws 1 --assessments om-accuracy frechet-distance"
    assert "om-accuracy" in succeed(go, f"assess {folder} {judges}")
    line = f"validate --dataset ./pets --method {method} --ipc cat=3,owl=1,rest=2"
    assert "tested on 8 images" in succeed(go, f"{line} --num-eval 1 --epochs 1 --model MLP")


def test_grey_images_with_three_of_a_class(go: Go, tmp_path: Path) -> None:
    counts = {"many": 12, "some": 8, "rare": 3}
    write_pictures(tmp_path / "cells" / "train", counts, (64, 64), ending="bmp")
    write_pictures(tmp_path / "cells" / "test", dict.fromkeys(counts, 2), (64, 64), first=500)
    model = "--model ConvNetD4W16"
    succeed(go, f"train --dataset cells/ {model} --num 1 --epochs 1")
    code, _, err = go(f"distill --dataset cells/ {model} --ipc 10 {QUICK}")
    assert code == 2
    assert "class 'rare' has 3 real images, fewer than the 10" in err
    out = succeed(go, f"distill --dataset cells/ {model} --ipc proportional:9 {QUICK}")
    assert "9 images, 1 to 5 for each of 3 classes from 23 real ones" in out
    folder = tmp_path / "condensed" / "cells" / "DM" / "IPCproportional-9"
    made = datastill.load(folder)
    assert made.images.shape == (9, 1, 64, 64)
    assert dict(zip(made.domain.classes, made.counts, strict=True)) == {
        "many": 5,
        "rare": 1,
        "some": 3,
    }
    out = succeed(go, f"validate {folder} {model} --num-eval 1 --epochs 2 --against random")
    assert "tested on 6 images of cells" in out
    succeed(go, f"distill --dataset cells/ {model} --ipc 3 --init noise --size 32 {QUICK}")
    assert datastill.load(tmp_path / "condensed/cells-32/DM/IPC3").images.shape == (9, 1, 32, 32)


def test_a_set_remembers_how_its_dataset_is_read(go: Go, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    arrays = {
        "scans": rng.integers(0, 256, (40, 20, 24), np.uint8),
        "grade": np.arange(40) % 4,
    }
    (tmp_path / "mine").mkdir()
    np.savez(tmp_path / "mine" / "own.npz", **arrays)
    read = "--size 16x12 --image-column scans --label-column grade --test-share 0.5"
    line = f"distill --dataset scans --data-path mine/own.npz {read} --model MLP --ipc 2 {QUICK}"
    succeed(go, line)
    folder = tmp_path / "condensed" / "scans-16x12" / "DM" / "IPC2"
    assert datastill.load(folder).images.shape == (8, 1, 16, 12)
    assert datastill.load(folder).facts["real_images"] == 20
    out = succeed(go, f"validate {folder} --model MLP --num-eval 1 --epochs 1 --against random")
    assert "tested on 20 images of scans-16x12" in out

    code, _, err = go(f"validate {folder} --model MLP --test-share 0.2")
    assert code == 2
    assert "this set was made with --test-share 0.5" in err
    np.savez(tmp_path / "mine" / "own.npz", **{k: v[5:] for k, v in arrays.items()})
    out = succeed(go, f"validate {folder} --model MLP --num-eval 1 --epochs 1")
    assert "are not those that the set was made from" in out

    (tmp_path / "mine").rename(tmp_path / "moved")
    np.savez(tmp_path / "moved" / "own.npz", **arrays)
    code, _, err = go(f"validate {folder} --model MLP --num-eval 1 --epochs 1")
    assert code == 2
    assert "made from scans in mine/own.npz, which does not lie here" in err
    line = f"validate {folder} --dataset moved/own.npz --model MLP --num-eval 1 --epochs 1"
    assert "tested on 20 images of scans-16x12" in succeed(go, line)


def test_what_judges_a_set_reads_its_dataset_as_the_set_was_read(go: Go, tmp_path: Path) -> None:
    write_pictures(tmp_path / "pets")
    own, pool = "--dataset ./pets --size 8 --test-share 0.4", "--models-pool MLP --model-num 1"
    succeed(go, f"train {own} --model MLP --num 1 --epochs 2")
    line = f"distill {own} --model MLP {QUICK} --ipc cat=2,rest=1 {pool}"
    assert "kept the set after" in succeed(go, f"{line} --select om-cross-entropy --select-every 1")
    folder = tmp_path / "condensed" / "pets-8" / "DM" / "IPCcat-2-rest-1"
    log = [json.loads(row) for row in (folder / "log.jsonl").read_text().splitlines()]
    assert [row["event"] for row in log] == ["assessed", "update", "assessed", "update", "done"]

    assert "8 images, judged by 1 MLP" in succeed(go, f"assess {folder} {pool} --draws 1")
    found = json.loads((folder / "assessment.json").read_text())["real"]
    made = datastill.load(folder)
    assert found["fingerprint"] == made.facts["real_fingerprint"]
    assert found["images"] == made.facts["real_images"] == 36 - 15
    by_name = f"assess {own} --ipc cat=2,rest=1 {pool} --draws 0 --assessments coverage"
    assert "coverage" in succeed(go, by_name)
    assert "judged by 1 MLP" in succeed(go, f"select {folder} --by coverage {pool}")
    for line in (f"assess {folder}", f"select {folder} --by coverage"):
        code, _, err = go(f"{line} {pool} --test-share 0.1")
        assert (code, "this set was made with --test-share 0.4" in err) == (2, True)


def test_a_run_that_shall_end_in_time_on_uneven_classes(
    go: Go, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = count()
    monkeypatch.setattr("datastill.runs.costs.budget._now", lambda: next(now) * 0.03)
    write_pictures(tmp_path / "pets")
    own = "--dataset ./pets --size 8 --test-share 0.4 --model MLP --ipc owl=1,rest=2"
    out = succeed(go, f"distill {own} --iterations 2 --batch-real 4 --max-minutes 2")
    assert "nothing is known yet of what DM reaches on pets-8 at 1 to 2 images per class" in out
    assert "tested on 15 images of pets-8" in out
    out = succeed(go, f"estimate {own} --num-eval 1")
    assert "13 images, 1 to 2 for each of 7 classes, MLP" in out


def test_a_study_of_ones_own_pictures(go: Go, tmp_path: Path) -> None:
    write_pictures(tmp_path / "pets")
    line = "study --dataset ./pets --size 8 --model MLP --population random noise:0.5 --ipc 1 "
    line += "--num-eval 1 --epochs 1 --models-pool MLP --model-num 1 --pool-epochs 2 "
    line += "--early-epochs 1 --assessments coverage"
    out = succeed(go, f"{line} --test-share 0.4")
    assert "pets-8: 21 training images, 15 test images" in out
    code, _, err = go(f"{line} --test-share 0 --save-path other")
    assert (code, "none of its others are kept for tests; --test-share 0.2 keeps some" in err) == (
        2,
        True,
    )


def test_without_any_test_images_training_images_stand_in_and_that_is_said(
    go: Go, tmp_path: Path
) -> None:
    write_pictures(tmp_path / "pets")
    read = "--dataset ./pets --test-share 0"
    out = succeed(go, f"train {read} --model MLP --num 1 --epochs 1")
    assert "none" in out
    assert "kept for tests" not in out
    assert "--test-share 0" in out
    succeed(go, f"distill {read} --model MLP --ipc 1 {QUICK}")
    folder = tmp_path / "condensed" / "pets" / "DM" / "IPC1"
    assert datastill.load(folder).facts["real_images"] == 36
    out = succeed(go, f"validate {folder} --model MLP --num-eval 1 --epochs 1")
    assert "pets has no test images: 8 of its training images" in out
    assert "The set was made from them too" in out


def test_files_that_are_no_pictures_are_told(go: Go, tmp_path: Path) -> None:
    write_pictures(tmp_path / "pets")
    (tmp_path / "pets" / "cat" / "IMG_1.HEIC").write_bytes(b"")
    out = succeed(go, f"distill --dataset ./pets --model MLP --ipc 1 {QUICK}")
    assert "files that are no pictures were passed over: 1 .heic" in out


@pytest.mark.parametrize("classes", [100, 1000])
def test_many_classes(go: Go, tmp_path: Path, classes: int) -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(classes), 3)
    arrays = {
        "train_images": rng.integers(0, 256, (len(labels), 8, 8), np.uint8),
        "train_labels": labels,
        "test_images": rng.integers(0, 256, (classes, 8, 8), np.uint8),
        "test_labels": np.arange(classes),
    }
    np.savez(tmp_path / "many.npz", **arrays)
    line = "--dataset many.npz --model MLP --num 1 --epochs 1 --held-out 0.3"
    succeed(go, f"train {line}")
    line = f"--dataset many.npz --model MLP --ipc 1 {QUICK} --alphas 1 --models-pool MLP"
    out = succeed(go, f"distill {line}")
    assert f"1 image for each of {classes} classes" in out
    folder = tmp_path / "condensed" / "many" / "DM" / "IPC1"
    assert datastill.load(folder).counts == (1,) * classes
    succeed(go, f"validate {folder} --model MLP --num-eval 1 --epochs 1 --no-dsa")
    with Image.open(folder / "preview.png") as picture:
        assert picture.size[1] < 7000


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ("--dataset ./nowhere", "there is no nowhere"),
        ("--dataset ./pet", "there is no pet; did you mean 'pets'?"),
        ("--dataset pets", "no dataset named 'pets'; for what lies here, say ./pets"),
        ("--dataset ./pets --size big", "--size is one number, or two such as 48x64, not 'big'"),
        ("--dataset ./pets --size 4", "cannot resize images to 4x4"),
        ("--dataset ./pets --test-share 2", "from 0 to below 1"),
        ("--dataset ./pets --ipc cat=1", "--ipc cat=1 says nothing of 'bird' and 5 more"),
        ("--dataset ./pets --ipc many", "--ipc is a number, CLASS=N"),
        ("--dataset hf:nobody/nothing", "cannot fetch nobody/nothing from the hub"),
        ("--dataset ./pets/cat", "holds no folders; expected a folder of pictures"),
        ("--dataset ./pets/cat/00.png", "cannot read pets/cat/00.png: expected a folder"),
    ],
)
def test_mistakes_get_one_line_and_leave_nothing(
    go: Go, tmp_path: Path, options: str, complaint: str
) -> None:
    write_pictures(tmp_path / "pets")
    before = sorted(tmp_path.rglob("*"))
    code, _, err = go(f"distill {options} --model MLP {QUICK}")
    assert code == 2
    assert complaint in err
    assert len(err.splitlines()) == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_where_no_image_is_left_for_tests_it_is_said_and_refused(go: Go, tmp_path: Path) -> None:
    write_pictures(tmp_path / "one-each", {"a": 1, "b": 1, "c": 1}, (12, 12))
    made = "--dataset ./one-each --ipc 1 --model MLP --iterations 1"
    reason = "no class has two images, of which one could be kept"
    judged = "--model MLP --epochs 1 --num-eval 1"
    for share in ("", " --test-share 0"):
        out = succeed(go, f"distill {made}{share} --overwrite")
        assert (reason in " ".join(out.split())) is not share
        for against in ("", " --against random"):
            code, out, err = go(f"validate condensed/one-each/DM/IPC1 {judged}{against}")
            assert (code, out) == (2, "")
            assert f"one-each has no test images, and {reason}" in " ".join(err.split())
    (folder,) = (tmp_path / "condensed").rglob("synthetic.safetensors")
    assert not (folder.parent / "validation.json").exists()
    before = set(tmp_path.rglob("*"))
    few = f"{made} --epochs 1 --num-eval 1 --overwrite"
    compared = f"compare --dataset ./one-each --ipc 1 {judged}"
    for line in (f"all {few}", compared, "study --dataset ./one-each --model MLP"):
        code, _, err = go(line)
        assert (code, reason in " ".join(err.split())) == (2, True)
    assert set(tmp_path.rglob("*")) == before
    # What the message says works.
    write_pictures(tmp_path / "both" / "test", {"a": 1, "b": 1, "c": 1}, (12, 12), first=50)
    (tmp_path / "one-each").rename(tmp_path / "both" / "train")
    succeed(go, f"all {made.replace('one-each', 'both')} --epochs 1 --num-eval 1")


def test_nothing_is_tested_on_no_image() -> None:
    data = load_split("digits", "test")
    empty = data.take(torch.zeros(0, dtype=torch.long))
    protocol = datastill.preset("dc", epochs=1)
    with pytest.raises(InputError, match="the test images: not a single image"):
        datastill.validate(data, empty, "MLP", protocol, trials=1, key=datastill.Key(0))


@pytest.mark.parametrize(
    ("count", "told"),
    [
        (2, "class 'owl' has 2 real images, of which 1 is kept for tests: 1 is fewer than the 9"),
        (3, "class 'owl' has 3 real images, of which 1 is kept for tests: 2 are fewer than the 9"),
        (8, "class 'owl' has 8 real images, of which 2 are kept for tests: 6 are fewer than the 9"),
        (1, "class 'owl' has 1 real image, fewer than the 9 to start from"),
    ],
)
def test_a_class_of_few_images_is_spoken_of_as_it_is_seen(
    go: Go, tmp_path: Path, count: int, told: str
) -> None:
    write_pictures(tmp_path / "pets", {"cat": 15, "owl": count}, (12, 12))
    code, _, err = go("distill --dataset ./pets --ipc 9 --model MLP --iterations 1")
    assert (code, told in " ".join(err.split())) == (2, True)


def test_what_is_kept_of_small_classes_is_at_least_one(go: Go, tmp_path: Path) -> None:
    write_pictures(tmp_path / "pets", dict.fromkeys("abcdef", 3), (12, 12))
    out = succeed(go, "train --dataset ./pets --num 1 --epochs 1 --model MLP")
    assert "6 of its 18 are kept for tests (about 0.2 of each class, one at least)" in out


WRITINGS = ["写真\u3000いろいろ", "عکس\u200cها", "\U0001f468\u200d\U0001f467", "été\u00a0chat"]


@pytest.mark.parametrize("name", WRITINGS, ids=ascii)
def test_names_are_written_as_people_write(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for each in (name, f"{name}2"):
        (tmp_path / name / each).mkdir(parents=True)
        for number in range(4):
            pixels = np.full((8, 8), 40 * number, np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / each / f"{number}.png")
    made = ["--model", "MLP", "--batch-real", "2", "--iterations", "1", "--save-path", "."]
    main(["distill", "--dataset", f"./{name}", "--ipc", "1", *made])
    (file,) = tmp_path.rglob("synthetic.safetensors")
    assert datastill.load(file).domain.classes == (name, f"{name}2")
    main(["show", str(file)])
    assert "".join(f"{name}2".split()) in "".join(capsys.readouterr().out.split())


def test_names_that_nobody_can_read_are_refused_at_once_and_not_obeyed(
    go: Go, tmp_path: Path
) -> None:
    write_pictures(tmp_path / "pic\x1b[31m")
    code, out, err = go("distill --dataset ./pic\x1b[31m --model MLP --ipc 1 --iterations 1")
    assert (code, out) == (2, "")
    assert "--dataset cannot be printed: './pic\\x1b[31m'; rename it" in err
    for line in ("list nowhere\x1b[5m", "show nowhere\x1b[5m"):
        code, out, err = go(line)
        assert "\x1b" not in out + err
        assert "nowhere\\x1b[5m" in err
