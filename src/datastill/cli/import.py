"""datastill import."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import tyro

from datastill.base.errors import InputError, positive
from datastill.cli.mirror import options
from datastill.cli.options import Talk

READ = ("format", "normalised_with", "experiment", "factor")
"""Options that say how a file is read."""


@options()
class Import:
    """Make a set of another project one that says what it is: shape, classes, normalisation.

    Understands DatasetCondensation's .pt and other tables of tensors, images_best.pt with
    labels_best.pt (MTT, DATM), data.pt (IDC), pickles (IDM), .npz (KIP, FRePo), folders and zips of
    pictures, parquet, and all that datasets are read from. What is guessed is said. Nothing in a
    file is run; a file that is damaged or asks for code is refused.

    Attributes:
        path: file or folder to read.
        out: folder for the set. Default: imported/[name of the file].
        format: what the file is: `FORMATS`. Default: as its name tells.
        dataset: dataset that the set imitates: name, path or hf:NAME. Default: the one in the
            file's name.
        data_path: folder with its training images, which undoing ZCA whitening needs.
        normalised_with: a dataset's name, none, zca, or MEAN,../STD,.. Default: by format, name or
            statistics.
        experiment: which of several sets in the file, from 0. Default: the last, or all steps of
            one set.
        factor: pictures along a side of one image (IDC, IDM). Default: as its name or its seams
            say, or 1.
        overwrite: replace the set that is there.
    """

    path: Annotated[Path, tyro.conf.Positional]
    out: Path | None = None
    format: str | None = None
    dataset: str | None = None
    data_path: Path | None = None
    normalised_with: str | None = None
    experiment: int | None = None
    factor: int | None = None
    overwrite: bool = False
    talk: Talk = Talk()

    def run(self) -> Any:
        positive(factor=self.factor)
        if self.experiment is not None and self.experiment < 0:
            raise InputError(f"--experiment counts from 0, found {self.experiment}")
        from datastill.exchange import Claim, Reading
        from datastill.runs.making.exchanging import bring, place_for, told_of_import

        out = self.out or place_for(self.path)
        data, remarks = bring(
            *(self.path, out, Claim(self.dataset, self.data_path, self.normalised_with)),
            format=self.format,
            reading=Reading(self.experiment, self.factor),
            overwrite=self.overwrite,
        )
        said = {name: getattr(self, name) for name in READ}
        self.talk.console().show(told_of_import(data, self.path, out, remarks, said))
        return {"folder": out, "images": len(data), "remarks": remarks, **data.facts}
