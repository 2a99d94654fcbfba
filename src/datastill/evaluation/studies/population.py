"""A population of synthetic sets that really differ: what to make, and how each is made."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol

import torch

from datastill.augment import dsa, usual_strategy
from datastill.base.errors import InputError, suggestion
from datastill.base.rng import Key
from datastill.compute.route import Route
from datastill.data import ImageSet, require_held
from datastill.distillation.clom import Regulariser, cross_entropy_clom
from datastill.distillation.descent import Descent, starting_counts
from datastill.distillation.loop import Snapshot, State, distill
from datastill.distillation.methods import METHODS, Published, Targets, Task
from datastill.identity import described
from datastill.networks import builder
from datastill.training.coresets import CORESETS
from datastill.training.pool import Pool, by_architecture

NOISE = "noise"
"""Random real images that are mixed with noise, or noise alone."""

WITHOUT_CHANCE = ("herding", "k-center")
"""Coresets that pick the same images whatever the key: one seed of them is enough."""


@dataclass(frozen=True)
class Kind:
    """One way of making sets.

    Attributes:
        method: of distillation, a coreset, or ``noise``.
        updates: of a distillation.
        alpha: of CLOM in it, 0 for none.
        share: of noise.
    """

    method: str
    updates: int = 0
    alpha: float = 0.0
    share: float = 0.0

    def __str__(self) -> str:
        if self.method == NOISE:
            return f"{NOISE}-{self.share:g}"
        guided = f"-clom{self.alpha:g}" if self.alpha else ""
        return f"{self.method}-{self.updates}{guided}" if self.updates else self.method


def parse(text: str) -> Kind:
    """Read a kind from what a person types.

    Args:
        text: the name of a coreset; ``noise`` or ``noise:SHARE`` with a share up to 1; or
            ``METHOD:UPDATES`` or ``METHOD:UPDATES:ALPHA``, such as ``DM:150:10``.

    Raises:
        InputError: for anything else.

    >>> parse("dm:150:10")
    Kind(method='DM', updates=150, alpha=10.0, share=0.0)
    """
    name, *rest = text.split(":")
    try:
        numbers = [float(part) for part in rest]
    except ValueError:
        raise InputError(f"{text!r}: what follows {name!r} is no number") from None
    if name == NOISE:
        return _noise(text, numbers)
    if name in CORESETS:
        if numbers:
            raise InputError(f"{text!r}: nothing can follow a coreset")
        return Kind(CORESETS.spelling(name))
    if name not in METHODS:
        hint = suggestion(name, [*METHODS.names, *CORESETS.names, NOISE])
        raise InputError(f"no kind of sets named {name!r}; {hint}")
    return _distillation(text, METHODS.spelling(name), numbers)


@dataclass(frozen=True)
class Candidate:
    """One set to be made."""

    kind: Kind
    ipc: int
    seed: int

    @property
    def name(self) -> str:
        """What tells it from all others, fit for the name of a folder."""
        return f"{self.kind}-ipc{self.ipc}-seed{self.seed}"


def candidates(kinds: Iterable[Kind], ipcs: Sequence[int], seeds: int) -> list[Candidate]:
    """Name the sets of a population: every kind at every ipc with every seed that matters."""
    different = list(dict.fromkeys(kinds))
    return [
        Candidate(kind, ipc, seed)
        for ipc in dict.fromkeys(ipcs)
        for kind in different
        for seed in range(1 if kind.method in WITHOUT_CHANCE else seeds)
    ]


class Watch(Protocol):
    """Sees sets that are distilled, and knows where one was cut off; each run has a place."""

    def begun(self, place: str) -> State | None:
        """Return where a run was cut off; None where it is to begin."""
        ...

    def seen(self, place: str, snapshot: Snapshot) -> None:
        """Look at a set after an update; those that were asked for are in safety by then."""
        ...


@dataclass(frozen=True, eq=False)
class Workshop:
    """What sets are made with.

    Attributes:
        real: training images.
        pool: original models, for CLOM.
        model: architecture of the networks under which images are compared.
        key: a seed of a method has its address below this one, with CLOM and without.
        batch: real images per class that an update sees.
        inner_loop: epochs by which networks of DC and DSA age between updates; None for the
            published number.
        route: how images pass a network.
        watch: sees what is distilled.
    """

    real: ImageSet
    pool: Pool
    model: str
    key: Key
    batch: int = 256
    inner_loop: int | None = None
    route: Route = field(default_factory=Route)
    watch: Watch | None = None

    def check(self, wanted: Iterable[Candidate]) -> None:
        """Refuse what could not be made, before anything is.

        Raises:
            InputError: when a class has too few images.
        """
        for candidate in wanted:
            noise = candidate.kind.updates and _published(self, candidate).init == "noise"
            if not noise:
                counts = [candidate.ipc] * len(self.real.domain.classes)
                require_held(self.real, counts, "take a smaller --ipc", "start from")
            if candidate.kind.updates:
                _descent(self, candidate)

    def make(self, wanted: Iterable[Candidate]) -> Iterator[tuple[Candidate, ImageSet]]:
        """Make sets, one after another.

        Those that differ in their updates alone come of one run. Runs that differ in the weight of
        CLOM alone follow each other: what real images ask for is worked out once for all of
        them, where the method can. A run that was cut off comes first.

        Raises:
            InputError: see ``check``; and when there is no pool for CLOM.
        """
        runs: dict[tuple[str, int, int], dict[float, list[Candidate]]] = {}
        for candidate in wanted:
            kind = candidate.kind
            if kind.updates:
                twins = runs.setdefault((kind.method, candidate.ipc, candidate.seed), {})
                twins.setdefault(kind.alpha, []).append(candidate)
            else:
                yield candidate, _picked(self, candidate)
        for twins in sorted(runs.values(), key=self._is_new):
            task = _task(self, next(iter(twins.values()))[0], Targets() if len(twins) > 1 else None)
            for run in twins.values():
                updates = {candidate.kind.updates: candidate for candidate in run}
                yield from _distilled(self, task, updates)

    def _is_new(self, twins: Mapping[float, Sequence[Candidate]]) -> bool:
        places = [_place(run[0]) for run in twins.values()]
        return self.watch is None or not any(map(self.watch.begun, places))


def _picked(shop: Workshop, candidate: Candidate) -> ImageSet:
    kind, real = candidate.kind, shop.real
    key = shop.key.at(str(kind), candidate.ipc, candidate.seed)
    pick = CORESETS["random" if kind.method == NOISE else kind.method]
    rows = pick(real, [candidate.ipc] * len(real.domain.classes), key=key)
    made = replace(real.take(rows.to(real.images.device)), facts=_facts(shop, candidate))
    if not kind.share:
        return made
    noise = torch.randn(made.images.shape, generator=key.at("noise").generator())
    images = (1 - kind.share) * made.images + kind.share * noise.to(made.images)
    return replace(made, images=images, digests=None)


def _task(shop: Workshop, candidate: Candidate, targets: Targets | None) -> Task:
    # The same for sets that differ in CLOM or in their updates alone.
    build = builder(shop.model, shop.real.domain, shop.real.images.device)
    key = shop.key.at(candidate.kind.method, candidate.ipc, candidate.seed)
    return Task(shop.real, build, key, dsa(_strategy(shop, candidate)), shop.route, targets)


def _strategy(shop: Workshop, candidate: Candidate) -> str:
    augmented = _published(shop, candidate).augmented
    return usual_strategy(shop.real.domain) if augmented else "none"


def _distilled(
    shop: Workshop, task: Task, wanted: Mapping[int, Candidate]
) -> Iterator[tuple[Candidate, ImageSet]]:
    candidate = wanted[max(wanted)]
    published, descent = _published(shop, candidate), _descent(shop, candidate)
    facts = {
        "method_settings": asdict(published.method),  # pyright: ignore[reportArgumentType]
        "protocol": published.protocol,
        "model": shop.model,
        "descent": descent.facts(),
        "dsa_strategy": _strategy(shop, candidate),
    }
    regularisers = _clom(shop, candidate)
    place = _place(candidate)
    state = shop.watch.begun(place) if shop.watch else None
    if state and state.step >= min(wanted):  # a set has come to be wanted that it is past
        state = None
    for snapshot in distill(
        published.method, task, descent, regularisers=regularisers, state=state
    ):
        if snapshot.step in wanted:
            here = wanted[snapshot.step]
            yield here, replace(snapshot.synthetic, facts={**_facts(shop, here), **facts})
        if shop.watch:
            shop.watch.seen(place, snapshot)


def _place(candidate: Candidate) -> str:
    kind = replace(candidate.kind, updates=0)  # sets that differ in it share a run
    return f"{kind}-clom{kind.alpha:g}-ipc{candidate.ipc}-seed{candidate.seed}"


def _published(shop: Workshop, candidate: Candidate) -> Published:
    published = METHODS[candidate.kind.method](candidate.ipc)
    method: Any = published.method
    if shop.inner_loop is None or not hasattr(method, "inner_loop"):
        return published
    return replace(published, method=replace(method, inner_loop=shop.inner_loop))


def _descent(shop: Workshop, candidate: Candidate) -> Descent:
    published, updates = _published(shop, candidate), candidate.kind.updates
    descent = published.descent(candidate.ipc, updates=updates, batch=shop.batch)
    starting_counts(shop.real, descent)
    return descent


def _clom(shop: Workshop, candidate: Candidate) -> dict[str, Regulariser]:
    alpha = candidate.kind.alpha
    if not alpha:
        return {}
    return {"clom": cross_entropy_clom(shop.pool, alpha, shop.real.domain, route=shop.route)}


def _facts(shop: Workshop, candidate: Candidate) -> dict[str, Any]:
    kind = candidate.kind
    guides: dict[str, Any] = {
        "alphas": [kind.alpha],
        "models_pool": list(by_architecture(shop.pool)),
    }
    if kind.alpha:
        guides["originals"] = described(shop.pool)
    return {
        "method": kind.method,
        "clom": guides if kind.alpha else None,
        "step": kind.updates,
        "noise": kind.share,
        "seed": candidate.seed,
        "data": dict(shop.real.facts),
        "route": shop.route.facts(),
    }


def _noise(text: str, numbers: Sequence[float]) -> Kind:
    share = numbers[0] if numbers else 1.0
    if len(numbers) > 1 or not 0 < share <= 1:
        raise InputError(f"{text!r}: {NOISE} may be followed by one share, above 0 and up to 1")
    return Kind(NOISE, share=share)


def _distillation(text: str, method: str, numbers: Sequence[float]) -> Kind:
    updates, alpha = [*numbers, 0.0][:2] if numbers else (0.0, 0.0)
    sound = len(numbers) in (1, 2) and updates >= 1 and updates == int(updates)
    if not sound or not 0 <= alpha < math.inf:
        raise InputError(
            f"{text!r}: {method} must be followed by its updates and, for CLOM, by an alpha, "
            f"such as {method}:100 or {method}:100:10"
        )
    return Kind(method, updates=int(updates), alpha=alpha)
