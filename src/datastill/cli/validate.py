"""datastill validate."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from datastill.base.errors import InputError
from datastill.cli.carrying import carry_out
from datastill.cli.described import asked, given
from datastill.cli.labels import SoftLabels
from datastill.cli.mirror import options
from datastill.cli.options import Data, Logs, Machine, Resuming, Which, Workers
from datastill.runs.specs import ValidateSpec


@options(ValidateSpec, without=("pool.early",))
class Validate:
    """Train fresh networks on a synthetic set and test them, each once, at its last epoch.

    Nothing is chosen on the test set. Every trial is kept, in validation.json beside the set.

    Attributes:
        dsa: train with the augmentation of DSA, 1000 epochs. Default: as published for the method.
        no_dsa: train by the protocol of DC: 300 epochs without augmentation, but on MNIST 1000 with
            crop, scale and rotate. Default: as published for the method.
        save_model: keep the trained networks in a folder 'models' beside the set.
        out: folder for the results, and a copy of the set: where its own cannot be written to.
        overwrite: forget a validation that is not finished.
    """

    dsa: bool = False
    no_dsa: bool = False
    save_model: bool = False
    out: Path | None = None
    overwrite: bool = False
    which: Which = Which()
    soft_labels: SoftLabels = SoftLabels()
    resuming: Resuming = Resuming()
    workers: Workers = Workers()
    data: Data = Data()
    logs: Logs = Logs()
    machine: Machine = Machine()

    def run(self) -> Any:
        keeping = self.resuming.keeping(overwrite=self.overwrite, logs=self.logs)
        spec, console = self.spec(), self.machine.console()
        file = self.which.file(given(self)["path"], console, spec.data)
        spec, folder = replace(spec, set=str(file)), self.out or file.parent
        more = {"save_models": self.save_model}
        return carry_out(spec, folder, console, keeping, self.workers, **more)

    def spec(self) -> ValidateSpec:
        """Return what the validation follows from."""
        spec = asked(self, ValidateSpec)
        if self.dsa + self.no_dsa + (spec.protocol is not None) > 1:
            raise InputError("--dsa, --no-dsa and --protocol exclude each other")
        return replace(spec, protocol="dsa" if self.dsa else "dc" if self.no_dsa else spec.protocol)
