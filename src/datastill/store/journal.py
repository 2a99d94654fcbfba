"""The course of a run, written where people look: a file of lines, TensorBoard, Trackio."""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from datastill.base.errors import InputError, told
from datastill.base.libraries import installing
from datastill.base.wording import listed
from datastill.store.files import writing

LOG_FILE = "log.jsonl"
TENSORBOARD_FOLDER = "tensorboard"


class Sink(Protocol):
    """Takes numbers by name."""

    def __call__(self, values: Mapping[str, float], step: int) -> None: ...


@dataclass(frozen=True)
class Run:
    """What a run is called.

    Attributes:
        project: what it belongs to: the dataset.
        name: of the run.
        settings: what its result follows from.
    """

    project: str
    name: str
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Journal:
    """Writes events: to ``log.jsonl`` all of them, to other sinks the numbers of each step.

    Attributes:
        file: of lines, each a JSON object.
        sinks: others.
    """

    file: Path
    sinks: Sequence[Sink] = ()

    @property
    def path(self) -> Path:
        """The folder of the run."""
        return self.file.parent

    @property
    def length(self) -> int:
        """Bytes that were written so far; see ``rewind``."""
        return self.file.stat().st_size if self.file.exists() else 0

    def take(self, other: Path) -> None:
        """Write all events of another journal behind those of this one.

        Raises:
            InputError: when the file cannot be written.
        """
        with writing(self.file.parent), self.file.open("ab") as file:
            file.write(other.read_bytes())

    def log(self, event: str, *, of: str = "", **values: Any) -> None:
        """Append an event.

        Args:
            event: what happened.
            of: what its numbers are of, said before their names in other sinks.
            values: with a ``step``, its numbers go to other sinks too.

        Raises:
            InputError: when the file cannot be written.
        """
        with writing(self.file.parent), self.file.open("a", encoding="utf-8", newline="\n") as file:
            file.write(json.dumps({"event": event, **values}) + "\n")
        if "step" not in values:
            return
        numbers = {
            f"{of} {name}".strip(): float(value)
            for name, value in values.items()
            if name not in ("step", "number")
            and isinstance(value, int | float)
            and math.isfinite(value)
        }
        for sink in self.sinks:
            sink(numbers, values["step"])


def rewind(file: Path, length: int) -> None:
    """Forget what was written after a file of lines had a length: it will be done again."""
    with writing(file.parent):
        if file.exists() and file.stat().st_size > length:
            os.truncate(file, length)


@contextmanager
def open_journal(file: Path, run: Run, sinks: Sequence[str] = ()) -> Generator[Journal]:
    """Open a journal, making its folder, and close its sinks at the end.

    Args:
        file: to append lines to.
        run: what it is called.
        sinks: ``"tensorboard"``, which writes to a folder of that name beside the file, and
            ``"trackio"``.
    """
    require_sinks(sinks)
    with writing(file.parent):
        file.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        yield Journal(file, [stack.enter_context(SINKS[name](file.parent, run)) for name in sinks])


def require_sinks(names: Sequence[str]) -> None:
    """Refuse sinks whose library is not installed.

    Raises:
        InputError: saying how to install it.
    """
    for name in names:
        if name not in SINKS:
            raise InputError(f"`sinks`: there is none called {told(name)}; take {listed([*SINKS])}")
        if find_spec(name) is None:
            raise InputError(f"--{name} needs a library: {installing(name)}")


@contextmanager
def _tensorboard(folder: Path, run: Run) -> Generator[Sink]:
    from torch.utils.tensorboard import SummaryWriter

    with writing(folder):
        writer: Any = SummaryWriter(str(folder / TENSORBOARD_FOLDER / run.name.replace(":", ".")))

    def write(values: Mapping[str, float], step: int) -> None:
        with writing(folder):
            for name, value in values.items():
                writer.add_scalar(name, value, step)

    try:
        with writing(folder):
            said = json.dumps(dict(run.settings), indent=2)
            writer.add_text("settings", f"```json\n{said}\n```")
        yield write
    finally:
        with writing(folder):
            writer.close()


@contextmanager
def _trackio(_: Path, run: Run) -> Generator[Sink]:
    import trackio  # pyright: ignore[reportMissingImports]

    library: Any = trackio

    def write(values: Mapping[str, float], step: int) -> None:
        library.log(dict(values), step=step)

    with contextlib.redirect_stdout(io.StringIO()):  # it says where it writes; so does the command
        library.init(project=run.project, name=run.name, config=dict(run.settings), embed=False)
    try:
        yield write
    finally:
        with contextlib.redirect_stdout(io.StringIO()):
            library.finish()


SINKS: dict[str, Callable[[Path, Run], contextlib.AbstractContextManager[Sink]]] = {
    "tensorboard": _tensorboard,
    "trackio": _trackio,
}
