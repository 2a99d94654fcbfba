"""The command line: the only place that reads arguments, prints and exits."""

from __future__ import annotations

import contextlib
import io
import sys
import typing
from collections.abc import Mapping, Sequence
from typing import Any

from datastill.base import machine, paths, waits
from datastill.base.errors import InputError, suggestion
from datastill.base.streams import tell
from datastill.cli.about import ABOUT, COMMANDS, Command, about, load
from datastill.cli.arguments import in_options
from datastill.cli.described import given
from datastill.cli.grammar import filled, options_of, told
from datastill.cli.recipe import values_of_recipe
from datastill.cli.run import carried_out
from datastill.cli.sense import HELP, taken_apart
from datastill.report.folding import folded, width_of
from datastill.runs.conduct.stop import Signalled, stoppable

__all__ = ["ABOUT", "COMMANDS", "fail", "load", "main", "parse"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command that the arguments name.

    Exits with 0 when all went well, with 2 and one line on stderr when the person can put it
    right, and with 130 or 143 when Ctrl-C or SIGTERM stopped it.
    """
    words = paths.from_home_in(sys.argv[1:] if arguments is None else arguments)
    try:
        words, file = carried_out(words)
        command = parse(words, file)
        if command is not None:
            machine.keep_memory()
            with stoppable(), waits.shown(quiet=given(command).get("quiet", False)):
                _tell(words[0], command, command.run())
    except InputError as error:
        fail(in_options(error.typed, _known(words)))
    except BrokenPipeError:
        sys.exit(1)
    except Signalled as stopped:
        tell(folded(_last_line(stopped, words), width_of(sys.stderr)))
        sys.exit(stopped.code)
    except KeyboardInterrupt:
        tell("interrupted")
        sys.exit(130)
    except (MemoryError, OSError, RuntimeError) as error:
        what = machine.shortage(error)
        if what is None:
            raise  # for whoever mends the program
        fail(in_options(what, None))


def parse(words: Sequence[str], file: str | None = None) -> Command | None:
    """Turn arguments into a command, or answer a question for help and return None.

    Args:
        words: the arguments.
        file: that describes a run, whose command they are; ``run FILE`` names one too.
    """
    words, file = (words, file) if file else carried_out(words)
    if not words or words[0] in ("-h", "--help", "help"):
        print(about(width_of(sys.stdout)), end="")
        return None
    if words[0] in ("-V", "--version"):
        from datastill.base.version import own_version

        print(f"datastill {own_version()}")
        return None
    name, *rest = words
    if name not in COMMANDS:
        kind = "option" if name.startswith("-") else "command"
        raise InputError(f"no {kind} {name!r}; {suggestion(name, COMMANDS)}")
    kind = load(name)
    options = options_of(kind)
    typed = taken_apart(rest, options, name)
    values = typed.values(values_of_recipe(typed, options, file), options)
    return _help(kind, name, values) if HELP in typed.names else filled(kind, values)


def fail(message: str) -> typing.NoReturn:
    """Print one line on stderr and exit with 2."""
    tell(folded(f"datastill: {' '.join(message.split())}", width_of(sys.stderr)))
    sys.exit(2)


def _tell(name: str, command: Command, found: Any) -> None:
    # What was found, for programs, where that was asked for: the one place. Followers find nothing.
    if found is not None and given(command).get("json"):
        from datastill.runs.showing.records import in_json

        print(in_json(name, found))


def _last_line(stopped: Signalled, words: Sequence[str]) -> str:
    # What was stopped, and what to type where it goes on.
    if "resume" not in _known(words) and words[0] != "sweep":
        return str(stopped)
    more = "" if words[0] in ("study", "sweep") else " with --resume"
    more += " in place of --overwrite" if "--overwrite" in words else ""
    return f"{stopped}; the same command{'' if '--resume' in words else more} goes on from there"


def _known(words: Sequence[str]) -> set[str]:
    # The options of the command that was typed.
    if not words or words[0] not in COMMANDS:
        return set()
    options = options_of(load(words[0])).values()
    return {"help", *(option.name for option in options if not option.bare)}


def _help(kind: type[Command], name: str, values: Mapping[str, Any]) -> None:
    import tyro

    encoding = (sys.stdout.encoding or "utf-8").lower()  # tells what boxes can be drawn of
    said = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    told(kind)
    try:
        with contextlib.redirect_stdout(said):
            tyro.cli(
                kind,
                args=["--help"],
                prog=f"datastill {name}",
                default=filled(kind, values, without=tyro.MISSING),
                config=(
                    *(tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff),
                    tyro.conf.HelptextFromCommentsOff,  # which takes a tenth of a second
                ),
            )
    finally:
        said.seek(0)
        print(folded(said.read(), width_of(sys.stdout)), end="")
