"""All cells of CLOM's table at once, held to published figures of another field."""

import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))
try:
    import clom
    import clom_cells as cells
finally:
    sys.path.remove(str(BENCHMARKS))

# Thirteen trials of a vaccine (Colditz et al., JAMA 271, 1994): log risk ratios and variances.
GAINS = (
    *(-0.8893, -1.5854, -1.3481, -1.4416, -0.2175, -0.7861, -1.6209),
    *(0.0120, -0.4694, -1.3713, -0.3394, 0.4459, -0.0173),
)
VARIANCES = (
    *(0.3256, 0.1946, 0.4154, 0.0200, 0.0512, 0.0069, 0.2230),
    *(0.0040, 0.0564, 0.0730, 0.0124, 0.5325, 0.0714),
)


def test_a_random_effects_model_comes_to_published_figures() -> None:
    found = cells.Together.of(GAINS, [one**0.5 for one in VARIANCES])
    assert found.between**2 == pytest.approx(0.318, abs=0.002)
    assert found.mean == pytest.approx(-0.715, abs=0.002)
    assert found.low == pytest.approx(-1.11, abs=0.02)
    assert (found.least, found.most) == pytest.approx((-2.02, 0.59), abs=0.03)


def test_cells_that_agree_have_no_spread_between_them() -> None:
    found = cells.Together.of([1.0, 1.0, 1.0], [0.5, 0.5, 0.5])
    assert (found.mean, found.between) == (1.0, 0.0)
    assert found.low < 0.0 < found.high  # few cells that happen to agree are no knowledge
    assert found.least < found.low


def test_gains_are_those_of_pairs() -> None:
    def found(*accuracies: float) -> clom.Found:
        return clom.Found(accuracies, {})

    place = clom.Place("DM-5", 1, "ConvNet", 11, 10.0)
    alone = clom.Place("DM-5", 1, "ConvNet", 11, 0.0)
    values = {
        place: {0: found(0.5, 0.6), 1: found(0.7, 0.7), 2: found(0.9, 0.9)},
        alone: {0: found(0.4, 0.5), 1: found(0.5, 0.5)},
    }
    (one,) = cells.cells(values, "digits")
    assert (one.gain, one.seeds) == (pytest.approx(15.0), 2)
    assert one.error == pytest.approx(5.0)
    text = cells.told([one])
    assert "1 of 1 cells have a gain" in text
    assert "nothing is told of a new one" in text
    assert "a new cell" in cells.told([cells.Cell("x", gain, 0.1, 3) for gain in (1.0, 2.0, 3.0)])
