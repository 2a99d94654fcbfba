"""datastill distill."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from datastill.cli.console import Console
from datastill.cli.data import Data
from datastill.cli.hints import USUAL_MODEL, typed
from datastill.cli.interruption import Signals
from datastill.cli.logs import Logs
from datastill.cli.options import (
    Alphas,
    Flag,
    Ipc,
    Labels,
    Machine,
    MaybeFloat,
    MaybeInt,
    MaybePath,
    MaybeText,
    Metric,
    SomeTexts,
    positive,
)
from datastill.cli.originals import Originals
from datastill.cli.resuming import Resuming
from datastill.cli.settings import SETTINGS, settings_of
from datastill.cli.validate import judge
from datastill.runs.specs import ClomSpec, DataSpec, DistillSpec, SelectSpec, ValidateSpec

if TYPE_CHECKING:
    from datastill.runs.distilling import Distilled
    from datastill.runs.keeping import Keeping


@dataclass(frozen=True)
class Distill:
    """Make a small synthetic set from the real training images.

    It goes to [save-path]/[dataset]/[method]/IPC[ipc]: synthetic.safetensors, preview.png, run.toml
    (what repeats it), settings.json, log.jsonl and distill.state. The test set is not read.
    """

    dataset: str
    """Name of a dataset such as CIFAR10, path of your own images, or hf:NAME on the hub."""
    data_path: MaybePath = None
    """Folder with its files. Default: ./data/[dataset], then where system packages put them."""
    method: str = "DM"
    """How to distil: DM matches mean features, DC and DSA gradients, NCFM characteristic functions
    and CIM features of pairs under original models (of 'datastill train'), MTT their trajectories
    (train --save-epochs). There are {METHODS}."""
    model: str = USUAL_MODEL
    """Architecture of the networks under which images are compared, such as ConvNet or ResNet18, or
    module:function for one of your own (docs/python.md)."""
    ipc: Ipc = 10
    """Synthetic images per class; of some: cat=5,rest=10; by their real ones: proportional:500."""
    iterations: MaybeInt = None
    """Updates of the set. Default: published (DM and NCFM 20000; DC, DSA 1000 x --outer-loop; CIM
    200; MTT 5000)."""
    max_minutes: MaybeFloat = None
    """Plan as many updates as fit, validate the set as well, and say beforehand what to expect."""
    lr_img: MaybeFloat = None
    """Of pixels. Default: published (DM 1.0; DC, DSA 0.1; CIM 0.01; MTT 1000); NCFM 0.02."""
    batch_real: int = 256
    """Real images of each class that an update sees."""
    init: MaybeText = None
    """Noise, real images, a coreset ({CORESETS}); of --tiles mix or whole. Default: published."""
    coreset_features: MaybeText = None
    """Model by whose features --init picks: hf:NAME, an original model, or pixels. Default: the
    first of the original models; without any, pixels."""
    tiles: MaybeInt = None
    """Smaller ones along a side of each image, enlarged. Default: published (NCFM, CIM 2, or 1)."""
    dsa_strategy: MaybeText = None
    """Shared augmentation, such as color_crop_flip, or none. Default: published."""
    outer_loop: MaybeInt = None
    """DC, DSA: updates under one network before the next. Default: as published for this ipc."""
    inner_loop: MaybeInt = None
    """DC, DSA: epochs by which the network ages between updates. Default: as published."""
    lr_net: MaybeFloat = None
    """DC, DSA: learning rate of that. Default: 0.01."""
    batch_train: MaybeInt = None
    """DC, DSA: images per step of that. Default: 256."""
    dis_metric: Metric = None
    """DC, DSA: distance between gradients. Default: layerwise-cosine."""
    setting: SomeTexts = ()
    """Settings of the method that have no option here, by their names: syn_steps=10 of MTT."""
    labels: Labels = None
    """Learn labels, shares of the classes, with the images: for MTT, and for CLOM's term.
    Default: published (hard)."""
    alphas: Alphas = ()
    """Weight of CLOM: one for all of --models-pool, or one for each, 0 for none; auto finds it
    while the set is made: as much as matching bears. Default: no CLOM; of NCFM 1, of --model."""
    clom_distance: Literal["cross-entropy", "cosine"] = "cross-entropy"
    """Classification loss of the models, or nearness to real images in their features."""
    clom_weighting: Literal["equal", "accuracy"] = "equal"
    """By accuracy: of every original model after every epoch that was kept, unless --epoch says."""
    clom_batch_size: int = 256
    """With cosine: real images to be near to, at each update."""
    source_dataset: MaybeText = None
    """With cosine: dataset that the original models come from. Default: the same."""
    models_pool: tuple[str, ...] = ("ConvNet",)
    """Architectures of the original models that CLOM draws from (with cosine also hf:NAME), and
    that --select asks."""
    model_num: MaybeInt = None
    """Original models of each architecture. Default: all there are."""
    epoch: MaybeInt = None
    """Which snapshot of the original models. Default: the last."""
    select: MaybeText = None
    """Keep the snapshot that this assessment likes best. Default: the last one."""
    select_every: int = 50
    """With --select: updates between two looks at the set; it is assessed after the last too."""
    pool_path: Path = Path("pretrained_model")
    """Folder with original models, as 'datastill train' leaves it."""
    save_path: Path = Path("condensed")
    """Folder for synthetic sets."""
    overwrite: Flag = False
    """Replace the run that is there."""
    resuming: Resuming = Resuming()
    data: Data = Data()
    logs: Logs = Logs()
    machine: Machine = Machine()

    def run(self) -> None:
        """Distil, and write the set with its recipe."""
        spec, console = self.spec(), self.machine.console()
        keeping = self.resuming.keeping(overwrite=self.overwrite, logs=self.logs)
        from datastill.runs.distilling import folder_of
        from datastill.runs.filing import filed

        folder = filed(spec, folder_of(spec, self.save_path), keeping, console)
        plan = made(spec, folder, keeping, self.machine, console).plan
        if plan is None:
            console.message(f"look at {folder / 'preview.png'}, then:\n  {self.next(folder)}")
            return
        test, compute = DataSpec(spec.data.name, path=spec.data.path), spec.compute
        judging = ValidateSpec(
            set=str(folder), data=test, compute=compute, models=(spec.model,), trials=plan.networks
        )
        judge(judging, folder, replace(keeping, overwrite=False), console)

    def next(self, path: Path) -> str:
        """Return the command that tests the set."""
        model = None if self.model == USUAL_MODEL else self.model
        return typed("validate", path, model=model, **self.machine.repeated(), against="random")

    def spec(self) -> DistillSpec:
        """Return what the set follows from.

        Raises:
            InputError: for options that make no sense.
        """
        settings: dict[str, Any] = {name: getattr(self, name) for name in SETTINGS}
        numbers = {k: v for k, v in settings.items() if k != "dis_metric"}
        positive(**numbers)
        if self.setting:
            from datastill.distillation.methods import METHODS

            settings |= settings_of(self.setting, METHODS[self.method](1).method)
        judges = Originals(self.models_pool, self.model_num, self.epoch, pool_path=self.pool_path)
        select = SelectSpec(by=self.select or "", every=self.select_every)
        clom = ClomSpec(
            alphas=self.alphas or (0.0,),
            distance=self.clom_distance,
            weighting=self.clom_weighting,
            batch_size=self.clom_batch_size,
            source=self.source_dataset,
        )
        return DistillSpec(
            data=self.data.spec(self.dataset, self.data_path),
            compute=self.machine.compute(),
            method=self.method,
            model=self.model,
            ipc=self.ipc,
            updates=self.iterations,
            minutes=self.max_minutes,
            lr=self.lr_img,
            batch=self.batch_real,
            init=self.init,
            coreset_features=self.coreset_features,
            augmentation=self.dsa_strategy,
            tiles=self.tiles,
            labels=self.labels,
            settings={name: value for name, value in settings.items() if value is not None},
            pool=judges.pool(),
            clom=clom if self.alphas else None,
            select=select if self.select is not None else None,
        )


def made(
    spec: DistillSpec, folder: Path, keeping: Keeping, machine: Machine, console: Console
) -> Distilled:
    """Make a set as commands do: told on the console, stopped by signals."""
    from datastill.runs.distilling import distill

    stop, facts = Signals(), machine.origin
    return distill(spec, folder, keeping=keeping, observer=console, stop=stop, facts=facts)
