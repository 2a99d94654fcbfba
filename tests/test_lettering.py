"""Names of classes and sets in any script and of any length, in pictures."""

from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import ImageFont

from conftest import blobs
from datastill.evaluation.comparison import Row
from datastill.evaluation.studies import Record
from datastill.report.comparison import plot, write_plot
from datastill.report.lettering import common, label, letters, shortened, spelled
from datastill.report.preview import WIDEST, preview
from datastill.report.scatter import KNOWN, _colours
from datastill.training.accuracies import Accuracies

NOBODY = "\ue000\ue001"  # for private use: no font has to have them


def test_a_long_name_loses_its_middle_and_not_the_picture() -> None:
    data = blobs(classes=2)
    names = ("a" * 200, "https://" + "very/" * 50 + "end")
    picture = preview(replace(data, domain=replace(data.domain, classes=names)))
    assert picture.width <= preview(data).width + WIDEST
    font = ImageFont.load_default(size=12)
    short = shortened(names[1], font, 120)
    assert font.getlength(short) <= 120
    assert short.startswith("https")
    assert short.endswith("end")
    assert shortened("cat", font, 120) == "cat"


@pytest.mark.parametrize("name", ["кошка", "größe", "γάτα", "cat"])
def test_letters_of_other_alphabets_are_drawn(name: str) -> None:
    text, font = label(name, 3, size=12, width=WIDEST)
    assert text == name
    if not name.isascii():
        assert isinstance(font, ImageFont.FreeTypeFont)
        assert {ord(c) for c in name} <= letters(Path(str(font.path)))


def test_names_that_no_font_has_are_told_apart_by_their_numbers() -> None:
    drawn = [label(name, k, size=12, width=WIDEST)[0] for k, name in enumerate([NOBODY, NOBODY[0]])]
    assert drawn == ["0", "1"]
    assert label(f"cat {NOBODY}", 7, size=12, width=WIDEST)[0] == "7 cat"
    assert spelled(f"cat {NOBODY}") == ("cat ??", common())


def row(name: str, values: tuple[float, ...]) -> Row:
    return Row(name, "hard", "MLP", 10, 1, 1, 3, Accuracies(values), None, None, 1.0)


def test_a_comparison_says_what_is_drawn(tmp_path: Path) -> None:
    rows = [
        row(f"sets/{NOBODY}", (0.5, 0.6)),
        row("random", (0.4, 0.5)),
        row("all real images", (0.9,)),
    ]
    figure = plot(rows, "digits, 1 image for each of 10 classes: protocol dsa")
    assert "protocol dsa" in figure._suptitle.get_text()
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "made images: mean ± std",
        "real images: mean ± std",
        "one network",
        "mean of random and all real images",
    ]
    FigureCanvasAgg(figure)
    write_plot(rows, tmp_path / "c.png")  # a letter without a font would warn, and fail here
    renderer = figure.canvas.get_renderer()
    figure.draw(renderer)
    assert legend.get_window_extent(renderer).x0 >= 0
    assert legend.get_window_extent(renderer).x1 <= figure.bbox.x1


def test_a_method_has_one_colour_in_every_study() -> None:
    few, more = (
        [Record("a", "DM", 1)],
        [Record("a", name, 1) for name in ("DC", "DM", "new", "random")],
    )
    assert _colours(few)["DM"] == _colours(more)["DM"] == KNOWN["DM"]
    assert len(set(_colours(more).values())) == 4
    assert len(set(KNOWN.values())) == len(KNOWN)
