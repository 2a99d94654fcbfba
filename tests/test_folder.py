"""Folders of pictures, as people have them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from datastill.base.errors import InputError
from datastill.data import ImageSet
from datastill.data.pixels import Pixels
from datastill.datasets import Reading, dataset_name, load_dataset, load_split, load_test
from pictures import COUNTS, picture, write_pictures

ALL = Reading(test_share=0)


def bytes_of(data: ImageSet) -> np.ndarray:
    return (data.domain.pixels(data.images[:]) * 255).round().to(torch.uint8).numpy()


def test_every_pixel_and_label_is_read(tmp_path: Path) -> None:
    held = write_pictures(tmp_path / "pets")
    found = load_split(str(tmp_path / "pets"), "train", reading=ALL)
    assert found.domain.name == "pets"
    assert found.domain.shape == (3, 20, 30)
    assert found.domain.classes == tuple(COUNTS)
    assert found.counts == tuple(COUNTS.values())
    wanted = np.concatenate([np.stack(held[name]) for name in COUNTS])
    assert np.array_equal(bytes_of(found), np.moveaxis(wanted, -1, 1))
    pixels = torch.from_numpy(wanted / 255).double()
    torch.testing.assert_close(torch.tensor(found.domain.mean).double(), pixels.mean((0, 1, 2)))
    deviation = pixels.flatten(0, 2).std(0, correction=0)
    torch.testing.assert_close(torch.tensor(found.domain.std).double(), deviation)


@pytest.mark.parametrize("names", [("train", "test"), ("training", "val"), ("train", "validation")])
def test_splits_are_folders(tmp_path: Path, names: tuple[str, str]) -> None:
    write_pictures(tmp_path / names[0])
    held = write_pictures(tmp_path / names[1], {"owl": 3, "cat": 1}, first=500)
    train, test = load_dataset(str(tmp_path))
    assert test is not None
    assert train.counts == tuple(COUNTS.values())
    assert train.facts["kept_for_tests"] is None
    assert test.domain == train.domain
    assert test.counts == (0, 1, 0, 0, 0, 0, 3)
    assert np.array_equal(bytes_of(test)[0], np.moveaxis(held["cat"][0], -1, 0))
    assert torch.equal(load_split(str(tmp_path), "test").images, test.images)


def test_the_test_folder_is_not_opened_for_training(tmp_path: Path) -> None:
    write_pictures(tmp_path / "train")
    (tmp_path / "test" / "cat").mkdir(parents=True)
    (tmp_path / "test" / "cat" / "x.png").write_bytes(b"no picture")
    assert len(load_split(str(tmp_path), "train")) == sum(COUNTS.values())
    with pytest.raises(InputError, match=r"x\.png is damaged or no picture"):
        load_split(str(tmp_path), "test")


def test_without_test_images_a_share_of_every_class_is_kept(tmp_path: Path) -> None:
    write_pictures(tmp_path / "pets")
    where = str(tmp_path / "pets")
    train, test = load_dataset(where)
    assert test is not None
    assert [a + b for a, b in zip(train.counts, test.counts, strict=True)] == [*COUNTS.values()]
    assert min(*train.counts, *test.counts) > 0
    together = np.concatenate([bytes_of(train), bytes_of(test)]).reshape(36, -1)
    assert len(np.unique(together, axis=0)) == 36
    again = load_split(where, "test", reading=Reading(test_share=0.2))
    assert torch.equal(again.images, test.images)
    assert (
        train.facts["kept_for_tests"]
        == test.facts["kept_for_tests"]
        == again.facts["kept_for_tests"]
    )
    assert train.facts["kept_for_tests"]["images"] == len(test)
    assert len(load_split(where, "train", reading=Reading(test_share=0.5))) < len(train)
    assert load_test(where, reading=ALL) is None
    with pytest.raises(InputError, match="has no test images"):
        load_split(where, "test", reading=ALL)


def test_one_picture_of_a_class_is_not_kept_for_tests(tmp_path: Path) -> None:
    write_pictures(tmp_path, {"a": 5, "b": 1})
    train, test = load_dataset(str(tmp_path))
    assert test is not None
    assert train.counts[1] == 1
    assert test.counts[1] == 0
    assert test.counts[0] > 0


def test_grey_pictures_stay_grey_unless_one_has_colour(tmp_path: Path) -> None:
    write_pictures(tmp_path, {"a": 4, "b": 4}, (64, 64))
    assert load_split(str(tmp_path), "train").domain.shape == (1, 64, 64)
    Image.fromarray(picture((64, 64, 3), seed=1)).save(tmp_path / "b" / "colour.jpg")
    found = load_split(str(tmp_path), "train", reading=ALL)
    assert found.domain.shape == (3, 64, 64)
    grey = bytes_of(found)[0]
    assert np.array_equal(grey[0], grey[2])


def test_colour_in_the_test_images_alone_is_told(tmp_path: Path) -> None:
    write_pictures(tmp_path / "train", {"a": 2, "b": 2}, (16, 16))
    write_pictures(tmp_path / "test", {"a": 2, "b": 2}, (16, 16, 3))
    with pytest.raises(InputError, match="images of 3 channels, not of 1"):
        load_dataset(str(tmp_path))


@pytest.mark.parametrize("split", ["train", "test"])
def test_pictures_of_different_sizes_need_a_size(tmp_path: Path, split: str) -> None:
    write_pictures(tmp_path / "train", {"a": 3, "b": 3})
    write_pictures(tmp_path / "test", {"a": 3, "b": 3})
    Image.fromarray(picture((40, 41, 3), seed=1)).save(tmp_path / split / "b" / "zz.png")
    with pytest.raises(InputError, match=r"00\.png has 20x30 pixels, .*zz\.png 40x41.*`size=32`"):
        load_dataset(str(tmp_path))
    train, test = load_dataset(str(tmp_path), reading=Reading(size=(16, 24)))
    assert test is not None
    assert train.domain.shape == test.domain.shape == (3, 16, 24)
    assert train.domain.name.endswith("-16x24")


def test_test_images_of_another_size_are_told(tmp_path: Path) -> None:
    write_pictures(tmp_path / "train", {"a": 2, "b": 2}, (16, 16))
    write_pictures(tmp_path / "test", {"a": 2, "b": 2}, (16, 18))
    with pytest.raises(InputError, match=r"test images .* have 1x16x18 .* has 1x16x16"):
        load_dataset(str(tmp_path))


def test_resizing_takes_the_middle_and_keeps_proportions(tmp_path: Path) -> None:
    # A circle in the middle of a wide picture stays one: nothing is squeezed.
    y, x = np.mgrid[:60, :120]
    circle = np.where((y - 29.5) ** 2 + (x - 59.5) ** 2 < 24**2, 255, 0).astype(np.uint8)
    for name in "ab":
        (tmp_path / name).mkdir()
        Image.fromarray(circle).save(tmp_path / name / "x.png")
    data = load_split(str(tmp_path), "train", reading=Reading(size=(20, 20), test_share=0))
    found = bytes_of(data)[0, 0] > 127
    assert found.sum(0).max() == found.sum(1).max() == 16
    assert abs(found.sum() - np.pi * 8**2) < 10


@pytest.mark.parametrize("size", [(7, 32), (32, 2000), (0, 0)])
def test_a_size_that_makes_no_sense_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(InputError, match=r"sides must have 8 to 1024 pixels"):
        Reading(size=size)


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_a_share_that_makes_no_sense_is_refused(share: float) -> None:
    with pytest.raises(InputError, match="from 0 to below 1"):
        Reading(test_share=share)


@pytest.mark.parametrize(("size", "ok"), [((8, 224), True), ((7, 20), False), ((20, 225), False)])
def test_sizes_that_are_not_asked_for_are_sensible(tmp_path: Path, size, ok: bool) -> None:
    write_pictures(tmp_path, {"a": 2, "b": 2}, size)
    if ok:
        assert load_split(str(tmp_path), "train").domain.shape == (1, *size)
        return
    with pytest.raises(InputError, match="sides of 8 to 224 are supported; name the size"):
        load_split(str(tmp_path), "train")


def save_turned(array: np.ndarray, path: Path) -> None:
    """Write a picture as a camera does that was held on its side."""
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned to the right
    Image.fromarray(np.rot90(array).copy()).save(path, exif=exif)


def test_pictures_stand_upright(tmp_path: Path) -> None:
    held = write_pictures(tmp_path, {"a": 2, "b": 2})
    save_turned(held["a"][0], tmp_path / "a" / "00.png")
    found = load_split(str(tmp_path), "train", reading=ALL)
    assert np.array_equal(bytes_of(found)[0], np.moveaxis(held["a"][0], -1, 0))


def test_what_is_transparent_is_white(tmp_path: Path) -> None:
    ink = np.zeros((16, 16, 4), np.uint8)
    ink[4:12, 4:12, 3] = 255  # black ink on what is transparent, and black below
    for name in "ab":
        (tmp_path / name).mkdir()
        Image.fromarray(ink).save(tmp_path / name / "x.png")
        Image.fromarray(255 - ink[..., :3]).save(tmp_path / name / "y.png")
    found = bytes_of(load_split(str(tmp_path), "train", reading=ALL))[0]
    assert found[:, 5, 5].tolist() == [0, 0, 0]
    assert found[:, 0, 0].tolist() == [255, 255, 255]


@pytest.mark.parametrize("ending", ["png", "jpg", "bmp", "gif", "webp", "tif", "ppm", "JPEG"])
def test_usual_formats(tmp_path: Path, ending: str) -> None:
    held = write_pictures(tmp_path, {"a": 2, "b": 2}, (16, 24, 3), ending=ending)
    found = bytes_of(load_split(str(tmp_path), "train", reading=ALL))
    wanted = np.moveaxis(np.stack([*held["a"], *held["b"]]), -1, 1)
    exact = ending in ("png", "bmp", "tif", "ppm")
    assert np.abs(found.astype(int) - wanted).mean() < (0.1 if exact else 20)


@pytest.mark.parametrize("mode", ["I;16", "I", "F"])
def test_more_than_8_bits_are_refused(tmp_path: Path, mode: str) -> None:
    write_pictures(tmp_path, {"a": 2, "b": 2}, (16, 16), ending="tif")
    Image.new(mode, (16, 16)).save(tmp_path / "a" / "deep.tif")
    with pytest.raises(
        InputError, match=rf"deep\.tif has pixels of mode '{mode}'; expected 8 bits"
    ):
        load_split(str(tmp_path), "train")


def test_other_files_are_counted_and_hidden_ones_passed_over(tmp_path: Path) -> None:
    write_pictures(tmp_path, {"a": 2, "b": 2})
    for name in ("a/x.heic", "a/notes.txt", "b/y.HEIC", "b/.hidden.png", ".git/z.png", "b/Thumbs"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    found = load_split(str(tmp_path), "train", reading=ALL)
    assert found.counts == (2, 2)
    assert found.facts["passed_over"] == {".heic": 2, ".txt": 1, "Thumbs": 1}


def test_every_ending_that_cameras_and_browsers_write_is_a_picture(tmp_path: Path) -> None:
    write_pictures(tmp_path, {"a": 2, "b": 2})
    photo = Image.open(next((tmp_path / "a").iterdir())).convert("RGB")
    for name in ("a/x.jfif", "a/y.JFIF", "b/z.jpe"):
        photo.save(tmp_path / name, format="JPEG")
    found = load_split(str(tmp_path), "train", reading=ALL)
    assert found.counts == (4, 3)
    assert "passed_over" not in found.facts


def test_pictures_in_deeper_folders_and_behind_links_count(tmp_path: Path) -> None:
    write_pictures(tmp_path / "store", {"a": 2, "b": 3})
    root = tmp_path / "linked"
    (root / "first").mkdir(parents=True)
    (root / "first" / "deeper").symlink_to(tmp_path / "store" / "a")  # no link is followed there
    (root / "first" / "images").mkdir()
    (tmp_path / "store" / "a" / "00.png").rename(root / "first" / "images" / "00.png")
    (root / "second").symlink_to(tmp_path / "store" / "b")
    assert load_split(str(root), "train", reading=ALL).counts == (1, 3)


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda root: (root / "c").mkdir(), "holds no pictures"),
        (lambda root: (root / "x.png").write_bytes(b""), "pictures beside its folders, such as x"),
        (lambda root: [(root / n).rename(root.parent / n) for n in "ab"], "holds no folders"),
        (lambda root: (root / "b").rename(root.parent / "b"), "pictures in a alone"),
        (lambda root: (root / "test" / "a").mkdir(parents=True), "but none called 'train'"),
        (lambda root: (root / "a" / "z.png").write_bytes(b"xyz"), "z.png is damaged or no picture"),
        (lambda root: (root / "a" / "z.jpg").write_bytes(b""), "z.jpg is damaged or no picture"),
        (
            lambda root: (root / "a" / "00.png").write_bytes(
                (root / "a/01.png").read_bytes()[:200]
            ),
            "00.png is damaged",
        ),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, spoil, complaint: str) -> None:
    write_pictures(tmp_path / "root", {"a": 2, "b": 2})
    spoil(tmp_path / "root")
    with pytest.raises(InputError, match=complaint):
        load_split(str(tmp_path / "root"), "train")


def test_a_test_class_without_training_images_is_told(tmp_path: Path) -> None:
    write_pictures(tmp_path / "train", {"a": 2, "b": 2})
    write_pictures(tmp_path / "test", {"a": 2, "c": 2})
    with pytest.raises(InputError, match="test images of the class 'c'"):
        load_dataset(str(tmp_path))


def test_large_sets_keep_pixels_and_very_large_ones_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pictures(tmp_path / "pets")
    where = str(tmp_path / "pets")
    floats = load_split(where, "train")
    monkeypatch.setattr("datastill.datasets.base.making.FLOATS_MOST", 0)
    monkeypatch.setattr("datastill.datasets.base.room.MEMORY_MOST", 0)
    monkeypatch.setattr("datastill.datasets.base.room.BATCH", 4)
    monkeypatch.setattr("datastill.datasets.base.statistics.CHUNK", 5)
    kept = load_split(where, "train")
    assert isinstance(kept.images, Pixels)
    assert kept.images.held.dtype == torch.uint8
    assert kept.domain == floats.domain
    assert torch.equal(kept.images[:].normalised(), floats.images)


def test_no_room_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_pictures(tmp_path, {"a": 2, "b": 2})
    monkeypatch.setattr("datastill.datasets.base.room.MEMORY_MOST", 0)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("datastill.datasets.base.room._reserve", full)
    with pytest.raises(InputError, match=r"no room for 7,200 bytes of images: No space left"):
        load_split(str(tmp_path), "train")


def test_reading_can_be_followed(tmp_path: Path) -> None:
    write_pictures(tmp_path, {"a": 4, "b": 3})
    told: list[tuple[str, int]] = []

    def follow(items, label, total):
        for number, item in enumerate(items, 1):
            told.append((label.split()[0], number))
            yield item
        assert number == total

    load_split(str(tmp_path), "train", reading=Reading(test_share=0, progress=follow))
    assert told == [("reading", i) for i in range(1, 8)]


def test_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_pictures(tmp_path / "data" / "my pets", {"a": 2, "b": 2})
    assert dataset_name("data/my pets") == "my-pets"
    assert dataset_name("my pets") == "my-pets"
    assert dataset_name("zoo", tmp_path / "data" / "my pets", (32, 32)) == "zoo-32"
    assert len(load_split("zoo", "train", "data/my pets", ALL)) == 4
    monkeypatch.chdir(tmp_path / "data" / "my pets")
    assert dataset_name(".") == "my-pets"
    for missing in ("./nowhere", "nowhere.npz", "a/b"):
        with pytest.raises(InputError, match="there is no"):
            dataset_name(missing)
    with pytest.raises(InputError, match=r"no dataset named 'MNST'; did you mean 'MNIST'\?"):
        dataset_name("MNST")
    (tmp_path / "zoo").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"for what lies here, say \./zoo"):
        dataset_name("zoo")
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(InputError, match=r"cannot read .*notes\.txt: expected a folder"):
        dataset_name(str(tmp_path / "notes.txt"))


def test_a_registered_dataset_can_be_resized() -> None:
    plain, larger = (load_split("digits", "test", reading=r) for r in (ALL, Reading(size=(16, 12))))
    assert larger.domain.name == "digits-16x12"
    assert larger.images.shape == (450, 1, 16, 12)
    assert larger.domain.mean == plain.domain.mean
    assert torch.equal(larger.labels, plain.labels)
    # Its middle columns are those of the whole at twice the size.
    whole = torch.nn.functional.interpolate(
        plain.images[:, :, :, 1:7], (16, 12), mode="bilinear", align_corners=False
    )
    torch.testing.assert_close(larger.images, whole, atol=1e-5, rtol=0)
