"""Which engine is wanted, kernels or plain layers, and what is said where there are no kernels."""

from __future__ import annotations

import logging
import os
from functools import cache

from datastill.base.errors import InputError
from datastill.compute import kernels

ENGINE = "DATASTILL_ENGINE"
"""The environment variable that says what ``"auto"`` means: kernels or plain, without measuring."""

_log = logging.getLogger("datastill")


def forced() -> str:
    """Return the engine that the environment asks for, empty where it is to be measured.

    Raises:
        InputError: when there is none of that name.
    """
    wanted = os.environ.get(ENGINE, "").strip().lower() or "auto"
    if wanted not in ("auto", "kernels", "plain"):
        raise InputError(f"{ENGINE} is auto, kernels or plain, found {wanted!r}")
    return "" if wanted == "auto" else wanted


@cache
def tell_what_is_missing() -> None:
    """Say once in a process why PyTorch's layers run in place of the kernels, if they do."""
    if kernels.missing():
        _log.warning("PyTorch's layers run in place of datastill's kernels: %s", kernels.missing())
