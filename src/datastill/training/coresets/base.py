"""What a coreset is: real images picked to stand for all of them, or made of such."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from datastill.base.errors import InputError, told
from datastill.base.registry import Registry
from datastill.base.rng import Key
from datastill.data import ImageSet, require_held
from datastill.training.pool import Member, Pool
from datastill.training.seeing import teacher

JUDGED = 128
"""Images that an original model is shown at once."""

Need = Literal["originals"]
"""What a coreset may ask for beyond real images: an argument of that name."""


class Coreset(Protocol):
    """Picks real images of every class: the baselines of distillation.

    One that has a set ``needs`` is given the arguments that this names too, see ``Known``.
    """

    def __call__(
        self,
        real: ImageSet,
        counts: Sequence[int],
        *,
        key: Key,
        features: Tensor | None = None,
    ) -> Tensor | ImageSet:
        """Return the rows of the images picked, sorted by class; or what is made of such.

        Args:
            real: training images.
            counts: how many to pick, or to make, of each class.
            key: decides ties and chances.
            features: ``(N, D)``, the space in which images are near or far; by default pixels.

        Returns:
            Rows, ``(sum(counts),)``. Where images are not taken as they are, a set of them,
            normalised as the real ones and sorted by class: crops, say, or several in one.

        Raises:
            InputError: when a class has fewer images than are to be picked, see
                ``data.require_held``.
        """
        ...


@dataclass(frozen=True, eq=False)
class Known:
    """What coresets may know of real images besides these.

    Attributes:
        features: ``(N, D)``, where images are near or far; None for pixels.
        originals: original models, the first of which judges where one does.
    """

    features: Tensor | None = None
    originals: Pool = ()


NOTHING = Known()
CORESETS = Registry[Coreset]("coreset", "datastill.coresets")


def needs_of(coreset: Coreset) -> frozenset[Need]:
    """Return what a coreset asks for beyond real images."""
    return frozenset(getattr(coreset, "needs", ()))


def picked(
    coreset: Coreset,
    real: ImageSet,
    counts: Sequence[int],
    *,
    key: Key,
    known: Known = NOTHING,
) -> ImageSet:
    """Return the images that a coreset picks, or makes, sorted by class.

    Args:
        coreset: which.
        real: training images.
        counts: how many of each class.
        key: decides ties and chances.
        known: what it may know of them.

    Raises:
        InputError: when a class has fewer, the coreset asks for what is not known, or it returns
            neither rows nor a set.
    """
    more = {name: getattr(known, name) for name in sorted(needs_of(coreset))}
    for name, value in more.items():
        if not len(value):
            raise InputError(f"a coreset asks for `{name}`, and there are none")
    found = coreset(real, counts, key=key, features=known.features, **more)
    if isinstance(found, ImageSet):
        return found
    if not isinstance(found, Tensor):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(
            f"a coreset returns rows of real images, or a set of such; found {told(found)}"
        )
    return real.take(found.to(real.images.device))


@torch.no_grad()
def cross_entropies(original: Member, data: ImageSet) -> Tensor:
    """Return the ``(N,)`` cross-entropies of images' classes under an original model.

    Raises:
        InputError: for one of another kind of images.
    """
    judge = teacher(original, data.domain)
    said = torch.cat([judge(part) for part in data.images.split(JUDGED)])
    return F.cross_entropy(said, data.hard_labels, reduction="none")


def class_by_class(
    real: ImageSet,
    counts: Sequence[int],
    features: Tensor | None,
    pick: Callable[[Tensor, int, int], Sequence[int]],
) -> Tensor:
    """Pick in every class by itself.

    Args:
        real: training images.
        counts: how many to pick of each class.
        features: ``(N, D)``, or None for pixels.
        pick: takes the ``(n, D)`` points of a class, how many to pick, and the class; returns
            their indices.

    Returns:
        The rows picked, sorted by class, on the CPU.

    Raises:
        InputError: when a class has fewer.
    """
    require_held(real, counts)
    space = real.images if features is None else features
    chosen: list[Tensor] = []
    for label, (rows, count) in enumerate(zip(real.rows_by_class, counts, strict=True)):
        points = space[rows.to(space.device)].flatten(1).detach().float().cpu()
        found = pick(points, count, label) if count else []
        chosen.append(rows[torch.tensor(list(found), dtype=torch.long)])
    return torch.cat(chosen)
