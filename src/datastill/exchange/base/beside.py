"""Images in one file, labels in another beside it, and perhaps a learning rate in a third."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch

from datastill.base.errors import InputError, damaged
from datastill.base.wording import counted, some
from datastill.datasets.base.pickles import of_numbers
from datastill.exchange.base.contract import content_of
from datastill.exchange.base.gathering import gathered
from datastill.exchange.base.held import Held, disjoint, joined
from datastill.exchange.base.names import SYNTHETIC, words_of
from datastill.exchange.base.tensors import is_tensor, rate_of, tensor_of
from datastill.exchange.base.unpickling import load_torch

ENDINGS = (".pt", ".pth", ".npy")
IMAGES = ("images", "image", "imgs", "img")
BARE = (*IMAGES, "x", "data", "inputs")
"""Words by which a file is called that holds images alone."""
LABELS = ("labels", "label", "targets", "target", "y", "labs", "lab")
RATES = ("lr", "syn_lr", "synlr", "learning_rate")
NUMBERED = re.compile(r"(?:(.*)_)?(\d+)")
"""What a name says beside images, where it ends with a number."""

HALVES = ("styles", "style", "hallucinator", "hallucinators", "weights")
"""What files of the other half of a factorised set begin with; the last may be of a network too."""


@dataclass(frozen=True, eq=False)
class Pair:
    """What lies in a file of images and in those beside it.

    Attributes:
        held: images, labels and learning rate.
        pixels: whether the name says that whitening was undone by who saved the images.
    """

    held: Held
    pixels: bool = False


def saved(path: Path, experiment: int | None = None) -> Pair:
    """Read a file of PyTorch's, or a folder with files of images and labels.

    Raises:
        InputError: when there are no images with labels.
    """
    if path.is_dir():
        return _in_folder(path, experiment)
    value = loaded_from(path)
    if is_tensor(value):
        return _with_labels(path, value, experiment)
    return Pair(gathered(value, path, experiment))


def sets_in(folder: Path) -> list[Path]:
    """Return the files of images in a folder that have labels beside them, in order of name."""
    try:
        inside = sorted(file for file in folder.iterdir() if file.suffix in ENDINGS)
    except OSError:
        return []
    return [f for f in inside if (is_of_images(f) or _says_synthetic(f)) and labels_beside(f)]


def is_of_images(file: Path, words: Sequence[str] = IMAGES) -> bool:
    """Tell whether the name of a file is that of images alone: ``images_best.pt``."""
    said = words_of(file.stem)
    return file.suffix in ENDINGS and any(word in words for word in said) and said[0] != "res"


def _says_synthetic(file: Path) -> bool:  # X_syn.npy; x_train.npy is of a dataset
    return is_of_images(file, BARE) and not SYNTHETIC.isdisjoint(words_of(file.stem))


def labels_beside(file: Path) -> Path | None:
    """Return the file of the labels of a file of images, if there is one."""
    named = next((each for each in _partners(file, LABELS) if each.is_file()), None)
    return named or _only_labels(file)


def _only_labels(file: Path) -> Path | None:
    # label_syn.pt beside imgs.pt: the only two files of tensors there.
    try:
        others = [each for each in file.parent.iterdir() if each.suffix == file.suffix]
    except OSError:
        return None
    others = [each for each in others if each.name != file.name]
    alone = others[0] if len(others) == 1 else None
    return alone if alone is not None and set(words_of(alone.stem)) & set(LABELS) else None


def loaded_from(path: Path) -> Any:
    """Return what a file holds: of NumPy's, an array of numbers; else see ``load_torch``."""
    if path.suffix == ".safetensors":
        with damaged(path, "no file of safetensors", why=False):
            return safetensors.torch.load(content_of(path))
    if path.suffix != ".npy":
        return load_torch(path)
    with damaged(path, "no .npy of numbers", why=False), of_numbers(path):
        array = np.load(io.BytesIO(content_of(path)), allow_pickle=False)
        kind = np.float32 if array.dtype.kind == "f" and array.dtype.itemsize < 8 else None
        return torch.from_numpy(np.ascontiguousarray(array, kind))


def _in_folder(folder: Path, experiment: int | None) -> Pair:
    files = sets_in(folder)
    if not files:
        raise InputError(
            f"{folder} holds no images with their labels beside them, such as images_best.pt with "
            "labels_best.pt"
        )
    plain = [file for file in files if not _says_zca(file)] or files
    tags = {_tag(file): file for file in plain}
    usual = next((tag for tag in ("best", "", "ema_best", "final", "last") if tag in tags), None)
    if usual is not None or len(tags) == 1:
        chosen = plain[0] if usual is None else tags[usual]
        return _with_labels(chosen, loaded_from(chosen), experiment)
    numbers = [NUMBERED.fullmatch(tag) for tag in tags]
    stems = {found[1] for found in numbers if found}
    if not all(numbers) or len(stems) > 1:
        told = some([file.name for file in plain])
        raise InputError(f"{folder} holds several sets; name the file of one: {told}")
    ordered = sorted(tags.items(), key=lambda item: _number(item[0]))
    return _numbered([file for _, file in ordered], experiment)


def _numbered(files: Sequence[Path], experiment: int | None) -> Pair:
    # images_best_0.pt, images_best_1.pt are parts; images_1000.pt, images_2000.pt are snapshots.
    if experiment is not None and not 0 <= experiment < len(files):
        raise InputError(
            f"{files[0].parent} holds {counted(len(files), 'set')}; there is no number {experiment}"
        )
    if experiment is None and _are_parts(files):
        parts = [_with_labels(file, loaded_from(file), None, alone=False) for file in files]
        told = f"{files[0].name} to {files[-1].name} are {len(files)} parts of a set: put together"
        return replace(parts[0], held=joined([part.held for part in parts], told, files[0].parent))
    chosen = files[-1 if experiment is None else experiment]
    found = _with_labels(chosen, loaded_from(chosen), None, alone=False)
    told = (
        f"of {len(files)} snapshots the last was taken, {chosen.name}; --experiment takes another"
    )
    remarks = (told, *found.held.remarks) if experiment is None else found.held.remarks
    return replace(found, held=replace(found.held, remarks=remarks))


def _are_parts(files: Sequence[Path]) -> bool:
    numbers = [_number(_tag(file)) for file in files]
    in_a_row = numbers == list(range(numbers[0], numbers[0] + len(files))) and numbers[0] < 2
    return (in_a_row and "best" in _tag(files[0])) or _apart(files)


def _number(tag: str) -> int:
    return int(tag.split("_")[-1])


def _apart(files: Sequence[Path]) -> bool:
    labels = [labels_beside(file) for file in files]
    found = [tensor_of(loaded_from(each), "labels", each) for each in labels if each is not None]
    return disjoint([Held(torch.zeros(0), each) for each in found])


def _with_labels(file: Path, value: Any, experiment: int | None, *, alone: bool = True) -> Pair:
    images = tensor_of(value, "images", file)
    labels_file = labels_beside(file)
    if labels_file is None:
        raise InputError(_lonely(file, images.ndim))
    if experiment:
        raise InputError(f"{file} holds one set; there is no number {experiment}")
    half = next((each for each in _beside(file) if _is_half(each, HALVES[:-1])), None)
    if half is not None:
        raise InputError(_halved(file, half))
    labels = tensor_of(loaded_from(labels_file), "labels", labels_file)
    told: tuple[str, ...] = ()
    unwhitened = _unwhitened(file)
    if unwhitened is not None:
        images = tensor_of(loaded_from(unwhitened), "images", unwhitened)
        told = (
            f"{file.name} is whitened: {unwhitened.name} beside it holds the same images as "
            "pixels, which were taken",
        )
    rate_file = next((each for each in _partners(file, RATES) if each.is_file()), None)
    rate = None
    if rate_file is not None:
        rate, lost = rate_of(loaded_from(rate_file), rate_file)
        told = (*told, *lost)
    parts = _parts(file) if alone else []
    if len(parts) > 1:
        told = (*told, f"it is one of {len(parts)} parts; name their folder to take all of them")
    if labels_file not in list(_partners(file, LABELS)):
        told = (*told, f"its labels are those of {labels_file.name}, the only other file there")
    matched = file.suffix != ".npy" and is_of_images(file)
    held = Held(images, labels, rate, logits=matched or rate is not None, remarks=told)
    return Pair(held, pixels=_says_zca(file) or unwhitened is not None)


def _parts(file: Path) -> list[Path]:
    # The parts of the set that a file is one of; none where it is all of it, or a snapshot.
    number = NUMBERED.fullmatch(_tag(file))
    if number is None:
        return []
    others = [each for each in sets_in(file.parent) if _says_zca(each) == _says_zca(file)]
    tags = {each: NUMBERED.fullmatch(_tag(each)) for each in others}
    alike = [each for each, found in tags.items() if found and found[1] == number[1]]
    alike.sort(key=lambda each: _number(_tag(each)))
    return alike if len(alike) > 1 and _are_parts(alike) else []


def _lonely(file: Path, axes: int) -> str:
    if axes <= 2:
        return f"{file} holds labels, not images; name the file of the images that lies beside it"
    half = next((each for each in _beside(file) if _is_half(each)), None)
    if half is not None:
        return _halved(file, half)
    wanted = next(_partners(file, LABELS), file.with_name(f"labels{file.suffix}"))
    if not is_of_images(file, BARE):
        return (
            f"{file} holds images without labels; call it images{file.suffix} and put their labels "
            f"beside it as labels{file.suffix}"
        )
    return f"{file} holds images without labels; expected them beside it in {wanted.name}"


def _beside(file: Path) -> list[Path]:
    return sorted(file.parent.glob(f"*{file.suffix}"))


def _halved(file: Path, half: Path) -> str:
    return (
        f"{file} holds half of a set, of which {half.name} beside it makes the images (HaBa): "
        "make them in Python, and save what comes out as images.pt with labels.pt"
    )


def _is_half(file: Path, words: Sequence[str] = HALVES) -> bool:
    return any(word in words for word in words_of(file.stem)[:1])


def _unwhitened(file: Path) -> Path | None:
    # images_zca_best.pt beside images_best.pt: the project undid the whitening itself.
    if _says_zca(file):
        return None
    for word in IMAGES:
        name, found = re.subn(rf"(?<![^\W_]){word}(?=[\W_])", rf"{word}_zca", file.name, count=1)
        if found and file.with_name(name).is_file():
            return file.with_name(name)
    return None


def _says_zca(file: Path) -> bool:
    words = words_of(file.stem)
    return any(
        word in IMAGES and "zca" in words[max(0, i - 1) : i + 2] for i, word in enumerate(words)
    )


def _tag(file: Path) -> str:
    # What a name says beside images and zca: best, best_0, 5000.
    words = [word for word in words_of(file.stem) if word not in (*IMAGES, "zca")]
    return "_".join(words)


def _partners(file: Path, words: Sequence[str]) -> Iterator[Path]:
    # Names with a word in place of the one for images: labels_best.pt for images_zca_best.pt.
    parts = re.split(r"([\W_]+)", file.stem)
    spots = [i for i, part in enumerate(parts) if part.casefold() in BARE]
    for spot in spots:
        shown = parts[spot]
        for word in words:
            cased = word.title() if shown.istitle() else word.upper() if shown.isupper() else word
            for written in dict.fromkeys((cased, word, word.upper())):
                swapped = [*parts[:spot], written, *parts[spot + 1 :]]
                yield from _written(file, swapped)


def _written(file: Path, parts: Sequence[str]) -> Iterator[Path]:
    for stem in dict.fromkeys(("".join(parts), _without_zca(parts))):
        for prefix in ("", "ema_"):
            for ending in dict.fromkeys((file.suffix, *ENDINGS)):
                yield file.with_name(f"{prefix}{stem}{ending}")


def _without_zca(parts: Sequence[str]) -> str:
    kept = list(parts)
    for i, part in enumerate(kept):
        if part.casefold() == "zca":
            kept[i] = ""
            kept[i - 1 if i else i + 1 : i if i else i + 2] = [""]
    return "".join(kept)
