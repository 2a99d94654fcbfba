"""Damaged files: a reader says so in one line, or reads what is still there, and no more."""

import gzip
import json
import random
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import datasets
import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset, DatasetDict, Features
from PIL import Image
from safetensors.numpy import save_file

import datastill
from datastill.base.errors import InputError
from datastill.data import ImageSet
from datastill.datasets import Reading, load_split
from pictures import picture, write_pictures
from test_cifar import write as write_cifar
from test_datasets import idx_bytes
from test_official import write_svhn, write_tiny

Read = TypeVar("Read")

EACH = 13
"""Mutations of every file."""

SMALL = (12, 14, 3)
COUNTS = {"ant": 4, "bee": 3, "cat": 3}


@dataclass(frozen=True)
class Case:
    """A dataset that can be written, and what its format can tell of damage.

    Attributes:
        write: writes it into a folder.
        name: by which it is read; ``.`` for its path.
        files: the files to damage, as a pattern.
        exact: whether the format holds every pixel as it is, so that a damaged byte is a pixel.
        checked: whether it has sums that no damage to its content can pass.
    """

    write: Callable[[Path], object]
    files: str
    name: str = "."
    exact: bool = False
    checked: bool = False


def pixels(n: int = 10, size: tuple[int, ...] = SMALL) -> np.ndarray:
    return np.stack([picture(size, seed=1000 * (i % 3) + i) for i in range(n)])


def arrays(n: int = 10) -> dict[str, np.ndarray]:
    return {"images": pixels(n), "labels": np.arange(n) % 3}


def write_idx(folder: Path, *, zipped: bool) -> None:
    images = np.random.default_rng(0).integers(0, 256, (10, 28, 28))
    for stem, array in (("images-idx3", images), ("labels-idx1", np.arange(10))):
        content = idx_bytes(array)
        file = folder / f"train-{stem}-ubyte{'.gz' if zipped else ''}"
        file.write_bytes(gzip.compress(content, mtime=0) if zipped else content)


def write_npy(folder: Path) -> None:
    for name, array in arrays().items():
        np.save(folder / f"{name}.npy", array)


def table() -> Dataset:
    held = {"image": [Image.fromarray(a) for a in pixels()], "label": [i % 3 for i in range(10)]}
    kinds = {"image": datasets.Image(), "label": ClassLabel(names=["a", "b", "c"])}
    return Dataset.from_dict(held, features=Features(kinds))


def write_parquet(folder: Path) -> None:
    (folder / "data").mkdir()
    table().to_parquet(folder / "data" / "train-00000-of-00001.parquet")


def pictures_as(ending: str) -> Callable[[Path], object]:
    return lambda folder: write_pictures(folder / "own", COUNTS, SMALL, ending=ending)


CASES = {
    "idx": Case(lambda f: write_idx(f, zipped=False), "*-ubyte", "MNIST", exact=True),
    "idx.gz": Case(lambda f: write_idx(f, zipped=True), "*.gz", "MNIST", exact=True, checked=True),
    "cifar.bin": Case(
        lambda f: write_cifar(f, "CIFAR10", binary=True),
        "**/data_batch_2.bin",
        "CIFAR10",
        exact=True,
    ),
    "cifar.py": Case(
        lambda f: write_cifar(f, "CIFAR10", binary=False), "**/data_batch_3", "CIFAR10"
    ),
    "svhn": Case(write_svhn, "train_32x32.mat", "SVHN", exact=True),
    "tiny": Case(write_tiny, "train/*/images/*_1.JPEG", "TinyImageNet"),
    "npz": Case(lambda f: np.savez(f / "own.npz", **arrays()), "*.npz", exact=True, checked=True),
    "npy": Case(write_npy, "*.npy", exact=True),
    "safetensors": Case(
        lambda f: save_file(arrays(), f / "own.safetensors"), "*.safetensors", exact=True
    ),
    "parquet": Case(write_parquet, "data/*.parquet"),
    "arrow": Case(lambda f: DatasetDict({"train": table()}).save_to_disk(f / "own"), "own/train/*"),
    **{ending: Case(pictures_as(ending), f"own/*/*.{ending}") for ending in ("png", "jpg", "gif")},
    **{ending: Case(pictures_as(ending), f"own/*/*.{ending}") for ending in ("bmp", "webp", "tif")},
}


def mutate(content: bytes, rng: random.Random) -> tuple[bytes, int]:
    """Damage a file in one of many ways; return it, and how many of its bytes were changed.

    Length is kept where that number is not that of all bytes.
    """
    held, n = bytearray(content), len(content)
    at = rng.randrange(n)
    length = min(rng.choice((1, 2, 7, 64, 1000)), n - at)
    kind = rng.choice(
        ("flip", "flip", "zero", "noise", "cut", "insert", "delete", "double", "head")
    )
    if kind == "flip":
        held[at] ^= 1 << rng.randrange(8)
        return bytes(held), 1
    if kind in ("zero", "noise"):
        held[at : at + length] = bytes(length) if kind == "zero" else rng.randbytes(length)
        return bytes(held), length
    if kind == "cut":
        return bytes(held[:at]), n
    if kind == "insert":
        return bytes(held[:at] + rng.randbytes(length) + held[at:]), n
    if kind == "delete":
        return bytes(held[:at] + held[at + length :]), n
    if kind == "double":
        return bytes(held[: at + length] + held[at:]), n
    return rng.randbytes(min(16, n)) + bytes(held[16:]), min(16, n)


def tree(root: Path) -> dict[str, int]:
    return {str(p.relative_to(root)): p.stat().st_size for p in root.rglob("*") if p.is_file()}


def bytes_of(data: ImageSet) -> torch.Tensor:
    return (data.domain.pixels(data.images) * 255).round().to(torch.int16)


def attempt(read: Callable[[], Read], *, longest: int = 700) -> Read | None:
    """Return what was read, or None after a complaint that a person can read."""
    try:
        return read()
    except InputError as error:
        complaint = str(error)
    assert 0 < len(complaint) < longest
    return None


@pytest.fixture(autouse=True)
def nowhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give temporary files, caches and the working folder a place that must stay empty."""
    place = tmp_path / "elsewhere"
    place.mkdir()
    monkeypatch.chdir(place)
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", place)
    datasets.disable_progress_bars()
    return place


@pytest.mark.parametrize("number", range(EACH))
@pytest.mark.parametrize("case", CASES)
def test_damage_is_told_or_leaves_the_rest_as_it_was(
    tmp_path: Path, nowhere_else: Path, case: str, number: int
) -> None:
    kind, folder = CASES[case], tmp_path / "data"
    folder.mkdir()
    kind.write(folder)
    path = None if kind.name == "." else folder
    name = str(next(iter(folder.glob("own*")), folder)) if path is None else kind.name
    reading = Reading(test_share=0)
    whole = load_split(name, "train", path, reading)

    rng = random.Random(f"{case} {number}")
    file = rng.choice(sorted(folder.glob(kind.files)))
    damaged, changed = mutate(file.read_bytes(), rng)
    file.write_bytes(damaged)
    before = tree(folder)
    found = attempt(lambda: load_split(name, "train", path, reading))
    if isinstance(found, ImageSet):
        assert found.images.shape == whole.images.shape
        assert bool(torch.isfinite(found.images).all())
        assert min(found.counts) > 0 or found.domain.classes == whole.domain.classes
        odd = int((bytes_of(found) != bytes_of(whole)).sum())
        if kind.checked:
            assert odd == 0
            assert torch.equal(found.labels, whole.labels)
        elif kind.exact:
            assert odd <= changed
            assert changed < len(damaged) or odd == 0
    assert tree(folder) == before
    # A list of what is damaged is all that may be left behind.
    assert not [path for path in nowhere_else.iterdir() if not path.name.startswith("damaged-")]


@pytest.mark.parametrize("number", range(EACH))
def test_damaged_sets_and_originals_are_told(tmp_path: Path, number: int) -> None:
    rng = random.Random(f"set {number}")
    data = datastill.from_arrays(**arrays())
    file = tmp_path / "set.safetensors"
    datastill.save(data, file)
    content = file.read_bytes()
    length = int.from_bytes(content[:8], "little") + 8
    head, _ = mutate(content[:length], rng)  # what is below are pixels, of any value
    file.write_bytes(head + content[length:])
    found = attempt(lambda: datastill.load(file))
    if isinstance(found, ImageSet):
        assert found.images.shape == data.images.shape
        assert json.dumps(found.facts) is not None
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["set.safetensors"]


def test_damage_is_varied() -> None:
    content = bytes(range(256)) * 8
    found = {mutate(content, random.Random(i))[0] for i in range(50)}
    assert len(found) == 50
    lengths = {len(damaged) for damaged in found}
    assert len(lengths) > 10
