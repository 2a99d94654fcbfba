"""Original models that methods need, as a distillation and a study find them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from datastill.base.errors import InputError
from datastill.base.rng import Key
from datastill.data import ImageSet
from datastill.distillation.methods import Published, Task
from datastill.distillation.methods.base import Need
from datastill.identity import described
from datastill.networks import build, find
from datastill.runs.inputs.originals import Shelf
from datastill.runs.specs import StudySpec
from datastill.training.pool import Pool, Trajectory, freeze, trajectories


@dataclass(frozen=True, eq=False)
class Needed:
    """What a task holds besides real images, for a method that needs it.

    Attributes:
        trajectories: original models on their way: all of it, or two ends.
        originals: original models as they are.
    """

    trajectories: Sequence[Trajectory] = ()
    originals: Pool = ()


Finder = Callable[[frozenset[Need]], Needed]
"""Returns what needs ask for."""


def nothing(needs: frozenset[Need]) -> Needed:
    """Return no models, whatever is needed."""
    del needs
    return Needed()


def needed(
    needs: frozenset[Need], shelf: Shelf, model: str, num: int | None, epoch: int | None
) -> Needed:
    """Read the original models that a method needs.

    Args:
        needs: what it needs.
        shelf: where they are.
        model: their architecture.
        num: how many of them go their way; None for all.
        epoch: after which they end; None for their last.

    Raises:
        InputError: when they are not there.
    """
    ways: Sequence[Trajectory] = ()
    if "trajectories" in needs:
        ways = shelf.trajectories(model, num)
    elif "ends" in needs:
        ways = trajectories(shelf.load([model], num, epoch=epoch))
    return Needed(ways, shelf.load([model], 1, epoch=epoch) if "originals" in needs else ())


def of_study(spec: StudySpec, real: ImageSet, own: Path | None) -> Finder:
    """Return what finds the models that methods of a study need: those that guide in it.

    Args:
        spec: of the study.
        real: training images.
        own: where models are that the study trained itself; None before it has, when others of
            as many epochs stand for them.
    """
    judges = spec.judges
    place, num = spec.guides or judges.path or own, None if spec.guides else judges.num
    if place is None:
        return cache(partial(_foreseen, spec, real))  # asked for every set that is wanted
    shelf = Shelf(place, real)
    epoch = judges.pool_epochs if judges.path is None else judges.epoch
    epoch = None if spec.guides else epoch

    @cache
    def found(needs: frozenset[Need]) -> Needed:
        return needed(needs, shelf, spec.model, num, epoch)

    return found


def _foreseen(spec: StudySpec, real: ImageSet, needs: frozenset[Need]) -> Needed:
    if not needs:
        return Needed()
    name, judges = find(spec.model)[0], spec.judges
    own = [find(one)[0] for one in judges.architectures]
    if name not in own:
        raise InputError(
            f"the study trains original models of {' '.join(own)} alone, and this needs {name}; "
            "name it in `judges.architectures` too"
        )
    network = build(name, real.domain, key=Key(0)).to(real.images.device)
    some = judges.early_epochs if "trajectories" in needs else ()
    way = [
        freeze(network, name, real.domain, {"epoch": epoch})
        for epoch in (0, *some, judges.pool_epochs)
    ]
    return Needed((way,) if needs - {"originals"} else (), way[-1:])


def experts(task: Task) -> dict[str, Any]:
    """Return which original models were followed on their way, if any were."""
    if not task.trajectories:
        return {}
    known = [member for one in task.trajectories for member in one if member.facts["epoch"]]
    return {"trajectories": {"originals": described(known)}}


def compared_under(published: Published, task: Task) -> dict[str, Any] | None:
    """Return what is written down of the one under which images are compared, if one is needed."""
    if "originals" not in published.needs:
        return None
    return {"originals": described(task.originals)}
