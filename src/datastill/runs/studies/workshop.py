"""Makes the synthetic sets of a population, those first that share a run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Protocol

import torch

from datastill.augment import dsa
from datastill.base.errors import InputError, suggestion
from datastill.base.rng import Key
from datastill.compute.route import Route
from datastill.data import ImageSet, require_held
from datastill.distillation.clom import Regulariser, cross_entropy_clom
from datastill.distillation.descent import Descent, starting_counts
from datastill.distillation.loop import Snapshot, State, distill
from datastill.distillation.methods import METHODS, Demanding, Published, Targets, Task
from datastill.identity import described
from datastill.networks import builder
from datastill.runs.inputs.needed import Finder, compared_under, experts, nothing
from datastill.runs.specs.base import Settings
from datastill.runs.specs.population import (
    NOISE,
    Candidate,
    asks_models,
    needs_to_make,
    own_settings,
)
from datastill.runs.specs.settings import adjusted, made_with
from datastill.training.coresets import (
    CORESETS,
    Coreset,
    Known,
    needs_of,
    picked,
    require_known,
)
from datastill.training.pool import Pool, by_architecture


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
        settings: of methods; a method takes those that it has.
        route: how images pass a network.
        watch: sees what is distilled.
        needed: finds the original models that methods need.
    """

    real: ImageSet
    pool: Pool
    model: str
    key: Key
    batch: int = 256
    settings: Settings = field(default_factory=dict[str, bool | int | float | str])
    route: Route = field(default_factory=Route)
    watch: Watch | None = None
    needed: Finder = nothing

    def check(self, wanted: Iterable[Candidate]) -> None:
        """Refuse what could not be made, before anything is.

        Raises:
            InputError: when a class has too few images, a method lacks the original models that it
                needs, or no method has one of the settings.
        """
        wanted = list(wanted)
        _require_meaning(self, wanted)
        for candidate in wanted:
            noise = candidate.kind.updates and _published(self, candidate).init == "noise"
            if not noise:
                counts = [candidate.ipc] * len(self.real.domain.classes)
                require_held(self.real, counts, "take a smaller `ipc`", "start from")
            if candidate.kind.updates:
                _require(self, candidate)

    def make(self, wanted: Iterable[Candidate]) -> Iterator[tuple[Candidate, ImageSet]]:
        """Make sets, one after another.

        Those that differ in their updates alone come of one run. Runs that differ in the weight of
        CLOM alone follow each other: what real images ask for is worked out once for all of
        them, where the method can. A run that was cut off comes first.

        Raises:
            InputError: see ``check``; and when there is no pool for CLOM.
        """
        runs: dict[tuple[str, int, int], dict[float, list[Candidate]]] = {}
        wanted = list(wanted)
        for candidate in wanted:
            if not candidate.kind.updates:
                require_known(_coreset(candidate), Known(originals=self.pool))
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

    def follows(self, candidate: Candidate) -> dict[str, Any]:
        """Return which original models a set follows from."""
        if not asks_models(candidate.kind, self.settings):
            return {"pool": None}
        found = {"pool": described(self.pool)}
        if not candidate.kind.updates:
            return found
        published = _published(self, candidate)
        return {**found, **_models(published, _task(self, candidate, None))}

    def _is_new(self, twins: Mapping[float, Sequence[Candidate]]) -> bool:
        places = [run[0].run for run in twins.values()]
        return self.watch is None or not any(map(self.watch.begun, places))


def _coreset(candidate: Candidate) -> Coreset:
    method = candidate.kind.method
    return CORESETS["random" if method == NOISE else method]


def _picked(shop: Workshop, candidate: Candidate) -> ImageSet:
    kind, real = candidate.kind, shop.real
    key = shop.key.at(str(kind), candidate.ipc, candidate.seed)
    pick = _coreset(candidate)
    counts, known = [candidate.ipc] * len(real.domain.classes), Known(originals=shop.pool)
    found = picked(pick, real, counts, key=key, known=known)
    made = replace(found, facts=_facts(shop, candidate))
    if not kind.share:
        return made
    noise = torch.randn(made.images.shape, generator=key.at("noise").generator())
    images = (1 - kind.share) * made.images + kind.share * noise.to(made.images)
    return replace(made, images=images, digests=None)


def _task(shop: Workshop, candidate: Candidate, targets: Targets | None) -> Task:
    # The same for sets that differ in CLOM or in their updates alone.
    build = builder(shop.model, shop.real.domain, shop.real.images.device)
    key = shop.key.at(candidate.kind.method, candidate.ipc, candidate.seed)
    policy = dsa(_strategy(shop, candidate))
    found = shop.needed(needs_to_make(_published(shop, candidate)))
    task = Task(shop.real, build, key, policy, shop.route, targets)
    return replace(task, trajectories=found.trajectories, originals=found.originals)


def _strategy(shop: Workshop, candidate: Candidate) -> str:
    return _published(shop, candidate).usual_strategy(shop.real.domain)


def _distilled(
    shop: Workshop, task: Task, wanted: Mapping[int, Candidate]
) -> Iterator[tuple[Candidate, ImageSet]]:
    candidate = wanted[max(wanted)]
    published, descent = _published(shop, candidate), _descent(shop, candidate)
    facts = {
        **made_with(published, shop.model, descent),
        "dsa_strategy": _strategy(shop, candidate),
        **_models(published, task),
    }
    regularisers = _clom(shop, candidate)
    place = candidate.run
    state = shop.watch.begun(place) if shop.watch else None
    if state and state.step >= min(wanted):  # a set has come to be wanted that it is past
        state = None
    for snapshot in distill(
        published.method, task, descent, regularisers=regularisers, state=state
    ):
        if snapshot.step in wanted:
            here = wanted[snapshot.step]
            yield here, _told(snapshot.synthetic, {**_facts(shop, here), **facts})
        if shop.watch:
            shop.watch.seen(place, snapshot)


def _told(made: ImageSet, facts: Mapping[str, Any]) -> ImageSet:
    return replace(made, facts={**facts, **made.facts})


def _published(shop: Workshop, candidate: Candidate) -> Published:
    name = candidate.kind.method
    published = METHODS[name](candidate.ipc)
    return adjusted(published, name, own_settings(published.method, shop.settings))


def _descent(shop: Workshop, candidate: Candidate) -> Descent:
    published, updates = _published(shop, candidate), candidate.kind.updates
    descent = published.descent(candidate.ipc, updates=updates, batch=shop.batch)
    starting_counts(shop.real, descent)
    return descent


def _require(shop: Workshop, candidate: Candidate) -> None:
    published, descent = _published(shop, candidate), _descent(shop, candidate)
    needs = needs_to_make(published)
    if not needs:
        return
    try:
        task = _task(shop, candidate, None)
        if needs - {"originals"} and not task.trajectories:
            raise InputError("it needs original models on their way, and there are none")
        if "originals" in needs and not task.originals:
            raise InputError("it asks an original model, and there is none")
        if isinstance(published.method, Demanding):
            published.method.require(task, descent)
    except InputError as error:
        raise InputError(
            f"{candidate.kind}: {error}; `judges.path` names the folder of such models"
        ) from None


def _require_meaning(shop: Workshop, wanted: Iterable[Candidate]) -> None:
    # Of a study that grows a setting may be of methods of before: but of some it must be.
    used = (candidate.kind.method for candidate in wanted if candidate.kind.updates)
    methods: list[Any] = [METHODS[name](1).method for name in {*METHODS.names, *used}]
    known = sorted({field.name for method in methods for field in fields(method)})
    for name in shop.settings:
        if name not in known:
            raise InputError(f"no method has a setting `{name}`; {suggestion(name, known)}")


def _models(published: Published, task: Task) -> dict[str, Any]:
    # Which original models were asked, and by what, where any were.
    judge, found = compared_under(published, task), experts(task)
    if needs_to_make(published) > published.needs:
        found["coreset_originals"] = {"originals": described(task.originals)}
    return {**found, **({"compared_under": judge} if judge else {})}


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
    needs = needs_of(CORESETS[kind.method]) if kind.method in CORESETS else frozenset()
    accounts = [one for one in shop.pool if one.dynamics is not None]
    asked = accounts if "dynamics" in needs else shop.pool[:1]
    return {
        "method": kind.method,
        "clom": guides if kind.alpha else None,
        "coreset_originals": {"originals": described(asked)} if needs else None,
        "step": kind.updates,
        "noise": kind.share,
        "seed": candidate.seed,
        "data": dict(shop.real.facts),
        "route": shop.route.facts(),
    }
