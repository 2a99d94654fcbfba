"""Dataset Distillation by Matching Training Trajectories (Cazenavette et al., CVPR 2022), MTT.

The gradient is that of the paper, through all steps of the student, in the memory of one: weights
are kept, and the graph of a step is made again when its gradient is found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from datastill.base.errors import positive, whole
from datastill.base.rng import Key
from datastill.distillation.descent import Descent
from datastill.distillation.learned import LearnedRate
from datastill.distillation.methods.base import (
    METHODS,
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
from datastill.training.pool import Trajectory


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
    max_start: int = 24
    batch_syn: int = 256
    lr_student: float = 0.01
    draws: ClassVar[bool] = False  # real images, at an update: see ``Task.batch``

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
        length = {"steps": self.syn_steps, "batch": self.batch_syn}
        student = Student.beginning(begin, task, synthetic, **length, key=key)
        rate = synthetic.images.new_tensor(self.lr_student)
        value, slopes = matched(
            student, begin, target, rate if synthetic.rate is None else synthetic.rate
        )
        known = dict(zip(synthetic.tensors, slopes, strict=False))
        return sloping(value, known), None

    def stretch(self, trajectories: Sequence[Trajectory], *, key: Key) -> tuple[Weights, Weights]:
        """Draw an expert, then an epoch to start from; return its weights there and later.

        Raises:
            InputError: when there is none that is known so long.
        """
        return self.starts.drawn(trajectories, key=key)

    @property
    def starts(self) -> Starts:
        """The epochs that an expert may be followed from."""
        return Starts(0, self.max_start, self.expert_epochs)

    def require(self, task: Task, descent: Descent) -> None:
        """Refuse experts that no student can follow.

        Raises:
            InputError: when none is known long enough, or networks have batch statistics.
        """
        del descent
        require_followed(self.starts, task)


def matched(
    student: Student, begin: Weights, target: Weights, rate: Tensor
) -> tuple[Tensor, list[Tensor]]:
    """Return the scalar, and its gradient in images, in labels that are learned, in the rate.

    Args:
        student: that sets out.
        begin: its first weights.
        target: where it is to come to.
        rate: of its steps.
    """
    step = rate.detach()
    path = [begin]
    for i in range(len(student.batches)):
        asked = student.asked(path[-1], i, *student.batch(i))
        path.append([w - step * g.detach() for w, g in zip(path[-1], asked, strict=True)])
    apart, way = less(path.pop(), target), less(begin, target)
    scale = dot(way, way)
    value = dot(apart, apart) / scale
    back = [2 * one / scale for one in apart]  # the gradient in the weights of the step at hand
    images = torch.zeros_like(student.synthetic.images)
    labels = torch.zeros_like(student.synthetic.labels, dtype=images.dtype)
    faster = torch.zeros_like(step)
    for i in reversed(range(len(student.batches))):
        batch = student.batch(i)
        asked = student.asked(path[i], i, *batch, twice=True)
        along = dot(back, list(asked))
        wanted = [one for one in batch if one.requires_grad]
        held = list(student.network.parameters())
        found = torch.autograd.grad(-step * along, [*wanted, *held])
        faster -= along.detach()
        images.index_add_(0, student.batches[i], found[0])
        if len(wanted) > 1:
            labels.index_add_(0, student.batches[i], found[1])
        back = [b + f for b, f in zip(back, found[len(wanted) :], strict=True)]
    slopes = [images, *([labels] if student.synthetic.shares is not None else []), faster]
    return value, slopes


@METHODS.register("MTT")
def published(ipc: int) -> Published:
    """Return what the reference code does unasked: experts are saved after every epoch.

    The paper has settings of its own for each dataset and number of images, see docs/protocol.md.
    """
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
        papers=(TRAJECTORIES,),
    )
