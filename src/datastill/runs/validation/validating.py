"""A set validated: fresh networks are trained on it and tested, and every value lies beside it."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from datastill.base.errors import InputError, truth
from datastill.base.usual import as_usual
from datastill.base.wording import counted
from datastill.data import ImageSet
from datastill.evaluation.plan import EvaluationPlan, Result, collect
from datastill.evaluation.validation import Trial
from datastill.runs.conduct.futures import Executor
from datastill.runs.conduct.given import Conduct, require_kinds
from datastill.runs.conduct.keeping import USUAL, Keeping
from datastill.runs.conduct.observer import SILENT, Observer
from datastill.runs.conduct.stop import StopRequest
from datastill.runs.executors.pieces import forget, place_of, require_address
from datastill.runs.folders.finding import brought, results_at, set_file
from datastill.runs.folders.provenance import Provenance
from datastill.runs.inputs.computing import device_of
from datastill.runs.specs import ValidateSpec
from datastill.runs.validation.apart import known_of_pieces, train_apart
from datastill.runs.validation.finished import describe, finished_of, mend, shorter_of, trials_in
from datastill.runs.validation.plan import (
    SYNTHETIC,
    Rivals,
    prepared,
    provenance_of,
    tell_of_soft_labels,
)
from datastill.runs.validation.trials import WHEN, TrialRunner, start, unwritten
from datastill.runs.validation.validated import Validated, log_trial
from datastill.store import (
    CheckpointFile,
    Journal,
    add_validation,
    checkpoint_file,
    load,
    locked,
    log_file,
    networks_folder,
    provisional,
    require_sinks,
    rewind,
    save_member,
    stem_of,
    through_json,
    validation_file,
)
from datastill.store.results import results_in
from datastill.training.pool import freeze


@as_usual
def validate(
    spec: ValidateSpec,
    folder: Path | str | None = None,
    *,
    keeping: Keeping = USUAL,
    observer: Observer = SILENT,
    stop: StopRequest | None = None,
    save_models: bool = False,
    executor: Executor | None = None,
) -> Validated:
    """Train fresh networks on a synthetic set and test them, each once, at its last epoch.

    Args:
        spec: what the result follows from.
        folder: for the results, and a copy of the set; its own, to lie beside it; None for none.
        keeping: what becomes of a validation that is cut off, or was.
        observer: watches.
        stop: asks to stop, heeded after every epoch.
        save_models: whether to keep the networks that were trained on the set.
        executor: trains networks side by side, each as it would be here.

    Raises:
        InputError: when something does not fit together, or another validation is not finished.
        Stopped: when that was asked for.
    """
    how = {"keeping": keeping, "observer": observer, "stop": stop, "executor": executor}
    require_kinds(ValidateSpec, spec, folder, **how)
    truth(save_models=save_models)
    require_sinks(keeping.sinks)
    if folder is None and (save_models or keeping.sinks):
        raise InputError("without a `folder` nothing is written, networks and `sinks` neither")
    if save_models and executor is not None:
        raise InputError("workers keep no networks: `save_models` goes without an `executor`")
    file = set_file(Path(spec.set))
    place, written = file if folder is None else results_at(file, Path(folder)), folder is not None
    conduct = Conduct.of(keeping, observer, stop, folder and place.parent, executor)
    run = _Run.of(spec, place, conduct, written, save_models)
    with run.at_work() if written else nullcontext():
        return conduct.ended(run.finished() or run.carried_out())


def validate_piece(spec: ValidateSpec, address: str, folder: Path | str, conduct: Conduct) -> None:
    """Train one network on the set, and on all that it is compared with, and keep what it reached.

    Args:
        spec: of the whole.
        address: of the network.
        folder: for the results of the whole.
        conduct: how it is carried out.
    """
    require_address(spec, address)
    run = _Run.of(spec, set_file(Path(spec.set)), conduct, True, False)
    train_apart(address, [run.plan], run.asked, place_of(spec, folder, address), conduct)


@dataclass(frozen=True, eq=False)
class _Run:
    # A validation that is carried out; ``file`` is that of the set, beside which results are.
    spec: ValidateSpec
    made: ImageSet
    plan: EvaluationPlan
    rivals: Rivals
    file: Path
    provenance: Provenance
    conduct: Conduct
    written: bool
    save_models: bool

    @classmethod
    def of(
        cls, spec: ValidateSpec, file: Path, conduct: Conduct, written: bool, save_models: bool
    ) -> _Run:
        """Return what is to be carried out, made ready; a copy knows its own validations."""
        made = load(file if file.exists() else set_file(Path(spec.set)))
        there = made.to(device_of(spec.compute))
        plan, rivals = prepared(spec, there, str(file), conduct.observer)
        found = provenance_of(spec, made, plan, rivals, save_models=save_models)
        return cls(spec, made, plan, rivals, file, found, conduct, written, save_models)

    @contextmanager
    def at_work(self) -> Generator[None]:
        """Keep others out, and put in order what lies beside the set, a copy of it if need be."""
        file, kept = self.file, self.kept
        begun = (lambda: False) if kept is None else (lambda: kept.exists)
        with locked(file.parent, stem_of(file)), provisional(file.parent, begun, (file.name,)):
            brought(set_file(Path(self.spec.set)), file)
            mend(file, self.known, self.conduct.observer)
            yield

    @property
    def asked(self) -> dict[str, Any]:
        """All in which a validation that goes on must equal what it was."""
        return self.provenance.asked

    @property
    def kept(self) -> CheckpointFile | None:
        if not self.written:
            return None
        return checkpoint_file(self.file.parent, stem_of(self.file) + self.spec.kind)

    @property
    def known(self) -> Sequence[Mapping[str, Any]]:
        # The validations that the set knows of.
        return self.made.facts.get("validated") or ()

    def finished(self) -> Validated | None:
        """Return what was found before, where the same was asked for."""
        asked = through_json(self.asked)
        held = finished_of(self.known, asked) if self.conduct.keeping.resume else None
        if held is None:
            return None
        if self.kept is not None:
            self.kept.remove()
        self.conduct.observer.message(f"this validation of {self.file} is finished")
        return self.found(results_in(held), held)

    def carried_out(self) -> Validated:
        """Go through the trials that are not done, and write down what was found."""
        asked, keeping = self.asked, self.conduct.keeping
        shorter = shorter_of(self.known, through_json(asked)) if keeping.resume else None
        self.tell()
        runner = start(
            *(self.kept, asked, self.plan.routes, self.conduct),
            shorter=None if shorter is None else trials_in(shorter),
        )
        plan = replace(self.plan, routes=runner.routes)
        runner.check([plan])
        if not self.save_models:  # networks of pieces are not kept
            place = self.file.parent if self.written else None
            runner.known = known_of_pieces(self.spec, [plan], runner, place, self.conduct)
        results = self.results(runner, plan)
        report = {
            **self.provenance.facts(),
            "routes": {name: route.facts() for name, route in plan.routes.items()},
            "results": [asdict(result) for result in results],
            "caveats": list(self.rivals.caveats),
        }
        if self.written:
            describe(self.spec, self.file, self.conduct.observer, longer=shorter is not None)
            add_validation(self.file, report, instead=shorter)
            forget(self.spec, self.file.parent)
        if self.kept is not None:
            self.kept.remove()
        return self.found(results, through_json(report))

    def found(self, results: Sequence[Result], report: Mapping[str, Any]) -> Validated:
        """Return what was found, and where it is."""
        return Validated(
            *(results, self.rivals.caveats, len(self.made), report),
            file=validation_file(self.file) if self.written else None,
            networks=networks_folder(self.file) if self.save_models else None,
        )

    def tell(self) -> None:
        """Say what begins."""
        test, protocol, tell = self.plan.test, self.plan.protocol, self.conduct.observer.message
        tell(
            f"{self.file}: {counted(len(self.made), 'image')}, "
            f"{counted(protocol.fit.epochs, 'epoch')} {protocol.words}, "
            f"{counted(self.plan.count, 'network')}, "
            f"tested on {counted(len(test), 'image')} of {test.domain.name}"
        )
        tell_of_soft_labels([self.made], self.rivals.labeller, self.provenance, tell)
        if self.plan.rates:
            at = f"; real images are trained on at {protocol.fit.lr:g}" if self.spec.against else ""
            tell(f"the set asks for its own learning rate, {self.plan.rates[SYNTHETIC]:g}{at}")

    def results(self, runner: TrialRunner, plan: EvaluationPlan) -> list[Result]:
        """Go through the trials, keep each, and return what was found."""
        found, begun = runner.found, len(runner.found)
        if begun:
            if runner.held is not None:
                rewind(log_file(self.file), runner.logged)
            self.conduct.observer.message(f"going on after {begun} of {plan.total} networks")
        with (
            self.journal() as journal,
            self.conduct.observer.progress("training", plan.total, begun) as steps,
            self.conduct.stop.heeded(WHEN),
        ):
            length = unwritten if journal is None else (lambda: journal.length)
            for trial in runner.run([plan], length, steps=steps):
                so_far = collect(found)[-1]
                steps.at(len(found), f"{so_far.model} on {so_far.source}: {so_far.accuracies}")
                if journal is not None:
                    log_trial(trial, journal)
                if self.save_models and trial.source == SYNTHETIC:
                    self.keep(trial)
        return collect(found)

    def journal(self) -> AbstractContextManager[Journal | None]:
        """Open the journal, where one is written."""
        if not self.written:
            return nullcontext()
        name, settings = f"validate {self.file.parent.name}", {"set": str(self.file)}
        place = (log_file(self.file), self.plan.test.domain.name, name, settings)
        return self.conduct.keeping.journal(*place, self.conduct.observer)

    def keep(self, trial: Trial) -> None:
        """Write a trained network beside the set."""
        assert trial.network is not None
        facts = {"trial": trial.number, "set": str(self.file)}
        member = freeze(trial.network, trial.model, self.plan.test.domain, facts)
        model = trial.model.replace(":", ".")  # which no name of a file has everywhere
        name = f"{model}_{trial.number:03d}.safetensors"
        save_member(member, networks_folder(self.file) / name)
