"""Runs are values, and what carries them out does all that the commands do.

A description (``DistillSpec``, ``ValidateSpec``, ...) says what a result follows from; a verb
(``validate``, ``compare``, ...) carries it out, and is told what is kept (``Keeping``), who watches
(``Observer``) and what may stop it (``StopRequest``). Nothing prints by itself.
"""

# Nothing is imported here: descriptions need no torch, and `datastill --help` waits for none.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any

    from datastill.runs.comparing import Compared, compare
    from datastill.runs.estimating import estimate
    from datastill.runs.keeping import Keeping
    from datastill.runs.observer import SILENT, Observer, Steps, Talking
    from datastill.runs.specs import (
        AssessSpec,
        ClomSpec,
        CompareSpec,
        ComputeSpec,
        DataSpec,
        DistillSpec,
        JudgesSpec,
        PoolSpec,
        RankSpec,
        RelabelSpec,
        SelectSpec,
        SoftSpec,
        StudySpec,
        TrainSpec,
        ValidateSpec,
        read,
    )
    from datastill.runs.stop import Stopped, StopRequest
    from datastill.runs.validating import Validated, validate

_HOMES = {
    "comparing": ("Compared", "compare"),
    "estimating": ("estimate",),
    "keeping": ("Keeping",),
    "observer": ("SILENT", "Observer", "Steps", "Talking"),
    "specs": (
        *("AssessSpec", "ClomSpec", "CompareSpec", "ComputeSpec", "DataSpec", "DistillSpec"),
        *("JudgesSpec", "PoolSpec", "RankSpec", "RelabelSpec", "SelectSpec", "SoftSpec"),
        *("StudySpec", "TrainSpec", "ValidateSpec", "read"),
    ),
    "stop": ("StopRequest", "Stopped"),
    "validating": ("Validated", "validate"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "SILENT",
    "AssessSpec",
    "ClomSpec",
    "CompareSpec",
    "Compared",
    "ComputeSpec",
    "DataSpec",
    "DistillSpec",
    "JudgesSpec",
    "Keeping",
    "Observer",
    "PoolSpec",
    "RankSpec",
    "RelabelSpec",
    "SelectSpec",
    "SoftSpec",
    "Steps",
    "StopRequest",
    "Stopped",
    "StudySpec",
    "Talking",
    "TrainSpec",
    "ValidateSpec",
    "Validated",
    "compare",
    "estimate",
    "read",
    "validate",
]


def __getattr__(name: str) -> "Any":
    if name not in _HOME:
        raise AttributeError(f"module 'datastill.runs' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"datastill.runs.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name[:2] == "__")})
