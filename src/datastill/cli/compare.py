"""datastill compare."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from datastill.cli.console import Console
from datastill.cli.data import Data, Origin
from datastill.cli.finding import Paths, set_file
from datastill.cli.options import (
    Flag,
    Machine,
    MaybeFloat,
    MaybeInt,
    MaybePath,
    MaybeText,
    SomeTexts,
    not_negative,
    positive,
)
from datastill.cli.originals import Shelf, features_by
from datastill.cli.tables import show_comparison, show_rankings
from datastill.errors import InputError

if TYPE_CHECKING:
    from datastill.comparison import Entry, Ranking, Row, Terms
    from datastill.data import ImageSet
    from datastill.pool import Pool
    from datastill.protocol import Protocol
    from datastill.train import Fit
    from datastill.validation import Trial


@dataclass(frozen=True, eq=False)
class Material:
    """What a comparison is made of.

    Attributes:
        sets: by name.
        real: training images.
        test: test images.
        counts: real images of each class to pick.
        pool: original models that were named.
    """

    sets: dict[str, ImageSet]
    real: ImageSet
    test: ImageSet
    counts: tuple[int, ...]
    pool: Pool


VALUES, PLOT = "comparison.json", "comparison.png"
HELD_OUT = 0.05
"""Share of the training images by which --dd-ranking chooses learning rates."""


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
    """Architectures to train, one or several."""
    num_eval: int = 5
    """Networks of each architecture on each set. Papers use 20."""
    against: tuple[str, ...] = ("random", "herding", "k-center", "k-means")
    """How real images are picked; random ones are always among them."""
    coreset_features: MaybeText = None
    """Model by whose features coresets pick (hf:NAME, or an original model). Default: pixels."""
    together: MaybeInt = None
    """Networks of an architecture to train at once on a set; they end as they would alone, up to
    rounding. Default: on a CPU one, on a GPU as many as its memory holds."""
    real_epochs: int = 20
    """Epochs on all real images; 0 leaves them out, and with them the share of the gap."""
    real_eval: int = 1
    """Networks of each architecture on all real images."""
    soft_loss: Literal["cross-entropy", "kl"] = "cross-entropy"
    """Of soft labels: cross-entropy, or divergence from softened logits at --temperature."""
    temperature: MaybeFloat = None
    """With kl: of the logits. Default: the one that the labels of the sets were made with, or 1."""
    models_pool: SomeTexts = ()
    """Original models: they label random images too, where a set has soft labels."""
    model_num: MaybeInt = None
    """Original models of each architecture. Default: all there are."""
    pool_path: Path = Path("pretrained_model")
    """Folder with original models, as 'datastill train' leaves it."""
    dd_ranking: Flag = False
    """Also print DD-Ranking's scores: every set, and random images, are then trained on with and
    without augmentation, once at each of --learning-rates and --num-eval times at the best."""
    learning_rates: tuple[float, ...] = (0.001, 0.005, 0.01, 0.05, 0.1)
    """With --dd-ranking: rates to choose from, on held-out training images."""
    out: MaybePath = None
    """Folder for the results. Default: comparison/[dataset]-IPC[ipc]-[protocol]."""
    overwrite: Flag = False
    """Replace the results that are there."""
    plain: Flag = False
    """Tell progress line by line, on a terminal too."""
    data: Data = Data()
    machine: Machine = Machine()

    def run(self) -> None:
        """Train and test every network, print the tables, write the values and the plot."""
        self.check()
        from datastill.report.comparison import write_plot

        console = Console(self.machine.quiet, self.plain)
        material = self.material(console)
        terms = self.terms(material)
        entries = self.entries(material, terms)
        out = self.claim(material)
        console.say(
            f"{material.real.domain.name}: protocol {terms.protocol.name}, "
            f"{terms.protocol.fit.epochs} epochs, {terms.trials} networks of "
            f"{' '.join(terms.models)} on each of {len(entries)} sets, "
            f"tested on {len(material.test)} images"
        )
        found = self.results(entries, material, terms, console)
        show_comparison(found, console)
        ranked = self.rankings(material, terms, found, console)
        show_rankings(ranked, console)
        write_plot(found, out / PLOT)
        self.write(out, material, terms, found, ranked)
        console.say(f"every value is in {out / VALUES}; {out / PLOT} shows them")

    def check(self) -> None:
        """Refuse options that make no sense."""
        positive(
            epochs=self.epochs,
            num_eval=self.num_eval,
            real_eval=self.real_eval,
            temperature=self.temperature,
            model_num=self.model_num,
            together=self.together,
        )
        not_negative(real_epochs=[self.real_epochs])
        for rate in self.learning_rates:
            positive(learning_rates=rate)
        if not self.model or not self.learning_rates:
            raise InputError("--model and --learning-rates need at least one value")
        if not self.paths and (self.dataset is None or self.ipc is None):
            raise InputError(
                "name sets by their paths, or --dataset and --ipc to compare real images"
            )
        if self.dd_ranking and not self.paths:
            raise InputError("--dd-ranking scores sets, and none was named")

    def material(self, console: Console) -> Material:
        """Read the sets and the real images of both splits, and see that they fit together."""
        from datastill.artifacts import load

        device = self.machine.found()
        made = [load(set_file(path)).to(device) for path in self.paths]
        names = self.names(made)
        real, test = self.real(made, device, console)
        sets = dict(zip(names, made, strict=True))
        counts = self.counts(sets, real)
        shelf = Shelf(self.pool_path, real.domain.name, real)
        pool = shelf.load(self.models_pool, self.model_num) if self.models_pool else ()
        return Material(sets, real, test, counts, pool)

    def real(
        self, made: list[ImageSet], device: str, console: Console
    ) -> tuple[ImageSet, ImageSet]:
        """Read the training and the test images that the sets stand for."""
        if not made:
            assert self.dataset is not None
            real, test = self.data.both(self.dataset, self.data_path, device, console)
            if test is None:
                raise InputError(f"{real.domain.name} has no test images; --test-share keeps some")
            return real, test
        from datastill.data import require_same_kind

        origin = Origin.of(made[0], self.dataset, self.data_path, self.data, console)
        real = origin.train(made[0])
        for data, path in zip(made, self.paths, strict=True):
            try:
                require_same_kind(real.domain, data.domain)
                origin.require_same(data, real)
            except InputError as error:
                raise InputError(f"{path} cannot be compared: {error}") from None
        return real.to(device), origin.test(made[0], console).to(device)

    def names(self, made: list[ImageSet]) -> list[str]:
        """Return short names of the sets: methods where these tell them apart, otherwise paths."""
        from datastill.comparison import RANDOM, REAL

        taken = {"", RANDOM, REAL, *self.against}
        methods = [str(data.facts.get("method", "")) for data in made]
        if len(set(methods) - taken) == len(made) and all(map(str.isprintable, methods)):
            return methods
        if len(set(self.paths)) < len(self.paths):
            raise InputError("a set is named twice")
        for parts in range(1, 1 + max(len(path.parts) for path in self.paths)):
            ends = ["/".join(path.parts[-parts:]) for path in self.paths]
            if len(set(ends) - taken) == len(made):
                return ends
        return [f"./{path}" for path in self.paths]

    def counts(self, sets: dict[str, ImageSet], real: ImageSet) -> tuple[int, ...]:
        """Return how many real images of each class to pick.

        Raises:
            InputError: when sets differ in size and no --ipc decides, or there are too few images.
        """
        from datastill.cli.quota import parse
        from datastill.relabelling import hardened

        sizes = {hardened(data).counts for data in sets.values()}
        if self.ipc is not None:
            asked = parse(self.ipc).counts(real)
            counts = (asked,) * len(real.domain.classes) if isinstance(asked, int) else asked
        elif len(sizes) == 1:
            (counts,) = sizes
        else:
            told = ", ".join(f"{name} has {len(data)} images" for name, data in sets.items())
            raise InputError(f"{told}; sets of one size are compared, or --ipc says which counts")
        for name, wanted, held in zip(real.domain.classes, counts, real.counts, strict=True):
            if wanted > held:
                raise InputError(f"class {name!r} has {held} real images, fewer than {wanted}")
        return counts

    def terms(self, material: Material) -> Terms:
        """Return what is equal for all sets."""
        from datastill.comparison import Terms
        from datastill.networks import build, find
        from datastill.protocol import preset
        from datastill.rng import Key

        names = tuple(find(name)[0] for name in self.model)
        for name in names:
            build(name, material.real.domain, key=Key(0))  # images too small are found out now
        protocol = self.soft(preset(self.protocol, epochs=self.epochs), material)
        routes = {name: self.machine.route(name, material.real.domain) for name in names}
        return Terms(protocol, names, self.num_eval, Key(self.machine.seed), routes, self.together)

    def soft(self, protocol: Protocol, material: Material) -> Protocol:
        """Return a protocol with the loss of soft labels that was asked for."""
        from datastill.protocol import with_soft_loss

        return with_soft_loss(protocol, self.soft_loss, self.degree(material))

    def degree(self, material: Material) -> float:
        """Return the temperature that the soft labels of the sets were made with.

        Raises:
            InputError: when they differ, so that none serves all.
        """
        from datastill.relabelling import temperature_of

        soft = [data for data in material.sets.values() if data.labels.ndim == 2]
        degrees = {temperature_of(data) for data in soft}
        if len(degrees) > 1 and self.temperature is None:
            told = " and ".join(f"{degree:g}" for degree in sorted(degrees))
            raise InputError(
                f"the sets' labels were made at temperatures {told}; give --temperature"
            )
        return min(degrees, default=1.0)

    def entries(self, material: Material, terms: Terms) -> list[Entry]:
        """Return the sets, and real images to hold them against."""
        from datastill.comparison import RANDOM, picked_entry, synthetic_entries
        from datastill.coresets import CORESETS

        found = [
            one for name, data in material.sets.items() for one in synthetic_entries(name, data)
        ]
        names = list(dict.fromkeys([RANDOM, *map(CORESETS.spelling, self.against)]))
        features = features_by(self.coreset_features, material.real, self.pool_path)
        for name in names:
            pick = partial(CORESETS[name], features=features)
            key = terms.key.at("against", name)
            found.append(picked_entry(name, pick, material.real, material.counts, key=key))
        soft = any(data.labels.ndim == 2 for data in material.sets.values())
        if soft and material.pool:
            found.append(self.random(material.real, material, terms, soft=True))
        return found

    def random(
        self, real: ImageSet, material: Material, terms: Terms, *, soft: bool = False
    ) -> Entry:
        """Return random images of ``real``, with the labels of the pool where they are soft."""
        from datastill.comparison import RANDOM, picked_entry
        from datastill.coresets import CORESETS
        from datastill.relabelling import relabelled

        degree, key = self.degree(material), terms.key.at("against", RANDOM)
        label = partial(relabelled, pool=material.pool, temperature=degree) if soft else None
        pick = CORESETS[RANDOM]
        return picked_entry(RANDOM, pick, real, material.counts, key=key, label=label)

    def claim(self, material: Material) -> Path:
        """Return the folder for the results.

        Raises:
            InputError: when it holds others, or cannot be written to.
        """
        from datastill.artifacts import require_free, require_writable

        name = f"{material.real.domain.name}-IPC{max(material.counts)}-{self.protocol}"
        out = self.out or Path("comparison") / name
        require_free(out, (VALUES, PLOT), overwrite=self.overwrite)
        require_writable(out)
        return out

    def results(
        self, entries: list[Entry], material: Material, terms: Terms, console: Console
    ) -> list[Row]:
        """Train and test every network of the table."""
        from datastill.comparison import REAL, entry, rows, run
        from datastill.protocol import preset

        jobs = [(entries, terms)]
        if self.real_epochs:
            whole = self.soft(preset(self.protocol, epochs=self.real_epochs), material)
            its = replace(terms, protocol=whole, trials=self.real_eval)
            jobs.append(([entry(REAL, material.real, bits=8)], its))
        tried: list[tuple[Entry, Trial, Fit]] = []
        total = sum(len(sets) * len(its.models) * its.trials for sets, its in jobs)
        with console.bar("training", total) as bar:
            for sets, its in jobs:
                for one, trial in run(sets, material.test, its):
                    tried.append((one, trial, its.protocol.fit))
                    told = f"{trial.model} on {one.title}: {100 * trial.accuracy:.2f} %"
                    bar.at(len(tried), told)
        return rows(tried)

    def rankings(
        self, material: Material, terms: Terms, found: list[Row], console: Console
    ) -> list[Ranking]:
        """Score every set by DD-Ranking, if that was asked for."""
        if not self.dd_ranking:
            return []
        from datastill.comparison import REAL, Contender, Exam, rank, synthetic_entries
        from datastill.pool import split_held_out
        from datastill.protocol import preset, without_augmentation

        real = material.real
        fitted, held = split_held_out(real, HELD_OUT, key=terms.key.at("held-out"))
        twin = self.soft(preset("dsa", epochs=self.epochs), material)
        augmented = terms.protocol if terms.protocol.augmented else twin
        variants = {"augmented": augmented, "plain": without_augmentation(terms.protocol)}
        whole = {row.model: row.accuracies.mean for row in found if row.name == REAL}
        exam = Exam(material.test, held, variants, whole, self.learning_rates)
        random = {
            soft: tuple(
                self.random(images, material, terms, soft=soft) for images in (real, fitted)
            )
            for soft in {self.labelled(data, material) for data in material.sets.values()}
        }
        ranked: list[Ranking] = []
        with console.bar("ranking", len(material.sets) * len(terms.models)) as bar:
            for name, data in material.sets.items():
                own, *hard = synthetic_entries(name, data)
                rivals = random[self.labelled(data, material)]
                for one in rank(Contender(own, hard[0] if hard else own, *rivals), exam, terms):
                    ranked.append(one)
                    bar.at(len(ranked), f"{one.name}, {one.model}")
        return ranked

    def labelled(self, data: ImageSet, material: Material) -> bool:
        """Tell whether the random images that a set has to beat get soft labels too."""
        return data.labels.ndim == 2 and bool(material.pool)

    def write(
        self,
        out: Path,
        material: Material,
        terms: Terms,
        found: list[Row],
        ranked: list[Ranking],
    ) -> None:
        """Write every value, and all that it follows from."""
        from datastill.artifacts import fingerprint, versions, write_json

        sets = {name: fingerprint(data) for name, data in material.sets.items()}
        table = {
            "dataset": material.real.domain.name,
            "sets": sets,
            "paths": [str(path) for path in self.paths],
            "real_fingerprint": fingerprint(material.real),
            "images_per_class": material.counts,
            "protocol": asdict(terms.protocol),
            "models": terms.models,
            "trials": terms.trials,
            "coreset_features": self.coreset_features,
            "seed": self.machine.seed,
            "device": self.machine.found(),
            "routes": {model: route.facts() for model, route in terms.routes.items()},
            "versions": versions(),
            "rows": [asdict(row) for row in found],
            "dd_ranking": [asdict(one) for one in ranked],
        }
        write_json(out / VALUES, table)
