"""What assessments say of a set: found out, written down, and read again."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datastill.base.errors import InputError
from datastill.base.notebooks import of_run
from datastill.base.rng import Key
from datastill.base.wording import counted
from datastill.data import ImageSet, require_held
from datastill.evaluation import scores
from datastill.evaluation.assessments import Evidence, Score
from datastill.evaluation.scores import Assessed, family, needs_of_all
from datastill.identity import described
from datastill.runs.conduct.keeping import is_same_run
from datastill.runs.conduct.observer import Observer
from datastill.runs.folders.provenance import Provenance
from datastill.runs.inputs import originals
from datastill.runs.inputs.computing import device_of, route_of
from datastill.runs.inputs.origin import Caveats, Origin
from datastill.runs.inputs.reading import Read, moved
from datastill.runs.specs import AssessSpec, RankSpec
from datastill.store import fingerprint, read_json, through_json, write_json
from datastill.training.coresets import CORESETS, picked


@dataclass(frozen=True, eq=False)
class Scored:
    """What assessments say of a set.

    Attributes:
        scores: by the names of the assessments.
        random: the same of every random set of real images beside it.
        caveats: what has to be known of them.
        seconds: that the scores of the set took together, with what random ones need too.
        file: where every value is written; None where nothing is.
        set: its path.
        others: the same of the other sets that were scored along with it.
    """

    scores: Mapping[str, Assessed]
    random: tuple[Mapping[str, Assessed], ...]
    caveats: Caveats
    seconds: float
    file: Path | None
    set: str = ""
    others: tuple[Scored, ...] = ()

    _repr_html_ = of_run


def scored(
    spec: AssessSpec, made: ImageSet, file: Path, kept: Path, observer: Observer
) -> tuple[Scored, dict[str, Any]]:
    """Score a set.

    Args:
        spec: what the scores follow from.
        made: the set.
        file: of it.
        kept: where scores may lie, that are taken if they follow from the same.
        observer: is told who judges, and caveats.

    Returns:
        What assessments say of it, and the same as files hold it.

    Raises:
        InputError: when it was made from other images, or these or models do not suffice.
    """
    read, caveats = read_for({str(file): made}, spec, observer)
    if spec.draws:
        require_held(read.train, made.stored_counts, "`draws=0` goes without random images")
    evidence = evidence_of(made, read, spec, spec.assessments)
    judges = originals.told(evidence.pool, evidence.early)
    observer.message(f"{file}: {counted(len(made), 'image')}, judged by {judges}")
    provenance = provenance_of(spec, made, evidence)
    asked = through_json(provenance.asked)
    if kept.exists():
        found, table = scored_in(kept)
        if is_same_run({name: table.get(name) for name in asked}, asked):
            return found, table
    started = time.perf_counter()
    draws = 1 + spec.retests
    said = scores.assess(evidence, spec.assessments or None, draws=draws)
    seconds = time.perf_counter() - started
    beside = _random(evidence, spec.draws)
    random = tuple(scores.assess(other, said, draws=draws) for other in beside)
    found = Scored(said, random, caveats, seconds, None)
    return found, through_json(table_of(found, provenance, evidence))


def read_for(
    made: Mapping[str, ImageSet], spec: AssessSpec | RankSpec, observer: Observer
) -> tuple[Read, Caveats]:
    """Read the real images that sets stand for, and say what has to be known of them.

    Args:
        made: the sets, by their names.
        spec: says which images.
        observer: is told the caveats.

    Raises:
        InputError: when a set was made from other images.
    """
    origin = Origin.of(next(iter(made.values())), spec.data, observer)
    read, caveats = origin.parts(made, observer)
    return moved(read, device_of(spec.compute)), caveats


def evidence_of(
    made: ImageSet, read: Read, spec: AssessSpec | RankSpec, names: Sequence[str]
) -> Evidence:
    """Return what a set, or several, are judged by: without original models, where none is asked.

    Args:
        made: the set, or the training images for want of one.
        read: the real images.
        spec: says which models.
        names: of the assessments; without any, the usual ones.
    """
    real, pool, early = read.train, (), ()
    if not names or "originals" in needs_of_all(names):
        pool, early = originals.load(spec.pool, real, names)
    key = Key(spec.compute.seed).at("assess")
    about = (made.to(real.images.device), real, pool, key, route_of(spec.compute), early)
    return Evidence(*about, read.held_out, spec.pool.architectures)


def _random(evidence: Evidence, draws: int) -> Iterator[Evidence]:
    pick, real = CORESETS["random"], evidence.train
    for i in range(draws):
        key = evidence.key.at("random", i)
        yield evidence.of(picked(pick, real, evidence.synthetic.stored_counts, key=key))


def provenance_of(spec: AssessSpec, made: ImageSet, evidence: Evidence) -> Provenance:
    """Return all that scores of a set follow from."""
    real = evidence.train
    judges = {"pool": described(evidence.pool), "early": described(evidence.early)}
    images = {
        "dataset": real.domain.name,
        "images": len(real),
        "fingerprint": fingerprint(real),
    }
    data = {"set": fingerprint(made), "real": images}
    return Provenance.here(spec, real.images.device.type, judges, data)


def table_of(scored: Scored, provenance: Provenance, evidence: Evidence) -> dict[str, Any]:
    """Return scores as files hold them, with all that they follow from."""
    return {
        **provenance.facts(),
        "route": evidence.route.facts(),
        "caveats": list(scored.caveats),
        "seconds": round(scored.seconds, 3),
        "scores": [_row(name, scored) for name in scored.scores],
    }


def keep(found: Scored, table: Mapping[str, Any], file: Path) -> None:
    """Write scores where the whole takes them, see ``scored_in``."""
    draws = [{name: one.draws for name, one in beside.items()} for beside in found.random]
    write_json(file, {"table": table, "random_draws": draws})


def scored_in(file: Path) -> tuple[Scored, dict[str, Any]]:
    """Read scores that were kept, and return them and the table of them.

    Raises:
        InputError: when the file is damaged.
    """
    held = read_json(file)
    try:
        table: dict[str, Any] = held["table"]
        rows = {row["name"]: row for row in table["scores"]}
        said = {
            name: Assessed(
                _score(row, row["value"]),
                *(row["seconds"], row["seconds_once"], tuple(row.get("draws", ()))),
            )
            for name, row in rows.items()
        }
        random = tuple(
            {  # what these cost is told nowhere
                name: Assessed(_score(row, row["random"][i]), 0.0, 0.0, tuple(draws[name]))
                for name, row in rows.items()
            }
            for i, draws in enumerate(held["random_draws"])
        )
        return Scored(said, random, tuple(table["caveats"]), table["seconds"], None), table
    except (KeyError, TypeError, IndexError) as error:
        raise InputError(f"{file} is damaged: {error!r}; delete it") from None


def _score(row: Mapping[str, Any], value: float) -> Score:
    return Score(value, row["better"])


def _row(name: str, scored: Scored) -> dict[str, Any]:
    one = scored.scores[name]
    return {
        "name": name,
        "family": family(name),
        "better": one.score.better,
        "value": one.score.value,
        **({"draws": list(one.draws)} if one.draws else {}),
        "random": [other[name].score.value for other in scored.random],
        "seconds": round(one.seconds, 4),
        "seconds_once": round(one.once, 4),
    }
