"""Original models: networks trained on real data, kept frozen as teachers and as judges."""

from __future__ import annotations

import time
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from datastill.base.errors import InputError, countable, of_kind, whole
from datastill.base.present import Present
from datastill.base.rng import Key, require_key
from datastill.base.usual import as_usual
from datastill.compute.route import Route
from datastill.data import Domain, ImageSet, draw_share, require_given
from datastill.identity import Digests, keys_of, trained_on
from datastill.networks import Model, Network, backbone, build, find, name_of
from datastill.training.dynamics import Dynamics, Watcher
from datastill.training.fit import Epoch, Fit, Fitting, accuracy, epochs

HELD_OUT = 0.05


@dataclass(frozen=True, eq=False, repr=False)
class Member:
    """One original model and what is known about it.

    Attributes:
        network: frozen, in evaluation mode.
        architecture: the name by which ``networks.build`` makes it.
        domain: of the images it was trained on, with their normalisation.
        facts: seed, epoch, how it was trained and how well it does.
        dynamics: how the images did that it was trained on; None where that is not known, or
            was not asked for.
    """

    network: Network
    architecture: str
    domain: Domain
    facts: Mapping[str, Any]
    dynamics: Dynamics | None = None

    def __repr__(self) -> str:
        epoch = f", epoch {self.facts['epoch']}" if "epoch" in self.facts else ""
        return f"Member({self.architecture} of {self.domain.name}{epoch})"


Pool = Sequence[Member]


def original_fit(epochs: int = 150) -> Fit:
    """Return the published way to train original models, stretched to another length.

    SGD with a learning rate of 0.01 that falls to a tenth after one and after two thirds,
    momentum 0.9, weight decay 0.005, batches of 256, no augmentation.

    >>> original_fit().milestones
    (50, 100)
    """
    whole(epochs=epochs)
    thirds = (epochs // 3, 2 * epochs // 3)
    milestones = tuple(sorted({epoch for epoch in thirds if epoch > 0}))
    return Fit(epochs=epochs, batch=256, lr=0.01, weight_decay=5e-3, milestones=milestones)


def split_held_out(real: ImageSet, share: float, *, key: Key) -> tuple[ImageSet, ImageSet]:
    """Split training images into those to fit and those to judge by, class by class.

    Args:
        real: training images; the test set has no part in this.
        share: of every class to hold out; above 0, at least one image where a class has two.
        key: decides which.
    """
    chosen = draw_share(real.rows_by_class, share, key=key).to(real.images.device)
    return real.part(~chosen), real.part(chosen)


def _fitted_keys(real: ImageSet, share: float, key: Key) -> Digests:
    # Of the images that ``split_held_out`` leaves to be fitted.
    return keys_of(real)[~draw_share(real.rows_by_class, share, key=key).numpy()]


def _watcher(fitted: ImageSet, fit: Fit, state: Fitting | None) -> Watcher | None:
    past = state.watched if state else None
    if past is not None and not past:
        return None  # an earlier datastill began it, and did not watch
    return Watcher(fitted.hard_labels, fit.epochs, past)


def train_member(
    architecture: str,
    real: ImageSet,
    fit: Fit,
    *,
    key: Key,
    held_out: float = HELD_OUT,
    route: Route | None = None,
    state: Fitting | None = None,
) -> Iterator[tuple[Epoch, Callable[[], Member]]]:
    """Train one original model and pause after every epoch, of which none is ever chosen.

    Args:
        architecture: see ``networks.build``.
        real: training images.
        fit: see ``original_fit``.
        key: decides the weights, the order of the images and what is held out.
        held_out: share of the training images to judge by.
        route: how batches pass the network.
        state: where it was, for one that was cut off; see ``fit.epochs``.

    Yields:
        The epoch, and what makes a frozen member of the model as it is until the next has begun.
    """
    started, present, seen = time.perf_counter(), Present("epoch"), trained_on(real)
    network = build(architecture, real.domain, key=key.at("network")).to(real.images.device)
    fitted, held = split_held_out(real, held_out, key=key.at("held-out"))
    watcher = _watcher(fitted, fit, state)

    def member(epoch: Epoch) -> Member:
        facts = {"key": key.seed, **_reached(epoch, fit, network, fitted, held, route)}
        facts |= {"seconds": round(time.perf_counter() - started, 2), "trained_on": seen}
        found = freeze(_copied(network, architecture, real, key), architecture, real.domain, facts)
        return _with_dynamics(found, watcher, real, held_out, key)

    its = key.at("fit")
    for epoch in epochs(network, fitted, fit, key=its, route=route, state=state, watch=watcher):
        yield epoch, present.only(epoch.number, partial(member, epoch))
        if epoch.number < fit.epochs:
            present.ends()


def _with_dynamics(
    found: Member, watcher: Watcher | None, real: ImageSet, share: float, key: Key
) -> Member:
    if watcher is None:
        return found
    return replace(found, dynamics=watcher.dynamics(_fitted_keys(real, share, key.at("held-out"))))


def _copied(network: Network, architecture: str, real: ImageSet, key: Key) -> Network:
    found = build(architecture, real.domain, key=key).to(real.images.device)
    found.load_state_dict(network.state_dict())
    return found


def _reached(
    epoch: Epoch, fit: Fit, network: Network, fitted: ImageSet, held: ImageSet, route: Route | None
) -> dict[str, Any]:
    return {
        "epoch": epoch.number,
        "fit": asdict(fit),
        "train_loss": round(float(epoch.loss), 6),
        "train_images": len(fitted),
        "train_accuracy": accuracy(network, fitted, route=route),
        "held_out_images": len(held),
        "held_out_accuracy": accuracy(network, held, route=route) if len(held) else None,
    }


@as_usual
def train_pool(
    architecture: str | Model, real: ImageSet, *, num: int, fit: Fit | None = None, key: Key
) -> Pool:
    """Train ``num`` original models that differ in their seed, one or more."""
    find(architecture)
    architecture = name_of(architecture)
    whole(num=num)
    countable(num=num)
    require_key(key)
    of_kind(ImageSet, "an ImageSet", real=real)
    if fit is not None:
        of_kind(Fit, "a Fit, such as original_fit()", fit=fit)
    require_given(real, "the training images")
    pool: list[Member] = []
    for i in range(num):
        *_, (_, last) = train_member(architecture, real, fit or original_fit(), key=key.at(i))
        pool.append(last())
    return tuple(pool)


def require_members(**pools: object) -> None:
    """Refuse what is no pool; one without members is one."""
    wanted = "original models, such as those of train_pool()"
    for name, pool in pools.items():
        of_kind((tuple, list), wanted, **{name: pool})
        for member in typing.cast("Sequence[object]", pool):
            of_kind(Member, wanted, **{name: member})


def freeze(network: Network, architecture: str, domain: Domain, facts: Mapping[str, Any]) -> Member:
    """Make a member of a network that will not change any more."""
    network.eval().requires_grad_(False)
    return Member(network, architecture, domain, facts)


def backbone_member(name: str, domain: Domain) -> Member:
    """Return a model of Hugging Face as a member of a pool, for the images of a domain.

    It has features and no logits: it serves the contrastive form of CLOM, assessments that look at
    features, and coresets.

    Args:
        name: ``hf:NAME``, see ``networks.backbone``.
        domain: of the images that it will be given.
    """
    found = backbone(name, domain)
    return freeze(found.network, name, domain, found.facts)


def by_architecture(pool: Pool) -> dict[str, Pool]:
    """Group a pool by architecture, in order of appearance."""
    groups: dict[str, list[Member]] = {}
    for member in pool:
        groups.setdefault(member.architecture, []).append(member)
    return {name: tuple(members) for name, members in groups.items()}


Trajectory = Sequence[Member]
"""One original model as it was after several epochs, the earliest first."""


def trajectories(pool: Pool) -> tuple[Trajectory, ...]:
    """Group a pool by what became of the same weights, in order of appearance.

    Where it is known from which weights a member set out, these come first, as epoch 0.

    Raises:
        InputError: for a member whose facts do not say which it is, or after which epoch.
    """
    found: dict[tuple[str, int], dict[int, Member]] = {}
    for member in pool:
        key, epoch = (member.facts.get(name) for name in ("key", "epoch"))
        if key is None or epoch is None:
            raise InputError(f"this {member.architecture} does not say what it is a snapshot of")
        found.setdefault((member.architecture, key), {})[epoch] = member
    whole: list[Trajectory] = []
    for (_, key), members in found.items():
        by_number = {0: _begun(next(iter(members.values())), Key(key)), **members}
        whole.append(tuple(by_number[epoch] for epoch in sorted(by_number)))
    return tuple(whole)


def _begun(member: Member, key: Key) -> Member:
    # The weights that ``train_member`` set out from.
    network = build(member.architecture, member.domain, key=key.at("network"))
    place = next(member.network.parameters()).device
    facts = {"key": key.seed, "epoch": 0}
    return freeze(network.to(place), member.architecture, member.domain, facts)


def by_epoch(pool: Pool) -> dict[int, Pool]:
    """Group a pool by the epoch after which each member was kept, the earliest first.

    Raises:
        InputError: for a member whose facts do not say.
    """
    groups: dict[int, list[Member]] = {}
    for member in pool:
        if "epoch" not in member.facts:
            raise InputError(f"this {member.architecture} does not say after which epoch it is")
        groups.setdefault(member.facts["epoch"], []).append(member)
    return {epoch: tuple(groups[epoch]) for epoch in sorted(groups)}
