"""idx files of other names than MNIST's, written here in small."""

import gzip
from pathlib import Path

import numpy as np
import pytest
import torch

from datastill.base.errors import InputError
from datastill.data import ImageSet
from datastill.datasets import Reading, load_dataset, load_split, load_test

ALL = Reading(test_share=0)
KINDS = {"u1": 8, "i1": 9, "i2": 11, "i4": 12, "f4": 13}


def write(file: Path, array: np.ndarray, kind: str = "u1") -> None:
    content = bytes([0, 0, KINDS[kind], array.ndim]) + np.array(array.shape, ">u4").tobytes()
    content += array.astype(f">{kind}").tobytes()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(gzip.compress(content) if file.suffix == ".gz" else content)


def images(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, 12, 12), np.uint8)


def bytes_of(data: ImageSet) -> np.ndarray:
    return (data.domain.pixels(data.images[:]) * 255).round().to(torch.uint8).numpy()[:, 0]


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("train-{}s-idx{}-ubyte.gz", "t10k-{}s-idx{}-ubyte.gz"),
        ("raw/train-{}s-idx{}-ubyte", "raw/t10k-{}s-idx{}-ubyte"),
        ("emnist-letters-train-{}s-idx{}-ubyte.gz", "emnist-letters-test-{}s-idx{}-ubyte.gz"),
        ("train-{}s.idx{}-ubyte", "t10k-{}s.idx{}-ubyte"),
        ("Train_{}s_idx{}", "Test_{}s_idx{}"),
        ("k49-train-{}s-idx{}.gz", "k49-val-{}s-idx{}.gz"),
    ],
)
def test_idx_files_of_any_name(tmp_path: Path, train: str, test: str) -> None:
    for name, seed, n in ((train, 0, 6), (test, 1, 3)):
        write(tmp_path / name.format("image", 3), images(n, seed))
        write(tmp_path / name.format("label", 1), np.arange(n) % 3 + 1)
    real, kept = load_dataset(str(tmp_path))
    assert kept is not None
    assert real.domain.classes == ("1", "2", "3")
    assert np.array_equal(bytes_of(real), images(6))
    assert np.array_equal(bytes_of(kept), images(3, 1))
    assert real.labels.tolist() == [0, 1, 2, 0, 1, 2]
    assert real.facts["kept_for_tests"] is None


def test_labels_of_qmnist(tmp_path: Path) -> None:
    """Eight integers for each image, the first of them the class."""
    for word, n in (("train", 6), ("test", 4), ("test10k", 2), ("test50k", 2)):
        rows = np.arange(8 * n).reshape(n, 8) + 1000
        rows[:, 0] = np.arange(n) % 2
        write(tmp_path / f"qmnist-{word}-images-idx3-ubyte.gz", images(n, n))
        write(tmp_path / f"qmnist-{word}-labels-idx2-int.gz", rows, "i4")
    real, kept = load_dataset(str(tmp_path))
    assert kept is not None
    assert real.labels.tolist() == [0, 1] * 3
    assert np.array_equal(bytes_of(kept), images(4, 4))


@pytest.mark.parametrize("kind", ["u1", "i1", "i2", "i4", "f4"])
def test_labels_of_any_type_and_rows_of_a_single_one(tmp_path: Path, kind: str) -> None:
    write(tmp_path / "train-images-idx3-ubyte", images(4))
    write(tmp_path / "train-labels-idx2-int", np.eye(2)[[0, 1, 1, 0]], kind)
    assert load_split(str(tmp_path), "train", reading=ALL).labels.tolist() == [0, 1, 1, 0]
    assert load_test(str(tmp_path), reading=ALL) is None


@pytest.mark.parametrize("kind", ["i2", "i4", "f4"])
def test_numbers_in_the_wrong_order_of_bytes_are_told(tmp_path: Path, kind: str) -> None:
    write(tmp_path / "train-images-idx3-ubyte", images(4))
    labels = np.arange(4) % 2
    write(tmp_path / "train-labels-idx1-int", labels.astype(f"<{kind}").view(f">{kind}"), kind)
    with pytest.raises(InputError, match=r"train-labels-idx1-int holds .* the wrong order"):
        load_split(str(tmp_path), "train", reading=ALL)


def test_of_several_datasets_one_is_named(tmp_path: Path) -> None:
    for i, name in enumerate(("emnist-digits", "emnist-letters")):
        for split, n in (("train", 6), ("test", 2)):
            write(tmp_path / f"{name}-{split}-images-idx3-ubyte.gz", images(n, i))
            write(tmp_path / f"{name}-{split}-labels-idx1-ubyte.gz", np.arange(n) % 2)
    with pytest.raises(InputError, match="2 datasets: emnist-digits, emnist-letters") as told:
        load_split(str(tmp_path), "train")
    advised = str(told.value).rpartition("such as ")[2]
    assert np.array_equal(bytes_of(load_split(advised, "train")), images(6, 0))
    letters = tmp_path / "emnist-letters-train-images-idx3-ubyte.gz"
    assert np.array_equal(bytes_of(load_split(str(letters), "train")), images(6, 1))


def test_what_is_wrong_is_told(tmp_path: Path) -> None:
    where = str(tmp_path)
    write(tmp_path / "t10k-images-idx3-ubyte", images(4))
    with pytest.raises(InputError, match="no idx files of training images and of their labels"):
        load_split(where, "train")
    write(tmp_path / "train-images-idx3-ubyte", images(4))
    with pytest.raises(InputError, match="no idx files of training images and of their labels"):
        load_split(where, "train")
    write(tmp_path / "train-labels-idx1-ubyte", np.arange(3) % 2)
    with pytest.raises(InputError, match=r"4 images but .* 3 labels"):
        load_split(where, "train", reading=ALL)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(b"<html>")
    with pytest.raises(InputError, match="is no idx file: it starts with"):
        load_split(where, "train", reading=ALL)
