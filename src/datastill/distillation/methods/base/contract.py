"""What a method is, and all that it may see."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from datastill.augment import Policy, identity
from datastill.base.errors import (
    InputError,
    function,
    in_plain_numbers,
    of_kind,
    takes,
    told,
    whole,
)
from datastill.base.rng import Key, require_key
from datastill.compute.route import Route, require_route
from datastill.data import ByClass, ImageSet, require_given
from datastill.distillation.descent import Descent
from datastill.distillation.parametrisations import Synthetic
from datastill.distillation.sharing import Share
from datastill.networks import Build, Network
from datastill.training.pool import Pool, Trajectory, require_members


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


def require_method(method: Any) -> None:
    """Refuse what is no method, or has a loss that cannot be asked as ``Method`` says.

    Raises:
        InputError: naming what was found.
    """
    if isinstance(method, type) or not callable(getattr(method, "loss", None)):
        raise InputError(
            "`method` must be a method with its settings, such as METHODS['DM'](ipc=1), found "
            f"{told(method)}"
        )
    wanted = f"the loss of {type(method).__name__} must take task, step, memory, synthetic, key=..."
    takes(method.loss, wanted, None, 0, None, None, key=None)


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
