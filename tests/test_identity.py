"""Images are known by what they show: which are kept for tests, and what a set was made from."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from datastill.data import ImageSet, rows_by_class
from datastill.datasets import Reading, load_dataset, load_split
from datastill.identity import Aside, Content, content_of, digests, kept_aside
from pictures import picture, write_pictures

NAMES = ("ant", "bee", "cat")


def shown(data: ImageSet) -> set[bytes]:
    pixels = (data.domain.pixels(data.images) * 255).round().to(torch.uint8)
    return {hashlib.sha256(image.numpy().tobytes()).digest() for image in pixels}


def noise(count: int, *shape: int, seed: int = 0) -> torch.Tensor:
    values = np.random.default_rng(seed).integers(0, 256, (count, *shape), np.uint8)
    return torch.from_numpy(values)


def write(folder: Path, images: torch.Tensor, name: str = "{:03d}") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for i, image in enumerate(images):
        Image.fromarray(image.movedim(0, -1).numpy()).save(folder / f"{name.format(i)}.png")


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    for k, name in enumerate(NAMES):
        write(tmp_path / "pets" / name, noise(30, 3, 8, 8, seed=k))
    return tmp_path / "pets"


def renamed(pets: Path) -> None:
    for folder in pets.iterdir():
        for i, path in enumerate(sorted(folder.iterdir(), reverse=True)):
            path.rename(folder / f"x{i:03d}.png")


def moved(pets: Path) -> None:
    for folder in pets.iterdir():
        (folder / "deep").mkdir()
        for path in sorted(folder.glob("*.png"))[::3]:
            path.rename(folder / "deep" / path.name)


def as_bmp(pets: Path) -> None:
    for path in list(pets.glob("*/*.png")):
        Image.open(path).save(path.with_suffix(".bmp"))
        path.unlink()


@pytest.mark.parametrize("change", [renamed, moved, as_bmp])
def test_the_same_pictures_are_kept_whatever_they_are_called(
    pets: Path, change: Callable[[Path], None]
) -> None:
    train, test = load_dataset(str(pets))
    assert test is not None
    change(pets)
    train_then, test_then = load_dataset(str(pets))
    assert test_then is not None
    assert (shown(train_then), shown(test_then)) == (shown(train), shown(test))
    assert train_then.facts["content"] == train.facts["content"]
    assert test_then.facts["kept_for_tests"] == test.facts["kept_for_tests"]
    assert train.facts["kept_for_tests"] == test.facts["kept_for_tests"]


def test_pictures_that_are_added_change_the_side_of_few_others_which_is_known(pets: Path) -> None:
    train, test = load_dataset(str(pets))
    assert test is not None
    write(pets / "ant", noise(40, 3, 8, 8, seed=50), "a{:03d}")
    write(pets / "dog", noise(40, 3, 8, 8, seed=51))
    more, tests = load_dataset(str(pets))
    assert tests is not None
    changed = (shown(tests) & shown(train)) | (shown(more) & shown(test))
    assert len(changed) <= 3
    rule = Aside.of(test.facts["kept_for_tests"])
    assert rule is not None
    assert tests.digests is not None
    proved = tests.take(torch.from_numpy(rule.unseen(tests.digests)))
    assert not shown(proved) & shown(train)
    assert shown(proved) >= shown(tests) & shown(test)
    assert more.facts["content"] != train.facts["content"]
    assert tests.facts["kept_for_tests"]["digest"] != test.facts["kept_for_tests"]["digest"]


def test_another_picture_under_an_old_name_is_another(pets: Path) -> None:
    _, test = load_dataset(str(pets))
    assert test is not None
    kept = shown(test)
    for path in sorted(pets.glob("*/*.png")):
        array = torch.from_numpy(np.asarray(Image.open(path)).copy()).movedim(-1, 0)
        if hashlib.sha256(array.contiguous().numpy().tobytes()).digest() in kept:
            write(path.parent, noise(1, 3, 8, 8, seed=99), path.stem)
            break
    train_then, test_then = load_dataset(str(pets))
    assert test_then is not None
    assert test_then.facts["kept_for_tests"]["digest"] != test.facts["kept_for_tests"]["digest"]
    assert len(shown(train_then) & kept) == 0


def test_a_picture_in_another_class_is_another_content(pets: Path) -> None:
    train = load_split(str(pets), "train", reading=Reading(test_share=0))
    (pets / "ant" / "000.png").rename(pets / "bee" / "z.png")
    other = load_split(str(pets), "train", reading=Reading(test_share=0))
    assert shown(other) == shown(train)
    assert other.facts["content"] != train.facts["content"]


def test_copies_of_a_picture_are_on_one_side_in_whatever_class(pets: Path) -> None:
    for k, name in enumerate(NAMES):
        write(pets / name, noise(30, 3, 8, 8, seed=k)[::2], "copy{:03d}")
        write(pets / name, noise(30, 3, 8, 8, seed=(k + 1) % 3)[::5], "other{:03d}")
    train, test = load_dataset(str(pets))
    assert test is not None
    assert not shown(train) & shown(test)
    assert min(*train.counts, *test.counts) > 0


@pytest.mark.parametrize("share", [1e-9, 0.2, 0.999999])
def test_every_class_has_images_for_training_and_where_it_can_for_tests(share: float) -> None:
    values = noise(63, 1, 8, 8)
    values[40:45] = values[40]  # a class of copies
    labels = torch.tensor([0] * 20 + [1] * 20 + [2] * 5 + [3] * 1 + [4] * 2 + [5] * 15)
    found = digests(values)
    kept = kept_aside(found, rows_by_class(labels, 6), share)
    for k in range(6):
        mine = kept[labels == k]
        assert not mine.all()
        assert mine.any() == (k not in (2, 3))
    order = torch.randperm(63, generator=torch.Generator().manual_seed(1))
    again = kept_aside(found[order.numpy()], rows_by_class(labels[order], 6), share)
    assert torch.equal(again, kept[order])


def test_of_few_images_no_more_than_a_half_are_kept() -> None:
    found, classes = digests(noise(3000, 1, 8, 8)), torch.arange(3000) // 3
    kept = kept_aside(found, rows_by_class(classes, 1000), 0.2)
    assert {int(kept[classes == k].sum()) for k in range(1000)} == {1}


def test_the_share_that_is_kept_is_that_asked_for(
    spread: Callable[[int, int, float], bool],
) -> None:
    found = digests(noise(4000, 1, 8, 8))
    classes = rows_by_class(torch.arange(4000) % 4, 4)
    for share in (0.1, 0.2, 0.5):
        assert spread(int(kept_aside(found, classes, share).sum()), 4000, share)


def test_digests_are_of_pixels_alone() -> None:
    values = noise(50, 1, 8, 9)
    rows = torch.tensor([3, 49, 0])
    found = digests(values)
    assert len(set(found.tolist())) == 50
    assert digests(values, rows).tolist() == found[rows.numpy()].tolist()
    assert digests(values.repeat(1, 3, 1, 1)).tolist() == found.tolist()
    assert digests(values.reshape(50, 1, 9, 8)).tolist() != found.tolist()
    floats = values.float() / 255
    assert len(set(digests(floats).tolist()) | set(found.tolist())) == 100
    assert digests(floats.double()).tolist() == digests(floats).tolist()
    labels = torch.arange(50) % 3
    whole = Content.of(found, labels, NAMES)
    order = torch.randperm(50)
    assert Content.of(found[order.numpy()], labels[order], NAMES) == whole
    assert Content.of(found, labels.roll(1), NAMES) != whole
    assert Content.of(found, 2 - labels, NAMES[::-1]) == whole
    assert Content.of(found[1:], labels[1:], NAMES) != whole


def test_the_content_of_a_part_is_not_that_of_the_whole(tmp_path: Path) -> None:
    write_pictures(tmp_path / "pets")
    train, _ = load_dataset(str(tmp_path / "pets"))
    assert content_of(train).facts() == train.facts["content"]
    part = train.take(torch.arange(len(train) - 1))
    assert content_of(part).images == len(train) - 1
    assert content_of(part) == content_of(part.take(torch.arange(len(part)).flip(0)))


def test_test_images_that_are_training_images_too_are_counted(tmp_path: Path) -> None:
    write_pictures(tmp_path / "train", {"a": 5, "b": 5})
    write_pictures(tmp_path / "test", {"a": 3, "b": 3}, first=3)
    _, test = load_dataset(str(tmp_path))
    assert test is not None
    assert test.facts["among_training"] == 4
    Image.fromarray(picture((20, 30, 3), seed=5)).save(tmp_path / "test" / "b" / "x.png")
    _, test = load_dataset(str(tmp_path))
    assert test is not None
    assert test.facts["among_training"] == 4
