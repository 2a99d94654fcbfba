"""Sets of images, and the files that lie beside them."""

from __future__ import annotations

import shlex
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from datastill.base.errors import InputError, of_kind, path_of, truth
from datastill.base.wording import as_folder
from datastill.data import (
    Domain,
    ImageSet,
    Unfold,
    require_given,
    require_sound,
    stored_labels,
    tiled,
    unfolded,
    unnormalised,
)
from datastill.data.pixels import Pixels, ready
from datastill.identity import OF_A_SET, require_facts
from datastill.store.files import (
    FORMAT,
    domain_of,
    load_tensors,
    replace_file,
    require_writable,
    save_tensors,
    through_json,
    versions,
    write_json,
    writing,
)
from datastill.store.journal import LOG_FILE
from datastill.store.succession import SET_FILE

BYTES = "pixels: bytes from 0 to 255; normalised as (byte / 255 - mean) / std, per channel"
SPACE = "normalised: pixel = image * std + mean, per channel; pixels in [0, 1], not clamped"


def set_folder(root: Path, dataset: str, method: str, ipc: int | str) -> Path:
    """Return where a synthetic set lives; ``ipc`` is a number, or says how classes differ."""
    return root / as_folder(dataset) / method.replace(":", ".") / f"IPC{ipc}"


def save(data: ImageSet, path: Path | str) -> None:
    """Write a set of images with its domain and facts, all of it or nothing.

    The file is a ``safetensors`` container: ``images`` as they are in memory, ``labels``, and
    one JSON text that says everything else. Of images that are kept as bytes (``Pixels``) these are
    written, as ``pixels``.

    Raises:
        InputError: for what is no set, a path that is a folder, or when it cannot be written.
    """
    of_kind(ImageSet, "an ImageSet", data=data)
    of_kind((str, PathLike), "the path of a file", path=path)
    path_of("the path of a file", path=path)
    require_savable(data)
    if Path(path).is_dir():
        raise InputError(f"{path} is a folder; name the file to write, {Path(path) / SET_FILE} say")
    save_tensors(*packed(data), Path(path))


def require_savable(data: ImageSet, source: str = "the set") -> None:
    """Refuse a set that ``save`` would not write, or ``load`` not read again.

    Whoever writes other files before the set asks this first.

    Raises:
        InputError: saying what is wrong with it.
    """
    require_given(data, source)
    if data.images.is_meta or data.labels.is_meta:
        raise InputError(f"{source}: on the device meta there are no numbers to save")
    require_described(data)


def require_described(data: ImageSet) -> None:
    """Refuse a set of which something is said that ``load`` would not read again.

    Whoever makes the set for hours asks this first.

    Raises:
        InputError: saying what that is.
    """
    of_kind(Mapping, "a dict", facts=data.facts)
    try:
        header = through_json(set_header(data))
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"`facts` of a set must be what JSON can hold: {error}") from None
    name = "domain"
    try:
        domain_of(header[name])
        name = "facts"
        require_facts(header[name], OF_A_SET)
    except ValueError as error:
        raise InputError(f"`{name}` cannot be saved: {error}") from None


def packed(data: ImageSet) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors by which a set is kept, and everything else that is said of it."""
    header, kept = set_header(data), tiled(data.images)
    if kept is not None:
        header["unfold"] = asdict(kept.folding)
        return {"images": kept.stored, "labels": stored_labels(kept, data.labels)}, header
    if isinstance(data.images, Pixels) and data.images.held.dtype == torch.uint8:
        header["space"] = BYTES
        return {"pixels": data.images.chosen(), "labels": data.labels}, header
    return {"images": ready(data.images), "labels": data.labels}, header


def unpacked(tensors: Mapping[str, Tensor], header: Mapping[str, Any], source: Path) -> ImageSet:
    """Return the set that ``packed`` took apart.

    Raises:
        InputError: naming ``source`` and what is wrong with it.
    """
    if set(tensors) not in ({"images", "labels"}, {"pixels", "labels"}):
        raise InputError(f"{source} holds {sorted(tensors)}, not images and labels")
    labels = tensors["labels"]
    with _describing(source):
        if "pixels" in tensors:
            images = _pixels(tensors["pixels"], domain_of(header["domain"]))
        elif header.get("unfold") is None:
            images = tensors["images"]
        else:
            images, labels = _unfolded(tensors["images"], labels, header)
    return described_set(images, labels, header, source)


@contextmanager
def _describing(source: Path) -> Generator[None]:
    # What a header says and a set cannot be is told of the file.
    try:
        yield
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{source} is damaged: {error}") from None


def _pixels(values: Tensor, domain: Domain) -> Tensor:
    if values.dtype != torch.uint8 or tuple(values.shape[1:]) != domain.shape:
        raise ValueError(f"its pixels are no bytes of {domain.shape}")
    return Pixels(values, domain.mean, domain.std)


def _unfolded(images: Tensor, labels: Tensor, header: Mapping[str, Any]) -> tuple[Tensor, Tensor]:
    unfold, domain = Unfold.of(header["unfold"]), domain_of(header["domain"])
    fit = images.ndim == 4 and images.is_floating_point() and len(domain.mean) == images.shape[1]
    if not fit:
        raise ValueError(f"images of shape {tuple(images.shape)} cannot be unfolded")
    if len(labels) == len(images):
        labels = labels.repeat_interleave(unfold.parts, 0)
    return unfolded(images, unfold, domain.mean, domain.std), labels


def set_header(data: ImageSet) -> dict[str, Any]:
    """Return everything that a file of a set says beside its images and labels."""
    return {
        "format": FORMAT,
        "kind": "image set",
        "space": SPACE,
        "domain": asdict(data.domain),
        "facts": dict(data.facts),
    }


def described_set(
    images: Tensor, labels: Tensor, header: Mapping[str, Any], source: Path
) -> ImageSet:
    """Return the set that a header describes, if it is sound.

    Raises:
        InputError: naming ``source`` and what is wrong with it.
    """
    with _describing(source):
        domain, facts = domain_of(header["domain"]), require_facts(header["facts"], OF_A_SET)
        return require_sound(ImageSet(images, labels, domain, facts), str(source))


def load(path: Path | str, *, pixels: bool = False) -> ImageSet:
    """Read what ``save`` wrote: a file, or the folder of a run.

    Args:
        path: of either.
        pixels: undo the normalisation: images as people see them, whose domain has mean 0 and
            std 1. They are not clamped: synthetic ones may leave ``[0, 1]``.

    Returns:
        The set, which a ``torch.utils.data.DataLoader`` takes as it is; ``facts`` tells where it
        comes from.

    Raises:
        InputError: when there is no such file, or it is damaged or of another kind.
    """
    of_kind((str, PathLike), "the path of a file or of the folder of a run", path=path)
    path_of("the path of a file", path=path)
    truth(pixels=pixels)
    path = Path(path)
    path = path / SET_FILE if path.is_dir() else path
    if not path.is_file():
        raise InputError(f"no image set at {path}{_of_others(path)}")
    tensors, header = load_tensors(path, "image set")
    data = unpacked(tensors, header, path)
    return data.under(unnormalised(data.domain)) if pixels else data


def _of_others(file: Path) -> str:
    # What runs make, and have begun, has a description beside it.
    folder = file.parent
    if (
        file.name != SET_FILE
        or not folder.is_dir()
        or any(folder.glob("*.toml"))
        or not any(folder.iterdir())
    ):
        return ""
    told = f"datastill import {shlex.quote(str(folder))} makes a set of it"
    return f"; where {folder} is another project's, {told}"


def validation_file(file: Path) -> Path:
    """Return where the validations of a set are kept."""
    return _beside(file, "validation.json")


def assessment_file(file: Path) -> Path:
    """Return where the assessments of a set are kept."""
    return _beside(file, "assessment.json")


def log_file(file: Path) -> Path:
    """Return where what happens to a set is written, line by line."""
    return _beside(file, LOG_FILE)


def networks_folder(file: Path) -> Path:
    """Return where the networks are kept that were trained on a set."""
    return file.parent / "models"


def add_validation(
    file: Path, found: Mapping[str, Any], *, instead: Mapping[str, Any] | None = None
) -> None:
    """Write a validation of a set, with every trial, beside it and into the set itself.

    Args:
        file: of the set.
        found: the validation.
        instead: of one that is there and whose trials it holds too.
    """
    data = load(file)
    before = [one for one in data.facts.get("validated") or [] if one != instead]
    held = [*before, {**found, "versions": versions()}]
    with writing(file.parent):
        write_json(validation_file(file), held)
    save(replace(data, facts={**data.facts, "validated": held}), file)  # last: now it is done


def copy_set(file: Path, folder: Path) -> None:
    """Copy the file of a set into a folder, as that of a run, all of it or nothing."""
    require_writable(folder)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        replace_file(folder / SET_FILE, file.read_bytes())


def stem_of(file: Path) -> str:
    """Return how names of files begin that belong to a set: not at all in the folder of a run."""
    return "" if file.name == SET_FILE else f"{file.stem}."


def _beside(file: Path, name: str) -> Path:
    return file.with_name(stem_of(file) + name)
