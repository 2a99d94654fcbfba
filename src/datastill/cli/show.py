"""datastill show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from datastill.base.errors import InputError, positive
from datastill.base.paths import require_file
from datastill.base.wording import listed
from datastill.cli.mirror import Paths, options
from datastill.cli.options import Talk, Which


@options()
class Show:
    """Tell what a set holds, where it comes from and how it did, or hold two side by side.

    Statistics are of all images: normalised as they are trained on, and as pixels.

    Attributes:
        paths: one set or two: files, or folders of runs. Without any: --dataset, --method and
            --ipc.
        dataset: dataset by which to find the set.
        png: draw the images beside the names of their classes into this file.
        grid: draw all images, a row for each class and nothing else, into this file.
        most: images of each class that --png shows.
        scale: times that --grid enlarges them.
    """

    paths: Paths = ()
    dataset: str | None = None
    which: Which = Which()
    png: Path | None = None
    grid: Path | None = None
    most: int = 10
    scale: int = 1
    talk: Talk = Talk()

    def run(self) -> Any:
        self.check()
        from datastill.report.preview import beside, grid, preview, write_picture
        from datastill.runs.showing.summaries import side_by_side
        from datastill.store import load

        console = self.talk.console()
        files = [self.which.file(one, console, self.dataset) for one in self.paths or (None,)]
        sets = [load(file) for file in files]
        if self.png is not None:
            write_picture(beside([preview(data, most=self.most) for data in sets]), self.png)
        if self.grid is not None:
            write_picture(beside([grid(data, scale=self.scale) for data in sets]), self.grid)
        columns, rows = side_by_side(files, sets)
        console.show([(columns, rows)])
        if drawn := [path for path in (self.png, self.grid) if path]:
            console.message(f"drawn: {listed([str(path) for path in drawn])}")
        return {name: {row[0]: row[i] for row in rows} for i, name in enumerate(columns) if i}

    def check(self) -> None:
        """Refuse options that make no sense."""
        positive(most=self.most, scale=self.scale)
        for name, of in (("most", "png"), ("scale", "grid")):
            if getattr(self, of) is None and getattr(self, name) != getattr(type(self), name):
                raise InputError(f"--{name} has no meaning without --{of}; add that")
        for name, path in (("png", self.png), ("grid", self.grid)):
            require_file(path, f"--{name}", ".png", "PNG", "set.png")
        if len(self.paths) > 2:
            raise InputError(f"show takes one set or two, found {len(self.paths)}")
