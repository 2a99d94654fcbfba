"""datastill list."""

from __future__ import annotations

from typing import Annotated, Any

import tyro

from datastill.cli.mirror import options
from datastill.cli.options import Talk


@options()
class List:
    """List what lies here, how large it is and how it did, and what there is to choose from.

    Nothing is computed: what is told is what files of runs say. Kinds to choose from are methods,
    networks, datasets, coresets, assessments, protocols, formats and recipes.

    Attributes:
        what: kinds, or folders to look into. Default: all kinds, and the folders of commands that
            are here, condensed and pretrained_model say.
    """

    what: Annotated[
        tuple[str, ...],
        tyro.conf.Positional,
        tyro.conf.arg(metavar="[KIND | PATH ...]", help_behavior_hint=""),
    ] = ()
    talk: Talk = Talk()

    def run(self) -> Any:
        from datastill.runs.housekeeping.inventory import inventory
        from datastill.runs.showing.summaries import there

        console, found = self.talk.console(), inventory(self.what)
        console.show(there(found))
        return found
