"""What a set's validations found, in lines that say under what terms they did."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from datastill.base.wording import readable
from datastill.identity import called
from datastill.training.accuracies import Accuracies
from datastill.training.protocol import PRESETS

Report = Mapping[str, Any]


def results(held: Any, dataset: str) -> dict[str, str]:
    """Return a line for each set and architecture of every validation.

    Rows of one validation stand together, in the order in which they were made, and none takes
    the place of another's: the name of a line says by which protocol and for how many epochs, and
    where two validations agree in that, what else tells them apart.

    Args:
        held: what a set's facts say of its validations. What makes no sense in it is left out.
        dataset: that the set stands for; a validation on another is told by its name.

    Returns:
        Accuracies by the names of their lines.
    """
    return {
        f"{source}, {model}, {label}": str(found)
        for source, model, label, found in labelled_results(held, dataset)
    }


def labelled_results(held: Any, dataset: str) -> list[tuple[str, str, str, Accuracies]]:
    """Return what was trained on, architecture, terms and accuracies of every validation.

    For the arguments see ``results``.
    """
    reports = [one for one in held if _rows(one)] if isinstance(held, list) else []
    return [
        (source, model, label, found)
        for report, label in zip(reports, _labels(reports, dataset), strict=True)
        for (source, model), found in _rows(report).items()
    ]


def _rows(report: Any) -> dict[tuple[str, str], Accuracies]:
    rows = report.get("results") if isinstance(report, Mapping) else None
    found: dict[tuple[str, str], Accuracies] = {}
    for row in rows if isinstance(rows, list) else []:
        values = table_in(row, "accuracies").get("values")
        if isinstance(values, list) and values and all(map(_is_share, values)):
            place = _word(row.get("source")), _word(row.get("model"))
            found[place] = Accuracies(tuple(map(float, values)))
    return found


def _labels(reports: Sequence[Report], dataset: str) -> list[str]:
    labels = [_label(report, dataset) for report in reports]
    for label in [label for label, count in Counter(labels).items() if count > 1]:
        alike = [i for i, own in enumerate(labels) if own == label]
        for i, more in zip(alike, _differences([_terms(reports[i]) for i in alike]), strict=True):
            labels[i] = f"{label}, {more}" if more else label
    seen, repeated = Counter[str](), Counter(labels)
    for i, label in enumerate(labels):
        seen[label] += 1
        if repeated[label] > 1:
            labels[i] = f"{label} ({seen[label]})"
    return labels


def _label(report: Report, dataset: str) -> str:
    protocol = table_in(report, "protocol")
    fit, name = table_in(protocol, "fit"), protocol.get("name")
    parts = ["unknown protocol" if name is None else _word(name)]
    parts += [f"{_word(fit['epochs'])} epochs"] if fit.get("epochs") is not None else []
    usual = PRESETS[name].augmentation if isinstance(name, str) and name in PRESETS else None
    if protocol.get("augmentation", usual) != usual:
        parts.append(f"augmentation {_word(protocol['augmentation'])}")
    if fit.get("temperature") is not None:
        parts.append(f"temperature {_word(fit['temperature'])}")
    if fly := table_in(report, "labels_on_the_fly"):
        parts.append(f"on the fly {_word(fly.get('loss'))}")
    own = table_in(report, "learning_rates").get("synthetic")
    if own is not None:
        parts.append(f"its own learning rate {_word(own)}")
    if report.get("dataset", dataset) != dataset:
        parts.append(f"on {_word(report['dataset'])}")
    if report.get("caveats"):
        parts.append("see caveats")
    return ", ".join(parts)


def labelled_on_the_fly(held: Any) -> list[str]:
    """Return who labelled on the fly in a set's validations, and bytes of that, each once.

    Args:
        held: what a set's facts say of its validations.
    """
    found: list[str] = []
    for report in held if isinstance(held, list) else []:
        fly = table_in(report, "labels_on_the_fly")
        given = fly.get("originals")
        listed = given if isinstance(given, list | tuple) else ()
        models = [one for one in listed if isinstance(one, Mapping)]
        weighed = fly.get("model_bytes")
        size = f" ({weighed:,} bytes of weights)" if type(weighed) is int else ""
        if models:
            found.append(_word(", ".join(map(called, models)), 200) + size)
    return list(dict.fromkeys(found))


def _terms(report: Report) -> dict[str, str]:
    protocol = table_in(report, "protocol")
    terms = {**table_in(protocol, "fit"), **protocol, "seed": report.get("seed")}
    fly = table_in(report, "labels_on_the_fly")
    asked = {"temperature of labels": "temperature", "ground truth": "ground_truth"}
    labels = {word: fly[name] for word, name in asked.items() if name in fly}
    labels |= {"labels by": ", ".join(labelled_on_the_fly([report]))} if fly else {}
    return {name: _word(value) for name, value in {**terms, **labels}.items() if name != "fit"}


def _differences(tables: Sequence[Mapping[str, str]]) -> list[str]:
    names = dict.fromkeys(name for table in tables for name in table)
    varied = [name for name in names if len({table.get(name) for table in tables}) > 1]
    return [
        ", ".join(f"{name} {table[name]}" for name in varied if name in table) for table in tables
    ]


def _is_share(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value) and 0 <= value <= 1


def table_in(facts: Any, name: str) -> Mapping[str, Any]:
    """Return a table among facts; an empty one where there is none, or something else."""
    found = facts.get(name) if isinstance(facts, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _word(value: Any, most: int = 60) -> str:
    return "".join(c if readable(c) else "?" for c in str(value))[:most]
