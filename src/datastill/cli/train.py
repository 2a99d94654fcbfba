"""datastill train."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datastill.base.errors import InputError
from datastill.base.wording import counted
from datastill.cli.console import Console
from datastill.cli.data import Data, repeated
from datastill.cli.hints import USUAL_MODEL, typed
from datastill.cli.logs import Logs
from datastill.cli.options import (
    Flag,
    Machine,
    MaybePath,
    SomeInts,
    not_negative,
    positive,
)
from datastill.cli.resuming import Resuming
from datastill.cli.series import COMMAND, Series, fitted, followed_from
from datastill.runs.keeping import require_same_run

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from datastill.data import ImageSet
    from datastill.training.fit import Fit
    from datastill.training.pool import Member

COLUMNS = ("model", "epochs", "train %", "held-out %", "test % (only told)", "seconds")


@dataclass(frozen=True)
class Train:
    """Train original models on the real data: teachers for CLOM, judges for assessments.

    They go to [save-path]/[dataset]/original/[model], one file each. The last epoch counts: no
    checkpoint is ever chosen, and test accuracy is told but kept out of the files.
    """

    dataset: str
    """Name of a dataset such as CIFAR10, path of your own images, or hf:NAME on the hub."""
    data_path: MaybePath = None
    """Folder with its files. Default: ./data/[dataset], then where system packages put them."""
    model: tuple[str, ...] = (USUAL_MODEL,)
    """Architectures, one or several, such as ConvNet MLP; your own are module:function."""
    num: int = 10
    """Models of each architecture."""
    epochs: int = 150
    """Passes over the training images; the learning rate falls after each third."""
    lr_net: float = 0.01
    """Learning rate at the start."""
    batch_train: int = 256
    """Images per step."""
    weight_decay: float = 5e-3
    """Pull of the weights towards zero."""
    save_epochs: SomeInts = ()
    """Keep the models as they were after these epochs too."""
    held_out: float = 0.05
    """Share of the training images kept aside to judge each model by."""
    save_path: Path = Path("pretrained_model")
    """Folder for original models."""
    add: Flag = False
    """Add models to those that are there; those keep their numbers."""
    overwrite: Flag = False
    """Delete the models that are there."""
    resuming: Resuming = Resuming()
    data: Data = Data()
    logs: Logs = Logs()
    machine: Machine = Machine()

    def run(self) -> None:
        """Train every model and write it as soon as it is ready."""
        console = self.machine.console()
        folder, names = self.go(console)
        console.message(f"They are in {folder}. Next:\n  {self.next(names)}")

    def go(self, console: Console) -> tuple[Path, list[str]]:
        """Do it, and return where the models are, and their architectures."""
        from datastill.runs.reading import buildable, describe, read_both

        self.check()
        from datastill.base.rng import Key
        from datastill.networks import build, find
        from datastill.store import locked, pool_folder, settle

        device = self.machine.found()
        self.logs.sinks()
        names = [find(name)[0] for name in self.model]
        real, test = read_both(
            self.data.spec(self.dataset, self.data_path), device, console, buildable(names)
        )
        for name in names:
            build(name, real.domain, key=Key(0))  # images too small for it are found out now
        folders = [pool_folder(self.save_path, real.domain.name, name) for name in names]
        console.message(f"{real.domain.name}: {len(real)} training images, device {device}")
        describe(real, console)
        with ExitStack() as stack:
            for folder in dict.fromkeys(folders):
                stack.enter_context(locked(folder))
            pairs = zip(names, folders, strict=True)
            all_series = [self.claimed(name, folder, real, console) for name, folder in pairs]
            for series in (one for one in all_series if one.past is None):
                series.file.save(series.checkpoint(series.first, _length(series.folder)))
            rows = [row for one in all_series for row in self.rows(one, real, test, console)]
            for series in all_series:
                series.file.remove()
                settle(series.folder)
        console.table(f"Original models of {real.domain.name}", COLUMNS, rows)
        return folders[0].parent, names

    def next(self, names: Sequence[str]) -> str:
        """Return the command that makes a set under the eyes of these models."""
        usual = type(self).save_path
        return typed(
            "distill",
            method="DM",
            **repeated(self.dataset, self.data_path, self.data),
            model=None if names[0] == USUAL_MODEL else names[0],
            alphas=100,
            models_pool=names,
            pool_path=None if self.save_path == usual else self.save_path,
            **self.machine.repeated(),
        )

    def check(self) -> None:
        """Refuse options that make no sense."""
        positive(
            num=self.num,
            epochs=self.epochs,
            held_out=self.held_out,
            lr_net=self.lr_net,
            batch_train=self.batch_train,
        )
        self.resuming.check(overwrite=self.overwrite)
        not_negative(weight_decay=[self.weight_decay])
        not_negative(save_epochs=self.save_epochs)
        if self.held_out >= 1:
            raise InputError(f"--held-out must be below 1, found {self.held_out}")
        late = [epoch for epoch in self.save_epochs if not 0 < epoch <= self.epochs]
        if late:
            raise InputError(f"--save-epochs {late[0]} is not one of the {self.epochs} epochs")
        if not self.model:
            raise InputError("--model needs at least one name")

    def claimed(self, name: str, folder: Path, real: ImageSet, console: Console) -> Series:
        """Return what is to be trained in a folder, and from where on.

        Raises:
            InputError: when the folder holds models, or a run that is not finished, and nothing
                was said of them.
        """
        from datastill.compute.route import Route
        from datastill.store import checkpoint_file, place_of

        place, asked = place_of(folder), self.asked(name, real)
        file = checkpoint_file(place, COMMAND)
        fit, saved = self.fit(), frozenset({*self.save_epochs, self.epochs})
        past = self.resuming.keeping().found(file, console)
        if past is not None:
            require_same_run(past.asked, asked, folder)
            try:
                first, route = int(past.facts["first"]), Route(**past.facts["route"])
            except (KeyError, TypeError, ValueError) as error:
                raise InputError(f"the checkpoint is none of a training: {error!r}") from None
            return Series(name, place, first, fit, self.held_out, saved, route, asked, past)
        place, first = self.claim(folder, asked, real)
        route = self.machine.route(name, real.domain)
        return Series(name, place, first, fit, self.held_out, saved, route, asked)

    def claim(self, folder: Path, asked: dict[str, Any], real: ImageSet) -> tuple[Path, int]:
        """Return where the models of a folder are to be made, and the number of the first.

        Those that are to be replaced stay until the others are finished.
        """
        from datastill.store import begin, checkpoint_file, members_in, place_of

        unfinished = checkpoint_file(place_of(folder), COMMAND).exists
        if unfinished and not self.overwrite:
            raise InputError(
                f"{folder} holds original models of a run that is not finished; pass --resume to "
                "go on with it, or --overwrite to start over"
            )
        held = sorted({number for number, _, _ in members_in(folder)})
        if self.resuming.resume and self.finished(folder, held[-self.num :], asked):
            return folder, held[-self.num]
        if held and not (self.add or self.overwrite):
            raise InputError(
                f"{folder} holds {counted(len(held), 'original model')}; pass --add to add to them "
                "or --overwrite to replace them"
            )
        if self.overwrite:
            return begin(folder, beside=bool(held)), 0
        self.require_alike(folder, asked["model"], real)
        return folder, max(held, default=-1) + 1

    def require_alike(self, folder: Path, name: str, real: ImageSet) -> None:
        """Refuse to add to models that were trained on other images."""
        from datastill.identity import require_trained_on
        from datastill.store import load_member, members_in

        held = (load_member(path, factory=name) for _, _, path in members_in(folder))
        require_trained_on(held, real.facts, real.domain.name)

    def finished(self, folder: Path, numbers: Sequence[int], asked: dict[str, Any]) -> bool:
        """Tell whether these are the models that the command would make.

        Raises:
            InputError: naming an option in which they differ, unless others are to be added.
        """
        from datastill.base.rng import Key
        from datastill.store import load_member, member_path

        name, wanted = asked["model"], followed_from(asked)
        if len(numbers) < self.num:
            return False
        for number in numbers:
            paths = [member_path(folder, number, e) for e in {*self.save_epochs, self.epochs}]
            path = member_path(folder, number, self.epochs)
            facts = load_member(path, factory=name).facts if path.exists() else {}
            key = Key(self.machine.seed).at("original", name, number)
            try:
                require_same_run(facts.get("asked") or {}, wanted, folder)
            except InputError:
                if self.add or self.overwrite or "asked" not in facts:
                    return False
                raise
            if facts.get("key") != key.seed or not all(path.exists() for path in paths):
                return False
        return True

    def fit(self) -> Fit:
        """Return how models are trained."""
        from datastill.training.pool import original_fit

        return replace(
            original_fit(self.epochs),
            lr=self.lr_net,
            batch=self.batch_train,
            weight_decay=self.weight_decay,
        )

    def asked(self, name: str, real: ImageSet) -> dict[str, Any]:
        """Return all that the models follow from."""
        from datastill.store import fingerprint, versions

        return {
            "model": name,
            "num": self.num,
            "seed": self.machine.seed,
            "fit": asdict(self.fit()),
            "save_epochs": sorted({*self.save_epochs}),
            "held_out": self.held_out,
            "device": real.images.device.type,
            "engine": self.machine.engine,
            "precision": self.machine.precision,
            "versions": versions(),
            "real_images": len(real),
            "real_fingerprint": fingerprint(real),
        }

    def rows(
        self, series: Series, real: ImageSet, test: ImageSet | None, console: Console
    ) -> Iterator[tuple[str, ...]]:
        """Train what is missing, and return a row of the table for every model."""
        from datastill.store import load_member, member_path, write_manifest
        from datastill.training.fit import accuracy

        for number in range(series.first, series.first + self.num):
            path = member_path(series.folder, number, self.epochs)
            if path.exists():
                member = load_member(path, factory=series.name)
                member.network.to(real.images.device)
                write_manifest(series.folder)
            else:
                member = self.train_one(series, number, real, console)
            facts, held_out = member.facts, member.facts["held_out_accuracy"]
            tested = None if test is None else accuracy(member.network, test, route=series.route)
            yield (
                f"{series.name} {number}",
                str(facts["epoch"]),
                f"{100 * facts['train_accuracy']:.2f}",
                "none" if held_out is None else f"{100 * held_out:.2f}",
                "none" if tested is None else f"{100 * tested:.2f}",
                f"{facts['seconds']:.0f}",
            )

    def train_one(self, series: Series, number: int, real: ImageSet, console: Console) -> Member:
        """Train one model, from the start or from where it was cut off."""
        from datastill.store import LOG_FILE, rewind

        label, log = f"{series.name} {number}", series.folder / LOG_FILE
        keeping, past = self.resuming.keeping(logs=self.logs), series.past
        keeper = keeping.keeper(series.file)
        if past is not None and past.facts["number"] == number:
            rewind(log, int(past.facts["logged"]))
            if past.facts["epoch"]:
                console.message(f"{label}: going on after epoch {past.facts['epoch']}")
        else:
            keeper.keep(series.checkpoint(number, _length(series.folder)))
        begun = state.epoch if (state := series.state(number)) else 0
        settings = {name: series.asked[name] for name in ("model", "seed", "fit")}
        with (
            keeping.journal(log, real.domain.name, label, settings, console) as journal,
            console.progress(label, self.epochs, begun) as bar,
        ):
            seed = self.machine.seed
            return fitted(series, number, real, seed, bar=bar, journal=journal, keeper=keeper)


def _length(folder: Path) -> int:
    from datastill.store import LOG_FILE, Journal

    return Journal(folder / LOG_FILE).length
