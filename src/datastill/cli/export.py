"""datastill export."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from datastill.cli.mirror import OnePath, options
from datastill.cli.options import Talk, Which


@options()
class Export:
    """Write a set in a format that other programs read.

    npz, pt, parquet and hub keep every value and all that is known about the set, so that
    'datastill import' gives it back; pictures in a folder are rounded to 8 bits.

    Attributes:
        path: the set: a file, or the folder of a run. Without it: --dataset, --method and --ipc.
        dataset: dataset by which to find the set.
        to: the format: folder (pictures by class), npz, pt, parquet, hub, or one's own
            package.module:format.
        out: file or folder to write. Default: a name made of dataset, method and ipc, here.
        repo: with --to hub: push the folder to OWNER/NAME, as the person logged in by 'hf auth
            login'.
        private: with --repo: make it a private one.
        overwrite: replace a file that is there. A folder is never replaced.
    """

    path: OnePath = None
    dataset: str | None = None
    which: Which = Which()
    to: str = "folder"
    out: Path | None = None
    repo: str | None = None
    private: bool = False
    overwrite: bool = False
    talk: Talk = Talk()

    def run(self) -> Any:
        from datastill.runs.making.exchanging import give

        console = self.talk.console()
        file = self.which.file(self.path, console, self.dataset)
        found = give(
            *(file, self.to, self.out, self.repo), private=self.private, overwrite=self.overwrite
        )
        console.show(found.remarks)
        return found
