"""Scores without a test set: of sets beside random real images, and of several to rank them."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory

from datastill.base.errors import InputError, of_kind
from datastill.base.notebooks import of_run
from datastill.base.usual import as_usual
from datastill.data import ImageSet
from datastill.datasets.base.sharing import shared_in
from datastill.evaluation import scores
from datastill.evaluation.assessments import Score
from datastill.evaluation.selection import climbed
from datastill.runs.assessment.scored import Scored, evidence_of, keep, read_for, scored, scored_in
from datastill.runs.conduct.futures import Executor
from datastill.runs.conduct.given import Conduct, require_kinds
from datastill.runs.conduct.keeping import USUAL
from datastill.runs.conduct.observer import SILENT, Observer
from datastill.runs.conduct.stop import StopRequest
from datastill.runs.executors.pieces import forget, place_of, require_address
from datastill.runs.executors.spreading import Piece, carried_out, require_none
from datastill.runs.folders.describing import add_description, following, number_of, tell_damaged
from datastill.runs.folders.finding import brought, results_at, set_file
from datastill.runs.inputs import originals
from datastill.runs.inputs.origin import Caveats
from datastill.runs.specs import AssessSpec, RankSpec
from datastill.store import assessment_file, load, locked, stem_of, write_json


@dataclass(frozen=True, eq=False)
class Ranked:
    """What one assessment says of several sets.

    Attributes:
        scores: by the paths of the sets, the best first; equal ones as they were given.
        sizes: how many images they have.
        by: the assessment.
        judges: who judged, in words.
        caveats: what has to be known of the scores.
        rungs: the last rung that each reached; none where there are no rungs.
    """

    scores: Mapping[str, Score]
    sizes: Mapping[str, int]
    by: str
    judges: str
    caveats: Caveats
    rungs: Mapping[str, int] = field(default_factory=dict[str, int])

    _repr_html_ = of_run


SCORES = "scores"
"""Address of the only piece: what assessments say of the set."""
FILE = "scores.json"
"""In its place, until the whole takes it."""


@as_usual
def assess(
    spec: AssessSpec,
    folder: Path | str | None = None,
    *,
    others: Sequence[str] = (),
    observer: Observer = SILENT,
    stop: StopRequest | None = None,
    executor: Executor | None = None,
) -> Scored:
    """Score a set without a test set, beside random real images of the same size.

    Args:
        spec: what the scores follow from.
        folder: where ``assessment.json`` is written, with ``assess.toml``, which repeats it: that
            of the set, or another, which gets a copy of the set. What was asked for otherwise
            before stays; then it is ``assessment-2.json``. Without it nothing is written.
        others: paths of more sets to score likewise, each by itself, and written beside it.
        observer: watches.
        stop: asks the executor to stop; sets that are scored by then are kept.
        executor: scores sets side by side, each as here.

    Raises:
        InputError: when a set was made from other images, the original models or real images do
            not suffice, or the folder cannot be written to.
    """
    require_kinds(AssessSpec, spec, folder, observer=observer, stop=stop, executor=executor)
    conduct = Conduct.of(USUAL, observer, stop, folder, executor)
    specs = _specs(spec, others, folder)
    with ExitStack() as stack:
        places = [folder, *(folder and set_file(Path(path)).parent for path in others)]
        pairs = zip(specs, places, strict=True)
        jobs = [stack.enter_context(_job(one, place)) for one, place in pairs]
        scratch = Path(stack.enter_context(TemporaryDirectory(prefix="datastill-scores-")))
        if executor is not None:
            _spread(jobs, scratch, conduct)
        elif others:  # their real images are read once
            stack.enter_context(shared_in(scratch))
        first, *more = [_ended(job, scratch, conduct) for job in jobs]
    return replace(first, others=tuple(more))


def assess_piece(spec: AssessSpec, address: str, folder: Path | str, conduct: Conduct) -> None:
    """Score the set in a place of its own, unless what lies there says the same.

    Args:
        spec: what the scores follow from.
        address: of the piece: there is one.
        folder: for the results.
        conduct: how it is carried out.
    """
    require_address(spec, address)
    file, place = set_file(Path(spec.set)), place_of(spec, folder, address)
    with locked(place), conduct.observer.progress("scoring", 1) as steps:
        found = scored(spec, load(file), file, place / FILE, conduct.observer)
        keep(*found, place / FILE)
        steps.at(1)


@dataclass(frozen=True, eq=False)
class _Job:
    # A set to be scored, and the file beside which that is written, if it is.
    spec: AssessSpec
    source: Path
    made: ImageSet
    file: Path | None

    def root(self, scratch: Path) -> Path:
        """Return the folder in which pieces lie."""
        return scratch if self.file is None else self.file.parent


class _Again(Piece):
    # A piece that is carried out though it lies there: a worker asks what that follows from.
    @property
    def is_done(self) -> bool:
        return False


@contextmanager
def _job(spec: AssessSpec, folder: Path | str | None) -> Generator[_Job]:
    source = set_file(Path(spec.set))
    made = load(source)
    if folder is None:
        yield _Job(spec, source, made, None)
        return
    file = results_at(source, Path(folder))
    with locked(file.parent, f"{stem_of(file)}{spec.kind}."):
        yield _Job(spec, source, made, file)


def _specs(spec: AssessSpec, others: Sequence[str], folder: Path | str | None) -> list[AssessSpec]:
    # One for each set; none is named twice.
    of_kind((list, tuple), "paths of sets", others=others)
    for path in others:
        of_kind((str, PathLike), "paths of sets", others=path)
    specs = [spec, *(replace(spec, set=str(path)) for path in others)]
    places = [set_file(Path(one.set)).resolve() for one in specs]
    for number, place in enumerate(places):
        if place in places[:number]:
            raise InputError(f"{specs[number].set} is named twice; name each set once")
    if others and folder is not None and Path(folder).resolve() != places[0].parent:
        raise InputError(
            "`folder` takes a copy of one set and what is said of it; of several that is written "
            "beside each"
        )
    return specs


def _spread(jobs: Sequence[_Job], scratch: Path, conduct: Conduct) -> None:
    # Has an executor score the sets.
    pieces = [_Again(job.spec.set, job.spec.units()[0], job.root(scratch)) for job in jobs]
    assert conduct.executor is not None
    if not getattr(conduct.executor, "seen", True):  # real images are sent that are read here
        for job in jobs:
            with suppress(InputError):  # which the piece tells
                read_for({str(job.file or job.source): job.made}, job.spec, SILENT)
    require_none(*carried_out(pieces, conduct, conduct.executor), AssessSpec.kind)


def _ended(job: _Job, scratch: Path, conduct: Conduct) -> Scored:
    # Scores a set here, or takes what is said of it, and writes that down beside it.
    spec, file, observer = job.spec, job.file or job.source, conduct.observer
    kept = place_of(spec, job.root(scratch), SCORES) / FILE
    if conduct.executor is None:
        found, table = scored(spec, job.made, file, kept, observer)
    else:
        found, table = scored_in(kept)
        for caveat in found.caveats:
            observer.message(caveat)
    found = replace(found, set=str(file))
    if job.file is None:
        return found
    brought(job.source, file)
    # What was asked for otherwise keeps its files.
    name = f"{stem_of(file)}{spec.kind}.toml"
    described = add_description(replace(spec, set=str(file)), file.with_name(name), observer)
    place = following(assessment_file(file), number_of(described))
    tell_damaged(place, observer)
    write_json(place, table)
    forget(spec, file.parent)
    return replace(found, file=place)


@as_usual
def rank(spec: RankSpec, *, observer: Observer = SILENT) -> Ranked:
    """Rank sets by an assessment, without a test set.

    Args:
        spec: what the ranking follows from.
        observer: watches.

    Raises:
        InputError: when a set was made from other images, or the original models do not suffice.
    """
    require_kinds(RankSpec, spec, observer=observer)
    sets = {path: load(set_file(Path(path))) for path in spec.sets}
    asked = {rung: scores.numbered(spec.by, rung) for rung in spec.rungs} or {0: spec.by}
    read, caveats = read_for(sets, spec, observer)
    evidence = evidence_of(read.train, read, spec, [spec.by])
    about = {name: evidence.of(data.to(read.train.images.device)) for name, data in sets.items()}

    def score(name: str, rung: int) -> Score:
        if rung:
            observer.message(f"{name}: {asked[rung]}")
        (found,) = scores.assess(about[name], [asked[rung]]).values()
        return found.score

    ladder = climbed(list(sets), list(asked), score)
    return Ranked(
        ladder.scores,
        {name: len(data) for name, data in sets.items()},
        spec.by,
        originals.told(evidence.pool, evidence.early),
        caveats,
        ladder.rungs if spec.rungs else {},
    )
