"""Commands as a person types them."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def typed(command: str, *words: str | Path, **options: Any) -> str:
    """Return a command as it is typed; options without a value are left out.

    >>> typed("validate", Path("my sets/IPC1"), model=("MLP", "LeNet"), ipc=None, save_model=True)
    "datastill validate 'my sets/IPC1' --model MLP LeNet --save-model"
    >>> typed("validate", Path("-x"), out=Path("-y"))
    'datastill validate ./-x --out ./-y'
    """
    parts = ["datastill", command, *(_no_option(str(word)) for word in words)]
    for name, value in options.items():
        parts += _option(f"--{name.replace('_', '-')}", value)
    return shlex.join(parts)


def _option(name: str, value: Any) -> list[str]:
    if value is None or value is False or value == ():
        return []
    if value is True:
        return [name]
    values: Sequence[Any] = value if isinstance(value, list | tuple) else (value,)
    return [name, *(_no_option(str(one)) if isinstance(one, Path) else str(one) for one in values)]


def _no_option(path: str) -> str:
    # A path that begins as an option does would be read as one.
    return f"./{path}" if path.startswith("-") else path
