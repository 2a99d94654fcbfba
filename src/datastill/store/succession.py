"""A run that takes the place of a finished one: made beside it, and put there when it is finished.

Until then what was finished is whole, whatever becomes of the new run. It is made in a folder
``.next`` of the folder that it is for. Once finished, that is renamed to ``.done``, which decides;
whatever stops a process after that, the next one that works there puts the files in their place.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from datastill.base.errors import InputError
from datastill.store.checkpoints import ENDING, CheckpointFile
from datastill.store.files import read_json, writing
from datastill.store.journal import LOG_FILE, TENSORBOARD_FOLDER

NEXT, DONE, CLEARED = ".next", ".done", ".cleared"
SETTINGS = "settings.json"
SET_FILE = "synthetic.safetensors"
GOOD_FILE = "last-good.safetensors"
"""The set before its pixels or losses ceased to be finite numbers."""
STATE_FILE = "distill.state"
"""What a finished distillation goes on from when more updates are asked for."""
EVOLUTION_FILE = "evolution.safetensors"
"""A few pictures of the set on its way."""
RUN_FILES = (
    SET_FILE,
    STATE_FILE,
    EVOLUTION_FILE,
    GOOD_FILE,
    "preview.png",
    LOG_FILE,
    SETTINGS,
    "validation.json",
    "assessment.json",
    "run.toml",
)
MANIFEST = "manifest.json"
MODELS = ("model_*_epoch_*.safetensors", "model_*_dynamics.safetensors")
OWN = (
    *(*RUN_FILES, MANIFEST, *MODELS, f"*{ENDING}*", TENSORBOARD_FOLDER),
    *("run-[0-9]*.toml", "validate.toml", "validate-[0-9]*.toml"),
    *("assess.toml", "assess-[0-9]*.toml", "assessment-[0-9]*.json"),
)
"""What a run writes into its folder, by patterns; whatever else lies there is a person's own."""


def state_file(folder: Path) -> CheckpointFile:
    """Return where a finished distillation keeps what it goes on from."""
    return CheckpointFile(folder / STATE_FILE)


def place_of(folder: Path) -> Path:
    """Return where the last run that was begun in a folder is, or was, under way.

    That is the folder itself, or a folder in it where that holds a finished one that it is to
    replace.
    """
    following = folder / NEXT
    return following if following.is_dir() else folder


def settings_in(place: Path) -> dict[str, Any]:
    """Return what a run was begun with, as far as its place tells."""
    try:
        found = read_json(place / SETTINGS)
    except InputError:
        return {}
    return found if isinstance(found, dict) else {}


def begin(folder: Path, *, beside: bool) -> Path:
    """Make a place for a new run, and forget one that was begun and not finished.

    Args:
        folder: that it is for.
        beside: leave what is there until the new run is finished.

    Returns:
        The place, without files of a run in it.

    Raises:
        InputError: when it cannot be written to.
    """
    following = folder / NEXT
    with writing(folder):
        shutil.rmtree(following, ignore_errors=True)
        place = following if beside else folder
        place.mkdir(parents=True, exist_ok=True)
        for path in list(_own(place)):
            _remove(path)
    return place


def settle(place: Path) -> Path:
    """Put a finished run in the place of the one that was there before; return its folder.

    Args:
        place: see ``begin``.

    Raises:
        InputError: when it cannot be written to.
    """
    if place.name != NEXT:
        return place
    folder = place.parent
    with writing(folder):
        place.rename(folder / DONE)
    complete(folder)
    return folder


def complete(folder: Path) -> None:
    """Put in place what a process that was killed had finished, and not yet put there."""
    done, cleared = folder / DONE, folder / DONE / CLEARED
    with writing(folder):
        if (folder / NEXT / SET_FILE).exists():  # the last that is written of a set
            (folder / NEXT).rename(done)
        if not done.is_dir():
            return
        if not cleared.exists():
            for path in list(_own(folder)):
                if not (done / path.name).exists() or path.is_dir():
                    _remove(path)
            cleared.touch()
        # The set first: readers see the old one, or the new one.
        new = sorted(done.iterdir(), key=lambda path: (path.name != SET_FILE, path.name))
        for path in (one for one in new if one != cleared):
            path.replace(folder / path.name)
        shutil.rmtree(done)


def _own(folder: Path) -> Iterator[Path]:
    for pattern in OWN:
        yield from folder.glob(pattern)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
