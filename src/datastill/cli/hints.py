"""Commands that a person may type next, with the options that matter."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from datastill.cli.described import said
from datastill.runs.specs import ComputeSpec, DataSpec

USUAL_MODEL = "ConvNet"
"""Architecture where none is named."""


def typed(command: str, *words: str | Path, **options: Any) -> str:
    """Return a command as it is typed; options without a value are left out.

    >>> typed("validate", Path("my sets/IPC1"), model=("MLP", "LeNet"), ipc=None, save_model=True)
    "datastill validate 'my sets/IPC1' --model MLP LeNet --save-model"
    """
    parts = ["datastill", command, *map(str, words)]
    for name, value in options.items():
        parts += _option(f"--{name.replace('_', '-')}", value)
    return shlex.join(parts)


def repeated(part: DataSpec | ComputeSpec) -> dict[str, Any]:
    """Return the options that belong into the next command too, by their names.

    >>> repeated(ComputeSpec(seed=3, device="cpu")), repeated(DataSpec("digits", size=16))
    ({'device': 'cpu'}, {'dataset': 'digits', 'size': '16x16'})
    """
    at = "data." if isinstance(part, DataSpec) else "compute."
    return {
        k: value
        for k, value in said(part, at=at)
        if k != "seed" and value != "auto" and value is not False  # a share of 0 is said
    }


def _option(name: str, value: Any) -> list[str]:
    if value is None or value is False or value == ():
        return []
    if value is True:
        return [name]
    values: Sequence[Any] = value if isinstance(value, list | tuple) else (value,)
    return [name, *map(str, values)]
