"""From what a file holds to a set that describes itself: what is guessed is said."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from datastill.artifacts import described_set, domain_of
from datastill.data import Domain, ImageSet, require_sound
from datastill.datasets import DATASETS, Published, Reading, dataset_name, load_split
from datastill.errors import InputError, suggestion
from datastill.exchange.base.appearance import CORRELATED, look_at, neighbour_correlation
from datastill.exchange.base.contract import Found
from datastill.exchange.base.tensors import MOST_VALUES
from datastill.exchange.base.whitening import fit_whitening
from datastill.registry import plain

MOST_CLASSES = 10**5


@dataclass(frozen=True)
class Claim:
    """What a person says about a file.

    Attributes:
        dataset: whose images are imitated: gives classes and normalisation.
        data_path: folder with its files, needed to undo whitening.
        normalised_with: ``"none"`` for pixels, ``"zca"``, the name of a dataset, or numbers:
            ``"0.5,0.4,0.3/0.2,0.2,0.2"``.
    """

    dataset: str | None = None
    data_path: Path | None = None
    normalised_with: str | None = None


def interpret(found: Found, path: Path, claim: Claim) -> tuple[ImageSet, tuple[str, ...]]:
    """Make a sound set of what a file holds.

    Returns:
        The set, and what was guessed or changed, in words.

    Raises:
        InputError: when the file contradicts itself or the claim, or does not say enough.
    """
    require_shape(found, path)
    if found.header is not None and not (claim.dataset or claim.normalised_with):
        return _as_exported(found, found.header, path), found.remarks
    labels, told = settle_labels(found.labels, path)
    name, guessed = _dataset(claim, path)
    domain, origin = _domain(found, name, labels, claim, path)
    labels = _in_order(found, labels, domain, path)
    images, domain, seen = settle_images(found, domain, claim, path, origin=origin)
    facts = {**found.facts, **({"data": dict(origin)} if origin else {})}
    data = ImageSet(images, labels, domain, facts)
    return require_sound(data, str(path)), (*found.remarks, *guessed, *told, *seen)


def require_shape(found: Found, path: Path) -> None:
    """Refuse what cannot be images with labels.

    Raises:
        InputError: saying what was found.
    """
    images, labels = found.images, found.labels
    if images.ndim != 4 or not images.numel() or images.numel() > MOST_VALUES:
        raise InputError(f"{path}: images of shape {tuple(images.shape)}, not (N, C, H, W)")
    if labels.ndim not in (1, 2) or len(labels) != len(images):
        raise InputError(f"{path}: {len(images)} images, but labels of shape {tuple(labels.shape)}")
    for tensor, what in ((images, "images"), (labels, "labels")):
        if tensor.dtype == torch.bool or not bool(torch.isfinite(tensor).all()):
            raise InputError(f"{path}: {what} hold values that are not finite numbers")


def settle_labels(labels: Tensor, path: Path) -> tuple[Tensor, tuple[str, ...]]:
    """Return hard labels, or soft ones that are shares; scores become the highest's class.

    >>> settle_labels(torch.tensor([[0.9, -0.1], [-0.1, 0.9]]), Path("x"))[0].tolist()
    [0, 1]
    >>> settle_labels(torch.tensor([0.0, 2.0]), Path("x"))[0].tolist()
    [0, 2]
    """
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim == 1:
        whole = labels.long()
        if not bool((whole == labels).all()):
            raise InputError(f"{path}: labels are neither whole numbers nor shares of classes")
        if int(whole.min()) < 0 or int(whole.max()) >= MOST_CLASSES:
            wrong = whole.min() if int(whole.min()) < 0 else whole.max()
            raise InputError(f"{path}: label {int(wrong)} is no class")
        return whole, ()
    shares = labels.float()
    if bool((shares.sum(1) - 1).abs().max() < 1e-3) and bool((shares >= 0).all()):
        hard = shares.argmax(1)
        one_hot = bool((shares == F.one_hot(hard, shares.shape[1])).all())
        return (hard, ()) if one_hot else (shares, ())
    told = "labels are scores, not shares of classes: the class of the highest score was taken"
    return shares.argmax(1), (told,)


def settle_images(
    found: Found, domain: Domain, claim: Claim, path: Path, *, origin: Mapping[str, Any]
) -> tuple[Tensor, Domain, tuple[str, ...]]:
    """Return images normalised as the domain says, and what was guessed to get there.

    Args:
        found: what the file holds.
        domain: of the result; without a known dataset its normalisation is measured here.
        claim: may say what the numbers are.
        path: of the file.
        origin: how to read the dataset of the domain again; empty where none is known.
    """
    images, look = found.images, look_at(found.images)
    kind, told = look.kind, (f"the images look like {look.kind}: {look.why}",)
    if claim.normalised_with is not None:
        kind, told = (
            {"none": "pixels", "zca": "whitened"}.get(
                claim.normalised_with.casefold(), "normalised"
            ),
            (),
        )
    elif found.space is not None and kind != "bytes":
        kind, told = found.space, ()
    if look.kind == "bytes" and kind in ("bytes", "pixels"):
        kind, images = "pixels", images.float() / 255
    images = images.float()
    if kind == "pixels":
        domain = domain if origin else measured(images, domain)
        return domain.normalise(images), domain, told
    stated = claim.normalised_with is not None and kind == "normalised"
    if not origin and not stated:
        raise InputError(
            f"{path}: {told[0] if told else f'the images are {kind}'}; "
            "say by which dataset with --dataset, or how with --normalised-with"
        )
    if kind == "whitened":
        return unwhitened(images, domain, origin, path, told)
    return images, domain, (*told, _normalisation(domain))


def measured(pixels: Tensor, domain: Domain) -> Domain:
    """Return a domain whose mean and std are those of the images themselves."""
    mean = pixels.mean((0, 2, 3)).tolist()
    std = pixels.std((0, 2, 3), correction=0).tolist()
    return replace(domain, mean=tuple(mean), std=tuple(s if s > 1e-3 else 1.0 for s in std))


def unwhitened(
    images: Tensor, domain: Domain, origin: Mapping[str, Any], path: Path, told: tuple[str, ...]
) -> tuple[Tensor, Domain, tuple[str, ...]]:
    """Undo the whitening of trajectory matching, measured on the training images.

    Raises:
        InputError: when there are no training images to measure it on, or no pictures come out.
    """
    name = origin["dataset"]
    try:
        read = Reading(size=origin["size"])
        real = load_split(name, "train", origin["data_path"], read).under(domain)
    except InputError as error:
        raise InputError(
            f"{path}: {told[0] if told else 'ZCA-whitened images'}; to undo it the training images "
            f"of {name} are needed ({error}), or say otherwise with --normalised-with"
        ) from None
    found = fit_whitening(real.images).undo(images)
    agreement = neighbour_correlation(found.double())
    if agreement < CORRELATED and neighbour_correlation(real.images.double()) > CORRELATED:
        raise InputError(
            f"{path}: undoing the ZCA whitening of {name} gives no pictures (neighbouring pixels "
            f"correlate by {agreement:.2f}); say otherwise with --normalised-with"
        )
    undone = f"the whitening of trajectory matching, measured on {len(real)} images, was undone"
    return found, domain, (*told, undone)


def _dataset(claim: Claim, path: Path) -> tuple[str | None, tuple[str, ...]]:
    if claim.dataset is not None:
        own = claim.dataset not in DATASETS
        return claim.dataset if own else DATASETS.spelling(claim.dataset), ()
    words = plain(str(path.absolute().parent.name) + path.name)
    named = [name for name in DATASETS.names if plain(name) in words]
    if not named:
        return None, ()
    chosen = max(named, key=len)  # CIFAR100, not the CIFAR10 in it
    return chosen, (f"taken as {chosen} by its name; --dataset says otherwise",)


def published_of(name: str) -> Published | None:
    """Return what the field agrees on about a dataset, if it is known here."""
    return getattr(DATASETS[name], "published", None) if name in DATASETS else None


def known_domain(
    name: str, path: Path | None = None, *, size: tuple[int, int] | None = None
) -> tuple[Domain, Mapping[str, Any]]:
    """Return the domain of a dataset, and how to read it again.

    No file is read where the field agrees on the normalisation and the names of the classes.

    Args:
        name: of the dataset, or a path or ``hf:NAME``, see ``datasets.load_split``.
        path: folder with its files.
        size: of the images, for datasets whose own differ.
    """
    known, published = name in DATASETS, published_of(name)
    of_one_size = known and (published is None or published.size is not None)
    read = Reading(size=None if of_one_size else size)
    if published is not None and published.classes and (published.size or size):
        height, width = published.size or size or (0, 0)
        shape = (3 if published.colour else 1, height, width)
        called = dataset_name(name, path, read.size)
        domain = Domain(
            called, shape, published.classes, *published.normalisation, published.mirror
        )
        where = None if path is None else str(path)
        return domain, {"dataset": name, "data_path": where, "size": read.size}
    real = load_split(name, "train", path, read)
    return real.domain, real.facts


def _domain(
    found: Found, name: str | None, labels: Tensor, claim: Claim, path: Path
) -> tuple[Domain, Mapping[str, Any]]:
    shape = (found.images.shape[1], found.images.shape[2], found.images.shape[3])
    if name is not None:
        domain, origin = known_domain(name, claim.data_path, size=(shape[1], shape[2]))
        if shape != domain.shape:
            raise InputError(
                f"{path} has images of {'x'.join(map(str, shape))}, "
                f"but {name} {'x'.join(map(str, domain.shape))}"
            )
    else:
        domain, origin = _unnamed(found, shape, labels), dict[str, Any]()
    if claim.normalised_with is None or claim.normalised_with.casefold() in ("none", "zca"):
        return domain, origin
    mean, std = normalisation_of(claim.normalised_with, domain.shape[0], claim.data_path)
    return replace(domain, mean=mean, std=std), origin


def _as_exported(found: Found, header: Mapping[str, Any], path: Path) -> ImageSet:
    try:
        domain = domain_of(header["domain"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} is damaged: {error}") from None
    shape = tuple(found.images.shape[1:])
    if shape != domain.shape:
        raise InputError(f"{path} has images of {shape}, but its header says {domain.shape}")
    images = found.images.float()
    if found.space == "pixels":
        images = domain.normalise(images / 255 if found.images.dtype == torch.uint8 else images)
    return described_set(images, found.labels, header, path)


def _in_order(found: Found, labels: Tensor, domain: Domain, path: Path) -> Tensor:
    # The order of folders is not that of the classes: a wrong one gives chance accuracy.
    if found.classes is None or found.classes == domain.classes:
        return labels
    places = {plain(name): i for i, name in enumerate(domain.classes)}
    names = [plain(name) for name in found.classes]
    if all(name in places for name in names):
        return torch.tensor([places[name] for name in names])[labels]
    if all(name.isdecimal() and int(name) < len(domain.classes) for name in names):
        return torch.tensor([int(name) for name in names])[labels]
    strange = next(name for name in found.classes if plain(name) not in places)
    hint = suggestion(strange, domain.classes)
    raise InputError(f"{path}: {domain.name} has no class {strange!r}; {hint}")


def _unnamed(found: Found, shape: tuple[int, int, int], labels: Tensor) -> Domain:
    count = labels.shape[1] if labels.ndim == 2 else int(labels.max()) + 1
    classes = found.classes or tuple(str(k) for k in range(count))
    zeros, ones = (0.0,) * shape[0], (1.0,) * shape[0]
    return Domain("imported", shape, classes, zeros, ones)


def normalisation_of(
    text: str, channels: int, path: Path | None = None
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the mean and std that a person names.

    Raises:
        InputError: when the text is neither a dataset nor numbers for every channel.

    >>> normalisation_of("0.5/0.25", 1)
    ((0.5,), (0.25,))
    """
    if "/" not in text:
        published = published_of(text)
        if published is not None:
            return published.normalisation
        domain, _ = known_domain(text, path)
        return domain.mean, domain.std
    try:
        mean, std = (tuple(map(float, part.split(","))) for part in text.split("/"))
    except ValueError:
        raise InputError(f"--normalised-with {text!r} is not MEAN,.../STD,...") from None
    sound = len(mean) == len(std) == channels and all(map(math.isfinite, (*mean, *std)))
    if not sound or min(std) <= 0:
        raise InputError(
            f"--normalised-with {text!r} is not a mean and a std above 0 for {channels} channels"
        )
    return mean, std


def _normalisation(domain: Domain) -> str:
    mean, std = (" ".join(f"{v:.4f}" for v in values) for values in (domain.mean, domain.std))
    return f"taken as normalised by mean {mean} and std {std}; --normalised-with says otherwise"
