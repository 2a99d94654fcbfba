"""What a page is made of: values, of which a template makes HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

FEW = 2
"""Images of a class, up to which classes stand beside each other."""


@dataclass(frozen=True)
class Picture:
    """An image that is part of the page.

    Attributes:
        uri: the image itself, as a ``data:`` address.
        alt: what it shows, for those who do not see it.
        width: in pixels, as it is kept.
        height: likewise.
    """

    uri: str
    alt: str
    width: int
    height: int


@dataclass(frozen=True)
class Facts:
    """Names and what there is to say of each."""

    rows: Sequence[tuple[str, str]]
    block: ClassVar[str] = "facts"


@dataclass(frozen=True)
class Lines:
    """Lines of text; what is found out about a run's files, or is missing."""

    lines: Sequence[str]
    block: ClassVar[str] = "lines"


@dataclass(frozen=True)
class Grid:
    """A table.

    Attributes:
        title: of the table.
        columns: their heads.
        rows: of as many cells.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    block: ClassVar[str] = "grid"


@dataclass(frozen=True)
class Choice:
    """One of the pictures that a chart can be.

    Attributes:
        name: by which it is chosen.
        about: what it shows, in a line.
        spec: of the chart, but for its data.
    """

    name: str
    about: str
    spec: Mapping[str, Any]


@dataclass(frozen=True)
class Chart:
    """A chart, and all that it shows as a table.

    Attributes:
        name: of the chart, which nothing else on the page has.
        title: what it shows.
        spec: in the words of Vega-Lite.
        table: the same in numbers.
        about: how to read it.
        pictures: of points that have one, by the value of their field ``set``.
        choices: other charts of the same data, of which one is shown; the first is ``spec``.
        opened: whether the table is shown before somebody asks for it.
    """

    name: str
    title: str
    spec: Mapping[str, Any]
    table: Grid
    about: str = ""
    pictures: Mapping[str, Picture] = field(default_factory=dict[str, Picture])
    choices: Sequence[Choice] = ()
    opened: bool = False
    block: ClassVar[str] = "chart"


@dataclass(frozen=True)
class Neighbour:
    """A real image that is like a synthetic one.

    Attributes:
        picture: of it.
        label: its class.
        distance: root of the mean square of the differences of their pixels.
    """

    picture: Picture
    label: str
    distance: float


@dataclass(frozen=True)
class Tile:
    """One image of a set.

    Attributes:
        picture: of it.
        name: by which a person can speak of it.
        neighbours: the nearest real image; of an image that holds several, that of each.
        taken: what original models take it for, in words; nothing where none was asked.
    """

    picture: Picture
    name: str
    neighbours: Sequence[Neighbour] = ()
    taken: str = ""


@dataclass(frozen=True)
class Gallery:
    """Images of a set, class by class."""

    classes: Sequence[tuple[str, Sequence[Tile]]]
    block: ClassVar[str] = "gallery"

    @property
    def few(self) -> bool:
        """Whether so few are of each class that several classes find room beside each other."""
        return max((len(tiles) for _, tiles in self.classes), default=0) <= FEW


@dataclass(frozen=True)
class Evolution:
    """A set as it was after some of its updates.

    Attributes:
        name: which nothing else on the page has.
        frames: updates, and a picture of the images as they were.
    """

    name: str
    frames: Sequence[tuple[int, Picture]]
    block: ClassVar[str] = "evolution"


@dataclass(frozen=True)
class Sheets:
    """Pictures of several sets, each with a line that says which it is."""

    pictures: Sequence[tuple[str, Picture]]
    block: ClassVar[str] = "sheets"


@dataclass(frozen=True)
class Heat:
    """Counts by what is and what it is taken for.

    Attributes:
        title: of the table.
        names: of the classes.
        counts: a row for each class.
    """

    title: str
    names: Sequence[str]
    counts: Sequence[Sequence[int]]
    block: ClassVar[str] = "heat"

    def share(self, row: int, column: int) -> float:
        """Return the share that a cell has of its row."""
        return self.counts[row][column] / max(1, sum(self.counts[row]))


@dataclass(frozen=True)
class Strip:
    """A score of a set beside those of random real images.

    Attributes:
        name: of the assessment.
        better: which way is better, in words.
        value: of the set.
        random: of random draws.
        verdict: how the set compares with the mean of these, in a word.
    """

    name: str
    better: str
    value: float
    random: Sequence[float]
    verdict: str

    def at(self, value: float) -> float:
        """Return where a value lies, from 0 to 100, among all of the strip."""
        low, high = min(self.value, *self.random), max(self.value, *self.random)
        return 50.0 if high == low else 4 + 92 * (value - low) / (high - low)


@dataclass(frozen=True)
class Strips:
    """Scores, by family."""

    families: Sequence[tuple[str, Sequence[Strip]]]
    block: ClassVar[str] = "strips"


@dataclass(frozen=True)
class Text:
    """Text to be taken away as it is: a file, a command, a citation."""

    title: str
    text: str
    block: ClassVar[str] = "text"


Block = Facts | Lines | Grid | Chart | Gallery | Evolution | Sheets | Heat | Strips | Text


@dataclass(frozen=True)
class Section:
    """A question that the page answers."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Exhibit:
    """All that a page says of one thing: a set, a comparison, a study, original models, a demo.

    Attributes:
        title: what it is.
        kind: of thing, in a word.
        sections: about it.
    """

    title: str
    kind: str
    sections: Sequence[Section]


@dataclass(frozen=True)
class Page:
    """A page.

    Attributes:
        title: of the page.
        exhibits: what it shows, one after another.
        overview: about all of them together.
        reload: seconds after which it is written again, while a run goes on; 0 once it is not.
        under_way: how far that run is, in words.
    """

    title: str
    exhibits: Sequence[Exhibit]
    overview: Sequence[Section] = ()
    reload: float = 0
    under_way: str = ""

    @property
    def charts(self) -> Sequence[Chart]:
        """All that is to be drawn."""
        sections = [*self.overview, *(one for each in self.exhibits for one in each.sections)]
        blocks = [block for section in sections for block in section.blocks]
        return [block for block in blocks if isinstance(block, Chart)]
