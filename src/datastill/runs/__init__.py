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

    from datastill.runs.assessment.assessing import Ranked, assess, rank
    from datastill.runs.assessment.scored import Scored
    from datastill.runs.compound.sweeping import Swept, sweep
    from datastill.runs.conduct.carrying import carry_out, run
    from datastill.runs.conduct.futures import Executor, Future
    from datastill.runs.conduct.keeping import Keeping
    from datastill.runs.conduct.observer import SILENT, Lines, Observer, Steps, Talking
    from datastill.runs.conduct.stop import Signals, Stopped, StopRequest
    from datastill.runs.executors.processes import Processes
    from datastill.runs.foresight.checking import Checked, check
    from datastill.runs.foresight.estimating import estimate
    from datastill.runs.making.distilling import Distilled, distill
    from datastill.runs.making.relabelling import Relabelled, relabel
    from datastill.runs.making.training import Trained, train
    from datastill.runs.showing.live import Reporter
    from datastill.runs.showing.reporting import Reported, report
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
    from datastill.runs.studies.findings import Studied
    from datastill.runs.studies.studying import study
    from datastill.runs.validation.comparing import Compared, compare
    from datastill.runs.validation.validating import Validated, validate

_HOMES = {
    "assessment.assessing": ("Ranked", "assess", "rank"),
    "conduct.carrying": ("carry_out", "run"),
    "foresight.checking": ("Checked", "check"),
    "validation.comparing": ("Compared", "compare"),
    "making.distilling": ("Distilled", "distill"),
    "foresight.estimating": ("estimate",),
    "executors.processes": ("Processes",),
    "studies.findings": ("Studied",),
    "conduct.futures": ("Executor", "Future"),
    "conduct.keeping": ("Keeping",),
    "showing.live": ("Reporter",),
    "conduct.observer": ("SILENT", "Lines", "Observer", "Steps", "Talking"),
    "making.relabelling": ("Relabelled", "relabel"),
    "showing.reporting": ("Reported", "report"),
    "assessment.scored": ("Scored",),
    "specs": (
        *("AssessSpec", "ClomSpec", "CompareSpec", "ComputeSpec", "DataSpec", "DistillSpec"),
        *("JudgesSpec", "OnTheFlySpec", "PoolSpec", "RankSpec", "RelabelSpec", "SelectSpec"),
        "SoftSpec",
        *("StudySpec", "TrainSpec", "Unit", "ValidateSpec", "read"),
    ),
    "conduct.stop": ("Signals", "StopRequest", "Stopped"),
    "studies.studying": ("study",),
    "compound.sweeping": ("Swept", "sweep"),
    "making.training": ("Trained", "train"),
    "validation.validating": ("Validated", "validate"),
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
