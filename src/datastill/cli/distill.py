"""datastill distill."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from datastill.base.errors import InputError
from datastill.cli.budget import judge
from datastill.cli.console import Console
from datastill.cli.course import Diverged, Progress, follow, progress_of
from datastill.cli.data import Data
from datastill.cli.distilling import Work, announce, explained, foresee, keep, keep_good, told_again
from datastill.cli.further import but_for_length, further, is_longer, keep_state, take_log
from datastill.cli.hints import USUAL_MODEL, typed
from datastill.cli.logs import Logs
from datastill.cli.options import (
    Flag,
    Ipc,
    Machine,
    MaybeFloat,
    MaybeInt,
    MaybePath,
    MaybeText,
    SomeFloats,
    SomeTexts,
    not_negative,
    positive,
)
from datastill.cli.resuming import Resuming
from datastill.cli.settings import settings_of
from datastill.runs.keeping import require_same_run
from datastill.runs.quota import nominal, parse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datastill.data import ImageSet
    from datastill.distillation.clom import Regulariser
    from datastill.distillation.descent import Descent
    from datastill.distillation.methods import Published, Task
    from datastill.evaluation.selection import Selector
    from datastill.runs.forecast import Plan
    from datastill.runs.originals import Features
    from datastill.store import CheckpointFile
    from datastill.training.pool import Pool, Trajectory

COMMAND = "distill"

Metric = Annotated[
    Literal["layerwise-cosine", "mse", "cosine"] | None,
    tyro.conf.arg(metavar="{layerwise-cosine,mse,cosine}", help_behavior_hint=""),
]

Labels = Annotated[
    Literal["hard", "learned"] | None,
    tyro.conf.arg(metavar="{hard,learned}", help_behavior_hint=""),
]


@dataclass(frozen=True)
class Distill:
    """Make a small synthetic set from the real training images.

    It goes to [save-path]/[dataset]/[method]/IPC[ipc]: synthetic.safetensors, preview.png,
    settings.json, log.jsonl and, for more updates, distill.state. The test set is not read.
    """

    dataset: str
    """Name of a dataset such as CIFAR10, path of your own images, or hf:NAME on the hub."""
    data_path: MaybePath = None
    """Folder with its files. Default: ./data/[dataset], then where system packages put them."""
    method: str = "DM"
    """How to distil: DM matches mean features, DC and DSA gradients, MTT trajectories of original
    models (train --save-epochs). There are {METHODS}."""
    model: str = USUAL_MODEL
    """Architecture of the networks under which images are compared, such as ConvNet or ResNet18, or
    module:function for one of your own (docs/python.md)."""
    ipc: Ipc = 10
    """Synthetic images per class; of some: cat=5,rest=10; by their real ones: proportional:500."""
    iterations: MaybeInt = None
    """Updates of the set. Default: published (DM 20000; DC, DSA 1000 x --outer-loop; MTT 5000)."""
    max_minutes: MaybeFloat = None
    """Plan as many updates as fit, validate the set as well, and say beforehand what to expect."""
    lr_img: MaybeFloat = None
    """Learning rate of the pixels. Default: published (DM 1.0; DC, DSA 0.1; MTT 1000)."""
    batch_real: int = 256
    """Real images of each class that an update sees."""
    init: MaybeText = None
    """Start from noise, real images, or a coreset ({CORESETS}). Default: published."""
    coreset_features: MaybeText = None
    """Model by whose features --init picks (hf:NAME, or an original model). Default: pixels."""
    tiles: MaybeInt = None
    """Smaller images along a side of each: 2 keeps four in the bytes of one, and trains on them
    enlarged. Default: published (1)."""
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
    alphas: SomeFloats = ()
    """Weight of CLOM: one for all of --models-pool, or one for each. Default: no CLOM."""
    clom_distance: Literal["cross-entropy", "cosine"] = "cross-entropy"
    """Classification loss of the models, or nearness to real images in their features."""
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
        console = self.machine.console()
        path, plan = self.go(console)
        if plan:
            judge(path, plan.networks, self)
        else:
            console.message(f"look at {path / 'preview.png'}, then:\n  {self.next(path)}")

    def go(self, console: Console) -> tuple[Path, Plan | None]:
        """Do it, and return where the set is, and the plan that it was made by if there was one."""
        self.check()
        from datastill import store

        work = self.work(console)
        path = store.set_folder(self.save_path, work.dataset, work.method, work.label)
        with store.locked(path):
            if not self.finished(path, work):
                self.make(path, work, console)
            else:
                console.message(f"the run in {path} is finished: {told_again(path)}")
        return path, work.plan

    def next(self, path: Path) -> str:
        """Return the command that tests the set."""
        model = None if self.model == USUAL_MODEL else self.model
        return typed("validate", path, model=model, **self.machine.repeated(), against="random")

    def make(self, path: Path, work: Work, console: Console) -> None:
        """Go through the updates, from the start or from where they were cut off."""
        from datastill import store
        from datastill.compute import measuring

        place = store.place_of(path)
        past = self.past(store.checkpoint_file(place, COMMAND), work, console)
        if past is None:
            past = further(path, work, console) if self.resuming.resume else None
            overwrite = self.overwrite or self.resuming.resume
            place = store.open_run(path, work.settings, overwrite=overwrite).path
            if past is not None:
                take_log(path, place)
        if past is not None:
            work = work.by(past.route)
            measuring.hold(past.found)
        announce(work, console)
        if past is not None:
            console.message(f"going on after update {past.state.step}")
        elif work.plan and self.max_minutes:
            foresee(work, work.plan, self.max_minutes, console)
        run = (work.dataset, f"{work.method} IPC{work.label}", work.settings, console)
        file = store.checkpoint_file(place, COMMAND)
        keeping = self.resuming.keeping(logs=self.logs)
        with keeping.journal(place / store.LOG_FILE, *run) as journal:
            try:
                keeper = keeping.keeper(file)
                work, course = follow(work, past, journal, console, keeper=keeper)
            except Diverged as diverged:
                raise InputError(keep_good(work, diverged, place)) from None
        if work.selector is not None and course.choice is not None:
            console.message(explained(work.selector, course.choice))
        keep_state(course.state, place, console)
        made = keep(work, course, place)
        file.remove()
        store.settle(place)
        console.message(f"{len(made)} synthetic images after {course.seconds:.0f} s in {path}")

    def past(self, file: CheckpointFile, work: Work, console: Console) -> Progress | None:
        """Return where the run was cut off, if it is to go on from there."""
        held = self.resuming.keeping().found(file, console)
        if held is None:
            return None
        require_same_run(held.asked, work.asked, file.path.parent)
        return progress_of(held, work)

    def finished(self, path: Path, work: Work) -> bool:
        """Tell whether nothing remains to be done.

        Raises:
            InputError: when another run was finished there.
        """
        from datastill.store import SET_FILE, checkpoint_file, load, place_of

        if not self.resuming.resume or not (path / SET_FILE).exists():
            return False
        held, asked = load(path).facts, work.asked
        longer = is_longer(held, asked)
        try:
            require_same_run(held, but_for_length(held, asked) if longer else asked, path)
        except InputError:
            if place_of(path) == path:
                raise
            return False  # another run was to replace it
        if longer:
            return False
        checkpoint_file(path, COMMAND).remove()
        return True

    def foresee(self, real: ImageSet) -> None:
        """Refuse real images that cannot serve, of which no more is known than classes and shape.

        Raises:
            InputError: for images too small for the model, or a class with too few.
        """
        from datastill.base.rng import Key
        from datastill.distillation.descent import starting_counts
        from datastill.distillation.methods import METHODS
        from datastill.networks import build

        ipc = parse(self.ipc).counts(real)
        published = METHODS[self.method](nominal(ipc))
        build(self.model, real.domain, key=Key(0))
        wanted = (ipc,) * len(real.counts) if isinstance(ipc, int) else ipc
        rows = zip(real.counts, wanted, real.facts["sure_of_classes"], strict=False)
        if all(sure or have >= want for have, want, sure in rows):  # else it is told rightly later
            starting_counts(real, self.descent(ipc, published))

    def work(self, console: Console) -> Work:
        """Read the real images, and make ready; what cannot be done is found out here."""
        from datastill.distillation.descent import starting_counts
        from datastill.distillation.methods import METHODS
        from datastill.runs.originals import features_by
        from datastill.runs.reading import read_train
        from datastill.store import set_folder

        method, quota = METHODS.spelling(self.method), parse(self.ipc)
        self.adjusted(METHODS[method](1), method)  # options without meaning are found out now
        self.logs.sinks()
        real = read_train(
            self.data.spec(self.dataset, self.data_path),
            *(self.machine.found(), console, self.foresee),
        )
        ipc = quota.counts(real)
        published = self.adjusted(METHODS[method](nominal(ipc)), method)
        task, descent = self.task(real, published), self.descent(ipc, published)
        counts = starting_counts(real, descent)  # too few images of a class are found out now
        guides, selector = self.guides(real), self.selector(real)
        regularisers = self.regularisers(real, guides)
        features = features_by(self.coreset_features, real, self.pool_path)
        plan = None
        if self.max_minutes:
            path = set_folder(self.save_path, real.domain.name, method, quota.label)
            plan = self.planned(path) or self.plan(published, task, descent, regularisers)
        descent = replace(descent, updates=plan.updates) if plan else descent
        return Work(
            method,
            quota.label,
            counts,
            published,
            task,
            descent,
            regularisers,
            selector,
            features.values,
            plan,
            settings={
                **self.settings(method, descent, published, task),
                **self.followed(guides, selector, features),
                **experts(task),
                "plan": plan and asdict(plan),
            },
        )

    def check(self) -> None:
        """Refuse options that make no sense."""
        positive(
            iterations=self.iterations,
            max_minutes=self.max_minutes,
            lr_img=self.lr_img,
            tiles=self.tiles,
            batch_real=self.batch_real,
            outer_loop=self.outer_loop,
            inner_loop=self.inner_loop,
            lr_net=self.lr_net,
            batch_train=self.batch_train,
            model_num=self.model_num,
            clom_batch_size=self.clom_batch_size,
            select_every=self.select_every,
            epoch=self.epoch,
        )
        not_negative(alphas=self.alphas)
        self.resuming.check(overwrite=self.overwrite)
        if self.coreset_features is not None and self.init in (None, "noise", "real", "random"):
            raise InputError("--coreset-features has a meaning with --init herding or the like")

    def descent(self, ipc: int | tuple[int, ...], published: Published) -> Descent:
        """Return how what is learned is moved."""
        from datastill.distillation.learned import labelled
        from datastill.distillation.parametrisations import in_tiles

        given = {"updates": self.iterations, "lr": self.lr_img, "init": self.init}
        changed: dict[str, Any] = {k: value for k, value in given.items() if value is not None}
        shape, optimisers = published.parametrisation, dict(published.optimisers)
        if self.tiles is not None:
            shape = in_tiles(shape, self.tiles)
        if self.labels is not None:
            shape, optimisers = labelled(shape, optimisers, learned=self.labels == "learned")
        published = replace(published, parametrisation=shape, optimisers=optimisers)
        return published.descent(ipc, batch=self.batch_real, **changed)

    def plan(
        self,
        published: Published,
        task: Task,
        descent: Descent,
        regularisers: dict[str, Regulariser],
    ) -> Plan:
        """Return what fits --max-minutes."""
        from datastill.cli.budget import planned

        assert self.max_minutes is not None
        given = (self.max_minutes, published, task, descent, regularisers)
        return planned(*given, model=self.model)

    def planned(self, path: Path) -> Plan | None:
        """Return the plan of the run that is to go on."""
        from datastill.runs.forecast import Plan
        from datastill.store import SET_FILE, checkpoint_file, load, place_of

        if not self.resuming.resume:
            return None
        held = checkpoint_file(place_of(path), COMMAND).load()
        done = (path / SET_FILE).exists() and not held
        facts = load(path).facts if done else held[0].asked if held else {}
        try:
            return Plan(**facts["plan"]) if facts.get("plan") else None
        except TypeError as error:
            raise InputError(f"the run in {path} has no sound plan: {error}") from None

    def adjusted(self, published: Published, method: str) -> Published:
        """Return the published settings with those of the method's options that were given.

        Raises:
            InputError: for an option that the method has no use for.
        """
        names = ("outer_loop", "inner_loop", "lr_net", "batch_train", "dis_metric")
        given = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        changed: Any = published.method
        for name in given:
            if not hasattr(changed, name):
                raise InputError(f"--{name.replace('_', '-')} has no meaning for {method}")
        changed = replace(changed, **given, **settings_of(self.setting, changed))
        outer = getattr(changed, "outer_loop", 1)
        generations = published.updates // getattr(published.method, "outer_loop", 1)
        return replace(published, method=changed, updates=generations * outer)

    def task(self, real: ImageSet, published: Published) -> Task:
        """Return what the method may look at."""
        from datastill.augment import dsa, usual_strategy
        from datastill.base.rng import Key
        from datastill.distillation.methods import Task
        from datastill.networks import builder

        strategy = self.dsa_strategy
        if strategy is None:
            strategy = usual_strategy(real.domain) if published.augmented else "none"
        elif self.data.mirror == "no" and "flip" in strategy.casefold().split("_"):
            raise InputError(f"--mirror no, and --dsa-strategy {strategy} mirrors: leave flip out")
        build = builder(self.model, real.domain, real.images.device)
        key = Key(self.machine.seed).at("distil")
        build(key=key)  # an unknown or unfit model is found out now
        route = self.machine.route(self.model, real.domain)
        known = self.trajectories(real) if "trajectories" in published.needs else ()
        return Task(real, build, key, dsa(strategy), route, trajectories=known)

    def trajectories(self, real: ImageSet) -> Sequence[Trajectory]:
        """Return the original models of the architecture, as they were after several epochs."""
        from datastill.runs.originals import Shelf

        return Shelf(self.pool_path, real.domain.name, real).trajectories(
            self.model, self.model_num
        )

    def guides(self, real: ImageSet) -> Pool:
        """Return the original models that guide, or none without --alphas."""
        from datastill.runs.originals import Shelf

        if not self.alphas:
            return ()
        from datastill.datasets import dataset_name
        from datastill.distillation.clom import pair_alphas
        from datastill.networks import BACKBONE

        pair_alphas(self.alphas, self.models_pool)
        for name in self.models_pool:
            if name.startswith(BACKBONE) and self.clom_distance != "cosine":
                raise InputError(f"{name} knows no classes; pass --clom-distance cosine")
        source = dataset_name(self.source_dataset) if self.source_dataset else real.domain.name
        # The same files at another size are not another dataset: the same are kept for tests.
        own = self.source_dataset in (None, self.dataset) or source == real.domain.name
        own = own or _same_place(self.source_dataset, self.dataset)
        shelf = Shelf(self.pool_path, source, real, other=not own)
        return shelf.load(self.models_pool, self.model_num, epoch=self.epoch)

    def regularisers(self, real: ImageSet, pool: Pool) -> dict[str, Regulariser]:
        """Return CLOM under its pool, or nothing without one."""
        if not pool:
            return {}
        from datastill.distillation.clom import contrastive_clom, cross_entropy_clom

        route = self.machine.route()
        if self.clom_distance == "cosine":
            batch = self.clom_batch_size
            return {"clom": contrastive_clom(pool, self.alphas, real, batch=batch, route=route)}
        return {"clom": cross_entropy_clom(pool, self.alphas, real.domain, route=route)}

    def followed(
        self, guides: Pool, selector: Selector | None, features: Features
    ) -> dict[str, Any]:
        """Return which original models had a hand in the result, and in what."""
        from datastill.identity import described, unknown

        clom = {
            "alphas": self.alphas,
            "models_pool": self.models_pool,
            "model_num": self.model_num,
            "epoch": self.epoch,
            "distance": self.clom_distance,
            "batch_size": self.clom_batch_size if self.clom_distance == "cosine" else None,
            "source_dataset": self.source_dataset or self.dataset,
            "originals": described(guides),
        }
        select: dict[str, Any] | None = None
        judges: Pool = ()
        if selector is not None:
            judges = [*selector.evidence.pool, *selector.evidence.early]
            told = {"by": self.select, "every": self.select_every}
            select = {**told, "originals": described(judges)}
        silent = unknown([*guides, *judges])
        return {
            "clom": clom if self.alphas else None,
            "select": select,
            "features": features.facts,
            "caveats": [silent] if silent else None,
        }

    def settings(
        self, method: str, descent: Descent, published: Published, task: Task
    ) -> dict[str, Any]:
        """Return everything that the result follows from."""
        from datastill.augment import usual_strategy
        from datastill.store import fingerprint, versions

        real = task.real
        usual = usual_strategy(real.domain) if published.augmented else "none"
        return {
            "method": method,
            "method_settings": asdict(published.method),  # pyright: ignore[reportArgumentType]
            "protocol": published.protocol,
            "model": self.model,
            "descent": descent.facts(),
            "coreset_features": self.coreset_features,
            "dsa_strategy": usual if self.dsa_strategy is None else self.dsa_strategy,
            "recipe": self.machine.recipe and self.machine.recipe.name,
            "seed": self.machine.seed,
            "device": real.images.device.type,
            "engine": self.machine.engine,
            "precision": self.machine.precision,
            "route": task.route.facts(),
            "versions": versions(),
            "data": dict(real.facts),
            "real_images": len(real),
            "real_fingerprint": fingerprint(real),
        }

    def selector(self, real: ImageSet) -> Selector | None:
        """Return what chooses a snapshot, or nothing without --select."""
        if self.select is None:
            return None
        from datastill.base.rng import Key
        from datastill.evaluation.assessments import Evidence
        from datastill.evaluation.scores import spelling
        from datastill.evaluation.selection import Selector
        from datastill.runs import originals
        from datastill.runs.specs import PoolSpec

        spec = PoolSpec(
            architectures=self.models_pool,
            num=self.model_num,
            epoch=self.epoch,
            path=str(self.pool_path),
        )
        pool, early = originals.load(spec, real, [self.select])
        key = Key(self.machine.seed).at("assess")
        evidence = Evidence(real, real, pool, key, self.machine.route(), early)
        return Selector(spelling(self.select, evidence), evidence, self.select_every)


def experts(task: Task) -> dict[str, Any]:
    """Return which original models were followed on their way, if any were."""
    from datastill.identity import described

    if not task.trajectories:
        return {}
    known = [member for one in task.trajectories for member in one if member.facts["epoch"]]
    return {"trajectories": {"originals": described(known)}}


def _same_place(one: str | None, other: str) -> bool:
    return one is not None and Path(one).exists() and Path(one).resolve() == Path(other).resolve()
