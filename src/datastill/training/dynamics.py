"""Training dynamics: what became of every image while a network was trained on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from datastill.base.errors import InputError
from datastill.base.wording import counted
from datastill.identity import Digests

EARLY = 20
"""Epochs whose errors are kept one by one."""

LAST_EARLY = 10
"""The last epoch whose errors count as early."""

HELD = 2**20
"""Logits that are looked at at once: to look at those of every batch alone would cost more."""

COUNTS, SUMS = ("correct", "forgotten"), ("margins", "losses")


@dataclass(frozen=True, eq=False, repr=False)
class Dynamics:
    """How the images did that a network was trained on, each in the moment when it was its turn.

    It takes 24 bytes an image, and 2 for each of the first ``EARLY`` epochs.

    Attributes:
        keys: ``(N,)``, by which images are known again, see ``identity.keys_of``.
        epochs: passes over them.
        errors: ``(E, N)`` float16, of the first ``EARLY`` epochs: the 2-norm of what the network
            said, as shares of the classes, less the label as such.
        margins: ``(N,)``, the sum over all epochs of the logit of the label less the largest other.
        losses: ``(N,)``, the sum over all epochs of the cross-entropy.
        correct: ``(N,)`` int32, epochs in which the label had the largest logit, and alone.
        forgotten: ``(N,)`` int32, epochs in which it had not, and had in the one before.
    """

    keys: Digests
    epochs: int
    errors: Tensor
    margins: Tensor
    losses: Tensor
    correct: Tensor
    forgotten: Tensor

    def __repr__(self) -> str:
        return f"Dynamics({counted(len(self.keys), 'image')}, {counted(self.epochs, 'epoch')})"

    @property
    def early_error(self) -> Tensor:
        """The ``(N,)`` mean of the errors of epochs 2 to 10: EL2N of one network.

        In the first pass it says more of when an image was shown than of the image.

        Reference:
            Paul, Ganguli and Dziugaite, Deep Learning on a Data Diet, NeurIPS 2021.
        """
        return (self.errors[1:LAST_EARLY] if len(self.errors) > 1 else self.errors).float().mean(0)

    @property
    def forgetting(self) -> Tensor:
        """How often each of the ``(N,)`` was forgotten; ``epochs`` where it was never learned.

        Reference:
            Toneva et al., An Empirical Study of Example Forgetting, ICLR 2019.
        """
        return torch.where(self.correct > 0, self.forgotten, self.epochs).float()

    @property
    def area_under_margin(self) -> Tensor:
        """The ``(N,)`` mean over the epochs of the margin of logits.

        Reference:
            Pleiss et al., Identifying Mislabeled Data using the Area Under the Margin Ranking,
            NeurIPS 2020.
        """
        return self.margins / self.epochs

    @property
    def tensors(self) -> dict[str, Tensor]:
        """All of it as tensors, by name."""
        keys = torch.from_numpy(self.keys.view(np.int64).copy())
        return {"keys": keys, "errors": self.errors, **{n: getattr(self, n) for n in SUMS + COUNTS}}

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor], epochs: int) -> Dynamics:
        """Return what ``tensors`` gave.

        Raises:
            KeyError, TypeError, ValueError: when they are none of it.
        """
        kinds = {"keys": torch.int64, "errors": torch.float16}
        kinds |= dict.fromkeys(SUMS, torch.float32) | dict.fromkeys(COUNTS, torch.int32)
        if any(tensors[name].dtype != kind for name, kind in kinds.items()):
            raise ValueError("numbers of another kind")
        keys = tensors["keys"].numpy().view(np.uint64)
        found = cls(keys, epochs, tensors["errors"], *(tensors[name] for name in SUMS + COUNTS))
        shapes = [found.errors.shape[1:], *(tensors[name].shape for name in SUMS + COUNTS)]
        if (
            keys.ndim != 1
            or any(tuple(shape) != keys.shape for shape in shapes)
            or not 0 < epochs < 2**31
        ):
            raise ValueError("numbers of other images than it names")
        if len(found.errors) != min(epochs, EARLY):
            raise ValueError(f"errors of {counted(len(found.errors), 'epoch')} out of {epochs}")
        return found

    def rows(self, keys: Digests) -> Tensor:
        """Return the ``(M,)`` rows of images by their keys, -1 of those that it does not know."""
        order = np.argsort(self.keys, kind="stable")
        places = np.searchsorted(self.keys[order], keys)
        found = order[np.minimum(places, len(order) - 1)] if len(order) else places
        known = self.keys[found] == keys if len(order) else np.zeros(len(keys), np.bool_)
        return torch.from_numpy(np.where(known, found, -1).astype(np.int64))


class Watcher:
    """Watches a fit, see ``fit.Watch``, and remembers how every image did."""

    def __init__(
        self, labels: Tensor, epochs: int, past: Mapping[str, Tensor] | None = None
    ) -> None:
        """Begin to watch, or go on.

        Args:
            labels: ``(N,)`` of the images that are fitted, where these are.
            epochs: of the whole fit.
            past: what it had found when the fit was cut off, see ``state``.

        Raises:
            InputError: when that makes no sense.
        """
        self._labels, self._epoch, self._held = labels, 0, 0
        self._batches: list[tuple[Tensor, Tensor]] = []
        count, device = len(labels), labels.device
        early = (min(epochs, EARLY), count)
        self._found = {
            "errors": torch.zeros(early, dtype=torch.float16, device=device),
            **{name: torch.zeros(count, device=device) for name in SUMS},
            **{name: torch.zeros(count, dtype=torch.int32, device=device) for name in COUNTS},
            "right": torch.zeros(count, dtype=torch.bool, device=device),
        }
        for name, blank in self._found.items() if past else ():
            kept = (past or {}).get(name)
            if kept is None or kept.shape != blank.shape or kept.dtype != blank.dtype:
                raise InputError("what was kept of the training dynamics is of another fit")
            blank.copy_(kept)

    def __call__(self, epoch: int, rows: Tensor, logits: Tensor) -> None:
        """Take notice of what the network says of a batch."""
        if epoch != self._epoch or self._held + logits.numel() > HELD:
            self._look()
        self._epoch, self._held = epoch, self._held + logits.numel()
        self._batches.append((rows, logits))

    def state(self) -> dict[str, Tensor]:
        """Return a copy of what was found, to go on from."""
        self._look()
        return {name: value.clone() for name, value in self._found.items()}

    def dynamics(self, keys: Digests) -> Dynamics:
        """Return what was found, of images with these keys, up to now."""
        found = {name: value.cpu() for name, value in self.state().items()}
        epochs, sums = self._epoch + 1, (found[name] for name in SUMS + COUNTS)
        return Dynamics(keys, epochs, found["errors"][:epochs].clone(), *sums)

    def _look(self) -> None:
        if not self._batches:
            return
        rows, said = (torch.cat(parts) for parts in zip(*self._batches, strict=True))
        self._batches.clear()
        self._held = 0
        by_class = said.T.contiguous()  # a CPU shares out among ten classes faster that way
        found, labels = self._found, self._labels[rows]
        logs, margin = by_class.log_softmax(0), margins(by_class, labels)
        right = margin > 0
        if self._epoch < len(found["errors"]):
            found["errors"][self._epoch, rows] = errors(logs.exp(), labels).half()
        found["margins"][rows] += margin
        found["losses"][rows] -= logs.gather(0, labels[None])[0]
        found["correct"][rows] += right.int()
        found["forgotten"][rows] += (found["right"][rows] & ~right).int()
        found["right"][rows] = right


def errors(shares: Tensor, labels: Tensor) -> Tensor:
    """Return the ``(N,)`` 2-norms of ``(K, N)`` shares of the classes less the labels.

    >>> errors(torch.tensor([[0.5], [0.5]]), torch.tensor([1])).square()
    tensor([0.5000])
    """
    ones = torch.ones_like(labels, dtype=shares.dtype)[None]
    return shares.scatter_add(0, labels[None], -ones).square().sum(0).sqrt()


def margins(logits: Tensor, labels: Tensor) -> Tensor:
    """Return by how much the ``(N,)`` labels' ``(K, N)`` logits are above the largest of others.

    >>> margins(torch.tensor([[1.0], [3.0], [2.5]]), torch.tensor([1]))
    tensor([0.5000])
    """
    own = labels[None]
    return logits.gather(0, own)[0] - logits.scatter(0, own, -torch.inf).amax(0)


Statistic = Callable[[Dynamics], Tensor]


def averaged(known: Sequence[Dynamics], keys: Digests, statistic: Statistic) -> Tensor:
    """Return the mean of a statistic over all networks that were trained on an image.

    Args:
        known: of each network.
        keys: ``(M,)`` of the images asked for, see ``identity.keys_of``.
        statistic: ``(N,)`` of one network.

    Returns:
        ``(M,)`` float64; nan of an image that no network was trained on, each of which holds out
        some.
    """
    total, count = torch.zeros(2, len(keys), dtype=torch.float64)
    for one in known:
        rows = one.rows(keys)
        seen = rows >= 0
        total[seen] += statistic(one)[rows[seen]].double()
        count[seen] += 1
    return total / count
