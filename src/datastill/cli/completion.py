"""datastill completion."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Annotated, Any, Literal

import shtab
import tyro

from datastill.base.own_code import names_in
from datastill.cli.about import COMMANDS, load
from datastill.cli.grammar import Option, options_of
from datastill.cli.mirror import options
from datastill.cli.options import Talk
from datastill.runs.housekeeping.catalogue import KINDS
from datastill.runs.specs.recipes import names

NAMED = {
    **dict.fromkeys(("dataset", "source-dataset"), "DATASETS"),
    **dict.fromkeys(("model", "models-pool", "coreset-features"), "NETWORKS"),
    **dict.fromkeys(("assessments", "by", "select"), "ASSESSMENTS"),
    **dict.fromkeys(("against", "init"), "CORESETS"),
    **{"method": "METHODS", "to": "FORMATS", "format": "FORMATS"},
}
"""Options whose values are names in registries."""


@options()
class Completion:
    """Print the script by which a shell completes commands, options, names and paths.

    In ~/.bashrc or ~/.zshrc: eval "$(datastill completion bash)", or zsh. For fish: datastill
    completion fish > ~/.config/fish/completions/datastill.fish

    Attributes:
        shell: which.
    """

    shell: Annotated[
        Literal["bash", "zsh", "fish"],
        tyro.conf.Positional,
        tyro.conf.arg(metavar="{bash,zsh,fish}"),
    ]
    talk: Talk = Talk()

    def run(self) -> Any:
        whole = ArgumentParser("datastill")
        commands = whole.add_subparsers()
        for name in COMMANDS:
            kind = load(name)
            part = commands.add_parser(name, help=str(kind.__doc__).splitlines()[0])
            for option in options_of(kind).values():
                add(part, option, name)
        text = shtab.complete(whole, self.shell)
        print("" if self.talk.quiet or self.talk.json else text, end="")
        return text


def add(part: ArgumentParser, option: Option, command: str) -> None:
    """Add an option to what a command may be followed by."""
    about = option.about.replace("%", "%%")
    if option.kind is bool:
        part.add_argument(option.typed, action="store_true", help=about)
        return
    own = {("recipes", "recipe"): names(), ("list", "what"): KINDS}.get((command, option.name))
    known = own or option.words or (names_in(NAMED[option.name]) if option.name in NAMED else ())
    name = option.field if option.bare else option.typed
    count: Any = {"nargs": "*" if option.many else "?"} if option.many or option.bare else {}
    made: Any = part.add_argument(name, choices=[*known] or None, help=about, **count)
    if not known and option.kind in (str, Path) and option.plain is not str:
        made.complete = shtab.FILE
