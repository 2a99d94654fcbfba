"""The commands, and what the first page of help says of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any, Protocol

from datastill.report.folding import folded

INDENT = 13
"""Columns before what is said of a command."""
COMMANDS = (
    *("train", "distill", "validate", "compare", "assess", "select", "study", "show"),
    *("report", "relabel", "import", "export", "estimate", "run", "sweep", "recipes"),
    *("list", "clean", "completion", "all", "demo"),
)
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

    def run(self) -> Any:
        """Do it, and return what was found, if anything."""
        ...


def load(name: str) -> type[Command]:
    """Return the class of a command."""
    return getattr(import_module(f"datastill.cli.{name}"), name.capitalize())


def about(width: int | None) -> str:
    """Return what is said where nothing was asked for, in so many columns."""
    said = ABOUT if not width or width >= 80 else folded(re.sub(r" *\\\n +", " ", ABOUT), width)
    return said.format(commands="\n".join(_summaries(width)))


def _summaries(width: int | None) -> Iterator[str]:
    for name in COMMANDS:
        summary = (load(name).__doc__ or "").splitlines()[0]
        first, *others = folded(summary, width and width - INDENT).splitlines()
        yield f"  {name:<{INDENT - 2}}{first}"
        yield from (" " * INDENT + line for line in others)
