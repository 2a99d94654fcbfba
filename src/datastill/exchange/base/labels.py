"""Labels and classes as other projects write them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from datastill.base.errors import InputError
from datastill.base.registry import folded
from datastill.data.soundness import SHARES_WITHIN
from datastill.exchange.base.tensors import tensor_of

MOST_CLASSES = 10**5


def settle_labels(
    labels: Tensor, path: Path, *, logits: bool = False
) -> tuple[Tensor, tuple[str, ...]]:
    """Return hard labels, or soft ones that are shares of the classes; and what was done.

    Args:
        labels: ``(N,)``, ``(N, 1)`` or ``(N, K)``.
        path: of their file.
        logits: whether those that are no shares are logits, whose softmax is taken, as of
            logarithms of shares; of other scores, such as KIP's, the highest counts.

    Raises:
        InputError: when they are no classes.

    >>> import torch
    >>> settle_labels(torch.tensor([[0.9, -0.1], [-0.1, 0.9]]), Path("x"))[0].tolist()
    [0, 1]
    >>> settle_labels(torch.tensor([0.0, 2.0]), Path("x"))[0].tolist()
    [0, 2]
    >>> settle_labels(torch.tensor([[0.0, 0.0], [1.0, 1.0]]), Path("x"), logits=True)[0].tolist()
    [[0.5, 0.5], [0.5, 0.5]]
    >>> settle_labels(torch.tensor([[80, 20], [60, 40]]), Path("x"))[0].tolist()
    [[0.800000011920929, 0.20000000298023224], [0.6000000238418579, 0.4000000059604645]]
    """
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim == 1:
        return _classes(labels, path), ()
    return _of_rows(labels, path, logits=logits)


def _of_rows(labels: Tensor, path: Path, *, logits: bool) -> tuple[Tensor, tuple[str, ...]]:
    scores = labels.float()
    hard, sums = scores.argmax(1), scores.sum(1)
    one_hot = F.one_hot(hard, scores.shape[1]).to(scores)
    room = _room(labels)
    if bool((sums - 1).abs().max() <= room) and bool((scores >= 0).all()):
        if bool((scores == one_hot).all()):
            return hard, ()
        return (scores / sums[:, None] if room > SHARES_WITHIN else scores), ()
    if _two_levels(scores, one_hot):
        return hard, ("each label is one class, on a scale of its own: the classes were taken",)
    if logits or _are_logarithms(scores, room):
        return scores.softmax(1), ("labels are logits: their softmax was taken, as soft labels",)
    if bool((scores >= 0).all()) and _alike(sums):
        told = f"labels are shares of {float(sums.mean()):.4g}: they were divided by their sums"
        return scores / sums[:, None], (told,)
    _require_one_highest(scores, path)
    told = (
        "labels are scores, not shares of classes: the class of the highest score was taken, and "
        "what they say of other classes is left out"
    )
    return hard, (told,)


def labels_in(
    value: Any, classes: tuple[str, ...] | None, path: Path
) -> tuple[Tensor, tuple[str, ...] | None]:
    """Return labels that a table holds, and the names of the classes, where it has names.

    Args:
        value: see ``tensor_of``; or a name for each image.
        classes: those of the numbers 0, 1, ..., where the table says them.
        path: of the file.

    Raises:
        InputError: when it is neither, or a name is none of the classes.

    >>> labels_in(["b", "a"], None, Path("x")), labels_in(["10", "9"], None, Path("x"))
    ((tensor([1, 0]), ('a', 'b')), (tensor([1, 0]), ('9', '10')))
    """
    given: list[Any] = list(value) if isinstance(value, list | tuple) else []  # pyright: ignore[reportUnknownArgumentType]
    texts = [each for each in given if isinstance(each, str)]
    if not texts or len(texts) < len(given):
        return tensor_of(value, "labels", path), classes
    names = sorted(set(texts))
    numbers = numbers_of(names)
    if numbers is not None:
        names = [name for _, name in sorted(zip(numbers, names, strict=True))]
    known = classes or tuple(names)
    places = {name: k for k, name in enumerate(known)}
    strange = next((name for name in names if name not in places), None)
    if strange is not None:
        raise InputError(f"{path}: the label {strange!r} is none of its classes")
    return torch.tensor([places[name] for name in texts]), known


def in_order(names: Sequence[str], classes: Sequence[str]) -> list[int] | None:
    """Return which of a dataset's classes each name means; None where one means none.

    Names may be those of the classes, or all of them numbers, after one word or none: ``00003``,
    ``new003``, ``class_3``.

    >>> in_order(["Truck", "cat"], ["cat", "truck"]), in_order(["new001", "new000"], ["a", "b"])
    ([1, 0], [1, 0])
    """
    places = {folded(name): i for i, name in enumerate(classes)}
    found = [places.get(folded(name)) for name in names]
    if all(place is not None for place in found):
        return [place for place in found if place is not None]
    numbers = numbers_of(names)
    if numbers is not None and all(number < len(classes) for number in numbers):
        return numbers
    return None


def numbers_of(names: Sequence[str]) -> list[int] | None:
    """Return the numbers that names are, all after the same word or none; None if they are not.

    >>> numbers_of(["new000", "new010"]), numbers_of(["a1", "b2"]), numbers_of(["x1", "x01"])
    ([0, 10], None, None)
    """
    parts = [re.fullmatch(r"([^\W\d]*?)[\s_-]*(\d+)", name) for name in names]
    words = {part[1].casefold() for part in parts if part}
    numbers = [int(part[2]) for part in parts if part]
    alike = len(numbers) == len(names) and len(words) == 1
    return numbers if alike and len(set(numbers)) == len(numbers) else None


def _classes(labels: Tensor, path: Path) -> Tensor:
    whole = labels.long()
    if not bool((whole == labels).all()):
        raise InputError(f"{path}: labels are neither whole numbers nor shares of classes")
    if int(whole.min()) < 0 or int(whole.max()) >= MOST_CLASSES:
        wrong = whole.min() if int(whole.min()) < 0 else whole.max()
        raise InputError(f"{path}: label {int(wrong)} is no class: they count from 0")
    return whole


def _room(labels: Tensor) -> float:
    # How far sums of shares may be from 1: those of half precision are rounded.
    if not labels.is_floating_point():
        return SHARES_WITHIN
    return max(SHARES_WITHIN, torch.finfo(labels.dtype).eps)


def _are_logarithms(scores: Tensor, room: float) -> bool:
    # What log_softmax gives.
    return bool((scores <= 0).all()) and bool((scores.exp().sum(1) - 1).abs().max() <= room)


def _alike(sums: Tensor) -> bool:
    return bool((sums > 0).all()) and bool((sums / sums.mean() - 1).abs().max() <= SHARES_WITHIN)


def _require_one_highest(scores: Tensor, path: Path) -> None:
    # A row of zeros says no class, and not the first.
    ties = (scores == scores.amax(1, keepdim=True)).sum(1) > 1
    if bool(ties.any()):
        row = int(ties.nonzero()[0])
        raise InputError(
            f"{path}: the label of image {row} is the highest for several classes at once; "
            "expected the number of a class, shares of the classes, or scores with one highest"
        )


def _two_levels(scores: Tensor, one_hot: Tensor) -> bool:
    # KIP's are 0.9 for the class and -0.1 for the others.
    high, low = scores[one_hot > 0], scores[one_hot == 0]
    if not low.numel():
        return False
    width = float(high.mean() - low.mean())
    return width > 0 and float(max(high.std(correction=0), low.std(correction=0))) < 1e-3 * width
