"""Original models that guide a distillation, and choose its snapshot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from datastill.base.errors import InputError
from datastill.base.rng import Key
from datastill.data import ImageSet
from datastill.datasets import dataset_name
from datastill.distillation.clom import (
    ACCURACY,
    EQUAL,
    Regulariser,
    contrastive_clom,
    cross_entropy_clom,
    pair_alphas,
)
from datastill.distillation.descent import Descent
from datastill.distillation.methods import METHODS, Published, Task
from datastill.distillation.methods.base import Need
from datastill.distillation.weighing import Weighed
from datastill.evaluation.assessments import Evidence
from datastill.evaluation.scores import needs_of_all, require_kept, spelling
from datastill.evaluation.selection import Selector
from datastill.identity import described, unknown
from datastill.networks import BACKBONE, find
from datastill.runs.inputs import originals
from datastill.runs.inputs.computing import route_of
from datastill.runs.inputs.needed import Needed, compared_under, experts, needed
from datastill.runs.inputs.originals import Shelf
from datastill.runs.inputs.picking import PIXELS, Features, features_by
from datastill.runs.specs import ClomSpec, DistillSpec, PoolSpec
from datastill.training.coresets import CORESETS, needs_of
from datastill.training.pool import Pool


def guided(spec: DistillSpec, published: Published) -> DistillSpec:
    """Return a description with CLOM as published for the method, where none is described.

    That is of the models under which the method compares images. A weight of zero is no CLOM.
    """
    if spec.clom is not None:
        return spec if any(spec.clom.numbers) else replace(spec, clom=None)
    if not published.clom:
        return spec
    pool = replace(spec.pool, architectures=(spec.model,))
    return replace(spec, clom=ClomSpec(alphas=(published.clom,)), pool=pool)


def require_asked(spec: DistillSpec, published: Published) -> None:
    """Refuse to say which original models, where none has a part in what is done.

    Raises:
        InputError: then.
    """
    by_name = spec.clom or spec.select
    others = by_name or published.clom or published.needs
    ended = by_name or published.clom or published.needs - {"trajectories"}  # go all their way
    _require_one(spec, published)
    for name, has_part in (("architectures", by_name), ("num", others), ("epoch", ended)):
        if not has_part and getattr(spec.pool, name) != getattr(PoolSpec, name):
            raise InputError(
                f"`pool.{name}` has no meaning here: original models guide by `clom.alphas`, "
                "choose by `select.by`, and coresets ask those of `coreset_features`; leave it out"
            )


def unused(spec: DistillSpec, published: Published) -> Iterator[str]:
    """Say what has no part in what is done, and is let be: other runs of its kind may need it."""
    if spec.batch != DistillSpec.batch and not getattr(published.method, "draws", True):
        name = METHODS.spelling(spec.method)
        yield f"no update of {name} draws real images: {spec.batch} at a time have no part in it"


def _require_one(spec: DistillSpec, published: Published) -> None:
    # Under the original model that picked them images are compared as well, where they are.
    init, other = spec.init or published.init, spec.coreset_features
    if "originals" not in published.needs or other in (None, PIXELS) or init not in CORESETS:
        return
    if needs_of(CORESETS[init]) and find(other)[0] != find(spec.model)[0]:
        raise InputError(
            f"{METHODS.spelling(spec.method)} compares images under the original model that picks "
            f"them, and `coreset_features={other!r}` is another than `model={spec.model!r}`; "
            "leave it out"
        )


def guides_of(spec: DistillSpec, real: ImageSet) -> Pool:
    """Return the original models that guide, or none without CLOM."""
    clom, pool = spec.clom, spec.pool
    if clom is None:
        return ()
    pair_alphas(clom.numbers, pool.architectures)
    for name in pool.architectures:
        if name.startswith(BACKBONE) and clom.distance != "cosine":
            raise InputError(f"{name} knows no classes; pass `clom.distance='cosine'`")
    source = dataset_name(clom.source) if clom.source else real.domain.name
    # The same files at another size are not another dataset: the same are kept for tests.
    own = clom.source in (None, spec.data.name) or source == real.domain.name
    own = own or _same_place(clom.source, spec.data.name)
    shelf = Shelf(pool.path, real, name=source, other=not own)
    if clom.weighting == ACCURACY and pool.epoch is None:
        return shelf.snapshots(pool.architectures, pool.num)
    return shelf.asked(pool)


def needed_by(spec: DistillSpec, real: ImageSet, needs: frozenset[Need]) -> Needed:
    """Return the original models that a method needs, those of the pool."""
    pool, shelf = spec.pool, Shelf(spec.pool.path, real)
    return needed(needs, shelf, spec.model, pool.num, pool.epoch)


def known_of(spec: DistillSpec, published: Published, descent: Descent, real: ImageSet) -> Features:
    """Return what the coreset to start from knows of the real images, if there is one."""
    coresets = [descent.init] if descent.init in CORESETS else []
    asked = (coresets, spec.coreset_features, spec.model)
    epoch = spec.pool.epoch if "originals" in published.needs else None  # images are compared so
    return features_by(*asked, real, spec.pool.path, epoch=epoch)


def regularisers_of(spec: DistillSpec, real: ImageSet, pool: Pool) -> dict[str, Regulariser]:
    """Return CLOM under its pool, or nothing without one."""
    clom = spec.clom
    if clom is None:
        return {}
    route, alphas = route_of(spec.compute), clom.numbers
    if clom.distance == "cosine":
        batch = clom.batch_size
        term: Regulariser = contrastive_clom(pool, alphas, real, batch=batch, route=route)
    else:
        how, domain = clom.weighting, real.domain
        term = cross_entropy_clom(pool, alphas, domain, weighting=how, route=route)
    return {"clom": Weighed(term) if clom.found else term}


def selector_of(
    spec: DistillSpec, real: ImageSet, held_out: ImageSet | None = None
) -> Selector | None:
    """Return what chooses a snapshot, or nothing where the last is kept.

    Args:
        spec: the description.
        real: training images.
        held_out: those of them that nothing has seen, if any were kept.

    Raises:
        InputError: when the assessment needs such images, or models, and there are none.
    """
    select = spec.select
    if select is None:
        return None
    pool, early, needed = (), (), needs_of_all([select.by])
    if "originals" in needed:
        pool, early = originals.load(spec.pool, real, [select.by])
    key = Key(spec.compute.seed).at("assess")
    own = (spec.model,) if "held_out" in needed else spec.pool.architectures
    evidence = Evidence(real, real, pool, key, route_of(spec.compute), early, held_out, own)
    require_kept([select.by], held_out)  # before anything is made
    return Selector(spelling(select.by, evidence), evidence, select.every)


def hands_of(
    spec: DistillSpec,
    published: Published,
    task: Task,
    features: Features,
    held_out: ImageSet | None,
) -> tuple[dict[str, Regulariser], Selector | None, dict[str, Any]]:
    """Return what original models guide and choose by, and what is written down of all of them."""
    guiding, real = guided(spec, published), task.real
    guides, selector = guides_of(guiding, real), selector_of(spec, real, held_out)
    told = {**followed(guiding, guides, selector, features), **experts(task)}
    told["compared_under"] = compared_under(published, task)
    return regularisers_of(guiding, real, guides), selector, told


def followed(
    spec: DistillSpec, guides: Pool, selector: Selector | None, features: Features
) -> dict[str, Any]:
    """Return which original models had a hand in the result, and in what."""
    judges: Pool = ()
    select: dict[str, Any] | None = None
    if selector is not None and spec.select is not None:
        judges = [*selector.evidence.pool, *selector.evidence.early]
        told = {"by": spec.select.by, "every": spec.select.every}
        select = {**told, "originals": described(judges)}
    silent = unknown([*guides, *judges])
    return {
        "clom": _clom(spec, guides),
        "select": select,
        **features.written(),
        "caveats": [silent] if silent else None,
    }


def _clom(spec: DistillSpec, guides: Pool) -> dict[str, Any] | None:
    clom, pool = spec.clom, spec.pool
    if clom is None:
        return None
    return {
        "alphas": clom.alphas,
        "models_pool": pool.architectures,
        "model_num": pool.num,
        "epoch": pool.epoch,
        "distance": clom.distance,
        "weighting": None if clom.weighting == EQUAL else clom.weighting,
        "batch_size": clom.batch_size if clom.distance == "cosine" else None,
        "source_dataset": clom.source or spec.data.name,
        "originals": described(guides),
    }


def _same_place(one: str | None, other: str | None) -> bool:
    if one is None or other is None or not Path(one).exists():
        return False
    return Path(one).resolve() == Path(other).resolve()
