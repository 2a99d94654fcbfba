"""Choose a set by an assessment: a snapshot of a distillation, or one of finished sets."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from datastill.base.errors import of_kind, whole
from datastill.data import ImageSet
from datastill.evaluation.assessments import Evidence, Score
from datastill.evaluation.scores import assess

K = TypeVar("K", bound=Hashable)

KEPT = 3
"""Of so many sets one is kept for the next rung."""


class Seen(Protocol):
    """What is there after an update, such as the ``Snapshot`` of a distillation."""

    @property
    def step(self) -> int:
        """So many updates were made."""
        ...

    @property
    def synthetic(self) -> ImageSet:
        """The set as it is then."""
        ...


S = TypeVar("S", bound=Seen)


@dataclass(frozen=True, eq=False)
class Choice(Generic[S]):
    """The snapshot that an assessment likes best of those that it has seen.

    Attributes:
        snapshot: that one; of equal ones the last, which the method worked on longest.
        scores: what the assessment said of each that it saw, by the number of updates.
    """

    snapshot: S
    scores: Mapping[int, Score]

    @property
    def score(self) -> Score:
        """The best of the scores."""
        return self.scores[self.snapshot.step]


@dataclass(frozen=True, eq=False)
class Selector:
    """An assessment that looks at a distillation every so many updates, without a test set.

    Attributes:
        name: of the assessment, see ``scores``.
        evidence: about any set of the same kind; each snapshot takes its place.
        every: so many updates.
    """

    name: str
    evidence: Evidence
    every: int

    def __post_init__(self) -> None:
        whole(every=self.every)
        of_kind(str, "the name of an assessment", name=self.name)
        of_kind(Evidence, "an Evidence", evidence=self.evidence)

    def looks(self, step: int, updates: int) -> bool:
        """Tell whether it looks after ``step`` of so many updates; after the last it does."""
        return step % self.every == 0 or step == updates

    def after(self, choice: Choice[S] | None, snapshot: S) -> Choice[S]:
        """Return the choice after one more snapshot.

        Raises:
            InputError: when the assessment cannot score it.
        """
        (found,) = assess(self.evidence.of(snapshot.synthetic), [self.name]).values()
        if choice is None:
            return Choice(snapshot, {snapshot.step: found.score})
        scores = {**choice.scores, snapshot.step: found.score}
        better = found.score.worth >= choice.score.worth
        return Choice(snapshot if better else choice.snapshot, scores)


@dataclass(frozen=True)
class Ladder(Generic[K]):
    """What was scored rung by rung, the best third of each at the next.

    Attributes:
        scores: at the last rung that each reached, the best first: who came further comes first.
        rungs: which that was.
    """

    scores: Mapping[K, Score]
    rungs: Mapping[K, int]


def climbed(
    names: Sequence[K], rungs: Sequence[int], score: Callable[[K, int], Score]
) -> Ladder[K]:
    """Spend most on the best: score all at the first rung, and the best third of these at the next.

    What is scored at a rung follows from the rung alone, as a training from scratch does whose
    schedule ends there: one that goes on from the rung before has curves that cross. It ends
    where one is left.

    Args:
        names: of what is scored.
        rungs: in order of their costs.
        score: of one at a rung.

    Reference:
        Jamieson and Talwalkar, Non-stochastic Best Arm Identification and Hyperparameter
        Optimization, AISTATS 2016 (who keep a half).

    >>> ladder = climbed([3, 1, 2, 4], [20, 60], lambda name, rung: Score(name * rung, "lower"))
    >>> list(ladder.scores), ladder.rungs
    ([1, 2, 3, 4], {1: 60, 2: 60, 3: 20, 4: 20})
    """
    found: dict[K, tuple[Score, int]] = {}
    order = list(names)
    left = len(order)
    for rung in rungs:
        if left == 1 and found:
            break
        scores = {name: score(name, rung) for name in order[:left]}
        found |= {name: (one, rung) for name, one in scores.items()}
        order[:left] = ranked(scores)
        left = -(-left // KEPT)
    return Ladder({n: found[n][0] for n in order}, {n: found[n][1] for n in order})


def ranked(scores: Mapping[K, Score]) -> list[K]:
    """Return the names of what was scored, the best first; equal ones stay in order.

    >>> ranked({"a": Score(2, "lower"), "b": Score(1, "lower"), "c": Score(2, "lower")})
    ['b', 'a', 'c']
    """
    return sorted(scores, key=lambda name: -scores[name].worth)
