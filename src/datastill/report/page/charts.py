"""Charts in the words of Vega-Lite: data and how it is drawn, and no code of ours.

Texts that came from files are values of the data, never names of its fields, for these are read as
expressions. Colours stand out from white and from black, and whatever a colour says a shape, a dash
or a label says too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from datastill.evaluation.comparison import Row
from datastill.evaluation.plan import Result
from datastill.evaluation.studies import Record, Verdict
from datastill.report.folding import wrapped
from datastill.training.accuracies import Accuracies

Spec = dict[str, Any]

INKS = ("#3b82c4", "#c2681a", "#2e8b57", "#9063cd", "#d1495b", "#1d8a99", "#8a7a2a", "#7a7f87")
SHAPES = (
    *("circle", "square", "triangle-up", "diamond", "cross"),
    *("triangle-down", "triangle-right", "triangle-left"),
)
DASHES = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3])
PLAIN = ".5~g"
"""Numbers along an axis: where there is but one value, Vega writes six zeros behind it."""
DECADES = 10
"""From this ratio of the largest to the smallest on, an axis is logarithmic."""
POINTS = 400
"""Of a line, at the most: more than there are columns to draw them in."""


def course(name: str, values: Sequence[tuple[int, float]]) -> Spec:
    """Draw a loss over updates."""
    shown = thinned(values)
    scale = "symlog" if spans_decades([value for _, value in shown]) else "linear"
    return {
        **_view(160),
        "data": {"values": [{"update": step, "value": value} for step, value in shown]},
        "mark": {"type": "line", "point": len(shown) < 40, "color": INKS[0], "strokeWidth": 1.5},
        "encoding": {
            "x": {
                "field": "update",
                "type": "quantitative",
                "title": "update",
                "axis": {"tickCount": 10, "tickMinStep": 1, "format": PLAIN},
            },
            "y": {
                "field": "value",
                "type": "quantitative",
                "title": name,
                "axis": {"format": PLAIN},
                "scale": {"zero": False, "type": scale},
            },
            "tooltip": [
                {"field": "update", "type": "quantitative"},
                {"field": "value", "type": "quantitative", "title": name, "format": ".5g"},
            ],
        },
    }


def courses(lines: Mapping[str, Sequence[tuple[int, float]]]) -> Spec:
    """Draw several losses over epochs, each in a colour and a dash of its own."""
    values = [
        {"epoch": step, "loss": value, "model": name}
        for name, one in lines.items()
        for step, value in thinned(one)
    ]
    names = list(lines)
    dashes = [DASHES[i % len(DASHES)] for i in range(len(names))]
    every = [value for one in lines.values() for _, value in one]
    scale = "symlog" if spans_decades(every) else "linear"
    return {
        **_view(220),
        "data": {"values": values},
        "mark": {"type": "line", "point": True, "strokeWidth": 1.5},
        "encoding": {
            "x": {
                "field": "epoch",
                "type": "quantitative",
                "axis": {"tickMinStep": 1, "format": PLAIN},
            },
            "y": {
                "field": "loss",
                "type": "quantitative",
                "scale": {"zero": False, "type": scale},
            },
            "color": _coloured("model", names),
            "strokeDash": {
                "field": "model",
                "type": "nominal",
                "scale": {"domain": names, "range": dashes},
            },
            "tooltip": _tips("model", epoch="epoch", loss="loss"),
        },
    }


def thinned(values: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """Return some of many values, evenly, the last one among them.

    >>> len(thinned([(i, 0.0) for i in range(10_000)])), thinned([(1, 0.5)])
    (400, [(1, 0.5)])
    """
    if len(values) <= POINTS:
        return list(values)
    return [values[round(i * (len(values) - 1) / (POINTS - 1))] for i in range(POINTS)]


def spans_decades(values: Sequence[float]) -> bool:
    """Tell whether values differ so much that a linear axis would hide most of them."""
    return bool(values) and min(values) > 0 and max(values) > DECADES * min(values)


def accuracies(found: Sequence[Result] | Sequence[Row], names: Sequence[str]) -> Spec:
    """Draw a dot for each network, and mean and spread of all that were trained on one thing.

    Args:
        found: what networks reached.
        names: of what they were trained on, one for each.
    """
    names = wrapped(names)
    values = [
        value
        for name, row in zip(names, found, strict=True)
        for value in _values(name, row.accuracies)
    ]
    along = {
        "field": "name",
        "type": "nominal",
        "title": None,
        "sort": list(dict.fromkeys(names)),
        "axis": {"labelLimit": 220, "labelExpr": r"split(datum.label, '\n')"},
    }
    deepest = 1 + max((name.count("\n") for name in names), default=0)
    mean, network = "datum.kind === 'mean'", "datum.kind === 'network'"
    tips = _tips("name", "network", accuracy="accuracy, %")
    bar = {"type": "rule", "color": INKS[0], "strokeWidth": 2}
    ring = {"type": "point", "size": 45, "color": INKS[7], "yOffset": 6}
    diamond = {"type": "point", "shape": "diamond", "filled": True, "size": 110, "color": INKS[0]}
    return {
        **_view((11 + 15 * deepest) * len(set(names))),
        "data": {"values": values},
        "encoding": {"y": along},
        "layer": [
            _across(bar, mean, "low", {"x2": {"field": "high"}}),
            _across(ring, network, "accuracy", {"tooltip": tips}),
            _across(diamond, mean, "accuracy", {"tooltip": _tips("name", "told")}),
        ],
    }


def _across(mark: Spec, only: str, field: str, more: Spec) -> Spec:
    # A layer of accuracies.
    x = {"field": field, "type": "quantitative", "title": "test accuracy, %"}
    scale = {"zero": False, "padding": 12, "nice": False}  # which would go beyond 100 %
    shown = {"scale": scale, "axis": {"tickCount": 8, "format": PLAIN}}
    return {
        "transform": [{"filter": only}],
        "mark": mark,
        "encoding": {"x": {**x, **shown}, **more},
    }


def _values(name: str, found: Accuracies) -> list[dict[str, Any]]:
    mean, spread = 100 * found.mean, 100 * (found.std or 0)
    dots = [
        {"kind": "network", "name": name, "network": i + 1, "accuracy": 100 * value}
        for i, value in enumerate(found.values)
    ]
    whole = {"kind": "mean", "name": name, "accuracy": mean, "told": str(found)}
    return [*dots, {**whole, "low": mean - spread, "high": mean + spread}]


def worth(points: Sequence[Mapping[str, Any]]) -> Spec:
    """Draw accuracy by bytes.

    Args:
        points: with ``set``, ``kind`` (made, or real), ``bytes``, ``accuracy`` in percent, and
            ``told``, each.
    """
    kinds = list(dict.fromkeys(str(point["kind"]) for point in points))
    return {
        **_view(260),
        "data": {"values": [dict(point) for point in points]},
        "mark": {"type": "point", "filled": True, "size": 110, "opacity": 0.85},
        "encoding": {
            "x": {
                "field": "bytes",
                "type": "quantitative",
                "title": "bytes of images and labels",
                "scale": {"type": "log", "nice": False, "padding": 40},
                "axis": {"format": "~s", "tickCount": 6},
            },
            "y": {
                "field": "accuracy",
                "type": "quantitative",
                "title": "test accuracy, %",
                "scale": {"zero": False, "padding": 20},
            },
            "color": _coloured("kind", kinds),
            "shape": _shaped("kind", kinds),
            "tooltip": _tips("set", "told", bytes="bytes"),
        },
    }


def agreement(records: Sequence[Record], verdict: Verdict) -> Spec:
    """Draw an assessment of a study against test accuracy: a point for each set.

    Its data is that of all assessments, see ``scores``; to the right is better, as it promises.
    """
    values = [record.scores[verdict.name].score.value for record in records]
    methods = sorted({record.method for record in records})
    scale = {"type": "log"} if spans_decades(values) else {"type": "linear", "zero": False}
    return {
        **_view(340),
        "transform": [{"filter": f"datum.score === {_quoted(verdict.name)}"}],
        "mark": {"type": "point", "filled": True, "size": 90, "opacity": 0.8},
        "encoding": {
            "x": {
                "field": "value",
                "type": "quantitative",
                "title": f"{verdict.name} ({verdict.better} is better)",
                "scale": {**scale, "reverse": verdict.better == "lower"},
                "axis": {"tickCount": 8},
            },
            "y": {
                "field": "accuracy",
                "type": "quantitative",
                "title": "test accuracy, %",
                "scale": {"zero": False},
            },
            "color": _coloured("method", methods),
            "shape": _shaped("method", methods),
            "tooltip": _tips("set", "recipe", accuracy="accuracy, %", value="score"),
        },
    }


def scores(records: Sequence[Record], names: Sequence[str]) -> list[dict[str, Any]]:
    """Return the data of ``agreement``: a row for each set and assessment."""
    return [
        {
            "set": record.name,
            "method": record.method,
            "recipe": record.recipe_name,
            "ipc": record.ipc,
            "accuracy": round(100 * record.accuracy, 3),
            "score": name,
            "value": record.scores[name].score.value,
        }
        for record in records
        for name in names
    ]


def _view(height: int) -> Spec:
    return {
        "width": "container",
        "height": height,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "background": None,
    }


def _coloured(field: str, names: Sequence[str]) -> Spec:
    inks = [INKS[i % len(INKS)] for i in range(len(names))]
    return {
        "field": field,
        "type": "nominal",
        "title": field,
        "scale": {"domain": list(names), "range": inks},
        "legend": {"orient": "bottom", "columns": 3, "labelLimit": 280},
    }


def _shaped(field: str, names: Sequence[str]) -> Spec:
    # As many pairs of ink and shape as there are products of their numbers.
    shapes = [SHAPES[(i + i // len(INKS)) % len(SHAPES)] for i in range(len(names))]
    scale = {"domain": list(names), "range": shapes}
    return {"field": field, "type": "nominal", "title": field, "scale": scale}


def _tips(*names: str, **titled: str) -> list[Spec]:
    texts = [{"field": name, "type": "nominal"} for name in names]
    return texts + [
        {"field": name, "type": "quantitative", "title": title, "format": ",.5~g"}
        for name, title in titled.items()
    ]


def _quoted(text: str) -> str:
    # As a string of an expression, whatever it holds.
    return json.dumps(text)
