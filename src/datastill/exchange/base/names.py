"""What the names of files, folders and keys say: by whole words, never by parts of one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from datastill.base.registry import folded

METHODS = (
    *(
        "DATM",
        "MTT",
        "TESLA",
        "FTD",
        "DataDAM",
        "IDM",
        "IDC",
        "DREAM",
        "NCFM",
        "KIP",
        "FRePo",
        "RDED",
    ),
    *("CIM", "SRe2L"),
)
"""Methods that are told by a word of a name."""

NEAR = 4
"""Names of a path that are looked at: of the file, and of folders that were typed before it."""

SILENT = ("distilleddata", "syndata")
"""Folders that lie in every run of NCFM and RDED: those around them say what they hold."""


def words_of(name: str) -> tuple[str, ...]:
    """Return the words of a name in small letters: what stands between ``_``, ``-`` and ``.``.

    >>> words_of("res_DC_BreastMNIST_ConvNet.pt")
    ('res', 'dc', 'breastmnist', 'convnet', 'pt')
    """
    return tuple(word for word in re.split(r"[\W_]+", name.casefold()) if word)


def names_of(path: Path, most: int = NEAR) -> tuple[str, ...]:
    """Return the name of a file or folder, then those of the folders that it is in.

    The folder next to it always counts, others where a person typed them.

    Args:
        path: as it was typed.
        most: names to return.
    """
    known: list[str] = []
    for part in path.absolute().parts[1:]:  # links keep their names
        if part == "..":
            del known[-1:]
        else:
            known.append(part)
    typed = len([part for part in path.parts if part not in (".", "..", path.anchor)])
    telling = [name for name in known if folded(name) not in SILENT]
    silent = len([part for part in path.parts if folded(part) in SILENT])
    return tuple(reversed(telling))[: min(most, max(2, typed - silent))]


def named_in(name: str, known: Iterable[str]) -> tuple[str, ...]:
    """Return those of ``known`` that one or several whole words of a name spell.

    A shorter one inside of a longer one does not count.

    >>> named_in("my_cifar-100_set.npz", ["CIFAR10", "CIFAR100", "MNIST"])
    ('CIFAR100',)
    >>> named_in("kmnist.npz", ["MNIST"])
    ()
    >>> named_in("fashion_mnist", ["MNIST", "FashionMNIST"])
    ('FashionMNIST',)
    >>> named_in("cifar10_0.7.pt", ["CIFAR10", "CIFAR100"])
    ('CIFAR10',)
    """
    return tuple(dict.fromkeys(each for _, _, each in runs_in(name, known)))


def runs_in(name: str, known: Iterable[str]) -> list[tuple[int, int, str]]:
    """Return where the words of a name spell one of ``known``: first word, end, and which."""
    words = words_of(name)
    spelled = {folded(each): each for each in known}
    runs = [
        (start, end, spelled[run])
        for start in range(len(words))
        for end in range(start + 1, min(start + 4, len(words)) + 1)
        if (run := "".join(words[start:end])) in spelled and not _joins_numbers(words[start:end])
    ]
    taken, found = set[int](), list[tuple[int, int, str]]()
    for start, end, each in sorted(runs, key=lambda run: run[0] - run[1]):
        if taken.isdisjoint(range(start, end)):
            taken.update(range(start, end))
            found.append((start, end, each))
    return sorted(found)


def _joins_numbers(words: Sequence[str]) -> bool:
    # cifar10_0 is not CIFAR100
    return any(a[-1].isdecimal() and b[0].isdecimal() for a, b in pairwise(words))


def factor_named(path: Path) -> int | None:
    """Return IDC's factor that a file or its folder names by a word such as ``factor2``.

    RDED's folders say ``f2`` beside ``mipc300``, the images that it chose from.

    >>> factor_named(Path("conv3in_factor2_ipc10/data.pt")), factor_named(Path("xfactor25/a.pt"))
    (2, None)
    >>> factor_named(Path("exp/cifar10_conv3_f1_mipc300_ipc10_cr5/syn_data"))
    1
    """
    for name in names_of(path, 2):
        words = words_of(name)
        if any(re.fullmatch(r"mipc\d+", word) for word in words):
            words = tuple(re.sub(r"^f(\d+)$", r"factor\1", word) for word in words)
        for word, after in zip(words, (*words[1:], ""), strict=True):
            found = re.fullmatch(r"factor(\d{0,3})", word)
            number = (found[1] or (after if after.isdecimal() else "")) if found else ""
            if number:
                return int(number)
    return None


def method_named(path: Path, more: Sequence[str] = ()) -> str | None:
    """Return the method that a path names, and no other with it, the nearest first.

    Args:
        path: as it was typed.
        more: methods that count too, whose names are short.
    """
    found = [named_in(name, (*METHODS, *more)) for name in names_of(path)]
    return next((named[0] for named in found if len(named) == 1), None)


def says_whitened(path: Path) -> bool:
    """Tell whether a path says by the word ``zca`` that its images are whitened.

    >>> says_whitened(Path("a/cifar10_zca.npz")), says_whitened(Path("a/cifar10_no_zca.npz"))
    (True, False)
    """
    for name in names_of(path):
        words = words_of(name)
        if "zca" in words:
            place = words.index("zca")
            before, after = words[max(0, place - 1) : place], words[place + 1 : place + 2]
            return not {*before, *after} & {"no", "non", "not", "without", "wo", "false", "0"}
    return False


IMAGE_WORDS = (
    *("images", "image", "imgs", "img", "x", "data", "inputs", "pixels", "samples", "features"),
)
LABEL_WORDS = (
    *("labels", "label", "y", "targets", "target", "lab", "labs", "lbls", "lbl", "logits"),
    *("probs", "probabilities"),
)
RATE_WORDS = ("lr", "synlr", "learningrate", "stepsize")
SYNTHETIC = {"syn", "synth", "synthetic", "distilled", "condensed", "learned"}
BESIDE = {
    *SYNTHETIC,
    *("best", "final", "last", "soft", "hard", "set", "eval", "vis", "save", "saved", "trained"),
    *("train", "training", "teacher"),
}
"""Words that may stand beside these: ``image_syn``, ``distilled_labels``, ``syn_lr``."""

SOFT = {"soft", "logits", "probs", "probabilities"}


def keyed(keys: Iterable[object], words: Sequence[str]) -> list[str]:
    """Return the keys of a table that say one of some words, the best first; trainImages too.

    Beside others those that say ``train`` are of real images, and plain ones may be beside those
    that are synthetic; soft labels say more than hard ones.

    >>> keyed(["label_syn", "image_syn", "images"], IMAGE_WORDS)
    ['image_syn', 'images']
    >>> keyed(["labels", "soft_labels"], LABEL_WORDS)
    ['soft_labels', 'labels']
    >>> keyed(["images_train", "syn_images"], IMAGE_WORDS)
    ['syn_images', 'images_train']
    """
    found: list[tuple[bool, bool, bool, int, int, str]] = []
    for key in keys:
        if not isinstance(key, str):
            continue
        said = words_of(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", key))
        rest = "".join(word for word in said if word not in BESIDE)
        if rest in words:
            real = not {"train", "training"}.isdisjoint(said)
            synthetic, soft = (not some.isdisjoint(said) for some in (SYNTHETIC, SOFT))
            place = (len(said) - 1, words.index(rest), key)
            found.append((real, not soft, not synthetic, *place))
    return [key for *_, key in sorted(found)]


def says_logits(key: str) -> bool:
    """Tell whether labels of a name may be logits, where they are no shares of classes."""
    return not {"soft", "logits"}.isdisjoint(words_of(key))


def paired(value: Sequence[Any]) -> Sequence[Any]:
    """Return the images and labels of every table in a list; nothing where it holds anything else.

    >>> paired([{"image": 1, "label": 2}, {"image": 3, "label": 4}]), paired([{"a": 1}])
    ([(1, 2), (3, 4)], [])
    """
    pairs: list[tuple[Any, Any]] = []
    for each in value:
        table: Mapping[Any, Any] = each if isinstance(each, Mapping) else {}
        images, labels = keyed(table, IMAGE_WORDS), keyed(table, LABEL_WORDS)
        if not images or not labels:
            return []
        pairs.append((table[images[0]], table[labels[0]]))
    return pairs
