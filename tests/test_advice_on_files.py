"""What is said of files of others that are not read as they lie, and that doing so helps."""

import gzip
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from datastill.base.errors import InputError
from datastill.datasets import Reading, load_dataset, load_split
from datastill.exchange import import_set
from test_cli import Run, run
from test_foreign_files import ARRAYS, LABELS, NAMES, require_same, together, write, zipped

__all__ = ["run"]

OBJECTS = np.array([None, {"images": 1}], dtype=object)


def refused(path: Path, *, importing: bool = False) -> str:
    with pytest.raises(InputError) as error:
        import_set(path) if importing else load_split(str(path), "train")
    return str(error.value)


@pytest.mark.parametrize("importing", [False, True], ids=["distill", "import"])
def test_a_copy_of_all_classes_beside_them_is_no_class(importing: bool, tmp_path: Path) -> None:
    write(tmp_path / "pets")
    shutil.copytree(tmp_path / "pets", tmp_path / "more" / "pets")
    shutil.move(tmp_path / "more" / "pets", tmp_path / "pets" / "pets")
    if importing:
        data, remarks = import_set(tmp_path / "pets")
        require_same(data)
        assert "pets left out" in remarks
    else:
        found = load_dataset(str(tmp_path / "pets"))
        require_same(together(found))
        assert found[0].facts["unused_folders"] == ["pets"]
    for file in (tmp_path / "pets" / "pets").rglob("*.png"):
        file.rename(file.with_name(f"other-{file.name}"))
    told = refused(tmp_path / "pets", importing=importing)
    assert f"{tmp_path}/pets/pets holds folders called as the classes beside it" in told
    assert len(load_split(str(tmp_path / "pets" / "pets"), "train").domain.classes) == 2


def test_one_folder_of_classes_beside_others_without_pictures_is_named(tmp_path: Path) -> None:
    write(tmp_path / "caltech" / "categories")
    (tmp_path / "caltech" / "Annotations" / "cat").mkdir(parents=True)
    told = refused(tmp_path / "caltech")
    assert told.endswith(f": name {tmp_path}/caltech/categories, if the classes are in it")
    require_same(together(load_dataset(f"{tmp_path}/caltech/categories")))


def test_an_example_of_a_folder_is_one_for_training(tmp_path: Path) -> None:
    for split in ("train", "test1"):
        write(tmp_path / "pets" / split, by_class=False)
    assert "such as train/cat" in refused(tmp_path / "pets")


def apart(folder: Path) -> Path:
    folder.mkdir()
    np.savez(folder / "pets-train-imgs.npz", ARRAYS)
    np.savez(folder / "pets-train-labels.npz", LABELS)
    return folder


@pytest.mark.parametrize("importing", [False, True], ids=["distill", "import"])
def test_one_array_of_several_files_names_their_folder(importing: bool, tmp_path: Path) -> None:
    folder = apart(tmp_path / "pets")
    told = refused(folder / "pets-train-imgs.npz", importing=importing)
    assert told.endswith("holds one array alone: name its folder, which holds the others")
    require_same(import_set(folder)[0] if importing else together(load_dataset(str(folder))))


def test_arrays_by_other_names_are_named_both(tmp_path: Path) -> None:
    np.save(tmp_path / "v6_data.npy", ARRAYS)
    np.save(tmp_path / "v6_kinds.npy", LABELS)
    assert refused(tmp_path).endswith("or names by `images` and `labels`")
    require_same(
        together(load_dataset(str(tmp_path), None, Reading(images="v6_data", labels="v6_kinds")))
    )
    told = refused(tmp_path, importing=True)
    assert told.endswith("and labels or train_labels: call them so")
    (tmp_path / "v6_data.npy").rename(tmp_path / "images.npy")
    told = refused(tmp_path, importing=True)
    assert told.endswith("expected labels or train_labels: call them so")
    (tmp_path / "v6_kinds.npy").rename(tmp_path / "labels.npy")
    require_same(import_set(tmp_path)[0])


def test_an_array_without_labels_beside_it_says_where_they_go(tmp_path: Path) -> None:
    np.save(tmp_path / "full_numpy_bitmap_cat.npy", ARRAYS)
    told = refused(tmp_path / "full_numpy_bitmap_cat.npy")
    assert "call it images.npy, put the class of each of its images, as labels.npy," in told
    (tmp_path / "full_numpy_bitmap_cat.npy").rename(tmp_path / "images.npy")
    np.save(tmp_path / "labels.npy", LABELS)
    require_same(together(load_dataset(str(tmp_path))))
    assert refused(tmp_path / "images.npy").endswith("name its folder, which holds the labels too")


@pytest.mark.parametrize("importing", [False, True], ids=["distill", "import"])
@pytest.mark.parametrize("name", ["own.npz", "images.npy", "own.npy"])
def test_python_objects_of_numpy_are_called_so(name: str, importing: bool, tmp_path: Path) -> None:
    file = tmp_path / name
    if name == "own.npz":
        np.savez(file, images=OBJECTS, labels=LABELS)
    else:
        np.save(file, OBJECTS, allow_pickle=True)
        np.save(tmp_path / "labels.npy", LABELS)
    where = tmp_path if not importing and name == "images.npy" else file
    if importing or name != "own.npy":
        assert "holds Python objects, which are not read: if you" in refused(
            where, importing=importing
        )


def test_import_of_a_table_says_which_columns_to_rename(tmp_path: Path) -> None:
    library = pytest.importorskip("datasets")
    rows = [Image.fromarray(array) for array in ARRAYS]
    columns = {"photo": rows, "sort": LABELS.tolist()}
    features = library.Features({"photo": library.Image(), "sort": library.Value("int64")})
    table = library.Dataset.from_dict(columns, features=features)
    table.to_parquet(str(tmp_path / "own.parquet"))
    told = refused(tmp_path / "own.parquet", importing=True)
    assert told.endswith(
        "no column 'image' or 'img' or 'picture'; it has photo, sort: call one of these so"
    )
    table.rename_columns({"photo": "jpg", "sort": "cls"}).to_parquet(str(tmp_path / "own.parquet"))
    require_same(import_set(tmp_path / "own.parquet")[0])  # as webdataset calls them


@pytest.mark.parametrize(
    ("name", "importing", "told"),
    [
        ("data.arrow", False, "a part of a table: name the folder of save_to_disk"),
        ("data.arrow", True, "a table of Arrow: name the folder"),
        ("set.pt.gz", True, "is packed: type gunzip -k"),
    ],
)
def test_files_of_other_kinds_say_what_helps(
    name: str, importing: bool, told: str, tmp_path: Path
) -> None:
    content = gzip.compress(b"x") if name.endswith("gz") else b"\xff\xff\xff\xff\xb0\x01\0\0"
    (tmp_path / name).write_bytes(content)
    assert told in refused(tmp_path / name, importing=importing)


def test_import_says_what_a_folder_holds_that_it_does_not_read(tmp_path: Path) -> None:
    assert refused(tmp_path, importing=True) == f"{tmp_path} is an empty folder"
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "1.heic").write_bytes(b"x")
    assert f"{tmp_path} holds cat/1.heic: it is of no known format" in refused(
        tmp_path, importing=True
    )


def test_lists_of_words_may_have_names_with_spaces(tmp_path: Path) -> None:
    write(tmp_path / "pets" / "images", by_class=False)
    names = {"ant": "Boeing 717", "cat": "DC-10"}
    lines = [f"{row:03d} {names[NAMES[row]]}" for row in range(12)]
    for split, some in (("train", lines[:6]), ("val", lines[6:8]), ("test", lines[8:])):
        (tmp_path / "pets" / f"images_{split}.txt").write_text("\n".join(some))
    train, test = load_dataset(str(tmp_path / "pets"))
    assert train.domain.classes == ("Boeing 717", "DC-10")
    assert test is not None
    assert (len(train), len(test)) == (6, 4)
    for odd in ("000 DC-10 DC-9\n001 DC-10\n002 DC-9", "000 1 2\n001 1", "000 1,2,3 4,5\n001 3"):
        for split in ("train", "val", "test"):
            (tmp_path / "pets" / f"images_{split}.txt").write_text(odd)
        assert "expected a folder for each class, or a table" in refused(tmp_path / "pets")


def test_tables_of_test_images_alone_are_called_so(tmp_path: Path) -> None:
    write(tmp_path / "pets" / "pictures", by_class=False)
    lines = [f"{row:03d}.png {NAMES[row]}" for row in range(12)]
    (tmp_path / "pets" / "places_val.txt").write_text("\n".join(lines))
    assert "places_val.txt, a column of it or a folder says that they are for" in refused(
        tmp_path / "pets"
    )
    (tmp_path / "pets" / "places_val.txt").rename(tmp_path / "pets" / "places.txt")
    require_same(together(load_dataset(str(tmp_path / "pets"))))


@pytest.mark.parametrize("importing", [False, True], ids=["distill", "import"])
def test_lists_of_more_columns_are_named(importing: bool, tmp_path: Path) -> None:
    write(tmp_path / "pets" / "images", by_class=False)
    write(tmp_path / "pets" / "annotations" / "trimaps", by_class=False)
    lines = ["# image class species breed", *(f"{row:03d} {LABELS[row]} 1 2" for row in range(12))]
    (tmp_path / "pets" / "annotations" / "list.txt").write_text("\n".join(lines))
    told = refused(tmp_path / "pets", importing=importing)
    assert f"{tmp_path}/pets/annotations/list.txt is not read: where it tells the classes" in told


@pytest.mark.parametrize("name", ["val_data", "cache-train.pkl"])
def test_pickles_are_told_in_their_folder_too(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(pickle.dumps({"data": ARRAYS, "labels": LABELS.tolist()}))
    for path in (tmp_path, tmp_path / name):
        told = refused(path)
        assert f"{tmp_path / name}" in told
        assert "is a pickle, which can run code; save its arrays in Python by np.savez" in told
    np.savez(tmp_path / "own.npz", images=np.moveaxis(ARRAYS, 3, 1), labels=LABELS)
    require_same(together(load_dataset(str(tmp_path / "own.npz"))))


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
def test_the_folder_around_a_set_tells_no_less_than_its_own(packed: bool, tmp_path: Path) -> None:
    name = "digits_conv3_f2_mipc300_ipc2_cr5"
    for number in range(10):
        place = tmp_path / "unpacked" / name / f"{number:05d}"
        place.mkdir(parents=True)
        for row in range(2):
            Image.new("L", (8, 8), 20 * number + row).save(place / f"class{number:05d}_{row}.png")
    path = zipped(tmp_path / "unpacked") if packed else tmp_path / "unpacked"
    for each in (tmp_path / "unpacked" / name, path):
        data, remarks = import_set(each)
        assert data.domain.name == "digits"
        assert len(data) == 4 * 20
        assert any("holds 4 smaller ones, as its name says" in remark for remark in remarks)


def test_words_for_kinds_of_numbers_make_no_other_dataset(tmp_path: Path) -> None:
    images = torch.rand(20, 1, 8, 8).half()
    torch.save({"images": images, "labels": torch.arange(20) % 10}, tmp_path / "digits_half.pt")
    assert import_set(tmp_path / "digits_half.pt")[0].domain.name == "digits"


def test_a_zip_of_pictures_and_their_table_says_how_to_unpack_it(tmp_path: Path) -> None:
    write(tmp_path / "pets" / "train", by_class=False)
    rows = "".join(f"{row},{NAMES[row]}\n" for row in range(12))
    (tmp_path / "pets" / "train.csv").write_text(f"id,label\n{rows}")
    told = refused(zipped(tmp_path / "pets"))
    assert "holds pictures and a table, pets/train.csv: type unzip" in told


@pytest.mark.parametrize("name", ["train.tfrecord-00000-of-00001", "train_lmdb/data.mdb"])
def test_records_of_other_libraries_are_told(name: str, tmp_path: Path) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(b"x")
    (tmp_path / "dataset_info.json").write_text("{}")
    assert f"{tmp_path / name} is of TensorFlow's records, or LMDB" in refused(tmp_path)


def test_labels_of_several_kinds_say_what_is_expected(tmp_path: Path) -> None:
    shares = torch.rand(20, 5, 10).softmax(2)
    torch.save({"images": torch.rand(20, 1, 8, 8), "labels": shares}, tmp_path / "set.pt")
    told = refused(tmp_path / "set.pt", importing=True)
    assert told.endswith("expected a class of each image, or a row of numbers for every class")


@pytest.mark.parametrize("line", ["validate", "assess", "compare", "show", "export --to npz"])
@pytest.mark.parametrize("name", ["syn.pt", "run"])
def test_what_needs_import_says_so(name: str, line: str, run: Run, tmp_path: Path) -> None:
    images, labels = torch.rand(20, 1, 8, 8), torch.arange(20) % 10
    torch.save({"images": images, "labels": labels}, tmp_path / "syn.pt")
    (tmp_path / "run").mkdir()
    torch.save(images, tmp_path / "run" / "images.pt")
    torch.save(labels, tmp_path / "run" / "labels.pt")
    said = run(f"{line} {name}")
    assert said.code == 2
    assert f"datastill import {name} makes" in said.err
    assert run(f"import {name} --dataset digits --out made").code == 0
    (tmp_path / "empty").mkdir()
    assert run(f"{line} empty").err == "datastill: no image set at empty/synthetic.safetensors\n"


def test_what_a_known_dataset_is_not_found_in_may_be_read_as_it_lies(
    run: Run, tmp_path: Path
) -> None:
    write(tmp_path / "mine")
    (tmp_path / "empty").mkdir()
    said = run("train --dataset CIFAR10 --data-path mine --model MLP --num 1 --epochs 1")
    assert "; what lies there in another form is read by --dataset ./mine" in said.err
    require_same(together(load_dataset("./mine")))
    said = run("train --dataset CIFAR10 --data-path empty --model MLP --num 1 --epochs 1")
    assert said.code == 2
    assert "another form" not in said.err


def test_arrays_below_what_torchvision_was_told_are_named(tmp_path: Path) -> None:
    raw = tmp_path / "data" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    (raw / "train-images-idx3-ubyte").write_bytes(b"x")
    assert f"; {raw} holds arrays in idx files: name that folder" in refused(tmp_path / "data")


def test_tables_of_several_datasets_in_a_folder_are_not_put_together(tmp_path: Path) -> None:
    library = pytest.importorskip("datasets")
    columns = {"image": [Image.fromarray(each) for each in ARRAYS], "label": LABELS.tolist()}
    features = library.Features({"image": library.Image(), "label": library.Value("int64")})
    table = library.Dataset.from_dict(columns, features=features)
    for place in ("pets", "more"):
        (tmp_path / place).mkdir()
        table.to_parquet(str(tmp_path / place / "train-00000-of-00001.parquet"))
    for importing in (False, True):
        told = refused(tmp_path, importing=importing)
        assert f"tables in {tmp_path / 'more'} and {tmp_path / 'pets'}, as of several" in told
    require_same(together(load_dataset(str(tmp_path / "pets"))))
    for split in ("train", "test"):  # a folder for each split is one dataset
        (tmp_path / "whole" / split).mkdir(parents=True)
        table.to_parquet(str(tmp_path / "whole" / split / "0000.parquet"))
    assert len(load_split(str(tmp_path / "whole"), "train")) == 12
    library.DatasetDict({"syn": table, "real": table}).save_to_disk(str(tmp_path / "saved"))
    told = refused(tmp_path / "saved", importing=True)
    assert told.endswith(f"none called train; name the folder of one, {tmp_path}/saved/syn say")
    require_same(import_set(tmp_path / "saved" / "syn")[0])


def test_a_table_of_numbers_says_the_same_whatever_was_read_before(tmp_path: Path) -> None:
    library = pytest.importorskip("datasets")
    write(tmp_path / "pets", by_class=False)
    kinds = {"pixel_values": library.Array3D((3, 8, 8), "float32"), "label": library.Value("int64")}
    columns = {"pixel_values": np.zeros((12, 3, 8, 8), np.float32), "label": list(range(12))}
    table = library.Dataset.from_dict(columns, features=library.Features(kinds))
    table.to_parquet(str(tmp_path / "own.parquet"))
    told = "it has pixel_values, label: call one of these so"
    assert told in refused(tmp_path / "own.parquet", importing=True)
    columns = {"image": columns["pixel_values"].tolist(), "label": columns["label"]}
    library.Dataset.from_dict(columns).to_parquet(str(tmp_path / "own.parquet"))
    told = "holds numbers and no encoded picture: save the columns in Python by np.savez"
    assert told in refused(tmp_path / "own.parquet", importing=True)


@pytest.mark.parametrize("soft", [False, True])
def test_a_set_of_some_of_the_classes_says_so(soft: bool, tmp_path: Path) -> None:
    labels = torch.arange(10) % 8
    labels = torch.rand(10, 10).softmax(1) if soft else labels
    torch.save({"images": torch.rand(10, 1, 8, 8), "labels": labels}, tmp_path / "digits.pt")
    told = "it holds images of 8 of 10 classes, none of 8, 9"
    assert (told in import_set(tmp_path / "digits.pt")[1]) is not soft


def damage(folder: Path) -> None:
    (folder / NAMES[0] / "000.png").write_bytes(b"")


def enlarge(folder: Path) -> None:
    Image.new("RGB", (40, 40)).save(folder / NAMES[0] / "000.png")


@pytest.mark.parametrize(
    ("spoil", "told"), [(damage, "take what is damaged away"), (enlarge, "resize them to one size")]
)
def test_import_says_what_to_do_with_odd_pictures(
    spoil: Callable[[Path], None], told: str, tmp_path: Path
) -> None:
    write(tmp_path / "pets")
    spoil(tmp_path / "pets")
    assert told in refused(tmp_path / "pets", importing=True)
