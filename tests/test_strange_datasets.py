"""Real images as people have them: tables of many makes, tensors, parquet with names of files."""

import gzip
import io
import json
import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
import torch
from PIL import Image

from datastill.base.errors import InputError
from datastill.datasets import Reading, load_dataset, load_split
from datastill.exchange import import_set
from test_foreign_files import ARRAYS, LABELS, NAMES, require_same, together, write

ROWS = range(12)
PIXELS = torch.from_numpy(ARRAYS).movedim(3, 1)


def beside(tmp_path: Path, name: str, lines: list[str]) -> Path:
    write(tmp_path / "pets" / "images", by_class=False)
    (tmp_path / "pets" / name).write_text("\n".join(lines) + "\n")
    return tmp_path / "pets"


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("labels.csv", [f"{i:03d}.png,{NAMES[i]}" for i in ROWS]),
        ("train.csv", ["id,label", *(f"{i},{NAMES[i]}" for i in ROWS)]),
        ("train.csv", ["label,id", *(f"{int(LABELS[i])},{i}" for i in ROWS)]),
        ("train.txt", [f"images/{i:03d}.png {int(LABELS[i])}" for i in ROWS]),
        ("list.txt", [f"{i:03d}.png\t{NAMES[i]}" for i in ROWS]),
    ],
    ids=["no names of columns", "numbers", "classes first", "words", "tabs"],
)
def test_tables_of_many_makes(name: str, lines: list[str], tmp_path: Path) -> None:
    pets = beside(tmp_path, name, lines)
    (pets / "README.txt").write_text("Pictures of\nants and cats, two of each.\n")
    require_same(together(load_dataset(str(pets))))
    require_same(import_set(pets)[0])


def test_a_table_may_be_named_itself(tmp_path: Path) -> None:
    pets = beside(tmp_path, "train.csv", ["id,label", *(f"{i:03d},{NAMES[i]}" for i in ROWS)])
    (pets / "other.csv").write_text("id,label\n000,wrong\n")
    require_same(together(load_dataset(str(pets / "train.csv"))))
    require_same(import_set(pets / "train.csv")[0])


def parquet(path: Path, columns: dict[str, Any]) -> Path:
    arrow = pytest.importorskip("pyarrow")
    pytest.importorskip("datasets")
    path.parent.mkdir(parents=True, exist_ok=True)
    arrow.parquet.write_table(arrow.table(columns), path)
    return path


@pytest.mark.parametrize("ending", ["", ".png"])
@pytest.mark.parametrize("whole", [True, False])
def test_parquet_with_names_of_pictures_beside_it(ending: str, whole: bool, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow.parquet")
    write(tmp_path / "pets" / "images", by_class=False)
    names = [f"images/{i:03d}{ending}" for i in ROWS]
    file = parquet(tmp_path / "pets" / "train.parquet", {"path": names, "label": NAMES})
    place = file.parent if whole else file
    require_same(together(load_dataset(str(place))))
    require_same(import_set(place)[0])


def test_parquet_leads_to_no_other_folder(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow.parquet")
    write(tmp_path / "secret", by_class=False)
    write(tmp_path / "pets" / "images", by_class=False)
    names = [f"../secret/{i:03d}.png" for i in ROWS]
    file = parquet(tmp_path / "pets" / "train.parquet", {"path": names, "label": NAMES})
    for read in (lambda: load_dataset(str(file)), lambda: import_set(file)):
        with pytest.raises(InputError):
            read()


@pytest.mark.parametrize("others", [False, True], ids=["alone", "beside other pictures"])
def test_parquet_of_pictures_by_whoever_wrote_it(others: bool, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow.parquet")

    def encoded(row: int) -> bytes:
        content = io.BytesIO()
        Image.fromarray(ARRAYS[row]).save(content, format="PNG")
        return content.getvalue()

    if others:  # which are called as its classes are
        write(tmp_path / "exported", by_class=False)
    pictures = [{"bytes": encoded(i), "path": None} for i in ROWS]
    file = parquet(tmp_path / "own.parquet", {"image": pictures, "label": LABELS.tolist()})
    require_same(together(load_dataset(str(file))))
    require_same(import_set(file)[0])


@pytest.mark.parametrize("folder", [".", "processed"])
def test_splits_in_files_of_torch(folder: str, tmp_path: Path) -> None:
    place = tmp_path / folder
    place.mkdir(exist_ok=True)
    torch.save((PIXELS[:8], LABELS[:8]), place / "training.pt")
    torch.save((PIXELS[8:], LABELS[8:]), place / "test.pt")
    train, test = load_dataset(str(tmp_path))
    assert (len(train), test and len(test)) == (8, 4)
    require_same(together((train, test)))


@pytest.mark.parametrize("number", [int, torch.tensor])
def test_a_list_of_items_in_a_file_of_torch(number: Callable[[int], Any], tmp_path: Path) -> None:
    items = [(image, number(int(k))) for image, k in zip(PIXELS, LABELS, strict=True)]
    torch.save(items, tmp_path / "own.pt")
    require_same(together(load_dataset(str(tmp_path / "own.pt"))))


def test_an_archive_without_names(tmp_path: Path) -> None:
    np.savez(tmp_path / "own.npz", ARRAYS, LABELS.numpy())
    require_same(together(load_dataset(str(tmp_path / "own.npz"))))
    require_same(import_set(tmp_path / "own.npz")[0])
    read = Reading(images="arr_0", labels="arr_1")
    require_same(together(load_dataset(str(tmp_path / "own.npz"), None, read)))


def test_stl_10s_binary_files(tmp_path: Path) -> None:
    images = torch.randint(0, 256, (20, 3, 96, 96), dtype=torch.uint8)
    labels = torch.arange(20) % 10
    folder = tmp_path / "stl10_binary"
    folder.mkdir()
    for split, rows in (("train", slice(0, 10)), ("test", slice(10, 20))):
        images[rows].transpose(2, 3).contiguous().numpy().tofile(folder / f"{split}_X.bin")
        (labels[rows] + 1).byte().numpy().tofile(folder / f"{split}_y.bin")
    (folder / "class_names.txt").write_text("\n".join(f"class{k}" for k in range(10)))
    train, test = load_dataset(str(tmp_path))
    assert test is not None
    assert train.domain.classes[3] == "class3"
    shown = train.domain.pixels(train.images).mul(255).round().byte()
    assert torch.equal(shown, images[:10])
    assert train.labels.tolist() == labels[:10].tolist()
    (folder / "train_y.bin").write_bytes(b"\x01")
    with pytest.raises(InputError, match="bytes for 1 label,"):
        load_dataset(str(tmp_path))


def packed(file: Path, members: dict[str, bytes]) -> None:
    with tarfile.open(file, "w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def test_shards_of_webdataset_become_a_table_as_the_line_says(tmp_path: Path) -> None:
    library = pytest.importorskip("datasets")
    for shard in range(2):
        members: dict[str, bytes] = {}
        for row in ROWS[6 * shard : 6 * shard + 6]:
            content = io.BytesIO()
            Image.fromarray(ARRAYS[row]).save(content, format="PNG")
            members |= {f"{row}.png": content.getvalue(), f"{row}.cls": b"%d" % int(LABELS[row])}
        packed(tmp_path / f"shard-{shard}.tar", members)
    for place in (tmp_path, tmp_path / "shard-0.tar"):
        with pytest.raises(InputError, match=r"a shard of webdataset.*to_parquet\('all.parquet'\)"):
            load_dataset(str(place))
    with pytest.raises(InputError, match="a shard of webdataset"):
        import_set(tmp_path)
    table = library.load_dataset(
        "webdataset",
        data_files=f"{tmp_path}/*.tar",
        split="train",
        cache_dir=str(tmp_path / "cache"),
    )
    table.to_parquet(str(tmp_path / "all.parquet"))
    found = load_dataset(str(tmp_path / "all.parquet"), None, Reading(labels="cls"))
    require_same(together(found))


def cifar(root: Path) -> Path:
    table = {b"data": np.zeros((1, 3072), np.uint8), b"labels": [0]}
    (root / "data_batch_1").write_bytes(pickle.dumps(table))
    return root


def listed(root: Path) -> Path:
    write(root / "images", by_class=False)
    (root / "labels.json").write_text(json.dumps({"000.png": "cat"}))
    return root


def file(name: str, content: bytes = b"") -> Callable[[Path], Path]:
    def make(root: Path) -> Path:
        (root / name).write_bytes(content)
        return root / name

    return make


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (cifar, r"data_batch_1 is of CIFAR10: `name=CIFAR10` and its folder by `path`"),
        (listed, r"images, the name of no class.*labels\.json is not read.*labels\.csv"),
        (file("a.h5"), r"is HDF5; save its arrays in Python by np\.savez"),
        (file("a.pkl"), r"is a pickle, which can run code; save its arrays"),
        (file("a.npy"), "alone: call it images.npy"),
        (file("a.csv.gz", gzip.compress(b"1,2\n")), r"is packed: type gunzip -k .*a\.csv\.gz"),
        (file("a.csv", b"label,a,b\n1,2,3\n"), "coloured pixels are read from .npz"),
    ],
)
def test_what_is_not_read_says_what_helps(
    make: Callable[[Path], Path], told: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=told):
        load_dataset(str(make(tmp_path)))


@pytest.mark.parametrize("other", ["emu", "Cat"])
def test_test_images_of_other_classes_are_told_before_anything_is_made(
    other: str, tmp_path: Path
) -> None:
    write(tmp_path / "pets" / "train")
    write(tmp_path / "pets" / "test")
    (tmp_path / "pets" / "test" / "cat").rename(tmp_path / "pets" / "test" / other)
    with pytest.raises(InputError, match=f"test images of the class '{other}', which is none"):
        load_split(str(tmp_path / "pets"), "train")


@pytest.mark.parametrize("option", ["images", "labels"])
def test_columns_of_folders_are_not_passed_over(option: str, tmp_path: Path) -> None:
    write(tmp_path / "pets")
    with pytest.raises(InputError, match=f"no column 'breed': leave out `{option}`"):
        load_dataset(str(tmp_path / "pets"), None, Reading(**{option: "breed"}))  # type: ignore[arg-type]


def test_columns_of_a_dataset_that_has_none_are_not_passed_over() -> None:
    with pytest.raises(InputError, match=r"digits has one set .* no 'coarse': leave out `labels`"):
        load_dataset("digits", None, Reading(labels="coarse"))


@pytest.mark.parametrize("other", ["masks", "annotations/trimaps", "Ground_truth"])
def test_what_belongs_to_pictures_is_no_class(other: str, tmp_path: Path) -> None:
    for folder in ("images", other):
        write(tmp_path / "pets" / folder, by_class=False)
    told = r"images.* are no names of classes: pictures and what belongs to them"
    with pytest.raises(InputError, match=told):
        load_dataset(str(tmp_path / "pets"))
    with pytest.raises(InputError, match=told):
        import_set(tmp_path / "pets")
    lines = [f"images/{i:03d}.png,{NAMES[i]}" for i in ROWS]
    (tmp_path / "pets" / "labels.csv").write_text("\n".join(["file,label", *lines]))
    require_same(together(load_dataset(str(tmp_path / "pets"))))


def test_splits_of_a_name_that_hold_pictures_are_no_classes(tmp_path: Path) -> None:
    for folder in ("cars_train", "cars_test"):
        write(tmp_path / "cars" / folder, by_class=False)
    with pytest.raises(InputError, match="cars_test and cars_train, a name for parts of the data"):
        load_dataset(str(tmp_path / "cars"))


def test_tables_of_traffic_signs(tmp_path: Path) -> None:
    signs, place = (
        tmp_path / "gtsrb" / "GTSRB",
        tmp_path / "gtsrb" / "GTSRB" / "Final_Test" / "Images",
    )
    place.mkdir(parents=True)
    for row in ROWS:
        kind = int(LABELS[row])
        folder = place if row > 8 else signs / "Training" / f"{kind:05d}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(ARRAYS[row]).save(folder / f"{row:05d}.png")
    for kind in (0, 1):
        rows = [f"{row:05d}.png;20;{kind}" for row in ROWS[:9] if int(LABELS[row]) == kind]
        text = "\n".join(["Filename;Width;ClassId", *rows])
        (signs / "Training" / f"{kind:05d}" / f"GT-{kind:05d}.csv").write_text(text)
    names = [f"{row:05d}.png;20;16" for row in ROWS[9:]]
    (place / "GT-final_test.test.csv").write_text("\n".join(["Filename;Width;Height", *names]))
    names = [f"{row:05d}.png;20;{int(LABELS[row])}" for row in ROWS[9:]]
    text = "\n".join(["Filename;Width;ClassId", *names])
    (tmp_path / "gtsrb" / "GT-final_test.csv").write_text(text)
    parts = load_dataset(str(tmp_path / "gtsrb"))
    assert [part and len(part) for part in parts] == [9, 3]
    require_same(together(parts))


def test_a_column_that_is_named_is_looked_for_in_all_tables(tmp_path: Path) -> None:
    pets = beside(tmp_path, "list_attr.csv", ["id,big,kind", *(f"{i},1,{NAMES[i]}" for i in ROWS)])
    (pets / "list_box.csv").write_text("\n".join(["id,x,y", *(f"{i},3,4" for i in ROWS)]))
    require_same(together(load_dataset(str(pets), None, Reading(labels="kind"))))
    with pytest.raises(InputError, match="has no column 'sort'"):
        load_dataset(str(pets), None, Reading(labels="sort"))


def test_tables_without_classes_do_not_count_beside_one_that_has_them(tmp_path: Path) -> None:
    pets = beside(tmp_path, "list_box.csv", ["id,wide,high", *(f"{i},3,4" for i in ROWS)])
    with pytest.raises(InputError, match=r"list_box.csv: no column is known to hold classes"):
        load_dataset(str(pets))
    (pets / "truth.csv").write_text("\n".join(["id,kind", *(f"{i},{NAMES[i]}" for i in ROWS)]))
    require_same(together(load_dataset(str(pets))))


def test_a_column_that_no_table_of_pixels_has_is_told(tmp_path: Path) -> None:
    names = ",".join(f"pixel{i}" for i in range(64))
    row = ",".join(map(str, range(64)))
    (tmp_path / "a.csv").write_text(f"label,{names}\n0,{row}\n1,{row}\n")
    with pytest.raises(InputError, match="no table of pixels there has a column 'kind'"):
        load_dataset(str(tmp_path), None, Reading(labels="kind"))


def archive(root: Path) -> Path:
    np.savez(root / "pathmnist.npz", train_images=ARRAYS, train_labels=LABELS.numpy())
    return root


def structure(root: Path) -> Path:
    scipy.io.savemat(root / "emnist.mat", {"dataset": {"train": {"images": ARRAYS}}})
    return root / "emnist.mat"


def matlab(root: Path) -> Path:
    write(root / "jpg", by_class=False)
    scipy.io.savemat(root / "imagelabels.mat", {"labels": LABELS.numpy()})
    return root


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (archive, r"pathmnist\.npz lies there: name it, if it is the dataset"),
        (
            structure,
            r"emnist\.mat holds structures of MATLAB alone \(dataset\), which are not read",
        ),
        (matlab, r"imagelabels\.mat is not read: where it tells the classes"),
    ],
)
def test_arrays_in_a_place_where_they_are_not_read_are_named(
    make: Callable[[Path], Path], told: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=told):
        load_dataset(str(make(tmp_path)))


@pytest.mark.parametrize("kept", ["table", "folders"])
def test_pixels_beside_pictures_are_not_read_unsaid(kept: str, tmp_path: Path) -> None:
    write(tmp_path / "part_1", by_class=kept == "folders")
    names = ",".join(f"pixel{i}" for i in range(64))
    rows = [",".join(map(str, [k, *range(64)])) for k in (0, 1) * 5]
    (tmp_path / "hmnist_8_8_L.csv").write_text("\n".join([f"label,{names}", *rows]))
    if kept == "table":
        lines = [f"{i:03d},{NAMES[i]}" for i in ROWS]
        (tmp_path / "metadata.csv").write_text("\n".join(["image_id,dx", *lines]))
    told = r"holds the pixels of hmnist_8_8_L\.csv and beside them .*pictures"
    with pytest.raises(InputError, match=told):
        load_dataset(str(tmp_path))
    assert load_dataset(str(tmp_path / "hmnist_8_8_L.csv"))[0].domain.shape == (1, 8, 8)
    if kept == "table":
        require_same(together(load_dataset(str(tmp_path / "metadata.csv"))))
