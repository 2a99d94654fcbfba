"""Runs as commands carry them out: watched on the console, stopped by signals, and told."""

from __future__ import annotations

from inspect import signature
from pathlib import Path
from typing import Any

from datastill.cli.console import Console
from datastill.cli.interruption import Signals
from datastill.runs.keeping import USUAL, Keeping
from datastill.runs.specs import Spec


def carry_out(
    spec: Spec, folder: Path | None, console: Console, keeping: Keeping = USUAL, **more: Any
) -> Any:
    """Carry out a run, say what it found, and return that.

    Args:
        spec: what it follows from.
        folder: see its verb.
        console: to say it on.
        keeping: what becomes of a run that is cut off, or was.
        more: what else the verb takes.
    """
    from datastill.runs.carrying import verb_of
    from datastill.runs.summaries import told

    verb = verb_of(spec.kind)
    given = {"folder": folder, "keeping": keeping, "observer": console, "stop": Signals()}
    taken = signature(verb).parameters
    found = verb(spec, **{name: given[name] for name in given if name in taken}, **more)
    console.show(told(found))
    return found
