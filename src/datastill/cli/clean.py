"""datastill clean."""

from __future__ import annotations

from typing import Any

from datastill.cli.mirror import Paths, options
from datastill.cli.options import Talk


@options()
class Clean:
    """Say what may go without losing a result, and with --yes delete it.

    That is what killed runs left: checkpoints and pieces of runs that are finished, broken locks,
    halves of files; and kernels that another version built. Never a set, a model or a record, what
    a run goes on from, anything where a run is at work, nor what a link leads to.

    Attributes:
        paths: folders to look into. Default: the folders of commands that are here, condensed and
            pretrained_model say, and datastill's folder for what can be made again.
        yes: delete it.
    """

    paths: Paths = ()
    yes: bool = False
    talk: Talk = Talk()

    def run(self) -> Any:
        from datastill.runs.housekeeping.cleaning import Cleaned, clean, leftovers
        from datastill.runs.showing.summaries import told_of_leftovers

        console, found = self.talk.console(), leftovers(self.paths)
        cleaned = clean(found) if self.yes else Cleaned(tuple(found))
        console.show(told_of_leftovers(cleaned))
        return cleaned
