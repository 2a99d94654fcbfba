"""What a page says of one set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from datastill.base.wording import counted
from datastill.data import ImageSet, as_kept, tiled
from datastill.report.page import charts
from datastill.report.page.citation import citation
from datastill.report.page.comparison import repeated
from datastill.report.page.cost import cost
from datastill.report.page.held import Held, Nearest, Taken, number_in
from datastill.report.page.judged import assessments, validations
from datastill.report.page.parts import (
    Block,
    Chart,
    Evolution,
    Exhibit,
    Facts,
    Gallery,
    Grid,
    Heat,
    Lines,
    Neighbour,
    Picture,
    Section,
    Text,
    Tile,
)
from datastill.report.page.pictures import bytes_of, encoded, picture, sheet, spread
from datastill.report.summary import caveats, summary

MOST = 200
"""Images of a set that a page shows; of more, the first of each class."""
HEATED = 25
"""Classes of which a table of all pairs can be read."""
PAIRS = 20
"""Of more, the pairs that are told: those that are taken for each other most."""


def exhibit(held: Held, name: str, *, most: int = MOST) -> Exhibit:
    """Return all that a page says of a set.

    Args:
        held: what is known of it.
        name: which nothing else on the page has, of letters and digits.
        most: images to show.
    """
    found = (
        ("Images", _images(held, most)),
        ("Over the updates", _evolution(held, name)),
        ("What it was made of", _made(held)),
        ("How networks do that were trained on it", [*validations(held, name)]),
        ("What original models take its images for", _taken(held)),
        ("Assessed without a test set", [*assessments(held)]),
        ("Losses", _losses(held, name)),
        ("What it cost", [*cost(held)]),
        ("To repeat and to cite", _repeat(held)),
    )
    sections = [Section(title, blocks) for title, blocks in found if blocks]
    return Exhibit(held.name, "synthetic set", sections)


def _images(held: Held, most: int) -> list[Block]:
    data = as_kept(held.data)
    shown = spread(data.rows_by_class, most)
    classes = [
        (name, [_tile(held, data, name, row) for row in rows])
        for name, rows in zip(data.domain.classes, shown, strict=True)
        if rows
    ]
    count, lines = sum(map(len, shown)), list[str]()
    if count < len(data):
        of = f", of {len(classes)} of {len(shown)} classes" if len(classes) < len(shown) else ""
        lines.append(f"{count} of {counted(len(data), 'image')} are shown{of}.")
    if held.nearest is not None:
        lines.append(
            "An image that is chosen stands beside the real training image that is nearest to it, "
            f"pixel by pixel, of all {held.nearest.among:,}."
        )
    elif why := held.missing.get("nearest"):
        lines.append(f"Nearest real images are left out: {why}.")
    return [*([Lines(lines)] if lines else []), Gallery(classes)]


def _tile(held: Held, data: ImageSet, label: str, row: int) -> Tile:
    kept = tiled(held.data.images)
    parts = 1 if kept is None else kept.folding.parts
    seen = range(row * parts, (row + 1) * parts)
    return Tile(
        picture(data.images[row], data.domain, f"synthetic image of {label}, number {row}"),
        f"{label}, number {row}",
        [] if held.nearest is None else [*_neighbours(held.nearest, data, seen)],
        "" if held.taken is None else _told(held.taken, data, row, parts),
    )


def _neighbours(nearest: Nearest, data: ImageSet, seen: range) -> Iterator[Neighbour]:
    for place, row in enumerate(nearest.rows):
        if row in seen:
            label = data.domain.classes[int(nearest.labels[place])]
            alt = f"nearest real image: {label}"
            shown = picture(nearest.images[place], data.domain, alt)
            yield Neighbour(shown, label, float(nearest.distances[place]))


def _told(taken: Taken, data: ImageSet, row: int, parts: int) -> str:
    shares = taken.shares[row * parts : (row + 1) * parts].mean(0)
    best = [int(k) for k in shares.topk(min(3, len(shares))).indices]
    told = [f"{data.domain.classes[k]} {shares[k]:.0%}" for k in best if shares[k] >= 0.005]
    return ", ".join(told)


def _evolution(held: Held, name: str) -> list[Block]:
    if len(held.frames) < 2:
        kept = "only one" if held.frames else "none"
        return [Lines([f"No pictures of it on its way: its run kept {kept}."])]
    columns = across(len(held.frames[0][1]))
    frames = [
        (
            step,
            sheet(images, columns, f"{counted(len(images), 'image')} after {step} updates"),
        )
        for step, images in held.frames
    ]
    return [Evolution(f"evolution-{name}", frames)]


def across(count: int, most: int = 20) -> int:
    """Return how many of so many pictures stand in a row, so that rows are full if they can be.

    >>> across(30), across(75), across(7), across(23)
    (15, 15, 7, 20)
    """
    full = [columns for columns in range(most // 2, most + 1) if count % columns == 0]
    return max(full, default=min(count, most))


def _made(held: Held) -> list[Block]:
    known = {**held.data.facts, "validated": None}
    lines = summary(ImageSet(held.data.images, held.data.labels, held.data.domain, known))
    lines.pop("caveats", None)
    told = caveats(held.data.facts)
    return [
        Facts([*lines.items()]),
        *([Lines([f"To know: {one}" for one in told])] if told else []),
    ]


def _taken(held: Held) -> list[Block]:
    if held.taken is None:
        why = held.missing.get("taken", "no original models are at hand")
        return [Lines([f"Left out: {why}."])]
    classes = held.data.domain.classes
    counts = [[0] * len(classes) for _ in classes]
    guesses = held.taken.shares.argmax(1).tolist()
    for is_, as_ in zip(held.data.hard_labels.tolist(), guesses, strict=True):
        counts[is_][as_] += 1
    right = sum(counts[k][k] for k in range(len(classes)))
    total = max(1, len(held.data))
    lines = Lines(
        [f"{held.taken.by} take {right / total:.1%} of {len(held.data)} for their class."]
    )
    if len(classes) <= HEATED:
        return [
            lines,
            Heat("Images by their class, and by what they are taken for", classes, counts),
        ]
    pairs = sorted(
        ((counts[i][j], i, j) for i in range(len(classes)) for j in range(len(classes)) if i != j),
        reverse=True,
    )
    rows = [(classes[i], classes[j], str(n)) for n, i, j in pairs[:PAIRS] if n]
    title = "What is most often taken for something else"
    return [lines, Grid(title, ("class", "taken for", "images"), rows)] if rows else [lines]


def _losses(held: Held, name: str) -> list[Block]:
    lines, lost = dict[str, list[tuple[int, float]]](), Counter[str]()
    for event in held.events:
        step = number_in(event, "step")
        for key in event if event.get("event") == "update" and step is not None else ():
            value = number_in(event, key)
            if key not in ("event", "step") and value is not None:
                lines.setdefault(key, []).append((int(step or 0), value))
            lost[key] += value is None and isinstance(event[key], float)
    told = [
        f"{count} of {count + len(lines.get(key, ()))} values of {key} that its run wrote down are "
        "not finite, and not drawn."
        for key, count in lost.items()
        if count
    ]
    drawn = [_loss(f"loss-{name}-{i}", key, lines[key]) for i, key in enumerate(lines)]
    if not drawn and not told:
        told = ["Its run wrote no losses down."]
    return [*([Lines(told)] if told else []), *drawn]


def _loss(name: str, key: str, values: Sequence[tuple[int, float]]) -> Chart:
    rows = [(str(step), f"{value:.6g}") for step, value in charts.thinned(values)]
    table = Grid(f"Loss {key}", ("update", "value"), rows)
    return Chart(name, f"Loss: {key}", charts.course(key, values), table)


def _repeat(held: Held) -> list[Block]:
    again, cited = repeated(held.recipe, held.missing.get("recipe", "")), citation(held.data.facts)
    return [*again, *([Text("Citation (BibTeX)", cited)] if cited else [])]


def thumbnail(data: ImageSet, name: str, most: int = 10) -> Picture:
    """Return a few images of a set, one of each class as far as they go, beside each other."""
    kept = as_kept(data)
    rows = [row for rows in spread(kept.rows_by_class, most) for row in rows]
    values = bytes_of(kept.images[rows], kept.domain)
    if max(values.shape[1:3]) > 64:
        return encoded(values[0], f"an image of {name}")
    return sheet(values, min(len(rows), 5), f"{counted(len(rows), 'image')} of {name}")
