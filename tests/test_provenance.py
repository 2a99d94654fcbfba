"""What a set was made from and by whom, checked by every command that goes on from it."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import datastill
from datastill import artifacts
from datastill.cli import main

Go = Callable[[str], tuple[int, str, str]]
QUICK = "--model MLP --iterations 1 --batch-real 4"
TESTING = "--model MLP --num-eval 1 --epochs 1"
JUDGES = "--models-pool MLP --model-num 1"
SET = Path("condensed/pets/DM/IPC1")


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
        out, err = capsys.readouterr()
        return code, " ".join(out.split()), " ".join(err.split())

    return run


def succeed(go: Go, line: str) -> str:
    code, out, err = go(line)
    assert code == 0, err
    return out + err


def refused(go: Go, line: str, said: str) -> None:
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    code, out, err = go(line)
    assert (code, "Traceback" in out + err) == (2, False)
    assert said in err
    assert {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()} == before


def write(folder: Path, seed: int, count: int = 20, name: str = "{:03d}") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for i in range(count):
        array = rng.integers(0, 256, (8, 8, 3), np.uint8)
        Image.fromarray(array).save(folder / f"{name.format(i)}.png")


def pets(root: Path = Path("pets"), seed: int = 0) -> None:
    for k, name in enumerate(("ant", "bee")):
        write(root / name, 10 * seed + k)


def kept_pictures(root: Path = Path("pets")) -> list[Path]:
    """Return the files of the pictures that are kept for tests."""
    _, test = datastill.load_dataset(f"./{root}")
    assert test is not None
    pixels = (test.domain.pixels(test.images) * 255).round()
    kept = {image.numpy().astype(np.uint8).tobytes() for image in pixels}
    paths = sorted(root.glob("*/*.png"))
    return [p for p in paths if np.moveaxis(np.asarray(Image.open(p)), -1, 0).tobytes() in kept]


def judged(command: str) -> str:
    return {
        "validate": f"validate {SET} {TESTING}",
        "against": f"validate {SET} {TESTING} --against random",
        "compare": f"compare {SET} {TESTING} --against random --real-epochs 0",
        "assess": f"assess {SET} {JUDGES} --draws 1 --assessments coverage",
        "select": f"select {SET} --by coverage {JUDGES}",
        "study": f"study --dataset ./pets {TESTING} --sets {SET} --population random "
        f"{JUDGES} --ipc 1 --pool-path pretrained_model --assessments coverage",
    }[command]


COMMANDS = ("validate", "against", "compare", "assess", "select", "study")


def test_renamed_pictures_change_nothing(go: Go) -> None:
    pets()
    succeed(go, f"distill --dataset ./pets {QUICK} --ipc 1")
    before = succeed(go, judged("validate"))
    for folder in Path("pets").iterdir():
        for i, path in enumerate(sorted(folder.iterdir(), reverse=True)):
            path.rename(folder / f"z{i:02d}.png")
    assert "test images" not in succeed(go, judged("against"))
    assert before.split("tested on")[1].split()[0] in succeed(go, judged("validate"))


@pytest.mark.parametrize("command", COMMANDS)
def test_training_images_that_were_put_in_place_of_test_images_are_told(
    go: Go, command: str
) -> None:
    pets()
    succeed(go, "train --dataset ./pets --model MLP --num 1 --epochs 1")
    succeed(go, f"distill --dataset ./pets {QUICK} --ipc 1")
    assert succeed(go, judged("compare") + " --out beforehand")
    replaced = kept_pictures()[0]
    write(replaced.parent, 99, 1, replaced.stem)
    refused(go, judged(command), "put back what was there, or distil it again")


@pytest.mark.parametrize("command", COMMANDS)
def test_pictures_that_are_added_for_training(go: Go, command: str) -> None:
    pets()
    succeed(go, "train --dataset ./pets --model MLP --num 1 --epochs 1")
    succeed(go, f"distill --dataset ./pets {QUICK} --ipc 1")
    kept = len(kept_pictures())
    for seed in range(50, 99):  # one that is for training, as four of five are
        write(Path("pets/ant"), seed, 1, "new")
        if len(kept_pictures()) == kept:
            break
    if command == "validate":
        caveat = "the training images of pets are not those that the set was made from"
        assert caveat in succeed(go, judged(command))
        (report,) = json.loads((SET / "validation.json").read_text())
        assert caveat in report["caveats"][0]
        shown = succeed(go, f"show {SET}")
        assert caveat in shown
        assert "see caveats" in shown
    else:
        refused(go, judged(command), "are not those that the")


def test_training_images_that_stand_in_for_test_images_are_a_caveat(go: Go) -> None:
    pets()
    succeed(go, f"distill --dataset ./pets {QUICK} --ipc 1 --test-share 0")
    caveat = "stand in for them. The set was made from them too"
    assert caveat in succeed(go, judged("validate"))
    (report,) = json.loads((SET / "validation.json").read_text())
    assert caveat in report["caveats"][0]
    assert datastill.load(SET).facts["validated"][0]["caveats"] == report["caveats"]
    assert caveat in succeed(go, f"show {SET}")
    assert caveat in succeed(go, judged("compare"))
    (values,) = Path("comparison").glob("*/comparison.json")
    assert caveat in json.loads(values.read_text())["caveats"][0]
    succeed(go, f"export {SET} --to hub --out card")
    assert caveat in Path("card/README.md").read_text()
    refused(go, judged("validate") + " --test-share 0.2", "was made with --test-share 0, from the")
    write(Path("pets/ant"), 70, 1, "new")
    refused(go, judged("validate"), "it had 40, there are 41")


def test_a_set_of_a_dataset_that_has_test_images_since(go: Go) -> None:
    pets()
    succeed(go, f"distill --dataset ./pets {QUICK} --ipc 1")
    kept = kept_pictures()
    sorted_out, mixed = Path("sorted/pets"), Path("mixed/pets")
    for root in (sorted_out, mixed):
        for i, path in enumerate(sorted(Path("pets").glob("*/*.png"))):
            tests = path in kept if root == sorted_out else i % 5 == 0
            place = root / ("test" if tests else "train") / path.parent.name
            place.mkdir(parents=True, exist_ok=True)
            (place / path.name).write_bytes(path.read_bytes())
    assert f"tested on {len(kept)} images" in succeed(
        go, judged("validate") + f" --dataset ./{sorted_out}"
    )
    refused(go, judged("validate") + f" --dataset ./{mixed}", "test images may be among those")


@pytest.mark.parametrize("train", ["", " --against random"])
def test_a_picture_that_was_for_training_and_is_a_test_image_now(go: Go, train: str) -> None:
    pets(Path("pets/train"))
    pets(Path("pets/test"), seed=1)
    succeed(go, f"distill --dataset ./pets {QUICK} --ipc 1")
    assert "test images are among" not in succeed(go, judged("validate") + train)
    Path("pets/train/ant/000.png").rename(Path("pets/test/ant/z.png"))
    refused(go, judged("validate") + train, "test images may be among those")


def test_test_images_that_are_training_images_too_are_a_caveat(go: Go) -> None:
    pets(Path("pets/train"))
    pets(Path("pets/test"), seed=1)
    for name in ("000.png", "001.png"):
        Path("pets/test/bee", name).write_bytes(Path("pets/train/bee", name).read_bytes())
    succeed(go, f"distill --dataset ./pets {QUICK} --ipc 1")
    caveat = "2 of the 40 test images are among the training images too"
    assert caveat in succeed(go, judged("validate"))
    assert caveat in succeed(go, "compare --dataset ./pets --ipc 1 " + TESTING)


def test_a_set_of_unknown_origin_is_tested_with_a_caveat(go: Go) -> None:
    pets()
    real, _ = datastill.load_dataset("./pets")
    datastill.save(replace(real.take(torch.tensor([0, -1])), facts={}), "own.safetensors")
    line = f"validate own.safetensors --dataset ./pets --protocol dc {TESTING}"
    assert "what the set was made from is not known" in succeed(go, line)


def test_a_set_of_an_earlier_version(go: Go) -> None:
    pets()
    pets(Path("parted/train"))
    pets(Path("parted/test"), seed=1)
    succeed(go, f"distill --dataset ./pets {QUICK} --ipc 1")
    succeed(go, f"distill --dataset ./parted {QUICK} --ipc 1")
    for name in ("pets", "parted"):
        path = Path("condensed", name, "DM/IPC1/synthetic.safetensors")
        made = datastill.load(path)
        data = {k: v for k, v in made.facts["data"].items() if k != "content"}
        if data["kept_for_tests"]:
            data["kept_for_tests"] = {"share": 0.2, "images": 8, "which": "0123456789abcdef"}
        datastill.save(replace(made, facts={**made.facts, "data": data}), path)
    refused(go, judged("validate"), "an earlier version kept other images for tests")
    old = f"validate condensed/parted/DM/IPC1 {TESTING} --against random"
    succeed(go, old)
    Path("parted/train/ant/000.png").rename(Path("parted/train/ant/z.png"))
    refused(go, old, "are not those that the set was made from")


def test_another_dataset_has_to_be_named_and_is_a_caveat(go: Go) -> None:
    pets()
    pets(Path("others"), seed=5)
    succeed(go, f"distill --dataset ./pets {QUICK} --ipc 1")
    caveat = "others is another dataset than pets"
    assert caveat in succeed(go, judged("validate") + " --dataset ./others")
    Path("pets").rename("elsewhere")
    assert caveat not in succeed(go, judged("validate") + " --dataset ./elsewhere")


@pytest.mark.parametrize(
    "named",
    [
        {"dataset": "hf:somebody/something"},
        {"dataset": "HF:somebody/something"},
        {"dataset": "//host/share/pets"},
        {"dataset": "\\\\host\\share"},
        {"dataset": "https://somewhere/pets.npz"},
        {"dataset": "pets", "data_path": "//host/share"},
        {"dataset": "hf:CIFAR10", "data_path": "somebody/something"},
    ],
    ids=str,
)
def test_no_set_makes_a_command_fetch_what_nobody_asked_for(
    go: Go, named: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pets()
    succeed(go, f"distill --dataset ./pets {QUICK} --ipc 1")
    succeed(go, "train --dataset ./pets --model MLP --num 1 --epochs 1")
    made = datastill.load(SET)
    data = {"data_path": None, "size": None, "kept_for_tests": None, **named}
    datastill.save(replace(made, facts={**made.facts, "data": data}), SET / artifacts.SET_FILE)
    calls: list[object] = []
    monkeypatch.setattr("datasets.load_dataset", lambda *them, **_: calls.append(them))
    for command in ("validate", "compare", "assess", "select"):
        said = "there is no somebody/something"
        if named.get("data_path") != "somebody/something":
            said = "would be fetched from another machine; if that is to be, pass --dataset"
        refused(go, judged(command), said)
    assert not calls


def test_a_domain_is_no_path_to_read_from(go: Go) -> None:
    pets(Path("a/pets"))
    real, _ = datastill.load_dataset("./a/pets")
    named = replace(real.domain, name="./a/pets")
    odd = replace(real.take(torch.tensor([0, -1])), domain=named, facts={})
    datastill.save(odd, "own.safetensors")
    line = f"validate own.safetensors --protocol dc {TESTING}"
    refused(go, line, "does not say what it was made from; name it by --dataset")
