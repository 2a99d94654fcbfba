"""What soft labels follow from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from datastill.base.errors import positive
from datastill.runs.specs.base import Spec
from datastill.runs.specs.parts import PoolSpec, require_whole


@dataclass(frozen=True, kw_only=True)
class RelabelSpec(Spec):
    """What the soft labels of a set follow from.

    Attributes:
        set: the set: a file, or the folder of a run. A command finds it by `dataset`, `method` and
            `ipc` too.
        pool: architectures of the original models; what all of them say is averaged.
        temperature: what their logits are divided by: the higher, the softer.
    """

    kind: ClassVar[str] = "relabel"

    set: str
    pool: PoolSpec = field(default_factory=PoolSpec)
    temperature: float = 1.0

    def check(self) -> None:
        """See ``Part``."""
        positive(temperature=self.temperature)
        require_whole(self.pool)
