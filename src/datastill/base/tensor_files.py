"""Files of tensors, opened without reading them."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import safe_open


@contextmanager
def opened(path: Path) -> Generator[Any]:
    """Open a ``safetensors`` file, whose tensors are mapped into memory one by one.

    Raises:
        OSError: when the system does not open it.
        SafetensorError: when it is damaged, or no such file.
    """
    with path.open("rb"):  # the library takes whatever the system refuses for a file that lacks
        pass
    with safe_open(path, framework="pt") as file:
        yield file
