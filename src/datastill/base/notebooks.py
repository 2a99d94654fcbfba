"""What a notebook shows of a value, found out by floors above when a notebook asks."""

from __future__ import annotations

from importlib import import_module


def of_set(data: object) -> str:
    """Return a set of images as HTML."""
    return import_module("datastill.report.notebook").of_set(data)


def of_run(found: object) -> str:
    """Return what a verb of runs returned as HTML."""
    return import_module("datastill.runs.notebook").html_of(found)
