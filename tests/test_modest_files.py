"""Files that a few bytes make take any amount of memory: refused before they are read."""

import io
import pickle
import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

import datastill
from datastill.base.errors import InputError
from datastill.exchange import import_set
from test_cifar import write as write_cifar

MOST = 2**23
"""Bytes that reading a file of some kB may take."""

PLACE = b"\x80\x04Nr" + struct.pack("<I", 0x01800000) + b"."
"""Of which reading takes 384 MB."""

TEXT = b"X" + struct.pack("<I", 5000) + b"a" * 5000


def repeated(make: bytes, what: bytes, times: int = 20_000) -> bytes:
    """Return a pickle of a list of what a function makes of one thing, again and again."""
    begin = b"\x80\x02" + make + b"q\x00" + what + b"q\x01"
    return begin + b"](" + times * b"h\x00h\x01\x85R" + b"e."


def archive(pickled: bytes, *, packed: bool = False, times: int = 1) -> bytes:
    """Return a file as ``torch.save`` writes it, of one storage, which may be named many times."""
    content = io.BytesIO()
    kind = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    with zipfile.ZipFile(content, "w", kind) as made:
        for name, held in {
            "data.pkl": pickled,
            "version": b"3\n",
            "byteorder": b"little",
            "data/0": bytes(2**20),
        }.items():
            made.writestr(f"archive/{name}", held)
        made.filelist += made.filelist[-1:] * (times - 1)
    return content.getvalue()


def made_by(name: str) -> bytes:
    """Return a pickle that calls something by its name with a large number."""
    module, _, function = name.rpartition(".")
    return f"\x80\x02c{module}\n{function}\n".encode("latin1") + b"J\x00\x00\x00\x10\x85R."


def saved(value: object) -> bytes:
    content = io.BytesIO()
    torch.save(value, content)
    return content.getvalue()


NOTHING, ENCODE = b"\x80\x02}.", b"c_codecs\nencode\n"
FILLS: dict[str, tuple[str, bytes, str]] = {
    "a place": ("pkl", PLACE, "would fill the memory"),
    "a place in text": ("pkl", b"Np25165824\n.", "would fill the memory"),
    "a place in an archive": ("pt", archive(PLACE), "would fill the memory"),
    "packed": ("pt", archive(NOTHING, packed=True), "its archive is compressed"),
    "named often": ("pt", archive(NOTHING, times=5000), "more bytes than it has"),
    "bytes": ("pt", archive(made_by("builtins.bytearray")), "asks for builtins.bytearray"),
    "a tensor": ("pt", archive(made_by("torch.Tensor")), "asks for torch.Tensor"),
    "another": ("pt", archive(made_by("torch.FloatTensor")), "asks for torch.FloatTensor"),
    "copies": ("pkl", repeated(ENCODE, TEXT), "copies what it holds again and again"),
    "copies in an archive": ("pt", archive(repeated(ENCODE, TEXT)), "again and again"),
    "loads": (
        "pkl",
        repeated(b"ctorch.storage\n_load_from_bytes\n", TEXT),
        "copies what it holds again and again",
    ),
}


@pytest.mark.parametrize("name", FILLS)
def test_files_that_would_fill_the_memory_are_refused(tmp_path: Path, name: str) -> None:
    ending, content, told = FILLS[name]
    file = tmp_path / f"a.{ending}"
    file.write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=told):
            import_set(file)
        assert tracemalloc.get_traced_memory()[1] < MOST
    finally:
        tracemalloc.stop()
    if ending == "pt":
        with pytest.raises(InputError, match=told):
            datastill.load_dataset(str(file))


def test_a_batch_of_cifar_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    write_cifar(tmp_path, "CIFAR10", binary=False)
    for file in tmp_path.rglob("data_batch_3"):
        file.write_bytes(PLACE)
    with pytest.raises(InputError, match="data_batch_3 is damaged: it is a pickle that asks for"):
        datastill.load_dataset("CIFAR10", tmp_path)


ENDLESS = torch.zeros(1, dtype=torch.uint8).expand(3, 2**14, 2**14)
ARRAY = np.zeros((1, 64, 64), np.float32)
SHARED: dict[str, tuple[str, bytes]] = {
    "images of a list": ("pt", saved({"images": [ENDLESS] * 9, "labels": torch.arange(9)})),
    "pairs": ("pt", saved([(ENDLESS, k) for k in range(9)])),
    "classes": ("pt", saved({f"class_{k}": ENDLESS[None] for k in range(9)})),
    "steps": ("pt", saved([(ENDLESS[None], torch.tensor([k])) for k in range(9)])),
    "arrays": (
        "pkl",
        pickle.dumps({"images": [ARRAY] * 300_000, "labels": np.arange(300_000)}),
    ),
}


@pytest.mark.parametrize("name", SHARED)
def test_one_tensor_that_is_held_many_times_is_no_set(tmp_path: Path, name: str) -> None:
    ending, content = SHARED[name]
    file = tmp_path / f"a.{ending}"
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"the images together are [\d,]+ bytes; at most"):
        import_set(file)
