"""datastill recipes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from datastill.base.errors import InputError
from datastill.cli.console import Console
from datastill.cli.mirror import OnePath, options
from datastill.cli.options import Talk
from datastill.report.commands import typed
from datastill.runs.specs import recipes

Action = Annotated[
    Literal["list", "show", "copy", "check"],
    tyro.conf.Positional,
    tyro.conf.arg(metavar="{list,show,copy,check}", help_behavior_hint=""),
]
Name = Annotated[
    str | None, tyro.conf.Positional, tyro.conf.arg(metavar="[RECIPE]", help_behavior_hint="")
]


@options()
class Recipes:
    """List the recipes that come with datastill, show, copy or check one.

    A recipe is a file that describes a run: 'datastill run RECIPE' carries it out. To check it is
    to build all that it needs, data, networks and original models, and to tell what it will cost.

    Attributes:
        action: what to do: list all of them, show one, copy it to change it, or check whether it
            can be carried out here. Default: list.
        recipe: which one: the name of one in the list, or a file of your own.
        to: with copy: the file to write. Default: its name, here.
    """

    action: Action = "list"
    recipe: Name = None
    to: OnePath = None
    talk: Talk = Talk()

    def run(self) -> Any:
        console = self.talk.console()
        if self.action == "list":
            found = recipes.table()
            console.show([(("recipe", "command", "of"), found)])
            return found
        if self.recipe is None:
            raise InputError(f"name the recipe: datastill recipes {self.action} RECIPE")
        if self.action != "copy" and self.to is not None:
            raise InputError(f"no option takes {self.to}; see datastill recipes --help")
        if self.action == "check":
            return self.check(recipes.find(self.recipe), console)
        if self.action == "copy":
            file = recipes.copy(self.recipe, self.to)
            console.message(f"{file} is yours to change, then:\n  {typed('run', file)}")
            return file
        text = recipes.text_of(recipes.find(self.recipe))
        print("" if self.talk.quiet or self.talk.json else text, end="")  # as it is: for a file
        return text

    def check(self, path: Path, console: Console) -> Any:
        """Say whether a recipe can be carried out here, what with, and what it will cost."""
        spec = recipes.described(path)
        from datastill.runs.foresight.checking import check
        from datastill.runs.showing.summaries import told

        checked = check(spec, console)
        console.show(told(checked))
        console.message(f"it can be carried out here:\n  {typed('run', path)}")
        return checked
