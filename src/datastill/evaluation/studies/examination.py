"""Assess and validate every set of a study, piece by piece, and judge the assessments by it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast

from datastill.base.errors import countable, function, of_kind, whole
from datastill.base.rng import Key, require_key
from datastill.base.usual import as_usual
from datastill.compute.route import Route, require_route
from datastill.data import ImageSet, require_given, require_same_kind
from datastill.evaluation.assessments import Evidence
from datastill.evaluation.scores import assess, named, spelling
from datastill.evaluation.studies.conclusion import Study, conclude
from datastill.evaluation.studies.records import Outcome, Record, blank
from datastill.evaluation.studies.resampling import Resampling
from datastill.evaluation.validation import Watch, contest
from datastill.identity import fingerprint
from datastill.networks import find, name_of
from datastill.training.pool import Pool, require_members
from datastill.training.protocol import Protocol


@dataclass(frozen=True, eq=False)
class Bench:
    """What every set of a study is held to.

    Attributes:
        train: training images, by which sets are assessed.
        test: images that nothing but the trained networks sees.
        pool: original models, by which sets are assessed.
        model: architecture of the networks that are trained on a set.
        protocol: by which they are trained.
        key: trial ``i`` starts from the same weights for every set.
        early: original models after fewer epochs.
        route: how images pass the networks that are trained.
        assessing: how they pass original models and untrained ones.
        watch: sees the networks that are trained.
        held_out: training images that nothing has seen, by which sets are assessed; None for none.

    Raises:
        InputError: when one of these is not what is asked for; images are looked at by ``study``.
    """

    train: ImageSet
    test: ImageSet
    pool: Pool
    model: str
    protocol: Protocol
    key: Key
    early: Pool = ()
    route: Route = field(default_factory=Route)
    assessing: Route = field(default_factory=Route)
    watch: Watch | None = None
    held_out: ImageSet | None = None

    def __post_init__(self) -> None:
        of_kind(ImageSet, "an ImageSet", train=self.train)
        of_kind((ImageSet, type(None)), "an ImageSet, or None", held_out=self.held_out)
        of_kind(ImageSet, "an ImageSet of test images", test=self.test)
        require_members(pool=self.pool, early=self.early)
        find(self.model)
        object.__setattr__(self, "model", name_of(self.model))
        of_kind(Protocol, "a Protocol, such as preset('dsa')", protocol=self.protocol)
        require_key(self.key)
        require_route(route=self.route, assessing=self.assessing)
        if self.watch is not None:
            for name in ("begun", "seen"):
                method = getattr(self.watch, name, None)
                function("what has methods begun and seen", watch=method)

    @cached_property
    def evidence(self) -> Evidence:
        """The evidence by which sets are assessed; each takes the place of the real one in it."""
        return Evidence(
            self.train,
            self.train,
            self.pool,
            self.key.at("assess"),
            self.assessing,
            self.early,
            held_out=self.held_out,
            students=(self.model,),
        )


@as_usual
def study(
    sets: Mapping[str, ImageSet],
    bench: Bench,
    *,
    trials: int,
    names: Iterable[str] | None = None,
    resampling: Resampling | None = None,
) -> Study:
    """Find out, on sets whose accuracy is found by training, which assessment to trust.

    Args:
        sets: by name. Their facts say which method made them, see ``records.blank``. One that
            equals another does not count, see ``distinct``.
        bench: original models, images and protocol.
        trials: networks trained on each set.
        names: of assessments, by default all that cost little.
        resampling: for intervals and p-values.

    Raises:
        InputError: for fewer than three sets, or a set of another kind than the images.
    """
    _require_sense(sets, bench, trials, resampling)
    sets, _ = distinct(sets)
    records = {name: blank(name, data) for name, data in sets.items()}
    for record in examine(sets, bench, records, trials=trials, names=names):
        records[record.name] = record
    resampling = resampling or Resampling(bench.key.at("resampling"))
    return conclude(records.values(), resampling, models=seconds_of(bench.pool))


def examine(
    sets: Mapping[str, ImageSet],
    bench: Bench,
    known: Mapping[str, Record],
    *,
    trials: int,
    names: Iterable[str] | None = None,
    draws: int = 1,
) -> Iterator[Record]:
    """Do what remains to be done, and yield the record of a set whenever it grows.

    First every set is assessed; then networks are trained, the first on every set before
    the second on any: whoever stops early has something of everything. At last sets are assessed
    under further draws.

    Args:
        sets: by name.
        bench: see ``study``; so are the others.
        known: the record of every set, as far as it is known.
        trials: networks for each set.
        names: of assessments.
        draws: of real images and fresh networks, over which every score is averaged.
    """
    records = dict(known)
    wanted = [spelling(name, bench.evidence) for name in named(names, bench.evidence)]
    for name, data in sets.items():
        missing = [one for one in wanted if one not in records[name].scores]
        if missing:
            scores = assess(bench.evidence.of(data), missing)
            records[name] = records[name].with_scores(scores)
            yield records[name]
    for trial in range(trials):
        for name, data in sets.items():
            if len(records[name].trials) == trial:
                outcome = validated(name, data, bench, trial)
                records[name] = records[name].with_trial(outcome)
                yield records[name]
    for name, data in sets.items():
        yield from redrawn(records[name], data, bench, wanted, draws)


def distinct(sets: Mapping[str, ImageSet]) -> tuple[dict[str, ImageSet], dict[str, str]]:
    """Leave out sets that hold the same images as one before: they are no further evidence.

    Herding and k-means, for one, agree on one image per class.

    Returns:
        The sets that remain; and for each that does not, the one that it equals.
    """
    names: dict[str, str] = {}
    copies: dict[str, str] = {}
    for name, data in sets.items():
        first = names.setdefault(fingerprint(data), name)
        if first != name:
            copies[name] = first
    return {name: data for name, data in sets.items() if name not in copies}, copies


def seconds_of(pool: Pool) -> float | None:
    """Return the seconds that training original models took; None where they do not tell."""
    seconds = [member.facts.get("seconds") for member in pool]
    known = [float(one) for one in seconds if isinstance(one, int | float)]
    return sum(known) if known and len(known) == len(seconds) else None


def _require_sense(sets: Any, bench: Any, trials: Any, resampling: Any) -> None:
    of_kind(Bench, "a Bench", bench=bench)
    of_kind(Mapping, "sets by their names", sets=sets)
    whole(trials=trials)
    countable(trials=trials)
    of_kind((Resampling, type(None)), "a Resampling, or None", resampling=resampling)
    require_given(bench.test, "the test images")
    require_same_kind(bench.test.domain, bench.train.domain)
    for name, data in cast("Mapping[Any, Any]", sets).items():
        of_kind(str, "sets by their names", sets=name)
        of_kind(ImageSet, "sets by their names", sets=data)
        require_given(data, f"the set {name!r}")
        require_same_kind(data.domain, bench.train.domain)


def redrawn(
    record: Record, data: ImageSet, bench: Bench, names: Sequence[str], draws: int
) -> Iterator[Record]:
    """Assess a set under the draws that are missing, and yield its record as it grows."""
    for draw in range(1, draws):
        held = record.scores
        missing = [name for name in names if len(held[name].draws or (0,)) == draw]
        if missing:
            record = record.with_draw(assess(bench.evidence.redrawn(draw).of(data), missing))
            yield record


def validated(name: str, data: ImageSet, bench: Bench, trial: int) -> Outcome:
    """Train a network on a set, and test it."""
    rounds = contest(
        {name: lambda _: data},
        bench.test,
        [bench.model],
        bench.protocol,
        trials=1,
        first=trial,
        key=bench.key.at("validate"),
        route=bench.route,
        watch=bench.watch,
    )
    (found,) = rounds
    return Outcome(found.accuracy, found.seconds, found.right, found.tested)
