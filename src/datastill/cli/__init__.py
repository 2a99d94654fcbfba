"""The command line: the only place that reads arguments, prints and exits."""

from __future__ import annotations

import contextlib
import errno
import importlib
import io
import re
import sys
import typing
from collections.abc import Iterator, Sequence
from typing import Protocol

from datastill.base import machine
from datastill.base.errors import InputError, suggestion
from datastill.cli.arguments import in_options
from datastill.cli.folding import folded, width_of
from datastill.cli.grammar import options_of, require_sense, told
from datastill.cli.interruption import Stopped, stoppable
from datastill.cli.recipe import option_of, words_of_recipe

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO}
"""What writing comes to where a disk is full, read-only or broken: standard output's, say."""
INDENT = 12
"""Columns before what is said of a command."""
COMMANDS = {
    "train": "Train",
    "distill": "Distill",
    "validate": "Validate",
    "compare": "Compare",
    "assess": "Assess",
    "select": "Select",
    "study": "Study",
    "show": "Show",
    "relabel": "Relabel",
    "import": "Import",
    "export": "Export",
    "estimate": "Estimate",
    "all": "All",
    "demo": "Demo",
}
ABOUT = """\
datastill: from a labelled image dataset to a tiny synthetic one that trains
networks almost as well, with evidence whether to trust it.

usage: datastill COMMAND [OPTIONS]
       datastill COMMAND --help
       datastill --version

commands, in the order of the work:
{commands}

Your own pictures, a folder for each class:
  datastill all --dataset ./pictures --size 32 --ipc 10
A first run, on data that needs no download:
  datastill demo
The same by hand:
  datastill train    --dataset digits --model ConvNetD2W32 --num 3 --epochs 15 \\
                     --batch-train 64 --lr-net 0.05
  datastill distill  --dataset digits --model ConvNetD2W32 --method DM --ipc 1 \\
                     --iterations 150 --alphas 10 --models-pool ConvNetD2W32
  datastill validate --dataset digits --model ConvNetD2W32 --method DM --ipc 1 \\
                     --against random
  datastill assess   --dataset digits --method DM --ipc 1 \\
                     --models-pool ConvNetD2W32
"""


class Command(Protocol):
    """A frozen dataclass of options that can be run."""

    def run(self) -> None: ...


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command that the arguments name.

    Exits with 0 when all went well, with 2 and one line on stderr when the person can put it
    right, and with 130 or 143 when Ctrl-C or SIGTERM stopped it.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        command = parse(words)
        if command is not None:
            machine.keep_memory()
            with stoppable():
                command.run()
    except InputError as error:
        fail(in_options(error.typed, _known(words)))
    except BrokenPipeError:
        sys.exit(1)
    except Stopped as stopped:
        print(folded(_last_line(stopped, words), width_of(sys.stderr)), file=sys.stderr)
        sys.exit(stopped.code)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except (MemoryError, OSError, RuntimeError) as error:
        fail(_shortage(error))


def parse(words: Sequence[str]) -> Command | None:
    """Turn arguments into a command, or answer a question for help and return None."""
    if not words or words[0] in ("-h", "--help", "help"):
        print(ABOUT.format(commands="\n".join(_summaries(width_of(sys.stdout)))), end="")
        return None
    if words[0] in ("-V", "--version"):
        from importlib.metadata import version

        print(f"datastill {version('datastill')}")
        return None
    name, *rest = words
    if name not in COMMANDS:
        kind = "option" if name.startswith("-") else "command"
        raise InputError(f"no {kind} {name!r}; {suggestion(name, COMMANDS)}")
    kind, known = _load(name), _known(words)
    options = options_of(kind)
    _require_known(rest, known, name)
    more = words_of_recipe(rest, name, known)
    require_sense(rest, more, options, name)
    return _options(kind, [*rest, *more], name)


def fail(message: str) -> typing.NoReturn:
    """Print one line on stderr and exit with 2."""
    line = "datastill: " + " ".join(message.split())
    print(folded(line, width_of(sys.stderr)), file=sys.stderr)
    sys.exit(2)


def _shortage(error: Exception) -> str:
    # Says what is short, disk or memory; whatever else happened is for whoever mends the program.
    if isinstance(error, OSError) and error.errno in FULL:
        place = f" to {error.filename}" if error.filename else ""
        return f"cannot write{place}: {error.strerror}"
    if machine.lacks_memory(error):
        return "out of memory; take smaller batches (--batch-real, --batch-train) or fewer images"
    raise error


def _last_line(stopped: Stopped, words: Sequence[str]) -> str:
    # What was stopped, and what to type where it goes on.
    if "resume" not in _known(words):
        return str(stopped)
    more = "" if words[0] == "study" else " with --resume"
    more += " in place of --overwrite" if "--overwrite" in words else ""
    return f"{stopped}; the same command{'' if '--resume' in words else more} goes on from there"


def _known(words: Sequence[str]) -> set[str]:
    # The options of the command that was typed.
    if not words or words[0] not in COMMANDS:
        return set()
    options = options_of(_load(words[0])).values()
    return {"help", *(option.name for option in options if not option.bare)}


def _load(name: str) -> type[Command]:
    return getattr(importlib.import_module(f"datastill.cli.{name}"), COMMANDS[name])


def _summaries(width: int | None) -> Iterator[str]:
    for name in COMMANDS:
        summary = (_load(name).__doc__ or "").splitlines()[0]
        first, *others = folded(summary, width and width - INDENT).splitlines()
        yield f"  {name:<{INDENT - 2}}{first}"
        yield from (" " * INDENT + line for line in others)


def _options(kind: type[Command], words: Sequence[str], name: str) -> Command:
    import tyro

    encoding = (sys.stdout.encoding or "utf-8").lower()  # tells what boxes can be drawn of
    said, complaint = io.TextIOWrapper(io.BytesIO(), encoding=encoding), io.StringIO()
    told(kind)
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(complaint):
            return tyro.cli(
                kind,
                args=list(words),
                prog=f"datastill {name}",
                config=(
                    *(tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff),
                    tyro.conf.HelptextFromCommentsOff,  # which takes a tenth of a second
                ),
            )
    except SystemExit as ending:
        if ending.code:
            raise InputError(
                f"{_plain(complaint.getvalue())}; see datastill {name} --help"
            ) from None
        said.seek(0)
        print(folded(said.read(), width_of(sys.stdout)), end="")
        raise


def _require_known(words: Sequence[str], known: set[str], name: str) -> None:
    for option in (option_of(word) for word in words if word.startswith("--")):
        if option not in known:
            near = suggestion(option, known)
            hint = near if near.startswith("did") else f"see datastill {name} --help"
            raise InputError(f"datastill {name} has no option --{option}; {hint}")


def _plain(box: str) -> str:
    # tyro explains in a box; the first paragraph in it says what was wrong.
    lines = [re.sub(r"[╭╮╰╯│]", "", line).strip() for line in box.splitlines()[1:]]
    paragraph: list[str] = []
    for line in lines:
        if line.strip("─- "):
            paragraph.append(line)
        elif paragraph:  # a rule or an empty line ends it; without a terminal one comes first too
            break
    said = " ".join(paragraph) or "the options could not be read"
    said = re.sub(r"^Unrecognized options: ", "no option takes ", said).replace(" (required)", "")
    return re.sub(r"^Missing from (datastill \S+): (\S+)", r"\1 needs \2:", said)
