"""Options that several commands share."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from datastill.cli.console import Console
from datastill.cli.mirror import options
from datastill.runs.conduct.keeping import Keeping
from datastill.runs.conduct.observer import tell_log
from datastill.runs.specs import ComputeSpec, DataSpec


@options(DataSpec, at="data.", without=("data.name", "data.path"))
class Data:
    """How a dataset is read."""


@options()
class Talk:
    """What is said, and how.

    Attributes:
        quiet: say nothing but errors.
        json: print what was found as one JSON object, and nothing else on stdout.
    """

    quiet: bool = False
    json: bool = False

    def console(self, *, plain: bool = False) -> Console:
        """Return what says things, those too that the library has to say."""
        console = Console(self.quiet, plain, aside=self.json)
        tell_log(console.message)
        return console


@options(ComputeSpec, at="compute.")
class Machine:
    """How to compute.

    Attributes:
        recipe: read options from this file, or from a recipe that comes with datastill, by its
            name, such as FashionMNIST-DM-10-clom; those on the command line win.
        plain: tell progress line by line, on a terminal too.
    """

    recipe: Path | None = None
    plain: bool = False
    talk: Talk = Talk()

    def console(self) -> Console:
        return self.talk.console(plain=self.plain)

    @property
    def origin(self) -> dict[str, str | None]:
        """What a set remembers of where its options came from."""
        return {"recipe": None if self.recipe is None else self.recipe.name}


@options()
class Logs:
    """Where the course of a run is told and written, besides log.jsonl.

    Attributes:
        tensorboard: write to TensorBoard too, in a folder 'tensorboard' beside log.jsonl.
        trackio: write to Trackio too; its dashboard shows the runs of each dataset.
    """

    tensorboard: bool = False
    trackio: bool = False

    @property
    def sinks(self) -> tuple[str, ...]:
        """The names of what is written besides log.jsonl."""
        return tuple(name for name in ("tensorboard", "trackio") if getattr(self, name))


@options()
class Resuming:
    """What becomes of a run that is cut off, and who follows it.

    Attributes:
        resume: go on with the run of the same options that was cut off here, as if it had not been,
            or with a finished one of fewer updates, or of fewer networks that validate; from the
            start if there is none. Without it a run that is not finished is refused; but a study
            always goes on.
        checkpoint_minutes: minutes between two checkpoints, to resume from; 0 for one at every
            update or epoch. A network that is trained is always kept.
        report_minutes: minutes between two pages, report.html in the folder of the run, on which a
            browser follows it; 0 for none.
    """

    resume: bool = False
    checkpoint_minutes: float = 5.0
    report_minutes: float = 0.0

    def keeping(self, *, overwrite: bool = False, logs: Logs | None = None) -> Keeping:
        """Return what is kept of the run."""
        sinks, minutes = logs.sinks if logs else (), self.report_minutes
        return Keeping(self.resume, overwrite, self.checkpoint_minutes, sinks, minutes)


@options()
class Workers:
    """Who carries out what can be done side by side.

    Attributes:
        jobs: processes that work side by side, each with its share of the cores. Default: one.
        on: in their place ray, started on this machine, or a cluster of it by ray:ADDRESS.
    """

    jobs: int | None = None
    on: str | None = None

    def executor(self) -> AbstractContextManager[Any]:
        from datastill.runs.executors.named import executor_named

        return executor_named(self.jobs, self.on)


@options()
class Which:
    """A set by what it was made from, for want of a path.

    Attributes:
        method: method by which to find the set.
        ipc: images per class by which to find the set, as 'datastill distill' was told.
        save_path: folder for synthetic sets.
    """

    method: str = "DM"
    ipc: int | str = 10
    save_path: Path = Path("condensed")

    def file(self, path: Path | str | None, console: Console, data: DataSpec | str | None) -> Path:
        """Return the file of the set at a path, or of the one named: ``filing.named_or_found``."""
        from datastill.runs.folders.filing import named_or_found

        return named_or_found(path, data, vars(self), vars(Which()), console)
