"""What a distillation needs to be given, found out before it begins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from datastill.base.errors import InputError, of_kind, reason, takes, told
from datastill.base.wording import counted
from datastill.data import ImageSet
from datastill.distillation.clom import Regulariser
from datastill.distillation.descent import Descent
from datastill.distillation.methods.base import Demanding, Task

MATCH = "match"
"""The name of the method's own loss among those of a snapshot."""


def require_sense(
    method: Any, task: Task, descent: Descent, regularisers: Mapping[str, Regulariser]
) -> None:
    """Refuse arguments of ``distill`` that are not what they must be.

    Raises:
        InputError: naming the first.
    """
    if isinstance(method, type) or not callable(getattr(method, "loss", None)):
        raise InputError(
            "`method` must be a method with its settings, such as METHODS['DM'](ipc=1), found "
            f"{told(method)}"
        )
    of_kind(Task, "a Task", task=task)
    of_kind(Descent, "a Descent, such as Descent(ipc=1)", descent=descent)
    of_kind(Mapping, "functions by their names, such as {'clom': ...}", regularisers=regularisers)
    if MATCH in regularisers:
        raise InputError(f"a regulariser cannot be named {MATCH!r}: that is the method's own loss")
    for name, regulariser in regularisers.items():
        if not callable(regulariser):
            said = told(regulariser)
            raise InputError(f"the regulariser {name!r} must be a function, found {said}")
        of_kind(str, "functions by their names, such as {'clom': ...}", regularisers=name)
        wanted = f"the regulariser {name!r} must take images, labels and key=..."
        takes(regulariser, wanted, task.real.images, task.real.labels, key=task.key)
    network = _built(task)
    if not callable(getattr(network, "embed", None)):
        raise InputError(
            f"`build` makes {told(network)}, which has no method embed, from images to features; "
            "datastill.networks.adapt(module, domain) makes a network of any that classifies"
        )
    if isinstance(method, Demanding):
        method.require(task, descent)


def require_scalar(loss: Any, name: str) -> None:
    """Refuse what a regulariser returned unless it is a scalar that something is learned from.

    It is told by what is known of a tensor without its numbers: a GPU is not waited for.

    Raises:
        InputError: naming the regulariser.
    """
    if isinstance(loss, Tensor) and not loss.ndim and loss.requires_grad:
        return
    found = told(loss)
    if isinstance(loss, Tensor):
        found = "one that no gradient passes" if not loss.ndim else f"shape {tuple(loss.shape)}"
    raise InputError(
        f"the regulariser {name!r} must return a scalar tensor that follows from the images, "
        f"found {found}"
    )


def _built(task: Task) -> Any:
    try:
        with task.key.scope():  # a person's own may draw from the generator of the process
            return task.build(key=task.key)
    except InputError:
        raise
    except Exception as error:
        said = f"{type(error).__name__}: {reason(error)}"
        raise InputError(f"`build` fails for `key=Key(...)`: {said}") from error


def require_features(features: Any, real: ImageSet) -> None:
    """Refuse features of real images that are none.

    Raises:
        InputError: naming what was found.
    """
    if features is None:
        return
    wanted = f"a tensor of {counted(len(real), 'row')} of finite numbers, one for each real image"
    of_kind(Tensor, wanted, features=features)
    if features.ndim != 2 or len(features) != len(real) or not features.is_floating_point():
        shape, kind = tuple(features.shape), str(features.dtype).removeprefix("torch.")
        raise InputError(f"`features` must be {wanted}, found {kind} of {shape}")
    if not features.is_meta and not bool(torch.isfinite(features).all()):
        raise InputError(f"`features` must be {wanted}, found others among them")
