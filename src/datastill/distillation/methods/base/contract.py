"""What a method is, and all that it may see."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from torch import Tensor

from datastill.augment import Policy, identity, usual_strategy, without_mirrors
from datastill.base.errors import function, in_plain_numbers, of_kind, whole
from datastill.base.registry import Registry
from datastill.base.rng import Key, require_key
from datastill.compute.route import Route, require_route
from datastill.data import ByClass, Domain, ImageSet, require_given
from datastill.distillation.descent import Descent
from datastill.distillation.papers import Paper
from datastill.distillation.parameters import Optimiser
from datastill.distillation.parametrisations import Parametrisation, Pixels, Synthetic
from datastill.distillation.sharing import Share
from datastill.networks import Build, Network
from datastill.training.pool import Pool, Trajectory, require_members

Need = Literal["trajectories", "ends", "originals"]
"""What a task may have to hold besides real images, see ``Published``."""


@dataclass(eq=False)
class Targets:
    """What real images ask for, held for runs of one task: see ``Targeting``.

    Attributes:
        room: bytes that may still be held; what does not fit is worked out anew.
        held: by what it follows from.
    """

    room: int = 2**28
    held: dict[Hashable, Any] = field(default_factory=dict[Hashable, Any])

    def at(self, place: Hashable, make: Callable[[], Any]) -> Any:
        """Return the target of a place, made now if it is not held."""
        if place not in self.held:
            made = make()
            size = sum(one.nbytes for one in (made if isinstance(made, tuple) else (made,)))
            if size > self.room:
                return made
            self.room -= size
            self.held[place] = made
        return self.held[place]


@dataclass(eq=False)
class Beside:
    """What an update leaves for a twin of some classes, which is matched after it.

    Attributes:
        classes: those that the twin has: they are matched apart from the others.
        network: under which the update was matched.
        matched: the scalar of these classes.
        whole: that of all; the loss of a method may be a multiple of it.
        targets: what real images of these classes ask for.
    """

    classes: range
    network: Network | None = None
    matched: Tensor | None = None
    whole: Tensor | None = None
    targets: Targets = field(default_factory=Targets)

    def add(self, loss: Tensor) -> None:
        """Note what was matched of some of the classes."""
        self.matched = loss if self.matched is None else self.matched + loss

    def forget(self) -> None:
        """Forget the update before."""
        self.network, self.matched, self.whole, self.targets = None, None, None, Targets()


@dataclass(frozen=True, eq=False)
class Task:
    """What there is to distil, and with what: all that a method may look at.

    Attributes:
        real: training images.
        build: makes the networks under which images are compared.
        key: everything random about the run has its address below this one.
        policy: augments; real and synthetic images share each draw.
        route: how images pass a network.
        batch: real images of each class that an update may draw; ``distill`` says how many.
        trajectories: original models on their way, for methods that need them.
        originals: original models as they are, for methods and coresets that need them; the first
            judges where one does.
        start: images that synthetic ones start from, in the order of what networks are shown, for
            methods that go on looking at these; ``distill`` says which.
        targets: held for further runs of this very task, which may differ in their regularisers:
            with methods that can, the real images are then passed through networks once for all.
        beside: where an update leaves what a twin shares with it.
        share: which classes are this process's own, where others have the rest.
    """

    real: ImageSet
    build: Build
    key: Key
    policy: Policy = identity
    route: Route = field(default_factory=Route)
    targets: Targets | None = None
    batch: int = 256
    trajectories: Sequence[Trajectory] = ()
    originals: Pool = ()
    beside: Beside | None = None
    start: ByClass | None = None
    share: Share | None = None

    def __post_init__(self) -> None:
        of_kind(ImageSet, "an ImageSet, see load_dataset and from_arrays", real=self.real)
        require_key(self.key)
        function("a function that makes networks, see builder", build=self.build)
        function("a policy, such as dsa('flip')", policy=self.policy)
        require_route(route=self.route)
        of_kind((Targets, type(None)), "Targets() or None", targets=self.targets)
        of_kind((Beside, type(None)), "Beside(range(...)) or None", beside=self.beside)
        require_given(self.real, "the real images")
        whole(batch=self.batch)
        kind = "trajectories of original models, see training.pool.trajectories"
        of_kind((tuple, list), kind, trajectories=self.trajectories)
        for one in self.trajectories:
            of_kind((tuple, list), kind, trajectories=one)
            require_members(trajectories=one)
        require_members(originals=self.originals)
        of_kind((ByClass, type(None)), "images by class, or None", start=self.start)
        of_kind((Share, type(None)), "a Share, or None", share=self.share)
        in_plain_numbers(self, "batch")


class Method(Protocol):
    """Says how far the synthetic set is from what it ought to be: a frozen value.

    The loop owns what is learned and what moves it; a method owns a scalar.
    """

    def loss(
        self, task: Task, step: int, memory: Any, synthetic: Synthetic, *, key: Key
    ) -> tuple[Tensor, Any]:
        """Return the scalar to minimise in update ``step``, and what to remember.

        Args:
            task: the task at hand.
            step: how many updates have been made.
            memory: what this returned in the update before, which may be changed; None in the
                first. It has a ``state_dict``, as networks have: see ``Remembering``.
            synthetic: the set as it stands; the scalar is differentiated in its tensors.
            key: of this update alone.
        """
        ...


@runtime_checkable
class Remembering(Protocol):
    """A method that remembers something from one update to the next."""

    def recall(self, task: Task, tensors: Mapping[str, Tensor]) -> Any:
        """Return the memory whose ``state_dict`` held these tensors.

        Raises:
            RuntimeError: when they are those of another.
        """
        ...


@runtime_checkable
class Periodic(Protocol):
    """A method whose updates differ: every so many it begins anew, with a new network."""

    @property
    def period(self) -> int:
        """Number of updates from one beginning to the next."""
        ...


@runtime_checkable
class Skipping(Protocol):
    """A method that leaves out updates of which nothing good would come."""

    def skips(self, loss: Tensor) -> Tensor:
        """Return a scalar, whether an update of this loss is left out: nothing moves by it."""
        ...


def skipped(method: Method, loss: Tensor) -> Tensor | None:
    """Return whether a method leaves an update out, as a tensor; None where it never does."""
    return method.skips(loss.detach()) if isinstance(method, Skipping) else None


def period_of(method: Method) -> int:
    """Return after how many updates a method begins anew; 1 where all updates are alike."""
    return method.period if isinstance(method, Periodic) else 1


@runtime_checkable
class Demanding(Protocol):
    """A method that cannot work with everything that there may be."""

    def require(self, task: Task, descent: Descent) -> None:
        """Refuse what it cannot work with, before anything is computed.

        Raises:
            InputError: saying what, and what would do.
        """
        ...


def recalled(task: Task, tensors: Mapping[str, Tensor]) -> Network:
    """Return a network of the task with these weights."""
    network = task.build(key=task.key)  # any: its weights are replaced
    network.load_state_dict(dict(tensors))
    return network


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


METHODS = Registry[Publication]("method", "datastill.methods")
