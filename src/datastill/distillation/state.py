"""What the updates to come follow from: a value that can be kept, and gone on from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from datastill.base.errors import InputError, of_kind, whole
from datastill.distillation.parameters import Params, flat, unflat


@dataclass(frozen=True, eq=False, repr=False)
class State:
    """All that the updates to come follow from, besides what ``distill`` is given.

    Attributes:
        step: updates that were made.
        params: what is learned, by name.
        optimisers: what moves each, by the name of the parameter and its own names.
        memory: of the method, by names; none where it remembers nothing.
        twin: of the set, where the weight of a regulariser is found beside it.
    """

    step: int
    params: Params
    optimisers: Mapping[str, Mapping[str, Tensor]]
    memory: Mapping[str, Tensor]
    twin: Mapping[str, Tensor] = field(default_factory=dict[str, Tensor])

    def __post_init__(self) -> None:
        whole(step=self.step, least=0)
        wanted = "tensors by their names"
        of_kind(Mapping, wanted, params=self.params, optimisers=self.optimisers, memory=self.memory)
        of_kind(Mapping, wanted, twin=self.twin)
        for value in self.params.values():
            of_kind(Tensor, wanted, params=value)

    def tensors(self) -> dict[str, Tensor]:
        """Return all of its tensors, by names that ``of`` knows."""
        memory = {f"memory.{name}": value for name, value in self.memory.items()}
        twin = {f"twin.{name}": value for name, value in self.twin.items()}
        return {**flat(self.params, self.optimisers), **memory, **twin}

    @classmethod
    def of(cls, step: int, tensors: Mapping[str, Tensor]) -> State:
        """Return the state after so many updates that has these tensors.

        Raises:
            InputError: when they are none of a state.
        """
        params, optimisers, others = unflat(tensors)
        parts: dict[str, dict[str, Tensor]] = {"memory": {}, "twin": {}}
        for name, value in others.items():
            kind, _, rest = name.partition(".")
            if kind not in parts:
                raise InputError(f"a state of a distillation has no {name!r}")
            parts[kind][rest] = value
        return cls(step, params, optimisers, **parts)

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name} {tuple(leaf.shape)}" for name, leaf in self.params.items())
        return f"State(step={self.step}, {shapes})"
