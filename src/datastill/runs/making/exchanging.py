"""Where sets go that are for other programs; those of other projects as runs of our own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

from datastill.base.errors import InputError
from datastill.base.paths import same_place
from datastill.base.wording import counted
from datastill.data import ImageSet
from datastill.datasets import DATASETS, is_absent
from datastill.exchange import FORMATS, Claim, Reading, export_set, import_set
from datastill.exchange.base import numbers_of
from datastill.report.commands import typed
from datastill.report.preview import write_preview
from datastill.store import (
    SET_FILE,
    load,
    locked,
    open_run,
    provisional,
    require_savable,
    save,
    set_header,
    settle,
    through_json,
    writing,
)


@dataclass(frozen=True)
class Exported:
    """A set that was written for other programs.

    Attributes:
        path: of the file or folder.
        remarks: what there is to say of it.
    """

    path: Path
    remarks: tuple[str, ...]


def destination(data: ImageSet, to: str, out: Path | None = None) -> Path:
    """Return where a set is written for other programs.

    Args:
        data: the set.
        to: name of the format.
        out: file or folder. Default: a name made of dataset, method and ipc, here.

    Raises:
        InputError: for a format that cannot be written, or does not say how its files are called.
    """
    if to not in FORMATS or FORMATS[to].write is None:
        able = ", ".join(name for name in FORMATS.names if FORMATS[name].write)
        raise InputError(f"`to` takes {able} or one's own package.module:format, found {to}")
    name = FORMATS[to].name
    if out is None and name is None:
        raise InputError(f"{to} does not say how its files are called; pass `out`")
    return out or Path(name(data) if name else "")


def give(
    file: Path,
    to: str,
    out: Path | None = None,
    repo: str | None = None,
    *,
    private: bool = False,
    overwrite: bool = False,
) -> Exported:
    """Write a set for other programs.

    Args:
        file: of the set.
        to: name of the format.
        out: see ``destination``.
        repo: with the format of the Hugging Face hub: push it to OWNER/NAME there.
        private: with that: make it a private one.
        overwrite: whether to replace a file that is there.

    Raises:
        InputError: for what makes no sense, or when something is there, such as the set itself.
    """
    if (repo is not None or private) and to != "hub":
        raise InputError("`repo` and `private` have a meaning with `to='hub'` only; add `to='hub'`")
    if private and repo is None:
        raise InputError("`private` has no meaning without `repo`; add that")
    data = load(file)
    target = destination(data, to, out)
    if same_place(target, file):
        raise InputError(f"{target} is the set itself, which stays; take another `out`")
    remarks = export_set(data, target, format=to, overwrite=overwrite)
    said = [f"{counted(len(data), 'image')} in {target}", *(f"  {one}" for one in remarks)]
    if repo is not None:
        from datastill.exchange.hub import push

        said.append(f"pushed to {push(target, repo, private=private)}")
    return Exported(target, tuple(said))


def give_anew(file: Path, to: str, target: Path) -> Exported | None:
    """Write a set for other programs, in the place of what was written of it before.

    A file that an earlier state of the set was written to is replaced. A folder never is, for a
    person may have put something into it: it gets another name.

    Args:
        file: of the set.
        to: name of the format.
        target: file or folder, see ``require_ours``.

    Returns:
        What was written; None where what is there is of the set as it is.

    Raises:
        InputError: when it cannot be written.
    """
    if not target.exists():
        return give(file, to, target)
    wanted, said = through_json(set_header(load(file))), require_ours(target, to)
    if all(said.get(name) == wanted[name] for name in ("domain", "facts")):
        return None
    told = f"{target} was of the set as it was before: it is written anew"
    if target.is_dir():
        numbered = (target.with_name(f"{target.name}-{number}") for number in count(1))
        aside = next(path for path in numbered if not path.exists())
        with writing(aside):
            target.rename(aside)
        told = f"{target} was of the set as it was before: that is now {aside}"
    found = give(file, to, target, overwrite=True)
    return replace(found, remarks=(told, *found.remarks))


def require_ours(path: Path, to: str) -> Mapping[str, Any]:
    """Return what an export of datastill's own says of its set; refuse whatever else is there.

    Raises:
        InputError: then.
    """
    try:
        found = FORMATS[to].read(path, Reading()).header
    except InputError:
        found = None
    if found is None:
        raise InputError(
            f"{path} is there, and is no export of datastill's own in the format {to}, which is "
            "never replaced; move it away"
        )
    return found


def bring(
    path: Path,
    out: Path,
    claim: Claim,
    *,
    format: str | None = None,
    reading: Reading | None = None,
    overwrite: bool = False,
) -> tuple[ImageSet, tuple[str, ...]]:
    """Make a set of another project a run of our own, see ``import_set``.

    Args:
        path: file or folder.
        out: folder for the set.
        claim: what a person says about it.
        format: its name; by default as the path's name tells.
        reading: what the format does not say itself.
        overwrite: whether to replace the set that is there.

    Returns:
        The set, and what was guessed, in words.

    Raises:
        InputError: see there; when a set is there already, or it is the folder that is read.
    """
    if same_place(path, out):
        raise InputError(f"{path} is what is read, and stays as it is; take another `out`")
    data, remarks = import_set(path, claim, format=format, reading=reading)
    require_savable(data, str(path))
    with locked(out), provisional(out, lambda: False):
        settings = {"import": data.facts["imported"]}
        place = open_run(out, settings, overwrite=overwrite, resumable=False).path
        write_preview(data, place / "preview.png")
        save(data, place / SET_FILE)
        settle(place)
    return data, remarks


def place_for(path: Path) -> Path:
    """Return the usual folder for a set of another project, by the name of its file."""
    return Path("imported") / (path.stem or path.absolute().name)


def told_of_import(
    data: ImageSet, path: Path, out: Path, remarks: Sequence[str], said: Mapping[str, Any]
) -> Iterator[str]:
    """Yield what is told of a set of another project that became one of ours.

    Args:
        data: the set.
        path: that it was read from.
        out: its folder.
        remarks: what was guessed.
        said: options that say how it was read.
    """
    yield f"{path}: {counted(len(data), 'image')} of {data.domain.name}"
    yield from (f"  {remark}" for remark in remarks)
    yield f"{out / SET_FILE} is the set; look at {out / 'preview.png'}, then:"
    yield f"  {next_line(data, path, out, said)}"


def next_line(data: ImageSet, path: Path, out: Path, said: Mapping[str, Any]) -> str:
    """Return the command that comes after an import.

    Args:
        data: the set.
        path: that it was read from.
        out: folder of the set.
        said: options that say how it was read.
    """
    origin: Mapping[str, Any] = data.facts.get("data") or {}
    name, place = origin.get("dataset"), origin.get("data_path")
    if isinstance(name, str) and is_absent(name, place and Path(place)):
        line = typed("validate", out, dataset="NAME", against="random")
        return f"{line}\n  (NAME is the path of {name}, from which it was made: it lies elsewhere)"
    known = origin or data.domain.name in DATASETS
    if known or numbers_of(data.domain.classes) is None:
        name = None if known else "NAME"
        return typed("validate", out, dataset=name, against="random")
    again = typed("import", path, **said, dataset="NAME", out=out, overwrite=True)
    return (
        f"{again}\n  (NAME is that of the images that it imitates: its classes are numbers, "
        "and get their names)"
    )
