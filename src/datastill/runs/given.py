"""What the verbs of runs are given, refused in one line where it is something else."""

from __future__ import annotations

from typing import Any

from datastill.base.errors import InputError, of_kind, path_of, told
from datastill.runs.keeping import USUAL, Keeping
from datastill.runs.observer import SILENT
from datastill.runs.specs import Spec
from datastill.runs.stop import StopRequest

WATCHES = ("message", "progress", "follow", "snapshot")
"""Methods of an ``Observer``."""


def require_kinds(
    kind: type[Spec],
    spec: Any,
    folder: Any = None,
    *,
    keeping: Any = USUAL,
    observer: Any = SILENT,
    stop: Any = None,
) -> None:
    """Refuse what is not of the kind that a verb takes.

    Args:
        kind: of the description.
        spec: itself.
        folder: a path, or None.
        keeping: a ``Keeping``.
        observer: what has the methods of an ``Observer``.
        stop: a ``StopRequest``, or None.

    Raises:
        InputError: naming the first that is another.
    """
    article = "an" if kind.__name__[0] in "AEIOU" else "a"
    wanted = f"{article} {kind.__name__}" if kind.kind else "a description, such as a DistillSpec"
    of_kind(kind, wanted, spec=spec)
    path_of("the path of a folder", folder=folder)
    of_kind(Keeping, "a Keeping, such as Keeping(resume=True)", keeping=keeping)
    of_kind((StopRequest, type(None)), "a StopRequest", stop=stop)
    sound = all(callable(getattr(observer, name, None)) for name in WATCHES)
    if isinstance(observer, type) or not sound:
        wanted = "what watches a run, such as Talking(tell=print)"
        raise InputError(f"`observer` must be {wanted}, found {told(observer)}")
