"""datastill compare."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from datastill.base.errors import InputError
from datastill.base.wording import counted
from datastill.cli.console import Console
from datastill.cli.data import Data
from datastill.cli.finding import Paths
from datastill.cli.interruption import deferred
from datastill.cli.material import Rivals, Wanted, randomly
from datastill.cli.options import (
    Flag,
    Machine,
    MaybeInt,
    MaybePath,
    MaybeText,
    SoftLabels,
    not_negative,
    positive,
)
from datastill.cli.resuming import Resuming
from datastill.cli.tables import show_comparison, show_rankings
from datastill.cli.trials import Programme, start
from datastill.runs.keeping import require_same_run
from datastill.runs.quota import in_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datastill.cli.material import Material
    from datastill.data import ImageSet
    from datastill.evaluation.comparison import Contender, Entry, Exam, Ranking, Row, Terms
    from datastill.evaluation.validation import Bouts, Trial
    from datastill.training.protocol import Protocol

COMMAND, VALUES, PLOT = "compare", "comparison.json", "comparison.png"
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
    """Architectures to train, one or several; your own are module:function."""
    num_eval: int = 5
    """Networks of each architecture on each set. Papers use 20."""
    rivals: Rivals = Rivals()
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
        self.check()
        from datastill.store import checkpoint_file, locked, read_json
        from datastill.store.results import rows_in

        console = self.machine.console()
        wanted = Wanted(
            *(self.paths, self.dataset, self.data_path, self.ipc, self.data), models=self.model
        )
        material = wanted.material(self.rivals, self.machine.found(), console)
        terms = self.terms(material)
        entries = self.entries(material, terms)
        asked, out = self.asked(material, terms), self.folder(material)
        if self.finished(out, asked):
            console.message(f"this comparison in {out} is finished")
            self.tell(*rows_in(read_json(out / VALUES)), out, console)
            return
        self.claim(out)
        with locked(out):
            programme = start(
                *(
                    checkpoint_file(out, COMMAND),
                    asked,
                    terms.ways,
                    self.resuming.keeping(),
                    console,
                ),
                overwrite=self.overwrite,
            )
            terms = replace(terms, routes=programme.routes)
            self.go(programme, entries, material, terms, console)

    def go(
        self,
        programme: Programme,
        entries: list[Entry],
        material: Material,
        terms: Terms,
        console: Console,
    ) -> None:
        """Train and test what is not done, tell what was found, and write it down."""
        from datastill.augment import DSA
        from datastill.report.comparison import write_plot
        from datastill.runs.origin import said
        from datastill.runs.reading import other_mirror

        out = programme.file.path.parent
        console.message(
            f"{material.real.domain.name}: protocol {terms.protocol.name}, "
            f"{counted(terms.protocol.fit.epochs, 'epoch')}, {counted(terms.trials, 'network')} of "
            f"{' '.join(terms.models)} on each of {counted(len(entries), 'set')}, "
            f"tested on {len(material.test)} images"
        )
        for one in entries:
            if one.rate is not None:
                console.message(
                    f"{one.title} asks for its own learning rate, {one.rate:g}; other images are "
                    f"trained on at {terms.protocol.fit.lr:g}"
                )
        if terms.protocol.augmentation == DSA:
            told = [other_mirror(data, material.test, n) for n, data in material.sets.items()]
            caveats = tuple(caveat for some in told for caveat in said(some, console))
            material = replace(material, caveats=material.caveats + caveats)
        found = self.results(programme, entries, material, terms, console)
        ranked = self.rankings(programme, material, terms, found, console)
        write_plot(found, out / PLOT, self.title(material, terms))
        self.write(out, programme, terms, material, found, ranked)
        programme.file.remove()
        self.tell(found, ranked, out, console)

    def tell(self, found: list[Row], ranked: list[Ranking], out: Path, console: Console) -> None:
        """Print the tables, and say where every value is."""
        show_comparison(found, console)
        show_rankings(ranked, console)
        console.message(f"every value is in {out / VALUES}; {out / PLOT} shows them")

    def title(self, material: Material, terms: Terms) -> str:
        """Say what is compared, and under what terms."""
        return (
            f"{material.real.domain.name}, {in_words(material.counts)}: protocol "
            f"{terms.protocol.name}, {counted(terms.protocol.fit.epochs, 'epoch')}, "
            f"{counted(terms.trials, 'network')} on each set"
        )

    def check(self) -> None:
        """Refuse options that make no sense."""
        self.resuming.check(overwrite=self.overwrite)
        self.rivals.check()
        self.soft_labels.check()
        positive(
            epochs=self.epochs,
            num_eval=self.num_eval,
            real_eval=self.real_eval,
            together=self.together,
        )
        not_negative(real_epochs=[self.real_epochs])
        for rate in self.learning_rates:
            positive(learning_rates=rate)
        if not self.model or not self.learning_rates:
            raise InputError("--model and --learning-rates need at least one value")
        Wanted(self.paths, self.dataset, self.data_path, self.ipc, self.data).check()
        if self.dd_ranking and not self.paths:
            raise InputError("--dd-ranking scores sets, and none was named")

    def terms(self, material: Material) -> Terms:
        """Return what is equal for all sets."""
        from datastill.base.rng import Key
        from datastill.evaluation.comparison import Terms
        from datastill.networks import build, find

        names = tuple(find(name)[0] for name in self.model)
        for name in names:
            build(name, material.real.domain, key=Key(0))  # images too small are found out now
        protocol = self.preset(self.protocol, self.epochs, material)
        routes = {name: self.machine.route(name, material.real.domain) for name in names}
        return Terms(protocol, names, self.num_eval, Key(self.machine.seed), routes, self.together)

    def preset(self, name: str, epochs: int | None, material: Material) -> Protocol:
        """Return a protocol with the loss of soft labels that was asked for."""
        from datastill.training.protocol import preset

        found = preset(name, epochs=epochs, dataset=material.real.domain.name)
        return self.soft_labels.applied(found, self.temperature(material))

    def temperature(self, material: Material) -> float:
        """Return the one of soft labels."""
        return material.temperature(self.soft_labels.temperature)

    def entries(self, material: Material, terms: Terms) -> list[Entry]:
        """Return the sets, and real images to hold them against."""
        from datastill.data import require_held
        from datastill.evaluation.comparison import synthetic_entries

        if self.dd_ranking:
            hint = f"--dd-ranking keeps {HELD_OUT:.0%} of the training images to choose by"
            require_held(self.split(material, terms)[0], material.counts, hint)
        found = [
            one for name, data in material.sets.items() for one in synthetic_entries(name, data)
        ]
        return found + self.rivals.entries(material, self.temperature(material), terms.key)

    def asked(self, material: Material, terms: Terms) -> dict[str, Any]:
        """Return all that the results follow from."""
        from datastill.identity import described
        from datastill.store import fingerprint, versions

        return {
            "dataset": material.real.domain.name,
            "sets": {name: fingerprint(data) for name, data in material.sets.items()},
            "paths": [str(path) for path in self.paths],
            "real_fingerprint": fingerprint(material.real),
            "test_fingerprint": fingerprint(material.test),
            "images_per_class": material.counts,
            "against": self.rivals.names,
            "coreset_features": self.rivals.coreset_features,
            "features": material.features.facts,
            "pool": described(material.pool),
            "protocol": asdict(terms.protocol),
            **self.own_rates(material),
            "models": terms.models,
            "mirrors": terms.protocol.augmented and material.test.domain.mirror,
            "trials": terms.trials,
            "together": terms.together,
            "real_epochs": self.real_epochs,
            "real_eval": self.real_eval,
            "learning_rates": self.learning_rates if self.dd_ranking else (),
            "seed": self.machine.seed,
            "device": self.machine.found(),
            "engine": self.machine.engine,
            "precision": self.machine.precision,
            "versions": versions(),
        }

    def own_rates(self, material: Material) -> dict[str, Any]:
        """Return the learning rates that sets ask for, where any does."""
        from datastill.training.protocol import Asks

        asked = {name: Asks.of(data.facts).learning_rate for name, data in material.sets.items()}
        found = {name: rate for name, rate in asked.items() if rate is not None}
        return {"learning_rates_of_sets": found} if found else {}

    def folder(self, material: Material) -> Path:
        """Return the folder for the results."""
        name = f"{material.real.domain.name}-IPC{max(material.counts)}-{self.protocol}"
        return self.out or Path("comparison") / name

    def finished(self, out: Path, asked: dict[str, Any]) -> bool:
        """Tell whether nothing remains to be done.

        Raises:
            InputError: when another comparison was finished there.
        """
        from datastill.store import read_json

        if not self.resuming.resume or not (out / VALUES).exists():
            return False
        require_same_run(read_json(out / VALUES), asked, out)
        return True

    def claim(self, out: Path) -> None:
        """See that a folder is free for the results.

        Raises:
            InputError: when it holds others, or cannot be written to.
        """
        from datastill.store import require_free, require_writable

        require_free(out, (VALUES, PLOT), overwrite=self.overwrite)
        require_writable(out)

    def results(
        self,
        programme: Programme,
        entries: list[Entry],
        material: Material,
        terms: Terms,
        console: Console,
    ) -> list[Row]:
        """Train and test every network of the table."""
        from datastill.evaluation.comparison import REAL, bouts, entry, rows

        stages = [bouts(entries, material.test, terms)]
        by_title = {one.title: (one, terms.protocol.fit) for one in entries}
        if self.real_epochs:
            whole = self.preset(self.protocol, self.real_epochs, material)
            its = replace(terms, protocol=whole, trials=self.real_eval)
            real = entry(REAL, material.real, bits=8)
            stages.append(bouts([real], material.test, its))
            by_title[real.title] = real, whole.fit
        tried = self.follow("training", programme, stages, console)
        return rows((by_title[one.source][0], one, by_title[one.source][1]) for one in tried)

    def rankings(
        self,
        programme: Programme,
        material: Material,
        terms: Terms,
        found: list[Row],
        console: Console,
    ) -> list[Ranking]:
        """Score every set by DD-Ranking, if that was asked for."""
        if not self.dd_ranking:
            return []
        from datastill.evaluation.comparison import finals, rankings, rates, tuning

        contenders, exam = self.contest(material, terms, found)
        tuned = self.follow(
            "choosing learning rates", programme, tuning(contenders, exam, terms), console
        )
        chosen = rates(contenders, exam, terms, tuned)
        stages = finals(contenders, exam, terms, chosen)
        trials = self.follow("ranking", programme, stages, console)
        return rankings(contenders, exam, terms, chosen, trials)

    def split(self, material: Material, terms: Terms) -> tuple[ImageSet, ImageSet]:
        """Return the training images without those that learning rates are chosen by, and these."""
        from datastill.training.pool import split_held_out

        return split_held_out(material.real, HELD_OUT, key=terms.key.at("held-out"))

    def contest(
        self, material: Material, terms: Terms, found: list[Row]
    ) -> tuple[list[Contender], Exam]:
        """Return the sets that are ranked, each with its rivals, and by what they are."""
        from datastill.evaluation.comparison import (
            AUGMENTED,
            PLAIN,
            REAL,
            Contender,
            Exam,
            synthetic_entries,
        )
        from datastill.training.protocol import without_augmentation

        real, degree = material.real, self.temperature(material)
        fitted, held = self.split(material, terms)
        twin = self.preset("dsa", self.epochs, material)
        augmented = terms.protocol if terms.protocol.augmented else twin
        variants = {AUGMENTED: augmented, PLAIN: without_augmentation(terms.protocol)}
        whole = {row.model: row.accuracies.mean for row in found if row.name == REAL}

        def rivals(data: ImageSet) -> list[Entry]:
            at = degree if material.softens(data) else None
            return [randomly(i, material, terms.key, temperature=at) for i in (real, fitted)]

        contenders: list[Contender] = []
        for name, data in material.sets.items():
            own, *hard = synthetic_entries(name, data)
            contenders.append(Contender(own, hard[0] if hard else own, *rivals(data)))
        return contenders, Exam(material.test, held, variants, whole, self.learning_rates)

    def follow(
        self, label: str, programme: Programme, stages: Sequence[Bouts], console: Console
    ) -> list[Trial]:
        """Go through bouts, and return their trials, those that were kept first."""
        first = programme.past
        begun = programme.check(stages)
        if begun:
            console.message(f"{label}: {begun} networks are done")
        with (
            console.progress(label, sum(one.total for one in stages), begun) as bar,
            deferred("after this epoch, which is kept") as stop,
        ):
            for done, trial in enumerate(programme.go(stages, stop, bar=bar), begun + 1):
                told = f"{trial.model} on {trial.source}: {100 * trial.accuracy:.2f} %"
                bar.at(done, told)
        return programme.found[first : programme.past]

    def write(
        self,
        out: Path,
        programme: Programme,
        terms: Terms,
        material: Material,
        found: list[Row],
        ranked: list[Ranking],
    ) -> None:
        """Write every value, and all that it follows from."""
        from datastill.store import write_json

        table = {
            **programme.asked,
            "routes": {model: route.facts() for model, route in terms.routes.items()},
            "caveats": list(material.caveats),
            "rows": [asdict(row) for row in found],
            "dd_ranking": [asdict(one) for one in ranked],
        }
        write_json(out / VALUES, table)
