"""datastill relabel."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from datastill.base.wording import counted
from datastill.cli.console import Console
from datastill.cli.finding import OnePath, Which
from datastill.cli.options import Flag, MaybeInt, MaybePath, positive

if TYPE_CHECKING:
    from datastill.data import ImageSet
    from datastill.training.pool import Pool


@dataclass(frozen=True)
class Relabel:
    """Give the images of a set soft labels: how original models share them out among classes.

    The result is a set of its own that keeps the hard labels too, so that 'datastill validate' and
    'datastill compare' show both side by side.
    """

    path: OnePath = None
    """The set: a file, or the folder of a run. Without it: --dataset, --method and --ipc."""
    which: Which = Which()
    models_pool: tuple[str, ...] = ("ConvNet",)
    """Architectures of the original models; what all of them say is averaged."""
    model_num: MaybeInt = None
    """Original models of each architecture. Default: all there are."""
    epoch: MaybeInt = None
    """Which snapshot of the original models. Default: the last."""
    pool_path: Path = Path("pretrained_model")
    """Folder with original models, as 'datastill train' leaves it."""
    temperature: float = 1.0
    """What their logits are divided by: the higher, the softer."""
    out: MaybePath = None
    """Folder for the new set. Default: that of the set with '-soft' added."""
    overwrite: Flag = False
    """Replace the set that is there."""
    quiet: Flag = False
    """Say nothing but errors."""

    def run(self) -> None:
        """Ask the models, and write the set."""
        positive(temperature=self.temperature, model_num=self.model_num, epoch=self.epoch)
        from datastill import store
        from datastill.distillation.relabelling import relabelled
        from datastill.report.preview import write_preview
        from datastill.runs.originals import Shelf

        file = self.which.file(self.path)
        data = store.load(file)
        origin = data.facts.get("data") or {}
        shelf = Shelf(self.pool_path, data.domain.name, data, origin)
        pool = shelf.load(self.models_pool, self.model_num, epoch=self.epoch)
        made = relabelled(data, pool, temperature=self.temperature)
        folder = file.parent if file.name == store.SET_FILE else file.with_suffix("")
        out = self.out or folder.with_name(f"{folder.absolute().name}-soft")
        settings = {
            "relabelled": str(file),
            "temperature": self.temperature,
            "pool": made.facts["relabelled"]["originals"],
        }
        with store.locked(out):
            place = store.open_run(out, settings, overwrite=self.overwrite).path
            write_preview(made, place / "preview.png")
            store.save(made, place / store.SET_FILE)
            store.settle(place)
        self.tell(data, made, pool, out)

    def tell(self, data: ImageSet, made: ImageSet, pool: Pool, out: Path) -> None:
        """Say how the labels changed."""
        from datastill.data import stored_bytes
        from datastill.data.labels import hardened
        from datastill.evaluation.comparison import label_bytes
        from datastill.identity import unknown

        agree = (made.labels.argmax(1) == hardened(data).labels).float().mean().item()
        hard, soft = label_bytes(hardened(made)), label_bytes(made)
        sure = made.labels.max(1).values.mean().item()
        console = Console(self.quiet)
        console.message(
            f"{counted(len(made), 'soft label')} of {counted(len(pool), 'model')} in {out}\n"
            f"  the likeliest class is the hard label for {agree:.1%} of the images, "
            f"with {sure:.1%} on average\n"
            f"  labels take {soft:,} bytes, hard ones {hard:,}, "
            f"the images take {stored_bytes(data.images):,}"
        )
        if silent := unknown(pool):
            console.message(f"  {silent}")
        if not (data.facts.get("data") or {}).get("content"):
            console.message(
                "  what the set was made from is not known, so that it cannot be checked whether "
                "the models were trained on the same"
            )
