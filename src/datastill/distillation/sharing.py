"""The classes of one distillation shared out over processes, each of which moves its own images.

A loss that is a sum over classes asks nothing of one class for the images of another. Every process
holds all that is learned, works on its classes and hears of the others when it has to: at pauses,
so that a whole set can be looked at; before every update, if networks are trained on the set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor

from datastill.base.errors import InputError
from datastill.distillation.parameters import Leaves


class Exchange(Protocol):
    """How processes hear of each other."""

    def gathered(self, mine: Tensor) -> Sequence[Tensor]:
        """Return the tensor of every process, in their order; all are of one shape."""
        ...

    def go_on(self) -> None:
        """Tell the others, at a pause, that updates follow; called by the first process alone."""
        ...


@runtime_checkable
class ByClasses(Protocol):
    """A method whose loss is what matching class by class comes to, and nothing else.

    Attributes:
        by_classes: true.
    """

    by_classes: ClassVar[bool]


@dataclass(frozen=True, eq=False)
class Share:
    """The part of a distillation that a process has.

    Attributes:
        rank: its number.
        world: how many there are.
        every: updates from one pause to the next.
        exchange: how it hears of the others.
    """

    rank: int
    world: int
    every: int
    exchange: Exchange

    def has(self, label: int) -> bool:
        """Tell whether a class is its own: neighbours, which may be alike in size, are not."""
        return label % self.world == self.rank

    def pauses(self, step: int, total: int) -> bool:
        """Tell whether all know all after an update."""
        return step % self.every == 0 or step == total

    def hear(self, leaves: Leaves, counts: Sequence[int], *, images_only: bool = False) -> None:
        """Put in place what the others learned of their classes.

        Args:
            leaves: what is learned.
            counts: of each class.
            images_only: without what optimisers remember, which nobody asks for before a pause.
        """
        rows = self._rows(counts)
        for name, leaf in leaves.leaves.items():
            held = [] if images_only else [*leaves.optimisers[name].state[leaf].values()]
            for value in (leaf, *held):
                if isinstance(value, Tensor) and value.shape[:1] == leaf.shape[:1] and value.ndim:
                    self._filled(value, rows)

    def total(self, loss: Tensor) -> Tensor:
        """Return the sum of a scalar over all processes."""
        return torch.stack([*self.exchange.gathered(loss.reshape(1))]).sum()

    @torch.no_grad()
    def _filled(self, whole: Tensor, rows: Sequence[Tensor]) -> None:
        most = max(map(len, rows))
        mine = torch.zeros(most, *whole.shape[1:], dtype=whole.dtype, device=whole.device)
        mine[: len(rows[self.rank])] = whole[rows[self.rank].to(whole.device)]
        for its, found in zip(rows, self.exchange.gathered(mine), strict=True):
            whole[its.to(whole.device)] = found[: len(its)].to(whole)

    def _rows(self, counts: Sequence[int]) -> list[Tensor]:
        labels = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
        return [(labels % self.world == rank).nonzero()[:, 0] for rank in range(self.world)]


def require_shareable(
    method: Any,
    share: Share | None,
    leaves: Leaves,
    counts: Sequence[int],
    regularisers: Mapping[str, Any],
) -> None:
    """Refuse a distillation whose classes are shared out, and cannot be worked on apart.

    Raises:
        InputError: saying what looks at all of them.
    """
    if share is None:
        return
    name = type(method).__name__
    if not isinstance(method, ByClasses):
        raise InputError(
            f"classes are shared out by methods that are a sum over classes, DM, DC and DSA; "
            f"{name} sees the whole set: start it once, not under torchrun"
        )
    for named, leaf in leaves.leaves.items():
        if leaf.shape[:1] != (sum(counts),) or named != "images":
            raise InputError(
                f"`{named}` is learned of all classes at once, which cannot be shared out; leave "
                "it out, or start datastill once, not under torchrun"
            )
    for named, one in regularisers.items():
        if not callable(getattr(one, "of_part", None)):
            raise InputError(
                f"the regulariser {named!r} looks at all classes at once, which cannot be shared "
                "out; CLOM by cross-entropy can, with weights that are given"
            )
