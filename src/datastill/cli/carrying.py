"""Runs as commands carry them out: watched on the console, stopped by signals, and told."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

from datastill.cli.console import Console
from datastill.cli.options import Workers
from datastill.runs.conduct.keeping import USUAL, Keeping
from datastill.runs.conduct.stop import Signals
from datastill.runs.specs import Spec


def carry_out(
    spec: Spec,
    folder: Path | None,
    console: Console,
    keeping: Keeping = USUAL,
    workers: Workers | None = None,
    **more: Any,
) -> Any:
    """Carry out a run, say what it found, and return that.

    Args:
        spec: what it follows from.
        folder: see its verb.
        console: to say it on.
        keeping: what becomes of a run that is cut off, or was.
        workers: carry out pieces of it; None for none.
        more: what else the verb takes.
    """
    from datastill.runs.conduct.carrying import usable, verb_of
    from datastill.runs.showing.summaries import told

    given = {"folder": folder, "keeping": keeping, "observer": console, "stop": Signals()}
    with nullcontext() if workers is None else workers.executor() as executor:
        how = usable(spec, {**given, "executor": executor})
        found = verb_of(spec.kind)(spec, **how, **more)
    console.show(told(found))
    return found
