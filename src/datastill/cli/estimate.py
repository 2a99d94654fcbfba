"""datastill estimate."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from datastill.base.wording import counted, duration
from datastill.cli.console import Console
from datastill.cli.data import Data
from datastill.cli.options import Flag, Ipc, Machine, MaybeInt, MaybePath, positive
from datastill.runs.quota import in_words, nominal, parse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datastill.compute.route import Route
    from datastill.data import Domain, ImageSet
    from datastill.distillation.methods import Published
    from datastill.runs.forecast import Cost, Rates


@dataclass(frozen=True)
class Estimate:
    """Tell how long a run will take, and how much memory, before it is started.

    It times the parts that the run is made of, for a few seconds, on this machine as it now is, and
    tells what --engine auto takes.
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
        from datastill.runs.reading import read_both

        self.check()
        from datastill.compute import measuring
        from datastill.distillation.descent import Descent, starting_counts
        from datastill.distillation.methods import METHODS
        from datastill.runs import forecast
        from datastill.training.protocol import preset

        console, device = self.machine.console(), self.machine.found()
        if self.forget:
            measuring.forget()
        method, quota = METHODS.spelling(self.method), parse(self.ipc)
        real, test = read_both(self.data.spec(self.dataset, self.data_path), "cpu", console)
        ipc = quota.counts(real)
        published = self.adjusted(METHODS[method](nominal(ipc)))
        counts = starting_counts(real, Descent(ipc=ipc, init=published.init))
        rates, route = self.rates(real.domain, published), self.route(real.domain)
        update = self.update(published, rates, real, counts)
        judged = forecast.validation(
            *(preset(published.protocol, dataset=real.domain.name), rates),
            images=sum(counts),
            tested=len(test or ()),
        )
        held = forecast.memory(
            *(published.method, rates, real.domain),
            real=len(real),
            counts=counts,
            batch=self.batch_real,
            route=route,
            device=device,
        )
        console.message(
            f"{method} on {real.domain.name}, {in_words(counts)}, {self.model}, on {device}"
        )
        for name in (self.model, *self.models_pool):
            console.message(self.engine(name, real.domain))
        _show("One update", update, "seconds", 1.0, console)
        _show("Validating by one network", judged, "seconds", 1.0, console)
        _show("Memory", held, "GiB", 2.0**30, console)
        updates = self.iterations or published.updates
        console.message(
            f"{counted(updates, 'update')}: {duration(updates * update.seconds)}; "
            f"{counted(self.num_eval, 'network')}: {duration(self.num_eval * judged.seconds)}; "
            f"together {duration(updates * update.seconds + self.num_eval * judged.seconds)}"
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

    def adjusted(self, published: Published) -> Published:
        """Return the published settings with the loops that were given."""
        given = {"outer_loop": self.outer_loop, "inner_loop": self.inner_loop}
        changed: Any = published.method
        known = {k: v for k, v in given.items() if v is not None and hasattr(changed, k)}
        return replace(published, method=replace(changed, **known))

    def update(
        self, published: Published, rates: Rates, real: ImageSet, counts: Sequence[int]
    ) -> Cost:
        """Return what one update costs."""
        from datastill.runs import forecast

        pool = [self.rates(real.domain, published, name).pixels for name in self.models_pool]
        classes = len(counts)
        return forecast.update(
            published.method,
            rates,
            ipc=sum(counts) / classes,
            classes=classes,
            batch=sum(min(self.batch_real, count) for count in real.counts) / classes,
            teachers=sum(pool) / len(pool) if pool else 0.0,
        )

    def rates(self, domain: Domain, published: Published, model: str | None = None) -> Rates:
        """Measure an architecture, by default that of the networks."""
        from datastill.augment import dsa, usual_strategy
        from datastill.runs.forecast import measured

        policy = dsa(usual_strategy(domain) if published.augmented else "none")
        route, device = self.route(domain, model), self.machine.found()
        return measured(model or self.model, domain, policy, route, device)

    def engine(self, model: str, domain: Domain) -> str:
        """Say what runs the layers of an architecture, and why."""
        from datastill.compute import kernels
        from datastill.compute.tuning import fastest

        asked, route = self.machine, self.route(domain, model)
        built = f" ({kernels.instructions()})" if route.kernels and kernels.instructions() else ""
        runs = f"{model}: {'kernels' + built if route.kernels else described(route)}"
        if (asked.engine, route.precision == "bfloat16") != ("auto", False):
            return f"{runs}, as asked"
        why = fastest(model, domain, asked.found()).why
        if why is None:
            return runs
        took = ", ".join(f"{way} {seconds:.3g} s" for way, seconds in why.seconds.items())
        firm = "remembered" if why.steady else "not remembered, for timings scatter"
        when = (
            "measured now, " + firm if why.measured else "measured before; --forget measures again"
        )
        return f"{runs}; a training step on {counted(why.images, 'image')}: {took} ({when})"

    def route(self, domain: Domain, model: str | None = None) -> Route:
        """Return how images pass an architecture, by default that of the networks."""
        return self.machine.route(model or self.model, domain)


def described(route: Route) -> str:
    """Say how PyTorch's layers run."""
    if route.compiled:
        return "compiled layers"
    return "plain layers, channels last" if route.channels_last else "plain layers"


def _show(title: str, cost: Cost, unit: str, divisor: float, console: Console) -> None:
    rows = [
        (name, f"{value / divisor:.3f}", f"{100 * value / cost.seconds:.0f} %")
        for name, value in cost.terms.items()
    ]
    rows.append(("together", f"{cost.seconds / divisor:.3f}", ""))
    console.table(title, ("", unit, "share"), rows)
