"""datastill sweep."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from datastill.base.errors import InputError
from datastill.cli.console import Console
from datastill.cli.described import asked
from datastill.cli.grammar import options_of
from datastill.cli.mirror import options
from datastill.cli.options import Workers
from datastill.runs.recipes import find, kind_of
from datastill.runs.specs import KINDS, Spec
from datastill.runs.stop import Signals


@options()
class Sweep:
    """Carry out the run that a file describes many times, with other values of its options.

    Every combination gets a folder of its own in [out], and sweep.json there has what each found.
    Run again, it goes on where it stopped, adds what is new, and carries out nothing twice.

    Attributes:
        file: file that describes a run, folder of a run that has one (run.toml), or the name of a
            recipe that comes with datastill.
        over: options of the command of its kind, and their values: alphas=1,10,100 seed=0..4.
        out: folder for the runs.
        quiet: say nothing but errors.
    """

    file: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")]
    over: tuple[str, ...] = ()
    out: Path = Path("sweep")
    workers: Workers = Workers()
    quiet: bool = False

    def run(self) -> None:
        from datastill.runs.summaries import told
        from datastill.runs.sweeping import points, sweep, values_over

        console = Console(self.quiet)
        console.listen()
        specs = {name: self.spec(row) for name, row in points(values_over(self.over)).items()}
        with self.workers.executor() as executor:
            found = sweep(specs, self.out, observer=console, stop=Signals(), executor=executor)
        console.show(told(found))

    def spec(self, values: dict[str, str]) -> Spec:
        """Return what the run follows from that has these values of options."""
        from datastill.cli import load, parse

        kind = kind_of(find(self.file))
        if kind not in KINDS:
            raise InputError(f"{self.file} is for 'datastill {kind}', of which there is no sweep")
        known, words = options_of(load(kind)), list[str]()
        for name, value in values.items():
            bare = name in known and known[name].bare
            words += [value] if bare else [f"--{name}={value}"]
        command = parse([kind, *words], self.file)
        own = getattr(command, "spec", None)
        return asked(command, KINDS[kind]) if own is None else own()
