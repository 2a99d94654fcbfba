"""datastill run."""

from __future__ import annotations

from collections.abc import Sequence

from datastill.base.errors import InputError
from datastill.cli.mirror import File, options
from datastill.cli.options import Talk
from datastill.cli.sense import is_option
from datastill.runs.specs.recipes import find, kind_of

COMMAND = "run"


@options()
class Run:
    """Carry out what a file describes: a set to distil, a study, any kind of run.

    That is done by the command of its kind: options of that command may follow the file, and win.
    'datastill run FILE --help' lists them.

    Attributes:
        file: file that describes a run, folder of a run that has one (run.toml), or the name of a
            recipe that comes with datastill.
    """

    file: File
    talk: Talk = Talk()


def carried_out(words: Sequence[str]) -> tuple[list[str], str | None]:
    """Return the command that ``run FILE`` stands for, with what follows, and the file.

    Of any other command that is what was typed, and no file.

    Raises:
        InputError: when the file does not come first, or describes no run.
    """
    if words[:1] != [COMMAND] or not words[1:] or words[1] in ("-h", "--help"):
        return list(words), None
    if is_option(words[1]):
        raise InputError(f"name the file first: datastill {COMMAND} FILE {' '.join(words[1:])}")
    _, file, *more = words
    if any(word.partition("=")[0] == "--recipe" for word in more):
        raise InputError(f"datastill {COMMAND} takes one file, and --recipe names another")
    return [kind_of(find(file)), *more], file
