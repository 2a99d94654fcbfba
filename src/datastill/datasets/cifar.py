"""CIFAR-10 and CIFAR-100 in their official files: the binary version, or the one for Python."""

from __future__ import annotations

import io
import operator
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from datastill.base.errors import InputError, damaged
from datastill.base.wording import are, counted
from datastill.data import Domain
from datastill.datasets.base import DATASETS, Found, Published, Reading, Split, not_found
from datastill.datasets.base.pickles import require_modest_pickle

PIXELS = 3 * 32 * 32


@dataclass(frozen=True)
class CifarSource:
    """A CIFAR dataset in a folder, in its official layout.

    Attributes:
        domain: the normalisation is the one that the field's code uses.
        files: the names of the files of each split; the binary version adds ``.bin``.
        labels: the key of the labels in a Python file.
        label_bytes: bytes before the pixels of a binary record; the last of them is the label.
        folders: official names of the folder, binary and Python.
    """

    domain: Domain
    files: dict[Split, tuple[str, ...]]
    labels: str
    label_bytes: int
    folders: tuple[str, str]

    def __call__(self, split: Split, path: Path | None, reading: Reading) -> Found:
        """Read one split; of the other no file is opened."""
        parts = [self.read(file) for file in self.find(split, path)]
        pixels = torch.cat([part[0] for part in parts]).unflatten(1, (3, 32, 32))
        labels = torch.cat([part[1] for part in parts])
        normalisation = (self.domain.mean, self.domain.std)
        return Found(pixels, labels, self.domain.classes, self.domain.name, normalisation)

    @property
    def published(self) -> Published:
        """What the field agrees on."""
        return Published.of(self.domain)

    def find(self, split: Split, path: Path | None) -> list[Path]:
        """Return the files of a split, all from one folder.

        Raises:
            InputError: naming every place that was looked at.
        """
        root = Path("data") / self.domain.name if path is None else path
        places = [root, *(root / folder for folder in (*self.folders, self.domain.name))]
        for place in places:
            for ending in (".bin", ""):
                found = [place / f"{name}{ending}" for name in self.files[split]]
                if all(file.is_file() for file in found):
                    return found
        wanted = " ".join(self.files[split])
        raise not_found(f"files {wanted} (or these with .bin)", places, self.domain.name)

    def read(self, file: Path) -> tuple[Tensor, Tensor]:
        """Return the ``(N, 3072)`` bytes and the ``(N,)`` labels of a file."""
        with damaged(file):
            content = file.read_bytes()
        return self.binary(content, file) if file.suffix == ".bin" else self.python(content, file)

    def binary(self, content: bytes, file: Path) -> tuple[Tensor, Tensor]:
        """Read records of label bytes and pixels."""
        record = self.label_bytes + PIXELS
        if not content or len(content) % record:
            raise InputError(
                f"{file} is damaged: {counted(len(content), 'byte')} {are(len(content))} not whole "
                f"records of {record}"
            )
        table = torch.frombuffer(bytearray(content), dtype=torch.uint8).reshape(-1, record)
        return table[:, self.label_bytes :], table[:, self.label_bytes - 1].long()

    def python(self, content: bytes, file: Path) -> tuple[Tensor, Tensor]:
        """Read a pickled dictionary of a byte array and a list of labels, and nothing else."""
        with damaged(file):
            require_modest_pickle(io.BytesIO(content), len(content))
            table = _PlainUnpickler(io.BytesIO(content), encoding="bytes").load()
            pixels = np.asarray(table[b"data"])
            labels = [operator.index(label) for label in table[self.labels.encode()]]
        if pixels.dtype != np.uint8 or pixels.shape != (len(labels), PIXELS):
            raise InputError(
                f"{file} holds {pixels.dtype} of {pixels.shape} for "
                f"{counted(len(labels), 'label')}, "
                f"not bytes of ({len(labels)}, {PIXELS})"
            )
        return torch.from_numpy(pixels.copy()), torch.tensor(labels)


class _PlainUnpickler(pickle.Unpickler):
    """Unpickles arrays of plain numbers, lists and dictionaries, and refuses all else.

    A pickle may name any function to be called. The official files name these.
    """

    ALLOWED = frozenset(
        {
            ("numpy", "ndarray"),
            ("numpy", "dtype"),
            ("numpy.core.multiarray", "_reconstruct"),
            ("numpy._core.multiarray", "_reconstruct"),
            ("_codecs", "encode"),
        }
    )

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        if (module_name, global_name) not in self.ALLOWED:
            raise ValueError(f"it asks for {module_name}.{global_name}, which no such file needs")
        if module_name == "numpy.core.multiarray":  # the name of NumPy 1
            module_name = "numpy._core.multiarray"
        return super().find_class(module_name, global_name)


CIFAR10_CLASSES = (
    *("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
)
CIFAR100_NAMES = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly
camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile
cup dinosaur dolphin elephant flatfish forest fox girl hamster house kangaroo keyboard lamp
lawn_mower leopard lion lizard lobster man maple_tree motorcycle mountain mouse mushroom
oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine
possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake
spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger tractor
train trout tulip turtle wardrobe whale willow_tree wolf woman worm
"""
CIFAR100_CLASSES = tuple(CIFAR100_NAMES.split())
CIFAR10 = Domain(
    "CIFAR10", (3, 32, 32), CIFAR10_CLASSES, (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)
)
CIFAR100 = Domain(
    "CIFAR100", (3, 32, 32), CIFAR100_CLASSES, (0.5071, 0.4866, 0.4409), (0.2673, 0.2564, 0.2762)
)
BATCHES = tuple(f"data_batch_{i}" for i in range(1, 6))

DATASETS.register("CIFAR10")(
    CifarSource(
        CIFAR10,
        {"train": BATCHES, "test": ("test_batch",)},
        "labels",
        1,
        ("cifar-10-batches-bin", "cifar-10-batches-py"),
    )
)
DATASETS.register("CIFAR100")(
    CifarSource(
        CIFAR100,
        {"train": ("train",), "test": ("test",)},
        "fine_labels",
        2,
        ("cifar-100-binary", "cifar-100-python"),
    )
)
