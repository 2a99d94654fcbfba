"""datastill relabel."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from datastill.base.wording import counted
from datastill.cli.console import Console
from datastill.cli.finding import OnePath, Which
from datastill.cli.options import Flag, MaybeInt, MaybePath
from datastill.runs.specs import PoolSpec, RelabelSpec

if TYPE_CHECKING:
    from datastill.runs.relabelling import Relabelled


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
        spec = partial(
            RelabelSpec,
            pool=PoolSpec(
                architectures=self.models_pool,
                num=self.model_num,
                epoch=self.epoch,
                path=str(self.pool_path),
            ),
            temperature=self.temperature,
        )
        spec(set="")  # options that make no sense are told before anything is looked for
        from datastill.runs.filing import filed
        from datastill.runs.keeping import Keeping
        from datastill.runs.relabelling import beside, relabel

        console, keeping = Console(self.quiet), Keeping(overwrite=self.overwrite)
        file = self.which.file(self.path, console)
        asked = spec(set=str(file))
        folder = self.out or filed(asked, beside(file), keeping, console)
        tell(relabel(asked, folder, keeping=keeping), console)


def tell(made: Relabelled, console: Console) -> None:
    """Say how the labels changed."""
    from datastill.data import stored_bytes
    from datastill.data.labels import hardened
    from datastill.evaluation.comparison import label_bytes

    hard, soft = label_bytes(hardened(made.set)), label_bytes(made.set)
    console.message(
        f"{counted(len(made.set), 'soft label')} of {counted(len(made.pool), 'model')} in "
        f"{made.folder}\n"
        f"  the likeliest class is the hard label for {made.agreement:.1%} of the images, "
        f"with {made.certainty:.1%} on average\n"
        f"  labels take {soft:,} bytes, hard ones {hard:,}, "
        f"the images take {stored_bytes(made.before.images):,}"
    )
    for caveat in made.caveats:
        console.message(f"  {caveat}")
