"""datastill import."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from datastill.base.errors import InputError
from datastill.base.wording import counted
from datastill.cli.console import Console
from datastill.cli.options import Flag, MaybeInt, MaybePath, MaybeText, positive

if TYPE_CHECKING:
    from datastill.data import ImageSet


@dataclass(frozen=True)
class Import:
    """Make a set of another project one that says what it is: shape, classes, normalisation.

    Understands DatasetCondensation's .pt and other tables of tensors, images_best.pt with
    labels_best.pt (MTT, DATM), data.pt (IDC), pickles (IDM), .npz (KIP, FRePo), folders and zips of
    pictures, parquet, and all that datasets are read from. What is guessed is said. Nothing in a
    file is run; a file that is damaged or asks for code is refused.
    """

    path: Annotated[Path, tyro.conf.Positional]
    """File or folder to read."""
    out: MaybePath = None
    """Folder for the set. Default: imported/[name of the file]."""
    format: MaybeText = None
    """What the file is: {FORMATS}. Default: as its name tells."""
    dataset: MaybeText = None
    """Dataset that the set imitates: name, path or hf:NAME. Default: the one in the file's name."""
    data_path: MaybePath = None
    """Folder with its training images, which undoing ZCA whitening needs."""
    normalised_with: MaybeText = None
    """A dataset's name, none, zca, or MEAN,../STD,.. Default: by format, name or statistics."""
    experiment: MaybeInt = None
    """Which of several sets in the file, from 0. Default: the last, or all steps of one set."""
    factor: MaybeInt = None
    """Pictures along a side of one image (IDC, IDM). Default: as its folder's name says, or 1."""
    overwrite: Flag = False
    """Replace the set that is there."""
    quiet: Flag = False
    """Say nothing but errors."""

    def run(self) -> None:
        """Read, check, and write the set as a run of our own."""
        positive(factor=self.factor)
        if self.experiment is not None and self.experiment < 0:
            raise InputError(f"--experiment counts from 0, found {self.experiment}")
        from datastill import store
        from datastill.exchange import Claim, Reading, import_set
        from datastill.report.preview import write_preview

        data, remarks = import_set(
            self.path,
            Claim(self.dataset, self.data_path, self.normalised_with),
            format=self.format,
            reading=Reading(self.experiment, self.factor),
        )
        out = self.out or Path("imported") / (self.path.stem or self.path.absolute().name)
        with store.locked(out):
            settings = {"import": data.facts["imported"]}
            place = store.open_run(out, settings, overwrite=self.overwrite, resumable=False).path
            write_preview(data, place / "preview.png")
            store.save(data, place / store.SET_FILE)
            store.settle(place)
        console = Console(self.quiet)
        console.message(f"{self.path}: {counted(len(data), 'image')} of {data.domain.name}")
        for remark in remarks:
            console.message(f"  {remark}")
        console.message(f"{out / store.SET_FILE} is the set; look at {out / 'preview.png'}, then:")
        console.message(f"  {self.next_line(data, out)}")

    def next_line(self, data: ImageSet, out: Path) -> str:
        """Return the command that comes next."""
        from datastill.datasets import DATASETS
        from datastill.exchange.base import numbers_of

        if data.facts.get("data") or data.domain.name in DATASETS:
            return f"datastill validate {quoted(out)} --against random"
        if numbers_of(data.domain.classes) is None:
            return f"datastill validate {quoted(out)} --dataset NAME --against random"
        given = {
            "format": self.format,
            "normalised-with": self.normalised_with,
            "experiment": self.experiment,
            "factor": self.factor,
        }
        again = "".join(f" --{k} {quoted(v)}" for k, v in given.items() if v is not None)
        return (
            f"datastill import {quoted(self.path)}{again} --dataset NAME --out {quoted(out)} "
            "--overwrite\n  (NAME is that of the images that it imitates: its classes are numbers, "
            "and get their names)"
        )


def quoted(value: object) -> str:
    """Return a value as it is typed."""
    return shlex.quote(str(value))
