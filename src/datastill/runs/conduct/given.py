"""What the verbs of runs are given: one value; refused in one line where it is something else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from datastill.base.errors import InputError, of_kind, path_of, told
from datastill.runs.conduct.above import PAGE, taken
from datastill.runs.conduct.futures import Executor
from datastill.runs.conduct.keeping import USUAL, Keeping, require_same_run
from datastill.runs.conduct.observer import SILENT, Observer, ignored
from datastill.runs.conduct.stop import StopRequest
from datastill.runs.specs import Spec

if TYPE_CHECKING:
    from datastill.store import Checkpoint, CheckpointFile

T = TypeVar("T")

PAGED = ("train", "distill", "validate", "compare", "study")
"""Kinds of runs that have a page while they go on."""
NO_PAGE = "`report_minutes` writes a page into the folder of a run; name one"
WATCHES = ("message", "progress", "follow", "snapshot")
"""Methods of an ``Observer``."""


@dataclass(frozen=True, eq=False)
class Conduct:
    """How a run is carried out, of whatever kind it is.

    Attributes:
        keeping: what is kept of it, and what becomes of what is there.
        observer: watches.
        stop: asks to stop.
        executor: carries out pieces of it elsewhere; None for all of it here.
        end: is called when it has ended.
    """

    keeping: Keeping
    observer: Observer
    stop: StopRequest
    executor: Executor | None = None
    end: Callable[[], None] = ignored

    @classmethod
    def of(
        cls,
        keeping: Keeping,
        observer: Observer,
        stop: StopRequest | None,
        folder: Path | str | None = None,
        executor: Executor | None = None,
    ) -> Conduct:
        """Return it as verbs are given it; a ``folder`` gets a page of the run, if that is kept."""
        if keeping.report_minutes and folder is None:
            raise InputError(NO_PAGE)
        if keeping.report_minutes:
            # What writes pages looks at all that there is, and so stands above; it is asked now.
            pages = taken(*PAGE)(folder, keeping.report_minutes, observer, awaited=True)
            return cls(keeping, pages, stop or StopRequest(), executor, pages.end)
        return cls(keeping, observer, stop or StopRequest(), executor)

    def into(self, folder: Path | None) -> Conduct:
        """Return it for a folder that was found since; the page of the run is written there."""
        if not self.keeping.report_minutes:
            return self
        pages = replace(cast(Any, self.observer), folder=folder)
        return replace(self, observer=pages, end=pages.end)

    def ended(self, found: T) -> T:
        """Take note that a run has ended, and return what it found."""
        self.end()
        return found

    def past(
        self, file: CheckpointFile, asked: Mapping[str, Any], place: Path | None = None
    ) -> Checkpoint | None:
        """Return where a run was cut off, if it is to go on from there; None to begin.

        Args:
            file: of its checkpoint.
            asked: all that its result follows from.
            place: its folder, for messages; by default that of the file.

        Raises:
            InputError: when it was asked for otherwise, naming the first difference.
        """
        held = self.keeping.found(file, self.observer)
        if held is not None:
            require_same_run(held.asked, asked, place or file.path.parent, self.observer)
        return held


def conduct_of(
    kind: type[Spec],
    spec: Any,
    folder: Any,
    keeping: Any,
    observer: Any,
    stop: Any,
    executor: Any = None,
) -> Conduct:
    """Return how a run is carried out, as a verb is given it; see ``require_kinds``.

    Raises:
        InputError: see there.
    """
    how = {"keeping": keeping, "observer": observer, "stop": stop, "executor": executor}
    require_kinds(kind, spec, folder, **how)
    if keeping.report_minutes and spec.kind not in PAGED:
        raise InputError(
            f"a run of kind {spec.kind!r} has no page while it goes on; leave `report_minutes` out"
        )
    return Conduct.of(keeping, observer, stop, folder, executor)


def require_kinds(
    kind: type[Spec],
    spec: Any,
    folder: Any = None,
    *,
    keeping: Any = USUAL,
    observer: Any = SILENT,
    stop: Any = None,
    executor: Any = None,
) -> None:
    """Refuse what is not of the kind that a verb takes.

    Args:
        kind: of the description.
        spec: itself.
        folder: a path, or None.
        keeping: a ``Keeping``.
        observer: what has the methods of an ``Observer``.
        stop: a ``StopRequest``, or None.
        executor: what has a method ``submit``, or None.

    Raises:
        InputError: naming the first that is another.
    """
    article = "an" if kind.__name__[0] in "AEIOU" else "a"
    wanted = f"{article} {kind.__name__}" if kind.kind else "a description, such as a DistillSpec"
    of_kind(kind, wanted, spec=spec)
    path_of("the path of a folder", folder=folder)
    of_kind(Keeping, "a Keeping, such as Keeping(resume=True)", keeping=keeping)
    of_kind((StopRequest, type(None)), "a StopRequest", stop=stop)
    able = callable(getattr(executor, "submit", None)) and not isinstance(executor, type)
    if executor is not None and not able:
        raise InputError(f"`executor` must have a method submit, found {told(executor)}")
    require_observer(observer)


def require_observer(observer: Any) -> None:
    """Refuse what lacks a method of an ``Observer``.

    Raises:
        InputError: naming it.
    """
    sound = all(callable(getattr(observer, name, None)) for name in WATCHES)
    if isinstance(observer, type) or not sound:
        wanted = "what watches a run, such as Talking(tell=print)"
        raise InputError(f"`observer` must be {wanted}, found {told(observer)}")


def require_place(keeping: Keeping, folder: Path | str | None) -> None:
    """Refuse to write the course of a run, or a page of it, where no folder is named for these.

    Raises:
        InputError: then; and for sinks that are not there, or lack their library.
    """
    from datastill.store import require_sinks

    require_sinks(keeping.sinks)
    if folder is None and keeping.sinks:
        raise InputError("without a `folder` nothing is written, `sinks` neither")
    if folder is None and keeping.report_minutes:
        raise InputError(NO_PAGE)
