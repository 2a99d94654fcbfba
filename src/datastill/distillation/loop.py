"""The distillation loop: it owns what is learned, and what moves it; a method owns a scalar."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor
from torch.func import vmap

from datastill.augment import dsa, identity
from datastill.base.errors import InputError, of_kind, reason, whole
from datastill.base.present import Present
from datastill.base.rng import Key
from datastill.base.usual import as_usual, each_as_usual
from datastill.base.wording import counted
from datastill.compute import cores
from datastill.data import ByClass, ImageSet
from datastill.distillation.clom import CrossEntropyClom, Regulariser
from datastill.distillation.descent import Descent, initial, starting_counts
from datastill.distillation.learned import Judged
from datastill.distillation.methods import METHODS
from datastill.distillation.methods.base import Method, Published, Remembering, Task, skipped
from datastill.distillation.parameters import Leaves, Params
from datastill.distillation.parametrisations import Synthetic, gradients, spread
from datastill.distillation.requirements import (
    MATCH,
    asked,
    require_features,
    require_recall,
    require_scalar,
    require_sense,
)
from datastill.distillation.sharing import Share, require_shareable
from datastill.distillation.state import State
from datastill.distillation.weighing import Twin
from datastill.training.coresets import Known


@dataclass(frozen=True, eq=False, repr=False)
class Snapshot:
    """The synthetic set after an update.

    Attributes:
        step: updates that were made.
        synthetic: the set.
        losses: that moved it there.
        state: makes a copy of all that a run can be taken up from; ``InputError`` once the next
            update has begun.
    """

    step: int
    synthetic: ImageSet
    losses: Mapping[str, Tensor]
    state: Callable[[], State] | None = None

    def __repr__(self) -> str:
        return f"Snapshot(step={self.step}, {self.synthetic}, losses of {', '.join(self.losses)})"


@as_usual
def distill(
    method: str | Method | Published,
    task: Task,
    descent: Descent | None = None,
    *,
    ipc: int | None = None,
    regularisers: Mapping[str, Regulariser] | None = None,
    features: Tensor | None = None,
    state: State | None = None,
) -> Iterator[Snapshot]:
    """Yield the synthetic set after every update. To stop early, stop asking.

    What cannot be done is found out now, not when the first set is asked for.

    Args:
        method: what to match, and under which networks; its published settings, which hold it; or
            its name, for all that was published with it: augmentation too, if the task has none.
        task: the real images, and how networks and augmentations are made.
        descent: how many images per class, and how to move them; None moves them as published.
        ipc: images per class, in place of a ``descent``.
        regularisers: scalars to add to the method's loss, by name.
        features: ``(N, D)`` of the real images, among which a coreset to start from picks.
        state: where an earlier run with the same arguments was, to go on from there.

    Raises:
        InputError: when a class has too few real images, a regulariser takes the name of the
            method's own loss, or the state is of another task, or of more updates than asked for.
    """
    method, task, descent = _meant(method, task, descent, ipc)
    given = {} if regularisers is None else regularisers
    require_sense(method, task, descent, given)
    _require_to_come(state, descent)
    require_features(features, task.real)
    counts, start, leaves = _begun(task, descent, features)
    require_shareable(method, task.share, leaves, counts, given)
    twin = Twin.of(given, method, task, descent, counts, leaves.values())
    task = replace(task, batch=descent.batch, start=start, beside=twin and twin.beside)
    moving = _Moving(method, task, descent, counts, leaves, given, twin)
    memory = None if state is None else _restored(state, moving)
    return _updates(moving, range(state.step if state else 0, descent.updates), memory)


def _require_to_come(state: Any, descent: Descent) -> None:
    of_kind((State, type(None)), "the state of a snapshot, see `Snapshot.state`", state=state)
    if state is not None and state.step > descent.updates:
        done = counted(state.step, "update")
        raise InputError(f"the state is that after {done}, and `updates` is {descent.updates}")


def _meant(
    method: str | Method | Published, task: Task, descent: Descent | None, ipc: int | None
) -> tuple[Method, Task, Descent]:
    if isinstance(method, str):
        return _as_published(method, task, descent, ipc)
    if ipc is not None or descent is None:
        raise InputError("a method that is not given by its name needs a `descent`, and no `ipc`")
    return method.method if isinstance(method, Published) else method, task, descent


def _as_published(
    name: str, task: Task, descent: Descent | None, ipc: int | None
) -> tuple[Method, Task, Descent]:
    # All that was published with a method, but for what is given.
    of_kind(Task, "a Task", task=task)
    of_kind((Descent, type(None)), "a Descent, such as Descent(ipc=1)", descent=descent)
    if (descent is None) == (ipc is None):
        raise InputError("name the images per class by `ipc`, or give a `descent`, and not both")
    whole(ipc=1 if ipc is None else ipc)
    counts = ipc if descent is None else descent.ipc
    each = max(counts) if isinstance(counts, tuple) else counts
    assert each is not None
    published = METHODS[name](int(each))
    for needed in sorted(published.needs):
        given = "originals" if needed == "originals" else "trajectories"
        if not getattr(task, given):
            said = f"{METHODS.spelling(name)} needs `{given}` of original models"
            raise InputError(f"{said}; see Task")
    if published.augmented and task.policy is identity:
        task = replace(task, policy=dsa(published.usual_strategy(task.real.domain)))
    return published.method, task, descent or published.descent(int(each))


def _begun(
    task: Task, descent: Descent, features: Tensor | None
) -> tuple[tuple[int, ...], ByClass, Leaves]:
    # How many images of each class are learned, what they start from, and all that is learned.
    followed = tuple(way[-1] for way in task.trajectories)
    known = Known(features, task.originals or followed)
    start = initial(task.real, descent, key=task.key.at("init"), known=known)
    with cores.shared(task.real.images.device, descent.parametrisation):
        judged = Judged(start.images, start.counts, task.real.domain, followed or known.originals)
        counts, key = starting_counts(task.real, descent), task.key.at("parametrisation")
        begun = descent.parametrisation.start(judged, counts, key=key)
        return counts, start, Leaves.of(begun, descent.by_name)


@dataclass(frozen=True, eq=False)
class _Moving:
    # What is the same in every update.
    method: Method
    task: Task
    descent: Descent
    counts: tuple[int, ...]
    leaves: Leaves
    regularisers: Mapping[str, Regulariser]
    twin: Twin | None

    @property
    def owners(self) -> tuple[Any, ...]:
        """Whose arithmetic an update is, besides networks'; of all classes at once PyTorch's."""
        own = (self.method, self.task.policy, self.descent.parametrisation)
        ours = (*own, *self.regularisers.values(), *self.descent.by_name.values())
        return (*ours, vmap) if self.task.route.at_once else ours

    def decoded(self, params: Params) -> Synthetic:
        domain = self.task.real.domain
        return self.descent.parametrisation.decode(params, self.counts, domain)


@each_as_usual
def _updates(moving: _Moving, steps: range, memory: Any) -> Iterator[Snapshot]:
    task, leaves, device = moving.task, moving.leaves, moving.task.real.images.device
    shared = partial(cores.shared, device, *moving.owners)
    present = Present("update")
    for step in steps:
        present.ends()
        if task.share is not None and getattr(moving.method, "ages", False):
            task.share.hear(leaves, moving.counts, images_only=True)
        own = task.key.at("own", step).scope()  # what a person's own networks draw, as by dropout
        with task.route.arithmetic(device), own, shared():
            losses, memory = _losses(moving, step, memory, key=task.key.at("step", step))
        if step == steps.start:  # not after hours, when a run is to go on
            require_recall(moving.method, task, memory)
        left_out = skipped(moving.method, losses[MATCH])
        with shared():
            leaves.step(skipped=left_out)
        if left_out is not None:
            losses["skipped"] = left_out.to(losses[MATCH].dtype)
        with torch.no_grad(), shared():
            if task.share is not None and task.share.pauses(step + 1, steps.stop):
                task.share.hear(leaves, moving.counts)
                losses = {name: task.share.total(value) for name, value in losses.items()}
            moving.descent.parametrisation.project(leaves.leaves, task.real.domain)
            after = moving.decoded(leaves.values()).as_set(task.real.domain)
        now = partial(_state, step + 1, moving, memory)
        yield Snapshot(step + 1, after, losses, present.only(step + 1, now))


def _losses(moving: _Moving, step: int, memory: Any, *, key: Key) -> tuple[dict[str, Tensor], Any]:
    # Every loss; gradients are left with the leaves. What these are decoded to is differentiated
    # once for each loss, the decoding once for all.
    decoded = moving.decoded(moving.leaves.leaves)
    synthetic = decoded.apart()
    loss, memory = asked(moving.method, moving.task, step, memory, synthetic, key=key)
    slopes, losses = gradients(loss, synthetic), {MATCH: loss.detach()}
    for name, regulariser in moving.regularisers.items():
        here = key.at("regulariser", name)
        loss = _regularised(regulariser, synthetic, moving.task.share, key=here)
        require_scalar(loss, f"the regulariser {name!r}")
        if moving.twin is not None and name == moving.twin.name:
            losses[f"{name}-weight"] = moving.twin.weight
            loss = moving.twin.weight.to(loss.dtype) * loss
        slopes = list(map(_added, slopes, gradients(loss, synthetic)))
        losses[name] = loss.detach()
    spread(decoded, slopes)
    still = [
        name
        for name, leaf in moving.leaves.leaves.items()
        if leaf.requires_grad and leaf.grad is None
    ]
    if still:
        what = " or ".join(still)
        hard = still == ["labels"]
        said = (
            f"neither the method nor a regulariser looks at {what}: nothing would be learned "
            "there; take one that does (CLOM's cross-entropy, by `alphas`, looks at labels), or "
        )
        raise InputError(
            said + ("`labels='hard'`" if hard else "another parametrisation"),
            typed=said + ("--labels hard" if hard else "another parametrisation"),
        )
    if moving.twin is not None:
        moving.twin.follow(moving.method, moving.task, step, losses[MATCH], key=key)
    return losses, memory


def _regularised(
    regulariser: Regulariser, synthetic: Synthetic, share: Share | None, *, key: Key
) -> Tensor:
    # Of a set that is shared out, what the classes of this process add, one after the other.
    images, labels = synthetic.images, synthetic.labels
    if share is None:
        return regulariser(images, labels, key=key)
    parts = zip(images.split(synthetic.counts), labels.split(synthetic.counts), strict=True)
    own = cast("CrossEntropyClom", regulariser)
    found = [
        own.of_part(some, its, len(images), key=key)
        for k, (some, its) in enumerate(parts)
        if len(some) and share.has(k)
    ]
    return torch.stack(found).sum() if found else 0 * images.sum()


def _added(one: Tensor | None, other: Tensor | None) -> Tensor | None:
    return (one if other is None else other) if one is None or other is None else one + other


def _state(step: int, moving: _Moving, memory: Any) -> State:
    held: Mapping[str, Tensor] = {} if memory is None else memory.state_dict()
    kept = {name: value.detach().clone() for name, value in held.items()}
    twin = {} if moving.twin is None else moving.twin.state()
    return State(step, moving.leaves.values(), moving.leaves.state(), kept, twin)


def _restored(state: State, moving: _Moving) -> Any:
    # Puts what is learned and what moves it where they were, and returns the method's memory.
    for name, value in state.params.items():
        if not value.is_meta and not bool(torch.isfinite(value).all()):
            raise InputError(f"the state holds {name} that are not finite numbers")
    method = moving.method
    try:
        moving.leaves.restore(state.params, state.optimisers)
        if moving.twin is not None:
            moving.twin.restore(state.twin)
        elif state.twin:
            raise RuntimeError("a twin, of a run that finds no weight")
        if isinstance(method, Remembering):
            return method.recall(moving.task, state.memory)
        if state.memory:
            raise RuntimeError("a memory, of a method that remembers nothing")
    except RuntimeError as error:
        raise InputError(
            f"what was kept of the run does not fit this one: {reason(error)}"
        ) from None
    return None
