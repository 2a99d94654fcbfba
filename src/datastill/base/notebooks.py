"""What a notebook shows of a value, found out when a notebook asks; of a mistake its one line."""

# Nothing is imported here at once: the page of the package takes this, before all else.
HOMES: "dict[str, str]" = {}
"""What shows a value as HTML, ``package.module:name``, by what the value is."""


def shown_by(**homes: str) -> None:
    """Say what shows ``sets`` of images, and ``runs``, what verbs of them return."""
    HOMES.update(homes)


def of_set(data: object) -> str:
    """Return a set of images as HTML."""
    return _html("sets", data)


def of_run(found: object) -> str:
    """Return what a verb of runs returned as HTML."""
    return _html("runs", found)


def of_error(error: BaseException) -> "list[str]":
    """Return the lines that stand for a mistake, in place of a traceback through our code.

    They are what was wrong, and the line that a person wrote. Where code of a person's own failed,
    that is shown whole before.
    """
    import linecache
    import traceback

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


def _html(kind: str, value: object) -> str:
    from importlib import import_module

    module, name = HOMES[kind].split(":")
    return getattr(import_module(module), name)(value)
