"""A page for each command, of its own options."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import MISSING
from typing import Any

from datastill.base.own_code import names_in
from datastill.base.wording import listed
from datastill.cli import COMMANDS, load
from datastill.cli.arguments import in_options
from datastill.cli.grammar import IPC, LISTED, METAVARS, Option, options_of

FOLDER = "reference/commands"


def pages() -> Mapping[str, str]:
    """Return the text of a page for each command, and of one that lists them, by their places."""
    made = {f"{FOLDER}/{name}.md": page(name) for name in COMMANDS}
    return {f"{FOLDER}/index.md": overview(), **made}


def overview() -> str:
    """Return the list of all commands, in the order of the work."""
    lines = [f"| [`{name}`]({name}.md) | {told_of(name)[0]} |" for name in COMMANDS]
    return "\n".join(
        [
            "# Commands",
            "",
            "In the order of the work. `datastill COMMAND --help` says the same in a terminal;",
            "a mistake gets one line and exit code 2.",
            "",
            "| command | what it does |",
            "|---|---|",
            *lines,
            "",
        ]
    )


def told_of(name: str) -> tuple[str, str]:
    """Return what is said of a command in one line, and what else."""
    text = inspect.getdoc(load(name)) or ""
    first, _, more = text.partition("\n\n")
    return " ".join(first.split()), more.partition("Attributes:")[0].strip()


def page(name: str) -> str:
    """Return the page of a command: what it does, and a row for each of its options."""
    first, more = told_of(name)
    options = options_of(load(name))
    bare = [option for option in options.values() if option.bare]
    usage = " ".join(["datastill", name, *map(placeholder, bare), "[OPTIONS]"])
    text = [f"# datastill {name}", "", first, "", f"    {usage}", ""]
    text += [more, ""] if more else []
    return "\n".join(
        [
            *text,
            "| option | what for | takes | without it |",
            "|---|---|---|---|",
            *rows(options),
            "",
        ]
    )


def rows(options: Mapping[str, Option]) -> Iterator[str]:
    """Yield a row of the table for each option."""
    known = {*options}
    for option in options.values():
        text = LISTED.sub(lambda found: listed(names_in(found[1])), option.about)
        cells = (f"`{option.typed}`", in_options(text, known), taken(option), usual(option))
        yield (
            "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
        )


def placeholder(option: Option) -> str:
    """Return what stands for a value that is typed by its place."""
    word = option.name.upper()
    word = f"{word} ..." if option.many else word
    return word if option.default is MISSING else f"[{word}]"


def taken(option: Option) -> str:
    """Return what an option takes, as a cell of a table."""
    if option.kind is bool:
        return "nothing"
    if {int, str} <= {*option._one}:
        return " or ".join(f"`{word}`" for word in IPC.split("|"))
    words = " or ".join(f"`{word}`" for word in option.words)
    if words and option.kind is str:
        return words
    kind = METAVARS[option.kind]
    return " or ".join(filter(None, [f"{kind} ..." if option.many else kind, words]))


def usual(option: Option) -> str:
    """Return what holds where an option is not given, as a cell of a table."""
    value: Any = option.default
    if value is MISSING:
        return "needed"
    if value is None or value is False or value == ():
        return ""
    value = value if isinstance(value, tuple) else (value,)
    return f"`{' '.join(map(str, value))}`"
