"""datastill relabel."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from datastill.cli.carrying import carry_out
from datastill.cli.described import asked, given
from datastill.cli.mirror import options
from datastill.cli.options import Talk, Which
from datastill.runs.conduct.keeping import Keeping
from datastill.runs.specs import RelabelSpec


@options(RelabelSpec, without=("pool.early",))
class Relabel:
    """Give the images of a set soft labels: how original models share them out among classes.

    The result is a set of its own that keeps the hard labels too, so that 'datastill validate' and
    'datastill compare' show both side by side.

    Attributes:
        dataset: dataset by which to find the set.
        out: folder for the new set. Default: that of the set with '-soft' added.
        overwrite: replace the set that is there.
    """

    dataset: str | None = None
    which: Which = Which()
    out: Path | None = None
    overwrite: bool = False
    talk: Talk = Talk()

    def run(self) -> Any:
        spec = asked(self, RelabelSpec)
        from datastill.runs.folders.filing import filed
        from datastill.runs.making.relabelling import beside

        console, keeping = self.talk.console(), Keeping(overwrite=self.overwrite)
        file = self.which.file(given(self)["path"], console, self.dataset)
        spec = replace(spec, set=str(file))
        out = self.out or filed(spec, beside(file), keeping, console)
        return carry_out(spec, out, console, keeping)
