"""datastill sweep."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from datastill.base.errors import InputError
from datastill.cli.about import load
from datastill.cli.described import asked
from datastill.cli.grammar import filled, options_of
from datastill.cli.mirror import File, options
from datastill.cli.options import Talk, Workers
from datastill.cli.recipe import values_of_recipe
from datastill.cli.sense import taken_apart
from datastill.runs.conduct.stop import Signals
from datastill.runs.specs import KINDS, Spec
from datastill.runs.specs.recipes import find, kind_of


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
    """

    file: File
    over: tuple[str, ...] = ()
    out: Path = Path("sweep")
    workers: Workers = Workers()
    talk: Talk = Talk()

    def run(self) -> Any:
        from datastill.runs.compound.sweeping import different, sweep, values_over
        from datastill.runs.showing.summaries import told

        console, over = self.talk.console(), values_over(self.over)
        made, own = self.maker()
        specs = different(made, over, own)
        with self.workers.executor() as executor:
            found = sweep(specs, self.out, observer=console, stop=Signals(), executor=executor)
        console.show(told(found))
        return found

    def maker(self) -> tuple[Callable[[Mapping[str, str]], Spec], set[str]]:
        """Return what makes the run of the file, read once, of other values, and own options."""
        kind = kind_of(find(self.file))
        if kind not in KINDS:
            raise InputError(f"{self.file} is for 'datastill {kind}', of which there is no sweep")
        known = options_of(load(kind))
        said = values_of_recipe(taken_apart((), known, kind), known, self.file)

        def made(values: Mapping[str, str]) -> Spec:
            bare = {name for name in values if name in known and known[name].bare}
            words = [one if name in bare else f"--{name}={one}" for name, one in values.items()]
            typed = filled(load(kind), taken_apart(words, known, kind).values(said, known))
            own = getattr(typed, "spec", None)
            return asked(typed, KINDS[kind]) if own is None else own()

        return made, {name for name, one in known.items() if not one.path}
