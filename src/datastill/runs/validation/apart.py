"""Networks that are trained as pieces of a run, and what they reached, known to the whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from datastill.evaluation.plan import EvaluationPlan
from datastill.evaluation.validation import Trial
from datastill.networks import find
from datastill.runs.conduct.given import Conduct
from datastill.runs.executors.pieces import keep_trials, trials_of
from datastill.runs.executors.spreading import spread
from datastill.runs.specs import Spec
from datastill.runs.specs.validating import WHOLE
from datastill.runs.validation.trials import TrialRunner, Unkept
from datastill.store import locked

Place = tuple[str, str, int]
"""Set, architecture and number of a network."""


def known_of_pieces(
    spec: Spec,
    plans: Sequence[EvaluationPlan],
    runner: TrialRunner,
    folder: Path | None,
    conduct: Conduct,
) -> Mapping[Place, Trial]:
    """Have an executor train what is not done, and return all that was trained as pieces.

    Args:
        spec: of the whole.
        plans: that pieces are of: of sets, and of all real images, if there are two.
        runner: knows what is done.
        folder: of the results; None where nothing is kept.
        conduct: how it is carried out.
    """
    done = {(one.source, one.model, one.number) for one in runner.found[runner.past :]}
    with nullcontext(folder) if folder is not None else TemporaryDirectory() as place:
        done.update(trials_of(spec, place, runner.asked))
        units = [one for one in spec.units() if not done.issuperset(_places(one.address, plans))]
        spread(units, place, conduct)
        return trials_of(spec, place, runner.asked)


def train_apart(
    address: str,
    plans: Sequence[EvaluationPlan],
    asked: Mapping[str, Any],
    place: Path,
    conduct: Conduct,
) -> None:
    """Train one network on all sets of its plan, and keep what it reached.

    Args:
        address: of the piece.
        plans: that pieces are of: of sets, and of all real images, if there are two.
        asked: all that the results follow from.
        place: where they are kept.
        conduct: how it is carried out.
    """
    plan, model, number = _of(address, plans)
    with locked(place), conduct.observer.progress("training", len(plan.sets)) as steps:
        watch, found = Unkept(conduct.stop, lambda _: None), list[Trial]()
        for source in plan.sets:
            found += plan.trials(source, model, range(number, number + 1), watch)
            steps.at(len(found), source)
        keep_trials(found, asked, place)


def _places(address: str, plans: Sequence[EvaluationPlan]) -> Iterable[Place]:
    plan, model, number = _of(address, plans)
    return ((source, model, number) for source in plan.sets)


def _of(address: str, plans: Sequence[EvaluationPlan]) -> tuple[EvaluationPlan, str, int]:
    # Pieces of the second plan, on all real images, say so.
    path, _, number = address.rpartition("/")
    second = path.startswith(WHOLE) and len(plans) > 1
    model, _ = find(path.removeprefix(WHOLE) if second else path)
    return plans[second], model, int(number)
