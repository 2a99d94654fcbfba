"""Score a synthetic set by many assessments at once, without a test set.

An assessment is asked for by its name, such as ``om-accuracy``: then all of the pool judges.
``om-accuracy/ConvNet`` asks the original models of one architecture alone, ``om-accuracy@5`` those
of all architectures as they were after five epochs, ``om-accuracy/ConvNet@5`` both. Of an
assessment by networks of its own (``Numbered``) ``proxy-accuracy@20`` says how long these are
trained, or how many they are, and ``proxy-accuracy/ResNet18`` of which architecture they are.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from datastill.base.costs import bill
from datastill.base.errors import InputError, countable, of_kind, suggestion, told, whole
from datastill.base.own_code import unchanged
from datastill.base.registry import folded
from datastill.base.usual import as_usual
from datastill.base.wording import listed, quoted
from datastill.data import ImageSet
from datastill.evaluation.assessments import (
    ASSESSMENTS,
    COSTLY,
    Assessment,
    Evidence,
    Need,
    Numbered,
    Score,
    needs_of,
)
from datastill.evaluation.evidence import NOT_KEPT
from datastill.networks import find
from datastill.training.pool import Pool, by_architecture, by_epoch

PARTED = "semantic"
"""The family whose assessments are also made by each part of the pool, unasked."""


@dataclass(frozen=True)
class Assessed:
    """A score, and what it cost.

    Attributes:
        score: the value and its direction; of several draws the mean.
        seconds: that it takes for a set, all that it shares with other assessments included.
        once: seconds that its share of the real side takes, however many sets there are.
        draws: the value under each draw of real images and fresh networks, where there are several.
    """

    score: Score
    seconds: float
    once: float
    draws: tuple[float, ...] = ()

    def again(self, other: Assessed) -> Assessed:
        """Return the score averaged over one more draw, and what all of them cost."""
        draws = (*(self.draws or (self.score.value,)), other.score.value)
        score = Score(math.fsum(draws) / len(draws), self.score.better)
        return Assessed(score, self.seconds + other.seconds, self.once + other.once, draws)


@as_usual
def assess(
    evidence: Evidence, names: Iterable[str] | None = None, *, draws: int = 1
) -> dict[str, Assessed]:
    """Score a set by every assessment, or by those named.

    Args:
        evidence: the set, and what it is held against.
        names: of assessments, see above; by default ``usual_names``.
        draws: of real images and fresh networks, over which every score is averaged.

    Returns:
        What each said, by its name, in the order of ``names``.

    Raises:
        InputError: for an unknown name, when the evidence does not suffice, or naming the
            assessment that found no finite value.
    """
    of_kind(Evidence, "an Evidence", evidence=evidence)
    whole(draws=draws)
    countable(draws=draws)
    chosen = [_asked(name, evidence) for name in named(names, evidence)]
    require_kept((asked.name for asked in chosen), evidence.held_out)
    found = [_assessed(asked) for asked in chosen]
    for draw in range(1, draws):
        other = evidence.redrawn(draw)
        again = [_assessed(_asked(asked.name, other)) for asked in chosen]
        found = [one.again(more) for one, more in zip(found, again, strict=True)]
    return {asked.name: one for asked, one in zip(chosen, found, strict=True)}


def named(names: Any, evidence: Evidence) -> list[str]:
    """Return names of assessments as a list: the usual ones for None, a single one for a text.

    Raises:
        InputError: for anything but names.
    """
    if names is None:
        return usual_names(evidence)
    wanted = "names of assessments"
    if isinstance(names, bytes) or not getattr(names, "ndim", 1):
        raise InputError(f"`names` must be {wanted}, found {told(names)}")
    of_kind(Iterable, wanted, names=names)
    found = [names] if isinstance(names, str) else list(names)
    for name in found:
        of_kind(str, wanted, names=name)
    return found


def usual_names(evidence: Evidence) -> list[str]:
    """Name all assessments but the ``COSTLY`` ones, and those of ``PARTED`` by parts of the pool.

    The parts are its architectures, where there are several, and its early epochs, if any. What
    needs images that nothing has seen is named where there are any.
    """
    names = [name for name in ASSESSMENTS.names if name not in COSTLY and _served(name, evidence)]
    architectures = list(by_architecture(evidence.pool))
    parts = [f"/{name}" for name in architectures] if len(architectures) > 1 else []
    parts += [f"@{epoch}" for epoch in by_epoch(evidence.early)]
    return [
        name + part for name in names for part in ["", *(parts if family(name) == PARTED else [])]
    ]


def all_names(evidence: Evidence) -> list[str]:
    """Name the usual assessments, and the ``COSTLY`` ones for which the evidence suffices."""
    return [*usual_names(evidence), *(name for name in COSTLY.names if _served(name, evidence))]


def needs_of_all(names: Iterable[str]) -> frozenset[Need]:
    """Return what some assessment by these names needs.

    Raises:
        InputError: for an unknown name.
    """
    return frozenset[Need]().union(*map(_needs, names))


def require_kept(names: Iterable[str], held_out: ImageSet | None) -> None:
    """Refuse what needs training images that nothing has seen, where none are kept.

    Raises:
        InputError: that names these assessments.
    """
    asking = [name for name in names if "held_out" in _needs(name)]
    if asking and held_out is None:
        raise InputError(f"{listed(asking)} {'needs' if len(asking) == 1 else 'need'} {NOT_KEPT}")


def _needs(name: str) -> frozenset[Need]:
    base, architecture, number = _parted(name)
    assessment = ASSESSMENTS[base]
    of_pool = (architecture or number) and not isinstance(assessment, Numbered)
    return needs_of(assessment) | frozenset[Need]({"originals"} if of_pool else ())


def numbered(name: str, number: int) -> str:
    """Return the name by which an assessment by networks of its own is asked with a number.

    Raises:
        InputError: for another, and for one that has a number.

    >>> numbered("proxy-accuracy/MLP", 20)
    'proxy-accuracy/MLP@20'
    """
    base, _, given = _parted(name)
    if not isinstance(ASSESSMENTS[base], Numbered):
        own = [one for one in ASSESSMENTS.names if isinstance(ASSESSMENTS[one], Numbered)]
        raise InputError(f"{name} takes no number of its own, as these do: {' '.join(own)}")
    if given:
        raise InputError(f"{name} has a number already: leave out @{given}")
    return f"{name}@{number}"


def spelling(name: str, evidence: Evidence) -> str:
    """Return the full name of an assessment that this evidence allows.

    Raises:
        InputError: for one that is unknown, or asks a part of the pool that is not there.
    """
    return _asked(name, evidence).name


def family(name: str) -> str:
    """Return the family of an assessment, which is the file that it is in.

    >>> family("om-accuracy@5")
    'semantic'
    """
    return ASSESSMENTS[_parted(name)[0]].__module__.rpartition(".")[2]


def epoch_of(name: str) -> int | None:
    """Return the early epoch of original models that an assessment asks for.

    None is for one of the whole training, and for networks of the assessment's own.

    Raises:
        InputError: for one that is no number.

    >>> epoch_of("om-accuracy/ConvNet@5"), epoch_of("proxy-accuracy@20")
    (5, None)
    """
    own, number = isinstance(ASSESSMENTS[_parted(name)[0]], Numbered), _number(name)
    return None if own else number


def _number(name: str) -> int | None:
    number = _parted(name)[2]
    if number and not re.fullmatch(r"\d{1,9}", number):
        raise InputError(f"{quoted(name)}: {quoted(number)} is no number of epochs")
    return int(number) if number else None


@dataclass(frozen=True, eq=False)
class _Asked:
    name: str
    assessment: Assessment
    evidence: Evidence


def _asked(name: str, evidence: Evidence) -> _Asked:
    base, architecture, _ = _parted(name)
    number, found = _number(name), ASSESSMENTS.spelling(base)
    assessment = ASSESSMENTS[found]
    if isinstance(assessment, Numbered):
        return _by_own(found, assessment, architecture, number, evidence)
    if not architecture and number is None:
        return _Asked(found, assessment, evidence)
    return _by_part(found, assessment, architecture, number, evidence)


def _by_own(
    found: str, assessment: Any, architecture: str, number: int | None, evidence: Evidence
) -> _Asked:
    # By networks of the assessment's own; what it has without being told is not said.
    if architecture:
        spelled = find(architecture)[0]
        found, evidence = f"{found}/{spelled}", evidence.by(spelled)
    if number == 0:
        raise InputError(f"{found}@0: the number must be above 0")
    if number in (None, assessment.number):
        return _Asked(found, assessment, evidence)
    return _Asked(f"{found}@{number}", assessment.at(number), evidence)


def _by_part(
    found: str, assessment: Assessment, architecture: str, epoch: int | None, evidence: Evidence
) -> _Asked:
    pool = evidence.pool if epoch is None else _of_epoch(epoch, evidence.early)
    full = found
    if architecture:
        spelled = _spelling(architecture, pool)
        pool, full = by_architecture(pool)[spelled], f"{full}/{spelled}"
    full += "" if epoch is None else f"@{epoch}"
    return _Asked(full, assessment, evidence.under(pool))


def _served(name: str, evidence: Evidence) -> bool:
    return evidence.held_out is not None or "held_out" not in needs_of(ASSESSMENTS[name])


def _of_epoch(epoch: int, early: Pool) -> Pool:
    epochs = by_epoch(early)
    if epoch not in epochs:
        known = ", ".join(map(str, epochs)) or "none"
        raise InputError(f"no early models of epoch {epoch}; there are {known}")
    return epochs[epoch]


def _spelling(architecture: str, pool: Pool) -> str:
    known = {folded(name): name for name in by_architecture(pool)}
    if folded(architecture) not in known:
        hint = suggestion(architecture, known.values())
        raise InputError(f"no original models named {architecture!r} in this pool; {hint}")
    return known[folded(architecture)]


def _assessed(asked: _Asked) -> Assessed:
    evidence, own = asked.evidence, asked.evidence.key.at("own", asked.name)
    shown = {"the_set": evidence.synthetic.images, "the_real_images": evidence.train.images}
    with bill() as paid, unchanged(asked.name, **shown), own.scope():  # a person's own may draw
        score = asked.assessment(evidence)
    if not math.isfinite(score.value):
        raise InputError(f"{asked.name} found {score.value} for this set, not a finite number")
    return Assessed(score, paid.seconds, paid.once)


def _parted(name: str) -> tuple[str, str, str]:
    rest, at, epoch = name.partition("@")
    base, slash, architecture = rest.partition("/")
    if not base or (slash and not architecture) or (at and not epoch):
        what = "an assessment is called NAME, NAME/ARCHITECTURE or NAME@NUMBER"
        raise InputError(f"{what}, found {quoted(name)}")
    return base, architecture, epoch
