"""What cannot be done is refused before a picture is decoded."""

from pathlib import Path

import pytest

from datastill.datasets.base import decode
from pictures import write_pictures
from test_own_data import Go, go

__all__ = ["go"]


@pytest.fixture
def undecodable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write pictures of which none may be decoded."""
    write_pictures(tmp_path / "pets", {"cat": 12, "owl": 3}, (24, 24, 3), ending="jpg")
    write_pictures(tmp_path / "own" / "train", {"cat": 3, "owl": 9}, (24, 24), ending="jpg")
    write_pictures(tmp_path / "own" / "test", {"cat": 3, "owl": 9}, (24, 24), ending="jpg")

    def never(*_: object) -> None:
        raise AssertionError("a picture was decoded")

    monkeypatch.setattr(decode, "_plain", never)


@pytest.mark.usefixtures("undecodable")
@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("distill --dataset ./pets --ipc 1 --model VGG11", "VGG11 needs images of at least 32x32"),
        ("distill --dataset ./pets --ipc 1 --size 16 --model VGG11", "pets-16 has 16x16"),
        (
            "distill --dataset ./pets --ipc 5 --model MLP",
            "class 'owl' has 3 real images, of which 1 is kept for tests: 2 are fewer than the 5",
        ),
        (
            "distill --dataset ./own --ipc 5 --model MLP",
            "class 'cat' has 3 real images, fewer than the 5 to start from",
        ),
        (
            "distill --dataset ./pets --ipc 3 --model MLP --test-share 0 --init real --ipc 4",
            "class 'owl' has 3 real images, fewer than the 4 to start from",
        ),
        ("train --dataset ./pets --model MLP VGG11", "VGG11 needs images of at least 32x32"),
        ("study --dataset ./pets --model VGG11", "VGG11 needs images of at least 32x32"),
        ("compare --dataset ./pets --ipc 1 --model VGG11", "VGG11 needs images of at least 32x32"),
        ("all --dataset ./pets --ipc 1 --model VGG11", "VGG11 needs images of at least 32x32"),
        ("distill --dataset ./pets --ipc 1 --size 2000", "sides must have 8 to 1024 pixels"),
    ],
)
def test_what_cannot_be_done_is_told_before_pictures_are_decoded(
    go: Go, line: str, complaint: str
) -> None:
    code, out, err = go(line)
    assert (code, out) == (2, "")
    assert complaint in " ".join(err.split())
