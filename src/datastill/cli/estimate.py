"""datastill estimate."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from datastill.cli.console import Console
from datastill.cli.data import Data
from datastill.cli.options import Machine, MaybeInt, MaybePath, load, positive

if TYPE_CHECKING:
    from datastill.data import Domain
    from datastill.forecast import Cost, Rates
    from datastill.methods import Published


@dataclass(frozen=True)
class Estimate:
    """Tell how long a run will take, and how much memory, before it is started.

    It times the parts that the run is made of, for a few seconds, on this machine as it now is.
    """

    dataset: str
    """Name of a dataset such as CIFAR10, path of your own images, or hf:NAME on the hub."""
    data_path: MaybePath = None
    """Folder with its files. Default: ./data/[dataset], then where system packages put them."""
    method: str = "DM"
    """DM, DC or DSA."""
    model: str = "ConvNet"
    """Architecture of the networks."""
    ipc: int = 10
    """Images per class."""
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
    data: Data = Data()
    machine: Machine = Machine()

    def run(self) -> None:
        """Measure, and print the terms."""
        positive(
            ipc=self.ipc,
            iterations=self.iterations,
            batch_real=self.batch_real,
            outer_loop=self.outer_loop,
            inner_loop=self.inner_loop,
            num_eval=self.num_eval,
        )
        from datastill import forecast
        from datastill.datasets import load_test
        from datastill.methods import METHODS
        from datastill.protocol import preset

        method = METHODS.spelling(self.method)
        published = self.adjusted(METHODS[method](self.ipc))
        console = Console(self.machine.quiet)
        reading = self.data.reading(console)
        real = load(self.dataset, "train", self.data_path, "cpu", reading)
        test = load_test(self.dataset, self.data_path, reading, like=real.domain) or real
        domain = real.domain
        rates = self.rates(self.model, domain, published)
        classes, route = len(domain.classes), self.machine.route(self.model, domain)
        pool = [self.rates(name, domain, published).pixels for name in self.models_pool]
        update = forecast.update(
            published.method,
            rates,
            ipc=self.ipc,
            classes=classes,
            batch=min(self.batch_real, max(real.counts)),
            teachers=sum(pool) / len(pool) if pool else 0.0,
        )
        judged = forecast.validation(
            preset(published.protocol), rates, images=self.ipc * classes, tested=len(test)
        )
        held = forecast.memory(
            *(published.method, rates, domain),
            real=len(real),
            ipc=self.ipc,
            batch=self.batch_real,
            route=route,
        )
        console.say(
            f"{method} on {domain.name}, {self.ipc} images for each of {classes} classes, "
            f"{self.model}, {'kernels' if route.kernels else 'no kernels'}"
        )
        _show("One update", update, "seconds", 1.0, console)
        _show("Validating by one network", judged, "seconds", 1.0, console)
        _show("Memory", held, "GiB", 2.0**30, console)
        updates = self.iterations or published.updates
        console.say(
            f"{updates} updates: {_duration(updates * update.seconds)}; "
            f"{self.num_eval} networks: {_duration(self.num_eval * judged.seconds)}; "
            f"together {_duration(updates * update.seconds + self.num_eval * judged.seconds)}"
        )

    def adjusted(self, published: Published) -> Published:
        """Return the published settings with the loops that were given."""
        given = {"outer_loop": self.outer_loop, "inner_loop": self.inner_loop}
        changed: Any = published.method
        known = {k: v for k, v in given.items() if v is not None and hasattr(changed, k)}
        return replace(published, method=replace(changed, **known))

    def rates(self, model: str, domain: Domain, published: Published) -> Rates:
        """Measure an architecture."""
        from datastill.augment import dsa, usual_strategy
        from datastill.forecast import measured

        policy = dsa(usual_strategy(domain) if published.augmented else "none")
        return measured(model, domain, policy, self.machine.route(model, domain))


def _show(title: str, cost: Cost, unit: str, divisor: float, console: Console) -> None:
    rows = [
        (name, f"{value / divisor:.3f}", f"{100 * value / cost.seconds:.0f} %")
        for name, value in cost.terms.items()
    ]
    rows.append(("together", f"{cost.seconds / divisor:.3f}", ""))
    console.table(title, ("", unit, "share"), rows)


def _duration(seconds: float) -> str:
    """Say a duration as people do.

    >>> _duration(42), _duration(600), _duration(9000)
    ('42 s', '10 min', '2.5 h')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
