"""CIFAR in its official layouts, written here in small."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from datastill.base.errors import InputError
from datastill.datasets import DATASETS, load_split

LAYOUTS = {
    "CIFAR10": ("cifar-10-batches-bin", "cifar-10-batches-py"),
    "CIFAR100": ("cifar-100-binary", "cifar-100-python"),
}


def files(name: str) -> dict[str, list[str]]:
    if name == "CIFAR10":
        return {"train": [f"data_batch_{i}" for i in range(1, 6)], "test": ["test_batch"]}
    return {"train": ["train"], "test": ["test"]}


def write(root: Path, name: str, *, binary: bool, each: int = 4) -> dict[str, np.ndarray]:
    """Write both splits, and return the bytes of the images of each."""
    rng, held = np.random.default_rng(0), {}
    folder = root / LAYOUTS[name][0 if binary else 1]
    folder.mkdir(parents=True)
    for split, stems in files(name).items():
        pixels = rng.integers(0, 256, (len(stems) * each, 3072), np.uint8)
        held[split] = pixels
        for stem, part in zip(stems, np.split(pixels, len(stems)), strict=True):
            labels = [i % 10 for i in range(each)]
            if binary:
                coarse = np.full((each, 1), 7, np.uint8) if name == "CIFAR100" else None
                columns = [coarse, np.array(labels, np.uint8)[:, None], part]
                table = np.hstack([column for column in columns if column is not None])
                (folder / f"{stem}.bin").write_bytes(table.tobytes())
            else:
                key = b"fine_labels" if name == "CIFAR100" else b"labels"
                content = {b"data": part, key: labels, b"batch_label": b"x"}
                (folder / stem).write_bytes(pickle.dumps(content, protocol=2))
    return held


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("name", list(LAYOUTS))
@pytest.mark.parametrize("split", ["train", "test"])
def test_every_pixel_and_label_is_read(tmp_path: Path, name: str, binary: bool, split) -> None:
    held = write(tmp_path, name, binary=binary)
    found = load_split(name, split, tmp_path)
    assert found.domain.shape == (3, 32, 32)
    assert len(found.domain.classes) == len(set(found.domain.classes)) == int(name[5:])
    pixels = (found.domain.pixels(found.images) * 255).round().to(torch.uint8)
    assert np.array_equal(pixels.flatten(1).numpy(), held[split])
    assert found.labels.tolist() == [0, 1, 2, 3] * (len(found) // 4)


def test_the_official_folder_itself_can_be_named(tmp_path: Path) -> None:
    write(tmp_path, "CIFAR10", binary=True)
    assert len(load_split("cifar-10", "test", tmp_path / "cifar-10-batches-bin")) == 4


class Hostile:
    def __reduce__(self):
        return (Path.touch, (Path("owned"),))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (pickle.dumps(Hostile()), "it asks for pathlib"),
        (pickle.dumps({b"data": Hostile(), b"labels": []}), "it asks for pathlib"),
        (pickle.dumps({b"labels": [1]}), "damaged"),
        (pickle.dumps([1, 2]), "damaged"),
        (pickle.dumps({b"data": np.zeros((2, 3072)), b"labels": [1, 2]}), "float64"),
        (pickle.dumps({b"data": np.zeros((1, 3072), np.uint8), b"labels": [1, 2]}), "2 labels"),
        (pickle.dumps({b"data": np.zeros((1, 3072), np.uint8), b"labels": ["a"]}), "damaged"),
        (b"", "damaged"),
        (b"\x80\x04\x95", "damaged"),
    ],
)
def test_damaged_and_hostile_files_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, complaint: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "CIFAR10", binary=False)
    (tmp_path / "cifar-10-batches-py" / "test_batch").write_bytes(content)
    with pytest.raises(InputError, match=complaint):
        load_split("CIFAR10", "test", tmp_path)
    assert not (tmp_path / "owned").exists()


def test_damaged_binary_files_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "CIFAR100", binary=True)
    file = tmp_path / "cifar-100-binary" / "test.bin"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(InputError, match="not whole records of 3074"):
        load_split("CIFAR100", "test", tmp_path)
    file.write_bytes(b"\0" + b"\x64" + bytes(3072))
    with pytest.raises(InputError, match="label 100 is outside the classes 0 to 99"):
        load_split("CIFAR100", "test", tmp_path)


def test_missing_files_name_every_place(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no files data_batch_1 .*cifar-10-batches-py"):
        load_split("CIFAR10", "train", tmp_path)


def test_they_are_known_by_name() -> None:
    assert {"CIFAR10", "CIFAR100"} <= set(DATASETS.names)
