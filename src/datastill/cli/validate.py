"""datastill validate."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datastill.base.errors import InputError
from datastill.base.wording import counted
from datastill.cli.console import Console
from datastill.cli.data import Data
from datastill.cli.finding import OnePath, Which
from datastill.cli.hints import USUAL_MODEL
from datastill.cli.interruption import deferred
from datastill.cli.logs import Logs
from datastill.cli.options import (
    Flag,
    Ipc,
    Machine,
    MaybeInt,
    MaybePath,
    MaybeText,
    SoftLabels,
    SomeTexts,
    positive,
)
from datastill.cli.resuming import Resuming
from datastill.cli.tables import show_results
from datastill.cli.trials import Programme, finished_of, shorter_of, start

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from datastill.data import ImageSet
    from datastill.evaluation.validation import Bouts, Draw, Result, Trial
    from datastill.runs.origin import Caveats
    from datastill.runs.originals import Features
    from datastill.store import Journal
    from datastill.training.protocol import Protocol

COMMAND = "validate"


@dataclass(frozen=True, eq=False)
class Rivals:
    """The real images that a set is held against.

    Attributes:
        real: training images; None where it is held against none.
        features: of these, by which coresets pick.
        caveats: of these and of the test images.
    """

    real: ImageSet | None
    features: Features
    caveats: Caveats = ()


@dataclass(frozen=True)
class Validate:
    """Train fresh networks on a synthetic set and test them, each once, at its last epoch.

    Nothing is chosen on the test set. Every trial is kept, in validation.json beside the set.
    """

    path: OnePath = None
    """The set: a file, or the folder of a run. Without it: --dataset, --method and --ipc."""
    dataset: MaybeText = None
    """Whose test images. Default: the dataset that the set was made from."""
    data_path: MaybePath = None
    """Folder with its files. Default: ./data/[dataset], then where system packages put them."""
    method: str = "DM"
    """Method by which to find the set."""
    ipc: Ipc = 10
    """Images per class by which to find the set, as 'datastill distill' was told."""
    save_path: Path = Path("condensed")
    """Folder for synthetic sets."""
    model: tuple[str, ...] = (USUAL_MODEL,)
    """Architectures to train, one or several; your own are module:function."""
    num_eval: int = 5
    """Networks of each architecture. Papers use 20."""
    dsa: Flag = False
    """Train with the augmentation of DSA, 1000 epochs. Default: as published for the method."""
    no_dsa: Flag = False
    """Train by the protocol of DC: 300 epochs without augmentation, but on MNIST 1000 with crop,
    scale and rotate. Default: as published for the method."""
    protocol: MaybeText = None
    """Train by a preset: dc, dsa or modern. Default: as published for the method."""
    augmentation: MaybeText = None
    """Augment by none, by dsa, or by one step for each image, of crop, scale, rotate and noise, say
    crop_noise. Default: that of the preset."""
    epochs: MaybeInt = None
    """Train for another number of epochs; the learning rate falls half-way."""
    soft_labels: SoftLabels = SoftLabels()
    against: SomeTexts = ()
    """Also train on as many real images, picked by {CORESETS}."""
    coreset_features: MaybeText = None
    """Model by whose features coresets pick (hf:NAME, or an original model). Default: pixels."""
    pool_path: Path = Path("pretrained_model")
    """Folder with original models, for --coreset-features."""
    together: MaybeInt = None
    """Networks of an architecture to train at once on a set; they end as they would alone, up to
    rounding. Default: on a CPU one, on a GPU as many as its memory holds."""
    save_model: Flag = False
    """Keep the trained networks in a folder 'models' beside the set."""
    resume: Flag = False
    """Go on with the validation of the same options that was cut off here, or that had fewer
    networks; those that were done count. Without it one that is not finished is refused."""
    checkpoint_minutes: float = 5.0
    """Minutes between two checkpoints of a network that is trained; 0 for one at every epoch. Each
    is kept when it is done."""
    out: MaybePath = None
    """Folder for the results, and a copy of the set: where its own cannot be written to."""
    overwrite: Flag = False
    """Forget a validation that is not finished."""
    data: Data = Data()
    logs: Logs = Logs()
    machine: Machine = Machine()

    def run(self) -> None:
        """Train, test, tell, and write every value beside the set."""
        self.check()
        from datastill import store
        from datastill.augment import DSA
        from datastill.base.rng import Key
        from datastill.evaluation.validation import Bouts
        from datastill.networks import build, find
        from datastill.runs.finding import results_at
        from datastill.runs.origin import Origin, said
        from datastill.runs.reading import other_mirror
        from datastill.training.protocol import Asks

        console = self.machine.console()
        self.logs.sinks()
        device = self.machine.found()
        file = self.file()
        made = store.load(file).to(device)
        file = results_at(file, self.out)
        protocol = self.terms(made)
        names = [find(name)[0] for name in self.model]
        for name in names:
            build(name, made.domain, key=Key(0))  # images too small for it are found out now
        origin = Origin.of(made, self.data.spec(self.dataset, self.data_path), console)
        images = origin.images({str(file): made}, console, train=bool(self.against))
        test, caveats = images.test.to(device), images.caveats
        if protocol.augmentation == DSA:
            caveats += said(other_mirror(made, test, str(file)), console)
        rivals = self.rivals(None if images.real is None else images.real.to(device), caveats)
        sets = self.sets(made, rivals)
        key = Key(self.machine.seed).at("validate")
        routes = {name: self.machine.route(name, test.domain) for name in names}
        rate = Asks.of(made.facts).learning_rate
        rates = {} if rate is None else {name: rate for name in sets if name not in self.against}
        bouts = Bouts(sets, test, protocol, routes, self.num_eval, key, self.together, rates)
        with store.locked(file.parent, store.stem_of(file)):
            self.judge(file, made, bouts, rivals, console)

    def judge(
        self, file: Path, made: ImageSet, bouts: Bouts, rivals: Rivals, console: Console
    ) -> None:
        """Go through the trials that are not done, tell what was found, and write it down."""
        from datastill import store
        from datastill.store.results import results_in

        kept = store.checkpoint_file(file.parent, store.stem_of(file) + COMMAND)
        asked = self.asked(made, bouts, rivals)
        finished = self.finished(made, asked) if self.resume else None
        shorter = self.shorter(made, asked) if self.resume else None
        if finished is not None:
            kept.remove()
            console.message(f"this validation of {file} is finished")
            self.show(results_in(finished), file, len(made), console)
            return
        test, protocol = bouts.test, bouts.protocol
        console.message(
            f"{file}: {counted(len(made), 'image')}, {counted(protocol.fit.epochs, 'epoch')} "
            f"{protocol.words}, {counted(self.num_eval, 'network')}, "
            f"tested on {counted(len(test), 'image')} of {test.domain.name}"
        )
        if bouts.rates:
            others = f"; real images are trained on at {protocol.fit.lr:g}" if self.against else ""
            console.message(
                f"the set asks for its own learning rate, {bouts.rates['synthetic']:g}{others}"
            )
        programme = start(
            *(kept, asked, bouts.routes, self.resuming.keeping(), console),
            overwrite=self.overwrite,
            shorter=shorter,
        )
        bouts = replace(bouts, routes=programme.routes)
        programme.check([bouts])
        results = self.trials(programme, bouts, file, console)
        found = {
            **asked,
            "routes": {name: route.facts() for name, route in bouts.routes.items()},
            "results": [asdict(result) for result in results],
            "caveats": list(rivals.caveats),
        }
        store.add_validation(file, found, instead=shorter)
        kept.remove()
        self.show(results, file, len(made), console)

    def show(self, results: Sequence[Result], file: Path, images: int, console: Console) -> None:
        """Print what was found, and say where it is kept."""
        from datastill import store

        title = f"Test accuracy after training on {counted(images, 'image')}"
        show_results(title, results, console)
        for result in results:
            if result.obstacle:
                console.message(
                    f"{result.model} on {result.source}: trained one network after another, for "
                    f"at once {result.obstacle}"
                )
        console.message(f"every value is in {store.validation_file(file)}")
        if self.save_model:
            console.message(f"the networks are in {store.networks_folder(file)}")

    def head(self, bouts: Bouts) -> dict[str, Any]:
        """Return what a validation says of how it was made."""
        from datastill.augment import DSA

        protocol, dataset = asdict(bouts.protocol), bouts.test.domain.name
        found = {"dataset": dataset, "protocol": protocol, "seed": self.machine.seed}
        mirrors = bouts.protocol.augmentation == DSA and bouts.test.domain.mirror
        rates = {"learning_rates": dict(bouts.rates)} if bouts.rates else {}
        return {**found, "mirrors": mirrors, **rates}

    def asked(self, made: ImageSet, bouts: Bouts, rivals: Rivals) -> dict[str, Any]:
        """Return all that the results follow from."""
        from datastill.store import fingerprint, versions

        return {
            **self.head(bouts),
            "models": list(bouts.routes),
            "num_eval": bouts.count,
            "sets": list(bouts.sets),
            "coreset_features": self.coreset_features,
            "features": rivals.features.facts,
            "real_fingerprint": None if rivals.real is None else fingerprint(rivals.real),
            "together": self.together,
            "save_model": self.save_model,
            "device": bouts.test.images.device.type,
            "engine": self.machine.engine,
            "precision": self.machine.precision,
            "versions": versions(),
            "set_fingerprint": fingerprint(made),
            "test_fingerprint": fingerprint(bouts.test),
        }

    def finished(self, made: ImageSet, asked: dict[str, Any]) -> Mapping[str, Any] | None:
        """Return the validation, among those that the set knows of, that was asked for alike."""
        from datastill.store import plain

        return finished_of(made.facts.get("validated") or (), plain(asked))

    def shorter(self, made: ImageSet, asked: dict[str, Any]) -> Mapping[str, Any] | None:
        """Return the validation that this one goes on from, of fewer networks, if there is one."""
        from datastill.store import plain

        return shorter_of(made.facts.get("validated") or (), plain(asked))

    def rivals(self, real: ImageSet | None, caveats: Caveats) -> Rivals:
        """Return what the set is held against, and by which features that is picked."""
        from datastill.runs.originals import Features, features_by

        if real is None:
            return Rivals(None, Features(), caveats)
        return Rivals(real, features_by(self.coreset_features, real, self.pool_path), caveats)

    @property
    def resuming(self) -> Resuming:
        """What becomes of a validation that is cut off."""
        return Resuming(self.resume, self.checkpoint_minutes)

    def check(self) -> None:
        """Refuse options that make no sense."""
        self.resuming.check(overwrite=self.overwrite)
        self.soft_labels.check()
        positive(num_eval=self.num_eval, epochs=self.epochs, together=self.together)
        if self.dsa + self.no_dsa + (self.protocol is not None) > 1:
            raise InputError("--dsa, --no-dsa and --protocol exclude each other")
        if not self.model:
            raise InputError("--model needs at least one name")

    def file(self) -> Path:
        """Return the file of the set, by path or by dataset, method and ipc."""
        which = Which(self.dataset, self.method, self.ipc, self.save_path)
        return which.file(self.path, self.data_path, self.data)

    def terms(self, made: ImageSet) -> Protocol:
        """Return the protocol asked for, by default the one published for the set's method."""
        from datastill.data.labels import temperature_of
        from datastill.training.protocol import Asks, preset, with_augmentation

        usual = Asks.of(made.facts).protocol
        name = "dsa" if self.dsa else "dc" if self.no_dsa else self.protocol or usual
        temperature = self.soft_labels.temperature or temperature_of(made)
        found = preset(name, epochs=self.epochs, dataset=made.domain.name)
        if self.augmentation is not None:
            found = with_augmentation(found, self.augmentation)
        return self.soft_labels.applied(found, temperature)

    def sets(self, made: ImageSet, rivals: Rivals) -> dict[str, Draw]:
        """Return the set, with soft and with hard labels, and what it is held against."""
        from datastill.base.rng import Key
        from datastill.data import require_held
        from datastill.data.labels import hardened
        from datastill.training.coresets import CORESETS

        coresets = {name: CORESETS[name] for name in self.against}
        sets: dict[str, Draw] = {"synthetic": lambda _: made}
        if made.labels.ndim == 2:
            hard = hardened(made)
            sets["synthetic, hard labels"] = lambda _: hard
        real, features = rivals.real, rivals.features.values
        if real is None:
            return sets
        require_held(real, made.stored_counts, "validate without --against")
        key = Key(self.machine.seed).at("against")
        for name, coreset in coresets.items():
            sets[name] = lambda i, name=name, coreset=coreset: real.take(
                coreset(real, made.stored_counts, key=key.at(name, i), features=features)
            )
        return sets

    def trials(
        self, programme: Programme, bouts: Bouts, file: Path, console: Console
    ) -> list[Result]:
        """Go through the trials, keep each, and return what was found."""
        from datastill.evaluation.validation import collect
        from datastill.store import log_file, rewind

        found, begun = programme.found, len(programme.found)
        if begun:
            if programme.held is not None:
                rewind(log_file(file), programme.logged)
            console.message(f"going on after {begun} of {bouts.total} networks")
        run = (bouts.test.domain.name, f"validate {file.parent.name}", {"set": str(file)}, console)
        with (
            self.resuming.keeping(logs=self.logs).journal(log_file(file), *run) as journal,
            console.progress("training", bouts.total, begun) as bar,
            deferred("after this epoch, which is kept") as stop,
        ):
            for trial in programme.go([bouts], stop, lambda: journal.length, bar=bar):
                so_far = collect(found)[-1]
                bar.at(len(found), f"{so_far.model} on {so_far.source}: {so_far.accuracies}")
                self.tell(trial, journal)
                if self.save_model and trial.source == "synthetic":
                    self.keep(trial, bouts.test, file)
        return collect(found)

    def tell(self, trial: Trial, journal: Journal) -> None:
        """Write a trial to the journal."""
        journal.log(
            "trial",
            of=f"{trial.model} on {trial.source}",
            source=trial.source,
            model=trial.model,
            step=trial.number + 1,
            accuracy=trial.accuracy,
            seconds=round(trial.seconds, 1),
        )

    def keep(self, trial: Trial, test: ImageSet, file: Path) -> None:
        """Write a trained network beside the set."""
        from datastill.store import networks_folder, save_member
        from datastill.training.pool import freeze

        assert trial.network is not None
        facts = {"trial": trial.number, "set": str(file)}
        member = freeze(trial.network, trial.model, test.domain, facts)
        name = f"{trial.model}_{trial.number:03d}.safetensors"
        save_member(member, networks_folder(file) / name)
