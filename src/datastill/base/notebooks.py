"""What a notebook shows of a value, found out by floors above when a notebook asks."""

from __future__ import annotations

import linecache
import traceback
from importlib import import_module


def of_set(data: object) -> str:
    """Return a set of images as HTML."""
    return import_module("datastill.report.notebook").of_set(data)


def of_run(found: object) -> str:
    """Return what a verb of runs returned as HTML."""
    return import_module("datastill.runs.notebook").html_of(found)


def of_error(error: BaseException) -> list[str]:
    """Return the lines that stand for a mistake, in place of a traceback through our code.

    They are what was wrong, and the line that a person wrote. Where code of a person's own failed,
    that is shown whole before.
    """
    cause = error.__cause__
    before = "".join(traceback.format_exception(cause)).splitlines() if cause else []
    where, rest = None, error.__traceback__
    while rest is not None and not rest.tb_frame.f_globals.get("__name__", "").startswith(
        "datastill"
    ):
        where, rest = rest, rest.tb_next
    lines = [*before, f"{type(error).__name__}: {error}"]
    if where is not None:
        typed = linecache.getline(where.tb_frame.f_code.co_filename, where.tb_lineno).strip()
        lines += [f"  line {where.tb_lineno}: {typed}"] if typed else []
    return lines
