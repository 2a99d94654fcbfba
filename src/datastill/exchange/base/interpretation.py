"""From what a file holds to a set that describes itself: what is guessed is said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from datastill.base.errors import InputError
from datastill.base.wording import counted
from datastill.data import UNNAMED, Domain, ImageSet, require_sound
from datastill.data.labels import LEARNED
from datastill.data.pixels import FLOATS_MOST, Pixels
from datastill.data.tiles import Unfold, unfolded
from datastill.datasets import DATASETS
from datastill.exchange.base.contract import Found
from datastill.exchange.base.domains import (
    classes_left,
    guessed,
    known_domain,
    normalisation_of,
    order_told,
    places_of,
    strange_class,
)
from datastill.exchange.base.labels import settle_labels
from datastill.exchange.base.mosaics import mosaic_in
from datastill.exchange.base.names import factor_named
from datastill.exchange.base.shapes import channels_first, in_a_row, require_shape
from datastill.exchange.base.spaces import ZCA, Claim, kept, settle_images
from datastill.store import described_set, domain_of


def interpret(
    found: Found, path: Path, claim: Claim, factor: int | None = None
) -> tuple[ImageSet, tuple[str, ...]]:
    """Make a sound set of what a file holds.

    Args:
        found: what it holds.
        path: of the file.
        claim: what a person says about it.
        factor: pictures along a side of an image, if a person says that too.

    Returns:
        The set, and what was guessed or changed, in words.

    Raises:
        InputError: when the file contradicts itself or the claim, or does not say enough.
    """
    found = channels_first(in_a_row(found))
    require_shape(found, path)
    if found.header is not None and not claim.normalised_with:
        _require_pictures(factor, path)
        own = _as_exported(found, found.header, path)
        return _claimed(own, claim, path) if claim.dataset else own, found.remarks
    if found.header is not None and found.classes is None:
        found = replace(found, classes=_as_exported(found, found.header, path).domain.classes)
    given = found.labels.byte() if found.labels.dtype == torch.bool else found.labels
    labels, told = settle_labels(given, path, logits=found.logits)
    name, why = _dataset(found, labels, claim, path)
    try:
        domain, origin = _domain(found, name, labels, claim, path)
        labels = _in_order(found, labels, domain, str(origin.get("dataset")), path)
        told += order_told(found, str(origin.get("dataset")))
        images, domain, seen = settle_images(found, domain, claim, path, origin=origin)
    except InputError as error:
        raise InputError("; ".join([str(error), *(why if name is None else ())])) from None
    images, labels, apart = _apart(found, images, labels, domain, factor, path)
    facts = {**found.facts, **({"data": dict(origin)} if origin else {})}
    data = ImageSet(images, labels, domain, facts)
    seen += classes_left(labels, domain) if origin else ()
    return require_sound(data, str(path)), (*found.remarks, *why, *told, *seen, *apart)


def _require_pictures(factor: int | None, path: Path) -> None:
    if factor is not None and factor > 1:
        raise InputError(
            f"{path} is an export of datastill's own, whose images hold no smaller ones: leave out "
            "--factor"
        )


def _dataset(
    found: Found, labels: Tensor, claim: Claim, path: Path
) -> tuple[str | None, tuple[str, ...]]:
    if claim.dataset is None:
        return guessed(found, labels, found.place or path)
    own = claim.dataset not in DATASETS
    return claim.dataset if own else DATASETS.spelling(claim.dataset), ()


def _domain(
    found: Found, name: str | None, labels: Tensor, claim: Claim, path: Path
) -> tuple[Domain, Mapping[str, Any]]:
    shape = (found.images.shape[1], found.images.shape[2], found.images.shape[3])
    if name is not None:
        domain, origin = known_domain(name, claim.data_path, size=(shape[1], shape[2]))
        _require_size(shape, domain, name, path)
    else:
        domain, origin = _unnamed(found, shape, labels), dict[str, Any]()
    if claim.normalised_with is None or claim.said in ("none", *ZCA):
        return domain, origin
    mean, std = normalisation_of(claim.normalised_with, domain.shape[0], claim.data_path)
    return replace(domain, mean=mean, std=std), origin


def _require_size(shape: tuple[int, ...], domain: Domain, name: str, path: Path) -> None:
    if shape != domain.shape:
        way = ": resize them, and save them again" * (shape[0] == domain.shape[0])
        raise InputError(
            f"{path} has images of {'x'.join(map(str, shape))}, "
            f"but {name} {'x'.join(map(str, domain.shape))}{way}"
        )


def _as_exported(found: Found, header: Mapping[str, Any], path: Path) -> ImageSet:
    try:
        domain = domain_of(header["domain"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} is damaged: {error}") from None
    shape = tuple(found.images.shape[1:])
    if shape != domain.shape:
        raise InputError(f"{path} has images of {shape}, but its header says {domain.shape}")
    _require_agreement(found, domain, path)
    if found.images.dtype == torch.uint8:
        images = kept(found.images, domain)
    else:
        images = found.images.float()
        images = domain.normalise(images) if found.space == "pixels" else images
    return described_set(images, found.labels, header, path)


def _require_agreement(found: Found, domain: Domain, path: Path) -> None:
    # Names, mean and std lie beside the header for people, who may have changed them.
    changed = ""
    if found.classes is not None and found.classes != domain.classes:
        changed = "classes"
    if found.normalisation is not None:
        own = torch.tensor([domain.mean, domain.std]).double()
        beside = torch.tensor(found.normalisation).double()
        if own.shape != beside.shape or not torch.allclose(own, beside, rtol=1e-4):
            changed = "mean and std"
    if changed:
        raise InputError(
            f"{path}: its {changed} are others than those that datastill wrote beside them; leave "
            "out the entry 'datastill' where the set is changed"
        )


def _claimed(own: ImageSet, claim: Claim, path: Path) -> ImageSet:
    # An export of ours says what its numbers are and which classes: a person, whose these are.
    assert claim.dataset is not None
    name = claim.dataset if claim.dataset not in DATASETS else DATASETS.spelling(claim.dataset)
    domain, origin = known_domain(name, claim.data_path, size=own.domain.shape[1:])
    _require_size(own.domain.shape, domain, name, path)
    places = _places(own.domain.classes, domain, str(origin.get("dataset")), path)
    facts: dict[str, Any] = {**own.facts, "data": dict(origin)}
    for fact in ("relabelled", LEARNED):
        held = facts.get(fact)
        hard = held.get("hard_labels") if isinstance(held, Mapping) else None
        if isinstance(held, Mapping) and isinstance(hard, list):
            facts[fact] = {**held, "hard_labels": [places[int(k)] for k in hard]}
    under = own.under(replace(domain, classes=own.domain.classes))
    labels = _moved(own.labels, places, len(domain.classes))
    return require_sound(ImageSet(under.images, labels, domain, facts), str(path))


def _in_order(found: Found, labels: Tensor, domain: Domain, dataset: str, path: Path) -> Tensor:
    # The order of folders is not that of the classes: a wrong one gives chance accuracy.
    many, columns = _number_of_classes(found, labels), _columns(found)
    if found.classes is None:
        _require_numbers(labels, many if columns else None, domain, path)
        return labels
    named = len(found.classes)
    if many > named or (columns and many < named):
        raise InputError(f"{path} names {counted(named, 'class')}, but its labels are of {many}")
    if found.classes == domain.classes:
        return labels
    places = _places(found.classes, domain, dataset, path)
    return _moved(labels, places, len(domain.classes))


def _number_of_classes(found: Found, labels: Tensor) -> int:
    return _columns(found) or int(labels.max()) + 1


def _columns(found: Found) -> int | None:
    # Of labels that are rows of something for every class, and no hot ones that end early.
    rows = found.labels
    if rows.ndim < 2 or rows.shape[1] < 2 or int((rows != 0).sum(1).max()) < 2:
        return None
    return rows.shape[1]


def _require_numbers(labels: Tensor, columns: int | None, domain: Domain, path: Path) -> None:
    classes = len(domain.classes)
    if columns is not None and columns != classes:
        raise InputError(
            f"{path}: its labels are rows of {columns} numbers, but {domain.name} has "
            f"{counted(classes, 'class')}"
        )
    if labels.ndim == 1 and int(labels.min()) >= 1 and int(labels.max()) == classes:
        raise InputError(
            f"{path}: its labels are from {int(labels.min())} to {classes}, those of {domain.name} "
            f"from 0 to {classes - 1}: subtract 1 where they count from 1, and save them again"
        )


def _places(names: tuple[str, ...], domain: Domain, dataset: str, path: Path) -> list[int]:
    places = places_of(names, domain.classes, dataset)
    if places is None:
        raise InputError(f"{path}: {strange_class(names, domain, dataset)}")
    twice = next((k for k in places if places.count(k) > 1), None)
    if twice is not None:
        told = " and ".join(name for name, k in zip(names, places, strict=True) if k == twice)
        raise InputError(f"{path}: its classes {told} are both {domain.classes[twice]!r}")
    return places


def _moved(labels: Tensor, places: list[int], classes: int) -> Tensor:
    if labels.ndim == 1:
        return torch.tensor(places)[labels]
    shares = labels.new_zeros(len(labels), classes)
    shares[:, places] = labels
    return shares


def _unnamed(found: Found, shape: tuple[int, int, int], labels: Tensor) -> Domain:
    count = _number_of_classes(found, labels)
    if found.labels.ndim == 2 and found.labels.shape[1] > 1:
        count = found.labels.shape[1]
    classes = found.classes or tuple(str(k) for k in range(count))
    zeros, ones = (0.0,) * shape[0], (1.0,) * shape[0]
    return Domain(UNNAMED, shape, classes, zeros, ones)


def _apart(
    found: Found,
    images: Tensor,
    labels: Tensor,
    domain: Domain,
    factor: int | None,
    path: Path,
) -> tuple[Tensor, Tensor, tuple[str, ...]]:
    # Images that hold several are kept as they are, and unfolded for whoever looks at them.
    several, told = _several(found, images, factor, path)
    if several == 1:
        return images, labels, told
    plainly = images.normalised() if isinstance(images, Pixels) else images
    unfold = Unfold(several)
    return (
        unfolded(plainly, unfold, domain.mean, domain.std),
        labels.repeat_interleave(unfold.parts, 0),
        told,
    )


def _several(
    found: Found, images: Tensor, factor: int | None, path: Path
) -> tuple[int, tuple[str, ...]]:
    # How many smaller images are along a side of one: a person says it, a name, or the pixels.
    named, side = found.factor or factor_named(found.place or path), min(images.shape[2:])
    if factor is not None or named is not None:
        several = factor or named or 1
        if several <= side:
            source = "as --factor says" if factor else "as its name says; --factor says otherwise"
            return several, (_kept_so(several, source),) if several > 1 else ()
        told = f"images of {tuple(images.shape[2:])} do not hold {several} a side"
        if factor is not None:
            raise InputError(f"{path}: {told}")
        return 1, (f"its name says factor {several}, but {told}: taken as they are",)
    seen = mosaic_in(images)
    if seen is None:
        hint = "no seams are seen: taken as one picture an image; --factor 2 says that it holds 4"
        return 1, (hint,) if found.mosaics else ()
    room = 4 * images.numel() * seen.factor**2 <= FLOATS_MOST
    if seen.sure and room:
        return seen.factor, (_kept_so(seen.factor, f"for {seen.why}; --factor 1 says otherwise"),)
    what = f"{seen.factor**2} smaller ones each, which enlarged fill the memory" * (not room)
    what = what or f"{seen.factor**2} smaller ones each"
    said = f"the images may hold {what}, for {seen.why}: taken as pictures"
    return 1, (f"{said}; say --factor {seen.factor}, or --factor 1 where they are none",)


def _kept_so(factor: int, source: str) -> str:
    return (
        f"each image holds {factor**2} smaller ones, {source}: they are kept so, and enlarged for "
        "training"
    )
