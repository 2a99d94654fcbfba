"""What a set was made from and by whom, checked by every command that goes on from it."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import datastill
from datastill import store
from datastill.base.errors import InputError
from datastill.cli import main
from datastill.data import ImageSet
from datastill.evaluation import validation
from datastill.identity import without_seen
from datastill.identity.aside import kept_by_threshold

pytestmark = pytest.mark.usefixtures("sketched")

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
        "study": f"study --dataset ./pets {TESTING} --sets {SET} --population random herding "
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
    if command != "validate":
        refused(go, judged(command), "put back what was there, or distil it again")
    else:
        told = "1 of the 8 test images of pets is left out: they were not kept for tests when"
        assert told in succeed(go, judged(command))


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


def shown(data: ImageSet) -> set[bytes]:
    pixels = (data.domain.pixels(data.images) * 255).round()
    return {image.numpy().astype(np.uint8).tobytes() for image in pixels}


def grow(kind: str) -> None:
    """Add pictures, or take some away, so that the set of those that are kept is another."""
    if kind == "fewer":
        for path in sorted(Path("pets/ant").iterdir())[::3]:
            path.unlink()
    if kind in ("one more", "many more"):
        write(Path("pets/ant"), 50, 1 if kind == "one more" else 35, "a{:03d}")
        write(Path("pets/bee"), 51, 3, "a{:03d}")
    if kind == "other classes":  # of some pictures the label was wrong
        for i, path in enumerate(sorted(Path("pets/ant").iterdir())[:10]):
            path.rename(Path("pets/bee") / f"x{i}.png")
        write(Path("pets/ant"), 50, 15, "a{:03d}")


@pytest.mark.parametrize("kind", ["one more", "many more", "fewer", "other classes"])
def test_a_set_is_tested_on_what_it_was_surely_not_made_from(
    go: Go, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pets()
    succeed(go, f"distill --dataset ./pets {QUICK} --ipc 1")
    made_from, kept_then = map(shown, datastill.load_dataset("./pets"))
    grow(kind)
    _, now = datastill.load_dataset("./pets")
    tested: list[ImageSet] = []
    real = validation.contest

    def contest(sets: Any, test: ImageSet, *given: Any, **more: Any) -> Any:
        tested.append(test)
        return real(sets, test, *given, **more)

    monkeypatch.setattr(validation, "contest", contest)
    said = succeed(go, judged("validate"))
    (test,) = tested
    assert now is not None
    assert shown(test) <= shown(now)
    assert not shown(test) & made_from
    assert shown(test) >= shown(now) & kept_then
    left = len(now) - len(test)
    assert (f"{left} of the {len(now)} test images of pets" in said) == (left > 0)
    assert f"tested on {len(test)} images" in said
    assert "are not those that the set was made from" in said
    (report,) = json.loads((SET / "validation.json").read_text())
    assert sum("left out" in caveat for caveat in report["caveats"]) == (left > 0)
    for command in ("against", "compare", "assess", "select"):
        refused(go, judged(command), "are not those that the set was made from")
    for command in ("against", "compare"):
        refused(go, judged(command), "again, or validate it without --against, on what it has not")


def test_pictures_that_were_all_saved_anew_are_not_taken_for_new_ones(go: Go) -> None:
    pets()
    succeed(go, f"distill --dataset ./pets {QUICK} --ipc 1")
    shutil.copytree("pets", "copy")
    for file in list(Path().glob("*/*/*.png")):
        Image.open(file).save(file.with_suffix(".jpg"), quality=95)
        file.unlink()
    for command in ("validate", "against", "compare"):
        refused(go, judged(command), "none of the training images is there as it was")
    told = succeed(go, f"validate {SET} {TESTING} --dataset ./copy")
    assert "whether the set was made from some of the images that it is tested on is not kn" in told


def test_pictures_of_which_some_were_saved_anew_are_a_caveat(go: Go) -> None:
    pets()
    succeed(go, f"distill --dataset ./pets {QUICK} --ipc 1")
    for file in sorted(Path("pets").glob("*/*.png"))[::2]:
        Image.open(file).save(file.with_suffix(".jpg"), quality=95)
        file.unlink()
    told = succeed(go, judged("validate"))
    assert "made from none, but of pictures that were saved anew since" in told
    assert "saved anew" in json.dumps(datastill.load(SET).facts["validated"][-1]["caveats"])


def test_of_sets_of_several_days_none_is_tested_on_what_another_saw(go: Go) -> None:
    pets()
    succeed(go, f"distill --dataset ./pets {QUICK} --ipc 1 --save-path first")
    first, _ = datastill.load_dataset("./pets")
    grow("many more")
    succeed(go, f"distill --dataset ./pets {QUICK} --ipc 1")
    second, test = datastill.load_dataset("./pets")
    assert test is not None
    sets = {str(path): datastill.load(path) for path in (Path("first/pets/DM/IPC1"), SET)}
    tests, caveats = without_seen(sets, test, second)
    assert 0 < len(tests) < len(test)
    assert not shown(tests) & (shown(first) | shown(second))
    (told,) = (caveat for caveat in caveats if "left out" in caveat)
    assert f"{len(test) - len(tests)} of the {len(test)}" in told


@pytest.mark.parametrize("sizes", [("8", "12"), ("12", "8")])
def test_a_model_of_another_size_has_seen_the_same_pictures(go: Go, sizes: tuple[str, str]) -> None:
    pets()
    for size in sizes:
        train(go, more=f"--size {size}")
    seen = {
        json.dumps(store.load_member(path).facts["trained_on"])
        for path in Path("pretrained_model").rglob("model_*_epoch_*")
    }
    assert len(seen) == 1


def test_sets_of_an_earlier_version_are_known_by_one_digest(go: Go) -> None:
    pets()
    succeed(go, f"distill --dataset ./pets {QUICK} --ipc 1 --size 10")
    made = datastill.load("condensed/pets-10/DM/IPC1")
    reading = datastill.Reading(size=(10, 10), originals=False)
    real, _ = datastill.load_dataset("./pets", reading=reading)
    data = {k: v for k, v in real.facts.items() if k != "originals"}
    kept = data["kept_for_tests"]
    data["kept_for_tests"] = {name: kept[name] for name in ("share", "images", "digest", "all")}
    datastill.save(replace(made, facts={**made.facts, "data": data}), "old.safetensors")
    old = f"old.safetensors {TESTING} --protocol dc"
    succeed(go, f"validate {old} --against random")
    assert f"tested on {kept['images']} images" in succeed(go, f"validate {old} --resume --seed 1")
    grow("one more")
    write(Path("pets/bee"), 52, 20, "b{:03d}")
    refused(go, f"validate {old}", "may have seen some of them")


def test_sets_of_an_earlier_version_are_tested_on_what_that_kept(
    go: Go, monkeypatch: pytest.MonkeyPatch
) -> None:
    pets()
    with monkeypatch.context() as patch:
        patch.setattr("datastill.datasets.base.load.kept_aside", kept_by_threshold)
        succeed(go, f"distill --dataset ./pets {QUICK} --ipc 1 --size 10")
        reading = datastill.Reading(size=(10, 10), originals=False)
        real, then = datastill.load_dataset("./pets", reading=reading)
    assert then is not None
    made = datastill.load("condensed/pets-10/DM/IPC1")
    data = {k: v for k, v in real.facts.items() if k != "originals"}
    kept = data["kept_for_tests"]
    data["kept_for_tests"] = {name: kept[name] for name in ("share", "images", "digest", "all")}
    datastill.save(replace(made, facts={**made.facts, "data": data}), "old.safetensors")
    _, now = datastill.load_dataset("./pets", reading=reading)
    assert now is not None
    both = len(shown(now) & shown(then))
    assert 0 < both < len(now)
    said = succeed(go, f"validate old.safetensors {TESTING} --protocol dc")
    assert f"tested on {both} images" in said
    assert "an earlier version kept other images for tests of pets-10 than are kept now" in said
    write(Path("pets/bee"), 52, 20, "b{:03d}")
    refused(go, f"validate old.safetensors {TESTING}", "an earlier version kept other images")


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
    datastill.save(replace(made, facts={**made.facts, "data": data}), SET / store.SET_FILE)
    calls: list[object] = []
    monkeypatch.setattr("datasets.load_dataset", calls.append)
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


@pytest.mark.parametrize("name", ["../../away", "..", "é" * 200])
def test_the_name_of_a_domain_leads_to_no_other_folder(go: Go, name: str, tmp_path: Path) -> None:
    pets(Path("in/pets"))
    real, _ = datastill.load_dataset("./in/pets")
    odd = replace(real.take(torch.tensor([0, -1])), domain=replace(real.domain, name=name))
    datastill.save(odd, "in/own.safetensors")
    before = set(tmp_path.iterdir())
    line = f"compare in/own.safetensors --dataset ./in/pets {TESTING} --against random"
    succeed(go, f"{line} --real-epochs 0")
    assert set(tmp_path.iterdir()) - before == {tmp_path / "comparison"}
    assert [len(path.parts) for path in Path("comparison").rglob("comparison.json")] == [3]
    assert store.pool_folder(Path("pool"), name, "MLP").resolve().parts[-3:-2] != ("pool",)
    assert len(store.pool_folder(Path("pool"), name, "MLP").parts) == 4
    assert len(store.set_folder(Path("made"), name, "DM", 1).parts) == 4
    longer = replace(odd, domain=replace(odd.domain, name="x" * 3000))
    with pytest.raises(InputError, match="a dataset with a name of 3000 letters"):
        datastill.save(longer, "in/own.safetensors")


def train(go: Go, dataset: str = "./pets", more: str = "", epochs: int = 1, num: int = 1) -> None:
    line = f"train --dataset {dataset} --model MLP --num {num} --epochs {epochs} {more}"
    succeed(go, line)


GUIDED = f"distill --dataset ./pets {QUICK} --ipc 1 --alphas 1 {JUDGES.split(' --model-num')[0]}"
POOL = Path("pretrained_model/pets/original/MLP")


def with_facts(path: Path, **changes: object) -> None:
    """Write an original model with other facts; those that are None are left out."""
    member = store.load_member(path)
    facts = {k: v for k, v in {**member.facts, **changes}.items() if v is not None}
    store.save_member(replace(member, facts=facts), path)


def test_models_of_other_pictures_in_a_folder_of_the_same_name(go: Go) -> None:
    pets(Path("a/pets"))
    pets(Path("pets"), seed=3)
    train(go, "./a/pets")
    other = "was trained on"
    refused(go, GUIDED, other)
    refused(go, f"distill --dataset ./pets {QUICK} --ipc 1 --select coverage {JUDGES}", other)
    by_model = f"distill --dataset ./pets {QUICK} --ipc 1 --init herding --coreset-features MLP"
    refused(go, by_model, other)
    succeed(go, f"distill --dataset ./pets {QUICK} --ipc 1")
    refused(go, judged("assess"), other)
    refused(go, judged("select"), other)
    refused(
        go, judged("study").replace(f"--sets {SET} --population", "--population k-means"), other
    )
    refused(go, f"relabel {SET} {JUDGES}", other)
    herding = judged("validate") + " --against herding --coreset-features MLP"
    refused(go, herding, other)
    refused(go, judged("compare") + " --models-pool MLP", other)
    refused(go, "train --dataset ./pets --model MLP --num 1 --epochs 1 --add", other)
    elsewhere = GUIDED + " --source-dataset ./a/pets --clom-distance cosine --save-path other"
    refused(go, elsewhere.replace("./a/pets", "./pets"), other)


def test_models_of_another_dataset_may_guide_where_they_are_asked_to(go: Go) -> None:
    pets()
    pets(Path("others"), seed=3)
    train(go, "./others")
    line = GUIDED + " --source-dataset ./others --clom-distance cosine"
    succeed(go, line)
    assert datastill.load(SET).facts["clom"]["originals"][0]["trained_on"]


@pytest.mark.parametrize("source", ["", " --source-dataset ./copy --clom-distance cosine"])
def test_models_that_saw_the_test_images_do_not_guide(go: Go, source: str) -> None:
    pets()
    pets(Path("copy"))
    train(go, "./copy" if source else "./pets", "--test-share 0")
    refused(go, GUIDED + source, "has seen the images of pets that are kept for tests")
    succeed(go, GUIDED + source + " --test-share 0")


def test_models_of_a_copy_of_which_fewer_were_kept_do_not_guide(go: Go) -> None:
    pets()
    pets(Path("copy"))
    line = GUIDED + " --source-dataset ./copy --clom-distance cosine --size 10"
    train(go, "./copy", "--test-share 0.1")
    refused(go, line, "has seen images of pets-10 that are kept for tests")
    train(go, "./copy", "--test-share 0.4 --overwrite")
    succeed(go, line)
    write(Path("copy/ant"), 60, 3, "new{}")
    train(go, "./copy", "--test-share 0.4 --overwrite")
    succeed(go, line + " --save-path other")


def test_the_same_pictures_at_another_size_are_no_other_dataset(go: Go) -> None:
    pets()
    train(go)
    line = GUIDED + " --size 10 --source-dataset ./pets --clom-distance cosine"
    succeed(go, line)  # the same are kept for tests at any size
    facts = datastill.load("condensed/pets-10/DM/IPC1").facts
    assert facts["clom"]["originals"][0]["trained_on"] == facts["data"]["content"]["digest"]
    train(go, more="--test-share 0 --overwrite")
    again = line + " --save-path other"
    refused(go, again, "has seen the images of pets-10 that are kept for tests")
    write(Path("pets/ant"), 70, 3, "new{}")
    refused(go, again, "was trained on")


def test_models_that_do_not_say_what_they_were_trained_on(go: Go) -> None:
    pets()
    pets(Path("parted/train"))
    pets(Path("parted/test"), seed=1)
    for name in ("pets", "parted"):
        train(go, f"./{name}")
        with_facts(next(Path("pretrained_model", name).rglob("model_*_epoch_*")), trained_on=None)
    refused(go, GUIDED, "may have seen the images of pets that are kept for tests")
    caveat = "the original model does not say what it was trained on"
    assert caveat in succeed(go, GUIDED.replace("./pets", "./parted"))
    made = Path("condensed/parted/DM/IPC1")
    assert caveat in datastill.load(made).facts["caveats"][0]
    assert caveat in succeed(go, f"show {made}")
    assert caveat in succeed(go, f"assess {made} {JUDGES} --draws 0 --assessments coverage")
    assert caveat in succeed(go, f"relabel {made} {JUDGES}")


def test_a_set_knows_its_teachers_and_does_not_go_on_under_others(go: Go) -> None:
    pets()
    train(go, num=2)
    line = GUIDED + " --select coverage --init herding --coreset-features MLP"
    succeed(go, line)
    facts = datastill.load(SET).facts
    (one, two) = facts["clom"]["originals"]
    assert (one["architecture"], one["number"], one["epoch"]) == ("MLP", 0, 1)
    assert two["number"] == 1
    assert one["weights"] != two["weights"]
    assert one["trained_on"] == facts["data"]["content"]["digest"]
    assert facts["select"]["originals"] == [one, two]
    assert facts["features"]["originals"] == [one]
    shown = succeed(go, f"show {SET}")
    assert "MLP 0 after epoch 1, MLP 1 after epoch 1" in shown

    again = line + " --resume"
    assert "is finished" in succeed(go, again)
    first, second = sorted(POOL.glob("model_*_epoch_*"))
    held = second.read_bytes()
    second.unlink()
    refused(go, again, "followed other original models: MLP 1 after epoch 1 is not among them now")
    second.write_bytes(held)
    train(go, more="--add")
    refused(go, again, "followed other original models: MLP 2 after epoch 1 was not among them")
    (POOL / "model_002_epoch_001.safetensors").unlink()
    second.write_bytes(first.read_bytes())
    with_facts(second, number=1)
    refused(go, again, "followed other original models: MLP 1 after epoch 1 has other weights now")


def test_those_who_judged_are_written_down(go: Go) -> None:
    pets()
    train(go)
    succeed(go, GUIDED)
    succeed(go, judged("assess"))
    guide = datastill.load(SET).facts["clom"]["originals"]
    assert json.loads((SET / "assessment.json").read_text())["pool"] == guide
    succeed(go, f"relabel {SET} {JUDGES}")
    assert datastill.load(f"{SET}-soft").facts["relabelled"]["originals"] == guide
    succeed(go, judged("study"))
    assert json.loads(Path("studies/pets/judges.json").read_text())["pool"] == guide
    (made,) = [
        datastill.load(path) for path in Path("studies/pets/sets").glob("random*") if path.is_dir()
    ][:1]
    assert made.facts["data"]["content"] == datastill.load(SET).facts["data"]["content"]


def test_models_of_a_training_that_was_cut_off_are_not_mixed_with_others(go: Go) -> None:
    pets()
    train(go, num=2, epochs=3, more="--save-epochs 1")
    last = POOL / "model_001_epoch_003.safetensors"
    held = last.read_bytes()
    last.unlink()
    said = "model 1 is after epoch 1 of 3, its training was cut off"
    refused(go, GUIDED, said)
    succeed(go, GUIDED + " --epoch 1 --save-path early")
    succeed(go, GUIDED + " --model-num 1 --save-path one")
    last.write_bytes(held)
    succeed(go, GUIDED)
    assert [each["epoch"] for each in datastill.load(SET).facts["clom"]["originals"]] == [3, 3]


def test_training_is_finished_only_if_all_that_models_follow_from_is_the_same(go: Go) -> None:
    pets()
    train(go, more="--save-epochs 1", epochs=2)
    line = "train --dataset ./pets --model MLP --num 1 --epochs 2 --resume"
    succeed(go, line + " --save-epochs 1")
    for more in ("", "--save-epochs 1 --held-out 0.2", "--save-epochs 1 --engine plain"):
        refused(go, f"{line} {more}", "was begun with")
    write(Path("pets/ant"), 70, 3, "new{}")
    refused(go, line + " --save-epochs 1", "is of another number of training images")
    refused(go, line.replace("--resume", "--add"), "was trained on")


@pytest.mark.parametrize(
    "other",
    [
        "--coreset-features MLP",
        "--together 2",
        "--engine plain",
        "--seed 1",
        "--save-model",
        "--mirror no",
        "--against herding random",
        "--augmentation none",
        "--precision float32",
        "--num-eval 2",
    ],
)
def test_a_validation_is_finished_only_if_all_that_it_follows_from_is_the_same(
    go: Go, other: str
) -> None:
    pets()
    train(go)
    succeed(go, f"distill --dataset ./pets {QUICK} --ipc 1")
    line = judged("validate") + " --against herding --resume"
    assert "is finished" not in succeed(go, line)
    assert "is finished" in succeed(go, line)
    code, out, _ = go(f"{line} {other}")
    assert (code, "is finished" in out) == (0, False)
    assert "is finished" in succeed(go, f"{line} {other}")
    assert "is finished" in succeed(go, line)  # that of before is known still
    made = datastill.load(SET)
    noise = replace(made, images=made.images + 1)
    datastill.save(noise, SET / store.SET_FILE)
    assert "is finished" not in succeed(go, line)


def test_a_validation_by_features_of_another_model_is_another(go: Go) -> None:
    pets()
    train(go)
    succeed(go, f"distill --dataset ./pets {QUICK} --ipc 1")
    line = judged("validate") + " --against herding --coreset-features MLP --resume"
    comparison = judged("compare").replace("random", "herding") + " --coreset-features MLP --resume"
    for command in (line, comparison):
        assert "is finished" not in succeed(go, command)
        assert "is finished" in succeed(go, command)
    train(go, more="--overwrite --seed 1")
    assert "is finished" not in succeed(go, line)
    refused(go, comparison, "followed other original models: MLP 0 after epoch 1 has other weights")
