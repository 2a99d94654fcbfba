"""Whether a set of images is what it should be, and holds what is wanted of it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from datastill.base.errors import InputError
from datastill.base.wording import LONGEST_NAME, are, counted, readable
from datastill.data.images import ImageSet
from datastill.data.pixels import Pixels

SHARES_WITHIN = 1e-3
"""By how much the sum of the shares of an image may differ from 1: they may have been rounded."""

LONGEST_TOLD = 40
"""Letters of a name that a message shows."""


def require_held(
    real: ImageSet, counts: Sequence[int], hint: str = "", purpose: str = "be picked"
) -> None:
    """Refuse to take more images of a class than there are.

    Args:
        real: images to pick from.
        counts: how many of each class.
        hint: what a person can do about it.
        purpose: what they are to do.

    Raises:
        InputError: naming the first class that has too few, or when there is not one number for
            each class.
    """
    classes, end = real.domain.classes, f"; {hint}" if hint else ""
    if len(counts) != len(classes):
        raise InputError(
            f"{counted(len(counts), 'number')} of images for {counted(len(classes), 'class')}"
        )
    for k, (have, want) in enumerate(zip(real.counts, counts, strict=True)):
        if want > have:
            raise InputError(f"{said_of_class(real, k)} fewer than the {want} to {purpose}{end}")


def said_of_class(real: ImageSet, number: int) -> str:
    """Say how few images a class has, as who keeps them sees it: those for tests counted."""
    name, have = real.domain.classes[number], real.counts[number]
    kept = dict(enumerate(real.facts.get("kept_of_classes") or ())).get(number, 0)
    if not kept:
        return f"class {name!r} has {counted(have, 'real image')},"
    return (
        f"class {name!r} has {counted(have + kept, 'real image')}, of which {kept} "
        f"{are(kept)} kept for tests: {have} {are(have)}"
    )


def require_sound(data: ImageSet, source: str) -> ImageSet:
    """Return ``data`` if every label is a class, or shares of them, and every pixel finite.

    Names can be shown and kept: no line ends, no codes that a terminal follows.

    Tensors on the device ``meta`` have no numbers to look at.

    Raises:
        InputError: naming ``source`` and what is wrong with it.
    """
    _require_names(data, source)
    _require_labels(data, source)
    for tensor, what in ((data.images, "images"), (data.labels, "labels")):
        if isinstance(tensor, Pixels) or tensor.is_meta:
            continue  # pixels were looked at when they were read
        if tensor.is_floating_point() and not _finite(tensor):
            raise InputError(f"{source}: {what} hold values that are not finite numbers")
    if data.labels.ndim == 2 and not data.labels.is_meta:
        _require_shares(data.labels, source)
    return data


def _require_names(data: ImageSet, source: str) -> None:
    # People read them, and files hold them: refused before a run that could not save its set.
    domain = data.domain
    for what, name in (("the dataset", domain.name), *(("a class", one) for one in domain.classes)):
        if not readable(name):
            told = ascii(name[:LONGEST_TOLD])
            raise InputError(f"{source}: the name of {what} cannot be printed: {told}; rename it")
    if len(domain.name) > LONGEST_NAME:
        long = counted(len(domain.name), "letter")
        raise InputError(f"{source}: a dataset with a name of {long}; {LONGEST_NAME} at most")


def _require_labels(data: ImageSet, source: str) -> None:
    classes = len(data.domain.classes)
    if data.labels.ndim == 2 and data.labels.shape[1] != classes:
        raise InputError(
            f"{source}: soft labels of {counted(data.labels.shape[1], 'class')}, not {classes}"
        )
    hard = data.labels.ndim == 1 and data.labels.dtype == torch.int64
    if not hard and not (data.labels.ndim == 2 and data.labels.is_floating_point()):
        shape, kind = tuple(data.labels.shape), str(data.labels.dtype).removeprefix("torch.")
        raise InputError(
            f"{source}: labels of shape {shape} and type {kind} are neither classes "
            "(N, int64) nor shares of them (N, K, float)"
        )
    if hard and len(data) and not data.labels.is_meta:
        low, high = int(data.labels.min()), int(data.labels.max())
        if low < 0 or high >= classes:
            found = low if low < 0 else high
            raise InputError(f"{source}: label {found} is outside the classes 0 to {classes - 1}")


def require_given(data: ImageSet, source: str) -> None:
    """Refuse a set from Python that holds nothing, is not sound, or that no network takes.

    Raises:
        InputError: naming ``source`` and what is wrong with it.
    """
    if not len(data):
        raise InputError(f"{source}: not a single image")
    if any(tensor.layout != torch.strided for tensor in (data.images, data.labels)):
        raise InputError(f"{source}: a sparse tensor; pass it by `.to_dense()`")
    if data.images.dtype != torch.float32:
        found = str(data.images.dtype).removeprefix("torch.")
        floats = data.images.is_floating_point()
        way = "; pass `images.float()`" if floats else "; from_arrays makes a set of pixels"
        raise InputError(f"{source}: images are {found}, not float32{way}")
    require_sound(data, source)


def _require_shares(labels: Tensor, source: str) -> None:
    # Of a loss of soft labels a sum of 2 would make twice as much, and nobody would know.
    sums, least = labels.float().sum(1), labels.float().amin(1)
    room = max(SHARES_WITHIN, torch.finfo(labels.dtype).eps)  # of half precision rows are rounded
    wrong = ((sums - 1).abs() > room) | (least < -room)
    if not bool(wrong.any()):
        return
    row = int(wrong.nonzero()[0])
    low = float(least[row])
    found = f"sum to {float(sums[row]):.4g}" if low >= -room else f"hold {low:.4g}"
    raise InputError(
        f"{source}: soft labels are shares of the classes, from 0 on and 1 together; those of "
        f"image {row} {found}. Divide them by their sums, or take the softmax of logits"
    )


def _finite(tensor: Tensor) -> bool:
    # The extremes of numbers among which one is none, are none: no mask as large as the images.
    return not tensor.numel() or bool(torch.isfinite(torch.stack(tensor.aminmax())).all())
