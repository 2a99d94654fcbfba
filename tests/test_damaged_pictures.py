"""Damaged pictures: all are named in one run, and left out where that is asked for."""

import re
from pathlib import Path

import pytest
import torch
from PIL import Image

import datastill
from datastill.base.errors import InputError
from datastill.datasets import Reading, load_dataset, load_split
from datastill.datasets.base import kept
from pictures import picture, write_pictures
from test_official import write_tiny
from test_own_data import Go, go, succeed

__all__ = ["go"]

ALL, SKIPPING = Reading(test_share=0), Reading(test_share=0, skip_damaged=True)


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what is kept, and what is listed, in folders of the test."""
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def spoil(folder: Path, number: int) -> list[str]:
    """Damage some pictures of a folder, each in another way, and return their names."""
    files = sorted(folder.rglob("*.jpg"))[1::2][:number]
    for i, file in enumerate(files):
        held = file.read_bytes()
        file.write_bytes([b"", held[: len(held) // 2], b"<html>", held[:20]][i % 4])
    return [str(file.relative_to(folder)) for file in files]


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    write_pictures(tmp_path / "pets", {"cat": 12, "dog": 10}, (16, 16, 3), ending="jpg")
    return tmp_path / "pets"


@pytest.mark.parametrize("size", [None, (8, 8)])
@pytest.mark.parametrize("number", [2, 4, 9])
def test_all_that_are_damaged_are_named(
    pets: Path, tmp_path: Path, number: int, size: tuple[int, int] | None
) -> None:
    names = spoil(pets, number)
    with pytest.raises(InputError) as told:
        load_split(str(pets), "train", reading=Reading(size=size, test_share=0))
    said = str(told.value)
    assert "\n" not in said
    assert f"{number} of 22 pictures are damaged" in said
    assert said.endswith("`skip_damaged=True` goes on without them")
    shown = names if number <= 5 else names[:3]
    assert all(name in said for name in shown)
    if number > 5:
        listed = re.search(r"and 6 more, listed in (\S+);", said)
        assert listed
        assert all(name in Path(listed[1]).read_text() for name in names)
        assert len(Path(listed[1]).read_text().splitlines()) == number
    else:
        assert not list((tmp_path / "scratch").iterdir())


def test_one_that_is_damaged_is_named_as_ever(pets: Path) -> None:
    (name,) = spoil(pets, 1)
    with pytest.raises(
        InputError, match=rf"{name} is damaged or no picture; `skip_damaged=True` goes"
    ):
        load_split(str(pets), "train")


@pytest.mark.parametrize("kept_at_all", [True, False])
def test_they_are_left_out(pets: Path, kept_at_all: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "LEAST", 1 if kept_at_all else 2**40)
    monkeypatch.setattr(kept, "SPARE", 0)
    whole = load_split(str(pets), "train", reading=ALL)
    names = spoil(pets, 4)
    sound = [row for row in range(22) if row not in (1, 3, 5, 7)]
    for _ in range(2):
        found = load_split(str(pets), "train", reading=SKIPPING)
        assert found.counts == (8, 10)
        assert found.facts["damaged"] == names
        whole_pixels = whole.domain.pixels(whole.images)[torch.tensor(sound)]
        torch.testing.assert_close(found.domain.pixels(found.images), whole_pixels)
    train, test = load_dataset(str(pets), reading=Reading(skip_damaged=True))
    assert test is not None
    assert len(train) + len(test) == 18
    (pets / names[0]).write_bytes((pets / "cat" / "00.jpg").read_bytes())  # mended
    assert load_split(str(pets), "train", reading=SKIPPING).facts["damaged"] == names[1:]


def test_in_test_images_and_in_other_layouts_too(pets: Path, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    pets.rename(tmp_path / "own" / "train")
    write_pictures(tmp_path / "own" / "test", {"cat": 4, "dog": 4}, (16, 16, 3), ending="jpg")
    names = spoil(tmp_path / "own" / "test", 2)
    assert "damaged" not in load_split(str(tmp_path / "own"), "train", reading=SKIPPING).facts
    test = load_split(str(tmp_path / "own"), "test", reading=SKIPPING)
    assert (len(test), test.facts["damaged"]) == (6, names)
    write_tiny(tmp_path / "tiny")
    (file, *_) = sorted((tmp_path / "tiny" / "train").rglob("*.JPEG"))
    file.write_bytes(b"")
    tiny = load_split("TinyImageNet", "train", tmp_path / "tiny", SKIPPING)
    assert tiny.counts == (2, 3, 3)


def test_where_all_are_damaged_nothing_is_left(pets: Path) -> None:
    for file in pets.rglob("*.jpg"):
        file.write_bytes(b"")
    with pytest.raises(InputError, match="all 22 pictures are damaged"):
        load_split(str(pets), "train", reading=SKIPPING)


def test_pictures_of_another_kind_are_not_damaged(pets: Path) -> None:
    """They are refused as ever: to leave them out would leave out what is sound."""
    Image.new("I;16", (16, 16)).save(pets / "cat" / "deep.png")
    with pytest.raises(InputError, match=r"deep\.png has pixels of mode 'I;16'"):
        load_split(str(pets), "train", reading=SKIPPING)


def test_from_the_command_line(go: Go, tmp_path: Path, pets: Path) -> None:
    names = spoil(pets, 3)
    line = "distill --dataset ./pets --ipc 1 --model MLP --iterations 1 --batch-real 2"
    code, _, err = go(line)
    said = " ".join(err.split())
    assert (code, "3 of 22 pictures are damaged" in said) == (2, True)
    assert "--skip-damaged goes on without them" in said
    out = " ".join(succeed(go, f"{line} --skip-damaged").split())
    assert f"3 damaged pictures of pets left out: {', '.join(names)}" in out
    made = datastill.load(tmp_path / "condensed/pets/DM/IPC1")
    assert made.facts["data"]["damaged"] == names
    # The set knows how its dataset was read.
    judged = "validate condensed/pets/DM/IPC1 --model MLP --epochs 1 --num-eval 1 --against random"
    succeed(go, judged)
    Image.fromarray(picture((16, 16, 3), seed=5)).save(pets / "cat" / "00.jpg")
