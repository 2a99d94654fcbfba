"""Networks between the weights that an original model began with and those it came to."""

from __future__ import annotations

import torch

from datastill.base.errors import InputError
from datastill.base.rng import Key, moved
from datastill.data import require_same_kind
from datastill.distillation.methods.base.contract import Task
from datastill.networks import Network
from datastill.training.pool import Member


def interpolated(task: Task, *, key: Key) -> tuple[Member, Network]:
    r"""Draw an original model, and return it with a network on its way.

    The weights are :math:`(1 - \lambda)` times those it set out from, and :math:`\lambda` times
    those it came to, with :math:`\lambda` uniform from 0 to 1. The network is in training mode:
    one with batch norm normalises by the images it is shown, for the statistics that either end
    has gathered are not those of weights between them.

    Raises:
        InputError: when the task has no original models, or those of another architecture.
    """
    if not task.trajectories:
        raise InputError(
            "images are compared under original models and the task has none; 'datastill train' "
            "makes them, in Python train_pool() and `Task(..., trajectories=trajectories(pool))`"
        )
    way = task.trajectories[key.at("member").integer(len(task.trajectories))]
    begun, member = way[0], way[-1]
    require_same_kind(member.domain, task.real.domain)
    network = task.build(key=task.key)  # any: its weights are replaced
    try:
        network.load_state_dict(member.network.state_dict())
    except RuntimeError:
        raise InputError(
            f"the original models are {member.architecture}, which is not what `build` makes"
        ) from None
    drawn = torch.rand((), generator=key.at("share").generator())
    share = moved(drawn, task.real.images.device)
    with torch.no_grad():
        for weight, first in zip(network.parameters(), begun.network.parameters(), strict=True):
            weight.copy_(torch.lerp(first, weight, share))
    return member, network.train().requires_grad_(requires_grad=False)
