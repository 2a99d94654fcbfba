"""Studies that might have been: how many are drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from datastill.base.errors import in_plain_numbers, whole
from datastill.base.rng import Key, require_key


@dataclass(frozen=True)
class Resampling:
    """How often to draw anew.

    Attributes:
        key: decides the draws.
        bootstraps: studies, for the quantile that holds for all pairs of assessments at once.
        permutations: of recipes, for a p-value.
    """

    key: Key
    bootstraps: int = 4000
    permutations: int = 9999

    def __post_init__(self) -> None:
        require_key(self.key)
        numbers = ("bootstraps", "permutations")
        whole(**{name: getattr(self, name) for name in numbers})
        in_plain_numbers(self, *numbers)

    def generator(self, *path: str) -> np.random.Generator:
        """Return the generator at an address."""
        return np.random.default_rng(self.key.at(*path).seed)
