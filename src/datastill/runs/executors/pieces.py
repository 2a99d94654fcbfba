"""Pieces of a run that were carried out by themselves, until the whole takes them."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from datastill.base.errors import InputError, suggestion
from datastill.data import ImageSet
from datastill.evaluation.plan import trial_of
from datastill.evaluation.validation import Trial
from datastill.runs.conduct.keeping import require_same_run
from datastill.runs.inputs.series import COMMAND, Series, followed_from
from datastill.runs.specs import Spec
from datastill.store import (
    LOG_FILE,
    Journal,
    checkpoint_file,
    load,
    load_member,
    member_path,
    pool_folder,
    read_json,
    replace_file,
    save,
    through_json,
    write_json,
)

FOLDER = ".pieces"
"""In the folder of a run: what was made of it elsewhere, by the digest of its description."""

ASKED, TRIALS = "asked.json", "trials.json"


def place_of(spec: Spec, folder: Path | str, address: str = "") -> Path:
    """Return where a piece of a run lies; without an address, where all do."""
    parts = [part.replace(":", ".") for part in address.split("/") if part]
    return Path(folder, FOLDER, spec.digest, *parts)


def forget(spec: Spec, folder: Path | str, address: str = "") -> None:
    """Remove all pieces of a run, or those whose addresses begin with one."""
    place = place_of(spec, folder, address)
    shutil.rmtree(place, ignore_errors=True)
    with suppress(OSError):  # there is none, or pieces of another run are there
        place.parent.rmdir()


def require_address(spec: Spec, address: str) -> None:
    """Refuse an address that no piece of a run has.

    Raises:
        InputError: naming those that it has.
    """
    known = [unit.address for unit in spec.units()]
    if address not in known:
        hint = suggestion(address, known)
        raise InputError(f"a run of kind {spec.kind!r} has no piece {address!r}; {hint}")


def take_model(spec: Spec, root: Path, series: Series, dataset: str, number: int) -> bool:
    """Put an original model that was trained as a piece into its pool, and tell if there was one.

    Raises:
        InputError: when it follows from something else: other images, another version.
    """
    own = place_of(spec, root, f"{series.name}/{number}")
    place = pool_folder(own, dataset, series.name)
    done = member_path(place, number, series.fit.epochs)
    if not done.exists() or checkpoint_file(place, COMMAND).exists:
        return False
    facts = load_member(done, factory=series.name).facts
    require_same_run(facts.get("asked") or {}, followed_from(through_json(series.asked)), place)
    files = sorted(place.glob(f"model_{number:03d}_*"), key=lambda file: file == done)
    Journal(series.folder / LOG_FILE).take(place / LOG_FILE)
    for file in files:  # the model as it is at last comes last: where it is, all is there
        replace_file(series.folder / file.name, file.read_bytes())
    return True


def keep_trials(trials: Iterable[Trial], asked: Mapping[str, Any], place: Path) -> None:
    """Write networks that were trained and tested; they themselves are not kept."""
    rows = [{k: v for k, v in vars(trial).items() if k != "network"} for trial in trials]
    write_json(place / TRIALS, {"asked": through_json(asked), "trials": rows})


def trials_of(
    spec: Spec, folder: Path | str, asked: Mapping[str, Any]
) -> dict[tuple[str, str, int], Trial]:
    """Return the trials that were carried out as pieces, by set, architecture and number.

    Raises:
        InputError: when they follow from something else, or a file is damaged.
    """
    found: dict[tuple[str, str, int], Trial] = {}
    for file in sorted(place_of(spec, folder).rglob(TRIALS)):
        held = read_json(file)
        try:
            asked_then, rows = held["asked"], held["trials"]
            some = [trial_of(row) for row in rows]
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{file} is damaged: {error!r}; delete it") from None
        require_same_run(asked_then, through_json(asked), file.parent)
        found |= {(one.source, one.model, one.number): one for one in some}
    return found


def keep_set(name: str, data: ImageSet, asked: Mapping[str, Any], place: Path) -> None:
    """Write a set of a study."""
    save(data, place / f"{name}.safetensors")
    write_json(place / ASKED, through_json(asked))


def has_set(spec: Spec, folder: Path, address: str, name: str) -> bool:
    """Tell whether a set of a study was made as a piece."""
    place = place_of(spec, folder, address)
    return (place / f"{name}.safetensors").exists() and (place / ASKED).exists()


def set_of(spec: Spec, folder: Path, address: str, name: str, asked: Mapping[str, Any]) -> ImageSet:
    """Return a set of a study that was made as a piece; see ``has_set``.

    Raises:
        InputError: when it follows from something else.
    """
    place = place_of(spec, folder, address)
    require_same_run(read_json(place / ASKED), through_json(asked), place)
    return load(place / f"{name}.safetensors")
