"""datastill all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from datastill.base.errors import InputError, positive
from datastill.cli.described import asked
from datastill.cli.mirror import Alphas, options
from datastill.cli.options import Data, Logs, Machine, Resuming
from datastill.runs.conduct.stop import Signals
from datastill.runs.specs import DistillSpec, PoolSpec

if TYPE_CHECKING:
    from datastill.runs.compound.whole import Whole


@options(DistillSpec, only=("data.name", "data.path", "ipc", "method", "model"))
class All:
    """Do the whole job on one dataset: distil it, test what the set is worth, and give it away.

    The set goes where 'datastill distill' puts it, and is held against random real images. Original
    models are trained first with --alphas, or for a --method that asks for them (for CIM, MTT and
    TESLA where there are none); with --export, the set is also written as other programs read it.

    Attributes:
        model: architecture of all networks. ConvNetD4 suits 64 pixels, ConvNetD5 128 and more; your
            own is module:function.
        iterations: updates of the set.
        epochs: passes over the set when networks are trained to test it.
        num_eval: networks to test it with.
        against: real images to hold it against, picked by `CORESETS`.
        alphas: weight of CLOM. Default: no CLOM, but NCFM: 1.
        num: original models to train. Default: 3, but one for CIM alone.
        original_epochs: passes over the real images for each of them.
        pool_path: folder for original models.
        export: also write the set as pictures (folder) or in another format of 'datastill export',
            beside it. Default: no.
        save_path: folder for synthetic sets.
        overwrite: replace the run that is there, and original models that guide.
    """

    model: str = "ConvNet"
    iterations: int = 1000
    epochs: int = 300
    num_eval: int = 3
    against: tuple[str, ...] = ("random",)
    alphas: Alphas = ()
    num: int | None = None
    original_epochs: int = 30
    pool_path: Path = Path("pretrained_model")
    export: Literal["folder", "npz", "pt", "parquet", "hub"] | None = None
    save_path: Path = Path("condensed")
    overwrite: bool = False
    resuming: Resuming = Resuming()
    data: Data = Data()
    logs: Logs = Logs()
    machine: Machine = Machine()

    def run(self) -> Any:
        keeping = self.resuming.keeping(overwrite=self.overwrite, logs=self.logs)
        plan, console = self.plan(), self.machine.console()
        if not plan.train and (self.num, self.original_epochs) != (All.num, All.original_epochs):
            raise InputError("no original models are asked: leave out --num, --original-epochs")
        from datastill.runs.compound.whole import carried_out
        from datastill.runs.showing.summaries import told

        how: dict[str, Any] = {"keeping": keeping, "observer": console, "stop": Signals()}
        found: list[Any] = []
        for one in carried_out(plan, self.export, self.machine.origin, **how):
            console.show(told(one))
            found.append(one)
        return found

    def plan(self) -> Whole:
        checked = ("iterations", "epochs", "num_eval", "num", "original_epochs")
        positive(**{name: getattr(self, name) for name in checked})
        spec = asked(self, DistillSpec)
        from datastill.runs.compound.whole import usual_number, whole

        pool = PoolSpec(num=self.num or usual_number(spec), path=str(self.pool_path))
        pool = replace(pool, architectures=(self.model,)) if spec.clom else pool
        return whole(
            *(replace(spec, pool=pool), self.save_path),
            original_epochs=self.original_epochs,
            epochs=self.epochs,
            trials=self.num_eval,
            against=self.against,
        )
