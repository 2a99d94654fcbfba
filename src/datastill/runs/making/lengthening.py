"""More updates for a set that is finished: from where it ended, as if it had not."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from datastill.base.errors import InputError
from datastill.base.wording import counted
from datastill.distillation.weighing import sought_for_a_share
from datastill.runs.conduct.keeping import is_same_run, require_same_run
from datastill.runs.conduct.observer import Observer
from datastill.runs.making.course import Progress, progress_of
from datastill.runs.making.preparing import Work
from datastill.store import (
    EVOLUTION_FILE,
    LOG_FILE,
    SET_FILE,
    Checkpoint,
    load,
    state_file,
    writing,
)


def is_longer(held: Mapping[str, Any], asked: Mapping[str, Any]) -> bool:
    """Tell whether more updates are asked for than a run had."""
    return 0 < _updates(held) < _updates(asked)


def but_for_length(held: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is asked, with as many updates as a run had that may be gone on with."""
    same = {**asked, "descent": {**asked["descent"], "updates": _updates(held)}}
    return {name: value for name, value in same.items() if name != "plan"}  # of its length


def further(path: Path, work: Work, observer: Observer) -> Progress | None:
    """Return where a finished set goes on, if the same but more updates are asked for.

    Args:
        path: folder of the set.
        work: what is asked for.
        observer: told what is damaged.

    Raises:
        InputError: when it is that, and the set did not keep what it would go on from, or would
            be another with more updates from its start.
    """
    if not (path / SET_FILE).exists():
        return None
    held, asked = load(path).facts, work.asked
    if not is_longer(held, asked):
        return None
    if not is_same_run(held, but_for_length(held, asked)):
        return None  # another run, that was to replace it
    done, wanted = counted(_updates(held), "update"), counted(_updates(asked), "update")
    anew = f"pass `overwrite=True` to make {wanted} from the start"
    if sought_for_a_share(work.published.method, work.regularisers):
        raise InputError(
            f"the run in {path} is finished after {done} and cannot go on to {wanted}: the weight "
            f"of CLOM beside {work.method} is sought for an eighth of {done}, and would be another "
            f"for more; {anew}"
        )
    found = state_file(path).load(anew)
    if found is None:
        raise InputError(
            f"the run in {path} is finished after {done}, and what it would go on from was not "
            f"kept; {anew}"
        )
    state, complaint = found
    require_same_run(state.asked, but_for_length(held, asked), path, observer)
    if complaint:
        observer.message(complaint)
    return progress_of(state, work)


def keep_state(state: Checkpoint, place: Path, observer: Observer) -> None:
    """Keep what a set goes on from that is finished; where that cannot be, say so.

    It is written before the set, which says that the run is finished.
    """
    try:
        state_file(place).save_alone(state)
    except InputError as error:
        observer.message(f"the set will not be able to go on to more updates: {error}")


def take_log(path: Path, place: Path) -> None:
    """Begin the journal of a run, and its pictures, as those of the run that it goes on from."""
    with writing(place):
        for name in (LOG_FILE, EVOLUTION_FILE):
            if path != place and (path / name).exists():
                shutil.copyfile(path / name, place / name)


def _updates(facts: Mapping[str, Any]) -> int:
    updates = (facts.get("descent") or {}).get("updates")
    return updates if isinstance(updates, int) else 0
