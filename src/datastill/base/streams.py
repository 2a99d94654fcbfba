"""What is printed reaches terminals and pipes of any kind, and harms nothing where nobody reads."""

from __future__ import annotations

import atexit
import codecs
import contextlib
import io
import os
import sys

SPELLED = "datastill.spelled"
"""The name under which Python knows how to spell what has no letter."""
LETTERS = {"±": "+-", "…": "...", "×": "x", "↑": "^", "↓": "v"}


def open_streams() -> None:
    """See to it that whatever is printed can be, on a terminal of few letters or on none at all.

    A stream that was closed (``>&-``) leads nowhere from now on: otherwise the first file that is
    opened has its number, and what is printed is written into that.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115, PTH123 - open until the end
    atexit.register(_let_go)
    codecs.register_error(SPELLED, _spelled)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=SPELLED)


def tell(line: str) -> None:
    """Print a line on stderr, if that can be: what is said last changes no exit code.

    Its disk may be full, nobody may read it, or a signal arrived while it was written to.
    """
    with contextlib.suppress(OSError, RuntimeError):
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()


def _let_go() -> None:
    # What could not be written would be tried once more at the end, for another exit code.
    try:
        sys.stderr.flush()
    except OSError:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115, PTH123 - open until the end


def _spelled(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    some = error.object[error.start : error.end]
    return "".join(LETTERS.get(one, ascii(one)[1:-1]) for one in some), error.end
