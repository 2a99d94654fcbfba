"""datastill compare."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from datastill.base.errors import InputError
from datastill.cli.console import Console
from datastill.cli.data import Data
from datastill.cli.finding import Paths
from datastill.cli.interruption import Signals
from datastill.cli.options import (
    Flag,
    Machine,
    MaybeInt,
    MaybePath,
    MaybeText,
    SoftLabels,
    positive,
)
from datastill.cli.originals import Labelling
from datastill.cli.resuming import Resuming
from datastill.cli.tables import show_comparison, show_rankings
from datastill.runs.specs import CompareSpec

if TYPE_CHECKING:
    from datastill.runs.comparing import Compared


@dataclass(frozen=True)
class Rivals:
    """The real images that sets are compared with."""

    against: tuple[str, ...] = ("random", "herding", "k-center", "k-means")
    """How real images are picked ({CORESETS}); random ones are always among them. early-labels are
    random ones as --models-pool labels them, early-stopped after an epoch that is chosen on
    held-out training images."""
    coreset_features: MaybeText = None
    """Model by whose features coresets pick: hf:NAME, an original model, or pixels. Default: the
    first of the original models; without any, pixels."""


@dataclass(frozen=True)
class Compare:
    """Hold sets against random and well-picked real images, and all of them, under one protocol.

    Every network starts from the same weights and sees images in the same order, whatever the set:
    differences from random images are paired. Test images are seen once for each network,
    and nothing is chosen on them. Results go to [out]/comparison.json and comparison.png.
    """

    paths: Paths = ()
    """Sets: files, or folders of runs. Without any, real images are compared with each other."""
    dataset: MaybeText = None
    """Whose real images. Default: the dataset of the first set."""
    data_path: MaybePath = None
    """Folder with its files. Default: ./data/[dataset], then where system packages put them."""
    ipc: MaybeText = None
    """Real images of each class to pick, as for 'datastill distill'. Default: those of the sets."""
    protocol: Literal["dc", "dsa", "modern"] = "dsa"
    """How networks are trained on every set: two published ways, and a stronger one."""
    epochs: MaybeInt = None
    """Train for another number of epochs. Default: dc 300, dsa and modern 1000."""
    model: tuple[str, ...] = ("ConvNet",)
    """Architectures to train, one or several; your own are module:function."""
    num_eval: int = 5
    """Networks of each architecture on each set. Papers use 20."""
    rivals: Rivals = Rivals()
    labelling: Labelling = Labelling()
    together: MaybeInt = None
    """Networks of an architecture to train at once on a set; they end as they would alone, up to
    rounding. Default: on a CPU one, on a GPU as many as its memory holds."""
    real_epochs: int = 20
    """Epochs on all real images; 0 leaves them out, and with them the share of the gap."""
    real_eval: int = 1
    """Networks of each architecture on all real images."""
    soft_labels: SoftLabels = SoftLabels()
    dd_ranking: Flag = False
    """Also print DD-Ranking's scores: every set, and random images, are then trained on with and
    without augmentation, once at each of --learning-rates and --num-eval times at the best."""
    learning_rates: tuple[float, ...] = (0.001, 0.005, 0.01, 0.05, 0.1)
    """With --dd-ranking: rates to choose from, on held-out training images."""
    out: MaybePath = None
    """Folder for the results. Default: comparison/[dataset]-IPC[ipc]-[protocol]."""
    overwrite: Flag = False
    """Replace the results that are there, and forget a comparison that is not finished."""
    resuming: Resuming = Resuming()
    data: Data = Data()
    machine: Machine = Machine()

    def run(self) -> None:
        """Train and test every network, print the tables, write the values and the plot."""
        keeping = self.resuming.keeping(overwrite=self.overwrite)
        spec, console = self.spec(), self.machine.console()
        from datastill.runs.comparing import FOLDER, compare

        found = compare(
            *(spec, self.out),
            root=FOLDER,
            keeping=keeping,
            observer=console,
            stop=Signals(),
        )
        show(found, console)

    def spec(self) -> CompareSpec:
        """Return what the comparison follows from.

        Raises:
            InputError: for options that make no sense.
        """
        for rate in self.learning_rates:
            positive(learning_rates=rate)
        if not self.learning_rates:
            raise InputError("--learning-rates needs at least one value")
        return CompareSpec(
            sets=tuple(map(str, self.paths)),
            data=self.data.spec(self.dataset, self.data_path),
            compute=self.machine.compute(),
            ipc=self.ipc,
            protocol=self.protocol,
            epochs=self.epochs,
            models=self.model,
            trials=self.num_eval,
            against=self.rivals.against,
            coreset_features=self.rivals.coreset_features,
            pool=self.labelling.pool(),
            pool_path=str(self.labelling.pool_path),
            together=self.together,
            real_epochs=self.real_epochs,
            real_trials=self.real_eval,
            soft=self.soft_labels.spec(),
            on_the_fly=self.soft_labels.on_the_fly(),
            rates=self.learning_rates if self.dd_ranking else (),
        )


def show(found: Compared, console: Console) -> None:
    """Print the tables of a comparison, and say where every value is."""
    show_comparison(found.rows, console)
    show_rankings(found.rankings, console)
    console.message(f"every value is in {found.file}; {found.plot} shows them")
