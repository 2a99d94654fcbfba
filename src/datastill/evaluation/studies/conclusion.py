"""What a study found: computed from what is known of its sets, or read from what was written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, get_type_hints

from datastill.base.rng import Key
from datastill.evaluation.statistics.intervals import Interval
from datastill.evaluation.studies.field import require_enough
from datastill.evaluation.studies.ranking import Verdict, verdicts
from datastill.evaluation.studies.records import Record, record_of
from datastill.evaluation.studies.resampling import Resampling
from datastill.evaluation.studies.yardsticks import ceiling, chance, ignorance, ignorant, yardstick


@dataclass(frozen=True)
class Study:
    """What a study found.

    Attributes:
        records: of every set.
        verdicts: on every assessment, the best first.
        yardstick: how validation by one network would do among them; None with single trials.
        ignorance: how the mean of a recipe's other sets would; None where there are none.
        chance: what a pick by chance loses.
        ceiling: how far a score that knows the truth would agree with accuracies of so few
            networks, by scope; nothing with single trials.
        models: seconds that training the original models took; None where nobody knows.
    """

    records: tuple[Record, ...]
    verdicts: tuple[Verdict, ...]
    yardstick: Verdict | None
    ignorance: Verdict | None
    chance: Verdict
    ceiling: Mapping[str, Interval]
    models: float | None

    @property
    def lines(self) -> tuple[Verdict, ...]:
        """Every verdict, and those to hold them to."""
        held_to = (self.yardstick, self.ignorance, self.chance)
        return (*self.verdicts, *(one for one in held_to if one is not None))


def conclude(
    records: Iterable[Record], resampling: Resampling, *, models: float | None = None
) -> Study:
    """Judge the assessments by what is known of all sets.

    Args:
        records: of the sets, computed today or read from what a study left.
        resampling: for p-values, and comparisons of all pairs.
        models: seconds that training the original models took; None where nobody knows.

    Raises:
        InputError: for fewer than three sets, or one that was not validated.
    """
    found = tuple(records)
    require_enough(found, trials=1)
    repeated = min(len(record.trials) for record in found) > 1
    told = verdicts(found, resampling, models=models, ignorant=ignorant(found))
    return Study(
        found,
        tuple(told),
        yardstick(found, resampling) if repeated else None,
        ignorance(found, resampling),
        chance(found, resampling),
        ceiling(found, resampling) if repeated else {},
        models,
    )


def study_of(table: Mapping[str, Any], key: Key) -> Study:
    """Return a study by the table that ``dataclasses.asdict`` and JSON made of it.

    One that an earlier datastill concluded, by statistics of which fewer hold, is concluded anew
    from its records.

    Args:
        table: of the study, whatever else it has.
        key: of the study, for what is drawn if that is needed.

    Raises:
        AttributeError, KeyError, TypeError, ValueError: when it is no such table.
    """
    import msgspec

    records = tuple(map(record_of, table["records"]))
    if "chance" not in table:
        return conclude(records, Resampling(key.at("resampling")), models=table.get("models"))
    rest = {one.name: table[one.name] for one in fields(Study) if one.name != "records"}
    kinds = get_type_hints(Study)
    return Study(
        records,
        **{name: msgspec.convert(rest[name], kinds[name], strict=False) for name in rest},
    )
