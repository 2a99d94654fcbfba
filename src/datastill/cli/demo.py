"""datastill demo."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from datastill.base.wording import counted
from datastill.cli.console import Bar, Console
from datastill.cli.distill import made
from datastill.cli.interruption import Signals
from datastill.cli.options import Machine
from datastill.cli.tables import show_results
from datastill.runs.keeping import Keeping
from datastill.runs.specs import ClomSpec, DataSpec, DistillSpec, PoolSpec, TrainSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datastill.compute.route import Route
    from datastill.data import ImageSet
    from datastill.evaluation.plan import Result
    from datastill.evaluation.validation import Draw, Trial
    from datastill.training.fit import Epoch

MODEL, ALPHA, EPOCHS, UPDATES = "ConvNetD2W32", 10.0, 200, 150
"""Sized for two minutes on two cores: digits have 8x8 pixels, which two blocks already halve
twice."""


@dataclass(frozen=True, eq=False)
class Epochs:
    """Shows the epochs of networks that are trained. See ``validation.Watch``."""

    bar: Bar
    done: Sequence[Trial]

    def begun(self, place: str) -> None:
        """Nothing was cut off: the demo begins anew each time."""

    def seen(self, place: str, epoch: Epoch) -> None:  # noqa: ARG002
        """Show an epoch."""
        self.bar.within(len(self.done), epoch.number, EPOCHS)


@dataclass(frozen=True)
class Demo:
    """Do the whole job on scikit-learn's digits in two minutes: train, distil, validate.

    One table holds random real images, sets distilled with and without CLOM, and all real
    images against each other, at 1 and at 10 images per class, under one protocol.
    """

    save_path: Path = Path("demo")
    """Folder for all that is made; an earlier demo in it is replaced."""
    trials: int = 5
    """Networks trained on each set; on all real images two of them."""
    machine: Machine = Machine()

    def run(self) -> None:
        """Train original models, distil four sets, and hold them against real images."""
        started, console = time.perf_counter(), self.machine.console()
        bars = replace(console, terse=True)
        console.message(f"1. Train 3 original models ({MODEL}) on the real digits.")
        from datastill.datasets import load_split  # takes seconds: something is said before

        route = self.machine.route(MODEL, load_split("digits", "train").domain)
        self.train(bars)
        console.message(
            "2. Distil 1 and 10 images per class by distribution matching, without and with CLOM."
        )
        folders = {
            (ipc, clom): self.distil(ipc, clom, bars) for ipc in (1, 10) for clom in (False, True)
        }
        console.message(f"3. Train {self.trials} fresh networks on each set, and test each once.")
        real, test = load_split("digits", "train"), load_split("digits", "test")
        results = self.contest(folders, real, test, route, console)
        best, seconds = folders[1, True], time.perf_counter() - started
        look = f"import datastill; print(datastill.load('{best}').images.shape)"
        console.message(
            f"\nThe whole job took {seconds:.0f} s. Look at the images:\n"
            f"  {best / 'preview.png'}\n"
            f"and use the set, ten images in place of {len(real)}:\n"
            f'  {_command("python")} -c "{look}"\n'
            "Next, clothes, with the settings of the papers:\n"
            f"  {_command('datastill')} distill --dataset FashionMNIST --method DM --ipc 10 "
            "--iterations 500"
        )
        self.keep(results)

    def train(self, console: Console) -> None:
        """Train the original models that guide."""
        from datastill.runs.training import train

        spec = TrainSpec(
            data=DataSpec("digits"),
            compute=self.machine.compute(),
            models=(MODEL,),
            num=3,
            epochs=15,
            lr=0.05,
            batch=64,
            weight_decay=5e-4,
        )
        folder, keeping = self.save_path / "pretrained_model", Keeping(overwrite=True)
        train(spec, folder, keeping=keeping, observer=console, stop=Signals())

    def distil(self, ipc: int, clom: bool, console: Console) -> Path:
        """Make one set, and return its folder."""
        from datastill.runs.distilling import folder_of

        spec = DistillSpec(
            data=DataSpec("digits"),
            compute=self.machine.compute(),
            model=MODEL,
            ipc=ipc,
            updates=UPDATES,
            batch=64,
            pool=PoolSpec(architectures=(MODEL,), path=str(self.save_path / "pretrained_model")),
            clom=ClomSpec(alphas=(ALPHA,)) if clom else None,
        )
        folder = folder_of(spec, self.save_path / ("with-clom" if clom else "without-clom"))
        made(spec, folder, Keeping(overwrite=True), self.machine, console)
        return folder

    def contest(
        self,
        folders: dict[tuple[int, bool], Path],
        real: ImageSet,
        test: ImageSet,
        route: Route,
        console: Console,
    ) -> list[Result]:
        """Train networks on every set, print a table for each size, and return all results."""
        from datastill.base.rng import Key
        from datastill.evaluation.plan import collect
        from datastill.evaluation.validation import contest
        from datastill.store import load
        from datastill.training.coresets import CORESETS, picked
        from datastill.training.protocol import preset

        key, protocol = Key(self.machine.seed), preset("dsa", epochs=EPOCHS)
        pick = CORESETS["random"]
        everything: list[Result] = []

        def judge(sets: dict[str, Draw], trials: int) -> list[Result]:
            found: list[Trial] = []
            with console.progress("training", len(sets) * trials) as bar:
                watch = Epochs(bar, found)
                for trial in contest(
                    *(sets, test, [MODEL], protocol),
                    trials=trials,
                    key=key.at("validate"),
                    route=route,
                    watch=watch,
                ):
                    found.append(trial)
                    bar.at(len(found), f"{trial.source}: {100 * trial.accuracy:.1f} %")
            return collect(found)

        whole = judge({f"all {len(real)} real images": lambda _: real}, min(2, self.trials))
        for ipc in (1, 10):
            counts = [ipc] * len(real.domain.classes)
            sets: dict[str, Draw] = {
                "random": lambda i, counts=counts: picked(
                    pick, real, counts, key=key.at("random", i)
                )
            }
            for clom, name in ((False, "distilled"), (True, "distilled with CLOM")):
                made = load(folders[ipc, clom])
                sets[name] = lambda _, made=made: made
            found = judge(sets, self.trials)
            title = (
                f"Test accuracy, {counted(ipc, 'image')} for each of 10 classes, {EPOCHS} epochs"
            )
            show_results(title, [*found, *whole], console, timed=False)
            everything += found
        return [*everything, *whole]

    def keep(self, results: list[Result]) -> None:
        """Write every value."""
        from datastill.store import versions, write_json

        rows = [asdict(result) for result in results]
        write_json(self.save_path / "demo.json", {"versions": versions(), "results": rows})


def _command(name: str) -> str:
    # `make demo` leaves its own environment behind, which nobody has activated.
    beside = Path(sys.executable).parent / name
    here = Path.cwd()
    return str(beside.relative_to(here)) if beside.is_relative_to(here) else name
