"""What becomes of a study on many workers, by a clock that is not one."""

import pytest

from datastill.runs.executors.schedule import Schedule, Timed, scheduled
from datastill.runs.studies.apart import AGEING, urgency

UPDATE = {"DM": 0.82, "CLOM": 0.91, "DC": 3.8, "DSA": 3.8, "NCFM": 1.2, "CIM": 0.40}
"""Seconds of an update at 10 images per class of FashionMNIST, measured: docs/results/answer."""
JUDGES = {"ConvNet": 6 * 58, "LeNet": 6 * 13, "MLP": 6 * 1.8}
NETWORK, SCORES = 32.0, 2 * 17.9
MADE = [
    *(("DM", updates) for updates in (150, 10, 40, 150, 400, 150, 150, 150)),
    *(("DC", 40), ("DSA", 20), ("DSA", 60), ("NCFM", 50), ("NCFM", 150), ("CIM", 50)),
    *(("CIM", 200), *[("CLOM", 150)] * 4, ("DSA", 60)),
]
"""The sets of the study that are distilled, of 45; the others take a second to pick."""


def study(networks: int, *, ordered: bool = True, wait: bool = False) -> dict[str, Timed]:
    """Return the pieces of the study of 45 sets with their times."""

    def early(kind: str, amount: float) -> float:
        return urgency(kind, amount) if ordered else 0.0

    judges = {
        f"judges/{name}/{i}": Timed(seconds, early("judges", 0))
        for name, seconds in JUDGES.items()
        for i in range(2)
    }
    found = dict(judges)
    for number in range(45):
        method, updates = MADE[number] if number < len(MADE) else ("picked", 0)
        seconds = max(1.0, updates * UPDATE.get(method, 0))
        amount = updates * (AGEING if method in ("DC", "DSA") else 1)
        after = frozenset(judges if wait and method == "CLOM" else ())
        found[f"sets/{number}"] = Timed(seconds, early("sets", amount), after)
        made = frozenset({f"sets/{number}"})
        for i in range(networks):
            found[f"exams/{number}/{i}"] = Timed(NETWORK, early("exams", 10), made)
        found[f"scores/{number}"] = Timed(SCORES, early("scores", 0), made | frozenset(judges))
    return found


def test_sixty_four_workers_work_nine_tenths_of_their_time() -> None:
    whole = scheduled(study(20), 64)
    assert whole.efficiency > 0.9
    assert scheduled(study(20, wait=True), 64).efficiency > 0.75  # guided by its own models
    # Of two networks for each set there is not work for so many: the longest set takes its time.
    few = study(2)
    longest = 400 * UPDATE["DM"] + NETWORK
    assert longest <= scheduled(few, 64).seconds < 1.2 * longest + SCORES
    assert scheduled(few, 16).efficiency > 0.9


def test_the_order_is_what_makes_it_so() -> None:
    for workers in (8, 16, 64):
        ordered, other = (scheduled(study(20, ordered=one), workers) for one in (True, False))
        assert ordered.seconds <= other.seconds


def test_a_schedule_keeps_what_must_be_kept() -> None:
    pieces = study(2, wait=True)
    alone = scheduled(pieces, 1)
    assert alone.seconds == pytest.approx(sum(one.seconds for one in pieces.values()))
    assert alone.efficiency == pytest.approx(1)
    assert isinstance(scheduled(pieces, 10_000), Schedule)
    assert scheduled(pieces, 10_000).seconds >= max(JUDGES.values()) + 150 * UPDATE["CLOM"]
