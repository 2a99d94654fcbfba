"""Tables and arrays as people really have them: what is no class is told, what is a pixel stays."""

import csv
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from scipy.io import savemat

from datastill import from_arrays
from datastill.base.errors import InputError
from datastill.data import ImageSet
from datastill.datasets import load_split
from test_tables import ALL, bytes_of, flat, pixels, rows_of, table

HELD = pixels(12, 8)
FLAT = HELD.reshape(12, -1)
CLASSES = [i % 3 for i in range(12)]
NAMES = [f"pixel{i}" for i in range(64)]

Rows = Sequence[Sequence[object]]


def write(file: Path, rows: Rows, delimiter: str = ",", quoting: int = csv.QUOTE_MINIMAL) -> Path:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, quoting=quoting).writerows(rows)  # type: ignore[arg-type]
    file.write_text(text.getvalue())
    return file


def read(file: Path) -> ImageSet:
    return load_split(str(file), "train", reading=ALL)


def labelled(classes: Sequence[object] = CLASSES, *, last: bool = False) -> list[list[object]]:
    pairs = zip(classes, FLAT.tolist(), strict=True)
    return [[*row, k] if last else [k, *row] for k, row in pairs]


HEAD: list[object] = ["label", *NAMES]
BACKWARDS: Rows = [
    ["label", *NAMES[::-1]],
    *([k, *row[::-1]] for k, row in zip(CLASSES, FLAT.tolist(), strict=True)),
]
COUNTED: Rows = [["", *HEAD], *([i, *row] for i, row in enumerate(labelled()))]


@pytest.mark.parametrize(
    ("rows", "how"),
    [
        (labelled(last=True), {}),
        ([range(65), *labelled()], {}),
        (BACKWARDS, {}),
        (COUNTED, {}),
        ([HEAD, *labelled()], {"delimiter": ";"}),
        ([HEAD, *labelled()], {"quoting": csv.QUOTE_ALL}),
    ],
    ids=["class last", "numbers as names", "backwards", "counted rows", "semicolons", "quoted"],
)
def test_pixels_in_rows_of_many_makes(rows: Rows, how: dict[str, Any], tmp_path: Path) -> None:
    """A pixel was taken for the class, the first line for an image, or pixels lay elsewhere."""
    data = read(write(tmp_path / "a.csv", rows, **how))
    assert np.array_equal(bytes_of(data)[:, 0], HELD)
    assert (data.labels.tolist(), data.domain.classes) == (CLASSES, ("0", "1", "2"))


def test_names_of_classes_in_quotes(tmp_path: Path) -> None:
    rows = [HEAD, *labelled(["a, b", "c"] * 6)]
    assert read(write(tmp_path / "a.csv", rows)).domain.classes == ("a, b", "c")


def text_of(rows: Sequence[tuple[object, str, str]]) -> Rows:
    return [["emotion", "pixels", "Usage"], *rows]


LINES = [" ".join(map(str, row)) for row in FLAT]
TEXTS = [(k, line, "Training") for k, line in zip(CLASSES, LINES, strict=True)]


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([HEAD, *labelled(["", *CLASSES[1:]])], "1 label of 12 say nothing, the first that of im"),
        ([HEAD, *labelled(["nan", *CLASSES[1:]])], "labels such as nan are no classes"),
        ([HEAD, *labelled(), [1, *FLAT[0], 7]], "line 14: 66 values, but the first line has 65"),
        ([[i % 3, *row[1:-1], i % 2] for i, row in enumerate(labelled())], "may both hold classes"),
        ([[i % 4, *[i % 2] * 64] for i in range(12)], "may both hold classes"),  # black and white
        ([HEAD], "holds no images"),
        (text_of([("", LINES[0], "Training"), *TEXTS]), "1 label of 13 say nothing"),
        (text_of([*TEXTS, (1, LINES[0], "")]), "line 14: '' is no split"),
        (text_of([*TEXTS, (1, "99999999999 " * 64, "Training")]), "floats from 0 to 1e"),
    ],
    ids=[
        "empty",
        "nan",
        "long",
        "both ends",
        "two levels",
        "no rows",
        "no emotion",
        "no usage",
        "huge",
    ],
)
def test_rows_of_pixels_that_say_too_little_are_told(rows: Rows, told: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=told):
        read(write(tmp_path / "a.csv", rows))


def test_texts_of_pixels_may_be_from_0_to_1_and_all_black(tmp_path: Path) -> None:
    rows = [(k, " ".join(f"{v / 255:.6f}" for v in row), "Training") for k, row in enumerate(FLAT)]
    read(write(tmp_path / "a.csv", text_of([(k % 3, line, word) for k, line, word in rows])))
    black = [(0, "0 " * 64, "Training"), *TEXTS]
    assert bytes_of(read(write(tmp_path / "b.csv", text_of(black))))[0].max() == 0


def test_a_row_without_a_split_is_told(tmp_path: Path) -> None:
    """One such row made training images of all, those for tests too."""
    rows = rows_of(flat(tmp_path / "all", 6), path="all/{name}", label="{label}")
    words = ["train", "train", "train", "", "test", "test"]
    table(tmp_path / "a.csv", [{**r, "split": w} for r, w in zip(rows, words, strict=True)])
    with pytest.raises(InputError, match="line 5: the column split says ''"):
        read(tmp_path)


@pytest.mark.parametrize("value", [["cat", "dog"], {"bbox": [1, 2], "kind": "cat"}])
@pytest.mark.parametrize("name", ["label", "objects"])
def test_lists_and_places_are_no_classes(name: str, value: object, tmp_path: Path) -> None:
    lines = [json.dumps({"file_name": each, name: value}) for each in flat(tmp_path)]
    (tmp_path / "metadata.jsonl").write_text("\n".join(lines))
    with pytest.raises(InputError, match=f"{name} holds lists or tables"):
        read(tmp_path)


def test_a_table_that_names_nothing_there_is_told(tmp_path: Path) -> None:
    table(tmp_path / "a.csv", rows_of(flat(tmp_path / "im"), path="{stem}.PNG", label="{label}"))
    with pytest.raises(InputError, match=r"pictures in im alone; .*a\.csv is there, but neither"):
        read(tmp_path)


# Arrays.


def arrays(**others: Any) -> dict[str, Any]:
    return {"images": np.stack([HELD] * 3, -1).astype(np.uint8), "labels": CLASSES, **others}


def npz(file: Path, held: dict[str, Any]) -> None:
    np.savez(file, **held)


def tensors(file: Path, held: dict[str, Any]) -> None:
    said = {"classes": held.pop("classes")}
    save_file({name: np.asarray(value) for name, value in held.items()}, file, metadata=said)


def torch_items(file: Path, held: dict[str, Any]) -> None:
    images = torch.from_numpy(held["images"]).movedim(3, 1)
    torch.save(list(zip(images, map(torch.tensor, held["labels"]), strict=True)), file)


@pytest.mark.parametrize(
    ("name", "save", "others", "told"),
    [
        ("a.npz", npz, {"labels": [b"caf\xe9", b"caf\xe8", b"x"] * 4}, r"b'caf\\xe.' is no text"),
        ("a.npz", npz, {"labels": ["cat", "", " "] * 4}, "8 labels of 12 say nothing.*image 1;"),
        ("a.npz", npz, {"classes": [b"\xe9", b"\xe8", b"a"]}, r"b'\\xe9' is no text in UTF-8"),
        ("a.safetensors", tensors, {"classes": '"abc"'}, "no JSON list of texts"),
        ("a.safetensors", tensors, {"classes": '{"b": 1, "a": 0, "c": 2}'}, "no JSON list of tex"),
        ("a.safetensors", tensors, {"classes": '[["a"], ["b"], ["c"]]'}, "no JSON list of texts"),
        ("a.pt", torch_items, {"labels": [0.0, 0.7, 1.0] * 4}, "labels such as 0.7 are no cl"),
        ("a.npz", npz, {"images": np.zeros((0, 8, 8), np.uint8), "labels": []}, "holds no images"),
    ],
    ids=["bytes", "empty", "bytes of classes", "text", "table", "lists", "shares", "none"],
)
def test_odd_labels_and_classes_are_told(
    name: str,
    save: Callable[[Path, dict[str, Any]], None],
    others: dict[str, Any],
    told: str,
    tmp_path: Path,
) -> None:
    """They were merged, cut or taken letter by letter."""
    save(tmp_path / name, arrays(**others))
    with pytest.raises(InputError, match=told):
        read(tmp_path / name)


MATLAB = np.moveaxis(pixels(12, 12)[..., None].repeat(3, -1), 0, -1).astype(np.uint8)


@pytest.mark.parametrize(
    ("classes", "names"),
    [
        (np.array(["cat", "bird", "x"] * 4, object), ("bird", "cat", "x")),
        (["cat", "bird", "x"] * 4, ("bird", "cat", "x")),
        (np.arange(12) % 3 + 1, ("1", "2", "3")),
    ],
    ids=["cells", "characters", "numbers"],
)
def test_as_many_images_as_rows_in_matlabs_order(
    classes: Any, names: tuple[str, ...], tmp_path: Path
) -> None:
    savemat(tmp_path / "a.mat", {"images": MATLAB, "labels": classes})
    data = read(tmp_path / "a.mat")
    assert np.array_equal(bytes_of(data)[:, 0], pixels(12, 12))
    assert data.domain.classes == names
    savemat(tmp_path / "b.mat", {"images": MATLAB[:, :, 0], "labels": classes})
    with pytest.raises(InputError, match="which of them counts the images cannot be told"):
        read(tmp_path / "b.mat")


@pytest.mark.filterwarnings("error")
def test_labels_in_half_precision_warn_of_nothing() -> None:
    data = from_arrays(HELD.astype(np.uint8), np.array(CLASSES, np.float16))
    assert data.labels.tolist() == CLASSES
