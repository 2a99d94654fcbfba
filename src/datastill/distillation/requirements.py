"""What a distillation needs to be given, found out before it begins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from datastill.base.errors import InputError, of_kind, reason, takes, told
from datastill.base.machine import lacks_memory
from datastill.base.own_code import is_ours, placed, unchanged
from datastill.base.rng import Key
from datastill.base.wording import counted
from datastill.data import ImageSet
from datastill.distillation.clom import Regulariser
from datastill.distillation.descent import Descent
from datastill.distillation.methods.base import (
    Demanding,
    Method,
    Remembering,
    Task,
    require_method,
)
from datastill.distillation.parametrisations import Synthetic

MATCH = "match"
"""The name of the method's own loss among those of a snapshot."""


def require_sense(
    method: Any, task: Task, descent: Descent, regularisers: Mapping[str, Regulariser]
) -> None:
    """Refuse arguments of ``distill`` that are not what they must be.

    Raises:
        InputError: naming the first.
    """
    require_method(method)
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


def require_scalar(loss: Any, whose: str) -> None:
    """Refuse what a loss returned unless it is a scalar that something is learned from.

    It is told by what is known of a tensor without its numbers: a GPU is not waited for.

    Raises:
        InputError: naming whose it is.
    """
    sound = isinstance(loss, Tensor) and not loss.ndim and loss.is_floating_point()
    if sound and loss.requires_grad:
        return
    found = told(loss)
    if isinstance(loss, Tensor):
        kind = f"{str(loss.dtype).removeprefix('torch.')} of shape {tuple(loss.shape)}"
        found = "one that no gradient passes" if sound else kind
    raise InputError(
        f"{whose} must return a scalar tensor that follows from the images, found {found}"
    )


def asked(
    method: Method, task: Task, step: int, memory: Any, synthetic: Synthetic, *, key: Key
) -> tuple[Tensor, Any]:
    """Return what a method says of a set, and what it remembers: what it is for, or an error.

    Raises:
        InputError: for a method of others that fails, and for one that returns something else,
            changes what it is shown, or remembers what could not be taken up again.
    """
    whose = f"the loss of {type(method).__name__}"
    shown = {"the_real_images": task.real.images, "the_synthetic_images": synthetic.images}
    try:
        with unchanged(whose, **shown):
            found: Any = method.loss(task, step, memory, synthetic, key=key)
    except InputError:
        raise
    except Exception as error:
        if is_ours(method) or lacks_memory(error):
            raise  # for whoever mends the program, or takes smaller batches
        raise InputError(f"{whose} fails: {placed(error)}") from error
    if not isinstance(found, tuple) or len(found) != 2:
        wanted = "a scalar and what to remember, None where that is nothing"
        raise InputError(f"{whose} must return a tuple, {wanted}; found {told(found)}")
    loss, memory = found
    require_scalar(loss, whose)
    known = isinstance(method, Remembering) and callable(getattr(memory, "state_dict", None))
    if memory is not None and not known:
        raise InputError(
            f"{whose} returns {told(memory)} to be remembered, which a run that goes on could not "
            f"be given: it needs a method state_dict, and {type(method).__name__} a method recall"
        )
    return loss, memory


def require_recall(method: Method, task: Task, memory: Any) -> None:
    """Refuse a method of others that would not recall what it remembers, before it is relied upon.

    Raises:
        InputError: saying why.
    """
    if memory is None or not isinstance(method, Remembering) or is_ours(method):
        return
    name = type(method).__name__
    try:
        held = {one: value.detach().clone() for one, value in memory.state_dict().items()}
        again = method.recall(task, held).state_dict()
        same = again.keys() == held.keys() and all(
            value.shape == again[one].shape
            and bool(((value == again[one]) | (value != value)).all())
            for one, value in held.items()
        )
    except Exception as error:
        said = f"what {name} remembers cannot be kept and recalled: {placed(error)}"
        raise InputError(said) from error
    if not same:
        raise InputError(f"recall of {name} gives back another memory than that of its tensors")


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
