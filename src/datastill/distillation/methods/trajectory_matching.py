"""Dataset Distillation by Matching Training Trajectories (Cazenavette et al., CVPR 2022), MTT.

The gradient is that of the paper, through all steps of the student, in the memory of one: weights
are kept, and the graph of a step is made again when its gradient is found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from datastill.base.errors import InputError, positive, whole
from datastill.base.rng import Key, moved
from datastill.compute.route import logits
from datastill.distillation.learned import LearnedRate
from datastill.distillation.methods.base import (
    METHODS,
    Published,
    Sgd,
    Synthetic,
    Task,
    sloping,
)
from datastill.networks import Network, has_batch_statistics
from datastill.training.pool import Trajectory

Weights = list[Tensor]


@dataclass(frozen=True)
class TrajectoryMatching:
    r"""Train a student on the synthetic set to where an expert came to on real images.

    With :math:`\theta` of a student after ``syn_steps`` steps from an expert's weights
    :math:`\theta^*_t`, the scalar is :math:`\|\theta - \theta^*_{t+M}\|^2 / \|\theta^*_t -
    \theta^*_{t+M}\|^2`. It may be differentiated in images, learned labels and a learned learning
    rate.

    Attributes:
        syn_steps: of the student.
        expert_epochs: :math:`M`, that the expert took.
        max_start: the latest epoch :math:`t` to start from, from 0.
        batch_syn: synthetic images in a step; those of an epoch are drawn without replacement.
        lr_student: learning rate of the student, where none is learned.
    """

    syn_steps: int = 20
    expert_epochs: int = 3
    max_start: int = 25
    batch_syn: int = 256
    lr_student: float = 0.01

    def __post_init__(self) -> None:
        whole(syn_steps=self.syn_steps, expert_epochs=self.expert_epochs, batch_syn=self.batch_syn)
        whole(0, max_start=self.max_start)
        positive(lr_student=self.lr_student)

    def loss(
        self,
        task: Task,
        step: int,
        memory: None,
        synthetic: Synthetic,
        *,
        key: Key,
    ) -> tuple[Tensor, None]:
        """Return how far the student ends from the expert, and remember nothing."""
        begin, target = self.stretch(task.trajectories, key=key.at("stretch"))
        network = task.build(key=task.key)  # any: its weights are replaced
        if has_batch_statistics(network):
            raise InputError("matching trajectories needs networks without batch statistics")
        if [w.shape for w in begin] != [w.shape for w in network.parameters()]:
            raise InputError("the trajectories are those of another architecture")
        student = _Student(network.train(), task, synthetic, self._batches(synthetic, key=key), key)
        rate = synthetic.images.new_tensor(self.lr_student)
        value, slopes = student.matched(
            begin, target, rate if synthetic.rate is None else synthetic.rate
        )
        known = dict(zip(synthetic.tensors, slopes, strict=False))
        return sloping(value, known), None

    def stretch(self, trajectories: Sequence[Trajectory], *, key: Key) -> tuple[Weights, Weights]:
        """Draw an expert, then an epoch to start from; return its weights there and later.

        Raises:
            InputError: when there is none that is known so long.
        """
        found: list[list[tuple[Network, Network]]] = []
        for trajectory in trajectories:
            at = {int(member.facts["epoch"]): member.network for member in trajectory}
            late = [t for t in at if t <= self.max_start and t + self.expert_epochs in at]
            if late:
                found.append([(at[t], at[t + self.expert_epochs]) for t in sorted(late)])
        if not found:
            raise InputError(
                f"no original model is known after an epoch up to {self.max_start} and "
                f"{self.expert_epochs} later; 'datastill train' keeps them by --save-epochs 1 2 3"
            )
        pairs = found[key.at("expert").integer(len(found))]
        begin, target = pairs[key.at("epoch").integer(len(pairs))]
        return _weights(begin), _weights(target)

    def _batches(self, synthetic: Synthetic, *, key: Key) -> list[Tensor]:
        # Rows of each step: as in training, epoch by epoch.
        count, rows = len(synthetic.images), list[Tensor]()
        epoch = 0
        while len(rows) < self.syn_steps:
            order = torch.randperm(count, generator=key.at("order", epoch).generator())
            rows += order.split(self.batch_syn)
            epoch += 1
        return [moved(some, synthetic.images.device) for some in rows[: self.syn_steps]]


@dataclass(frozen=True, eq=False)
class _Student:
    network: Network
    task: Task
    synthetic: Synthetic
    batches: Sequence[Tensor]
    key: Key

    def matched(self, begin: Weights, target: Weights, rate: Tensor) -> tuple[Tensor, list[Tensor]]:
        # The scalar, and its gradient in images, in labels that are learned, and in the rate.
        step = rate.detach()
        path = [begin]
        for i in range(len(self.batches)):
            asked = self.asked(path[-1], i, *self.batch(i))
            path.append([w - step * g.detach() for w, g in zip(path[-1], asked, strict=True)])
        apart = [w - t for w, t in zip(path.pop(), target, strict=True)]
        scale = _dot(*([b - t for b, t in zip(begin, target, strict=True)],) * 2)
        value = _dot(apart, apart) / scale
        back = [2 * one / scale for one in apart]  # the gradient in the weights of the step at hand
        images = torch.zeros_like(self.synthetic.images)
        labels = torch.zeros_like(self.synthetic.labels, dtype=images.dtype)
        faster = torch.zeros_like(step)
        for i in reversed(range(len(self.batches))):
            batch = self.batch(i)
            asked = self.asked(path[i], i, *batch, twice=True)
            along = _dot(back, list(asked))
            wanted = [one for one in batch if one.requires_grad]
            held = list(self.network.parameters())
            found = torch.autograd.grad(-step * along, [*wanted, *held])
            faster -= along.detach()
            images.index_add_(0, self.batches[i], found[0])
            if len(wanted) > 1:
                labels.index_add_(0, self.batches[i], found[1])
            back = [b + f for b, f in zip(back, found[len(wanted) :], strict=True)]
        slopes = [images, *([labels] if self.synthetic.shares is not None else []), faster]
        return value, slopes

    def batch(self, i: int) -> tuple[Tensor, Tensor]:
        # Images and labels of a step, as leaves.
        rows, labels = self.batches[i], self.synthetic.labels.detach()
        images = self.synthetic.images.detach()[rows].requires_grad_()
        some = labels[rows]
        return images, some.requires_grad_() if some.is_floating_point() else some

    def asked(
        self, weights: Weights, i: int, images: Tensor, labels: Tensor, *, twice: bool = False
    ) -> tuple[Tensor, ...]:
        # The gradient of the risk in the weights; differentiable itself if it is wanted twice.
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


def _weights(network: Network) -> Weights:
    return [weight.detach() for weight in network.parameters()]


def _dot(one: Sequence[Tensor], other: Sequence[Tensor]) -> Tensor:
    return torch.stack([(a * b).sum() for a, b in zip(one, other, strict=True)]).sum()


@METHODS.register("MTT")
def published(ipc: int) -> Published:
    """Return published settings, of small images: experts are saved after every epoch."""
    whole(ipc=ipc)
    return Published(
        TrajectoryMatching(),
        updates=5000,
        optimisers={"images": Sgd(1000.0, 0.5), "lr": Sgd(1e-5, 0.5)},
        init="real",
        augmented=True,
        protocol="dsa",
        parametrisation=LearnedRate(lr=0.01),
        needs=frozenset({"trajectories"}),
    )
