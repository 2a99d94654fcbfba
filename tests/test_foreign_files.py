"""Files and folders of strangers: one reader for `import` and `distill`, and lines that help."""

import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch
from PIL import Image
from torch import Tensor

from datastill.base.errors import InputError
from datastill.data import ImageSet
from datastill.datasets import load_dataset
from datastill.exchange import import_set
from pictures import picture

ARRAYS = np.stack([picture((16, 20, 3), seed=1000 * (i % 2) + i) for i in range(12)])
NAMES = ["cat" if i % 2 else "ant" for i in range(12)]
LABELS = torch.arange(12) % 2


def write(folder: Path, rows: range = range(12), *, by_class: bool = True) -> None:
    for row in rows:
        place = folder / NAMES[row] if by_class else folder
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(ARRAYS[row]).save(place / f"{row:03d}.png")


def zipped(folder: Path) -> Path:
    file = folder.with_suffix(".zip")
    with zipfile.ZipFile(file, "w") as archive:
        for each in sorted(folder.rglob("*")):
            if each.is_file():
                archive.write(each, each.relative_to(folder.parent))
    return file


def require_same(found: ImageSet) -> None:
    """Every picture is there once, of its own class."""
    pixels = found.domain.pixels(found.images).mul(255).round().byte().movedim(1, 3).numpy()
    assert len(pixels) == len(ARRAYS)
    for array, label in zip(pixels, found.hard_labels.tolist(), strict=True):
        (row,) = np.flatnonzero((array == ARRAYS).all((1, 2, 3)))
        assert found.domain.classes[label] in (NAMES[row], str(int(LABELS[row])))


def together(parts: tuple[ImageSet, ImageSet | None]) -> ImageSet:
    train, test = parts
    assert test is not None
    images, labels = torch.cat([train.images, test.images]), torch.cat([train.labels, test.labels])
    return ImageSet(images, labels, train.domain, {})


def test_a_zip_is_read_as_its_folder_is(tmp_path: Path) -> None:
    write(tmp_path / "pets")
    require_same(together(load_dataset(str(zipped(tmp_path / "pets")))))
    require_same(import_set(tmp_path / "pets.zip")[0])


def test_splits_in_a_zip(tmp_path: Path) -> None:
    write(tmp_path / "pets" / "train", range(8))
    write(tmp_path / "pets" / "test", range(8, 12))
    train, test = load_dataset(str(zipped(tmp_path / "pets")))
    assert (len(train), test and len(test)) == (8, 4)
    back, remarks = import_set(tmp_path / "pets.zip")
    assert len(back) == 8
    assert any("left out" in told for told in remarks)


def test_a_zip_with_a_table_says_what_to_type(tmp_path: Path) -> None:
    write(tmp_path / "pets" / "images", by_class=False)
    (tmp_path / "pets" / "train.csv").write_text("id,label\n000,ant\n")
    with pytest.raises(InputError, match=r"holds pictures and a table.*: type unzip .*pets\.zip"):
        load_dataset(str(zipped(tmp_path / "pets")))


@pytest.mark.parametrize("name", ["../a.png", "/a.png", "c:/a.png"])
def test_a_zip_whose_names_lead_out_of_it_is_no_dataset(name: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "pets.zip", "w") as archive:
        archive.writestr(name, b"")
    with pytest.raises(InputError, match="leads out of the zip"):
        load_dataset(str(tmp_path / "pets.zip"))


def test_a_table_beside_pictures_is_read_by_import(tmp_path: Path) -> None:
    write(tmp_path / "pets" / "images", by_class=False)
    lines = [f"{row:03d},{name}" for row, name in enumerate(NAMES)]
    (tmp_path / "pets" / "train.csv").write_text("\n".join(["id,label", *lines]))
    require_same(import_set(tmp_path / "pets")[0])


@pytest.mark.parametrize("row", [True, False])
def test_mat_files_are_read_by_import(row: bool, tmp_path: Path) -> None:
    labels = LABELS.numpy()
    arrays = {"images": ARRAYS, "labels": labels if row else labels[:, None]}
    scipy.io.savemat(tmp_path / "own.mat", arrays)
    require_same(import_set(tmp_path / "own.mat")[0])
    require_same(together(load_dataset(str(tmp_path / "own.mat"))))


def test_a_folder_of_arrays_is_read_by_import(tmp_path: Path) -> None:
    np.save(tmp_path / "x_train.npy", ARRAYS)
    np.save(tmp_path / "y_train.npy", LABELS.numpy())
    np.save(tmp_path / "x_test.npy", ARRAYS[:3])
    np.save(tmp_path / "y_test.npy", LABELS[:3].numpy())
    back, remarks = import_set(tmp_path)
    require_same(back)
    assert any("those for tests left out" in told for told in remarks)


def test_all_unreadable_pictures_are_named_at_once(tmp_path: Path) -> None:
    write(tmp_path / "pets")
    for row in (0, 3, 7):
        (tmp_path / "pets" / NAMES[row] / f"{row:03d}.png").write_bytes(b"no picture")
    Image.new("I;16", (20, 16)).save(tmp_path / "pets" / "ant" / "deep.png")
    with pytest.raises(InputError, match="4 of 13 pictures cannot be read") as told:
        import_set(tmp_path / "pets")
    assert all(f"{row:03d}.png is damaged" in str(told.value) for row in (0, 3, 7))
    assert "deep.png is of kind I;16" in str(told.value)


def packed(folder: Path, rows: Tensor = LABELS) -> Path:
    write(folder / "pets")
    file = folder / "only" / "pets.tar.gz"
    file.parent.mkdir()
    with tarfile.open(file, "w:gz") as archive:
        archive.add(folder / "pets", "pets")
    return file


def test_an_archive_that_lies_alone_is_named(tmp_path: Path) -> None:
    file = packed(tmp_path)
    with pytest.raises(InputError) as told:
        import_set(file.parent)
    command = f"tar -xf {file} -C {file.parent}"
    assert str(told.value).endswith(f"lies there packed: first type {command}")
    with pytest.raises(InputError, match="is packed: type tar -xf"):
        import_set(file)
    with tarfile.open(file) as archive:  # as the line says
        archive.extractall(file.parent, filter="data")
    require_same(import_set(file.parent)[0])


@pytest.mark.parametrize("name", ["set.ckpt", "set.pth.tar", "set"])
def test_files_of_torch_by_other_names_are_known(name: str, tmp_path: Path) -> None:
    pixels = torch.from_numpy(ARRAYS).movedim(3, 1)
    torch.save({"images": pixels, "labels": LABELS}, tmp_path / name)
    with pytest.raises(InputError, match=r"looks like a file of torch\.save: --format pt reads it"):
        import_set(tmp_path / name)
    require_same(import_set(tmp_path / name, format="pt")[0])


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.h5", b"\x89HDF\r\n\x1a\n", "is HDF5 .* which is not read: save its arrays"),
        ("checkpoint_15000", b"\x82\xa6params\x81\xa1a\xc7", "looks like a checkpoint of Flax"),
        ("a.pickled", b"\x80\x04N.", "looks like a pickle: --format pt reads it"),
        ("cat", b"\x89PNG\r\n", "is one picture: name a folder"),
        ("a.doc", b"words", "is of no known format; choose --format from"),
    ],
)
def test_files_that_are_not_read_are_told_apart(
    name: str, content: bytes, told: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=told):
        import_set(tmp_path / name)


def test_a_zip_of_tensors_is_unpacked_first(tmp_path: Path) -> None:
    run = tmp_path / "cifar10_10"
    run.mkdir()
    torch.save(torch.from_numpy(ARRAYS).movedim(3, 1), run / "images_best.pt")
    torch.save(LABELS, run / "labels_best.pt")
    file = zipped(run)
    with pytest.raises(InputError) as told:
        import_set(file)
    command = f"unzip {file} -d {tmp_path}"
    assert str(told.value) == f"{file} holds no pictures: type {command} and name what comes out"


def test_lists_of_classes_that_import_does_not_read_are_told(tmp_path: Path) -> None:
    write(tmp_path, by_class=False)
    (tmp_path / "labels.json").write_text('{"000.png": 0}')
    with pytest.raises(
        InputError, match=r"labels\.json is not read.*write them into a labels\.csv"
    ):
        import_set(tmp_path)


@pytest.mark.parametrize("column", ["class", "category", "target"])
def test_columns_of_classes_by_the_words_that_distill_knows(column: str, tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    pytest.importorskip("datasets")
    content = [io.BytesIO() for _ in ARRAYS]
    for array, each in zip(ARRAYS, content, strict=True):
        Image.fromarray(array).save(each, format="PNG")
    columns = {"images": [each.getvalue() for each in content], column: NAMES}
    file = tmp_path / "own.parquet"
    pytest.importorskip("pyarrow.parquet").write_table(arrow.table(columns), file)
    require_same(import_set(file)[0])
    require_same(together(load_dataset(str(file))))


def test_sets_in_folders_below_are_named(tmp_path: Path) -> None:
    run = tmp_path / "logged_files" / "CIFAR10" / "silver-run-1"
    run.mkdir(parents=True)
    torch.save(torch.rand(4, 3, 16, 16), run / "images_best.pt")
    torch.save(torch.arange(4), run / "labels_best.pt")
    with pytest.raises(InputError, match=r"below it there are .*silver-run-1; name one of them"):
        import_set(tmp_path / "logged_files")
    assert len(import_set(run)[0]) == 4
