"""Real images from files and from scikit-learn."""

import gzip
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from datastill.base.errors import InputError
from datastill.data.pixels import Pixels
from datastill.datasets import DATASETS, load_dataset, load_split
from datastill.datasets.idx import read_idx

PACKAGE = Path("/usr/share/datasets/fashion-mnist")
real_fashion = pytest.mark.skipif(
    not PACKAGE.is_dir() and "DATASTILL_REQUIRE_DATA" not in os.environ,
    reason="needs Debian's package dataset-fashion-mnist",
)


def idx_bytes(array: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, array.ndim])
    return header + np.array(array.shape, ">u4").tobytes() + array.astype(np.uint8).tobytes()


def write_idx(folder: Path, *, zipped: bool = False, images: int = 20, label: int = 9) -> None:
    """Write a dataset in the layout of MNIST; image i is grey i, labels are 0..9 in turn."""
    folder.mkdir(parents=True, exist_ok=True)
    for prefix in ("train", "t10k"):
        pixels = np.arange(images)[:, None, None] * np.ones((1, 28, 28))
        labels = np.minimum(np.arange(images) % 10, 9)
        labels[-1] = label
        for stem, array in (("images-idx3", pixels), ("labels-idx1", labels)):
            content = idx_bytes(array)
            name = f"{prefix}-{stem}-ubyte"
            if zipped:
                (folder / f"{name}.gz").write_bytes(gzip.compress(content))
            else:
                (folder / name).write_bytes(content)


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("below", ["", "raw", "FashionMNIST", "FashionMNIST/raw"])
def test_idx_files_are_found_where_people_put_them(
    tmp_path: Path, below: str, zipped: bool
) -> None:
    write_idx(tmp_path / below, zipped=zipped)
    train, test = load_dataset("fashion_mnist", tmp_path)
    assert test is not None
    assert train.images.shape == test.images.shape == (20, 1, 28, 28)
    assert train.labels.tolist()[:11] == [*range(10), 0]
    pixels = train.domain.pixels(train.images)[:, 0, 5, 5] * 255
    torch.testing.assert_close(pixels, torch.arange(20.0), atol=1e-3, rtol=0)


def test_idx_files_are_found_in_the_usual_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_idx(tmp_path / "data" / "MNIST" / "raw")
    monkeypatch.chdir(tmp_path)
    assert len(load_split("MNIST", "train")) == 20


def test_the_other_split_is_not_opened(tmp_path: Path) -> None:
    write_idx(tmp_path)
    for file in tmp_path.glob("t10k*"):
        file.unlink()
    assert len(load_split("MNIST", "train", tmp_path)) == 20
    with pytest.raises(InputError, match="no file t10k-images"):
        load_split("MNIST", "test", tmp_path)


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda content: content[:3], "truncated: 3 bytes"),
        (lambda content: content[:-1], "truncated"),
        (lambda content: content + b"x", "too long"),
        (lambda content: b"PNG!" + content[4:], "not an idx file of bytes in 3 axes"),
        (lambda content: b"", "truncated: 0 bytes"),
        (lambda content: content[:8] + bytes([0, 0, 0, 27]) + content[12:], "too long"),
    ],
)
def test_damaged_idx_files_are_told(tmp_path: Path, damage, complaint: str) -> None:
    write_idx(tmp_path)
    file = tmp_path / "train-images-idx3-ubyte"
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(InputError, match=complaint) as caught:
        load_split("MNIST", "train", tmp_path)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize("keep", [0, 5, 30, -4])
def test_damaged_gzip_files_are_told(tmp_path: Path, keep: int) -> None:
    write_idx(tmp_path, zipped=True)
    file = tmp_path / "train-images-idx3-ubyte.gz"
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(InputError, match=r"damaged|truncated"):
        load_split("MNIST", "train", tmp_path)


def test_a_file_that_is_no_gzip_is_told(tmp_path: Path) -> None:
    write_idx(tmp_path, zipped=True)
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(b"hello, I am not compressed at all")
    with pytest.raises(InputError, match=r"damaged: Not a gzipped file"):
        load_split("MNIST", "train", tmp_path)


def test_a_label_outside_the_classes_is_told(tmp_path: Path) -> None:
    write_idx(tmp_path, label=10)
    with pytest.raises(InputError, match="label 10 is outside the classes 0 to 9"):
        load_split("MNIST", "train", tmp_path)


def test_images_of_another_size_are_told(tmp_path: Path) -> None:
    write_idx(tmp_path)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx_bytes(np.zeros((20, 32, 32))))
    with pytest.raises(InputError, match="images of 32x32, not 28x28"):
        load_split("MNIST", "train", tmp_path)


def test_different_numbers_of_images_and_labels_are_told(tmp_path: Path) -> None:
    write_idx(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx_bytes(np.zeros(19)))
    with pytest.raises(InputError, match=r"holds 20 images but .* 19 labels"):
        load_split("MNIST", "train", tmp_path)


def test_missing_files_name_every_place(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no file train-images.*`path`") as caught:
        load_split("FashionMNIST", "train", tmp_path)
    assert str(tmp_path / "raw") in str(caught.value)


def test_read_idx_keeps_every_byte(tmp_path: Path) -> None:
    array = np.arange(24).reshape(2, 3, 4)
    (tmp_path / "a").write_bytes(idx_bytes(array))
    assert read_idx(tmp_path / "a", axes=3).tolist() == array.tolist()


def test_digits_split_every_class_and_share_no_image() -> None:
    train, test = load_dataset("digits")
    assert test is not None
    assert (len(train), len(test)) == (1347, 450)
    assert min(train.counts) > 125
    assert min(test.counts) > 40
    assert abs(float(train.images.mean())) < 1e-4
    together = torch.cat([train.images, test.images]).flatten(1)
    assert len(together.unique(dim=0)) == 1797
    assert torch.equal(load_split("digits", "train").images, train.images)


def test_digits_need_no_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not needed"):
        load_split("digits", "train", tmp_path)


def test_unknown_names_get_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'FashionMNIST'"):
        load_split("FashonMNIST", "train")
    assert {"digits", "FashionMNIST", "MNIST"} <= set(DATASETS.names)


@real_fashion
def test_fashion_mnist_is_one_tensor_normalised_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixty thousand pictures, one by one, are what reading used to spend its time on."""
    normalised: list[int] = []
    inner = Pixels.normalised
    monkeypatch.setattr(
        Pixels, "normalised", lambda self: normalised.append(len(self)) or inner(self)
    )
    for name in ("open", "fromarray", "frombytes"):
        monkeypatch.setattr(f"PIL.Image.{name}", None)
    train = load_split("FashionMNIST", "train")
    assert train.images.shape == (60_000, 1, 28, 28)
    assert train.counts == (6000,) * 10
    assert normalised == [60_000]
    test = load_split("FashionMNIST", "test")
    assert test.counts == (1000,) * 10
    assert test.domain.classes[9] == "Ankle boot"
