"""Commands that a person may type next, with the options that matter."""

from __future__ import annotations

from typing import Any

from datastill.cli.described import said
from datastill.runs.specs import ComputeSpec, DataSpec

USUAL_MODEL = "ConvNet"
"""Architecture where none is named."""


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
