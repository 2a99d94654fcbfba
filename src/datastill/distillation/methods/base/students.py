"""Students of a synthetic set that set out where an original model was: for trajectories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from datastill.base.errors import InputError
from datastill.base.rng import Key, moved
from datastill.compute.route import logits
from datastill.distillation.methods.base.contract import Task
from datastill.distillation.parametrisations import Synthetic
from datastill.networks import Network, has_batch_statistics
from datastill.training.pool import Trajectory

Weights = list[Tensor]


@dataclass(frozen=True)
class Starts:
    """Where on its way an original model may be followed from.

    Attributes:
        earliest: epoch to start from, from 0.
        latest: that may be started from.
        epochs: that it took from there.
    """

    earliest: int
    latest: int
    epochs: int

    def drawn(self, trajectories: Sequence[Trajectory], *, key: Key) -> tuple[Weights, Weights]:
        """Draw an original model, then an epoch; return its weights there and later.

        Raises:
            InputError: when there is none that is known so long.
        """
        found: list[list[tuple[Network, Network]]] = []
        for trajectory in trajectories:
            at = {int(member.facts["epoch"]): member.network for member in trajectory}
            fit = [t for t in at if self.earliest <= t <= self.latest and t + self.epochs in at]
            if fit:
                found.append([(at[t], at[t + self.epochs]) for t in sorted(fit)])
        if not found:
            since = f"from {self.earliest} to" if self.earliest else "up to"
            raise InputError(
                f"no original model is known after an epoch {since} {self.latest} and "
                f"{self.epochs} later; 'datastill train' keeps them by --save-epochs 1 2 3"
            )
        pairs = found[key.at("expert").integer(len(found))]
        begin, target = pairs[key.at("epoch").integer(len(pairs))]
        return _weights(begin), _weights(target)


@dataclass(frozen=True, eq=False)
class Student:
    """A network that is trained on the synthetic set by plain SGD.

    Attributes:
        network: that computes, by whatever weights it is given.
        task: the task at hand.
        synthetic: the set.
        batches: rows of it, step by step.
        key: of the augmentation.
    """

    network: Network
    task: Task
    synthetic: Synthetic
    batches: Sequence[Tensor]
    key: Key

    @classmethod
    def beginning(
        cls, begin: Weights, task: Task, synthetic: Synthetic, *, steps: int, batch: int, key: Key
    ) -> Student:
        """Return one that can begin with these weights.

        As in training, images are drawn epoch by epoch.

        Raises:
            InputError: for networks with batch statistics, or weights of another architecture.
        """
        network = task.build(key=task.key)  # any: its weights are replaced
        if has_batch_statistics(network):
            raise InputError("matching trajectories needs networks without batch statistics")
        if [w.shape for w in begin] != [w.shape for w in network.parameters()]:
            raise InputError("the trajectories are those of another architecture")
        count, rows = len(synthetic.images), list[Tensor]()
        epoch = 0
        while len(rows) < steps:
            order = torch.randperm(count, generator=key.at("order", epoch).generator())
            rows += order.split(batch)
            epoch += 1
        batches = [moved(some, synthetic.images.device) for some in rows[:steps]]
        return cls(network.train(), task, synthetic, batches, key)

    def batch(self, i: int) -> tuple[Tensor, Tensor]:
        """Return images and labels of a step; images, and labels that are shares, as leaves."""
        rows, labels = self.batches[i], self.synthetic.labels.detach()
        images = self.synthetic.images.detach()[rows].requires_grad_()
        some = labels[rows]
        return images, some.requires_grad_() if some.is_floating_point() else some

    def asked(
        self,
        weights: Sequence[Tensor],
        i: int,
        images: Tensor,
        labels: Tensor,
        *,
        twice: bool = False,
    ) -> tuple[Tensor, ...]:
        """Return the gradient of the mean cross-entropy in the weights.

        Args:
            weights: of the network, which keeps them.
            i: number of the step, by which images are augmented.
            images: of the batch.
            labels: of them.
            twice: whether it is to be differentiable itself.
        """
        held = list(self.network.parameters())
        with torch.no_grad():
            for mine, theirs in zip(held, weights, strict=True):
                mine.copy_(theirs)
        changed = self.task.policy(len(images), key=self.key.at("augment", i))(images)
        said = self.task.route.exact.run(logits, self.network, changed, twice=twice)
        log_shares = said.log_softmax(1)
        if labels.ndim == 1:
            risk = -log_shares.gather(1, labels[:, None]).mean()
        else:
            risk = -(labels * log_shares).sum(1).mean()
        return torch.autograd.grad(risk, held, create_graph=twice)


def require_followed(starts: Starts, task: Task) -> None:
    """Refuse a task in which no student can follow an original model.

    Raises:
        InputError: see ``Starts.drawn`` and ``Student.beginning``.
    """
    begin, _ = starts.drawn(task.trajectories, key=task.key)
    nothing = Synthetic(task.real.images[:0], (0,) * len(task.real.domain.classes))
    Student.beginning(begin, task, nothing, steps=0, batch=1, key=task.key)


def dot(one: Sequence[Tensor], other: Sequence[Tensor]) -> Tensor:
    """Return the inner product of two lists of tensors."""
    return torch.stack([(a * b).sum() for a, b in zip(one, other, strict=True)]).sum()


def less(one: Sequence[Tensor], other: Sequence[Tensor]) -> Weights:
    """Return the differences of two lists of tensors."""
    return [a - b for a, b in zip(one, other, strict=True)]


def _weights(network: Network) -> Weights:
    return [weight.detach() for weight in network.parameters()]
