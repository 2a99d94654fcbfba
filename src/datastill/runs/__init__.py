"""Runs are values, and what carries them out does all that the commands do.

A description (``DistillSpec``, ``ValidateSpec``, ...) says what a result follows from; a verb
(``validate``, ``compare``, ...; ``run`` for any) carries it out, and is told what is kept
(``Keeping``), who watches (``Observer``) and what may stop it (``StopRequest``). Nothing prints by
itself.
"""

# Nothing is imported here: descriptions need no torch, and `datastill --help` waits for none.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any

    from datastill.runs.assessing import Ranked, assess, rank
    from datastill.runs.carrying import carry_out, run
    from datastill.runs.checking import Checked, check
    from datastill.runs.comparing import Compared, compare
    from datastill.runs.distilling import Distilled, distill
    from datastill.runs.estimating import estimate
    from datastill.runs.executors.processes import Processes
    from datastill.runs.findings import Studied
    from datastill.runs.futures import Executor, Future
    from datastill.runs.keeping import Keeping
    from datastill.runs.live import Reporter
    from datastill.runs.observer import SILENT, Lines, Observer, Steps, Talking
    from datastill.runs.relabelling import Relabelled, relabel
    from datastill.runs.reporting import Reported, report
    from datastill.runs.scored import Scored
    from datastill.runs.specs import (
        AssessSpec,
        ClomSpec,
        CompareSpec,
        ComputeSpec,
        DataSpec,
        DistillSpec,
        JudgesSpec,
        OnTheFlySpec,
        PoolSpec,
        RankSpec,
        RelabelSpec,
        SelectSpec,
        SoftSpec,
        StudySpec,
        TrainSpec,
        Unit,
        ValidateSpec,
        read,
    )
    from datastill.runs.stop import Signals, Stopped, StopRequest
    from datastill.runs.studying import study
    from datastill.runs.sweeping import Swept, sweep
    from datastill.runs.training import Trained, train
    from datastill.runs.validating import Validated, validate

_HOMES = {
    "assessing": ("Ranked", "assess", "rank"),
    "carrying": ("carry_out", "run"),
    "checking": ("Checked", "check"),
    "comparing": ("Compared", "compare"),
    "distilling": ("Distilled", "distill"),
    "estimating": ("estimate",),
    "executors.processes": ("Processes",),
    "findings": ("Studied",),
    "futures": ("Executor", "Future"),
    "keeping": ("Keeping",),
    "live": ("Reporter",),
    "observer": ("SILENT", "Lines", "Observer", "Steps", "Talking"),
    "relabelling": ("Relabelled", "relabel"),
    "reporting": ("Reported", "report"),
    "scored": ("Scored",),
    "specs": (
        *("AssessSpec", "ClomSpec", "CompareSpec", "ComputeSpec", "DataSpec", "DistillSpec"),
        *("JudgesSpec", "OnTheFlySpec", "PoolSpec", "RankSpec", "RelabelSpec", "SelectSpec"),
        "SoftSpec",
        *("StudySpec", "TrainSpec", "Unit", "ValidateSpec", "read"),
    ),
    "stop": ("Signals", "StopRequest", "Stopped"),
    "studying": ("study",),
    "sweeping": ("Swept", "sweep"),
    "training": ("Trained", "train"),
    "validating": ("Validated", "validate"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "SILENT",
    "AssessSpec",
    "Checked",
    "ClomSpec",
    "CompareSpec",
    "Compared",
    "ComputeSpec",
    "DataSpec",
    "DistillSpec",
    "Distilled",
    "Executor",
    "Future",
    "JudgesSpec",
    "Keeping",
    "Lines",
    "Observer",
    "OnTheFlySpec",
    "PoolSpec",
    "Processes",
    "RankSpec",
    "Ranked",
    "RelabelSpec",
    "Relabelled",
    "Reported",
    "Reporter",
    "Scored",
    "SelectSpec",
    "Signals",
    "SoftSpec",
    "Steps",
    "StopRequest",
    "Stopped",
    "Studied",
    "StudySpec",
    "Swept",
    "Talking",
    "TrainSpec",
    "Trained",
    "Unit",
    "ValidateSpec",
    "Validated",
    "assess",
    "carry_out",
    "check",
    "compare",
    "distill",
    "estimate",
    "rank",
    "read",
    "relabel",
    "report",
    "run",
    "study",
    "sweep",
    "train",
    "validate",
]


def __getattr__(name: str) -> "Any":
    if name not in _HOME:
        raise AttributeError(f"module 'datastill.runs' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"datastill.runs.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name[:2] == "__")})
