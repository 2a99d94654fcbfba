"""Classes in tables beside pictures, and pixels in tables: CSV as people have it."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import savemat

from datastill.base.errors import InputError
from datastill.data import ImageSet
from datastill.datasets import Reading, load_dataset, load_split, load_test
from pictures import picture

ALL = Reading(test_share=0)
NAMES = ["cat", "dog", "owl"]


def bytes_of(data: ImageSet) -> np.ndarray:
    return (data.domain.pixels(data.images[:]) * 255).round().to(torch.uint8).numpy()


def flat(folder: Path, count: int = 6, *, first: int = 0) -> dict[str, np.ndarray]:
    """Write pictures into one folder, and return their bytes by name."""
    folder.mkdir(parents=True, exist_ok=True)
    held = {f"{i:03d}.png": picture((12, 12, 3), seed=first + i) for i in range(count)}
    for name, array in held.items():
        Image.fromarray(array).save(folder / name)
    return held


def table(file: Path, rows: Sequence[Mapping[str, object]], delimiter: str = ",") -> None:
    with file.open("w", newline="") as opened:
        writer = csv.DictWriter(opened, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)


def rows_of(held: Mapping[str, object], **columns: str) -> list[dict[str, object]]:
    """Return a row for each picture: columns are formats of its name, stem and class."""
    return [
        {
            column: text.format(name=name, stem=name[:3], label=NAMES[i % 3], k=i % 3)
            for column, text in columns.items()
        }
        for i, name in enumerate(held)
    ]


def check(data: ImageSet, held: Mapping[str, np.ndarray], classes: Sequence[str] = NAMES) -> None:
    assert data.domain.classes == tuple(classes)
    assert data.labels.tolist() == [i % 3 for i in range(len(held))]
    assert np.array_equal(bytes_of(data), np.moveaxis(np.stack(list(held.values())), -1, 1))


@pytest.mark.parametrize(
    ("file", "columns"),
    [
        ("labels.csv", {"id": "{stem}", "breed": "{label}"}),
        ("labels.csv", {"filename": "{name}", "label": "{label}"}),
        ("train.csv", {"image_id": "{stem}", "label": "{label}"}),
        ("train_labels.csv", {"id": "{name}", "has_it": "{label}"}),
        ("labels.csv", {"label": "{label}", "path": "./{name}", "width": "12"}),
        ("labels.csv", {"": "{k}", "file_name": "{name}", "class": "{label}"}),
        ("metadata.csv", {"file_name": "{name}", "label": "{label}", "text": "of a {label}"}),
        ("labels.tsv", {"file": "{name}", "Category": "{label}"}),
    ],
)
@pytest.mark.parametrize("place", [".", "images", "train"])
def test_pictures_in_one_folder_with_a_table(
    tmp_path: Path, file: str, columns: dict[str, str], place: str
) -> None:
    held = flat(tmp_path / place)
    table(tmp_path / file, rows_of(held, **columns), "\t" if file.endswith("tsv") else ",")
    check(load_split(str(tmp_path), "train", reading=ALL), held)
    assert load_test(str(tmp_path), reading=ALL) is None


def test_numbers_are_classes_in_their_order(tmp_path: Path) -> None:
    held = flat(tmp_path, 12)
    table(tmp_path / "labels.csv", [{"id": n, "label": 11 - i} for i, n in enumerate(held)])
    data = load_split(str(tmp_path), "train", reading=ALL)
    assert data.domain.classes == tuple(map(str, range(12)))
    assert data.labels.tolist() == list(range(11, -1, -1))


def test_columns_with_a_single_one(tmp_path: Path) -> None:
    held = flat(tmp_path)
    rows = [
        {"image": n[:3], **{c: float(c == NAMES[i % 3]) for c in NAMES}} for i, n in enumerate(held)
    ]
    table(tmp_path / "GroundTruth.csv", rows)
    check(load_split(str(tmp_path), "train", reading=ALL), held)
    rows[2]["cat"] = 1.0
    table(tmp_path / "GroundTruth.csv", rows)
    with pytest.raises(InputError, match=r"line 4: its classes are cat, owl; an image is of one"):
        load_split(str(tmp_path), "train", reading=ALL)


def test_competitions(tmp_path: Path) -> None:
    """Folders train and test, of which the second has no classes, and a table of dummies."""
    held = flat(tmp_path / "train")
    other = flat(tmp_path / "test", 3, first=50)  # of the same names
    table(tmp_path / "train.csv", rows_of(held, id="{stem}", label="{label}"))
    table(tmp_path / "test.csv", rows_of(other, id="{stem}"))
    table(tmp_path / "sample_submission.csv", rows_of(other, id="{stem}", label="cat"))
    train = load_split(str(tmp_path), "train", reading=ALL)
    check(train, held)
    assert train.facts["unlabelled"] == 3
    assert load_test(str(tmp_path), reading=ALL) is None
    table(tmp_path / "test.csv", rows_of(other, id="{stem}", label="{label}"))
    train, test = load_dataset(str(tmp_path))
    assert test is not None
    check(train, held)
    check(test, other)


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_the_hubs_folders_of_images(tmp_path: Path, form: str) -> None:
    both = {}
    for split, first in (("train", 0), ("validation", 50)):
        both[split] = flat(tmp_path / split, first=first)
        rows = rows_of(both[split], file_name="{name}", label="{label}")
        file = tmp_path / split / f"metadata.{form}"
        if form == "csv":
            table(file, rows)
        else:
            file.write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    train, test = load_dataset(str(tmp_path))
    assert test is not None
    check(train, both["train"])
    check(test, both["validation"])


def test_a_column_of_splits(tmp_path: Path) -> None:
    held = flat(tmp_path / "all", 9)
    rows = rows_of(held, path="all/{name}", label="{label}")
    words = ["train"] * 6 + ["val"] * 3
    table(tmp_path / "a.csv", [{**r, "split": w} for r, w in zip(rows, words, strict=True)])
    train, test = load_dataset(str(tmp_path))
    assert test is not None
    check(train, dict(list(held.items())[:6]))
    check(test, dict(list(held.items())[6:]))


def test_traffic_signs(tmp_path: Path) -> None:
    """Folders of classes for training, tables for tests, and pictures of what the classes mean."""
    for k in range(3):
        flat(tmp_path / "Train" / str(k), 2, first=10 * k)
    trained = [(f"Train/{k}/{i:03d}.png", k) for k in range(3) for i in range(2)]
    held = flat(tmp_path / "Test", 3, first=70)
    tested = [(f"Test/{name}", i) for i, name in enumerate(held)]
    meant = [(f"Meta/{name}", i) for i, name in enumerate(flat(tmp_path / "Meta", 3, first=90))]
    for name, rows in (("Train", trained), ("Test", tested), ("Meta", meant)):
        rows = [{"Width": 12, "ClassId": k, "Path": path} for path, k in rows]
        table(tmp_path / f"{name}.csv", rows)
    train, test = load_dataset(str(tmp_path))
    assert test is not None
    assert train.labels.tolist() == [0, 0, 1, 1, 2, 2]
    check(test, held, ["0", "1", "2"])
    assert train.facts["unlabelled"] == 3


def test_columns_can_be_named(tmp_path: Path) -> None:
    held = flat(tmp_path)
    rows = rows_of(held, id="{stem}", kind="{label}", place="here", other="{k}")
    table(tmp_path / "all.csv", rows)
    with pytest.raises(InputError, match=r"name one by `labels`, of: kind, place, other"):
        load_split(str(tmp_path), "train", reading=ALL)
    named = Reading(labels="kind", test_share=0)
    check(load_split(str(tmp_path), "train", reading=named), held)
    with pytest.raises(InputError, match="has no column 'sort'"):
        load_split(str(tmp_path), "train", reading=Reading(labels="sort"))


def test_folders_of_classes_win_over_tables(tmp_path: Path) -> None:
    held = {name: flat(tmp_path / name, 2, first=k) for k, name in enumerate(NAMES)}
    table(tmp_path / "notes.csv", rows_of(held["cat"], id="cat/{name}", label="{label}"))
    assert load_split(str(tmp_path), "train", reading=ALL).counts == (2, 2, 2)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"id": "../../x.png"}, r"line 3: there is no picture '\.\./\.\./x\.png'"),
        ({"id": "/etc/passwd"}, r"line 3: there is no picture '/etc/passwd'"),
        ({"id": "999"}, "line 3: there is no picture '999' in"),
        ({"label": ""}, "line 3: 001 has no class"),
        ({"id": "000"}, r"line 3: 000\.png is of the class 'dog' here, and of 'cat' before"),
    ],
)
def test_rows_that_make_no_sense_are_told(
    tmp_path: Path, change: dict[str, str], complaint: str
) -> None:
    rows = rows_of(flat(tmp_path / "pictures"), id="{stem}", label="{label}")
    rows[1].update(change)
    table(tmp_path / "pictures" / "labels.csv", rows)
    with pytest.raises(InputError, match=complaint):
        load_split(str(tmp_path / "pictures"), "train", reading=ALL)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"id,label\n000,cat\n001,dog,more\n", "line 3: 3 values for 2 columns"),
        (b"id,id\n000,cat\n001,dog\n", "two columns of one name"),
        (b"id,label\n000,\xff\n", "is no text in UTF-8"),
    ],
)
def test_damaged_tables_are_told(tmp_path: Path, content: bytes, complaint: str) -> None:
    flat(tmp_path)
    (tmp_path / "labels.csv").write_bytes(content)
    with pytest.raises(InputError, match=complaint):
        load_split(str(tmp_path), "train", reading=ALL)


def test_training_and_test_images_are_apart(tmp_path: Path) -> None:
    held = flat(tmp_path)
    for name in ("train.csv", "test.csv"):
        table(tmp_path / name, rows_of(held, id="{stem}", label="{label}"))
    with pytest.raises(InputError, match=r"both name 000\.png"):
        load_split(str(tmp_path), "train")


# Pixels in tables.


def pixels(n: int = 6, side: int = 10, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, side, side))


def numbers(file: Path, images: np.ndarray, *, head: bool, last: bool = False) -> None:
    rows = images.reshape(len(images), -1).astype(str).tolist()
    names = [f"pixel{i}" for i in range(len(rows[0]))]
    with file.open("w", newline="") as opened:
        writer = csv.writer(opened)
        if head:
            writer.writerow([*names, "label"] if last else ["label", *names])
        for i, row in enumerate(rows):
            writer.writerow([*row, i % 3] if last else [i % 3, *row])


@pytest.mark.parametrize("head", [True, False])
@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("train.csv", "test.csv"),
        ("mnist_train.csv", "mnist_test.csv"),
        ("a-train.csv", "a-val.csv"),
    ],
)
def test_pixels_in_rows(tmp_path: Path, head: bool, train: str, test: str) -> None:
    numbers(tmp_path / train, pixels(), head=head)
    numbers(tmp_path / test, pixels(3, seed=1), head=head)
    real, held = load_dataset(str(tmp_path))
    assert held is not None
    assert np.array_equal(bytes_of(real)[:, 0], pixels())
    assert np.array_equal(bytes_of(held)[:, 0], pixels(3, seed=1))
    assert real.labels.tolist() == [0, 1, 2, 0, 1, 2]
    assert real.domain.classes == ("0", "1", "2")
    alone = load_split(str(tmp_path / train), "train", reading=ALL)
    assert torch.equal(alone.images, real.images)


def test_the_class_may_come_last_and_test_rows_may_have_none(tmp_path: Path) -> None:
    numbers(tmp_path / "train.csv", pixels(), head=True, last=True)
    rows = pixels(3).reshape(3, -1)
    np.savetxt(tmp_path / "test.csv", rows, "%d", ",", header="p", comments="")
    (tmp_path / "test.csv").write_text(
        ",".join(f"pixel{i}" for i in range(100))
        + "\n"
        + "\n".join(",".join(map(str, r)) for r in rows)
    )
    assert np.array_equal(bytes_of(load_split(str(tmp_path), "train", reading=ALL))[:, 0], pixels())
    assert load_test(str(tmp_path), reading=ALL) is None


def test_pixels_in_one_column_with_a_column_of_splits(tmp_path: Path) -> None:
    """As FER2013 has them."""
    rows = [
        {"emotion": i % 3, "pixels": " ".join(map(str, image.flatten())), "Usage": usage}
        for i, (image, usage) in enumerate(
            zip(
                pixels(12), ["Training"] * 6 + ["PublicTest"] * 3 + ["PrivateTest"] * 3, strict=True
            )
        )
    ]
    table(tmp_path / "fer2013.csv", rows)
    real, held = load_dataset(str(tmp_path / "fer2013.csv"))
    assert held is not None
    assert np.array_equal(bytes_of(real)[:, 0], pixels(12)[:6])
    assert np.array_equal(bytes_of(held)[:, 0], pixels(12)[6:])


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("label,a,b\n1,2,3\n", "cannot read .*own.csv"),
        (",".join(f"p{i}" for i in range(64)) + "\n" + ",".join("1" * 64), "no column is known"),
        ("label," + ",".join(f"p{i}" for i in range(64)) + "\n1,x" + ",2" * 63, "is damaged"),
        ("label," + ",".join(f"p{i}" for i in range(64)) + "\n1" + ",300" * 64, "from 0 to 255"),
    ],
)
def test_other_tables_are_told(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "own.csv").write_text(text)
    with pytest.raises(InputError, match=complaint):
        load_split(str(tmp_path / "own.csv"), "train", reading=ALL)


# MATLAB's files.


@pytest.mark.parametrize("last", [True, False])
def test_mat_files_of_plain_names(tmp_path: Path, last: bool) -> None:
    held = np.random.default_rng(0).integers(0, 256, (6, 8, 12, 3), np.uint8)
    labels = (np.arange(6) % 3 + 1)[:, None]
    arrays = {"X": np.moveaxis(held, 0, -1) if last else held, "y": labels}
    savemat(tmp_path / "own.mat", arrays)
    data = load_split(str(tmp_path / "own.mat"), "train", reading=ALL)
    assert np.array_equal(bytes_of(data), np.moveaxis(held, -1, 1))
    assert data.labels.tolist() == [0, 1, 2, 0, 1, 2]
    savemat(tmp_path / "train.mat", arrays)
    savemat(tmp_path / "test.mat", {"images": held[:3], "labels": labels[:3]})
    assert len(load_split(str(tmp_path), "test")) == 3


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"no", "is damaged or no .mat file"),
        (b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + b"\x89HDF\r\n", "is of MATLAB 7.3"),
    ],
)
def test_other_mat_files_are_told(tmp_path: Path, content: bytes, complaint: str) -> None:
    (tmp_path / "own.mat").write_bytes(content)
    with pytest.raises(InputError, match=complaint):
        load_split(str(tmp_path / "own.mat"), "train", reading=ALL)
