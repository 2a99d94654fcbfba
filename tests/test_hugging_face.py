"""Datasets in the hub's own formats, written here in small; nothing is fetched."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value
from PIL import Image

from datastill.base.errors import InputError
from datastill.data import ImageSet
from datastill.datasets import Reading, dataset_name, load_dataset, load_split, load_test
from datastill.datasets.hugging_face import KNOWN

ALL = Reading(test_share=0)
NAMES = ["ant", "bee", "cat"]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the library a cache of its own, in which reading must leave nothing."""
    folder = tmp_path / "cache"
    folder.mkdir()
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", folder)
    datasets.disable_progress_bars()
    return folder


def arrays(n: int = 12, size: tuple[int, ...] = (20, 30, 3), seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, *size), np.uint8)


def table(pixels: np.ndarray, label: Any = None, **columns: tuple[list[Any], Any]) -> Dataset:
    """Make a table of images and labels, and of other columns with their types."""
    kinds: dict[str, Any] = {"image": datasets.Image(), "label": label or ClassLabel(names=NAMES)}
    values: dict[str, list[Any]] = {
        "image": [Image.fromarray(array) for array in pixels],
        "label": [i % 3 for i in range(len(pixels))],
    }
    for name, (column, kind) in columns.items():
        values[name], kinds[name] = column, kind
    return Dataset.from_dict(values, features=Features(kinds))


def as_parquet(folder: Path, splits: dict[str, Dataset]) -> Path:
    for name, split in splits.items():
        (folder / "data").mkdir(parents=True, exist_ok=True)
        split.to_parquet(folder / "data" / f"{name}-00000-of-00001.parquet")
    return folder


def as_saved(folder: Path, splits: dict[str, Dataset]) -> Path:
    DatasetDict(splits).save_to_disk(folder)
    return folder


Write = Callable[[Path, dict[str, Dataset]], Path]
WAYS = pytest.mark.parametrize("write", [as_parquet, as_saved])


def bytes_of(data: ImageSet) -> np.ndarray:
    return (data.domain.pixels(data.images[:]) * 255).round().to(torch.uint8).numpy()


@WAYS
@pytest.mark.parametrize("test", ["test", "validation"])
@pytest.mark.parametrize("prefix", ["", "hf:"])
def test_every_pixel_and_label_is_read(
    tmp_path: Path, cache: Path, write: Write, test: str, prefix: str
) -> None:
    splits = {"train": table(arrays()), test: table(arrays(4, seed=1))}
    where = write(tmp_path / "bugs", splits)
    train, held = load_dataset(f"{prefix}{where}")
    assert held is not None
    assert train.domain.name == "bugs"
    assert train.domain.classes == tuple(NAMES)
    assert train.labels.tolist() == [0, 1, 2] * 4
    assert np.array_equal(bytes_of(train), arrays().transpose(0, 3, 1, 2))
    assert np.array_equal(bytes_of(held), arrays(4, seed=1).transpose(0, 3, 1, 2))
    assert held.domain == train.domain
    assert not list(cache.iterdir())


@WAYS
def test_one_split_is_for_training(tmp_path: Path, write: Write) -> None:
    where = str(write(tmp_path / "bugs", {"full": table(arrays())}))
    assert load_test(where, reading=ALL) is None
    train, test = load_dataset(where)
    assert test is not None
    assert [a + b for a, b in zip(train.counts, test.counts, strict=True)] == [4, 4, 4]
    assert min(*train.counts, *test.counts) > 0
    together = np.concatenate([bytes_of(train), bytes_of(test)]).reshape(12, -1)
    assert len(np.unique(together, axis=0)) == 12


def test_one_table_on_the_disk_and_one_file(tmp_path: Path) -> None:
    table(arrays()).save_to_disk(tmp_path / "saved")
    table(arrays()).to_parquet(tmp_path / "bugs.parquet")
    for name in ("saved", "bugs.parquet"):
        found = load_split(str(tmp_path / name), "train", reading=ALL)
        assert np.array_equal(bytes_of(found), arrays().transpose(0, 3, 1, 2))
        assert found.domain.name == name.removesuffix(".parquet")


@WAYS
def test_columns_are_found_or_named(tmp_path: Path, write: Write) -> None:
    grade = ([5, 7] * 6, Value("int64"))
    names = (["x", "y"] * 6, Value("string"))
    thumb = ([Image.fromarray(a) for a in arrays(size=(8, 8))], datasets.Image())
    where = str(
        write(tmp_path / "bugs", {"train": table(arrays(), grade=grade, kind=names, thumb=thumb)})
    )
    with pytest.raises(InputError, match=r"several columns may hold images; .*`images`, of: "):
        load_split(where, "train")
    by_grade = Reading(images="thumb", labels="grade", test_share=0)
    found = load_split(where, "train", reading=by_grade)
    assert found.domain.classes == ("5", "7")
    assert found.domain.shape == (1, 8, 8)
    by_name = load_split(
        where, "train", reading=Reading(images="image", labels="kind", test_share=0)
    )
    assert by_name.domain.classes == ("x", "y")
    for wrong in (Reading(images="grade"), Reading(images="nothing")):
        with pytest.raises(InputError, match="does not hold images"):
            load_split(where, "train", reading=wrong)
    with pytest.raises(InputError, match="'nothing' does not hold labels"):
        load_split(where, "train", reading=Reading(images="image", labels="nothing"))


def test_images_may_be_plain_bytes(tmp_path: Path) -> None:
    encoded = []
    for array in arrays(6):
        file = io.BytesIO()
        Image.fromarray(array).save(file, "png")
        encoded.append(file.getvalue())
    features = Features({"img": Value("binary"), "class": Value("string")})
    plain = Dataset.from_dict({"img": encoded, "class": list("abcabc")}, features=features)
    found = load_split(str(as_parquet(tmp_path / "x", {"train": plain})), "train", reading=ALL)
    assert np.array_equal(bytes_of(found), arrays(6).transpose(0, 3, 1, 2))
    assert found.domain.classes == ("a", "b", "c")


def test_sizes_and_colours(tmp_path: Path) -> None:
    mixed = [*arrays(3), *arrays(3, (40, 20)), *arrays(3, (9, 9, 3))]
    where = str(as_saved(tmp_path / "bugs", {"train": table(mixed)}))
    with pytest.raises(InputError, match=r"image 0 of .* has 20x30 pixels, image 3 of .* 40x20"):
        load_split(where, "train")
    found = load_split(where, "train", reading=Reading(size=(16, 16), test_share=0))
    assert found.images.shape == (9, 3, 16, 16)


@WAYS
@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda t: t.remove_columns("image"), "no column holds images; name one by `images`"),
        (lambda t: t.remove_columns("label"), "no column holds labels"),
        (lambda t: t.select([]), "holds no images|no dataset of Hugging Face"),
        (lambda t: t.select([0, 3]), "images of one class, 'ant'"),
        (
            lambda t: t.cast_column("label", Value("int64")).map(
                lambda row, i: {"label": None if i == 5 else 1}, with_indices=True
            ),
            "some rows have no label",
        ),
        (
            lambda t: t.cast_column("label", ClassLabel(names=NAMES)).map(
                lambda row: {"label": -1}
            ),
            "label -1 is outside the classes 0 to 2",
        ),
        (
            lambda t: t.map(
                lambda row, i: {"image": None if i == 5 else row["image"]}, with_indices=True
            ),
            "image 5 of .* is missing",
        ),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, write: Write, spoil, complaint: str) -> None:
    spoiled = spoil(table(arrays(6)))
    try:
        where = str(write(tmp_path / "bugs", {"train": spoiled}))
    except ZeroDivisionError:  # of the library's own, up to 4.5 at least
        assert not len(spoiled)
        pytest.skip(f"datasets {datasets.__version__} writes no pictures without rows")
    with pytest.raises(InputError, match=complaint):
        load_split(where, "train")


def test_unclear_splits_are_told(tmp_path: Path) -> None:
    where = as_saved(tmp_path / "bugs", {"early": table(arrays()), "late": table(arrays())})
    with pytest.raises(InputError, match="has the splits early, late, none called train"):
        load_split(str(where), "train")


Asked = list[tuple[str, str | None]]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """Stand in for the hub: what is asked for, and tables in the form that it gives."""
    asked: Asked = []

    def fetch(name: str, config: str | None = None) -> DatasetDict:
        asked.append((name, config))
        if name == "uoft-cs/cifar100":
            fine = ClassLabel(names=[*(f"x{k}" for k in range(99)), "cra"])
            coarse = ([1] * 12, ClassLabel(names=["a", "b"]))
            held = table(arrays(size=(32, 32, 3)), fine, coarse_label=coarse)
            held = held.rename_column("label", "fine_label").rename_column("image", "img")
        elif name == "zalando-datasets/fashion_mnist":
            spelled = ["T - shirt / top", "Trouser", "Pullover", "Dress", "Coat"]
            spelled += ["Ankle boot", "Bag", "Sneaker", "Shirt", "Sandal"]
            held = table(arrays(size=(28, 28)), ClassLabel(names=spelled))
        else:
            held = table(arrays())
        return DatasetDict({"train": held, "validation": held})

    monkeypatch.setattr(datasets, "load_dataset", fetch)
    return asked


def test_names_on_the_hub(hub: Asked) -> None:
    assert len(load_split("hf:someone/bugs", "train")) == 12
    assert len(load_split("hf:someone/bugs:small", "test")) == 12
    assert set(hub) == {("someone/bugs", None), ("someone/bugs", "small")}
    assert dataset_name("hf:someone/bugs:small", size=(8, 8)) == "bugs-8"


def test_registered_names_on_the_hub(hub: Asked) -> None:
    train, test = load_dataset("hf:fashion-mnist")
    assert test is not None
    assert train.domain.name == "FashionMNIST"
    assert train.domain == test.domain
    assert train.domain.mean == (0.2861,)
    assert train.domain.classes[5] == "Sandal"
    assert train.labels.tolist() == [0, 1, 2] * 4
    assert hub[0] == ("zalando-datasets/fashion_mnist", None)
    other = load_split("hf:CIFAR100", "train")
    assert other.domain.classes[22] == "clock"
    assert other.labels.tolist() == [0, 1, 2] * 4
    assert set(KNOWN) >= {"MNIST", "FashionMNIST", "SVHN", "CIFAR10", "CIFAR100", "TinyImageNet"}


def test_classes_that_the_hub_orders_differently_are_matched_by_name(
    hub: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    spelled = ["Ankle boot", "T - shirt / top", "Trouser", "Pullover", "Dress", "Coat"]
    spelled += ["Sandal", "Shirt", "Sneaker", "Bag"]
    held = table(arrays(size=(28, 28)), ClassLabel(names=spelled))
    monkeypatch.setattr(datasets, "load_dataset", lambda *_: DatasetDict({"train": held}))
    assert load_split("hf:FashionMNIST", "train", reading=ALL).labels.tolist() == [9, 0, 1] * 4


def test_a_local_copy_of_a_registered_dataset(tmp_path: Path) -> None:
    digits = ClassLabel(names=[str(k) for k in range(10)])
    held = table(arrays(size=(28, 28)), digits)
    where = as_parquet(tmp_path / "copy", {"train": held, "test": held})
    train, test = load_dataset("hf:MNIST", where)
    assert test is not None
    assert train.domain.name == "MNIST"
    assert (train.domain.mean, train.domain.mirror) == ((0.1307,), False)
    assert torch.equal(train.images, test.images)


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("hf:ImageWoof", "where the hub has ImageWoof is not known here"),
        ("hf:digits", "where the hub has digits is not known"),
        ("hf:no where", "neither OWNER/NAME on the hub nor a local copy"),
        ("hf:../../x", "neither OWNER/NAME"),
        ("hf:", "neither OWNER/NAME"),
        ("hf:someone/bugs", "cannot fetch someone/bugs from the hub: Couldn't reach"),
    ],
)
def test_what_the_hub_does_not_have_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, complaint: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=complaint):
        load_split(name, "train")


def test_without_the_library_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    with pytest.raises(InputError, match=r"pip install 'datasets>=4'"):
        load_split("hf:someone/bugs", "train")


@WAYS
def test_rows_of_a_single_one_are_classes(tmp_path: Path, write: Write) -> None:
    pixels = arrays()
    hot = np.eye(3)[np.arange(12) % 3].tolist()
    kinds = Features({"image": datasets.Image(), "label": datasets.List(Value("float32"))})
    values = {"image": [Image.fromarray(array) for array in pixels], "label": hot}
    rows = Dataset.from_dict(values, features=kinds)
    found = load_split(str(write(tmp_path / "own", {"train": rows})), "train", reading=ALL)
    assert found.labels.tolist() == [i % 3 for i in range(12)]
    values["label"] = [[0, 2][: 1 + i % 2] for i in range(12)]
    rows = Dataset.from_dict(values, features=kinds)
    with pytest.raises(InputError, match="lists of several lengths, as of several classes"):
        load_split(str(write(tmp_path / "more", {"train": rows})), "train", reading=ALL)
