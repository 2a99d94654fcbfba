"""What a method registers: itself, with all that was published with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, is_dataclass
from typing import Any, Literal, Protocol, get_args

from datastill.augment import usual_strategy, without_mirrors
from datastill.base.errors import InputError, not_negative, of_kind, truth, whole
from datastill.base.registry import Registry
from datastill.data import Domain
from datastill.distillation.descent import Descent
from datastill.distillation.methods.base.contract import Method, require_method
from datastill.distillation.papers import Paper
from datastill.distillation.parameters import Optimiser, require_optimisers
from datastill.distillation.parametrisations import (
    Parametrisation,
    Pixels,
    require_parametrisation,
)
from datastill.training.protocol import preset

Need = Literal["trajectories", "ends", "originals"]
"""What a task may have to hold besides real images, see ``Published``."""


@dataclass(frozen=True)
class Published:
    """A method with the settings of its paper, for one number of images per class.

    Attributes:
        method: the method.
        updates: of the synthetic set.
        optimisers: of what is learned, by the names of the parameters: ``"images"`` and others.
        init: what the synthetic set starts from: noise, real images, or what a coreset picks.
        augmented: whether distillation uses differentiable Siamese augmentation.
        strategy: of that, where it is not the usual one.
        protocol: the name of the protocol by which its sets are validated.
        parametrisation: what is learned, and how networks are shown it.
        needs: what the task must hold besides real images: ``"trajectories"``, original models as
            they were after several epochs, ``"ends"``, as they began and as they ended, or
            ``"originals"``, one as it is. What a method ``needs`` by its settings it says itself.
        clom: weight of CLOM that is part of the method, with the models that it needs.
        papers: what to cite for a set that it made.
    """

    method: Method
    updates: int
    optimisers: Mapping[str, Optimiser]
    init: str
    augmented: bool
    protocol: str
    parametrisation: Parametrisation = field(default_factory=Pixels)
    needs: frozenset[Need] = frozenset()
    clom: float = 0.0
    strategy: str | None = None
    papers: tuple[Paper, ...] = ()

    def __post_init__(self) -> None:
        try:
            self._require_sense()
        except InputError as error:  # of code, and of no option that is called alike
            said = str(error).replace("`", "")
            raise InputError(f"Published of {type(self.method).__name__}: {said}") from None

    def _require_sense(self) -> None:
        require_method(self.method)
        frozen = getattr(self.method, "__dataclass_params__", None)
        if not is_dataclass(self.method) or not getattr(frozen, "frozen", False):
            raise InputError("a method is a frozen value: put @dataclass(frozen=True) above it")
        whole(updates=self.updates)
        require_optimisers(self.optimisers)
        if "images" not in self.optimisers:
            raise InputError("optimisers must have one of images")
        of_kind(str, "'noise', 'real' or the name of a coreset", init=self.init)
        truth(augmented=self.augmented)
        preset(self.protocol)
        require_parametrisation(self.parametrisation)
        known, wanted = get_args(Need), f"a frozenset of {', '.join(get_args(Need))}"
        of_kind(frozenset, wanted, needs=self.needs)
        if not self.needs <= {*known}:
            raise InputError(f"needs must be {wanted}, found {', '.join(sorted(self.needs))}")
        not_negative(clom=self.clom)
        of_kind(tuple, "a tuple of Paper", papers=self.papers)
        for paper in self.papers:
            of_kind(Paper, "a tuple of Paper", papers=paper)

    @property
    def lr(self) -> float:
        """The learning rate of the images."""
        return self.optimisers["images"].lr

    def usual_strategy(self, domain: Domain) -> str:
        """Return the published augmentation, without flip where a mirror changes the class."""
        if not self.augmented:
            return "none"
        usual = usual_strategy(domain)
        return usual if self.strategy is None else without_mirrors(self.strategy, domain)

    def descent(self, ipc: int | tuple[int, ...], **changes: Any) -> Descent:
        """Return how what is learned is moved: as published, but for what is named.

        Args:
            ipc: images per class, one number for all classes or one for each.
            **changes: fields of ``Descent``; optimisers that are not named stay.
        """
        settings: dict[str, Any] = {
            "ipc": ipc,
            "updates": self.updates,
            "init": self.init,
            "parametrisation": self.parametrisation,
        }
        optimisers = {**self.optimisers, **changes.pop("optimisers", {})}
        return Descent.moving(optimisers, **{**settings, **changes})


class Publication(Protocol):
    """What a method registers: its settings by the number of images per class."""

    def __call__(self, ipc: int) -> Published:
        """Return the method with its settings for ``ipc`` images per class, from 1."""
        ...


METHODS = Registry[Publication]("method", "datastill.methods", gives=(Published,))
