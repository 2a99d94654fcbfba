"""Decoded pictures are kept between runs: never wrong, never in the way, never without end."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from datastill.data import ImageSet
from datastill.datasets import Reading, load_split
from datastill.datasets.base import decode, kept
from pictures import picture, write_pictures

ALL = Reading(test_share=0)


@pytest.fixture
def pets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write pictures, of which few are enough to be kept; the cache is empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(kept, "LEAST", 1)
    monkeypatch.setattr(kept, "SPARE", 0)
    write_pictures(tmp_path / "pets", {"a": 4, "b": 3}, (12, 12, 3))
    return tmp_path / "pets"


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note the pictures that are decoded."""
    found: list[str] = []
    before = decode._plain

    def noting(encoded: decode.Encoded, *rest: object) -> Image.Image:
        found.append(encoded.name)
        return before(encoded, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(decode, "_plain", noting)
    return found


def read(where: Path, reading: Reading = ALL, split: str = "train") -> ImageSet:
    return load_split(str(where), split, reading=reading)  # type: ignore[arg-type]


def entries(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "cache").rglob("*.pictures"))


@pytest.mark.parametrize("colour", [True, False])
def test_pictures_are_decoded_once(
    tmp_path: Path, pets: Path, decoded: list[str], colour: bool
) -> None:
    if not colour:
        for file in pets.rglob("*.png"):
            Image.open(file).convert("L").save(file)
    told: list[str] = []
    first = read(pets, Reading(test_share=0, tell=told.append))
    assert len(decoded) == 7
    (entry,) = entries(tmp_path)
    assert len(told) == 1
    assert str(entry.parent) in told[0]
    assert "the folder may be deleted" in told[0]
    again = read(pets, Reading(test_share=0, tell=told.append))
    assert len(decoded) == 7
    assert len(told) == 1
    assert torch.equal(again.images, first.images)
    assert again.domain == first.domain
    shutil.rmtree(entry.parent)
    assert torch.equal(read(pets).images, first.images)
    assert len(decoded) == 14


def rewritten(pets: Path) -> None:
    file = pets / "a" / "00.png"
    told = file.stat()
    content = bytearray(file.read_bytes())
    other = Image.fromarray(255 - np.asarray(Image.open(file)))
    other.save(file)
    held = file.read_bytes()
    file.write_bytes(held + b"\0" * max(0, len(content) - len(held)))
    os.utime(file, ns=(told.st_atime_ns, told.st_mtime_ns))  # as if nothing had been


def renamed(pets: Path) -> None:
    (pets / "a" / "00.png").rename(pets / "a" / "zz.png")


def added(pets: Path) -> None:
    Image.fromarray(picture((12, 12, 3), seed=77)).save(pets / "b" / "zz.png")


def gone(pets: Path) -> None:
    (pets / "b" / "00.png").unlink()


def moved(pets: Path) -> None:
    (pets / "b" / "00.png").rename(pets / "a" / "99.png")


@pytest.mark.parametrize("change", [rewritten, renamed, added, gone, moved])
def test_what_has_changed_is_decoded_anew(
    tmp_path: Path, pets: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None]
) -> None:
    before = read(pets)
    change(pets)
    now = read(pets)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another"))
    fresh = read(pets)
    assert torch.equal(now.images, fresh.images)
    assert torch.equal(now.labels, fresh.labels)
    assert len(now) != len(before) or not (
        torch.equal(now.images, before.images) and torch.equal(now.labels, before.labels)
    )


def test_relative_names_are_of_the_folder_one_is_in(
    tmp_path: Path, pets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(pets, tmp_path / "elsewhere" / "pets")
    for file in (tmp_path / "elsewhere" / "pets").rglob("*.png"):
        Image.fromarray(255 - np.asarray(Image.open(file))).save(file)
    found = []
    for folder in (tmp_path, tmp_path / "elsewhere", tmp_path):
        monkeypatch.chdir(folder)
        found.append(load_split("./pets", "train", reading=ALL).domain.mean)
    assert found[0] == found[2] != found[1]


def test_other_options_are_other_entries(tmp_path: Path, pets: Path) -> None:
    plain, small = read(pets), read(pets, Reading(size=(8, 8), test_share=0))
    assert small.domain.shape == (3, 8, 8)
    assert len(entries(tmp_path)) == 2
    assert read(pets, Reading(size=(8, 8), test_share=0)).images.equal(small.images)
    parts = [read(pets, Reading(test_share=0.4), split) for split in ("train", "test")]
    again = [read(pets, Reading(test_share=0.4), split) for split in ("train", "test")]
    for one, other in zip(parts, again, strict=True):
        assert torch.equal(one.images, other.images)
    assert sum(map(len, parts)) == len(plain)


def truncated(content: bytes) -> bytes:
    return content[:-1]


def flipped(content: bytes) -> bytes:
    return content[:-5] + bytes([content[-5] ^ 1]) + content[-4:]


def other_shape(content: bytes) -> bytes:
    return content.replace(b"[7, 3, 12, 12]", b"[7, 3, 144, 1]")


def huge(content: bytes) -> bytes:
    return content.replace(b"[7, 3, 12, 12]", b"[7, 3, 99999999999, 12]")


@pytest.mark.parametrize(
    "spoil", [truncated, flipped, other_shape, huge, lambda _: b"", lambda _: b"[" * 10**5]
)
def test_a_damaged_entry_is_never_used(
    tmp_path: Path, pets: Path, decoded: list[str], spoil: Callable[[bytes], bytes]
) -> None:
    right = read(pets)
    (entry,) = entries(tmp_path)
    sound = entry.read_bytes()
    entry.write_bytes(spoil(sound))
    assert torch.equal(read(pets).images, right.images)
    assert len(decoded) == 14
    assert read(pets).images.equal(right.images)
    assert entry.read_bytes() == sound
    shutil.copy(entry, tmp_path / "other")
    added(pets)
    read(pets)
    (new,) = set(entries(tmp_path)) - {entry}
    shutil.copy(tmp_path / "other", new)  # an entry of other pictures, under this name
    assert len(read(pets)) == 8


@pytest.mark.parametrize("mode", [0o777, 0o775, 0o702])
def test_a_folder_that_others_may_write_to_is_not_trusted(
    tmp_path: Path, pets: Path, decoded: list[str], mode: int
) -> None:
    right = read(pets)
    (entry,) = entries(tmp_path)
    content = entry.read_bytes()
    entry.parent.chmod(mode)
    assert torch.equal(read(pets).images, right.images)
    assert len(decoded) == 14
    assert entry.read_bytes() == content
    entry.parent.chmod(0o700)
    entry.chmod(0o666)
    read(pets)
    assert len(decoded) == 21
    shutil.move(entry.parent, tmp_path / "elsewhere")
    entry.parent.symlink_to(tmp_path / "elsewhere")
    read(pets)
    assert len(decoded) == 28
    (tmp_path / "elsewhere" / entry.name).rename(tmp_path / "real")
    entry.parent.unlink()
    entry.parent.mkdir(mode=0o700)
    entry.symlink_to(tmp_path / "real")
    read(pets)
    assert len(decoded) == 35


def no_space(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_where_nothing_can_be_written_nothing_is_kept(
    tmp_path: Path, pets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as full:
        full.setattr(kept, "SPARE", 2**62)
        right = read(pets)
    with monkeypatch.context() as full:
        full.setattr(kept, "_write", no_space)
        assert torch.equal(read(pets).images, right.images)
    with monkeypatch.context() as full:
        full.setattr(Path, "replace", no_space)
        assert torch.equal(read(pets).images, right.images)
    assert not list((tmp_path / "cache" / "datastill" / "pictures").iterdir())
    shutil.rmtree(tmp_path / "cache")
    (tmp_path / "cache").write_text("a file")
    assert torch.equal(read(pets).images, right.images)
    monkeypatch.delenv("XDG_CACHE_HOME")

    def nobody() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nobody)
    assert torch.equal(read(pets).images, right.images)


def test_entries_are_bounded(tmp_path: Path, pets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read(pets)
    (first,) = entries(tmp_path)
    monkeypatch.setattr(kept, "MOST", 2 * first.stat().st_size + 200)
    read(pets, Reading(size=(11, 11), test_share=0))
    assert len(entries(tmp_path)) == 2
    os.utime(first, ns=(10**9, 10**9))
    read(pets)  # now the other one is older
    (other,) = set(entries(tmp_path)) - {first}
    os.utime(other, ns=(10**9, 10**9))
    read(pets, Reading(size=(10, 11), test_share=0))
    assert first.exists()
    assert not other.exists()
    monkeypatch.setattr(kept, "MOST", 10)
    read(pets, Reading(size=(9, 11), test_share=0))
    assert len(entries(tmp_path)) == 2


def test_few_pictures_are_not_kept(
    tmp_path: Path, pets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "LEAST", 2**20)
    read(pets)
    assert not entries(tmp_path)


def test_pictures_in_tables_are_kept_too(tmp_path: Path, pets: Path, decoded: list[str]) -> None:
    datasets = pytest.importorskip("datasets")
    kinds = {"image": datasets.Image(), "label": datasets.ClassLabel(names=["a", "b"])}
    for seed in (0, 50):
        values = {
            "image": [Image.fromarray(picture((12, 12, 3), seed=seed + i)) for i in range(4)],
            "label": [0, 1, 0, 1],
        }
        table = datasets.Dataset.from_dict(values, features=datasets.Features(kinds))
        table.to_parquet(tmp_path / "own.parquet")
        first = read(tmp_path / "own.parquet")
        assert torch.equal(read(tmp_path / "own.parquet").images, first.images)
    assert len(decoded) == 8


def test_threads_are_as_many_as_there_are_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2}, raising=False)
    for threads, wanted in ((1, 1), (2, 2), (8, 3)):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        assert decode.workers() == wanted


@pytest.mark.parametrize("small", [0, 2**30])
@pytest.mark.parametrize("handful", [1, 3, 64])
def test_pictures_come_in_order_however_many_threads_decode(
    pets: Path, monkeypatch: pytest.MonkeyPatch, small: int, handful: int
) -> None:
    right = read(pets).images
    monkeypatch.setattr(kept, "LEAST", 2**40)
    monkeypatch.setattr(decode, "SMALL", small)
    monkeypatch.setattr(decode, "HANDFUL", handful)
    monkeypatch.setattr(decode, "workers", lambda: 3)
    assert torch.equal(read(pets).images, right)


def test_colour_found_late_gives_the_same_as_colour_known(pets: Path) -> None:
    """Grey pictures before the first that has colour become coloured as they would have been."""
    for i, mode in enumerate(("L", "LA", "1")):
        Image.open(pets / "a" / f"0{i}.png").convert("L").convert(mode).save(
            pets / "a" / f"0{i}.png"
        )
    found = read(pets)
    wanted = [
        np.asarray(decode.upright(Image.open(file), colour=True))
        for file in sorted(pets.rglob("*.png"))
    ]
    pixels = (found.domain.pixels(found.images) * 255).round().to(torch.uint8).numpy()
    assert np.array_equal(pixels, np.moveaxis(np.stack(wanted), -1, 1))
