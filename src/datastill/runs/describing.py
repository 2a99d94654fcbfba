"""The file in the folder of a run that repeats it."""

from __future__ import annotations

from pathlib import Path

from datastill.base.errors import InputError
from datastill.runs.recipes import RUN_FILE
from datastill.runs.specs import Spec, read
from datastill.runs.specs.base import split
from datastill.store import replace_file, writing


def require_own(spec: Spec, folder: Path) -> None:
    """Refuse a folder that holds the description of a run of another kind.

    Raises:
        InputError: then.
    """
    if not (folder / RUN_FILE).exists():
        return
    text = (folder / RUN_FILE).read_text("utf-8", errors="replace")
    if split(text, str(folder / RUN_FILE))[0] != spec.kind:
        raise InputError(f"{folder} holds another run ({RUN_FILE}); take another `folder`")


def write_description(spec: Spec, folder: Path) -> None:
    """Write what a run follows from into its folder, where ``datastill run`` finds it.

    Raises:
        InputError: when it cannot be written.
        RuntimeError: when the file would not say what was asked for.
    """
    text = spec.to_toml()
    if read(text, RUN_FILE)[0] != spec:
        raise RuntimeError(f"the description of this run does not survive being written: {spec!r}")
    with writing(folder):
        replace_file(folder / RUN_FILE, text.encode())
