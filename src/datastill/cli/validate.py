"""datastill validate."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from datastill.cli.console import Console
from datastill.cli.data import Data, Origin
from datastill.cli.finding import OnePath, Which
from datastill.cli.logs import Logs
from datastill.cli.options import (
    Flag,
    Machine,
    MaybeFloat,
    MaybeInt,
    MaybePath,
    MaybeText,
    SomeTexts,
    positive,
)
from datastill.cli.originals import features_by
from datastill.cli.quota import Ipc
from datastill.cli.tables import show_results
from datastill.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from datastill.data import ImageSet
    from datastill.protocol import Protocol
    from datastill.validation import Draw, Result, Trial


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
    model: tuple[str, ...] = ("ConvNet",)
    """Architectures to train, one or several."""
    num_eval: int = 5
    """Networks of each architecture. Papers use 20."""
    dsa: Flag = False
    """Train with the augmentation of DSA, 1000 epochs. Default: as published for the method."""
    no_dsa: Flag = False
    """Train without augmentation, 300 epochs. Default: as published for the method."""
    protocol: MaybeText = None
    """Train by a preset: dc, dsa or modern. Default: as published for the method."""
    epochs: MaybeInt = None
    """Train for another number of epochs; the learning rate falls half-way."""
    soft_loss: Literal["cross-entropy", "kl"] = "cross-entropy"
    """Of soft labels: cross-entropy, or divergence from softened logits at --temperature."""
    temperature: MaybeFloat = None
    """With kl: of the logits. Default: the one that the labels were made with, or 1."""
    against: SomeTexts = ()
    """Also train on as many real images, picked by random, herding, k-center or k-means."""
    coreset_features: MaybeText = None
    """Model by whose features coresets pick (hf:NAME, or an original model). Default: pixels."""
    pool_path: Path = Path("pretrained_model")
    """Folder with original models, for --coreset-features."""
    together: MaybeInt = None
    """Networks of an architecture to train at once on a set; they end as they would alone, up to
    rounding. Default: on a CPU one, on a GPU as many as its memory holds."""
    save_model: Flag = False
    """Keep the trained networks in a folder 'models' beside the set."""
    data: Data = Data()
    logs: Logs = Logs()
    machine: Machine = Machine()

    def run(self) -> None:
        """Train, test, tell, and write every value beside the set."""
        self.check()
        from datastill import artifacts
        from datastill.networks import build, find
        from datastill.rng import Key

        console = self.logs.console(quiet=self.machine.quiet)
        self.logs.sinks()
        device = self.machine.found()
        file = self.file()
        made = artifacts.load(file).to(device)
        protocol = self.terms(made)
        names = [find(name)[0] for name in self.model]
        for name in names:
            build(name, made.domain, key=Key(0))  # images too small for it are found out now
        origin = Origin.of(made, self.dataset, self.data_path, self.data, console)
        test = origin.test(made, console).to(device)
        sets = self.sets(made, origin)
        artifacts.require_writable(file.parent)
        console.say(
            f"{file}: {len(made)} images, {protocol.fit.epochs} epochs "
            f"{'with' if protocol.augmented else 'without'} DSA augmentation, "
            f"{self.num_eval} networks, tested on {len(test)} images of {test.domain.name}"
        )
        results = self.trials(sets, test, names, protocol, file, console)
        show_results(f"Test accuracy after training on {len(made)} images", results, console)
        for result in results:
            if result.obstacle:
                console.say(
                    f"{result.model} on {result.source}: trained one network after another, for "
                    f"at once {result.obstacle}"
                )
        artifacts.add_validation(
            file,
            {
                "dataset": test.domain.name,
                "protocol": asdict(protocol),
                "seed": self.machine.seed,
                "routes": {name: self.machine.route(name, test.domain).facts() for name in names},
                "results": [asdict(result) for result in results],
            },
        )
        console.say(f"every value is in {artifacts.validation_file(file)}")

    def check(self) -> None:
        """Refuse options that make no sense."""
        positive(
            num_eval=self.num_eval,
            epochs=self.epochs,
            temperature=self.temperature,
            together=self.together,
        )
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
        from datastill.protocol import preset, with_soft_loss
        from datastill.relabelling import temperature_of

        usual = str(made.facts.get("protocol", "dc"))
        name = "dsa" if self.dsa else "dc" if self.no_dsa else self.protocol or usual
        temperature = self.temperature or temperature_of(made)
        return with_soft_loss(preset(name, epochs=self.epochs), self.soft_loss, temperature)

    def sets(self, made: ImageSet, origin: Origin) -> dict[str, Draw]:
        """Return the set, with soft and with hard labels, and what it is held against."""
        from datastill.coresets import CORESETS
        from datastill.relabelling import hardened
        from datastill.rng import Key

        coresets = {name: CORESETS[name] for name in self.against}
        sets: dict[str, Draw] = {"synthetic": lambda _: made}
        if made.labels.ndim == 2:
            hard = hardened(made)
            sets["synthetic, hard labels"] = lambda _: hard
        if not coresets:
            return sets
        real = origin.train(made).under(made.domain).to(made.images.device)
        key = Key(self.machine.seed).at("against")
        features = features_by(self.coreset_features, real, self.pool_path)
        for name, coreset in coresets.items():
            sets[name] = lambda i, name=name, coreset=coreset: real.take(
                coreset(real, made.counts, key=key.at(name, i), features=features)
            )
        return sets

    def rounds(
        self, sets: dict[str, Draw], test: ImageSet, names: list[str], protocol: Protocol
    ) -> Iterator[Trial]:
        """Train and test every network, each architecture by the route that is fastest for it."""
        from datastill.rng import Key
        from datastill.validation import contest

        key = Key(self.machine.seed).at("validate")
        for name in names:
            route = self.machine.route(name, test.domain)
            yield from contest(
                *(sets, test, [name], protocol),
                trials=self.num_eval,
                key=key,
                route=route,
                together=self.together,
            )

    def trials(
        self,
        sets: dict[str, Draw],
        test: ImageSet,
        names: list[str],
        protocol: Protocol,
        file: Path,
        console: Console,
    ) -> list[Result]:
        """Go through the trials, write them to the journal, and return what was found."""
        from datastill.artifacts import log_file
        from datastill.validation import collect

        found: list[Trial] = []
        rounds = self.rounds(sets, test, names, protocol)
        run = (test.domain.name, f"validate {file.parent.name}", {"set": str(file)}, console)
        with (
            self.logs.journal(log_file(file), *run) as journal,
            console.bar("training", len(sets) * len(names) * self.num_eval) as bar,
        ):
            for trial in rounds:
                found.append(trial)
                so_far = collect(found)[-1]
                bar.at(len(found), f"{so_far.model} on {so_far.source}: {so_far.accuracies}")
                journal.log(
                    "trial",
                    of=f"{trial.model} on {trial.source}",
                    source=trial.source,
                    model=trial.model,
                    step=trial.number + 1,
                    accuracy=trial.accuracy,
                    seconds=round(trial.seconds, 1),
                )
                if self.save_model and trial.source == "synthetic":
                    self.keep(trial, test, file)
        return collect(found)

    def keep(self, trial: Trial, test: ImageSet, file: Path) -> None:
        """Write a trained network beside the set."""
        from datastill.artifacts import save_member
        from datastill.pool import freeze

        facts = {"trial": trial.number, "set": str(file)}
        member = freeze(trial.network, trial.model, test.domain, facts)
        name = f"{trial.model}_{trial.number:03d}.safetensors"
        save_member(member, file.parent / "models" / name)
