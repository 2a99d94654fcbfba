"""What a coreset is: real images picked to stand for all of them, or made of such."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Protocol, TypeVar, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from datastill.base.errors import InputError, told
from datastill.base.own_code import declared, is_ours, unchanged
from datastill.base.registry import Registry
from datastill.base.rng import Key
from datastill.base.wording import counted
from datastill.data import ImageSet, as_kept, require_held, require_sound
from datastill.data.tiles import Unfold
from datastill.identity import keys_of
from datastill.training.dynamics import Dynamics, Statistic, averaged
from datastill.training.pool import Member, Pool
from datastill.training.seeing import teacher

JUDGED = 128
"""Images that an original model is shown at once."""

T = TypeVar("T")
Need = Literal["originals", "dynamics"]
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

    @property
    def dynamics(self) -> tuple[Dynamics, ...]:
        """How real images did while original models were trained on them, where that is known."""
        return tuple(one.dynamics for one in self.originals if one.dynamics is not None)


NOTHING = Known()
MISSING = {
    "originals": "a coreset asks for `originals`, and there are none",
    "dynamics": "a coreset picks by how images did while original models were trained on them, and "
    "there are no models that have kept that; those of an earlier datastill have not: train others "
    "('datastill train', with --add beside those)",
}
"""What is said where a coreset asks for what is not known."""
CORESETS = Registry[Coreset]("coreset", "datastill.coresets")


def needs_of(coreset: Coreset) -> frozenset[Need]:
    """Return what a coreset asks for beyond real images."""
    return declared(coreset, (), get_args(Need))


def marked(*, looks_at_features: bool = False, without_chance: bool = False) -> Callable[[T], T]:
    """Return a decorator that says of a coreset what others want to know of it.

    Args:
        looks_at_features: it picks what is near or far, as published in the features of a network.
        without_chance: it picks the same images whatever its key.
    """

    def mark(coreset: T) -> T:
        given: Any = coreset
        given.looks_at_features, given.without_chance = looks_at_features, without_chance
        return coreset

    return mark


def require_known(coreset: Coreset, known: Known) -> None:
    """Refuse to pick without what a coreset asks for.

    Raises:
        InputError: saying what, and what to do.
    """
    for name in sorted(needs_of(coreset)):
        if not len(getattr(known, name)):
            raise InputError(MISSING[name])


def unfold_of(coreset: Coreset) -> Unfold | None:
    """Return how what a coreset makes is unfolded, where it puts smaller images into one."""
    return getattr(coreset, "unfold", None)


def looks_at_features(coreset: Coreset) -> bool:
    """Tell whether a coreset says that it picks what is near or far: see ``marked``."""
    return bool(getattr(coreset, "looks_at_features", False))


def without_chance(coreset: Coreset) -> bool:
    """Tell whether a coreset says that it picks the same images whatever its key."""
    return bool(getattr(coreset, "without_chance", False))


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
    require_known(coreset, known)
    more = {name: getattr(known, name) for name in sorted(needs_of(coreset))}
    own = key.at("own").scope()  # a person's own may draw from the generator of the process
    with own, unchanged("a coreset", the_real_images=real.images):
        found = coreset(real, counts, key=key, features=known.features, **more)
    made = found if isinstance(found, ImageSet) else _taken(found, real)
    if not is_ours(coreset):
        _require_sorted(made, counts)
    return made


def _require_sorted(made: ImageSet, counts: Sequence[int]) -> None:
    require_sound(made, "what a coreset made")
    labels, classes = as_kept(made).hard_labels.cpu(), torch.arange(len(counts))
    if not labels.equal(classes.repeat_interleave(torch.tensor(list(counts)))):
        held = told(torch.bincount(labels, minlength=len(counts)).tolist())
        raise InputError(
            "a coreset returns as many images of each class as are wanted, sorted by class; it has "
            f"{held} of {told(list(counts))}, or they are not sorted"
        )


def _taken(found: Any, real: ImageSet) -> ImageSet:
    kind = (found.dtype, found.ndim) if isinstance(found, Tensor) else None
    if kind not in ((torch.int64, 1), (torch.int32, 1)):
        shown = f"{found.dtype} of {tuple(found.shape)}" if kind else told(found)
        wanted = "rows of real images, a tensor of (n,) int64, or a set of such"
        raise InputError(f"a coreset returns {wanted}; found {shown}")
    least, most = (int(end) for end in found.aminmax()) if len(found) else (0, 0)
    if least < 0 or most >= len(real):
        raise InputError(
            f"a coreset returns rows of {counted(len(real), 'real image')}, found {least} to {most}"
        )
    return real.take(found.to(real.images.device))


@torch.no_grad()
def cross_entropies(original: Member, data: ImageSet) -> Tensor:
    """Return the ``(N,)`` cross-entropies of images' classes under an original model.

    In float64: of images that it is sure of those in float32 are all zero.

    Raises:
        InputError: for one of another kind of images.
    """
    judge = teacher(original, data.domain)
    said = torch.cat([judge(part) for part in data.images.split(JUDGED)])
    return F.cross_entropy(said.double(), data.hard_labels, reduction="none")


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


@dataclass(frozen=True)
class ByDynamics:
    """Keeps the images for which a number, found while networks were trained on them, is least.

    Chance decides among equals; images that no network was trained on come last.

    Attributes:
        statistic: the number, of one network; the mean over all counts.
        most: keep those for which it is largest.
        without_chance: whether there are hardly ever equals.
    """

    statistic: Statistic
    most: bool = False
    without_chance: bool = True
    needs: ClassVar[frozenset[Need]] = frozenset({"dynamics"})

    @property
    def hardest(self) -> ByDynamics:
        """The same that keeps those at the other end."""
        return replace(self, most=not self.most)

    def __call__(
        self,
        real: ImageSet,
        counts: Sequence[int],
        *,
        key: Key,
        features: Tensor | None = None,  # noqa: ARG002 - it looks at no space
        dynamics: Sequence[Dynamics] = (),
    ) -> Tensor:
        """Return the rows of the images, those first that are kept first."""
        require_held(real, counts)
        scores = averaged_over(dynamics, real, self.statistic) * (-1 if self.most else 1)
        chosen = [
            rows[least(scores[rows], count, key=key.at(label))]
            for label, (rows, count) in enumerate(zip(real.rows_by_class, counts, strict=True))
        ]
        return torch.cat(chosen)


def averaged_over(known: Sequence[Dynamics], real: ImageSet, statistic: Statistic) -> Tensor:
    """Return the ``(N,)`` mean of a number over all networks that were trained on an image.

    Raises:
        InputError: when they were trained on other images.
    """
    found = averaged(known, keys_of(real), statistic)
    if len(found) and bool(found.isnan().all()):
        raise InputError("the accounts of training are of other images than these")
    return found


def least(scores: Tensor, count: int, *, key: Key) -> Tensor:
    """Return the indices of the least ``(N,)`` scores; chance decides among equals, nan is last."""
    order = torch.randperm(len(scores), generator=key.generator())
    return order[scores[order].argsort(stable=True)[:count]]
