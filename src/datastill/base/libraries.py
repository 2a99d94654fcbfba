"""Libraries that not everybody has."""

from __future__ import annotations

import importlib
from typing import Any

from datastill.base.errors import InputError

LIBRARIES = {
    "hf": "datasets>=4",
    "transformers": "transformers>=5",
    "tensorboard": "tensorboard>=2.17.1",
    "trackio": "trackio>=0.4",
    "ray": "ray>=2.60",
}
"""What the extras of the package are made of."""


def installing(extra: str) -> str:
    """Say how to install what an extra needs: from any index, wherever datastill came from.

    >>> installing("hf")
    "pip install 'datasets>=4'"
    """
    return f"pip install '{LIBRARIES[extra]}'"


def imported(module: str, needing: str, extra: str = "hf") -> Any:
    """Import a library that not everybody has.

    Args:
        module: its name.
        needing: what needs it, in words.
        extra: of the package, which brings it.

    Raises:
        InputError: where it is not installed, or broken, saying how to install it.
    """
    try:
        return importlib.import_module(module)
    except Exception:  # a broken companion raises more than ImportError
        raise InputError(f"{needing}: {installing(extra)}") from None
