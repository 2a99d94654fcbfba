"""datastill train."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from datastill.cli.console import Bar, Console
from datastill.cli.data import Data, describe, repeated
from datastill.cli.logs import Logs
from datastill.cli.options import (
    Flag,
    Machine,
    MaybePath,
    SomeInts,
    not_negative,
    positive,
)
from datastill.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from datastill.artifacts import Journal
    from datastill.data import ImageSet
    from datastill.pool import Member
    from datastill.rng import Key
    from datastill.train import Epoch

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
    model: tuple[str, ...] = ("ConvNet",)
    """Architectures, one or several, such as ConvNet ConvNetD4 MLP."""
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
    data: Data = Data()
    logs: Logs = Logs()
    machine: Machine = Machine()

    def run(self) -> None:
        """Train every model and write it as soon as it is ready."""
        self.check()
        from datastill.artifacts import pool_folder
        from datastill.networks import build, find
        from datastill.rng import Key

        device, console = self.machine.found(), self.logs.console(quiet=self.machine.quiet)
        self.logs.sinks()
        real, test = self.data.both(self.dataset, self.data_path, device, console)
        names = [find(name)[0] for name in self.model]
        for name in names:
            build(name, real.domain, key=Key(0))  # images too small for it are found out now
        folders = [pool_folder(self.save_path, real.domain.name, name) for name in names]
        firsts = [self.claim(folder) for folder in folders]
        console.say(f"{real.domain.name}: {len(real)} training images, device {device}")
        describe(real, console)
        rows: list[tuple[str, ...]] = []
        for name, folder, first in zip(names, folders, firsts, strict=True):
            for number in range(first, first + self.num):
                key = Key(self.machine.seed).at("original", name, number)
                rows.append(self.train_one(name, folder, number, real, test, key, console))
        console.table(f"Original models of {real.domain.name}", COLUMNS, rows)
        console.say(
            f"They are in {folders[0].parent}. Next:\n  datastill distill --method DM "
            f"{repeated(self.dataset, self.data_path, self.data)} "
            f"--alphas 100 --models-pool {' '.join(names)}"
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
        not_negative(weight_decay=[self.weight_decay])
        not_negative(save_epochs=self.save_epochs)
        if self.held_out >= 1:
            raise InputError(f"--held-out must be below 1, found {self.held_out}")
        late = [epoch for epoch in self.save_epochs if not 0 < epoch <= self.epochs]
        if late:
            raise InputError(f"--save-epochs {late[0]} is not one of the {self.epochs} epochs")
        if not self.model:
            raise InputError("--model needs at least one name")

    def claim(self, folder: Path) -> int:
        """Return the number of the next model in a folder."""
        from datastill.artifacts import members_in, remove_pool, require_writable

        require_writable(folder)
        held = [number for number, _, _ in members_in(folder)]
        if held and not (self.add or self.overwrite):
            raise InputError(
                f"{folder} holds {len(set(held))} original models; pass --add to add to them "
                "or --overwrite to replace them"
            )
        if self.overwrite:
            remove_pool(folder)
            return 0
        return max(held, default=-1) + 1

    def train_one(
        self,
        name: str,
        folder: Path,
        number: int,
        real: ImageSet,
        test: ImageSet | None,
        key: Key,
        console: Console,
    ) -> tuple[str, ...]:
        """Train one model and return its row of the table."""
        from datastill.artifacts import LOG_FILE
        from datastill.pool import original_fit, train_member
        from datastill.train import accuracy

        route = self.machine.route(name, real.domain)
        fit = replace(
            original_fit(self.epochs),
            lr=self.lr_net,
            batch=self.batch_train,
            weight_decay=self.weight_decay,
        )
        settings = {"architecture": name, "seed": self.machine.seed, "fit": asdict(fit)}
        run = (real.domain.name, f"{name} {number}", settings, console)
        with (
            self.logs.journal(folder / LOG_FILE, *run) as journal,
            console.bar(f"{name} {number}", self.epochs) as bar,
        ):
            epochs = train_member(name, real, fit, key=key, held_out=self.held_out, route=route)
            last = self.fit(epochs, folder, number, bar, journal)
        facts = last.facts
        held_out = facts["held_out_accuracy"]
        tested = None if test is None else accuracy(last.network, test, route=route)
        return (
            f"{name} {number}",
            str(facts["epoch"]),
            f"{100 * facts['train_accuracy']:.2f}",
            "none" if held_out is None else f"{100 * held_out:.2f}",
            "none" if tested is None else f"{100 * tested:.2f}",
            f"{facts['seconds']:.0f}",
        )

    def fit(
        self,
        epochs: Iterable[tuple[Epoch, Callable[[], Member]]],
        folder: Path,
        number: int,
        bar: Bar,
        journal: Journal,
    ) -> Member:
        """Go through the epochs, write the model after those asked for, and return the last."""
        from datastill.artifacts import member_path, save_member, write_manifest

        wanted, last = {*self.save_epochs, self.epochs}, None
        for epoch, member in epochs:
            loss = round(float(epoch.loss), 6)
            bar.at(epoch.number, f"loss {loss:.3f}")
            journal.log("epoch", model=folder.name, number=number, step=epoch.number, loss=loss)
            if epoch.number in wanted:
                last = member()
                facts = {"number": number, "seed": self.machine.seed, **last.facts}
                save_member(replace(last, facts=facts), member_path(folder, number, epoch.number))
                write_manifest(folder)
        assert last is not None
        return last
