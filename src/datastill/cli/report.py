"""datastill report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from datastill.cli.mirror import Paths, options
from datastill.cli.options import Talk


@options()
class Report:
    """Write one page of what runs made, which opens from disk in any browser and works offline.

    It shows sets with their images, how they came about and did, comparisons, studies, original
    models. What needs the real images or original models is found out where they are at hand.

    Attributes:
        paths: what to show: sets, comparisons, studies, original models, runs that go on, or
            folders of these.
        out: file to write.
        dataset: real images that sets were made from, where these do not say it.
        data_path: folder with their files.
        pool_path: folder with original models.
    """

    paths: Paths = ()
    out: Path = Path("report.html")
    dataset: str | None = None
    data_path: Path | None = None
    pool_path: Path = Path("pretrained_model")
    talk: Talk = Talk()

    def run(self) -> Any:
        from datastill.runs.showing.reporting import report
        from datastill.runs.specs import DataSpec

        console = self.talk.console()
        data = DataSpec(self.dataset, path=self.data_path and str(self.data_path))
        found = report(self.paths, self.out, data=data, pool_path=self.pool_path, observer=console)
        console.message(f"look at {found.file}")
        return found
