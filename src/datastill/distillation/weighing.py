"""The weight of a regulariser, found while a set is distilled: as much of it as matching bears."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from datastill.base.errors import InputError, not_negative, positive, told
from datastill.base.rng import Key
from datastill.distillation.clom import Regulariser, tracking
from datastill.distillation.descent import Descent
from datastill.distillation.methods.base import (
    Beside,
    Matching,
    Remembering,
    Task,
    matched_under,
    skipped,
)
from datastill.distillation.parameters import Leaves, flat, unflat
from datastill.distillation.parametrisations import Synthetic, gradients, spread
from datastill.networks import has_batch_statistics

SHARE = 0.12
"""Of the time of all updates that a twin may take."""


@dataclass(frozen=True)
class Bearable:
    r"""As much of a regulariser as matching bears: dual ascent beside a twin without it.

    The regulariser is to be as small as it can while the method's loss :math:`L` of the set
    :math:`X` stays below :math:`(1 + \delta) L(X_0)`. The twin :math:`X_0` is moved by the method
    alone: from the same start, under the same networks, augmentations and real images. The weight
    is the multiplier of that constraint: with :math:`\bar r` the smoothed logarithm of
    :math:`L(X) / L(X_0)`, update :math:`t` ends with :math:`\log \alpha \mathrel{+}= \eta_t (1 -
    \bar r / \log(1 + \delta))`, where :math:`\eta_t = \eta / (1 + t / \tau)`.

    Attributes:
        delta: by how much matching may be worse, as a share.
        start: the weight to begin with, from ``least`` to ``most``.
        least: the weight is never below it.
        most: the weight is never above it.
        rate: :math:`\eta`.
        slowing: :math:`\tau`, in updates.
        smoothing: share of the ratio that stays from one update to the next, below 1.
    """

    delta: float = 0.05
    start: float = 1.0
    least: float = 0.001
    most: float = 1e5
    rate: float = 0.15
    slowing: float = 200.0
    smoothing: float = 0.9

    def __post_init__(self) -> None:
        positive(delta=self.delta, start=self.start, least=self.least, most=self.most)
        positive(rate=self.rate, slowing=self.slowing)
        not_negative(smoothing=self.smoothing)
        if self.smoothing >= 1:
            raise InputError(f"`smoothing` must be below 1, found {told(self.smoothing)}")
        if not self.least <= self.start <= self.most:
            said = f"{self.start:g}, {self.least:g} and {self.most:g}"
            raise InputError(f"`start` must lie from `least` to `most`, found {said}")

    def after(self, numbers: Tensor, ratio: Tensor, step: int) -> Tensor:
        """Return the logarithms of weight and smoothed ratio after an update.

        Args:
            numbers: ``(2,)``, those before.
            ratio: what matching is, as a multiple of the twin's.
            step: how many updates were made before this one.
        """
        weight, smoothed = numbers
        smoothed = self.smoothing * smoothed + (1 - self.smoothing) * ratio.log()
        rate = self.rate / (1 + step / self.slowing)
        weight = weight + rate * (1 - smoothed / math.log1p(self.delta))
        low, high = math.log(self.least), math.log(self.most)
        return torch.stack([weight.clamp(low, high), smoothed])


@dataclass(frozen=True, eq=False)
class Weighed:
    """A regulariser whose weight is found while a set is distilled: goes where regularisers go.

    Attributes:
        regulariser: of weight 1.
        rule: how the weight is found.
    """

    regulariser: Regulariser
    rule: Bearable = field(default_factory=Bearable)

    def __call__(self, images: Tensor, labels: Tensor, *, key: Key) -> Tensor:
        """Return the scalar of weight 1."""
        return self.regulariser(images, labels, key=key)

    def tracking(self, images: int | None) -> Weighed:
        """Return the same that keeps the way of so many images at once, see ``Route.tracked``."""
        return replace(self, regulariser=tracking(self.regulariser, images))


def sought_for_a_share(method: Any, regularisers: Mapping[str, Any]) -> bool:
    """Tell whether a weight is found in a share of all updates, so that their number counts.

    Beside a method that does not match class by class a twin costs as much as the set.
    """
    weighed = any(isinstance(one, Weighed) for one in regularisers.values())
    return weighed and not isinstance(method, Matching)


@dataclass(eq=False)
class Twin:
    """A set as it would be without the regulariser, and the weight that follows.

    Attributes:
        name: of the regulariser.
        rule: how its weight is found.
        descent: how the set is moved, and its twin likewise.
        counts: images of each class that are learned.
        leaves: what the twin is made of.
        beside: what updates leave for it.
        updates: that it is followed for; then the weight stays as it is.
        numbers: the logarithms of the weight and of the smoothed ratio.
    """

    name: str
    rule: Bearable
    descent: Descent
    counts: tuple[int, ...]
    leaves: Leaves
    beside: Beside
    updates: int
    numbers: Tensor

    @classmethod
    def of(
        cls,
        regularisers: Mapping[str, Any],
        method: Any,
        task: Task,
        descent: Descent,
        counts: tuple[int, ...],
        begun: Mapping[str, Tensor],
    ) -> Twin | None:
        """Return the twin of a set as it begins, or None where no regulariser is weighed.

        Raises:
            InputError: for two such regularisers, or a method that cannot be asked twice.
        """
        weighed = {name: one for name, one in regularisers.items() if isinstance(one, Weighed)}
        if not weighed:
            return None
        if len(weighed) > 1:
            raise InputError(f"one regulariser may be weighed, not {' and '.join(weighed)}")
        apart = isinstance(method, Matching)
        if not apart and isinstance(method, Remembering):
            raise InputError(
                f"the weight of {next(iter(weighed))!r} cannot be found beside a method that "
                "remembers and does not match class by class; give a number"
            )
        ((name, one),) = weighed.items()
        classes = _classes(task, descent, counts) if apart else range(len(counts))
        some = sought_for_a_share(method, regularisers)
        updates = math.ceil(SHARE * descent.updates) if some else descent.updates
        leaves = Leaves.of(begun, descent.by_name)
        numbers = torch.tensor([math.log(one.rule.start), 0.0], dtype=torch.float64)
        numbers = numbers.to(task.real.images.device)
        return cls(name, one.rule, descent, counts, leaves, Beside(classes), updates, numbers)

    @property
    def weight(self) -> Tensor:
        """The weight of the regulariser in the update to come."""
        return self.numbers[0].exp()

    def follow(self, method: Any, task: Task, step: int, loss: Tensor, *, key: Key) -> None:
        """Move the twin as the set was matched in an update, and weigh anew.

        Args:
            method: that matched.
            task: on what.
            step: of the update.
            loss: of the set, by the method.
            key: of the update.

        Raises:
            InputError: when the loss of the classes that the twin has is not known.
        """
        if step >= self.updates:
            return
        domain = task.real.domain
        decoded = self.descent.parametrisation.decode(self.leaves.leaves, self.counts, domain)
        apart = decoded.apart()
        matched, found = self._compared(method, task, step, loss, apart, key=key)
        tiny = torch.finfo(torch.float32).tiny
        ratio = (matched.double() + tiny) / (found.detach().double() + tiny)
        self.numbers = self.rule.after(self.numbers, ratio, step)
        spread(decoded, gradients(found, apart))
        self.leaves.step(skipped=skipped(method, found))
        with torch.no_grad():
            self.descent.parametrisation.project(self.leaves.leaves, domain)
        self.beside.forget()

    def _compared(
        self, method: Any, task: Task, step: int, loss: Tensor, twin: Synthetic, *, key: Key
    ) -> tuple[Tensor, Tensor]:
        # The loss of set and twin: of the same classes, under the same network, by the same scale.
        some, matched = _some(twin, self.beside.classes), self.beside.matched
        network, whole = self.beside.network, self.beside.whole
        tiny = torch.finfo(torch.float32).tiny
        if matched is not None and network is not None and whole is not None:
            times = (loss + tiny) / (whole + tiny)  # what the method makes of what is matched
            return times * matched, times * matched_under(method, network, task, some, key=key)
        if len(self.beside.classes) < len(self.counts) or isinstance(method, Remembering):
            raise InputError(
                f"the weight of {self.name!r} cannot be found: {type(method).__name__} matches "
                "class by class and does not say what some classes came to; let its `loss` call "
                "`matched`, under networks that normalise as those of `build` do, or give a number"
            )
        found, _ = method.loss(task, step, None, some, key=key)
        return loss, found

    def state(self) -> dict[str, Tensor]:
        """Return copies of all that it follows from, by names."""
        held = flat(self.leaves.values(), self.leaves.state())
        return {**held, "numbers": self.numbers.clone()}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Put it where it was.

        Raises:
            RuntimeError: when the state is that of another.
        """
        params, optimisers, others = unflat(tensors)
        self.leaves.restore(params, optimisers)
        numbers = others.get("numbers")
        if numbers is None or numbers.shape != (2,) or not bool(numbers.isfinite().all()):
            raise RuntimeError("a twin without its two numbers")
        self.numbers = numbers.to(self.numbers)


def _classes(task: Task, descent: Descent, counts: Sequence[int]) -> range:
    # All, if that costs little: real images pass a network once, synthetic ones there and back.
    # All as well where a network sees them as one batch, which says nothing of some of them.
    shown = sum(counts) * descent.parametrisation.parts / max(1, sum(map(bool, counts)))
    share = 3 * shown / (descent.batch + 3 * shown)
    if share <= SHARE or has_batch_statistics(task.build(key=task.key)):
        return range(len(counts))
    most = max(1, int(SHARE / share * len(counts)))
    first = task.key.at("twin").integer(len(counts) - most + 1)
    some = range(first, first + most)
    return some if any(counts[k] for k in some) else range(len(counts))


def _some(shown: Synthetic, classes: range) -> Synthetic:
    # The images of these classes, differentiable in those of all.
    if len(classes) == len(shown.counts):
        return shown
    first = sum(shown.counts[: classes.start])
    rows = slice(first, first + sum(shown.counts[k] for k in classes))
    counts = tuple(count if k in classes else 0 for k, count in enumerate(shown.counts))
    shares = None if shown.shares is None else shown.shares[rows]
    return replace(
        shown, images=shown.images[rows], counts=counts, shares=shares, stored=None, unfold=None
    )
