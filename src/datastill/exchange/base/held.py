"""A set as a file holds it, and which one several of them stand for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from datastill.base.errors import InputError
from datastill.base.wording import counted
from datastill.exchange.base.contract import Found
from datastill.exchange.base.tensors import put_together

STEPS = "results"
"""What the first project of all, Wang et al.'s of 2018, calls its list of steps."""


@dataclass(frozen=True, eq=False)
class Held:
    """A set as a file holds it.

    Attributes:
        images: ``(N, C, H, W)``.
        labels: ``(N,)`` or ``(N, K)``.
        rate: the learning rate that was learned with it.
        logits: whether labels of shape ``(N, K)`` are said to be logits.
        classes: their names, where they are there.
        normalisation: see ``Found``.
        header: what datastill wrote.
        accuracies: that whoever saved it measured.
        remarks: what a person should be told.
    """

    images: Tensor
    labels: Tensor
    rate: float | None = None
    logits: bool = False
    classes: tuple[str, ...] | None = None
    normalisation: tuple[list[float], list[float]] | None = None
    header: Mapping[str, Any] | None = None
    accuracies: Any = None
    remarks: tuple[str, ...] = ()

    def found(self, facts: Mapping[str, Any]) -> Found:
        """Return what was found, with the facts that a format knows."""
        learned = {} if self.rate is None else {"learning_rate": self.rate}
        return Found(
            self.images.contiguous(),
            self.labels.contiguous(),
            header=self.header,
            logits=self.logits,
            classes=self.classes,
            normalisation=self.normalisation,
            facts={**facts, **learned},
            remarks=self.remarks,
        )


def of_steps(found: Sequence[Held], experiment: int | None, path: Path) -> Held:
    """Return the set that a list stands for; entries of results.pth are steps of one.

    Images of these come again in every epoch.

    Args:
        found: in their order.
        experiment: which one a person wants.
        path: of the file.

    Raises:
        InputError: see ``one_of``.
    """
    steps = path.stem == STEPS and all(one.rate is not None for one in found)
    if not steps or experiment is not None:
        return one_of(found, experiment, path)
    different: list[Held] = []
    for one in found:
        if not any(torch.equal(one.images, other.images) for other in different):
            different.append(one)
    told = (
        f"it holds {len(found)} steps, of {len(different)} different sets of images: put together; "
        "--experiment takes one step"
    )
    return joined(different, told, path)


def one_of(found: Sequence[Held], experiment: int | None, path: Path) -> Held:
    """Return the set that several in one file stand for.

    Sets of different classes are steps of one: they are put together. Sets of the same are
    experiments or snapshots, of which the last is what a run came to.

    Args:
        found: in their order.
        experiment: which one a person wants.
        path: of the file.

    Raises:
        InputError: when there is none, or not the one that is wanted.
    """
    if experiment is not None or not found:
        if not 0 <= (experiment or 0) < len(found):
            raise InputError(
                f"{path} holds {counted(len(found), 'experiment')}; there is no number "
                f"{experiment or 0}"
            )
        return found[experiment or 0]
    if len(found) == 1:
        return found[0]
    if disjoint(found):
        told = (
            f"it holds {len(found)} sets of different classes, the steps of one: put together; "
            "--experiment takes one of them"
        )
        return joined(found, told, path)
    alike = len({frozenset(_classes(one.labels)) for one in found}) == 1
    kind = "the same classes, experiments or snapshots of a run" if alike else "overlapping classes"
    told = f"it holds {len(found)} sets of {kind}: the last was taken, --experiment takes another"
    return replace(found[-1], remarks=(told, *found[-1].remarks))


def disjoint(found: Sequence[Held]) -> bool:
    """Tell whether no class is in two of several sets, whose images are of one shape."""
    classes = [set(_classes(one.labels)) for one in found]
    apart = len(set[int]().union(*classes)) == sum(map(len, classes))
    like = {(one.images.shape[1:], one.labels.shape[1:]) for one in found}
    return apart and len(like) == 1 and all(classes)


def joined(found: Sequence[Held], told: str, path: Path) -> Held:
    """Put sets together, one after another.

    Args:
        found: the sets.
        told: what is said of it.
        path: of the file.

    Raises:
        InputError: when they are together larger than any set, or do not fit together.
    """
    rates = {one.rate for one in found}
    rate = rates.pop() if len(rates) == 1 else None
    remarks = dict.fromkeys([told, *(remark for one in found for remark in one.remarks)])
    if rates:
        remarks["each has a learning rate of its own: none is kept"] = None
    said = [(one.classes, one.normalisation) for one in found]
    classes, normalisation = said[0] if all(one == said[0] for one in said) else (None, None)
    return Held(
        put_together([one.images for one in found], "images", path, torch.cat),
        put_together([one.labels for one in found], "labels", path, torch.cat),
        rate,
        found[0].logits,
        classes,
        normalisation,
        remarks=tuple(remarks),
    )


def _classes(labels: Tensor) -> list[int]:
    hard = labels.argmax(1) if labels.ndim == 2 and labels.shape[1] > 1 else labels.flatten()
    return [int(k) for k in hard.unique().tolist()]
