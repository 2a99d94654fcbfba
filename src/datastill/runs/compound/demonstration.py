"""The demo: small runs on digits, and a contest between what they make and real images."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from datastill.base.errors import InputError, positive
from datastill.base.rng import Key
from datastill.base.wording import counted
from datastill.data import ImageSet
from datastill.datasets import load_split
from datastill.evaluation.plan import EvaluationPlan, Result, collect
from datastill.evaluation.validation import Draw
from datastill.report.tables import Table, results
from datastill.runs.conduct.given import Conduct
from datastill.runs.conduct.keeping import USUAL, Keeping
from datastill.runs.conduct.observer import SILENT, Observer
from datastill.runs.conduct.stop import StopRequest
from datastill.runs.folders.describing import description_in
from datastill.runs.folders.gathering import DEMO_FILE, DEMO_SETS
from datastill.runs.inputs.computing import route_of
from datastill.runs.making.distilling import distill, folder_of
from datastill.runs.making.training import train
from datastill.runs.specs import (
    ClomSpec,
    ComputeSpec,
    DataSpec,
    DistillSpec,
    PoolSpec,
    TrainSpec,
)
from datastill.runs.specs.recipes import RUN_FILE
from datastill.runs.validation.trials import TrialRunner
from datastill.store import load, pool_folder, versions, write_json
from datastill.training.coresets import CORESETS, picked
from datastill.training.protocol import preset

MODEL, ALPHA, EPOCHS, UPDATES = "ConvNetD2W32", 10.0, 200, 150
"""Sized for two minutes on two cores: digits have 8x8 pixels, which two blocks already halve
twice."""
SIZES = (1, 10)
"""Images per class."""
MADE = ((False, "distilled"), (True, "distilled with CLOM"))
"""Sets of each size, without CLOM and with it, as results call them."""


@dataclass(frozen=True)
class Demonstration:
    """What the demo does, and where.

    Attributes:
        root: folder for all that is made.
        compute: how to compute.
        trials: networks trained on each set; on all real images two of them.

    Raises:
        InputError: for fewer than one of these.
    """

    root: Path
    compute: ComputeSpec
    trials: int = 5

    def __post_init__(self) -> None:
        positive(trials=self.trials)

    @property
    def pool(self) -> Path:
        """Folder of the original models."""
        return self.root / "pretrained_model"

    @property
    def originals(self) -> TrainSpec:
        """The original models that guide."""
        return TrainSpec(
            data=DataSpec("digits"),
            compute=self.compute,
            models=(MODEL,),
            num=3,
            epochs=15,
            lr=0.05,
            batch=64,
            weight_decay=5e-4,
        )

    def require_own_models(self) -> None:
        """Refuse to replace original models that no demo made.

        Raises:
            InputError: then.
        """
        place = pool_folder(self.pool, "digits", MODEL)
        if not any(place.glob("model_*")):
            return
        held = description_in(place / RUN_FILE)
        ours = isinstance(held, TrainSpec) and replace(held, compute=self.compute) == self.originals
        if not ours:
            raise InputError(
                f"{place} holds original models that no demo made, and a demo would replace them; "
                "name another folder",
                typed=f"{place} holds original models that no demo made, and a demo would replace "
                "them; name another folder by --save-path",
            )

    def distilled(self, ipc: int, clom: bool) -> tuple[DistillSpec, Path]:
        """Return what a set follows from, and its folder."""
        spec = DistillSpec(
            data=DataSpec("digits"),
            compute=self.compute,
            model=MODEL,
            ipc=ipc,
            updates=UPDATES,
            batch=64,
        )
        if clom:
            pool = PoolSpec(architectures=(MODEL,), path=str(self.pool))
            spec = replace(spec, pool=pool, clom=ClomSpec(alphas=(ALPHA,)))
        return spec, folder_of(spec, self.root / (DEMO_SETS if clom else "without-clom"))

    def contest(self, observer: Observer) -> dict[int | None, list[Result]]:
        """Train networks on every set, and write every value.

        Returns:
            Results by images per class; those of all real images by None.
        """
        real, test = load_split("digits", "train"), load_split("digits", "test")
        whole: dict[str, Draw] = {f"all {counted(len(real), 'real image')}": lambda _: real}
        found: dict[int | None, list[Result]] = {}
        found[None] = self._judged(whole, test, min(2, self.trials), observer)
        for ipc in SIZES:
            found[ipc] = self._judged(self._sets(ipc, real), test, self.trials, observer)
        results = [
            {"ipc": ipc, **asdict(result)}  # none of all real images
            for ipc in (*SIZES, None)
            for result in found[ipc]
        ]
        table = {"versions": versions(), "epochs": EPOCHS, "results": results}
        write_json(self.root / DEMO_FILE, {**table, "sets": [*self._named()]})
        return found

    def _named(self) -> Iterator[dict[str, Any]]:
        # Where each set lies, for a page of them.
        for ipc in SIZES:
            for clom, name in MADE:
                place = self.distilled(ipc, clom)[1].relative_to(self.root)
                yield {"ipc": ipc, "source": name, "folder": place.as_posix()}

    def farewell(self, seconds: float) -> str:
        """Return what is said at the end: what it took, and what to do with it."""
        best = self.distilled(SIZES[0], True)[1]
        look = f"import datastill; print(datastill.load('{best}').images.shape)"
        return (
            f"\nThe whole job took {seconds:.0f} s. Look at the images:\n"
            f"  {best / 'preview.png'}\n"
            f"and use the set, ten images in place of 1347:\n"
            f'  {_command("python")} -c "{look}"\n'
            "All of it on one page, to be opened in a browser:\n"
            f"  {_command('datastill')} report {self.root}\n"
            "Next, clothes, with the settings of the papers:\n"
            f"  {_command('datastill')} distill --dataset FashionMNIST --method DM --ipc 10 "
            "--iterations 500"
        )

    def _sets(self, ipc: int, real: ImageSet) -> dict[str, Draw]:
        pick, counts = CORESETS["random"], [ipc] * len(real.domain.classes)
        key = Key(self.compute.seed).at("random")
        sets: dict[str, Draw] = {"random": lambda i: picked(pick, real, counts, key=key.at(i))}
        for clom, name in MADE:
            made = load(self.distilled(ipc, clom)[1])
            sets[name] = lambda _, made=made: made
        return sets

    def _judged(
        self, sets: Mapping[str, Draw], test: ImageSet, trials: int, observer: Observer
    ) -> list[Result]:
        routes = {MODEL: route_of(self.compute, MODEL, test.domain)}
        key, protocol = Key(self.compute.seed).at("validate"), preset("dsa", epochs=EPOCHS)
        plan = EvaluationPlan(sets, test, protocol, routes, trials, key)
        runner = TrialRunner({}, None, Conduct.of(USUAL, observer, None), routes, [])
        with observer.progress("training", plan.total) as steps:
            for done, trial in enumerate(runner.run([plan], steps=steps), 1):
                steps.at(done, f"{trial.source}: {100 * trial.accuracy:.1f} %")
        return collect(runner.found)


def demonstrate(
    demo: Demonstration, observer: Observer = SILENT, stop: StopRequest | None = None
) -> Iterator[Table | str]:
    """Do the whole job, and yield what a person is told: lines, and tables of what came of it.

    Args:
        demo: what is done, and where; what an earlier one left there is replaced.
        observer: watches each run.
        stop: asks to stop.

    Raises:
        InputError: where original models lie that no demo made.
    """
    keeping, started = Keeping(overwrite=True), time.perf_counter()
    demo.require_own_models()
    yield f"1. Train {demo.originals.num} original models ({MODEL}) on the real digits."
    train(demo.originals, demo.pool, keeping=keeping, observer=observer, stop=stop)
    sizes = " and ".join(map(str, SIZES))
    yield f"2. Distil {sizes} images per class by distribution matching, without and with CLOM."
    for ipc in SIZES:
        for clom in (False, True):
            made = demo.distilled(ipc, clom)
            distill(*made, keeping=keeping, observer=observer, stop=stop)
    yield f"3. Train {counted(demo.trials, 'fresh network')} on each set, and test each once."
    found = demo.contest(observer)
    for ipc in SIZES:
        title = f"{counted(ipc, 'image')} for each of 10 classes, {EPOCHS} epochs"
        rows = [*found[ipc], *found[None]]
        yield results(f"Test accuracy, {title}", rows, timed=False)
    yield demo.farewell(time.perf_counter() - started)


def _command(name: str) -> str:
    # `make demo` leaves its own environment behind, which nobody has activated.
    beside = Path(sys.executable).parent / name
    here = Path.cwd()
    return str(beside.relative_to(here)) if beside.is_relative_to(here) else name
