"""What is refused leaves nothing behind that stands in the way of what comes next."""

from pathlib import Path

import numpy as np
import pytest
import torch

from conftest import blobs
from datastill import store
from datastill.base.errors import InputError
from datastill.exchange import Claim
from datastill.runs.making import exchanging
from test_cli import Run, files, run

__all__ = ["run"]
IMAGES = np.random.default_rng(0).random((8, 1, 8, 8), dtype=np.float32)
LABELS = np.arange(8) % 2
PLAIN = Claim(normalised_with="none")


def archive(file: Path, *classes: str) -> Path:
    np.savez(file, images=IMAGES, labels=LABELS, classes=np.array(classes))
    return file


def table(file: Path, *classes: str) -> Path:
    images, labels = torch.from_numpy(IMAGES), torch.from_numpy(LABELS)
    torch.save({"images": images, "labels": labels, "classes": list(classes)}, file)
    return file


@pytest.mark.parametrize("name", ["a.npz", "a.pt"])
@pytest.mark.parametrize("odd", ["cat\n", "\x1b[31mcat", "\ud800"])
def test_an_import_that_is_refused_leaves_room_for_the_next(
    run: Run, tmp_path: Path, name: str, odd: str
) -> None:
    write = archive if name.endswith("npz") else table
    file = write(tmp_path / name, odd, "dog")
    line = f"import {name} --normalised-with none --out mine"
    said = run(line)
    assert said.code == 2
    assert "the name of a class cannot be printed" in said.err
    assert files(tmp_path) == {name}
    write(file, "cat", "dog")
    assert run(line).code == 0
    assert store.load(tmp_path / "mine").domain.classes == ("cat", "dog")


def test_what_an_import_would_not_be_read_again_with_is_found_out_first(tmp_path: Path) -> None:
    file = archive(tmp_path / "a\n.npz", "cat", "dog")  # its name is one of the facts
    with pytest.raises(InputError, match=r"the fact imported\.file is"):
        exchanging.bring(file, tmp_path / "mine", PLAIN)
    assert files(tmp_path) == {file.name}


@pytest.mark.parametrize("before", [False, True])
def test_an_import_that_cannot_be_written_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, before: bool
) -> None:
    def full(*_: object) -> None:
        raise InputError("no space left on device")

    out, file = tmp_path / "mine", archive(tmp_path / "a.npz", "cat", "dog")
    if before:
        store.save(blobs(per_class=1), out / "synthetic.safetensors")
    held = files(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("datastill.runs.making.exchanging.save", full)
        with pytest.raises(InputError, match="no space"):
            exchanging.bring(file, out, PLAIN, overwrite=before)
    assert files(tmp_path) == held
    exchanging.bring(file, out, PLAIN, overwrite=before)
    assert store.load(out).domain.classes == ("cat", "dog")


@pytest.mark.parametrize("verb", ["distill --ipc 1 --iterations 1", "train --num 1 --epochs 1"])
def test_images_whose_classes_could_not_be_saved_are_refused_before_the_work(
    run: Run, tmp_path: Path, verb: str
) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (20, 8, 8, 1)).astype(np.uint8)
    np.savez("own.npz", images=pixels, labels=np.arange(20) % 2, classes=np.array(["a\n", "b"]))
    said = run(f"{verb} --dataset own.npz --model MLP")
    assert said.code == 2
    assert "the name of a class cannot be printed: 'a\\n'; rename it" in said.err
    assert files(tmp_path) == {"own.npz"}
