"""A folder for a new run, if it is free, and its journal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from datastill.base.errors import InputError
from datastill.store.checkpoints import ENDING
from datastill.store.files import require_writable, through_json, write_json
from datastill.store.journal import LOG_FILE, Journal
from datastill.store.succession import (
    MANIFEST,
    NEXT,
    RUN_FILES,
    SET_FILE,
    SETTINGS,
    begin,
    place_of,
    settings_in,
)


def open_run(
    path: Path, settings: Mapping[str, Any], *, overwrite: bool = False, resumable: bool = True
) -> Journal:
    """Make a folder for a new run, write its settings, and return its journal.

    A finished set that is there stays until this one is finished, too: see ``settle``. What a run
    left there that was not finished is removed; one that cannot be gone on with, and was asked for
    just so, needs no permission.

    Args:
        path: the folder.
        settings: what the run follows from.
        overwrite: whether it may replace another.
        resumable: whether a run of its kind that was cut off can be gone on with.

    Raises:
        InputError: when the folder holds another run and ``overwrite`` is not set, or original
            models, or cannot be written to.
    """
    require_no_models(path)
    same = settings_in(path) == through_json(settings)
    if same and (path / SET_FILE).exists() and not overwrite:
        raise InputError(
            f"this very run is in {path}, finished; pass `overwrite=True` to start over"
        )
    require_free(path, (SET_FILE,), overwrite=overwrite)
    again = not resumable and settings_in(place_of(path)) == through_json(settings)  # it was killed
    require_finished(path, overwrite=overwrite or again, resumable=resumable)
    require_writable(path)
    place = begin(path, beside=(path / SET_FILE).exists())
    write_json(place / SETTINGS, settings)
    return Journal(place / LOG_FILE)


def require_free(path: Path, names: tuple[str, ...], *, overwrite: bool) -> None:
    """Refuse a folder that holds any of the files ``names``, unless they may be overwritten."""
    if path.exists() and not path.is_dir():
        raise InputError(f"{path} is a file, not a folder")
    held = [name for name in names if (path / name).exists()]
    if held and not overwrite:
        hint = "pass `overwrite=True` to replace it"
        if (path / NEXT).is_dir():
            hint += ", or `resume=True` to go on with what was to replace it"
        raise InputError(f"{path} holds another run ({held[0]}); {hint}")


def require_no_models(path: Path) -> None:
    """Refuse a folder of original models, which a set would take the place of."""
    if (path / MANIFEST).exists():
        raise InputError(f"{path} holds original models, which a set never replaces: take another")


def require_finished(path: Path, *, overwrite: bool, resumable: bool = True) -> None:
    """Refuse a folder with a run that did not come to its end, unless it may be overwritten."""
    held = [name for name in RUN_FILES if (path / name).exists()]
    held += [file.name for file in path.glob(f"*{ENDING}*")]
    if held and not overwrite:
        go_on = "`resume=True` to go on with it, or " if resumable else ""
        raise InputError(
            f"{path} holds another run that is not finished ({held[0]}); pass {go_on}"
            "`overwrite=True` to start over"
        )
