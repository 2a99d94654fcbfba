"""What is known of one set of a study: how it did, and what every assessment said of it."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from statistics import fmean
from typing import Any

from datastill.data import ImageSet
from datastill.evaluation.assessments import Score
from datastill.evaluation.plan import counts_in
from datastill.evaluation.scores import Assessed
from datastill.training.accuracies import Accuracies

GUIDED = "+CLOM"

NAMED = re.compile(r"(?P<recipe>.+)-ipc\d+-seed\d+")
"""How a study names the sets that it makes."""

SETTINGS = ("method_settings", "descent", "dsa_strategy", "model", "init")
"""Facts of a set that belong to its recipe, besides its method, updates, CLOM and noise."""


@dataclass(frozen=True)
class Outcome:
    """One network trained on a set: its accuracy on the test set, and the seconds it took.

    Attributes:
        right: see ``Trial``; so is the last. Older studies do not say.
    """

    accuracy: float
    seconds: float
    right: tuple[int, ...] = ()
    tested: tuple[int, ...] = ()


@dataclass(frozen=True)
class Record:
    """What is known of one set.

    Attributes:
        name: of the set.
        method: that made it, with ``+CLOM`` where original models guided it.
        ipc: images per class; of uneven classes, those of the largest.
        trials: by their numbers from 0.
        scores: by the names of the assessments.
        recipe: by which it was made, whatever its ipc and seed: sets of one recipe are relatives.
            Where nothing is said, the name tells, as far as a study gave it.
    """

    name: str
    method: str
    ipc: int
    trials: tuple[Outcome, ...] = ()
    scores: Mapping[str, Assessed] = field(default_factory=dict[str, Assessed])
    recipe: str = ""

    @property
    def accuracy(self) -> float:
        """The mean over the trials."""
        return fmean(trial.accuracy for trial in self.trials)

    @property
    def accuracies(self) -> Accuracies:
        """Those of the trials."""
        return Accuracies(tuple(trial.accuracy for trial in self.trials))

    @property
    def recipe_name(self) -> str:
        """The recipe; a set of which none is known has one of its own."""
        named = NAMED.fullmatch(self.name)
        return self.recipe or (named["recipe"] if named else self.name)

    @property
    def place(self) -> tuple[str, int]:
        """What sets have in common that differ by chance alone: recipe and ipc."""
        return self.recipe_name, self.ipc

    @property
    def family(self) -> str:
        """What made it, with CLOM or without: both have their start and their targets in common."""
        return self.method.removesuffix(GUIDED)

    @property
    def guided(self) -> bool:
        """Whether original models had a hand in it."""
        return self.method.endswith(GUIDED)

    def with_trial(self, outcome: Outcome) -> Record:
        """Return the record with one more trial."""
        return replace(self, trials=(*self.trials, outcome))

    def with_scores(self, scores: Mapping[str, Assessed]) -> Record:
        """Return the record with further scores."""
        return replace(self, scores={**self.scores, **scores})

    def with_draw(self, scores: Mapping[str, Assessed]) -> Record:
        """Return the record with scores averaged over one more draw."""
        again = {name: self.scores[name].again(found) for name, found in scores.items()}
        return self.with_scores(again)


def blank(name: str, data: ImageSet) -> Record:
    """Return the record of a set that nothing is known of but where it comes from."""
    method = str(data.facts.get("method", "unknown"))
    guided = GUIDED if data.facts.get("clom") else ""
    return Record(name, method + guided, max(data.stored_counts), recipe=_recipe(name, data))


def table_of(record: Record) -> dict[str, Any]:
    """Return a record as JSON can hold it."""
    return asdict(record)


def record_of(table: Mapping[str, Any]) -> Record:
    """Return the record that ``table_of`` made a table of.

    Raises:
        AttributeError, KeyError, TypeError, ValueError: when it is no such table.
    """
    scores = {str(name): _assessed(found) for name, found in dict(table["scores"]).items()}
    trials = tuple(Outcome(**{**trial, **counts_in(trial)}) for trial in table["trials"])
    if not all(0 <= trial.accuracy <= 1 and trial.seconds >= 0 for trial in trials):
        raise ValueError("an accuracy that is no share, or a negative time")
    recipe = str(table.get("recipe", ""))  # older studies do not say
    name, method = str(table["name"]), str(table["method"])
    return Record(name, method, int(table["ipc"]), trials, scores, recipe)


def _recipe(name: str, data: ImageSet) -> str:
    named, facts = NAMED.fullmatch(name), data.facts
    if named:
        return named["recipe"]
    if "method" not in facts or "seed" not in facts:
        return ""  # nobody knows what it has in common with others
    told = [str(facts["method"]), *(str(facts[key]) for key in ("step", "noise") if facts.get(key))]
    settings = [facts.get(key) for key in ("clom", *SETTINGS)]
    text = json.dumps(settings, sort_keys=True, default=str)
    return "-".join([*told, hashlib.sha256(text.encode()).hexdigest()[:6]])


def _assessed(table: Mapping[str, Any]) -> Assessed:
    draws = tuple(map(float, dict(table).get("draws", ())))  # older studies have one of each
    if not all(map(math.isfinite, draws)):
        raise ValueError("a score that is not a finite number")
    return Assessed(_score(table["score"]), float(table["seconds"]), float(table["once"]), draws)


def _score(table: Mapping[str, Any]) -> Score:
    found = Score(**table)
    if not math.isfinite(found.value) or found.better not in ("higher", "lower"):
        raise ValueError(f"a score of {found.value!r} of which {found.better!r} is better")
    return found
