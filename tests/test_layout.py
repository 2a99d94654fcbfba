"""How people lay out pictures: which folders are classes, which are splits, which are nothing."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from conftest import blobs
from datastill.base.errors import InputError
from datastill.cli.console import Console
from datastill.datasets.base.layout import Layout, layout_of
from datastill.datasets.base.names import split_word
from datastill.datasets.base.tree import tree_of_folder, tree_of_names
from datastill.runs.inputs.reading import describe


def files(*folders: str, count: int = 2) -> list[str]:
    return [f"{folder}/{i}.png" for folder in folders for i in range(count)]


def found(names: Sequence[str]) -> Layout:
    return layout_of(tree_of_names(names), "it")


SPELLINGS = [
    ("train", "test"),
    ("Train", "Test"),
    ("TRAIN", "TEST"),
    ("Training", "Testing"),
    ("training_set", "test_set"),
    ("train_set", "test_set"),
    ("TrainSet", "TestSet"),
    ("trainset", "testset"),
    ("Train-Data", "Test-Data"),
    ("train_images", "test_images"),
    ("train2017", "val2017"),
    ("train", "val"),
    ("train", "Valid"),
    ("Train", "Validation"),
    ("train", "eval"),
    ("train", "dev"),
    ("seg_train", "seg_test"),
    ("pets-train", "pets-test"),
]


@pytest.mark.parametrize(("train", "test"), SPELLINGS)
@pytest.mark.parametrize("wrap", ["", "archive/", "archive/pets/"])
@pytest.mark.parametrize("again", [False, True])
def test_splits_in_any_spelling(train: str, test: str, wrap: str, again: bool) -> None:
    """Also in folders of the same name, and below the one folder that a zip holds."""
    places = [f"{wrap}{name}/{name}" if again else f"{wrap}{name}" for name in (train, test)]
    layout = found(files(*(f"{p}/{c}" for p, c in product(places, ("cat", "dog", "owl")))))
    for split, place in zip(("train", "test"), places, strict=True):
        part = layout.part(split)
        assert part is not None
        assert list(part.classes) == ["cat", "dog", "owl"]
        assert part.classes["dog"] == files(f"{place}/dog")
    assert layout.unused == ()


@pytest.mark.parametrize(
    "name", ["trains", "contest", "evaluate", "testtube", "validity", "tests_"]
)
def test_words_that_only_begin_so_are_no_splits(name: str) -> None:
    assert split_word(name) is None


def test_what_is_used_of_several() -> None:
    classes = [f"{s}/{c}" for s in ("train", "valid", "test") for c in ("a", "b")]
    layout = found(files(*classes))
    assert layout.trees["test"].place == "test"
    assert layout.unused == ("valid",)
    layout = found([*files(*classes[:4]), *files("test", "single_prediction")])
    assert layout.trees["test"].place == "valid"  # test has no classes
    assert layout.unused == ("single_prediction", "test")
    layout = found([*files(*classes[:4]), *files("test/images")])
    assert layout.trees["test"].place == "valid"


@pytest.mark.parametrize("test", ["test", "test/images", "test/test", "pictures of test"])
def test_test_pictures_without_classes_are_no_test_images(test: str) -> None:
    layout = found([*files("train/a", "train/b"), *files(test)][: None if "of" not in test else 4])
    assert list(layout.trees) == ["train"]


def test_clutter_is_passed_over() -> None:
    names = [
        *files("pets/cat", "pets/dog", "__MACOSX/pets/cat", "pets/.ipynb_checkpoints"),
        *files("pets/@eaDir/cat", "pets/cat/@eaDir/1.png", "pets/dog/.thumbs"),
        *("pets/cat/._1.png", "pets/Thumbs.db", "pets/cat/desktop.ini", ".DS_Store"),
        *("pets/lost+found/", "pets/dog/notes.txt"),
    ]
    part = found(names).part("train")
    assert part is not None
    assert part.classes == {"cat": files("pets/cat"), "dog": files("pets/dog")}
    assert part.others == {".txt": 1}


def test_deep_folders_belong_to_their_class() -> None:
    part = found(files("cat/old", "cat/new/small", "dog", "owl/images")).part("train")
    assert part is not None
    assert {name: len(paths) for name, paths in part.classes.items()} == {
        "cat": 4,
        "dog": 2,
        "owl": 2,
    }
    part = found(files("n01/images", "n02/images", "n03/images")).part("train")
    assert part is not None
    assert list(part.classes) == ["n01", "n02", "n03"]


def test_a_folder_of_images_beside_notes() -> None:
    part = found([*files("images/cat", "images/dog"), "parts/list.txt", "README"]).part("train")
    assert part is not None
    assert list(part.classes) == ["cat", "dog"]


@pytest.mark.parametrize("classes", [("bus", "car", "train"), ("test", "oral", "essay", "quiz")])
def test_a_class_may_be_called_like_a_split(classes: tuple[str, ...]) -> None:
    part = found(files(*classes)).part("train")
    assert part is not None
    assert list(part.classes) == sorted(classes)


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        (files("fold1/a", "fold1/b", "fold2/a", "fold2/b"), r"fold1, fold2 .* same folders \(a, b"),
        (files("one/a", "one/b", "one/c", "two/a", "two/b"), "hold the same folders"),
        (files("cat/train", "cat/test", "dog/train", "dog/test"), "same folders .test, train"),
        (files("Train", "Test"), "holds Test and Train, a name for parts of the data"),
        (files("images/train", "images/val"), "it/images holds train and val, a name for parts"),
        (files("train", "plane"), "if train is a class, call it otherwise"),
        (files("bus", "car", "train/steam", "train/diesel"), "holds train and beside it bus, car"),
        (files("test/a", "test/b"), "test images, test, but none called 'train'"),
        (files("train/a", "train/b", "Train/a", "Train/b"), "Train and train, which say the same"),
        (files("train/a", "val/a", "valid/a"), "val and valid, which say the same"),
        ([*files("cat", "dog"), "x.png"], "pictures beside its folders, such as x"),
        (["x.png"], "holds no folders"),
        ([*files("cat", "dog"), "owl/"], "owl holds no pictures"),
    ],
)
def test_what_cannot_be_told_is_refused(names: list[str], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        found(names).part("train")


def test_what_a_refusal_advises_works(tmp_path: Path) -> None:
    for name in files("bus", "train/steam", "train/diesel"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    with pytest.raises(InputError, match="name the folder that holds the classes"):
        layout_of(tree_of_folder(tmp_path), str(tmp_path))
    inner = layout_of(tree_of_folder(tmp_path / "train"), "train").part("train")
    assert inner is not None
    assert list(inner.classes) == ["diesel", "steam"]


def test_links_that_lead_round_end(tmp_path: Path) -> None:
    for name in files("cat", "dog"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "cat" / "all").symlink_to(tmp_path)
    (tmp_path / "dog" / "lost.png").symlink_to(tmp_path / "nowhere")
    part = layout_of(tree_of_folder(tmp_path), "it").part("train")
    assert part is not None
    assert part.classes["cat"] == files("cat")


def test_folders_that_nobody_reads_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    """They are of classes that are used; but nobody asked for images to choose by."""
    told = replace(blobs(), facts={"unused_folders": ["Valid-Set"]})
    describe(told, Console())
    said = " ".join(capsys.readouterr().out.split())
    assert "pictures in Valid-Set are not read: they are neither the training images nor" in said
