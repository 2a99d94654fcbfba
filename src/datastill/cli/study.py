"""datastill study."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datastill.base.errors import InputError
from datastill.cli.console import Console
from datastill.cli.data import Data
from datastill.cli.interruption import deferred
from datastill.cli.options import Flag, Machine, MaybePath, SomeTexts, positive
from datastill.cli.resuming import Resuming
from datastill.cli.study_options import Judges, Plan
from datastill.cli.train import Train
from datastill.runs import differences

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datastill.data import ImageSet
    from datastill.evaluation.studies import Bench, Record
    from datastill.evaluation.studies import Study as Findings
    from datastill.runs.population import Candidate
    from datastill.runs.stop import StopRequest
    from datastill.runs.underway import Underway
    from datastill.runs.workshop import Workshop
    from datastill.store import StudyFolder
    from datastill.training.pool import Pool
    from datastill.training.protocol import Protocol

COMMAND, SETTINGS = "study", "settings.json"
WRITTEN_LATER = ("device", "engine")
JUDGES, EARLY_JUDGES = "judges.json", "judges-after-{}.json"


@dataclass(frozen=True)
class Study:
    """Find out which assessment to trust, on many sets whose accuracy is found by training.

    Makes a population of sets that differ, validates each, assesses each, and tells how the two
    agree. It all goes to [save-path]/[dataset]: run again, it goes on where it stopped, adds what
    is new, and computes nothing twice.
    """

    dataset: str
    """Name of a dataset such as CIFAR10, path of your own images, or hf:NAME on the hub."""
    data_path: MaybePath = None
    """Folder with its files. Default: ./data/[dataset], then where system packages put them."""
    plan: Plan = Plan()
    model: str = "ConvNetD2W32"
    """Architecture of the networks that sets are made by, and that are trained on them; your own is
    module:function."""
    num_eval: int = 3
    """Networks trained on each set."""
    epochs: int = 200
    """Epochs for which they are trained. Published: 1000 with augmentation, 300 without."""
    no_dsa: Flag = False
    """Train them without augmentation."""
    judges: Judges = Judges()
    assessments: SomeTexts = ()
    """Names, such as om-accuracy om-accuracy/ConvNet om-accuracy@5. Default: all."""
    reassess: Flag = False
    """Score every set anew, for other original models; accuracies stay."""
    resume: Flag = False
    """Go on with the study that was cut off. A study always does: this is for scripts that say it
    to every command."""
    checkpoint_minutes: float = 5.0
    """Minutes between two checkpoints of a set that is distilled, or a network that is trained; 0
    for one at every update and epoch. Each is kept when it is done."""
    save_path: Path = Path("studies")
    """Folder for studies."""
    data: Data = Data()
    machine: Machine = Machine()

    def run(self) -> None:
        """Make, assess and validate what is missing, and tell what follows."""
        wanted = self.check()
        from datastill.base.rng import Key
        from datastill.datasets import untestable
        from datastill.evaluation.studies.scopes import LEAST
        from datastill.networks import build
        from datastill.runs.originals import told
        from datastill.runs.reading import buildable, describe, read_both, reading, tell_mirror
        from datastill.store import StudyFolder, checkpoint_file, locked

        device, console = self.machine.found(), self.machine.console()
        spec = self.data.spec(self.dataset, self.data_path)
        real, test = read_both(spec, device, console, buildable([self.model]))
        if test is None:
            raise untestable(self.dataset, reading(spec, console))
        build(self.model, real.domain, key=Key(0))  # images too small for it are found out now
        self.workshop(real).check(wanted)
        brought, test = self.brought(real, test, console)
        folder = StudyFolder(self.save_path / real.domain.name)
        names = {*folder.names(), *brought, *(candidate.name for candidate in wanted)}
        if len(names) < LEAST:
            raise InputError(f"a study needs at least {LEAST} sets, found {len(names)}")
        describe(real, console)
        tell_mirror(real, console)
        with locked(folder.path):
            bench = self.bench(folder, real, test, console)
            judges = told(bench.pool, bench.early)
            console.message(f"{folder.path}: {len(names)} sets, judged by {judges}")
            for name, data in brought.items():
                if name not in folder.names():
                    folder.save_set(name, data)
            self.make(folder, replace(self.workshop(real), pool=bench.pool), wanted, console)
            records = self.examine(folder, bench, console)
            self.tell(folder, bench, records, console)
            checkpoint_file(folder.path, COMMAND).remove()

    def check(self) -> list[Candidate]:
        """Refuse options that make no sense, and return the sets to be made."""
        from datastill.evaluation.scores import epoch_of, family

        positive(num_eval=self.num_eval, epochs=self.epochs)
        Resuming(self.resume, self.checkpoint_minutes).check(overwrite=False)
        self.judges.check()
        for name in self.assessments:
            family(name)  # an unknown one is told now
            epoch_of(name)
        return self.plan.candidates()

    def protocol(self, dataset: str) -> Protocol:
        """Return how networks are trained on a set of a dataset."""
        from datastill.training.protocol import preset

        name = "dc" if self.no_dsa else "dsa"
        return preset(name, epochs=self.epochs, dataset=dataset)

    def workshop(self, real: ImageSet) -> Workshop:
        """Return what sets are made with; it has no pool yet."""
        from datastill.base.rng import Key
        from datastill.runs.workshop import Workshop

        key, plan = Key(self.machine.seed).at("study"), self.plan
        route = self.machine.route(self.model, real.domain)
        return Workshop(real, (), self.model, key, plan.batch_real, plan.inner_loop, route)

    def settings(self, real: ImageSet, test: ImageSet) -> dict[str, Any]:
        """Return what must be equal for all sets of a study."""
        from datastill.store import fingerprint

        return {
            "real": fingerprint(real),
            "test": fingerprint(test),
            "model": self.model,
            "protocol": asdict(self.protocol(real.domain.name)),
            "batch_real": self.plan.batch_real,
            "inner_loop": self.plan.inner_loop,
            "device": real.images.device.type,
            "engine": self.machine.engine,
            "precision": self.machine.precision,
            "seed": self.machine.seed,
            **({} if self.data.mirror is None else {"mirror": real.domain.mirror}),
        }

    def brought(
        self, real: ImageSet, test: ImageSet, console: Console
    ) -> tuple[dict[str, ImageSet], ImageSet]:
        """Read the sets that are there already, and name them by what they hold.

        Returns:
            The sets, and the test images that none was made from.

        Raises:
            InputError: when one was made from other images.
        """
        from datastill.identity import of_each, require_made_from, without_seen
        from datastill.runs.finding import set_file
        from datastill.runs.origin import said
        from datastill.store import fingerprint
        from datastill.store import load as load_set

        sets = {str(path): load_set(set_file(path)) for path in self.plan.sets}
        found: dict[str, ImageSet] = {}
        test, seen = without_seen(sets, test, real)
        made = of_each(sets, lambda data: require_made_from(data, real))
        for data, others in zip(sets.values(), made, strict=True):
            caveats = said((*seen, *others), console)
            held = [*(data.facts.get("caveats") or ()), *caveats]
            data = replace(data.under(real.domain), facts={**data.facts, "caveats": held})
            method = re.sub(r"[^\w+-]", "_", str(data.facts.get("method", "unknown")))
            found[f"{method}-ipc{max(data.stored_counts)}-{fingerprint(data)}"] = data
        return found, test

    def bench(self, folder: StudyFolder, real: ImageSet, test: ImageSet, console: Console) -> Bench:
        """Return what every set is held to; train original models if the study has none."""
        from datastill.base.rng import Key
        from datastill.evaluation.studies import Bench

        own, judges = folder.path / "pretrained_model", self.judges
        if judges.pool_path is None:
            self.keep_settings(folder, real, test)
            like = Train(self.dataset, self.data_path, data=self.data, machine=self.machine)
            judges.train(own, real, like, console)
        pool, early = judges.load(own, real)
        self.keep_settings(folder, real, test)
        if self.reassess:
            self.forget_scores(folder)
        self.keep_judges(folder, pool, early)
        return Bench(
            real,
            test,
            pool,
            self.model,
            self.protocol(real.domain.name),
            Key(self.machine.seed),
            early,
            route=self.machine.route(self.model, real.domain),
            assessing=self.machine.route(),
        )

    def keep_settings(self, folder: StudyFolder, real: ImageSet, test: ImageSet) -> None:
        """Write down what must be equal for all sets, or make sure that it is what it was."""
        wanted, file = self.settings(real, test), folder.path / SETTINGS
        if file.exists():  # an earlier version did not write all of it
            held = self.settings_of(folder)
            wanted = {k: v for k, v in wanted.items() if k in held or k not in WRITTEN_LATER}
        hint = "take another --save-path"
        folder.keep(SETTINGS, wanted, hint, told=differences.told)

    def keep_judges(self, folder: StudyFolder, pool: Pool, early: Pool) -> None:
        """Write down who judges, or make sure that they are those who judged before."""
        from datastill.identity import described
        from datastill.training.pool import by_epoch

        hint = "pass --reassess to score every set anew"
        folder.keep(JUDGES, {"pool": described(pool)}, hint, told=differences.told)
        for epoch, members in by_epoch(early).items():
            file = EARLY_JUDGES.format(epoch)
            folder.keep(file, {"pool": described(members)}, hint, told=differences.told)

    def make(
        self, folder: StudyFolder, shop: Workshop, wanted: Sequence[Candidate], console: Console
    ) -> None:
        """Make the sets that are missing, and write each as soon as it is ready."""
        from datastill.runs.underway import Descents

        held = set(folder.names())
        missing = [candidate for candidate in wanted if candidate.name not in held]
        from datastill.identity import described

        asked = {**self.settings_of(folder), "pool": described(shop.pool)}
        with (
            console.progress("making sets", len(missing)) as bar,
            deferred("after this update, which is kept") as stop,
        ):
            watch = Descents(self.underway(folder, asked, stop, console))
            for i, (candidate, data) in enumerate(replace(shop, watch=watch).make(missing)):
                folder.save_set(candidate.name, data)
                bar.at(i + 1, candidate.name)
                if not candidate.kind.updates:  # of the others the watch grants it
                    stop.raise_if_requested()

    def examine(self, folder: StudyFolder, bench: Bench, console: Console) -> list[Record]:
        """Assess and validate what is missing, and write every record as soon as it grows."""
        from datastill.evaluation.assessments import COSTLY
        from datastill.evaluation.scores import usual_names
        from datastill.evaluation.studies import distinct, examine, table_of
        from datastill.runs.underway import Fits

        device = bench.test.images.device
        sets, copies = distinct({n: folder.load_set(n).to(device) for n in folder.names()})
        for name, first in copies.items():
            console.message(f"{name} holds the same images as {first}, and does not count")
        records = {name: self.record(folder, name, data) for name, data in sets.items()}
        names = self.assessments or [*usual_names(bench.evidence), *COSTLY.names]
        missing = sum(max(self.num_eval - len(r.trials), 0) for r in records.values())
        asked = self.settings_of(folder)
        with (
            console.progress("training", missing) as bar,
            deferred("after this epoch, which is kept") as stop,
        ):
            bench = replace(bench, watch=Fits(self.underway(folder, asked, stop, console)))
            done = 0
            for record in examine(sets, bench, records, trials=self.num_eval, names=names):
                done += len(record.trials) - len(records[record.name].trials)
                records[record.name] = record
                folder.save_record(record.name, table_of(record))
                bar.at(done, record.name)
                stop.raise_if_requested()
        return [replace(r, trials=r.trials[: self.num_eval]) for r in records.values()]

    def settings_of(self, folder: StudyFolder) -> dict[str, Any]:
        """Return what the study rests on, as it is kept."""
        from datastill.store import read_json

        return read_json(folder.path / SETTINGS)

    def underway(
        self, folder: StudyFolder, asked: dict[str, Any], stop: StopRequest, console: Console
    ) -> Underway:
        """Return what keeps a set or a network under way, and what was kept of one.

        What is damaged is told; that, and what does not fit the study any more, begins anew.
        """
        from datastill.runs.underway import Underway
        from datastill.store import Checkpoint, checkpoint_file, plain

        file, held = checkpoint_file(folder.path, COMMAND), None
        try:
            held, complaint = file.load("what was under way begins anew") or (None, "")
        except InputError as error:
            complaint = str(error)
        if complaint:
            console.message(complaint)
        if held is not None and held.asked != plain(asked):
            held = None
        keeper = Resuming(self.resume, self.checkpoint_minutes).keeping().keeper(file)
        return Underway(held, keeper, stop, partial(Checkpoint, asked))

    def record(self, folder: StudyFolder, name: str, data: ImageSet) -> Record:
        """Return what is known of a set."""
        from datastill.evaluation.studies import blank, record_of

        table = folder.load_record(name)
        if table is None:
            return blank(name, data)
        try:
            return record_of(table)
        except (KeyError, TypeError, ValueError) as error:
            file = folder.record_file(name)
            raise InputError(f"{file} is damaged: {error!r}; delete it to start anew") from None

    def forget_scores(self, folder: StudyFolder) -> None:
        """Drop every score, and last what tells by which original models they were made."""
        from datastill.evaluation.studies import table_of

        for name in folder.names():
            record = self.record(folder, name, folder.load_set(name))
            folder.save_record(name, table_of(replace(record, scores={})))
        for file in folder.path.glob(EARLY_JUDGES.format("*")):
            folder.forget(file.name)
        folder.forget(JUDGES)

    def tell(
        self, folder: StudyFolder, bench: Bench, records: Sequence[Record], console: Console
    ) -> None:
        """Print what follows, and write it down: values, a page, plots."""
        from datastill.evaluation.studies import Resampling, conclude
        from datastill.report.scatter import write_scatters
        from datastill.report.study_page import COLUMNS, LEGEND, table, write_page
        from datastill.store import versions

        console.message("drawing recipes and sets anew for intervals and p-values")
        found = conclude(records, Resampling(bench.key.at("resampling")))
        plots = write_scatters(found, folder.path)
        facts = [*self.facts(bench, found), *self.caveats(folder)]
        write_page(found, facts, [path.name for path in plots], folder.path / "study.md")
        routes = {"training": bench.route.facts(), "assessing": bench.assessing.facts()}
        held = {"facts": facts, "versions": versions(), "routes": routes, **asdict(found)}
        folder.write("study.json", held)
        console.table("Which assessment to trust", COLUMNS, table(found))
        console.message(LEGEND)
        for fact in facts:
            console.message(fact)
        console.message(f"look at {folder.path / 'study.md'} and {plots[0]}")

    def caveats(self, folder: StudyFolder) -> list[str]:
        """Return what has to be known of sets that the study did not make."""
        return [
            f"{name}: {caveat}"
            for name in folder.names()
            for caveat in folder.load_set(name).facts.get("caveats") or ()
        ]

    def facts(self, bench: Bench, found: Findings) -> list[str]:
        """Say what the study rests on."""
        from datastill.runs.originals import told

        real, protocol = bench.train, bench.protocol
        validating = sum(t.seconds for record in found.records for t in record.trials)
        return [
            f"{real.domain.name}: {len(real)} training images, {len(bench.test)} test images",
            f"each set validated by {self.num_eval} {self.model}, {protocol.fit.epochs} epochs "
            f"{protocol.words}: "
            f"{validating:.0f} s in all",
            f"each set judged by {told(bench.pool, bench.early)}",
            *self.spent(bench, validating),
        ]

    def spent(self, bench: Bench, validating: float) -> list[str]:
        """Say what the original models cost, where they tell; no assessment's cost holds it."""
        seconds = [member.facts.get("seconds") for member in bench.pool]
        known = [float(one) for one in seconds if isinstance(one, int | float)]
        if not known or len(known) < len(seconds):
            return []
        share = sum(known) / max(validating, 1e-9)
        return [
            f"training these took {sum(known):.0f} s before, {share:.0%} of validating all sets: "
            "no cost below holds it"
        ]
