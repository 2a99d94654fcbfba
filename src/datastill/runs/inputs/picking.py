"""What coresets know of the real images that they pick from: features, and original models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datastill.base.errors import InputError
from datastill.data import ImageSet
from datastill.identity import called, described
from datastill.networks import BACKBONE
from datastill.runs.inputs.originals import Shelf
from datastill.training.coresets import CORESETS, MISSING, Known, looks_at_features, needs_of
from datastill.training.pool import Member, Pool
from datastill.training.seeing import features_of

PIXELS = "pixels"
"""What stands for no features, where an architecture could stand."""


@dataclass(frozen=True, eq=False)
class Features:
    """What coresets know of the real images.

    Attributes:
        known: features by which they pick, and original models that they ask.
        facts: whose features, as it is written down; None for pixels.
        words: which coresets pick in which space, and why in pixels; empty where none looks at one.
    """

    known: Known = field(default_factory=Known)
    facts: dict[str, Any] | None = None
    words: str = ""

    @property
    def caveats(self) -> tuple[str, ...]:
        """The words, to be said and written down with results."""
        return (self.words,) if self.words else ()

    def written(self) -> dict[str, Any]:
        """Return what is written down of both."""
        asked = self.known.originals
        return {
            "features": self.facts,
            "coreset_originals": {"originals": described(asked)} if asked else None,
        }


def features_by(
    coresets: Sequence[str],
    name: str | None,
    usual: str,
    real: ImageSet,
    root: Path | str,
    *,
    look: bool = True,
    epoch: int | None = None,
) -> Features:
    """Return what coresets know of real images.

    Args:
        coresets: names of them.
        name: architecture of the original model whose features they pick by, or hf:NAME, or
            ``"pixels"``. Those that ask an original model what it says ask the same. None for
            the features of the first original model that there is, as published, and for pixels
            where there is none; of coresets that are published so, that is.
        usual: architecture of the one that they ask without a name.
        real: training images.
        root: folder with original models.
        look: whether to work out the features, or to find out only whose they would be.
        epoch: after which the original model is asked what it says; None for its last.

    Raises:
        InputError: when there is no such model, it knows no classes and is asked for them, or no
            coreset looks at features or asks it.
    """
    if name is not None:
        _require_use(coresets, name)
    shelf = Shelf(root, real, named=False)
    originals = _asked(coresets, shelf, usual if name in (None, PIXELS) else name, epoch)
    space, looking = _space(coresets, name, usual, shelf)
    if space is None or isinstance(space, str):
        why = f": {space}" if space else ""
        words = f"{' '.join(looking)} pick in the space of pixels{why}" if looking else ""
        return Features(Known(originals=originals), words=words)
    facts = {"by": space.architecture, "originals": (whose := described([space]))}
    words = f"{' '.join(looking)} pick by features of {called(whose[0])}"
    return Features(Known(features_of(space, real) if look else None, originals), facts, words)


def _require_use(coresets: Sequence[str], name: str) -> None:
    for one in coresets:
        coreset = CORESETS[one]  # of a person's own nothing is known
        asks = needs_of(coreset) and name != PIXELS  # which are no original model
        if looks_at_features(coreset) or asks or not CORESETS.has(one):
            return
    raise InputError(
        "`coreset_features` has a meaning with coresets that look at features, such as herding"
    )


def _asked(coresets: Sequence[str], shelf: Shelf, judge: str, epoch: int | None) -> Pool:
    # The original models that coresets ask, the one that judges first.
    judging = asked_by(coresets)
    accounts = [name for name in coresets if "dynamics" in needs_of(CORESETS[name])]
    if not (judging or accounts):
        return ()
    judge = judge_of(judging or accounts, judge)
    pool = shelf.load([judge], None if accounts else 1, epoch=epoch)
    told = [one for one in pool if one.dynamics is not None] if accounts else []
    if accounts and not told:
        raise InputError(f"{accounts[0]}: {MISSING['dynamics']}")
    first = [one for one in pool[:1] if judging and one not in told]
    return (*first, *told)


def _space(
    coresets: Sequence[str], name: str | None, usual: str, shelf: Shelf
) -> tuple[Member | str | None, list[str]]:
    # The model in whose features coresets pick, or why it is pixels; and which do.
    if name is not None and name != PIXELS:
        asking = {one for one in coresets if needs_of(CORESETS[one])}
        own = {one for one in coresets if not CORESETS.has(one)}  # nothing is known of these
        looking = [n for n in coresets if looks_at_features(CORESETS[n]) or n in own - asking]
        return (shelf.load([name], 1)[0] if looking else None), looking
    looking = [one for one in coresets if looks_at_features(CORESETS[one])]
    if name == PIXELS or not looking:
        return None, looking
    return shelf.found(usual), looking


def asked_by(coresets: Sequence[str]) -> list[str]:
    """Return the names of those that ask original models."""
    return [name for name in coresets if "originals" in needs_of(CORESETS[name])]


def judge_of(asking: Sequence[str], judge: str) -> str:
    """Return the architecture of the original model that coresets ask.

    Args:
        asking: names of those that ask one.
        judge: the architecture that was named, or the usual one.

    Raises:
        InputError: for a model of Hugging Face, which knows no classes.
    """
    if asking and judge.startswith(BACKBONE):
        raise InputError(
            f"{judge} knows no classes, and {asking[0]} asks for them; name an original model by "
            "its architecture (`coreset_features`)"
        )
    return judge
