"""datastill export."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from datastill.base.errors import InputError
from datastill.base.wording import counted
from datastill.cli.console import Console
from datastill.cli.finding import OnePath, Which
from datastill.cli.options import Flag, MaybePath, MaybeText

if TYPE_CHECKING:
    from datastill.data import ImageSet


@dataclass(frozen=True)
class Export:
    """Write a set in a format that other programs read.

    npz, pt, parquet and hub keep every value and all that is known about the set, so that
    'datastill import' gives it back; pictures in a folder are rounded to 8 bits.
    """

    path: OnePath = None
    """The set: a file, or the folder of a run. Without it: --dataset, --method and --ipc."""
    which: Which = Which()
    to: str = "folder"
    """folder (pictures by class), npz, pt, parquet, hub, or one's own package.module:format."""
    out: MaybePath = None
    """File or folder to write. Default: a name made of dataset, method and ipc, here."""
    repo: MaybeText = None
    """With --to hub: push the folder to OWNER/NAME, as the person logged in by 'hf auth login'."""
    private: Flag = False
    """With --repo: make it a private one."""
    overwrite: Flag = False
    """Replace a file that is there. A folder is never replaced."""
    quiet: Flag = False
    """Say nothing but errors."""

    def run(self) -> None:
        """Write the set, and say what the format loses."""
        if (self.repo is not None or self.private) and self.to != "hub":
            raise InputError("--repo and --private have a meaning with --to hub only; add --to hub")
        from datastill.exchange import FORMATS
        from datastill.exchange.hub import push
        from datastill.store import load

        console = Console(self.quiet)
        data = load(self.which.file(self.path, console))
        if not len(data):
            raise InputError("the set holds no images")
        able = [name for name in FORMATS.names if FORMATS[name].write]
        if self.to not in FORMATS or FORMATS[self.to].write is None:
            found = f"one's own package.module:format, found {self.to}"
            raise InputError(f"--to takes {', '.join(able)} or {found}")
        target = self.target(data)
        remarks = FORMATS[self.to].put(data, target)
        console.message(f"{counted(len(data), 'image')} in {target}")
        for remark in remarks:
            console.message(f"  {remark}")
        if self.repo is not None:
            console.message(f"pushed to {push(target, self.repo, private=self.private)}")

    def target(self, data: ImageSet) -> Path:
        """Return the path to write.

        Raises:
            InputError: when something is there that must not be replaced.
        """
        from datastill.exchange import FORMATS

        name = FORMATS[self.to].name
        if self.out is None and name is None:
            raise InputError(f"{self.to} does not say how its files are called; pass --out")
        out = self.out or Path(name(data) if name else "")
        if out.is_dir() and self.to in ("folder", "hub"):
            raise InputError(f"{out} is there; choose another --out, a folder is never replaced")
        if out.exists() and self.to in ("folder", "hub"):
            raise InputError(
                f"{out} is a file; choose another --out, --to {self.to} makes a folder"
            )
        if out.is_dir():
            raise InputError(f"{out} is a folder; --to {self.to} writes a file: name one by --out")
        if out.exists() and not self.overwrite:
            raise InputError(f"{out} is there; pass --overwrite to replace it")
        return out
