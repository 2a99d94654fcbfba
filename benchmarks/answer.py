"""Carry out docs/results/answer/plan.md: original models, sets, and the two studies of them.

    OMP_NUM_THREADS=1 python benchmarks/answer.py FashionMNIST --folder FOLDER
    python benchmarks/answer.py digits --tiny --folder FOLDER

Every model, set, score and network is kept as soon as it is there, in FOLDER: the same command goes
on where it was cut off, whatever stopped it. ``FOLDER/recipes`` is the study of recipes, one seed
of each; ``FOLDER/block`` that of seeds; ``FOLDER/published`` has the sets of the first, and a
network on each by the published protocol. A line says which unit is begun. ``--tiny`` makes all of
it as small as it can be, to try the program.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from datastill.base.rng import Key
from datastill.data import ImageSet
from datastill.evaluation.assessments import ASSESSMENTS
from datastill.runs import (
    ComputeSpec,
    DataSpec,
    DistillSpec,
    Executor,
    JudgesSpec,
    Keeping,
    Processes,
    StudySpec,
    Talking,
    TrainSpec,
    distill,
    study,
    train,
)
from datastill.runs.inputs.reading import read_train
from datastill.store import SET_FILE, load, load_pool, pool_folder, save
from datastill.training.coresets import CORESETS, Known, picked
from datastill.training.pool import Pool
from datastill.training.seeing import features_of

RECIPES: Mapping[str, tuple[str, ...]] = {
    "pixels": ("random", "herding", "k-means", "k-center"),
    "features": ("herding-features", "k-means-features", "k-center-features"),
    "dynamics": ("el2n", "el2n-hardest", "forgetting", "aum", "ccs", "clearest"),
    "noise": ("noise:0.15", "noise:0.3", "noise:0.5"),
    "spoilt": ("blurred", "shuffled", "faint"),
    "labels": ("wrong-10", "wrong-30"),
    "tiles": ("random-tiles", "rded", "DM-tiles"),
    "DM": ("DM:10", "DM:40", "DM:150", "DM:400"),
    "DM otherwise": ("DM-from-noise", "DM-fast", "DM-plain"),
    "gradients": ("DC:40", "DSA:20", "DSA:60"),
    "newer": ("NCFM:50:0", "NCFM:150:0", "CIM:50", "CIM:200"),
    "CLOM": ("DM:150:10", "DM:150:100", "DM:150:1000", "DM:150:10000", "DSA:60:100"),
    "mixed": ("half-noise", "few"),
}
"""The recipes of the first study by their families. What ``datastill study`` makes itself is said
in its words; the rest is in ``PICKED`` and ``DISTILLED``. NCFM is without its CLOM, as studies of
the plan's day made it: see its deviations."""

BLOCK = ("random", "k-means", "DM:150", *(f"DM:150:{10**power}" for power in (1, 2, 3, 4)))
"""The recipes of the second study, several seeds of each: a block within recipes, and a sweep."""

OTHERS = ("proxy-accuracy@20", "proxy-likelihood@20")
JUDGING = ("ConvNet", "MLP", "LeNet")
SEEDS = {
    **{"guides": 100, "judges": 101, "sets": 102},
    **{"recipes": 103, "published": 103, "block": 104},
}
"""Seeds of what the studies are made of; none was used before."""


@dataclass(frozen=True)
class Size:
    """How large everything is.

    Attributes:
        model: architecture of networks that sets are made under, and that are trained on them.
        judging: architectures that judge.
        ipc: images per class.
        share: of the training images of each class that is held out of everything.
        guides: original models that guide.
        judges: original models of each architecture that judge.
        pool_epochs: for which they are trained.
        epochs: for which a network is trained on a set.
        published: for which one is trained by the published protocol.
        updates: what numbers of updates are multiplied by.
        batch: real images per class that an update sees.
        seeds: of each recipe in the block.
        trials: networks on each set, of recipes and of the block.
    """

    model: str = "ConvNet"
    judging: tuple[str, ...] = JUDGING
    ipc: int = 10
    share: float = 0.05
    guides: int = 3
    judges: int = 2
    pool_epochs: int = 6
    epochs: int = 300
    published: int = 1000
    updates: float = 1.0
    batch: int = 256
    seeds: int = 4
    trials: tuple[int, int] = (2, 3)


TINY = Size("ConvNetD1W16", ("ConvNetD1W16", "MLP"), 2, 0.1, 2, 1, 2, 2, 3, 0.1, 4, 2, (1, 1))


@dataclass(frozen=True)
class Answer:
    """Both studies on one dataset, in a folder.

    Attributes:
        data: the real images.
        size: how large everything is.
        folder: where all of it is kept.
        executor: trains models and carries out studies side by side; None one after another, here.
    """

    data: DataSpec
    size: Size
    folder: Path
    executor: Executor | None = None

    def carry_out(self) -> None:
        """Make what lacks."""
        self.models("guides", (self.size.model,), self.size.guides)
        self.models("judges", self.size.judging, self.size.judges)
        real = read_train(self.data, "cpu")
        pool = load_pool(pool_folder(self.guides, real.domain.name, self.size.model), None)
        for name, make in PICKED.items():
            self.made(name, lambda make=make: make(self, real, pool))
        for name in DISTILLED:
            self.made(name, lambda name=name: self.distilled(name))
        brought = tuple(str(self.place(name)) for name in (*PICKED, *DISTILLED))
        own = tuple(name for family in RECIPES.values() for name in family if self.is_own(name))
        recipes = self.study(own, brought, seeds=1, trials=self.size.trials[0])
        self.studied("recipes", recipes)
        self.studied(
            "block", self.study(BLOCK, (), seeds=self.size.seeds, trials=self.size.trials[1])
        )
        for made in (self.folder / "recipes" / "sets").glob(f"*/{SET_FILE}"):
            copy = self.folder / "published" / "sets" / made.parent.name / SET_FILE
            if not copy.exists():
                save(load(made), copy)
        published = replace(recipes, protocol="dsa", epochs=self.size.published, trials=1, draws=1)
        self.studied("published", replace(published, assessments=("om-accuracy",)))

    @property
    def guides(self) -> Path:
        """Where the models are that guide."""
        return self.folder / "guides"

    def place(self, name: str) -> Path:
        """Return the folder of a set that no study makes itself."""
        return self.folder / "sets" / name

    def is_own(self, name: str) -> bool:
        """Tell whether a study makes a recipe itself."""
        return name not in PICKED and name not in DISTILLED

    def models(self, folder: str, names: tuple[str, ...], num: int) -> None:
        """Train the models that are missing."""
        say(f"original models: {folder}")
        how = {"epochs": self.size.pool_epochs, "lr": 0.05, "batch": 64, "weight_decay": 5e-4}
        compute = ComputeSpec(seed=SEEDS[folder])
        spec = TrainSpec(data=self.data, compute=compute, models=names, num=num, **how)
        how = {"keeping": Keeping(resume=True), "observer": Talking(say)}
        train(spec, self.folder / folder, executor=self.executor, **how)

    def made(self, name: str, make: Callable[[], ImageSet]) -> None:
        """Make a set, unless it is there."""
        file = self.place(name) / SET_FILE
        if not file.exists():
            say(f"set: {name}")
            made = make()
            save(replace(made, facts={**made.facts, "method": name}, digests=None), file)

    def distilled(self, name: str) -> ImageSet:
        """Distil a set."""
        size, changes = self.size, DISTILLED[name]
        updates = self.updates(150)
        spec = DistillSpec(
            data=self.data,
            compute=ComputeSpec(seed=SEEDS["sets"]),
            model=size.model,
            ipc=size.ipc,
            updates=updates,
            batch=size.batch,
            **changes,
        )
        return distill(spec, self.folder / "runs" / name, keeping=Keeping(resume=True)).set

    @property
    def recipes(self) -> dict[str, tuple[str, str]]:
        """Family and recipe of each set of the first study, by what its name begins with."""
        found: dict[str, tuple[str, str]] = {}
        for family, recipes in RECIPES.items():
            for recipe in recipes:
                words = self.kind(recipe).split(":")
                clom = f"-clom{words[2]}" if words[2:] and words[2] != "0" else ""
                found["-".join(words[:2]) + clom] = family, recipe
        return found

    def updates(self, number: int) -> int:
        """Return how many updates are made for so many."""
        return max(1, round(self.size.updates * number))

    def kind(self, name: str) -> str:
        """Return a recipe in the words of ``datastill study``, with its updates."""
        method, *rest = name.split(":")
        if not rest or method == "noise":
            return name
        return ":".join([method, str(self.updates(int(rest[0]))), *rest[1:]])

    def studied(self, name: str, spec: StudySpec) -> None:
        """Make the sets of a study that it makes itself, assess all, and train networks."""
        say(f"study: {name}")
        spec = replace(spec, compute=ComputeSpec(seed=SEEDS[name]))
        study(spec, self.folder / name, observer=Talking(say), executor=self.executor)

    def study(
        self, own: tuple[str, ...], brought: tuple[str, ...], *, seeds: int, trials: int
    ) -> StudySpec:
        """Describe a study of sets that it makes itself, and of others."""
        size = self.size
        semantic = [one for one in ASSESSMENTS.names if one.startswith("om-")]
        parts = [f"{one}/{model}" for one in semantic for model in size.judging]
        return StudySpec(
            data=self.data,
            population=tuple(map(self.kind, own)),
            sets=brought,
            ipc=(size.ipc,),
            seeds=seeds,
            batch=size.batch,
            inner_loop=10,
            model=size.model,
            trials=trials,
            epochs=size.epochs,
            protocol="modern",
            guides=str(self.guides),
            draws=2,
            judges=JudgesSpec(
                architectures=size.judging, num=size.judges, path=str(self.folder / "judges")
            ),
            assessments=(*ASSESSMENTS.names, *OTHERS, *parts),
        )


def say(text: str) -> None:
    """Say something at once."""
    print(text, flush=True)


def pick(name: str) -> Callable[[Answer, ImageSet, Pool], ImageSet]:
    """Return what picks images by features of the first model that guides."""

    def make(answer: Answer, real: ImageSet, pool: Pool) -> ImageSet:
        counts = [answer.size.ipc] * len(real.domain.classes)
        known = Known(features_of(pool[0], real), pool)
        key = Key(SEEDS["sets"]).at(name, "features")
        return _of(real, picked(CORESETS[name], real, counts, key=key, known=known))

    return make


def spoil(how: Callable[[ImageSet, Key], ImageSet]) -> Callable[..., ImageSet]:
    """Return what draws random images and does something to them."""

    def make(answer: Answer, real: ImageSet, pool: Pool) -> ImageSet:
        del pool
        counts = [answer.size.ipc] * len(real.domain.classes)
        key = Key(SEEDS["sets"]).at("spoilt")  # the same images for all
        return _of(real, how(picked(CORESETS["random"], real, counts, key=key), key))

    return make


def blurred(data: ImageSet, key: Key) -> ImageSet:
    """Blur images by a normal window of seven pixels, 1.5 wide."""
    del key
    steps = torch.arange(-3, 4).float()
    window = (-steps.square() / (2 * 1.5**2)).exp()
    window = (window[:, None] * window / window.sum() ** 2).expand(data.images.shape[1], 1, 7, 7)
    edges = F.pad(data.images, (3, 3, 3, 3), mode="replicate")
    return replace(data, images=F.conv2d(edges, window, groups=len(window)))


def shuffled(data: ImageSet, key: Key) -> ImageSet:
    """Cut every image into four quarters and put them together in an order of its own."""
    _, _, height, width = data.images.shape
    tall, wide = height // 2, width // 2
    made = data.images.clone()
    corners = [(row * tall, column * wide) for row in (0, 1) for column in (0, 1)]
    for i, image in enumerate(data.images):
        order = torch.randperm(4, generator=key.at("quarters", i).generator()).tolist()
        for (top, left), source in zip(corners, order, strict=True):
            above, beside = corners[source]
            part = image[:, above : above + tall, beside : beside + wide]
            made[i, :, top : top + tall, left : left + wide] = part
    return replace(data, images=made)


def faint(data: ImageSet, key: Key) -> ImageSet:
    """Take nine tenths of the contrast of every image."""
    del key
    grey = data.images.mean((1, 2, 3), keepdim=True)
    return replace(data, images=grey + 0.1 * (data.images - grey))


def wrong(share: float) -> Callable[[ImageSet, Key], ImageSet]:
    """Return what gives a share of the images, one at least, the label of another class."""

    def change(data: ImageSet, key: Key) -> ImageSet:
        count, classes = max(1, round(share * len(data))), len(data.domain.classes)
        rows = torch.randperm(len(data), generator=key.at("which").generator())[:count]
        by = torch.randint(1, classes, (count,), generator=key.at("by").generator())
        labels = data.labels.clone()
        labels[rows] = (labels[rows] + by) % classes
        return replace(data, labels=labels)

    return change


def half_noise(data: ImageSet, key: Key) -> ImageSet:
    """Put noise in place of every second image."""
    noise = torch.randn(data.images.shape, generator=key.at("noise").generator())
    second = torch.arange(len(data)) % 2 == 1
    return replace(data, images=torch.where(_like(second, data.images), noise, data.images))


def few(data: ImageSet, key: Key) -> ImageSet:
    """Repeat the first fifth of each class, one image at least, in place of the others."""
    del key
    rows = [some[torch.arange(len(some)) % max(1, len(some) // 5)] for some in data.rows_by_class]
    return data.take(torch.cat(rows))


def _like(mask: Tensor, images: Tensor) -> Tensor:
    return mask.reshape(-1, *(1,) * (images.ndim - 1))


def _of(real: ImageSet, made: ImageSet) -> ImageSet:
    return replace(made, facts={"seed": SEEDS["sets"], "data": dict(real.facts)}, digests=None)


PICKED: Mapping[str, Callable[[Answer, ImageSet, Pool], ImageSet]] = {
    **{f"{name}-features": pick(name) for name in ("herding", "k-means", "k-center")},
    **{"blurred": spoil(blurred), "shuffled": spoil(shuffled), "faint": spoil(faint)},
    **{f"wrong-{percent}": spoil(wrong(percent / 100)) for percent in (10, 30)},
    **{"half-noise": spoil(half_noise), "few": spoil(few)},
}
"""Sets of real images that no study makes itself."""

DISTILLED: Mapping[str, Mapping[str, object]] = {
    "DM-tiles": {"tiles": 2},
    "DM-from-noise": {"init": "noise"},
    "DM-fast": {"lr": 10.0},
    "DM-plain": {"augmentation": "none"},
}
"""Sets of DM after 150 updates, otherwise than it was published."""


def main() -> None:
    """Read the options, and make what lacks."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("dataset")
    parser.add_argument("--data-path")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--jobs", type=int, default=1, help="processes that work side by side")
    given = parser.parse_args()
    size = TINY if given.tiny else Size()
    data = DataSpec(given.dataset, path=given.data_path, assess_share=size.share)
    with Processes(given.jobs) if given.jobs > 1 else nullcontext() as executor:
        Answer(data, size, given.folder, executor).carry_out()


if __name__ == "__main__":
    main()
