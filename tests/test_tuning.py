"""The fastest route is found by measuring, once, and never at the cost of the result."""

import json
from collections import defaultdict
from pathlib import Path

import pytest
import torch

from conftest import blobs
from datastill import kernels, machine, tuning
from datastill.networks import build
from datastill.rng import Key
from datastill.route import PLAIN, Route, logits
from datastill.tuning import candidates, fastest

DOMAIN = blobs().domain


@pytest.fixture(autouse=True)
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Forget what was measured before, but not the kernels that were built."""
    kernels.missing()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def timed(monkeypatch: pytest.MonkeyPatch, seconds: dict[str, float]) -> list[Route]:
    """Let routes take the seconds given by name, and tell which were tried."""
    names = {route: name for name, route in candidates(DOMAIN, "cpu").items()}
    tried: list[Route] = []

    def fake(_network: object, _images: object, route: Route) -> float:
        tried.append(route)
        return seconds.get(names[route], 1.0)

    monkeypatch.setattr(tuning, "_seconds", fake)
    return tried


def test_what_is_clearly_faster_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    name, route = list(candidates(DOMAIN, "cpu").items())[-1]
    timed(monkeypatch, {name: 0.5})
    found = fastest("ConvNetD1W16", DOMAIN)
    assert found.route == route
    assert found.seconds[name] == 0.5
    assert found.measured


def test_what_is_hardly_faster_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    timed(monkeypatch, dict.fromkeys(list(candidates(DOMAIN, "cpu"))[1:], 0.9))
    assert fastest("ConvNetD1W16", DOMAIN).route == Route()


def test_what_is_far_behind_is_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    name, slow = list(candidates(DOMAIN, "cpu").items())[1]
    tried = timed(monkeypatch, {name: 9.0})
    fastest("ConvNetD1W16", DOMAIN)
    assert tried.count(slow) == 1
    assert tried.count(Route()) == 1 + tuning.ROUNDS


def test_beyond_the_budget_only_the_default_is_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning, "BUDGET", -1.0)
    tried = timed(monkeypatch, {})
    assert fastest("ConvNetD1W16", DOMAIN).route == Route()
    assert set(tried) == {Route()}


def test_a_choice_is_remembered(monkeypatch: pytest.MonkeyPatch, fresh: Path) -> None:
    name = list(candidates(DOMAIN, "cpu"))[1]
    timed(monkeypatch, {name: 0.1})
    first = fastest("ConvNetD1W16", DOMAIN)
    tried = timed(monkeypatch, {})
    again = fastest("ConvNetD1W16", DOMAIN)
    assert not tried
    assert (again.route, again.seconds, again.measured) == (first.route, first.seconds, False)
    fastest("ConvNetD1W32", DOMAIN)
    assert tried  # another architecture is another question
    kept = json.loads((fresh / "datastill" / "routes.json").read_text())
    assert [entry["of"] for entry in kept.values()] == [
        "ConvNetD1W16, 3x8x8",
        "ConvNetD1W32, 3x8x8",
    ]


def test_an_entry_of_another_kind_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    for entry in (None, {}, {"route": {"speed": 3}, "seconds": {}, "images": 1}):
        monkeypatch.setattr(
            machine, "recalled", lambda _name, entry=entry: defaultdict(lambda: entry)
        )
        assert fastest("ConvNetD1W16", DOMAIN).measured


@pytest.mark.parametrize("content", ["", "{", "[]", "3"])
def test_a_memory_that_cannot_be_read_is_made_anew(fresh: Path, content: str) -> None:
    (fresh / "datastill").mkdir()
    (fresh / "datastill" / "routes.json").write_text(content)
    assert fastest("ConvNetD1W16", DOMAIN).measured
    assert not fastest("ConvNetD1W16", DOMAIN).measured


def test_without_a_place_to_remember_it_is_measured_again(
    fresh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (fresh / "datastill").write_text("a file where the folder should be")
    assert fastest("ConvNetD1W16", DOMAIN).measured
    assert fastest("ConvNetD1W16", DOMAIN).measured
    assert machine.recalled("routes") == {}


def test_no_candidate_changes_the_result() -> None:
    network = build("ConvNetD2W32", DOMAIN, key=Key(0))
    images = blobs().images
    wanted = PLAIN.run(logits, network, images)
    for route in candidates(DOMAIN, "cpu").values():
        assert route.precision == "float32"
        torch.testing.assert_close(route.run(logits, network, images), wanted, rtol=1e-4, atol=1e-5)
