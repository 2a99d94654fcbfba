"""Sets written for other programs, from Python."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from conftest import blobs
from datastill.base.errors import InputError
from datastill.exchange import Claim, Reading, export_set, import_set
from datastill.store import new_folder

MADE = blobs(per_class=2)


def test_a_set_goes_out_and_comes_back(tmp_path: Path) -> None:
    file = str(tmp_path / "made.npz")  # a path is text too
    assert isinstance(export_set(MADE, file, format="npz"), tuple)
    back, _ = import_set(file)
    assert torch.equal(back.labels, MADE.labels)
    with pytest.raises(InputError, match="pass `overwrite=True` to replace it"):
        export_set(MADE, file, format="npz")
    export_set(MADE.take(torch.arange(4)), file, format="npz", overwrite=True)
    assert len(import_set(file)[0]) == 4


def test_what_must_not_be_replaced_stays(tmp_path: Path) -> None:
    folder = tmp_path / "here"
    export_set(MADE, folder, format="folder")
    before = {path.name for path in folder.rglob("*")}
    for format in ("folder", "Folder", "hub", "npz"):
        with pytest.raises(InputError, match="is there; take another `path`"):
            export_set(MADE, folder, format=format, overwrite=True)
    assert {path.name for path in folder.rglob("*")} == before


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"data": MADE.images}, "`data` must be an ImageSet"),
        ({"data": MADE.take(torch.arange(0))}, "holds no images"),
        ({"data": replace(MADE, images=MADE.images / 0)}, "not finite numbers"),
        ({"data": replace(MADE, images=MADE.images.double())}, "float64, not float32"),
        (
            {"data": replace(MADE, labels=MADE.labels + 9), "format": "folder"},
            "outside the classes",
        ),
        ({"data": replace(MADE, images=MADE.images.to("meta"))}, "no numbers to save"),
        ({"data": replace(MADE, facts={"a": object()})}, "`facts` of a set must be what JSON"),
        ({"overwrite": "no"}, "`overwrite` must be True or False"),
        ({"path": None}, "`path` must be the path"),
        ({"path": "a\0b"}, "`path` is no path"),
        ({"format": "parket"}, "did you mean 'parquet'"),
        ({"format": "idc"}, "and not written"),
    ],
)
def test_what_cannot_be_exported_is_told(
    tmp_path: Path, change: dict[str, object], complaint: str
) -> None:
    given: dict[str, object] = {"data": MADE, "path": tmp_path / "made", "format": "npz"}
    with pytest.raises(InputError, match=complaint):
        export_set(**{**given, **change})  # pyright: ignore[reportArgumentType]
    assert not [*tmp_path.iterdir()]
    with pytest.raises(InputError, match="`path` must be the path"):
        import_set(3)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: {"claim": "digits"}, "`claim` must be a Claim"),
        (lambda: {"reading": 1}, "`reading` must be a Reading"),
        (lambda: {"claim": Claim(dataset=3)}, "`dataset` must be the name of a dataset"),  # pyright: ignore[reportArgumentType]
        (lambda: {"claim": Claim(normalised_with=0.5)}, "`normalised_with` must be text"),  # pyright: ignore[reportArgumentType]
        (lambda: {"reading": Reading(experiment=-1)}, "`experiment` must be a whole number"),
        (lambda: {"reading": Reading(factor=0)}, "`factor` must be a whole number, 1 or more"),
        (lambda: {"reading": Reading(experiment=1)}, "holds one set; there is no number 1"),
        (lambda: {"reading": Reading(factor=2)}, "an export of datastill's own, whose images hold"),
    ],
)
def test_what_is_said_of_a_file_is_not_blamed_on_it(
    tmp_path: Path, make: Callable[[], dict[str, Any]], complaint: str
) -> None:
    file = tmp_path / "made.npz"
    export_set(MADE, file, format="npz")
    with pytest.raises(InputError, match=complaint):
        import_set(file, **make())


def test_a_folder_is_for_whom_others_would_be(tmp_path: Path) -> None:
    for mask, mode in ((0o077, 0o700), (0o002, 0o775)):
        before = os.umask(mask)
        try:
            export_set(blobs(), out := tmp_path / f"{mask}", format="folder")
        finally:
            os.umask(before)
        assert out.stat().st_mode & 0o777 == mode


def test_of_two_that_export_to_one_folder_one_is_told(tmp_path: Path) -> None:
    out = tmp_path / "set"

    def both() -> None:
        with new_folder(out):
            out.mkdir()
            (out / "theirs").touch()

    with pytest.raises(InputError, match="set was made by another process meanwhile"):
        both()
    assert [path.name for path in tmp_path.rglob("*")] == ["set", "theirs"]
