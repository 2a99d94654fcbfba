"""What lies at paths that a person names: sets, comparisons, studies, original models, runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from datastill.base.errors import InputError
from datastill.report.commands import typed
from datastill.runs.specs import CompareSpec, Spec, TrainSpec
from datastill.store import (
    EVOLUTION_FILE,
    LOG_FILE,
    SET_FILE,
    StudyFolder,
    checkpoint_file,
    members_in,
    place_of,
)

SET, UNDER_WAY, COMPARISON, STUDY, POOL = "set", "run", "comparison", "study", "pool"
DEMO, DEMO_FILE, DEMO_SETS = "demo", "demo.json", "with-clom"
"""What the demo found, in a folder that holds its sets and original models too."""
COMPARED, STUDIED = "comparison.json", "study.json"
"""Files with what a comparison and a study found."""
RESULTS = {
    "distill": SET_FILE,
    "relabel": SET_FILE,
    "validate": "validation.json",
    "assess": "assessment.json",
    "compare": COMPARED,
    "study": STUDIED,
}
"""Files in which runs say what they found, the last that they write, by what did."""
JUDGES = "judges.json"
"""The file by which a study begins."""
DEEPEST = 8
"""Folders within each other that are looked into."""


@dataclass(frozen=True)
class Lying:
    """Something that a run made, or makes.

    Attributes:
        kind: ``SET``, ``UNDER_WAY``, ``COMPARISON``, ``STUDY``, ``POOL`` or ``DEMO``.
        path: of the file of a set, or the folder of anything else.
    """

    kind: str
    path: Path


def gathered(paths: Sequence[Path]) -> list[Lying]:
    """Return all that lies at paths, in the order of the paths, each once.

    Raises:
        InputError: for a path where there is nothing, or nothing of that kind.
    """
    found: dict[Path, Lying] = {}
    for path in paths:
        there = lying(path)
        if not there:
            raise _nothing(path)
        for one in there:
            found.setdefault(one.path.resolve(), one)
    return list(found.values())


def _nothing(path: Path) -> InputError:
    named = "name what a run made, or a folder of such"
    if path.is_file():
        told, where = f"{path} is no set; {named}", "makes a set of another project's"
        return InputError(
            f"{told}; `import_set` {where}", typed=f"{told}; {typed('import', path)} {where}"
        )
    missing = f"{path} holds no set, comparison, study or models"
    return InputError(f"{missing if path.exists() else f'there is no {path}'}; {named}")


def lying(path: Path) -> list[Lying]:
    """Return all that lies at a path; nothing where there is none."""
    return list(_at(path))


def _at(path: Path) -> Iterator[Lying]:
    if path.is_file():
        if path.suffix == ".safetensors":
            yield Lying(SET, path)
        return
    for here, one in folders_in(path, itself):
        if one is not None:
            yield one
        elif (here / DEMO_FILE).is_file() and (here / DEMO_SETS).is_dir():
            yield Lying(DEMO, here)  # and what it holds


def folders_in(
    path: Path, known: Callable[[Path], Lying | None], deepest: int = DEEPEST
) -> Iterator[tuple[Path, Lying | None]]:
    """Yield folders, and what each is that a run made; into such a one it is not looked further.

    Args:
        path: where to begin. Links and hidden folders in there are not followed.
        known: says what a folder is, see ``itself``.
        deepest: folders within each other.
    """
    base = len(path.parts)
    for place, folders, _ in os.walk(path):
        one = known(here := Path(place))
        yield here, one
        names = sorted(name for name in folders if not name.startswith("."))
        folders[:] = [] if one or len(here.parts) - base >= deepest else names


def has_result(spec: Spec, folder: Path) -> bool:
    """Tell whether what a run came to lies in its folder, as far as names of files tell.

    Of a run that writes no files nothing can lack.
    """
    if isinstance(spec, TrainSpec):
        pools = (path for path in folder.glob("*/*/*") if path.is_dir())
        counts = [len({number for number, _, _ in members_in(pool)}) for pool in pools]
        return sum(count >= spec.num for count in counts) >= len(spec.models)
    return spec.kind not in RESULTS or (folder / RESULTS[spec.kind]).is_file()


def itself(folder: Path) -> Lying | None:
    """Return what a folder is itself; None where it is nothing that a run made."""
    if (folder / SET_FILE).is_file():
        return Lying(SET, folder / SET_FILE)
    if (folder / COMPARED).is_file() or checkpoint_file(folder, CompareSpec.kind).exists:
        return Lying(COMPARISON, folder)
    begun = any((folder / file).is_file() for file in (STUDIED, JUDGES))
    if begun or any(StudyFolder(folder).record_files()):
        return Lying(STUDY, folder)
    if any(members_in(folder)):
        return Lying(POOL, folder)
    place = place_of(folder)
    begun = any((place / file).is_file() for file in (EVOLUTION_FILE, LOG_FILE))
    return Lying(UNDER_WAY, folder) if begun else None
