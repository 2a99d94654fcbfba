"""Sets written for other programs, from Python."""

from pathlib import Path

import pytest
import torch

from conftest import blobs
from datastill.base.errors import InputError
from datastill.exchange import export_set, import_set

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
