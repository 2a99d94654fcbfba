"""One page of whatever runs made: sets, comparisons, studies, original models, runs under way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

from datastill.base.errors import InputError, damaged, of_kind, path_of
from datastill.base.paths import require_file
from datastill.base.wording import counted, listed
from datastill.data import ImageSet
from datastill.datasets import dataset_name
from datastill.report.page import render, sets
from datastill.report.page.held import Held
from datastill.report.page.parts import Exhibit, Page, Section
from datastill.report.page.worth import of_set, worth
from datastill.runs.conduct.given import require_observer
from datastill.runs.conduct.observer import SILENT, Observer
from datastill.runs.folders.gathering import SET, UNDER_WAY, Lying, gathered, lying
from datastill.runs.showing.beholding import Beholder
from datastill.runs.showing.exhibiting import Exhibiting, under_way
from datastill.runs.specs import DataSpec
from datastill.store import EVOLUTION_FILE, SET_FILE, place_of

PAGE = "report.html"
ALL_IMAGES = 400
"""Images on a page of several sets, together, but for ``LEAST`` of each."""
LEAST = 10
OURS = b'<meta name="generator" content="datastill'
"""What a page has that may be written again."""


@dataclass(frozen=True, eq=False)
class Reported:
    """A page that was written.

    Attributes:
        file: where it is.
        page: what is on it.
    """

    file: Path
    page: Page


def report(
    paths: Sequence[Path | str] | Path | str,
    file: Path | str = PAGE,
    *,
    data: DataSpec | None = None,
    pool_path: Path | str = "pretrained_model",
    observer: Observer = SILENT,
) -> Reported:
    """Write one page of what lies at paths, which opens from disk and needs nothing else.

    All on it is read from the files of the runs, or found out with the real images and original
    models where they are at hand. What is left out for want of them is said.

    Args:
        paths: sets, comparisons, studies, original models, or folders of them.
        file: to write; a page that was written before is replaced, another file never.
        data: how the real images are read, where the sets do not say.
        pool_path: folder with original models.
        observer: watches.

    Raises:
        InputError: when there is nothing to show, all of it is damaged, it cannot be written, or
            there is no such data.
    """
    given = _paths(paths)
    path_of("the path of a file", file=file)
    path_of("the path of a folder", pool_path=pool_path)
    of_kind((DataSpec, type(None)), "a DataSpec", data=data)
    require_observer(observer)
    if not given:
        raise InputError("name what a run made: a set, a comparison, a study, or a folder of such")
    if data is not None and data.name:
        dataset_name(data.name, data.path)  # is there: what somebody named is not passed over
    target = _free(Path(file))
    found = gathered([Path(path) for path in given])
    beholder = Beholder(data or DataSpec(), Path(pool_path), observer)
    looked_at = observer.follow(found, "looking", len(found))
    page = page_of(looked_at, sets_among(found), beholder, observer)
    render.write(page, target)
    return Reported(target, page)


def _paths(paths: Any) -> list[Path | str]:
    wanted = "the path of what a run made, or several"
    several = [paths] if isinstance(paths, str | PathLike) else paths
    of_kind(Iterable, wanted, paths=several)
    given: list[Any] = list(several)
    for path in given:
        of_kind((str, PathLike), wanted, paths=path)
        path_of(wanted, paths=path)
    return given


def write_live(folder: Path, seconds: float, told: str, now: ImageSet | None) -> None:
    """Write the page of a run that may be going on, from what its files say of it by now.

    Args:
        folder: of the run, where the page is written.
        seconds: until it is written again, unless the run is finished.
        told: how far the run is, in words.
        now: the set as it is now, of one that is distilled; None where its files tell.

    Raises:
        InputError: when it cannot be written, or a file is damaged.
    """
    target, place = _free(folder / PAGE), place_of(folder)
    finished = place == folder and (folder / SET_FILE).exists()
    of_set = not finished and (now is not None or (place / EVOLUTION_FILE).exists())
    there = [] if of_set else lying(folder)
    if not of_set and not there:
        return
    if not of_set:
        page = page_of(there, sets_among(there), None)
        told = told if seconds else ""
    else:
        exhibit = sets.exhibit(under_way(folder, now, told), "0")
        page = Page(_title([exhibit]), [exhibit])
    render.write(replace(page, reload=seconds, under_way=told), target)


def page_of(
    found: Iterable[Lying], count: int, beholder: Beholder | None, observer: Observer = SILENT
) -> Page:
    """Return the page of several things; what is damaged is told, and left out.

    Args:
        found: the things.
        count: how many sets are among them.
        beholder: see ``Exhibiting``.
        observer: is told.

    Raises:
        InputError: when nothing remains.
    """
    most = max(LEAST, ALL_IMAGES // max(count, 2))
    exhibiting = Exhibiting(beholder, most)
    shown: list[tuple[Exhibit, Held | None]] = []
    wrong: list[InputError] = []
    for i, one in enumerate(found):
        try:
            with damaged(one.path):
                shown.append(exhibiting.of(one, str(i)))
        except InputError as error:
            said = "" if str(one.path) in str(error) else f"{one.path}: "
            wrong.append(InputError(f"{said}{error}"))
    if wrong and not shown:
        raise wrong[0]
    for error in wrong:
        observer.message(f"left out: {error}")
    exhibits = sorted((exhibit for exhibit, _ in shown), key=_place)
    held = [known for _, known in shown if known is not None]
    told = "; ".join(known.under_way for known in held if known.under_way)
    return Page(_title(exhibits), exhibits, [*_overview(held)], under_way=told)


def sets_among(found: Sequence[Lying]) -> int:
    """Return how many of some things are sets, whose images share a page."""
    return sum(one.kind in (SET, UNDER_WAY) for one in found)


def _place(exhibit: Exhibit) -> int:
    # What was found of a demo opens its page; what the rest came from ends it.
    return {"demo": 0, "study": 2, "pool": 3}.get(exhibit.kind, 1)


def _title(exhibits: Sequence[Exhibit]) -> str:
    if len(exhibits) == 1:
        return f"{exhibits[0].kind}: {exhibits[0].title}"
    kinds = [exhibit.kind for exhibit in exhibits]
    if kinds[0] == "demo" and all(
        Path(one.title).is_relative_to(exhibits[0].title) for one in exhibits
    ):
        return "What the demo made"
    return listed([counted(kinds.count(kind), kind) for kind in dict.fromkeys(kinds)])


def _overview(held: Sequence[Held]) -> Iterator[Section]:
    # Sets that were validated, beside each other.
    points = [point for one in held for point in of_set(one)]
    if len({point.name for point in points}) > 1 and len(held) > 1:
        chart = worth(points, "worth-of-all")
        yield Section("Bytes against accuracy", [chart])


def _free(file: Path) -> Path:
    # A page that may be written: none is there, or one of ours.
    require_file(file, "`file`", ".html", "HTML", PAGE)
    with damaged(file):
        ours = not file.exists() or OURS in file.read_bytes()[:4096]
    if not ours:
        raise InputError(f"{file} was not written by datastill report; name another file")
    return file
