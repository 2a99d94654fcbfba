"""Labels and classes as other projects write them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import torch.nn.functional as F
from torch import Tensor

from datastill.base.errors import InputError
from datastill.base.registry import folded
from datastill.data.soundness import SHARES_WITHIN

MOST_CLASSES = 10**5


def settle_labels(
    labels: Tensor, path: Path, *, logits: bool = False
) -> tuple[Tensor, tuple[str, ...]]:
    """Return hard labels, or soft ones that are shares of the classes; and what was done.

    Args:
        labels: ``(N,)``, ``(N, 1)`` or ``(N, K)``.
        path: of their file.
        logits: whether those that are no shares are logits, whose softmax is; of other scores, such
            as KIP's, the highest counts.

    Raises:
        InputError: when they are no classes.

    >>> import torch
    >>> settle_labels(torch.tensor([[0.9, -0.1], [-0.1, 0.9]]), Path("x"))[0].tolist()
    [0, 1]
    >>> settle_labels(torch.tensor([0.0, 2.0]), Path("x"))[0].tolist()
    [0, 2]
    >>> settle_labels(torch.tensor([[0.0, 0.0], [1.0, 1.0]]), Path("x"), logits=True)[0].tolist()
    [[0.5, 0.5], [0.5, 0.5]]
    """
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim == 1:
        return _classes(labels, path), ()
    scores = labels.float()
    hard = scores.argmax(1)
    one_hot = F.one_hot(hard, scores.shape[1]).to(scores)
    if bool((scores.sum(1) - 1).abs().max() <= SHARES_WITHIN) and bool((scores >= 0).all()):
        return (hard, ()) if bool((scores == one_hot).all()) else (scores, ())
    if _two_levels(scores, one_hot):
        return hard, ("each label is one class, on a scale of its own: the classes were taken",)
    if logits:
        return scores.softmax(1), ("labels are logits: their softmax was taken, as soft labels",)
    told = (
        "labels are scores, not shares of classes: the class of the highest score was taken, and "
        "what they say of other classes is left out"
    )
    return hard, (told,)


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
        raise InputError(f"{path}: label {int(wrong)} is no class")
    return whole


def _two_levels(scores: Tensor, one_hot: Tensor) -> bool:
    # KIP's are 0.9 for the class and -0.1 for the others.
    high, low = scores[one_hot > 0], scores[one_hot == 0]
    if not low.numel():
        return False
    width = float(high.mean() - low.mean())
    return width > 0 and float(max(high.std(correction=0), low.std(correction=0))) < 1e-3 * width
