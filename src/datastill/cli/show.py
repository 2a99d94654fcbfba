"""datastill show."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from datastill.base.errors import InputError
from datastill.base.wording import listed
from datastill.cli.console import Console
from datastill.cli.finding import Paths, Which
from datastill.cli.options import Flag, MaybePath, positive


@dataclass(frozen=True)
class Show:
    """Tell what a set holds, where it comes from and how it did, or hold two side by side.

    Statistics are of all images: normalised as they are trained on, and as pixels.
    """

    paths: Paths = ()
    """One set or two: files, or folders of runs. Without any: --dataset, --method and --ipc."""
    which: Which = Which()
    png: MaybePath = None
    """Draw the images beside the names of their classes into this file."""
    grid: MaybePath = None
    """Draw all images, a row for each class and nothing else, into this file."""
    most: int = 10
    """Images of each class that --png shows."""
    scale: int = 1
    """Times that --grid enlarges them."""
    quiet: Flag = False
    """Say nothing but errors."""

    def run(self) -> None:
        """Print a table and draw the pictures asked for."""
        self.check()
        from datastill.report.preview import beside, grid, preview, write_picture
        from datastill.report.summary import summary
        from datastill.store import load

        if len(self.paths) > 2:
            raise InputError(f"show takes one set or two, found {len(self.paths)}")
        from datastill.runs.describing import repeated_by
        from datastill.runs.finding import set_file

        console = Console(self.quiet)
        files = [set_file(path) for path in self.paths] or [self.which.file(None, console)]
        sets = [load(file) for file in files]
        found = [
            {**summary(data), "repeated by": repeated_by(file, data.facts)}
            for file, data in zip(files, sets, strict=True)
        ]
        lines = list(dict.fromkeys(name for lines in found for name in lines if lines[name]))
        rows = [(name, *(lines.get(name) or "-" for lines in found)) for name in lines]
        drawn = [path for path in (self.png, self.grid) if path]
        if self.png is not None:
            write_picture(beside([preview(data, most=self.most) for data in sets]), self.png)
        if self.grid is not None:
            write_picture(beside([grid(data, scale=self.scale) for data in sets]), self.grid)
        console.listing(("", *map(_short, files)), rows)
        if drawn:
            console.message(f"drawn: {listed([str(path) for path in drawn])}")

    def check(self) -> None:
        """Refuse options that make no sense."""
        positive(most=self.most, scale=self.scale)
        for name, path in (("png", self.png), ("grid", self.grid)):
            if path is not None and path.is_dir():
                raise InputError(
                    f"--{name} names a file, and {path} is a folder: {path / 'set.png'}"
                )
            if path is not None and path.suffix.lower() != ".png":
                raise InputError(f"--{name} writes PNG: name it {path.with_suffix('.png')}")


def _short(file: Path) -> str:
    # The folder of a run says which set it is.
    from datastill.store import SET_FILE

    return str(file.parent if file.name == SET_FILE else file)
