"""datastill distill."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datastill.cli.carrying import carry_out
from datastill.cli.described import USUAL_MODEL, asked, given, repeated
from datastill.cli.mirror import options
from datastill.cli.options import Data, Logs, Machine, Resuming
from datastill.cli.settings import Settings
from datastill.report.commands import typed
from datastill.runs.specs import DistillSpec

if TYPE_CHECKING:
    from datastill.runs.making.ranks import Ranks


@options(DistillSpec, without=("pool.early",))
class Distill:
    """Make a small synthetic set from the real training images.

    It goes to [save-path]/[dataset]/[method]/IPC[ipc]: synthetic.safetensors, preview.png,
    settings.json, log.jsonl, distill.state, evolution.safetensors, and run.toml, which repeats it.
    No test image is read.

    Attributes:
        save_path: folder for synthetic sets.
        overwrite: replace the run that is there.
    """

    save_path: Path = Path("condensed")
    overwrite: bool = False
    settings: Settings = Settings()
    resuming: Resuming = Resuming()
    data: Data = Data()
    logs: Logs = Logs()
    machine: Machine = Machine()

    def run(self) -> Any:
        from datastill.runs.making.ranks import led

        return led(self.distilled, given(self)["device"])

    def distilled(self, ranks: Ranks | None) -> Any:
        spec, console = asked(self, DistillSpec), self.machine.console()
        keeping = self.resuming.keeping(overwrite=self.overwrite, logs=self.logs)
        from datastill.runs.folders.filing import filed
        from datastill.runs.making.distilling import folder_of, judged_by

        folder = filed(spec, folder_of(spec, self.save_path), keeping, console)
        facts = self.machine.origin
        made = carry_out(spec, folder, console, keeping, facts=facts, ranks=ranks)
        if (plan := made.plan) is None:
            console.message(f"look at {folder / 'preview.png'}, then:\n  {_next(spec, folder)}")
            return made
        judging = judged_by(spec, folder, plan.networks)
        return [made, carry_out(judging, folder, console, replace(keeping, overwrite=False))]


def _next(spec: DistillSpec, path: Path) -> str:
    again = repeated(spec.data) if ":" in str(spec.data.name) else {}
    model = None if spec.model == USUAL_MODEL else spec.model
    return typed("validate", path, model=model, **again, **repeated(spec.compute), against="random")
