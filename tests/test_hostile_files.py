"""Files that are damaged or mean harm: one clear line, nothing run, nothing written."""

import ast
import io
import os
import pickle
import random
import re
import struct
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from conftest import blobs
from datastill import store
from datastill.base.errors import InputError
from datastill.data import ImageSet
from datastill.exchange import FORMATS, Claim, Reading, import_set
from datastill.exchange.base import unpickling as tensors
from test_cli import Run, files, run
from test_exchange import condensed, matched, stated, zipped_folder

__all__ = ["run"]

SOURCE = Path(__file__).parents[1] / "src" / "datastill"
DATA = replace(blobs(per_class=2), facts={"method": "DM"})
PIXELS = DATA.domain.pixels(DATA.images)


def test_torch_load_is_always_told_to_load_weights_only() -> None:
    found = 0
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
                found += 1
                told = {word.arg: ast.unparse(word.value) for word in node.keywords}
                assert told["weights_only"] == "True", path
    assert found > 1


# Mutations.


def sound(kind: str, folder: Path) -> Path:
    """Write a file of a kind that import or load takes."""
    if kind == "zip":
        write = FORMATS["folder"].write
        assert write is not None
        write(DATA, folder / "blobs")
        return zipped_folder(folder / "blobs", folder / "blobs.zip")
    if kind == "idc":
        torch.save([PIXELS, DATA.labels], folder / "data.pt")
        return folder / "data.pt"
    if kind == "trajectory":
        return matched(folder, DATA.images, DATA.labels)
    if kind == "reference":
        return condensed(DATA, folder)
    if kind == "legacy":
        table = {"data": [[DATA.images, DATA.labels]]}
        torch.save(table, folder / "old.pt", _use_new_zipfile_serialization=False)
        return folder / "old.pt"
    if kind == "native":
        store.save(DATA, folder / "a.safetensors")
        return folder / "a.safetensors"
    write = FORMATS[kind].write
    assert write is not None
    write(DATA, folder / f"a.{kind}")
    return folder / f"a.{kind}"


def read(path: Path) -> ImageSet:
    if path.suffix == ".safetensors":
        return store.load(path)
    foreign = path.name[:3] in ("res", "old", "ima")
    return import_set(path, stated(DATA) if foreign else Claim())[0]


def mutated(content: bytes, seed: int) -> bytes:
    """Damage a file in one of six ways."""
    rng, damaged = random.Random(seed), bytearray(content)
    i, j = rng.randrange(len(damaged)), rng.randrange(len(damaged))
    match seed % 6:
        case 0:
            del damaged[i:]
        case 1:
            for _ in range(rng.choice((1, 3, 20))):
                damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
        case 2:
            damaged[i : i + rng.randrange(64)] = bytes(rng.randrange(64))
        case 3:
            damaged[i:i] = rng.randbytes(rng.randrange(1, 40))
        case 4:
            damaged[i : i + 8] = b"\xff" * 8
        case _:
            damaged[i : i + 40] = damaged[j : j + 40]
    return bytes(damaged)


KINDS = ("npz", "pt", "parquet", "zip", "idc", "trajectory", "reference", "legacy", "native")
EACH = 48


@pytest.mark.parametrize("kind", KINDS)
def test_mutated_files_are_refused_or_sound(kind: str, tmp_path: Path) -> None:
    """Damage to a pixel cannot be seen; whatever can be is told in one line."""
    path = sound(kind, tmp_path)
    assert len(read(path)) == len(DATA)
    content, before, refused = path.read_bytes(), files(tmp_path), list[str]()
    for seed in range(EACH):
        path.write_bytes(mutated(content, seed))
        try:
            found = read(path)
        except InputError as error:
            refused.append(str(error))
        else:
            assert torch.isfinite(found.images).all()
            assert int(found.hard_labels.min()) >= 0
            assert int(found.hard_labels.max()) < len(found.domain.classes)
    assert len(refused) > EACH // 3
    assert all(told.startswith(str(path)) for told in refused)
    assert all(len(told.splitlines()) == 1 for told in refused)
    assert files(tmp_path) == before


@pytest.mark.parametrize("kind", KINDS)
def test_truncated_files_are_always_refused(kind: str, tmp_path: Path) -> None:
    path = sound(kind, tmp_path)
    content = path.read_bytes()
    for keep in (0, 1, 2, 4, 9, 50, len(content) // 3, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:keep])
        with pytest.raises(InputError):
            read(path)


@pytest.mark.parametrize("kind", KINDS)
def test_other_things_under_the_name_are_refused(kind: str, tmp_path: Path) -> None:
    path = sound(kind, tmp_path)
    for content in (b"\x80\x04]q\x00.", b"PK\x05\x06" + bytes(18), b"<html>", os.urandom(300)):
        path.write_bytes(content)
        with pytest.raises(InputError):
            read(path)


# Pickles that want to run something.


class Payload:
    """Calls a function when it is unpickled the usual way."""

    def __init__(self, call: Callable[..., object], *arguments: object) -> None:
        self.call, self.arguments = call, arguments

    def __reduce__(self) -> Any:
        return self.call, self.arguments


@pytest.mark.parametrize("name", ["res_DC_digits.pt", "images_best.pt", "data.pt"])
@pytest.mark.parametrize(
    ("call", "asked"),
    [
        (os.system, r"posix\.system"),
        (eval, r"(builtins\.)?eval"),  # by either name, as PyTorch has it
        (os.mkdir, r"posix\.mkdir"),
        (np.fromfile, "numpy"),
    ],
    ids=["system", "eval", "mkdir", "fromfile"],
)
@pytest.mark.parametrize("wrap", ["zip", "legacy", "bare"])
def test_a_payload_is_not_run(
    name: str, call: Callable[..., object], asked: str, wrap: str, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    command = {os.system: f"touch {mark}", eval: f"open({str(mark)!r}, 'w')"}.get(call, mark)
    value = {"data": [[DATA.images, DATA.labels]], "accs_all_exps": Payload(call, command)}
    content = io.BytesIO()
    if wrap == "bare":
        pickle.dump(value["accs_all_exps"], content, protocol=2)
    else:
        torch.save(value, content, _use_new_zipfile_serialization=wrap == "zip")
    (tmp_path / name).write_bytes(content.getvalue())
    with pytest.raises(InputError) as told:
        import_set(tmp_path / name, Claim("digits"))
    if wrap == "zip":
        assert re.search(f"asks for {asked}", str(told.value))
    assert "weights_only" not in str(told.value)  # no advice to read it unsafely
    assert files(tmp_path) == {name}


def test_numpy_numbers_are_not_made_by_numpy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("NumPy was called")

    file = condensed(DATA, tmp_path)
    content = file.read_bytes()
    monkeypatch.setattr("numpy._core.multiarray.scalar", never)
    file.write_bytes(content)
    assert import_set(file, stated(DATA))[0].facts["reported_accuracies"]["ConvNet"] == [0.5, 0.625]


@pytest.mark.parametrize(
    ("kind", "content"),
    [("f8", b"\0" * 4), ("O", b"\0" * 8), ("S4", b"abcd"), ("f8", 3), (3, b"\0" * 8)],
)
def test_strange_numpy_numbers_are_refused(kind: object, content: object) -> None:
    maker = tensors.PlainType(kind) if isinstance(kind, str) else kind
    with pytest.raises((ValueError, struct.error)):
        tensors.plain_number(maker, content)


def test_an_archive_of_python_objects_is_refused(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    objects = np.array([Payload(os.system, f"touch {mark}")], dtype=object)
    np.savez(tmp_path / "a.npz", images=objects, labels=np.zeros(1))
    with pytest.raises(InputError, match="holds Python objects, which are not read"):
        import_set(tmp_path / "a.npz")
    assert not mark.exists()


# Zips that lead elsewhere, and files that fill the memory.


def picture(size: tuple[int, int] = (4, 4)) -> bytes:
    content = io.BytesIO()
    Image.new("L", size, 7).save(content, format="PNG")
    return content.getvalue()


@pytest.mark.parametrize(
    "name",
    ["../../evil/0.png", "/evil/0.png", "a/../../0.png", "..\\evil\\0.png", "C:/a/0.png"],
)
def test_a_zip_that_unpacks_outside_is_refused(name: str, tmp_path: Path) -> None:
    file = tmp_path / "in" / "a.zip"
    file.parent.mkdir()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("cat/0.png", picture())
        archive.writestr(name, picture())
    with pytest.raises(InputError, match="leads out of the zip"):
        import_set(file)
    assert files(tmp_path) == {"in/a.zip"}


def test_a_zip_that_unpacks_to_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datastill.exchange.folder.MOST_VALUES", 10**6)
    monkeypatch.setattr("datastill.exchange.npz.MOST_VALUES", 10**6)
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("cat/0.png", bytes(2 * 10**6))
    with pytest.raises(InputError, match="would unpack to more than"):
        import_set(tmp_path / "a.zip")
    np.savez_compressed(tmp_path / "a.npz", images=np.zeros(2 * 10**6), labels=np.zeros(1))
    with pytest.raises(InputError, match="would unpack to"):
        import_set(tmp_path / "a.npz")


def test_a_tensor_that_repeats_one_number_forever_is_refused(tmp_path: Path) -> None:
    endless = torch.zeros(1).expand(2**40, 3, 8, 8)
    torch.save([endless, torch.zeros(1)], tmp_path / "data.pt")
    with pytest.raises(InputError, match="bytes of a plain tensor are read"):
        import_set(tmp_path / "data.pt")


@pytest.mark.parametrize("kind", ["sparse", "complex", "meta"])
def test_tensors_of_other_kinds_are_refused(kind: str, tmp_path: Path) -> None:
    plain = torch.zeros(2, 3, 4, 4)
    odd = {"sparse": plain.to_sparse(), "complex": plain + 1j, "meta": plain.to("meta")}[kind]
    torch.save([odd, torch.zeros(2)], tmp_path / "data.pt")
    with pytest.raises(InputError):
        import_set(tmp_path / "data.pt")


def test_a_huge_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a" / "cat").mkdir(parents=True)
    (tmp_path / "a" / "cat" / "0.png").write_bytes(picture((5000, 5000)))
    with pytest.raises(InputError, match="5000x5000 pixels, too many"):
        import_set(tmp_path / "a")


# Contents that make no sense.


def changed(**changes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    held = {"images": PIXELS.clone(), "labels": DATA.labels.clone(), **changes}
    return held["images"], held["labels"]


NAN = PIXELS.clone()
NAN[3, 1, 2, 2] = torch.nan


@pytest.mark.parametrize(
    ("pair", "complaint"),
    [
        (changed(images=NAN), "images hold values that are not finite"),
        (changed(images=PIXELS / 0), "images hold values that are not finite"),
        (changed(labels=DATA.labels[:-1]), "8 images, but labels of shape"),
        (changed(labels=DATA.labels * 0.5), "neither whole numbers nor shares"),
        (changed(labels=DATA.labels - 1), "label -1 is no class"),
        (changed(labels=DATA.labels + 10**9), "is no class"),
        (changed(labels=torch.full((8, 4), torch.nan)), "labels hold values that are not finite"),
        (changed(labels=torch.zeros(8, 4, 2)), "labels of shape"),
        (changed(images=PIXELS[:, :, 0]), "not (N, C, H, W)"),
        (changed(images=PIXELS[:0], labels=DATA.labels[:0]), "not (N, C, H, W)"),
        (changed(images=PIXELS > 0), "truths, not numbers"),
    ],
)
def test_contents_that_make_no_sense_are_refused(
    pair: tuple[torch.Tensor, torch.Tensor], complaint: str, run: Run, tmp_path: Path
) -> None:
    torch.save(list(pair), tmp_path / "data.pt")
    said = run("import data.pt")
    assert said.code == 2
    assert complaint in said.err
    assert len(said.err.splitlines()) == 1
    assert files(tmp_path) == {"data.pt"}


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ([1, 2], "the images are a int, not a tensor"),
        ([PIXELS], "holds a list of 1 things that are no images and labels; expected"),
        ("ab", "holds a str; expected"),
        ({"data": []}, "holds 0 experiments"),
        ({"weights": PIXELS}, "holds a dictionary of weights; expected"),
        ({"images": PIXELS}, "holds a dictionary of images; expected"),
        (PIXELS, "images without labels; expected them beside it in labels.pt"),
        (DATA.labels, "holds labels, not images"),
    ],
)
def test_other_things_than_pairs(value: object, complaint: str, tmp_path: Path) -> None:
    torch.save(value, tmp_path / "data.pt")
    with pytest.raises(InputError, match=complaint):
        import_set(tmp_path / "data.pt")


def test_formats_are_told_from_each_other(tmp_path: Path) -> None:
    torch.save([PIXELS, DATA.labels], tmp_path / "a.pt")
    assert len(import_set(tmp_path / "a.pt")[0]) == 8
    assert len(import_set(tmp_path / "a.pt", format="idc")[0]) == 8
    torch.save({"data": []}, tmp_path / "b.pt")
    with pytest.raises(InputError, match="holds 0 experiments"):
        import_set(tmp_path / "b.pt")


@pytest.mark.parametrize("factor", [9, 100])
def test_a_factor_larger_than_the_image(factor: int, tmp_path: Path) -> None:
    torch.save([PIXELS, DATA.labels], tmp_path / "data.pt")
    with pytest.raises(InputError, match=f"do not hold {factor} a side"):
        import_set(tmp_path / "data.pt", reading=Reading(factor=factor))


def folder_of(**contents: bytes) -> Callable[[Path], Path]:
    def make(root: Path) -> Path:
        for name, content in contents.items():
            (root / "a" / name).mkdir(parents=True)
            (root / "a" / name / "0.png").write_bytes(content)
        return root / "a"

    return make


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (folder_of(cat=picture(), dog=b"no picture"), r"dog/0.png is damaged or no picture"),
        (folder_of(cat=picture(), dog=picture((5, 4))), "dog/0.png has 4x5 pixels, but .*cat"),
        (folder_of(cat=picture()[:-20]), "is damaged or no picture"),
    ],
)
def test_folders_with_a_bad_picture(
    make: Callable[[Path], Path], complaint: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=complaint):
        import_set(make(tmp_path))


def test_transparent_and_deep_pictures_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a" / "cat").mkdir(parents=True)
    for shown in (Image.new("RGBA", (4, 4), (1, 2, 3, 4)), Image.new("I;16", (4, 4), 900)):
        shown.save(tmp_path / "a" / "cat" / "0.png")
        with pytest.raises(InputError, match="not grey or RGB of 8 bits"):
            import_set(tmp_path / "a")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"files": ["../../etc/passwd"]}, "lists other pictures than there are"),
        ({"files": None}, "lists other pictures"),
        ({"domain": {}}, "is damaged"),
        ({"domain": None}, "is damaged"),
        ({"facts": 3}, "is damaged"),
    ],
)
def test_a_false_header_beside_pictures(
    change: dict[str, object], complaint: str, tmp_path: Path
) -> None:
    import json

    write = FORMATS["folder"].write
    assert write is not None
    write(DATA, tmp_path / "a")
    file = tmp_path / "a" / "datastill.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(InputError, match=complaint):
        import_set(tmp_path / "a")
    file.write_text("[" * 10**5)
    with pytest.raises(InputError, match="is no JSON"):
        import_set(tmp_path / "a")


def test_a_table_that_points_to_other_files_is_not_followed(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    rows = [{"bytes": None, "path": "/etc/passwd"}]
    table = pyarrow.table({"image": rows, "label": [0]})
    parquet.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(InputError, match="paths to other files are not followed"):
        import_set(tmp_path / "a.parquet")
    for columns, complaint in (
        ({"label": [0]}, "has no column 'image'"),
        ({"image": [{"bytes": picture(), "path": ""}]}, "has no column 'label'"),
        ({"image": [{"bytes": picture(), "path": ""}], "label": [b"cat"]}, "nor all names"),
        ({"image": [], "label": []}, "holds no images"),
    ):
        parquet.write_table(pyarrow.table(columns), tmp_path / "a.parquet")
        with pytest.raises(InputError, match=complaint):
            import_set(tmp_path / "a.parquet")


def test_without_the_extra_its_name_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    write = FORMATS["parquet"].write
    assert write is not None
    with pytest.raises(InputError, match=r"pip install 'datasets>=4'"):
        write(DATA, tmp_path / "a.parquet")
