"""What a method is, and all that it may see."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from torch import Tensor

from datastill.augment import Policy, identity
from datastill.base.errors import function, of_kind
from datastill.base.registry import Registry
from datastill.base.rng import Key, require_key
from datastill.compute.route import Route, require_route
from datastill.data import ByClass, ImageSet, require_given
from datastill.networks import Build, Network


@dataclass(eq=False)
class Targets:
    """What real images ask for, held for runs of one task: see ``Targeting``.

    Attributes:
        room: bytes that may still be held; what does not fit is worked out anew.
        held: by what it follows from.
    """

    room: int = 2**28
    held: dict[Hashable, Tensor] = field(default_factory=dict[Hashable, Tensor])

    def at(self, place: Hashable, make: Callable[[], Tensor]) -> Tensor:
        """Return the target of a place, made now if it is not held."""
        if place not in self.held:
            made = make()
            if made.nbytes > self.room:
                return made
            self.room -= made.nbytes
            self.held[place] = made
        return self.held[place]


@dataclass(frozen=True, eq=False)
class Task:
    """What there is to distil, and with what: all that a method may look at.

    Attributes:
        real: training images.
        build: makes the networks under which images are compared.
        key: everything random about the run has its address below this one.
        policy: augments; real and synthetic images share each draw.
        route: how images pass a network.
        targets: held for further runs of this very task, which may differ in their regularisers:
            with methods that can, the real images are then passed through networks once for all.
    """

    real: ImageSet
    build: Build
    key: Key
    policy: Policy = identity
    route: Route = field(default_factory=Route)
    targets: Targets | None = None

    def __post_init__(self) -> None:
        of_kind(ImageSet, "an ImageSet, see load_dataset and from_arrays", real=self.real)
        require_key(self.key)
        function("a function that makes networks, see builder", build=self.build)
        function("a policy, such as dsa('flip')", policy=self.policy)
        require_route(route=self.route)
        of_kind((Targets, type(None)), "Targets() or None", targets=self.targets)
        require_given(self.real, "the real images")


class Method(Protocol):
    """Says under which network to compare images, and how far apart they are there."""

    def network(self, task: Task, step: int, last: Network | None, synthetic: ImageSet) -> Network:
        """Return the network for update ``step``.

        Args:
            task: the task at hand.
            step: how many updates have been made.
            last: the network of the update before, which may be trained further and returned.
            synthetic: the images as they stand.
        """
        ...

    def loss(self, network: Network, real: ByClass, synthetic: ByClass, *, route: Route) -> Tensor:
        """Return the scalar to minimise, a sum over classes: it may be given a few at a time.

        Args:
            network: where to compare.
            real: images of each class.
            synthetic: likewise; the loss is differentiable in these.
            route: how the real images pass the network.
        """
        ...


@runtime_checkable
class Targeting(Protocol):
    """A method whose loss is the distance from a target that synthetic images have no part in.

    Nor have its networks. Runs that differ in their regularisers alone have all targets in common.
    """

    def target(self, network: Network, real: ByClass, *, route: Route) -> Tensor:
        """Return what real images of each class ask for."""
        ...

    def distance(
        self, network: Network, target: Tensor, synthetic: ByClass, *, route: Route
    ) -> Tensor:
        """Return what ``loss`` does, from the target."""
        ...


@dataclass(frozen=True)
class Published:
    """A method with the settings of its paper, for one number of images per class.

    Attributes:
        method: the method.
        updates: of the synthetic set.
        lr: learning rate of the pixels.
        init: what the synthetic set starts from: noise, or real images.
        augmented: whether distillation uses differentiable Siamese augmentation.
        protocol: the name of the protocol by which its sets are validated.
    """

    method: Method
    updates: int
    lr: float
    init: Literal["noise", "real"]
    augmented: bool
    protocol: str


class Publication(Protocol):
    """What a method registers: its settings by the number of images per class."""

    def __call__(self, ipc: int) -> Published:
        """Return the method with its settings for ``ipc`` images per class, from 1."""
        ...


METHODS = Registry[Publication]("method")
