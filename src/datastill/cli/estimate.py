"""datastill estimate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from datastill.base.wording import counted, duration
from datastill.cli.console import Console
from datastill.cli.data import Data
from datastill.cli.options import Flag, Ipc, Machine, MaybeInt, MaybePath, SomeTexts, positive
from datastill.cli.settings import settings_of
from datastill.runs.quota import in_words
from datastill.runs.specs import ClomSpec, DistillSpec, PoolSpec

if TYPE_CHECKING:
    from datastill.compute.measuring import Answer
    from datastill.runs.estimating import Estimate as Found
    from datastill.runs.forecast import Cost


@dataclass(frozen=True)
class Estimate:
    """Tell how long a run will take, and how much memory, before it is started.

    A few updates are carried out, and training is timed, for some seconds, on this machine as it
    now is. It tells what --engine auto takes.
    """

    dataset: str
    """Name of a dataset such as CIFAR10, path of your own images, or hf:NAME on the hub."""
    data_path: MaybePath = None
    """Folder with its files. Default: ./data/[dataset], then where system packages put them."""
    method: str = "DM"
    """How the set is distilled: {METHODS}."""
    model: str = "ConvNet"
    """Architecture of the networks, or module:function for one of your own."""
    ipc: Ipc = 10
    """Synthetic images per class; of some: cat=5,rest=10; by their real ones: proportional:500."""
    iterations: MaybeInt = None
    """Updates of the set. Default: published."""
    batch_real: int = 256
    """Real images of each class that an update sees."""
    outer_loop: MaybeInt = None
    """DC, DSA: updates under one network before the next. Default: published."""
    inner_loop: MaybeInt = None
    """DC, DSA: epochs by which the network ages between updates. Default: published."""
    setting: SomeTexts = ()
    """Settings of the method that have no option here, by their names: syn_steps=10 of MTT."""
    tiles: MaybeInt = None
    """Smaller images along a side of each. Default: published (1)."""
    models_pool: tuple[str, ...] = ()
    """Architectures of original models, for a run with CLOM."""
    num_eval: int = 5
    """Networks to validate by."""
    forget: Flag = False
    """Forget which engine was found fastest, for all architectures on this machine, and measure
    again."""
    data: Data = Data()
    machine: Machine = Machine()

    def run(self) -> None:
        """Measure, and print the terms."""
        self.check()
        from datastill.compute import measuring
        from datastill.runs.estimating import estimate

        if self.forget:
            measuring.forget()
        console = self.machine.console()
        show(estimate(self.spec(), trials=self.num_eval, observer=console), console)

    def spec(self) -> DistillSpec:
        """Return the run that it is about."""
        loops: dict[str, Any] = {"outer_loop": self.outer_loop, "inner_loop": self.inner_loop}
        if self.setting:
            from datastill.distillation.methods import METHODS

            loops |= settings_of(self.setting, METHODS[self.method](1).method)
        return DistillSpec(
            data=self.data.spec(self.dataset, self.data_path),
            compute=self.machine.compute(),
            method=self.method,
            model=self.model,
            ipc=self.ipc,
            updates=self.iterations,
            batch=self.batch_real,
            tiles=self.tiles,
            settings={name: value for name, value in loops.items() if value is not None},
            pool=PoolSpec(architectures=self.models_pool),
            clom=ClomSpec(alphas=(1.0,)) if self.models_pool else None,
        )

    def check(self) -> None:
        """Refuse options that make no sense."""
        positive(
            iterations=self.iterations,
            batch_real=self.batch_real,
            outer_loop=self.outer_loop,
            inner_loop=self.inner_loop,
            num_eval=self.num_eval,
        )


def show(found: Found, console: Console) -> None:
    """Print the terms of what a run will cost."""
    about = f"{found.method} on {found.dataset}, {in_words(found.counts)}, {found.engines[0].model}"
    console.message(f"{about}, on {found.device}")
    for engine in found.engines:
        console.message(str(engine) + ("" if engine.why is None else f"; {_reason(engine.why)}"))
    if found.share < 1:
        console.message(
            f"an update was tried with {100 * found.share:.0f} % of its images, for it takes long; "
            "what it takes with all of them is worked out"
        )
    _show("One update", found.update, "seconds", 1.0, console)
    _show("Validating by one network", found.trial, "seconds", 1.0, console)
    _show("Memory", found.memory, "GiB", 2.0**30, console)
    updates, trials = found.updates * found.update.seconds, found.trials * found.trial.seconds
    console.message(
        f"{counted(found.updates, 'update')}: {duration(updates)}; "
        f"{counted(found.trials, 'network')}: {duration(trials)}; "
        f"together {duration(found.seconds)}"
    )


def _reason(answer: Answer) -> str:
    took = ", ".join(f"{way} {seconds:.3g} s" for way, seconds in answer.seconds.items())
    when = "measured before; --forget measures again"
    if answer.measured:
        steady = "remembered" if answer.steady else "not remembered, for timings scatter"
        when = f"measured now, {steady}"
    return f"a training step on {counted(answer.images, 'image')}: {took} ({when})"


def _show(title: str, cost: Cost, unit: str, divisor: float, console: Console) -> None:
    rows = [
        (name, f"{value / divisor:.3f}", f"{100 * value / cost.seconds:.0f} %")
        for name, value in cost.terms.items()
    ]
    rows.append(("together", f"{cost.seconds / divisor:.3f}", ""))
    console.table(title, ("", unit, "share"), rows)
