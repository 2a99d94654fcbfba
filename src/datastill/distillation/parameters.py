"""What a distillation learns: leaves by name, and what moves each of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from datastill.base.errors import (
    InputError,
    in_plain_numbers,
    is_number,
    not_negative,
    of_kind,
    told,
)

Params = Mapping[str, Tensor]
"""Leaves by name: ``"images"``; ``"labels"`` and ``"lr"`` where they are learned too."""


class Optimiser(Protocol):
    """How a parameter is moved: a frozen value."""

    @property
    def lr(self) -> float:
        """The learning rate."""
        ...

    def over(self, leaf: Tensor) -> torch.optim.Optimizer:
        """Return what moves a leaf by its gradient."""
        ...


@dataclass(frozen=True)
class Sgd:
    """Stochastic gradient descent.

    Attributes:
        lr: learning rate.
        momentum: of the gradients before.
    """

    lr: float
    momentum: float = 0.0

    def __post_init__(self) -> None:
        not_negative(lr=self.lr, momentum=self.momentum)
        in_plain_numbers(self, "lr", "momentum")

    def over(self, leaf: Tensor) -> torch.optim.Optimizer:
        """Return PyTorch's, of one leaf."""
        return torch.optim.SGD([leaf], lr=self.lr, momentum=self.momentum)


@dataclass(frozen=True)
class Adam:
    """Adam, of Kingma and Ba.

    Attributes:
        lr: learning rate.
        betas: how much of the mean gradient, and of the mean square, stays at each step; from 0 on,
            and below 1.
    """

    lr: float
    betas: tuple[float, float] = (0.9, 0.999)

    def __post_init__(self) -> None:
        not_negative(lr=self.lr)
        in_plain_numbers(self, "lr")
        object.__setattr__(self, "betas", _betas(self.betas))

    def over(self, leaf: Tensor) -> torch.optim.Optimizer:
        """Return PyTorch's, of one leaf."""
        return torch.optim.Adam([leaf], lr=self.lr, betas=self.betas)


@dataclass(frozen=True)
class AdamW:
    """Adam with weight decay that is apart from its gradients, of Loshchilov and Hutter.

    Attributes:
        lr: learning rate.
        betas: how much of the mean gradient, and of the mean square, stays at each step; from 0 on,
            and below 1.
        weight_decay: share of the parameter that a step takes, times the learning rate.
    """

    lr: float
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.01

    def __post_init__(self) -> None:
        not_negative(lr=self.lr, weight_decay=self.weight_decay)
        in_plain_numbers(self, "lr", "weight_decay")
        object.__setattr__(self, "betas", _betas(self.betas))

    def over(self, leaf: Tensor) -> torch.optim.Optimizer:
        """Return PyTorch's, of one leaf."""
        decay = self.weight_decay
        return torch.optim.AdamW([leaf], lr=self.lr, betas=self.betas, weight_decay=decay)


@dataclass(frozen=True)
class Resting:
    """What is kept with the parameters and never moved."""

    @property
    def lr(self) -> float:
        """Zero."""
        return 0.0

    def over(self, leaf: Tensor) -> torch.optim.Optimizer:
        """Return an optimiser that does nothing, for the leaf has no gradient."""
        return torch.optim.SGD([leaf], lr=0.0)


def require_optimisers(optimisers: Any) -> None:
    """Refuse what are no optimisers by the names of parameters.

    Raises:
        InputError: naming the first.
    """
    wanted = "optimisers by the names of parameters, such as {'images': Sgd(1.0)}"
    of_kind(Mapping, wanted, optimisers=optimisers)
    for name, one in optimisers.items():
        known = isinstance(name, str) and not isinstance(one, type)
        if not known or not callable(getattr(one, "over", None)):
            raise InputError(f"`optimisers` must be {wanted}, found {told(name)}: {told(one)}")


@dataclass(frozen=True, eq=False)
class Leaves:
    """Leaves that are moved, each by its own optimiser.

    Attributes:
        leaves: by name.
        optimisers: by the same names.
    """

    leaves: Params
    optimisers: Mapping[str, torch.optim.Optimizer]

    @classmethod
    def of(cls, start: Params, optimisers: Mapping[str, Optimiser]) -> Leaves:
        """Return copies of the parameters, ready to be moved.

        Raises:
            InputError: when there is not one optimiser for each.
        """
        if set(start) != set(optimisers):
            raise InputError(
                f"`optimisers` move {_listed(optimisers)}; what is learned is {_listed(start)}"
            )
        leaves = {
            name: value.detach().clone().requires_grad_(not isinstance(optimisers[name], Resting))
            for name, value in start.items()
        }
        return cls(leaves, {name: optimisers[name].over(leaf) for name, leaf in leaves.items()})

    def values(self) -> dict[str, Tensor]:
        """Return copies of the leaves as they stand."""
        return {name: leaf.detach().clone() for name, leaf in self.leaves.items()}

    def step(self, *, skipped: Tensor | None = None) -> None:
        """Move every leaf by its gradient.

        Args:
            skipped: a scalar; where it is true leaves and optimisers stay as they are.
        """
        before = None if skipped is None else (self.values(), self.state())
        for optimiser in self.optimisers.values():
            optimiser.step()
            optimiser.zero_grad()
        if skipped is not None and before is not None:
            self._put_back(skipped, *before)

    @torch.no_grad()
    def _put_back(
        self, where: Tensor, values: Params, state: Mapping[str, Mapping[str, Tensor]]
    ) -> None:
        # What an optimiser began to remember in the step that is undone is zero before it.
        for name, leaf in self.leaves.items():
            leaf.copy_(torch.where(where, values[name], leaf))
            held: dict[str, Any] = self.optimisers[name].state[leaf]
            for kind, value in held.items():
                if value is not None:
                    past = state[name].get(kind)
                    past = torch.zeros_like(value) if past is None else past
                    held[kind] = torch.where(where.to(value.device), past, value)

    def state(self) -> dict[str, dict[str, Tensor]]:
        """Return copies of what the optimisers remember, by the names of leaves and their own."""
        return {
            name: {
                kind: value.detach().clone()
                for kind, value in self.optimisers[name].state[leaf].items()
                if value is not None
            }
            for name, leaf in self.leaves.items()
        }

    @torch.no_grad()
    def restore(self, values: Params, state: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Put leaves and optimisers where they were.

        Raises:
            RuntimeError: when they are those of other leaves.
        """
        if set(values) != set(self.leaves) or not set(state) <= set(self.leaves):
            raise RuntimeError(f"{_listed(values)}, not {_listed(self.leaves)}")
        for name, leaf in self.leaves.items():
            leaf.copy_(_like(values[name], leaf, name))
            held: dict[str, Any] = self.optimisers[name].state[leaf]
            for kind, value in state.get(name, {}).items():
                # Numbers of steps are scalars, all else has the shape of the leaf.
                sound = value if value.ndim == 0 < leaf.ndim else _like(value, leaf, name)
                held[kind] = sound.clone()


def flat(params: Params, optimisers: Mapping[str, Params]) -> dict[str, Tensor]:
    """Return leaves and what their optimisers remember by names of one kind, see ``unflat``."""
    moved = {
        f"optimisers.{name}.{kind}": value
        for name, held in optimisers.items()
        for kind, value in held.items()
    }
    return {**{f"params.{name}": value for name, value in params.items()}, **moved}


def unflat(
    tensors: Params,
) -> tuple[dict[str, Tensor], dict[str, dict[str, Tensor]], dict[str, Tensor]]:
    """Return what ``flat`` was given, and the tensors that it does not name."""
    params: dict[str, Tensor] = {}
    optimisers: dict[str, dict[str, Tensor]] = {}
    others: dict[str, Tensor] = {}
    for name, value in tensors.items():
        kind, _, rest = name.partition(".")
        leaf, _, own = rest.partition(".")
        if kind == "params":
            params[rest] = value
        elif kind == "optimisers" and own:
            optimisers.setdefault(leaf, {})[own] = value
        else:
            others[name] = value
    return params, optimisers, others


def _betas(given: Any) -> tuple[float, float]:
    pair = tuple(given) if isinstance(given, tuple | list) else ()
    if len(pair) != 2 or not all(is_number(beta) and 0 <= beta < 1 for beta in pair):
        raise InputError(f"`betas` must be two numbers from 0 on and below 1, found {told(given)}")
    return float(pair[0]), float(pair[1])


def _like(held: Tensor, wanted: Tensor, name: str) -> Tensor:
    if (held.shape, held.dtype) != (wanted.shape, wanted.dtype):
        raise RuntimeError(f"{tuple(held.shape)} {name}, not {tuple(wanted.shape)}")
    return held.to(wanted.device)


def _listed(names: Mapping[str, object]) -> str:
    return ", ".join(sorted(names)) or "nothing"
