"""Images in arrays: files of several kinds, and what a Python program has."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import save_file

import datastill
from datastill.base.errors import InputError
from datastill.data import ImageSet
from datastill.data.pixels import Pixels
from datastill.datasets import Reading, load_dataset, load_split, load_test

ALL = Reading(test_share=0)


def images(n: int = 6, shape: tuple[int, ...] = (3, 8, 12), seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, *shape), np.uint8)


def labels(n: int = 6) -> np.ndarray:
    return np.arange(n) % 3


def bytes_of(data: ImageSet) -> np.ndarray:
    return (data.domain.pixels(data.images[:]) * 255).round().to(torch.uint8).numpy()


def write(form: str, folder: Path, arrays: Mapping[str, np.ndarray]) -> Path:
    """Write arrays in one of the formats, and return the path by which they are named."""
    if form == "npz":
        np.savez(folder / "own.npz", **arrays)
        return folder / "own.npz"
    if form == "safetensors":
        save_file(dict(arrays), folder / "own.safetensors")
        return folder / "own.safetensors"
    if form == "npy":
        for name, array in arrays.items():
            np.save(folder / f"{name}.npy", array)
        return folder
    for split in ("train", "test"):
        own = {k.partition("_")[2]: v for k, v in arrays.items() if k.startswith(split)}
        if own:
            write(form.partition(" ")[2], folder, own).rename(
                folder / f"{split}.{form.partition(' ')[2]}"
            )
    return folder


FORMS = ("npz", "npy", "safetensors", "folder npz", "folder safetensors")


@pytest.mark.parametrize("form", FORMS)
def test_every_pixel_and_label_is_read(tmp_path: Path, form: str) -> None:
    held = images(), images(3, seed=1)
    where = write(
        form,
        tmp_path,
        {
            "train_images": held[0],
            "train_labels": labels(),
            "test_images": held[1],
            "test_labels": np.array([2, 2, 0]),
        },
    )
    train, test = load_dataset(str(where))
    assert test is not None
    assert np.array_equal(bytes_of(train), held[0])
    assert np.array_equal(bytes_of(test), held[1])
    assert train.labels.tolist() == [0, 1, 2, 0, 1, 2]
    assert test.labels.tolist() == [2, 2, 0]
    assert train.domain.classes == ("0", "1", "2")
    assert train.domain == test.domain
    wanted = held[0].transpose(1, 0, 2, 3).reshape(3, -1) / 255
    assert np.allclose(train.domain.mean, wanted.mean(1))
    assert np.allclose(train.domain.std, wanted.std(1))
    assert train.facts["kept_for_tests"] is None
    assert torch.equal(load_split(str(where), "test").images, test.images)


@pytest.mark.parametrize("form", FORMS)
def test_training_images_alone(tmp_path: Path, form: str) -> None:
    arrays = {"train_images": images(), "train_labels": labels()}
    where = str(write(form, tmp_path, arrays))
    assert load_test(where, reading=ALL) is None
    train, test = load_dataset(where)
    assert test is not None
    assert (train.counts, test.counts) == ((1, 1, 1), (1, 1, 1))


@pytest.mark.parametrize("form", ["npy", "safetensors"])
def test_large_arrays_stay_on_the_disk(
    tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datastill.datasets.base.making.FLOATS_MOST", 0)
    held = images()
    where = write(form, tmp_path, {"images": held, "labels": labels()})
    train = load_split(str(where), "train", reading=Reading(test_share=0.5))
    assert isinstance(train.images, Pixels)
    assert train.images.rows is not None
    (file,) = [
        path for path in (tmp_path / "images.npy", tmp_path / "own.safetensors") if path.exists()
    ]
    content = bytearray(file.read_bytes())
    row = int(train.images.rows[0])
    start = bytes(content).index(held[row].tobytes())
    content[start] ^= 255
    with file.open("r+b") as opened:  # the same file, another byte
        opened.write(content)
    changed = train.images[torch.tensor([0])]
    assert bytes_of(ImageSet(changed, train.labels[:1], train.domain))[0, 0, 0, 0] == (
        255 ^ held[row, 0, 0, 0]
    )


@pytest.mark.parametrize(
    ("x", "y"),
    [
        ("x_train", "y_train"),
        ("images", "labels"),
        ("X", "y"),
        ("train_x", "train_y"),
        ("data", "targets"),
    ],
)
def test_usual_names(tmp_path: Path, x: str, y: str) -> None:
    where = write("npz", tmp_path, {x: images(), y: labels()})
    assert len(load_split(str(where), "train", reading=ALL)) == 6


def test_names_can_be_given(tmp_path: Path) -> None:
    arrays = {"scans": images(), "grade": labels(), "images": images(seed=3), "labels": labels()}
    where = str(write("npz", tmp_path, arrays))
    found = load_split(
        where, "train", reading=Reading(images="scans", labels="grade", test_share=0)
    )
    assert np.array_equal(bytes_of(found), arrays["scans"])
    with pytest.raises(InputError, match=r"no images: it holds scans, grade.*`images`"):
        load_split(where, "train", reading=Reading(images="scan"))


def test_medmnist_files(tmp_path: Path) -> None:
    arrays = {}
    for i, split in enumerate(("train", "val", "test")):
        arrays[f"{split}_images"] = images(6, (28, 28), seed=i)
        arrays[f"{split}_labels"] = labels()[:, None].astype(np.uint8)
    np.savez(tmp_path / "breastmnist.npz", **arrays)
    train, test = load_dataset(str(tmp_path / "breastmnist.npz"))
    assert test is not None
    assert train.domain.name == "breastmnist"
    assert train.domain.shape == (1, 28, 28)
    assert np.array_equal(bytes_of(test)[:, 0], arrays["test_images"])
    arrays["train_labels"] = np.zeros((6, 14), np.uint8)
    np.savez(tmp_path / "chestmnist.npz", **arrays)
    with pytest.raises(InputError, match="uint8 of 6x14; expected one class for each image"):
        load_split(str(tmp_path / "chestmnist.npz"), "train")


PIXELS = images(4, (3, 8, 12))


@pytest.mark.parametrize(
    "array",
    [
        PIXELS,
        PIXELS.transpose(0, 2, 3, 1),
        PIXELS.astype(np.int64),
        PIXELS.astype(np.uint16),
        PIXELS.astype(">i4"),
        PIXELS[::-1][::-1],
        (PIXELS / 255).astype(np.float32),
        PIXELS / 255,
        (PIXELS / 255).astype(">f8"),
        torch.from_numpy(PIXELS),
        torch.from_numpy(PIXELS) / 255,
    ],
    ids=lambda a: f"{a.dtype}",
)
def test_pixels_of_any_kind(array) -> None:
    found = datastill.from_arrays(array, [0, 1, 0, 1])
    assert np.array_equal(bytes_of(found), PIXELS)


def test_bytes_that_were_saved_as_floats_are_bytes() -> None:
    """As 'datastill import' takes them: what whole numbers up to 255 are leaves no doubt."""
    for array in (PIXELS.astype(np.float64), np.float32(PIXELS / 255) * np.float32(255)):
        found = datastill.from_arrays(array, [0, 1, 0, 1])
        assert np.array_equal(bytes_of(found), PIXELS)


def test_booleans_and_halves() -> None:
    found = datastill.from_arrays(images(4, (8, 12)) > 127, [0, 1, 0, 1])
    assert set(bytes_of(found).flatten().tolist()) == {0, 255}
    halves = torch.full((4, 8, 8), 0.5, dtype=torch.float16)
    assert datastill.from_arrays(halves, [0, 1, 0, 1]).domain.mean == (0.5,)


@pytest.mark.parametrize(
    ("array", "complaint"),
    [
        (PIXELS / 127, r"floats from 0 to 2\.0\d+; pixels are floats from 0 to 1"),
        (PIXELS / 255 - 0.5, r"floats from -0\.5 to"),
        (np.full((4, 8, 8), np.nan), "not finite"),
        (PIXELS.astype(np.int32) * 2, "integers from 0 to 5"),
        (PIXELS.astype(np.int32) - 1, "integers from -1 to"),
        (PIXELS // 128, "no byte is above 1"),
        (images(4, (8, 8, 8)), "shape 4x8x8x8; expected images x height x width"),
        (images(4, (7, 9)), "sides of at least 8"),
        (images(4, (3, 3, 9)), "sides of at least 8"),
        (images(4, ()), "shape 4; expected"),
        (np.array(["a", "b", "c", "d"]), "<U1 are no pixels"),
        (np.array([None] * 4), "object are no pixels"),
        (np.zeros((0, 8, 8), np.uint8), "0 images but 4 labels"),
    ],
)
def test_what_are_no_pixels_is_told(array: np.ndarray, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        datastill.from_arrays(array, [0, 1, 0, 1])


@pytest.mark.parametrize(
    ("given", "classes", "indices"),
    [
        ([3, 1, 3, 7], ("1", "3", "7"), [1, 0, 1, 2]),
        ([1.0, 2.0, 1.0, 1.0], ("1", "2"), [0, 1, 0, 0]),
        (["cat", "ant", "cat", "ant"], ("ant", "cat"), [1, 0, 1, 0]),
        (np.array([b"b", b"a", b"a", b"a"]), ("a", "b"), [1, 0, 0, 0]),
        ([True, False, False, True], ("False", "True"), [1, 0, 0, 1]),
        (torch.tensor([[2], [0], [2], [0]]), ("0", "2"), [1, 0, 1, 0]),
        (np.array([10, 9, 10, 9], np.uint64), ("9", "10"), [1, 0, 1, 0]),
    ],
)
def test_labels_of_any_kind(given, classes: tuple[str, ...], indices: list[int]) -> None:
    found = datastill.from_arrays(images(4), given)
    assert found.domain.classes == classes
    assert found.labels.tolist() == indices


def test_classes_can_be_named() -> None:
    found = datastill.from_arrays(images(4), [2, 0, 2, 0], classes=["ant", "bee", "cat"])
    assert found.domain.classes == ("ant", "bee", "cat")
    assert found.counts == (2, 0, 2)
    by_name = datastill.from_arrays(images(4), ["cat", "ant"] * 2, classes=["ant", "bee", "cat"])
    assert by_name.labels.tolist() == [2, 0, 2, 0]


@pytest.mark.parametrize(
    ("given", "classes", "complaint"),
    [
        ([0, 1, 2, 1], ["a", "b"], "label 2 is outside the classes 0 to 1"),
        ([0, -1, 0, 1], ["a", "b"], "label -1 is outside"),
        (["a", "c", "a", "b"], ["a", "b"], "label 'c' is not among"),
        ([0.5, 1, 0, 1], None, r"labels such as 0\.5 are no classes"),
        ([np.nan, 1, 0, 1], None, "labels such as nan are no classes"),
        ([1e300, 1, 0, 1], None, r"labels such as 1e\+300 are no classes"),
        (np.eye(4) / 2, None, "float64 of 4x4; expected one class"),
        (np.eye(4) + np.eye(4)[::-1], None, "of which 4 rows hold several numbers"),
        (np.eye(4), ["a", "b"], "rows of 4 for 2 names of classes"),
        ([0, 1], None, "4 images but 2 labels"),
        ([[0, 2], [2, 0], [2, 0], [0, 2]], None, "expected one class"),
        (np.array([None] * 4), None, "object of 4; expected one class"),
    ],
)
def test_what_are_no_labels_is_told(given, classes, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        datastill.from_arrays(images(4), given, classes=classes)


def test_a_label_for_every_image_is_no_class() -> None:
    with pytest.raises(InputError, match="every image has a label of its own"):
        datastill.from_arrays(images(30), np.arange(30) / 1)


def test_names_of_classes_in_a_file(tmp_path: Path) -> None:
    names = np.array(["ant", "bee", "cat"])
    np.savez(tmp_path / "x.npz", images=images(), labels=labels(), classes=names)
    assert load_split(str(tmp_path / "x.npz"), "train").domain.classes == tuple(names)
    tensors = {"images": images(), "labels": labels()}
    header = {"classes": json.dumps(names.tolist())}
    save_file(tensors, tmp_path / "x.safetensors", metadata=header)
    assert load_split(str(tmp_path / "x.safetensors"), "train").domain.classes == tuple(names)
    save_file(tensors, tmp_path / "y.safetensors", metadata={"classes": "ant, bee"})
    with pytest.raises(InputError, match="its names of classes are no JSON list"):
        load_split(str(tmp_path / "y.safetensors"), "train")
    np.savez(
        tmp_path / "z.npz", images=images(), labels=labels(), classes=np.array(["a", "a", "b"])
    )
    with pytest.raises(InputError, match="not a list of different texts"):
        load_split(str(tmp_path / "z.npz"), "train")
    tables = ({0: "ant", 1: "bee", 2: "cat"}, {"cat": 2, "bee": 1, "ant": 0}, {1: "bee"})
    for key in ("classes", "class_to_idx"):
        for number, table in enumerate(tables):
            file, given = tmp_path / f"{key}{number}.pt", torch.as_tensor(images())
            torch.save({"images": given, "labels": torch.as_tensor(labels()), key: table}, file)
            if number < 2:
                assert load_split(str(file), "train").domain.classes == tuple(names)
            else:
                with pytest.raises(InputError, match=r"is a dict; expected .* a list"):
                    load_split(str(file), "train")


@pytest.mark.parametrize(
    ("arrays", "complaint"),
    [
        ({"images": images()}, "has no labels: it holds images; expected labels or train_labels"),
        ({"labels": labels()}, "has no images: it holds labels"),
        ({"a": images(), "b": labels()}, "has no images: it holds a, b"),
        ({"images": images(), "x": images(), "y": labels()}, "holds images and x; name the one"),
        ({"images": images(), "labels": labels(5)}, "6 images but 5 labels"),
        ({"images": images(), "labels": np.zeros(6)}, "images of one class, '0'"),
        ({"images": images(0), "labels": labels(0)}, "one class, 'none'|holds no images"),
    ],
)
@pytest.mark.parametrize("form", ["npz", "npy", "safetensors"])
def test_what_is_wrong_with_a_file_is_told(
    tmp_path: Path, form: str, arrays: dict[str, np.ndarray], complaint: str
) -> None:
    where = write(form, tmp_path, arrays)
    with pytest.raises(InputError, match=complaint):
        load_split(str(where), "train")


def test_pickles_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", images=np.array([None] * 6), labels=labels())
    with pytest.raises(InputError, match=r"x\.npz holds Python objects, which are not read"):
        load_split(str(tmp_path / "x.npz"), "train")
    np.save(tmp_path / "images.npy", np.array([None] * 6))
    np.save(tmp_path / "labels.npy", labels())
    with pytest.raises(InputError, match=r"images\.npy holds Python objects, which"):
        load_split(str(tmp_path), "train")


def test_a_synthetic_set_is_no_dataset(tmp_path: Path) -> None:
    datastill.save(datastill.from_arrays(images(), labels()), tmp_path / "set.safetensors")
    with pytest.raises(InputError, match="a set that datastill wrote"):
        load_split(str(tmp_path / "set.safetensors"), "train")


def test_test_images_follow_the_training_images() -> None:
    train = datastill.from_arrays(images(), ["b", "a", "c"] * 2, name="own")
    test = datastill.from_arrays(images(2, seed=5), ["c", "a"], name="own", like=train.domain)
    assert test.domain == train.domain
    assert test.labels.tolist() == [2, 0]
    assert np.array_equal(bytes_of(test), images(2, seed=5))
    with pytest.raises(InputError, match="test images of the class 'd'"):
        datastill.from_arrays(images(2), ["c", "d"], like=train.domain)
    with pytest.raises(InputError, match="have 3x9x12 values, but own has 3x8x12"):
        datastill.from_arrays(images(2, (3, 9, 12)), ["c", "a"], like=train.domain)
    with pytest.raises(InputError, match="images of 1 channel, not of 3"):
        datastill.from_arrays(images(2, (8, 12)), ["c", "a"], like=train.domain)


def test_arrays_can_be_resized() -> None:
    # A slope stays one: each pixel of the result is the mean of the two it stands for.
    slope = np.broadcast_to(5 * np.arange(40, dtype=np.uint8), (4, 16, 40))
    found = bytes_of(datastill.from_arrays(slope, [0, 1, 0, 1], size=(8, 8)))
    assert found.shape == (4, 1, 8, 8)
    wanted = slope[0, 0, 12:28].reshape(8, 2).mean(1)
    assert np.abs(found[..., 1:-1] - wanted[1:-1]).max() <= 0.5


def test_a_channel_that_never_changes_is_left_finite() -> None:
    array = images(4)
    array[:, 1] = 77
    found = datastill.from_arrays(array, [0, 1, 0, 1])
    assert found.domain.std[1] == 1
    assert np.array_equal(bytes_of(found), array)


class Pairs:
    """A map-style dataset."""

    def __init__(self, items, classes=None) -> None:
        self.items = items
        if classes is not None:
            self.classes = classes

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int):
        return self.items[index]


@pytest.mark.parametrize(
    "convert",
    [
        lambda array: Image.fromarray(array),
        lambda array: array,
        lambda array: torch.from_numpy(array).movedim(-1, 0),
        lambda array: torch.from_numpy(array).movedim(-1, 0) / 255,
    ],
    ids=["pillow", "numpy", "bytes", "floats"],
)
def test_any_dataset_of_pairs(convert) -> None:
    arrays = images(4, (8, 12, 3))
    pairs = [(convert(array), torch.tensor(i % 2)) for i, array in enumerate(arrays)]
    found = datastill.from_dataset(Pairs(pairs, ["ant", "bee"]), name="pairs")
    assert np.array_equal(bytes_of(found), arrays.transpose(0, 3, 1, 2))
    assert found.domain.classes == ("ant", "bee")
    again = datastill.from_dataset(found_pairs(found), name="again", like=None)
    assert np.array_equal(bytes_of(again), bytes_of(found))


def found_pairs(data: ImageSet) -> Pairs:
    pixels = data.domain.pixels(data.images).clamp(0, 1)
    return Pairs([(image, int(label)) for image, label in zip(pixels, data.labels, strict=True)])


def test_images_of_different_sizes_need_a_size() -> None:
    pairs = Pairs([(images(1, (8 + i, 12))[0], i % 2) for i in range(4)])
    with pytest.raises(InputError, match=r"image 1 of images has the shape \(1, 9, 12\)"):
        datastill.from_dataset(pairs)
    assert datastill.from_dataset(pairs, size=(10, 10)).domain.shape == (1, 10, 10)


@pytest.mark.parametrize(
    ("items", "complaint"),
    [
        ([], "holds no images"),
        ([images(1)[0]], "item 0 of images is of type ndarray, no pair"),
        ([(images(1)[0], 0, 1)], "no pair of image and label"),
        ([(torch.randn(3, 8, 8), 0), (torch.randn(3, 8, 8), 1)], "floats from -"),
    ],
)
def test_what_is_no_dataset_of_pairs_is_told(items, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        datastill.from_dataset(Pairs(items))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", [np.float64, np.float32, np.uint8, bool])
def test_rows_of_a_single_one_are_classes(tmp_path: Path, form: str, kind: type) -> None:
    """As Keras' to_categorical makes them: labels from 1 have a column that is never used."""
    rows = np.eye(4)[labels() + 1].astype(kind)
    arrays = {"train_images": images(), "train_labels": rows}
    test = {"test_images": images(2, seed=1), "test_labels": rows[1:3]}
    train, test = load_dataset(str(write(form, tmp_path, {**arrays, **test})))
    assert test is not None
    assert train.domain.classes == ("1", "2", "3")
    assert train.labels.tolist() == labels().tolist()
    assert test.labels.tolist() == [1, 2]


def test_rows_of_a_single_one_in_memory() -> None:
    rows = np.eye(3)[labels()]
    data = datastill.from_arrays(images(), rows, classes=["ant", "bee", "cat"])
    assert data.labels.tolist() == labels().tolist()
    assert data.domain.classes == ("ant", "bee", "cat")
    for each in (rows, list(map(list, rows)), torch.tensor(rows)):
        pairs = list(zip(images(), each, strict=True))
        assert datastill.from_dataset(pairs).labels.tolist() == labels().tolist()


def field_file(**changed: object) -> dict[str, object]:
    """Return what the field's file of Tiny-ImageNet holds, in small."""
    held = {
        "classes": [f"n{k:02d}" for k in range(4)],
        "images_train": torch.from_numpy(images(8, (3, 64, 64))),
        "labels_train": torch.arange(8) % 4,
        "images_val": torch.from_numpy(images(4, (3, 64, 64), seed=1)),
        "labels_val": torch.arange(4),
    }
    return {**held, **changed}


@pytest.mark.parametrize("zipped", [True, False])
def test_files_of_torch(tmp_path: Path, zipped: bool) -> None:
    held = field_file()
    file = tmp_path / "scans.pt"
    torch.save(held, file, _use_new_zipfile_serialization=zipped)
    train, test = load_dataset(str(file))
    assert test is not None
    assert train.domain.classes == ("n00", "n01", "n02", "n03")
    assert np.array_equal(bytes_of(train), held["images_train"])
    assert np.array_equal(bytes_of(test), held["images_val"])
    assert train.domain.name == "scans"


def test_other_layouts_of_torch(tmp_path: Path) -> None:
    pixels, numbers = torch.from_numpy(images()), torch.from_numpy(labels())
    inner = {"images": pixels, "labels": numbers.tolist()}
    for value in ((pixels, numbers), inner, {"train": inner, "val": inner}):
        torch.save(value, tmp_path / "own.pth")
        found = load_split(str(tmp_path / "own.pth"), "train", reading=ALL)
        assert np.array_equal(bytes_of(found), pixels)
        assert found.labels.tolist() == numbers.tolist()
    assert load_test(str(tmp_path / "own.pth"), reading=ALL) is not None


class Mischief:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("run",)


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ({"images": Mischief()}, r"asks for .*print.*nothing of it was run"),
        (torch.zeros(3), "holds a Tensor; expected a dictionary"),
        ({"weights": torch.zeros(3)}, "has no images: it holds weights"),
        (
            {"data": [[torch.zeros(2, 3, 32, 32), torch.zeros(2)]]},
            "a synthetic set of another project is read by 'datastill import'",
        ),
    ],
)
def test_other_files_of_torch(
    tmp_path: Path, value: object, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save(value, tmp_path / "own.pt")
    with pytest.raises(InputError, match=complaint):
        load_split(str(tmp_path / "own.pt"), "train", reading=ALL)
    assert capsys.readouterr().out == ""
    (tmp_path / "own.pt").write_bytes(b"PK no")
    with pytest.raises(InputError, match=r"damaged or not a file of torch\.save"):
        load_split(str(tmp_path / "own.pt"), "train", reading=ALL)


def test_a_file_for_each_array_as_of_kuzushiji_mnist(tmp_path: Path) -> None:
    held = images(shape=(8, 8)), images(3, (8, 8), seed=1)
    for split, pictures in zip(("train", "test"), held, strict=True):
        np.savez(tmp_path / f"kmnist-{split}-imgs.npz", pictures)
        np.savez(tmp_path / f"kmnist-{split}-labels.npz", labels(len(pictures)))
    train, test = load_dataset(str(tmp_path))
    assert np.array_equal(bytes_of(train)[:, 0], held[0])
    assert test is not None
    assert np.array_equal(bytes_of(test)[:, 0], held[1])
    assert train.labels.tolist() == labels().tolist()
    np.savez(tmp_path / "k49-train-imgs.npz", held[0])
    with pytest.raises(InputError, match=r"arrays of two datasets: put those of each into"):
        load_split(str(tmp_path), "train")
