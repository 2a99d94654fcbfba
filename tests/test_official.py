"""The field's datasets in their official layouts, written here in small."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import savemat

from datastill.base.errors import InputError
from datastill.data import ImageSet
from datastill.datasets import DATASETS, Reading, load_dataset, load_split
from datastill.datasets.imagenet import FRUIT, MEOW, NETTE, SQUAWK, WOOF, YELLOW
from pictures import picture
from test_arrays import field_file

SMALL = Reading(size=(16, 16))


def bytes_of(data: ImageSet) -> np.ndarray:
    return (data.domain.pixels(data.images) * 255).round().to(torch.uint8).numpy()


def write_svhn(folder: Path, n: int = 11) -> np.ndarray:
    """Write both files, labels 1 to 10 in turn, and return the training images."""
    folder.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3, n), np.uint8)
    labels = (np.arange(n) % 10 + 1).astype(np.uint8)[:, None]
    for split in ("train", "test"):
        table = {"X": pixels if split == "train" else pixels[..., :4], "y": labels}
        savemat(
            folder / f"{split}_32x32.mat", table | ({} if split == "train" else {"y": labels[:4]})
        )
    return pixels


@pytest.mark.parametrize("below", ["", "SVHN", "svhn"])
def test_svhn(tmp_path: Path, below: str) -> None:
    held = write_svhn(tmp_path / below)
    train, test = load_dataset("SVHN", tmp_path)
    assert test is not None
    assert train.labels.tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]
    assert np.array_equal(bytes_of(train), held.transpose(3, 2, 0, 1))
    assert len(test) == 4
    assert (train.domain.mean[2], train.domain.mirror) == (0.4728, False)


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ({"X": np.zeros((32, 32, 3, 2), np.uint8)}, "damaged: 'y'"),
        ({"X": np.zeros((32, 32, 3, 2)), "y": [1, 2]}, "holds float64"),
        (
            {"X": np.zeros((32, 32, 3, 2), np.uint8), "y": [1, 2, 3]},
            r"not bytes of \(32, 32, 3, 3\)",
        ),
        ({"X": np.zeros((32, 32, 3, 2), np.uint8), "y": [1, 11]}, "label 11; expected 1 to 10"),
        ({"X": np.zeros((32, 32, 3, 2), np.uint8), "y": [0, 1]}, "label 0; expected"),
    ],
)
def test_svhn_that_is_not(tmp_path: Path, table: dict[str, object], complaint: str) -> None:
    savemat(tmp_path / "train_32x32.mat", table)
    with pytest.raises(InputError, match=complaint):
        load_split("SVHN", "train", tmp_path)
    with pytest.raises(InputError, match=r"no file test_32x32\.mat in .*`name=hf:SVHN`"):
        load_split("SVHN", "test", tmp_path)


def save(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, "png")  # so that no pixel changes, whatever the name says


TINY = ["n02", "n01", "n03"]


def write_tiny(root: Path) -> None:
    lines = []
    for k, name in enumerate(TINY):
        for i in range(3):
            shape = (64, 64) if i == 2 else (64, 64, 3)  # some are grey
            save(
                root / "train" / name / "images" / f"{name}_{i}.JPEG",
                picture(shape, seed=1000 * k + i),
            )
        save(root / "val" / "images" / f"val_{k}.JPEG", picture((64, 64, 3), seed=1000 * k + 50))
        lines.append(f"val_{k}.JPEG\t{name}\t0\t0\t62\t62\n")
    (root / "val" / "val_annotations.txt").write_text("".join(lines))


@pytest.mark.parametrize("below", ["", "tiny-imagenet-200", "TinyImageNet"])
def test_tiny_imagenet(tmp_path: Path, below: str) -> None:
    write_tiny(tmp_path / below)
    train, test = load_dataset("tiny-imagenet", tmp_path)
    assert test is not None
    assert train.domain.classes == ("n01", "n02", "n03")
    assert train.domain.shape == (3, 64, 64)
    assert train.counts == (3, 3, 3)
    assert test.labels.tolist() == [1, 0, 2]
    wanted = picture((64, 64, 3), seed=50)
    assert np.array_equal(bytes_of(test)[0], np.moveaxis(wanted, -1, 0))
    assert train.domain.mean == (0.485, 0.456, 0.406)
    smaller = load_split("TinyImageNet", "train", tmp_path, SMALL)
    assert smaller.domain.shape == (3, 16, 16)


@pytest.mark.parametrize(
    "line", ["val_9.JPEG\tn01\n", "val_0.JPEG\tn09\n", "../../x\tn01\n", "nonsense\n", "\n"]
)
def test_a_list_of_other_pictures_is_told(tmp_path: Path, line: str) -> None:
    write_tiny(tmp_path)
    listed = tmp_path / "val" / "val_annotations.txt"
    listed.write_text(listed.read_text() + line)
    with pytest.raises(InputError, match=r"val_annotations\.txt, line 4: no such picture or class"):
        load_split("TinyImageNet", "test", tmp_path)
    listed.unlink()
    with pytest.raises(InputError, match=r"cannot read .*val_annotations\.txt"):
        load_split("TinyImageNet", "test", tmp_path)


@pytest.mark.parametrize("place", ["val/{}", "val/{}/images", "val/images/{}"])
def test_validation_pictures_of_tiny_imagenet_moved_into_classes(
    tmp_path: Path, place: str
) -> None:
    """As many programs have their users do; with the official list still there, or without."""
    write_tiny(tmp_path)
    whole = load_split("TinyImageNet", "test", tmp_path)
    for k, name in enumerate(TINY):
        to = tmp_path / place.format(name)
        to.mkdir(parents=True)
        (tmp_path / "val" / "images" / f"val_{k}.JPEG").rename(to / f"val_{k}.JPEG")
    (tmp_path / "val" / ".ipynb_checkpoints").mkdir()
    moved = load_split("TinyImageNet", "test", tmp_path)
    order = torch.argsort(whole.labels)
    assert torch.equal(moved.images, whole.images[order])
    assert moved.labels.tolist() == [0, 1, 2]
    (tmp_path / "val" / "val_annotations.txt").unlink()
    assert torch.equal(load_split("TinyImageNet", "test", tmp_path).images, moved.images)
    odd = tmp_path / place.format("n99")
    save(odd / "x.JPEG", picture((64, 64, 3), seed=1))
    with pytest.raises(InputError, match="n99 is a class that has no training pictures"):
        load_split("TinyImageNet", "test", tmp_path)


@pytest.mark.parametrize("at", ["tinyimagenet.pt", "TinyImageNet/tinyimagenet.pt"])
def test_tiny_imagenet_in_the_files_of_the_field(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    held = field_file()
    (tmp_path / "data" / at).parent.mkdir(parents=True)
    torch.save(held, tmp_path / "data" / at)
    monkeypatch.chdir(tmp_path)
    for where in (None, tmp_path / "data" / at, (tmp_path / "data" / at).parent):
        train, test = load_dataset("TinyImageNet", where)
        assert test is not None
        assert train.domain == test.domain
        assert train.domain.mean == (0.485, 0.456, 0.406)
        assert np.array_equal(bytes_of(train), held["images_train"])
        assert np.array_equal(bytes_of(test), held["images_val"])
        assert train.domain.classes == tuple(held["classes"])
    torch.save(field_file(images_train=torch.zeros(8, 3, 32, 32)), tmp_path / "data" / at)
    with pytest.raises(InputError, match="images of 3x32x32, not 3x64x64"):
        load_split("TinyImageNet", "train")


@pytest.mark.parametrize(
    ("name", "dataset", "command"),
    [
        ("tiny-imagenet-200.zip", "TinyImageNet", "unzip"),
        ("cifar-10-python.tar.gz", "CIFAR10", "tar -xf"),
        ("raw.tgz", "MNIST", "tar -xf"),
        ("imagenette2.tar", "ImageNette", "tar -xf"),
    ],
)
def test_archives_that_lie_there_packed_are_named(
    tmp_path: Path, name: str, dataset: str, command: str
) -> None:
    (tmp_path / name).touch()
    with pytest.raises(InputError, match=f"{re.escape(name)} lies there packed: .* {command}"):
        load_split(dataset, "train", tmp_path, SMALL)
    with pytest.raises(InputError, match=f"{re.escape(name)} lies there packed: .* {command}"):
        load_split(str(tmp_path), "train")
    packed = f"is packed: type {command}" if command != "unzip" else "is damaged or no zip"
    with pytest.raises(InputError, match=f"{re.escape(name)} {packed}"):
        load_split(str(tmp_path / name), "train")


def write_imagenet(root: Path, numbers: list[str], *, flat: bool = False) -> None:
    """Write pictures of different sizes; ``flat`` as the archive of Kaggle has them."""
    inner = root / "ILSVRC" / "Data" / "CLS-LOC" if flat else root
    lines = ["ImageId,PredictionString"]
    for k, number in enumerate(numbers):
        for i in range(2):
            shape = (30 + i, 40 + k, 3)
            save(inner / "train" / number / f"{number}_{i}.JPEG", picture(shape, seed=1000 * k + i))
        name = f"ILSVRC2012_val_{k:08d}"
        place = inner / "val" if flat else inner / "val" / number
        save(place / f"{name}.JPEG", picture((33, 44, 3), seed=1000 * k + 9))
        lines.append(f"{name},{number} 1 2 3 4 {number} 5 6 7 8")
    if flat:
        (root / "LOC_val_solution.csv").write_text("\n".join([lines[0], *reversed(lines[1:])]))


@pytest.mark.parametrize("flat", [False, True])
def test_imagenet_at_a_chosen_size(tmp_path: Path, flat: bool) -> None:
    write_imagenet(tmp_path, ["n03", "n01", "n02"], flat=flat)
    train, test = load_dataset("ImageNet-1K", tmp_path, Reading(size=(16, 20)))
    assert test is not None
    assert train.domain.name == "ImageNet-1K-16x20"
    assert train.domain.classes == ("n01", "n02", "n03")
    assert (train.counts, test.counts) == ((2, 2, 2), (1, 1, 1))
    assert train.domain == test.domain
    with pytest.raises(InputError, match=r"differ in size; .* `size=64`"):
        load_split("ImageNet-1K", "train", tmp_path)


@pytest.mark.parametrize("folder", ["imagenette2", "imagenette2-160", ""])
def test_imagenette(tmp_path: Path, folder: str) -> None:
    write_imagenet(tmp_path / folder, sorted(NETTE))
    train, test = load_dataset("ImageNette", tmp_path, SMALL)
    assert test is not None
    assert train.domain.classes[:2] == ("tench", "English springer")
    assert (train.counts, test.counts) == ((2,) * 10, (1,) * 10)


@pytest.mark.parametrize("flat", [False, True])
def test_a_subset_can_be_read_from_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flat: bool
) -> None:
    numbers = sorted({*YELLOW, *NETTE})
    write_imagenet(tmp_path / "data" / "ImageNet-1K", numbers, flat=flat)
    monkeypatch.chdir(tmp_path)
    train, test = load_dataset("ImageYellow", reading=SMALL)
    assert test is not None
    assert train.domain.classes[0] == "bee"
    assert (train.counts, test.counts) == ((2,) * 10, (1,) * 10)
    bee = numbers.index("n02206856")
    same = load_split("ImageNet-1K", "test", reading=SMALL)
    assert torch.equal(test.images[test.labels == 0], same.images[same.labels == bee])
    with pytest.raises(InputError, match=r"has no folder n0.* of ImageFruit"):
        load_split("ImageFruit", "train", reading=SMALL)


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("ILSVRC2012_val_00000009,n01 1 2 3 4", "which is not there"),
        ("x,n01,7", "line 2: expected a picture and its class"),
        ("x,", "line 2: expected"),
        ("../x,n01 1 2 3 4", "line 2: expected"),
    ],
)
def test_a_damaged_solution_is_told(tmp_path: Path, row: str, complaint: str) -> None:
    write_imagenet(tmp_path, ["n01", "n02"], flat=True)
    listed = tmp_path / "LOC_val_solution.csv"
    header, *rows = listed.read_text().splitlines()
    listed.write_text("\n".join([header, row, *rows]))
    with pytest.raises(InputError, match=complaint):
        load_split("ImageNet-1K", "test", tmp_path, SMALL)


def test_missing_folders_name_every_place(tmp_path: Path) -> None:
    for name in ("TinyImageNet", "ImageNet-1K", "ImageWoof"):
        with pytest.raises(
            InputError, match=rf"no folders train and val.* in .*hf:{name}`$"
        ) as caught:
            load_split(name, "train", tmp_path, SMALL)
        assert str(tmp_path) in str(caught.value)


def test_the_sisters_have_ten_classes_each_and_share_the_known_ones() -> None:
    sisters = {"ImageNette": NETTE, "ImageWoof": WOOF, "ImageMeow": MEOW}
    sisters |= {"ImageSquawk": SQUAWK, "ImageFruit": FRUIT, "ImageYellow": YELLOW}
    assert set(sisters) <= set(DATASETS.names)
    for table in sisters.values():
        assert len(table) == len(set(table.values())) == 10
    for number in {*YELLOW} & {*FRUIT, *MEOW}:
        assert YELLOW[number] == (FRUIT | MEOW)[number]
    assert {*YELLOW.values()} & {*FRUIT.values(), *MEOW.values()} == {"banana", "lemon", "lion"}
