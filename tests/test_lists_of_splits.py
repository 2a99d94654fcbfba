"""Official splits that are lists beside pictures: they are kept, and what is not read is said."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from PIL import Image

from datastill.base.errors import InputError
from datastill.datasets import Reading, load_dataset, load_split
from datastill.exchange import import_set
from test_foreign_files import ARRAYS, NAMES, require_same, together, write

TRAIN, TEST = range(8), range(8, 12)


def called(row: int, ending: str = "") -> str:
    return f"{NAMES[row]}/{row:03d}{ending}"


def splits(make: Callable[[int], str], train: str, test: str) -> dict[str, str]:
    return {
        name: "".join(f"{make(row)}\n" for row in rows)
        for name, rows in ((train, TRAIN), (test, TEST))
    }


NUMBERED = {
    "images.txt": "".join(f"{row + 1} {called(row, '.png')}\n" for row in range(12)),
    "image_class_labels.txt": "".join(f"{row + 1} {row % 2 + 1}\n" for row in range(12)),
    "train_test_split.txt": "".join(f"{row + 1} {int(row in TRAIN)}\n" for row in range(12)),
}
COLUMN = "name,split\n" + "".join(
    f"images/{called(row, '.png')},{'train' if row in TRAIN else 'test'}\n" for row in range(12)
)
MANY: Mapping[str, Mapping[str, str]] = {
    "Food-101": splits(called, "meta/train.txt", "meta/test.txt"),
    "DTD": {
        **splits(lambda row: called(row, ".png"), "labels/train1.txt", "labels/test1.txt"),
        **splits(lambda row: called(11 - row, ".png"), "labels/train10.txt", "labels/test10.txt"),
    },
    "classes": splits(
        lambda row: f"{called(row, '.png')} {row % 2}", "train_list.txt", "val_list.txt"
    ),
    "names alone": splits(lambda row: f"{row:03d}.png", "trainset.txt", "testset.txt"),
    "from elsewhere": splits(
        lambda row: f"/home/me/x/{called(row, '.jpg')}", "a.train.txt", "a.test.txt"
    ),
    "EuroSAT": splits(
        lambda row: f"{row},{called(row, '.png')},{row % 2},{NAMES[row]}", "train.csv", "test.csv"
    ),
    "CUB": NUMBERED,
    "column": {"metadata.csv": COLUMN},
}


@pytest.mark.parametrize("files", MANY.values(), ids=list(MANY))
def test_lists_beside_folders_of_classes_say_the_splits(
    files: Mapping[str, str], tmp_path: Path
) -> None:
    write(tmp_path / "own" / "images")
    for name, text in files.items():
        place = tmp_path / "own" / name
        place.parent.mkdir(exist_ok=True)
        place.write_text(text)
    parts = load_dataset(str(tmp_path / "own"))
    assert [part and len(part) for part in parts] == [8, 4]
    require_same(together(parts))
    assert "say which images are for tests" in parts[0].facts["lists"]
    assert parts[0].facts["kept_for_tests"] is None
    back, told = import_set(tmp_path / "own")
    assert (len(back), told[0]) == (8, "the training images were read; those for tests left out")


def test_what_lists_do_not_name_is_left_out_and_said(tmp_path: Path) -> None:
    write(tmp_path)
    for name, rows in (("train.txt", range(6)), ("val.txt", [6, 7]), ("test.txt", TEST)):
        (tmp_path / name).write_text("\n".join(map(called, rows)))
    (tmp_path / "ant" / "002.png").unlink()  # lists name it all the same
    train, test = load_dataset(str(tmp_path))
    assert (len(train), test and len(test)) == (5, 4)
    assert train.facts["lists"].endswith("; 2 images that they do not name left out")


def test_a_picture_of_both_lists_is_refused(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "train.txt").write_text("\n".join(map(called, range(12))))
    (tmp_path / "test.txt").write_text(called(3))
    with pytest.raises(InputError, match=r"say of cat/003\.png that it is for training and for"):
        load_dataset(str(tmp_path))


@pytest.mark.parametrize("name", ["train_list.mat", "train.json", "train.txt", "splits.json"])
def test_lists_that_are_not_read_are_said(name: str, tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / name).write_text(called(1))
    assert load_split(str(tmp_path), "train").facts["unread_lists"] == [name]


@pytest.mark.parametrize("name", ["list_eval_partition.csv", "list_eval_partition.txt"])
def test_a_list_of_partitions_is_none_of_classes(name: str, tmp_path: Path) -> None:
    write(tmp_path / "img_align_celeba", by_class=False)
    rows = {row: 0 if row in TRAIN else 2 if row > 8 else 1 for row in range(12)}
    comma = "," if name.endswith("csv") else " "
    lines = [f"{row:03d}.png{comma}{part}" for row, part in rows.items()]
    lines = ["image_id,partition", *lines] if name.endswith("csv") else lines
    (tmp_path / name).write_text("\n".join(lines))
    with pytest.raises(InputError, match="tell the classes of no training images"):
        load_dataset(str(tmp_path))
    lines = [f"{row:03d}.png,{1 if NAMES[row] == 'cat' else -1},1" for row in range(12)]
    (tmp_path / "list_attr.csv").write_text("\n".join(["image_id,Cat,Young", *lines]))
    train, test = load_dataset(str(tmp_path), None, Reading(labels="Cat"))
    assert (len(train), test and len(test)) == (8, 3)
    told = f"{name} say which images are for tests; 1 image that they do not name left out"
    assert train.facts["lists"] == told


def test_numbers_of_splits_are_known(tmp_path: Path) -> None:
    write(tmp_path)
    lines = [f"{called(row, '.png')},{NAMES[row]},{min(row // 4, 2)}" for row in range(12)]
    (tmp_path / "metadata.csv").write_text("\n".join(["img_filename,y,split", *lines]))
    for place in (tmp_path, tmp_path / "metadata.csv"):
        train, test = load_dataset(str(place))
        assert (len(train), test and len(test)) == (4, 4)


def test_folders_by_letters_are_no_classes(tmp_path: Path) -> None:
    for row in range(12):
        place = tmp_path / NAMES[row][0] / NAMES[row]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(ARRAYS[row]).save(place / f"{row}.png")
    with pytest.raises(InputError, match=r"a, c .* are first letters of the folders in them"):
        load_dataset(str(tmp_path))
