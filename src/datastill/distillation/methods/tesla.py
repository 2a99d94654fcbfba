r"""Trajectory matching in constant memory, TESLA, in the order of difficulty, DATM.

Cui, Wang, Si and Hsieh, Scaling Up Dataset Distillation to ImageNet-1K with Constant Memory, ICML
2023; Guo, Wang, Cazenavette, Li, Zhang and You, Towards Lossless Dataset Distillation via
Difficulty-Aligned Trajectory Matching, ICLR 2024. The gradient is TESLA's: that of the end of a
student, as if the weights that its images are seen under did not follow from images. Which epochs
are followed, labels that are learned, and what updates are left out are DATM's, and so are the
settings, those for CIFAR-10; docs/protocol.md says where they differ. At one image per class the
student's steps and the rate that these begin at are our own, tuned on held-out training images of
FashionMNIST for the minutes of a small machine: docs/results/methods/tuning.md. There the latest
epoch to start from is 4, where DATM's is 3: its bound is never drawn itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from datastill.base.errors import InputError, positive, whole
from datastill.base.rng import Key
from datastill.distillation.descent import Descent
from datastill.distillation.learned import JudgedLabels, LearnedRate
from datastill.distillation.methods.base import (
    METHODS,
    Paper,
    Published,
    Sgd,
    Synthetic,
    Task,
    sloping,
)
from datastill.distillation.methods.base.students import (
    Starts,
    Student,
    Weights,
    dot,
    less,
    require_followed,
)
from datastill.distillation.papers import TRAJECTORIES


@dataclass(frozen=True)
class Tesla:
    r"""Train a student on the synthetic set to where an original model came to on real images.

    With :math:`\theta_0` of an original model after an epoch, :math:`\theta^*` of it
    ``expert_epochs`` later, :math:`g_i` the gradients of the student's steps from :math:`\theta_0`
    and :math:`\eta` its learning rate, the scalar is :math:`\|\theta_0 - \eta \sum_i g_i -
    \theta^*\|^2 / \|\theta_0 - \theta^*\|^2`. It is differentiated in images, learned labels and
    :math:`\eta` with the weights held at which each :math:`g_i` is taken: the gradient of each step
    is found by itself, and no more than the weights of one step are in memory.

    Attributes:
        syn_steps: of the student.
        expert_epochs: that the original model took.
        min_start: the earliest epoch to start from, from 0.
        max_start: the latest.
        early_start: the latest at the first update, where that is earlier: what an original model
            learns early is easier.
        growing: updates in which the latest rises to ``max_start``; 0 where it does not.
        threshold: updates of which the scalar is above it are left out; not moving at all makes 1.
        batch_syn: synthetic images in a step; those of an epoch are drawn without replacement.
        lr_student: learning rate of the student, where none is learned.
    """

    syn_steps: int = 80
    expert_epochs: int = 2
    min_start: int = 0
    max_start: int = 19
    early_start: int = 9
    growing: int = 1000
    threshold: float = 1.0
    batch_syn: int = 1000
    lr_student: float = 0.01
    draws: ClassVar[bool] = False  # real images, at an update: see ``Task.batch``

    def __post_init__(self) -> None:
        whole(syn_steps=self.syn_steps, expert_epochs=self.expert_epochs, batch_syn=self.batch_syn)
        whole(0, min_start=self.min_start, max_start=self.max_start)
        whole(0, early_start=self.early_start, growing=self.growing)
        positive(threshold=self.threshold, lr_student=self.lr_student)
        if self.min_start > self.max_start:
            raise InputError(
                f"`min_start` is {self.min_start}, after `max_start`, {self.max_start}: nothing "
                "lies between them"
            )

    def latest(self, step: int) -> int:
        """Return the latest epoch that update ``step`` may start from."""
        early = max(self.min_start, min(self.early_start, self.max_start))
        if step >= self.growing:
            return self.max_start
        return early + (self.max_start - early) * step // self.growing

    def starts(self, step: int) -> Starts:
        """Return the epochs that update ``step`` may start from."""
        return Starts(self.min_start, self.latest(step), self.expert_epochs)

    def require(self, task: Task, descent: Descent) -> None:
        """Refuse original models that no student can follow.

        Raises:
            InputError: when none is known long enough, or networks have batch statistics.
        """
        del descent
        require_followed(self.starts(0), task)

    def loss(
        self, task: Task, step: int, memory: None, synthetic: Synthetic, *, key: Key
    ) -> tuple[Tensor, None]:
        """Return how far the student ends from the original model, and remember nothing."""
        begin, target = self.starts(step).drawn(task.trajectories, key=key.at("stretch"))
        length = {"steps": self.syn_steps, "batch": self.batch_syn}
        student = Student.beginning(begin, task, synthetic, **length, key=key)
        fixed = synthetic.images.new_tensor(self.lr_student)
        rate = fixed if synthetic.rate is None else synthetic.rate.detach()
        value, slopes = matched(student, begin, target, rate)
        return sloping(value, dict(zip(synthetic.tensors, slopes, strict=False))), None

    def skips(self, loss: Tensor) -> Tensor:
        """Tell whether an update of this loss is left out."""
        return ~(loss <= self.threshold)


def matched(
    student: Student, begin: Weights, target: Weights, rate: Tensor
) -> tuple[Tensor, list[Tensor]]:
    """Return the scalar, and its gradient in images, in labels that are learned, in the rate.

    Weights are walked through twice: first to find where the student ends, which every gradient
    follows from.

    Args:
        student: that sets out.
        begin: its first weights.
        target: where it is to come to.
        rate: of its steps, a scalar.
    """
    steps = range(len(student.batches))
    weights, total = begin, [torch.zeros_like(w) for w in begin]
    for i in steps:
        asked = student.asked(weights, i, *student.batch(i))
        total = [t + g for t, g in zip(total, asked, strict=True)]
        weights = stepped(weights, asked, rate)
    apart, way = less(stepped(begin, total, rate), target), less(begin, target)
    scale = dot(way, way)
    along = [-2 * rate / scale * one for one in apart]
    images = torch.zeros_like(student.synthetic.images)
    labels = torch.zeros_like(student.synthetic.labels, dtype=images.dtype)
    weights = begin
    for i in steps:
        batch = student.batch(i)
        asked = student.asked(weights, i, *batch, twice=True)
        wanted = [one for one in batch if one.requires_grad]
        found = torch.autograd.grad(dot(along, asked), wanted)
        images.index_add_(0, student.batches[i], found[0])
        if len(wanted) > 1:
            labels.index_add_(0, student.batches[i], found[1])
        weights = stepped(weights, asked, rate)
    faster = -2 * dot(total, apart) / scale
    slopes = [images, *([labels] if student.synthetic.shares is not None else []), faster]
    return dot(apart, apart) / scale, slopes


def stepped(weights: Weights, asked: Weights | tuple[Tensor, ...], rate: Tensor) -> Weights:
    """Return weights after a step down a gradient."""
    return [w - rate * g.detach() for w, g in zip(weights, asked, strict=True)]


@dataclass(frozen=True)
class _Column:
    # What was published, or tuned, for a number of images per class.
    method: Tesla
    images: float
    labels: float
    rate: float = 1e-5
    start: float = 0.01  # of the student's learning rate


COLUMNS = {
    1: _Column(
        Tesla(syn_steps=20, max_start=4, early_start=4, growing=0, threshold=1.1),
        *(100, 5, 1e-7, 0.05),  # published: 80 steps, which begin at 0.01, and epochs 0 to 3
    ),
    10: _Column(Tesla(), 100, 2),
    50: _Column(Tesla(max_start=39, early_start=19, growing=2000), 1000, 2),
    500: _Column(
        Tesla(syn_steps=40, min_start=40, max_start=59, early_start=59, growing=0), 50, 10
    ),
    1000: _Column(
        Tesla(syn_steps=100, min_start=40, max_start=59, early_start=59, growing=0), 50, 10
    ),
}
"""Published settings for CIFAR-10, by images per class, but for what is our own of one.

The published range of epochs is half open, this one has both of its ends.
"""

PAPERS = (
    Paper(
        "cui2023tesla",
        "Cui, Justin and Wang, Ruochen and Si, Si and Hsieh, Cho-Jui",
        "Scaling Up Dataset Distillation to ImageNet-1K with Constant Memory",
        "ICML 2023",
    ),
    Paper(
        "guo2024datm",
        "Guo, Ziyao and Wang, Kai and Cazenavette, George and Li, Hui and Zhang, Kaipeng and "
        "You, Yang",
        "Towards Lossless Dataset Distillation via Difficulty-Aligned Trajectory Matching",
        "ICLR 2024",
    ),
    TRAJECTORIES,
)


@METHODS.register("TESLA")
def published(ipc: int) -> Published:
    """Return the settings of the number of images per class that ``ipc`` is nearest to.

    How near is told by ratios: 3 are nearer to 1, and 4 to 10.
    """
    whole(ipc=ipc)
    column = COLUMNS[min(COLUMNS, key=lambda known: max(known / ipc, ipc / known))]
    return Published(
        replace(column.method),
        updates=10_000,
        optimisers={
            "images": Sgd(column.images, 0.5),
            "labels": Sgd(column.labels, 0.9),
            "lr": Sgd(column.rate, 0.5),
        },
        init="correct",
        augmented=True,
        protocol="dsa",
        parametrisation=LearnedRate(JudgedLabels(), lr=column.start),
        needs=frozenset({"trajectories"}),
        papers=PAPERS,
    )
