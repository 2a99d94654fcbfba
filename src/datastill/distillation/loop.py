"""The distillation loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from datastill.augment import siamese
from datastill.base.errors import (
    InputError,
    in_plain_numbers,
    is_whole,
    not_negative,
    of_kind,
    reason,
    suggestion,
    told,
    whole,
)
from datastill.base.present import Present
from datastill.base.rng import Key, moved
from datastill.data import ByClass, ImageSet, draw_rows, said_of_class
from datastill.distillation.clom import Regulariser
from datastill.distillation.methods.base import Method, Published, Targeting, Task
from datastill.networks import Network, has_batch_statistics
from datastill.training.coresets import CORESETS

CLASSES_TOLD = 12
"""Of how many classes a message says a number each."""

MATCH = "match"
"""The name of the method's own loss among those of a snapshot."""


STARTS = ("noise", "real")
"""What synthetic images may start as, besides what a coreset picks."""


@dataclass(frozen=True)
class Descent:
    """How to move the pixels.

    Attributes:
        ipc: images per class, one number for all classes or one for each.
        updates: of the synthetic set.
        batch: real images per class that an update sees.
        lr: learning rate of SGD on the pixels.
        momentum: of that SGD.
        init: start from ``"noise"`` (standard normal), from ``"real"`` images picked at random, or
            from those that a coreset picks, by its name.
    """

    ipc: int | tuple[int, ...] = 10
    updates: int = 1000
    batch: int = 256
    lr: float = 1.0
    momentum: float = 0.5
    init: str = "real"

    def __post_init__(self) -> None:
        if isinstance(self.ipc, Sequence) and not isinstance(self.ipc, str | bytes):
            object.__setattr__(self, "ipc", tuple(self.ipc))
        each = self.ipc if isinstance(self.ipc, tuple) else (self.ipc,)
        least = 0 if isinstance(self.ipc, tuple) else 1
        if not all(is_whole(one) and one >= least for one in each) or not sum(each):
            raise InputError(
                "`ipc` must be a whole number, 1 or more, or one for each class, found "
                f"{told(self.ipc)}"
            )
        ipc = tuple(map(int, each)) if isinstance(self.ipc, tuple) else int(self.ipc)
        object.__setattr__(self, "ipc", ipc)
        whole(updates=self.updates, least=0)
        whole(batch=self.batch)
        not_negative(lr=self.lr, momentum=self.momentum)
        of_kind(str, "'noise', 'real' or the name of a coreset", init=self.init)
        if self.init not in STARTS and self.init not in CORESETS:
            hint = suggestion(self.init, [*STARTS, *CORESETS.names])
            raise InputError(f"no start named {self.init!r}; {hint}")
        in_plain_numbers(self, "updates", "batch", "lr", "momentum")


@dataclass(frozen=True, eq=False, repr=False)
class State:
    """All that the updates to come follow from, besides what ``distill`` is given.

    Attributes:
        step: updates that were made.
        pixels: of the synthetic images, sorted by class.
        momentum: of their SGD; None without.
        network: weights and buffers of the network of the update before.
    """

    step: int
    pixels: Tensor
    momentum: Tensor | None
    network: Mapping[str, Tensor]

    def __repr__(self) -> str:
        return f"State(step={self.step}, {tuple(self.pixels.shape)} pixels)"


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


def distill(
    method: Method | Published,
    task: Task,
    descent: Descent,
    *,
    regularisers: Mapping[str, Regulariser] | None = None,
    features: Tensor | None = None,
    state: State | None = None,
) -> Iterator[Snapshot]:
    """Yield the synthetic set after every update. To stop early, stop asking.

    What cannot be done is found out now, and not when the first set is asked for.

    Args:
        method: what to match, and under which networks; or its published settings, of which the
            method is taken.
        task: the real images, and how networks and augmentations are made.
        descent: how many images per class, and how to move them.
        regularisers: scalars to add to the method's loss, by name.
        features: ``(N, D)`` of the real images, where a coreset to start from picks; by default
            it picks among pixels.
        state: where an earlier run with the same arguments was; this one goes on from there, and
            yields what that would have.

    Raises:
        InputError: when a class has too few real images, a regulariser takes the name of the
            method's own loss, the state is that of another task, or what is given is not what is
            asked for.
    """
    if isinstance(method, Published):
        method = method.method
    _require_sense(method, task, descent, {} if regularisers is None else regularisers)
    of_kind((State, type(None)), "the state of a snapshot, see `Snapshot.state`", state=state)
    _require_features(features, task.real)
    start = initial(task.real, descent, key=task.key.at("init"), features=features)
    counts, labels = start.counts, start.labels
    pixels = start.images.clone().requires_grad_()
    optimiser = torch.optim.SGD([pixels], lr=descent.lr, momentum=descent.momentum)
    network = None if state is None else _restored(state, task, pixels, optimiser)
    steps = range(state.step if state else 0, descent.updates)
    moving = _Moving(method, task, descent, counts, labels, pixels, optimiser, regularisers or {})
    return _updates(moving, steps, network)


@dataclass(frozen=True, eq=False)
class _Moving:
    # What is the same in every update.
    method: Method
    task: Task
    descent: Descent
    counts: tuple[int, ...]
    labels: Tensor
    pixels: Tensor
    optimiser: torch.optim.Optimizer
    regularisers: Mapping[str, Regulariser]


def _updates(moving: _Moving, steps: range, network: Network | None) -> Iterator[Snapshot]:
    method, task, labels, pixels = moving.method, moving.task, moving.labels, moving.pixels
    present = Present("update")
    for step in steps:
        present.ends()
        here = task.key.at("step", step)
        sofar = ImageSet(pixels.detach(), labels, task.real.domain)
        network = method.network(task, step, network, sofar)
        rows = draw_rows(task.real, moving.descent.batch, key=here.at("real"))
        with task.route.arithmetic(pixels.device):
            shares = ByClass(pixels, moving.counts)
            loss, pixels.grad = _match(method, network, task, rows, shares, key=here)
            losses = {MATCH: loss}
            for name, regulariser in moving.regularisers.items():
                loss = regulariser(pixels, labels, key=here.at("regulariser", name))
                pixels.grad += torch.autograd.grad(loss, pixels)[0]
                losses[name] = loss.detach()
        moving.optimiser.step()
        after = ImageSet(pixels.detach().clone(), labels, task.real.domain)
        now = partial(_state, step + 1, pixels, moving.optimiser, network)
        yield Snapshot(step + 1, after, losses, present.only(step + 1, now))


def _require_sense(
    method: Any, task: Task, descent: Descent, regularisers: Mapping[str, Regulariser]
) -> None:
    parts = (getattr(method, name, None) for name in ("network", "loss"))
    if isinstance(method, type) or not all(map(callable, parts)):
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
    network = _built(task)
    if not callable(getattr(network, "embed", None)):
        raise InputError(
            f"`build` makes {told(network)}, which has no method embed, from images to features; "
            "datastill.networks.adapt(module, domain) makes a network of any that classifies"
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


def _require_features(features: Any, real: ImageSet) -> None:
    if features is None:
        return
    wanted = f"a tensor of {len(real)} rows of finite numbers, one for each real image"
    of_kind(Tensor, wanted, features=features)
    if features.ndim != 2 or len(features) != len(real) or not features.is_floating_point():
        shape, kind = tuple(features.shape), str(features.dtype).removeprefix("torch.")
        raise InputError(f"`features` must be {wanted}, found {kind} of {shape}")
    if not features.is_meta and not bool(torch.isfinite(features).all()):
        raise InputError(f"`features` must be {wanted}, found others among them")


def starting_counts(real: ImageSet, descent: Descent) -> tuple[int, ...]:
    """Return how many images of each class a distillation starts from, if it can start.

    Raises:
        InputError: when a class has fewer real images than are wanted of it, or, from noise, none
            to match; or when there is not one number for each class.
    """
    classes = real.domain.classes
    wanted = (descent.ipc,) * len(classes) if isinstance(descent.ipc, int) else descent.ipc
    if len(wanted) != len(classes):
        raise InputError(f"`ipc` has {len(wanted)} numbers for {len(classes)} classes")
    for k, (name, have, want) in enumerate(zip(classes, real.counts, wanted, strict=True)):
        if have < (min(want, 1) if descent.init == "noise" else want):
            said = f"{said_of_class(real, k)} fewer than the {want} to start from; take a smaller"
            fitting = tuple(map(min, real.counts, wanted))
            such = f" (`ipc={fitting}`)" if len(fitting) <= CLASSES_TOLD else ""
            raise InputError(
                f"{said} `ipc`, one for each class{such}, or `init='noise'`",
                typed=f"{said} ipc, one for each class (--ipc {name}={have},rest={want}), or "
                "--init noise",
            )
    return tuple(wanted)


def initial(
    real: ImageSet, descent: Descent, *, key: Key, features: Tensor | None = None
) -> ByClass:
    """Return the images that a distillation starts from; ``features`` as for ``distill``.

    Raises:
        InputError: see ``starting_counts``.
    """
    wanted = starting_counts(real, descent)
    if descent.init == "noise":
        shape = (sum(wanted), *real.domain.shape)
        noise = torch.randn(shape, generator=key.generator()).to(real.images)
        return ByClass(noise, wanted)
    coreset = CORESETS["random" if descent.init == "real" else descent.init]
    rows = coreset(real, wanted, key=key, features=features)
    return ByClass(real.images[rows.to(real.images.device)], wanted)


def _state(step: int, pixels: Tensor, optimiser: torch.optim.Optimizer, network: Network) -> State:
    momentum = optimiser.state[pixels].get("momentum_buffer")
    return State(
        step,
        pixels.detach().clone(),
        None if momentum is None else momentum.clone(),
        {name: value.clone() for name, value in network.state_dict().items()},
    )


def _restored(
    state: State, task: Task, pixels: Tensor, optimiser: torch.optim.Optimizer
) -> Network:
    # Puts pixels and momentum where they were, and returns the network of the update before.
    network = task.build(key=task.key)  # any: its weights are replaced
    try:
        with torch.no_grad():
            pixels.copy_(_like(state.pixels, pixels))
        if state.momentum is not None:
            momentum = torch.empty_like(pixels).copy_(_like(state.momentum, pixels))
            optimiser.state[pixels]["momentum_buffer"] = momentum.detach()
        network.load_state_dict(dict(state.network))
    except RuntimeError as error:
        raise InputError(
            f"what was kept of the run does not fit this one: {reason(error)}"
        ) from None
    return network


def _like(held: Tensor, wanted: Tensor) -> Tensor:
    if (held.shape, held.dtype) != (wanted.shape, wanted.dtype):
        raise RuntimeError(f"{tuple(held.shape)} pixels, not {tuple(wanted.shape)}")
    return held.to(wanted.device)


def _match(
    method: Method,
    network: Network,
    task: Task,
    rows: Sequence[Tensor],
    synthetic: ByClass,
    *,
    key: Key,
) -> tuple[Tensor, Tensor]:
    # The method's loss and its gradient in the synthetic images, some classes after others: it is
    # a sum over classes, and what is in memory at once need not grow with their number.
    losses: list[Tensor] = []
    slopes: list[Tensor] = []
    parts = synthetic.images.detach().split(synthetic.counts)
    seen = [
        drawn[: len(drawn) if len(part) else 0] for drawn, part in zip(rows, parts, strict=True)
    ]
    for some in _groups([len(a) + len(b) for a, b in zip(seen, parts, strict=True)], task, network):
        images = torch.cat([parts[k] for k in some]).requires_grad_()
        drawn = torch.cat([seen[k] for k in some])
        shares = _Real(task.real, drawn, _counts(seen, some)), ByClass(images, _counts(parts, some))
        loss = _loss(method, network, task, *shares, key=key)
        (slope,) = torch.autograd.grad(loss, images)
        losses.append(loss.detach())
        slopes.append(slope)
    return torch.stack(losses).sum(), torch.cat(slopes).contiguous()


@dataclass(frozen=True, eq=False)
class _Real:
    # Real images that are looked at only if somebody has to.
    data: ImageSet
    rows: Tensor
    counts: tuple[int, ...]

    def taken(self) -> ByClass:
        return ByClass(self.data.images[moved(self.rows, self.data.images.device)], self.counts)


def _loss(
    method: Method,
    network: Network,
    task: Task,
    real: _Real,
    synthetic: ByClass,
    *,
    key: Key,
) -> Tensor:
    # From a target that is held, if there is one: then nobody looks at real images.
    augment, route = partial(siamese, task.policy, key=key.at("augment")), task.route
    if task.targets is None or not isinstance(method, Targeting):
        return method.loss(network, *augment(real.taken(), synthetic), route=route)
    nothing = ByClass(synthetic.images[:0].detach(), (0,) * len(synthetic.counts))
    _, changed = augment(nothing, synthetic)

    def make() -> Tensor:
        # Classes that are not here have no synthetic images either, and draw no augmentation.
        asked, _ = augment(real.taken(), nothing)
        return method.target(network, asked, route=route)

    target = task.targets.at((method, key, real.counts, synthetic.counts), make)
    return method.distance(network, target, changed, route=route)


def _groups(sizes: Sequence[int], task: Task, network: Network) -> list[range]:
    # Neighbouring classes. A network that normalises by its batch must see them all.
    most = task.route.at_most(task.real.domain.shape)
    if has_batch_statistics(network) or sum(sizes) <= most:
        return [range(len(sizes))]
    groups: list[range] = []
    start, total = 0, 0
    for k, size in enumerate(sizes):
        if total and total + size > most:
            groups.append(range(start, k))
            start, total = k, 0
        total += size
    return [*groups, range(start, len(sizes))]


def _counts(images: Sequence[Tensor], some: range) -> tuple[int, ...]:
    return tuple(len(part) if k in some else 0 for k, part in enumerate(images))
