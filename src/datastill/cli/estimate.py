"""datastill estimate."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from datastill.base.errors import positive
from datastill.cli.described import asked
from datastill.cli.mirror import options
from datastill.cli.options import Data, Machine
from datastill.cli.settings import Settings
from datastill.runs.specs import ClomSpec, DistillSpec


@options(
    DistillSpec,
    only=("data.name", "data.path", "method", "model", "ipc", "updates", "batch", "tiles"),
)
class Estimate:
    """Tell how long a run will take, and how much memory, before it is started.

    A few updates are carried out, and training is timed, for some seconds, on this machine as it
    now is. It tells what --engine auto takes.

    Attributes:
        models_pool: architectures of original models, for a run with CLOM.
        num_eval: networks to validate by.
        forget: forget which engine was found fastest, for all architectures on this machine, and
            measure again.
    """

    models_pool: tuple[str, ...] = ()
    num_eval: int = 5
    forget: bool = False
    settings: Settings = Settings()
    data: Data = Data()
    machine: Machine = Machine()

    def run(self) -> Any:
        spec = asked(self, DistillSpec)
        positive(trials=self.num_eval)
        if self.models_pool:
            spec = replace(spec, clom=ClomSpec(alphas=(1.0,)))
        from datastill.compute import measuring
        from datastill.runs.foresight.estimating import estimate
        from datastill.runs.showing.summaries import told

        if self.forget:
            measuring.forget()
        console = self.machine.console()
        found = estimate(spec, trials=self.num_eval, observer=console)
        console.show(told(found))
        return found
