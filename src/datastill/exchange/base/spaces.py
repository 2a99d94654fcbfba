"""What the numbers of images are, and how they become those of a set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from datastill.base.errors import InputError, of_kind, path_of
from datastill.base.wording import counted
from datastill.data import Domain
from datastill.data.pixels import FLOATS_MOST, Pixels
from datastill.datasets import Reading, load_split
from datastill.datasets.base.statistics import statistics
from datastill.exchange.base.appearance import (
    CORRELATED,
    ENOUGH,
    INSIDE,
    Look,
    are_no_pixels,
    are_wide,
    look_at,
    neighbour_correlation,
    share_within,
    some_of,
)
from datastill.exchange.base.contract import Found, Rule
from datastill.exchange.base.whitening import fit_whitening

ZCA: Mapping[str, Rule | None] = {
    "zca": None,
    "zca-pixels": "pixels",
    "zca-normalised": "normalised",
}
"""What ``--normalised-with`` may say of whitening, and how that was measured."""

RULES = (
    "say --normalised-with zca-pixels (as MTT and what followed it) or zca-normalised (as DataDAM)"
)

ZCA_OF: Mapping[str, str] = {"pixels": "pixels", "normalised": "normalised images"}
"""On what a whitening was measured, in words."""

LEAST_STD = 0.05
"""Pixels of pictures differ by more than this."""

ROOM = (-0.25, 1.25)
"""Where most of the pixels are that come out of a whitening that was undone rightly."""

WAYS = (
    "say which by --normalised-with: the name of a dataset where they are normalised like its "
    "images, MEAN,../STD,.. where by others, zca where they are whitened, none where they are "
    "pixels"
)


@dataclass(frozen=True)
class Claim:
    """What a person says about a file.

    Attributes:
        dataset: whose images are imitated: gives classes and normalisation.
        data_path: folder with its files, needed to undo whitening.
        normalised_with: ``"none"`` for pixels; ``"zca"``, where it has to be said also
            ``"zca-pixels"`` or ``"zca-normalised"``, by what the whitening was measured on; the
            name of a dataset; or numbers: ``"0.5,0.4,0.3/0.2,0.2,0.2"``.
    """

    dataset: str | None = None
    data_path: Path | None = None
    normalised_with: str | None = None

    def __post_init__(self) -> None:
        of_kind((str, type(None)), "the name of a dataset, or a path", dataset=self.dataset)
        path_of("the path of a folder, or None", data_path=self.data_path)
        wanted = "text, such as 'none', 'zca' or '0.5/0.25'"
        of_kind((str, type(None)), wanted, normalised_with=self.normalised_with)

    @property
    def said(self) -> str:
        """What is said of the numbers, in small letters."""
        return (self.normalised_with or "").casefold()


def settle_images(
    found: Found, domain: Domain, claim: Claim, path: Path, *, origin: Mapping[str, Any]
) -> tuple[Tensor, Domain, tuple[str, ...]]:
    """Return images normalised as the domain says, and what was guessed to get there.

    A person's word comes first, then what the format or a name says, then the type of the numbers,
    and statistics last; where these cannot tell it is refused.

    Args:
        found: what the file holds.
        domain: of the result; without a known dataset its normalisation is measured here.
        claim: may say what the numbers are.
        path: of the file.
        origin: how to read the dataset of the domain again; empty where none is known.

    Raises:
        InputError: when it cannot be told what the numbers are, or too little is known to use them.
    """
    images, look = found.images, look_at(found.images)
    kind, told = _kind(found, claim, look, path)
    if kind == "pixels":
        if look.kind == "bytes":
            return _of_bytes(images, domain, told, path, measure=not origin)
        domain = domain if origin else measured(images.float(), domain)
        return domain.normalise(images.float()), domain, told
    images = images.float()
    own = _own_normalisation(found, images) if kind == "normalised" and not claim.said else None
    if own is not None:
        domain = replace(domain, mean=own[0], std=own[1])
        return images, domain, (*told, f"{_normalisation(domain)} (mean and std are in it)")
    if not origin and not (claim.said and kind == "normalised"):
        raise InputError(
            f"{path}: {told[0] if told else f'the images are {kind}'}; say by which dataset with "
            "--dataset, or how with --normalised-with"
        )
    if kind == "whitened":
        sure = bool(claim.said) or found.space == "whitened"
        rule = ZCA.get(claim.said) or found.rule
        return unwhitened(images, domain, origin, path, told, rule=rule, sure=sure)
    return images, domain, (*told, _normalisation(domain), *_far(images, domain))


def _kind(found: Found, claim: Claim, look: Look, path: Path) -> tuple[str, tuple[str, ...]]:
    # What the numbers are, and what a person should know of how that was found out.
    seen = f"the images look like {look.kind}: {look.why}"
    if claim.said:
        return _stated(found, claim, look, path)
    if found.images.dtype == torch.uint8:
        return "pixels", (seen,)
    if found.space == "normalised" and look.kind == "bytes":
        raise InputError(
            f"{path}: {seen}, but in such a file they are normalised; --normalised-with none takes "
            "them as bytes, --normalised-with NAME as normalised"
        )
    if found.space is not None and not are_wide(found.images):
        odd = look.kind == "pixels" and found.space == "normalised"
        return found.space, (f"{seen}; such files hold normalised ones",) if odd else ()
    if look.kind == "unclear" and _own_normalisation(found, found.images.float()) is not None:
        return "normalised", (seen,)
    if look.kind in ("unclear", "whitened") and not (look.kind == "whitened" and found.whitens):
        kind = "neither pixels nor, for sure, normalised" if look.kind == "unclear" else look.kind
        raise InputError(f"{path}: the images look like {kind}: {look.why}; {WAYS}")
    return {"bytes": "pixels"}.get(look.kind, look.kind), (seen,)


def _stated(found: Found, claim: Claim, look: Look, path: Path) -> tuple[str, tuple[str, ...]]:
    if found.undone and claim.said in ZCA:
        return "pixels", ("its whitening was undone by who saved it: nothing is left to undo",)
    if claim.said != "none" and found.images.dtype == torch.uint8:
        raise InputError(
            f"{path}: the images are bytes, not normalised nor whitened ones; leave out "
            "--normalised-with"
        )
    if claim.said == "none" and look.kind != "bytes" and are_wide(found.images):
        raise InputError(f"{path}: {look.why}; they are no pixels from 0 to 1")
    stated = {"none": "pixels"}.get(claim.said, "whitened" if claim.said in ZCA else "normalised")
    return stated, ()


def measured(pixels: Tensor, domain: Domain) -> Domain:
    """Return a domain whose mean and std are those of the images themselves."""
    mean = pixels.mean((0, 2, 3)).tolist()
    std = pixels.std((0, 2, 3), correction=0).tolist()
    return replace(domain, mean=tuple(mean), std=tuple(s if s > 1e-3 else 1.0 for s in std))


def kept(images: Tensor, domain: Domain) -> Tensor:
    """Return bytes normalised as a domain says; of very many, themselves (``Pixels``)."""
    found = Pixels(images, domain.mean, domain.std)
    return found if 4 * found.numel() > FLOATS_MOST else domain.normalise(images.float() / 255)


def _of_bytes(
    images: Tensor, domain: Domain, told: tuple[str, ...], path: Path, *, measure: bool
) -> tuple[Tensor, Domain, tuple[str, ...]]:
    if measure and images.dtype == torch.uint8 and images.numel() > ENOUGH:
        mean, std = statistics(images, None, source=str(path))
        domain = replace(domain, mean=mean, std=std)
    elif measure:
        domain = measured(images.float() / 255, domain)
    plain = images.dtype == torch.uint8
    values = images if plain else images.float().round().clamp(0, 255).to(torch.uint8)
    return kept(values, domain), domain, told


def unwhitened(
    images: Tensor,
    domain: Domain,
    origin: Mapping[str, Any],
    path: Path,
    told: tuple[str, ...],
    *,
    rule: Rule | None,
    sure: bool,
) -> tuple[Tensor, Domain, tuple[str, ...]]:
    """Undo whitening.

    Args:
        images: whitened ones.
        domain: of the result.
        origin: how to read the training images that it was measured on.
        path: of the file.
        told: why the images are taken as whitened.
        rule: what it was measured on; None where that is to be found out.
        sure: whether it is said that they are; what only looks so has to become pictures.

    Raises:
        InputError: without training images to measure it on, or when no pictures come out.
    """
    real = _training_images(domain, origin, path, told)
    rules: tuple[Rule, ...] = ("pixels", "normalised") if rule is None else (rule,)
    undone = {each: _undone(images, real, domain, each) for each in rules}
    strict = not sure or rule is None
    fits = [_is_picture(undone[each], real, domain, strict=strict) for each in rules]
    fitting = [each for each, fit in zip(rules, fits, strict=True) if fit]
    if not fitting:
        agreement = neighbour_correlation(undone[rules[0]].double())
        raise InputError(
            f"{path}: undoing the ZCA whitening of {origin['dataset']} gives no pictures "
            f"(neighbouring pixels correlate by {agreement:.2f}); {WAYS}"
        )
    if len(fitting) > 1:
        raise InputError(f"{path}: it cannot be told how the whitening was measured; {RULES}")
    on = f"as measured on the {ZCA_OF[fitting[0]]} of {counted(len(real), 'training image')}"
    return undone[fitting[0]], domain, (*told, f"the whitening was undone, {on}")


def _own_normalisation(
    found: Found, images: Tensor
) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    # What a file calls mean and std may be of anything: pictures have to come out.
    if found.normalisation is None:
        return None
    given = torch.tensor(found.normalisation)
    if given.shape != (2, images.shape[1]) or not bool((given[1] > 0).all()):
        return None
    given = given / 255 if float(given.max()) > 1 else given
    pixels = some_of(images) * given[1, :, None, None] + given[0, :, None, None]
    inside = share_within(pixels, *ROOM) >= INSIDE
    mean, std = given.tolist()
    return (tuple(mean), tuple(std)) if inside and float(pixels.std()) > LEAST_STD else None


def _training_images(
    domain: Domain, origin: Mapping[str, Any], path: Path, told: tuple[str, ...]
) -> Tensor:
    name = origin["dataset"]
    try:  # all of them: whoever whitened did not keep some for tests
        read = Reading(size=origin["size"], test_share=0)
        return load_split(name, "train", origin["data_path"], read).under(domain).images
    except InputError as error:
        raise InputError(
            f"{path}: {told[0] if told else 'ZCA-whitened images'}; to undo it the training images "
            f"of {name} are needed ({error}), or say otherwise with --normalised-with"
        ) from None


def _undone(images: Tensor, real: Tensor, domain: Domain, rule: Rule) -> Tensor:
    if rule == "normalised":
        return fit_whitening(real).undo(images)
    return domain.normalise(fit_whitening(domain.pixels(real)).undo(images))


def _is_picture(images: Tensor, real: Tensor, domain: Domain, *, strict: bool) -> bool:
    agreement = neighbour_correlation(images.double())
    if agreement < CORRELATED and neighbour_correlation(real.double()) > CORRELATED:
        return False
    pixels, spread = domain.pixels(images), float(domain.pixels(real).std())
    inside = share_within(pixels, *ROOM) >= INSIDE
    return not strict or (inside and 0.4 < float(pixels.std()) / max(spread, 1e-6) < 2.5)


def _far(images: Tensor, domain: Domain) -> tuple[str, ...]:
    # What a person says comes first, and may be wrong.
    pixels = domain.pixels(some_of(images))
    if not are_no_pixels(pixels):
        return ()
    low, high = (float(end) for end in pixels.aminmax())
    return (f"by it pixels are from {low:.4g} to {high:.4g}, many of them far outside of 0 to 1",)


def _normalisation(domain: Domain) -> str:
    mean, std = (" ".join(f"{v:.4f}" for v in values) for values in (domain.mean, domain.std))
    return f"taken as normalised by mean {mean} and std {std}; --normalised-with says otherwise"
