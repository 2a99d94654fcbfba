"""What runs found, for people: tables, and lines about them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import singledispatch
from pathlib import Path
from typing import Any

from datastill.base.wording import counted, duration, sized
from datastill.compute.measuring import Answer
from datastill.data import ImageSet, stored_bytes
from datastill.data.labels import hardened
from datastill.evaluation.comparison import label_bytes
from datastill.report import study_page
from datastill.report.summary import summary
from datastill.report.tables import Listing, Table, assessments, comparison, rankings, results
from datastill.runs.assessment.assessing import Ranked
from datastill.runs.assessment.scored import Scored
from datastill.runs.compound.sweeping import VALUES, Swept
from datastill.runs.costs.forecast import Cost
from datastill.runs.folders.describing import repeated_by
from datastill.runs.foresight.checking import Checked
from datastill.runs.foresight.estimating import Estimate
from datastill.runs.housekeeping.cleaning import Cleaned
from datastill.runs.housekeeping.inventory import FINISHED, Inventory, Item
from datastill.runs.making.exchanging import Exported
from datastill.runs.making.relabelling import Relabelled
from datastill.runs.making.training import Row, Trained
from datastill.runs.specs.quota import in_words
from datastill.runs.studies.findings import Studied
from datastill.runs.validation.comparing import Compared
from datastill.runs.validation.validating import Validated
from datastill.store import SET_FILE


@singledispatch
def told(found: Any) -> Iterator[Table | str]:
    """Yield what a person is told of what a run found: nothing of a set that was distilled.

    Args:
        found: what the verb returned.
    """
    del found
    yield from ()


@told.register
def _(found: Exported) -> Iterator[Table | str]:
    yield from found.remarks


@told.register
def _(found: Trained) -> Iterator[Table | str]:
    columns = ("model", "epochs", "train %", "held-out %", "test % (only told)", "seconds")
    yield f"Original models of {found.dataset}", columns, [*map(_original, found.rows)]


def _original(row: Row) -> tuple[str, ...]:
    facts, held_out = row.facts, row.facts["held_out_accuracy"]
    return (
        f"{row.architecture} {row.number}",
        str(facts["epoch"]),
        f"{100 * facts['train_accuracy']:.2f}",
        "none" if held_out is None else f"{100 * held_out:.2f}",
        "none" if row.test_accuracy is None else f"{100 * row.test_accuracy:.2f}",
        f"{facts['seconds']:.0f}",
    )


@told.register
def _(found: Validated) -> Iterator[Table | str]:
    title = f"Test accuracy after training on {counted(found.images, 'image')}"
    yield results(title, found.results)
    for result in found.results:
        if result.obstacle:
            yield (
                f"{result.model} on {result.source}: trained one network after another, for "
                f"at once {result.obstacle}"
            )
    if found.file is not None:
        yield f"every value is in {found.file}"
    if found.networks is not None:
        yield f"the networks are in {found.networks}"


@told.register
def _(found: Compared) -> Iterator[Table | str]:
    yield from comparison(found.rows)
    yield from rankings(found.rankings)
    if found.file is not None:
        yield f"every value is in {found.file}; {found.plot} shows them"


@told.register
def _(found: Scored) -> Iterator[Table | str]:
    for one in (found, *found.others):
        yield assessments(one.scores, one.random, one.set if found.others else "")
        yield (
            f"seconds: of each alone, once the real images have passed the networks; "
            f"all of them, with that, took {one.seconds:.1f} s for this set"
        )
        if one.file is not None:
            yield f"every value is in {one.file}"


@told.register
def _(found: Ranked) -> Iterator[Table | str]:
    if len({*found.sizes.values()}) > 1:
        yield "sets of different size: most assessments compare only sets of one size"
    best, *_ = found.scores.values()
    values = [(found.rungs.get(name), score.value) for name, score in found.scores.items()]
    rows = [
        (name, str(1 + values.index(one)), str(found.sizes[name]), f"{one[1]:.6g}", str(one[0]))
        for name, one in zip(found.scores, values, strict=True)
    ]
    title = f"{found.by}, {best.better} is better, judged by {found.judges}"
    columns = ("set", "rank", "images", found.by, "at")
    wide = len(columns) - (not found.rungs)
    yield title, columns[:wide], [row[:wide] for row in rows]


@told.register
def _(found: Relabelled) -> Iterator[Table | str]:
    hard, soft = label_bytes(hardened(found.set)), label_bytes(found.set)
    yield (
        f"{counted(len(found.set), 'soft label')} of {counted(len(found.pool), 'model')} in "
        f"{found.folder}\n"
        f"  the likeliest class is the hard label for {found.agreement:.1%} of the images, "
        f"with {found.certainty:.1%} on average\n"
        f"  labels take {soft:,} bytes, hard ones {hard:,}, "
        f"the images take {stored_bytes(found.before.images):,}"
    )
    yield from (f"  {caveat}" for caveat in found.caveats)


@told.register
def _(found: Studied) -> Iterator[Table | str]:
    rows = study_page.table(found.study)
    yield "Which assessment to trust", study_page.COLUMNS, rows
    yield study_page.LEGEND
    yield from found.facts
    if found.page is not None:
        yield f"look at {found.page} and {found.plots[0]}"


@told.register
def _(found: Swept) -> Iterator[Table | str]:
    columns = list(dict.fromkeys(name for row in found.rows.values() for name in row))
    rows = [
        (name, *(str(row.get(column, "")) for column in columns))
        for name, row in found.rows.items()
    ]
    yield counted(len(rows), "run"), ("run", *columns), rows
    yield f"every value is in {found.folder / VALUES}"


@told.register
def _(found: Estimate) -> Iterator[Table | str]:
    about = f"{found.method} on {found.dataset}, {in_words(found.counts)}, {found.engines[0].model}"
    yield f"{about}, on {found.device}"
    for engine in found.engines:
        yield str(engine) + ("" if engine.why is None else f"; {_reason(engine.why)}")
    if found.share < 1:
        yield (
            f"an update was tried with {100 * found.share:.0f} % of its images, for it takes long; "
            "what it takes with all of them is worked out"
        )
    yield _terms("One update", found.update, "seconds", 1.0)
    yield _terms("Validating by one network", found.trial, "seconds", 1.0)
    yield _terms("Memory", found.memory, "GiB", 2.0**30)
    updates, trials = found.updates * found.update.seconds, found.trials * found.trial.seconds
    yield (
        f"{counted(found.updates, 'update')}: {duration(updates)}; "
        f"{counted(found.trials, 'network')}: {duration(trials)}; "
        f"together {duration(found.seconds)}"
    )


@told.register
def _(found: Checked) -> Iterator[Table | str]:
    yield from found.found
    yield from told(found.estimate)


def _reason(answer: Answer) -> str:
    took = ", ".join(f"{way} {seconds:.3g} s" for way, seconds in answer.seconds.items())
    when = "measured before; `forget=True` measures again"
    if answer.measured:
        steady = "remembered" if answer.steady else "not remembered, for timings scatter"
        when = f"measured now, {steady}"
    return f"a training step on {counted(answer.images, 'image')}: {took} ({when})"


def _terms(title: str, cost: Cost, unit: str, divisor: float) -> Table:
    rows = [
        (name, f"{value / divisor:.3f}", f"{100 * value / cost.seconds:.0f} %")
        for name, value in cost.terms.items()
    ]
    return title, ("", unit, "share"), [*rows, ("together", f"{cost.seconds / divisor:.3f}", "")]


def there(found: Inventory) -> Iterator[Listing]:
    """Yield tables of text, each with its columns, of what lies here and what can be named."""
    if found.items:
        rows = [
            (str(one.path), sized(one.bytes), f"{one.kind}: {one.about}", _course(one))
            for one in found.items
        ]
        yield ("path", "size", "what it is", "how it did"), rows
    if len(found.names) == 1:
        ((kind, names),) = found.names.items()
        yield (kind, ""), [*names.items()]
    elif found.names:
        yield (
            ("", "names (datastill list KIND tells of each)"),
            [(kind, ", ".join(names)) for kind, names in found.names.items()],
        )


def _course(one: Item) -> str:
    state = "" if one.state == FINISHED else one.state
    return "; ".join(filter(None, (one.result, state, one.advice)))


def told_of_leftovers(cleaned: Cleaned) -> Iterator[Listing | str]:
    """Yield what may go, or what is gone, and how much that is."""
    gone, left = cleaned.deleted, cleaned.left
    shown = left if gone is None else gone
    if shown:
        rows = [(str(one.path), sized(one.bytes), one.why) for one in shown]
        yield ("may go" if gone is None else "deleted", "size", "what it is"), rows
    if gone is not None and left:
        yield f"{left[0].path} stays: a run is at work there, or it cannot be deleted"
    total = sized(sum(one.bytes for one in shown))
    done = f"{total} in all; `yes=True` deletes it" if gone is None else f"{total} deleted"
    yield done if gone or left else "there is nothing that may go"


def side_by_side(files: Sequence[Path], sets: Sequence[ImageSet]) -> Listing:
    """Say what sets hold, where they come from and how they did.

    Args:
        files: of the sets.
        sets: as many.

    Returns:
        What the columns are, and rows.
    """
    found = [
        {**summary(data), "repeated by": repeated_by(file, data.facts)}
        for file, data in zip(files, sets, strict=True)
    ]
    lines = list(dict.fromkeys(name for lines in found for name in lines if lines[name]))
    # The folder of a run says which set it is.
    places = [file.parent if file.name == SET_FILE else file for file in files]
    return ("", *map(str, places)), [
        (name, *(lines.get(name) or "-" for lines in found)) for name in lines
    ]
