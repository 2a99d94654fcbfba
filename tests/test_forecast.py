"""Costs are sums of terms, and the terms follow from what is asked."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from conftest import blobs, linear, watching
from datastill.augment import dsa, identity
from datastill.base.errors import InputError
from datastill.compute.route import PLAIN, Route
from datastill.data import Domain
from datastill.data.pixels import FLOATS_MOST
from datastill.distillation.methods import METHODS
from datastill.runs.costs import forecast
from datastill.runs.costs.forecast import Cost, Rates
from datastill.runs.costs.reached import MEASURED, Reached, expectation
from datastill.training.fit import costing
from datastill.training.protocol import preset

RATES = Rates(features=1.0, weights=100.0, augmented=0.1, step=3.0)


def test_validation_counts_every_epoch_and_the_test_images() -> None:
    protocol = preset("dc", epochs=9)  # ten passes
    found = forecast.validation(protocol, RATES, images=300, tested=20)
    assert found.terms["training"] == pytest.approx(10 * (300 * 100 + 2 * 3))
    assert found.terms["testing"] == 20
    moved = forecast.validation(preset("dsa", epochs=9), RATES, images=300, tested=20)
    assert moved.terms["training"] - found.terms["training"] == pytest.approx(10 * 300 * 0.1)
    labelled = forecast.validation(
        protocol, replace(RATES, labelled=0.5), images=300, tested=20
    ).terms
    assert labelled == {**found.terms, "labels": 10 * 300 * 0.5}


def test_labels_on_the_fly_are_timed_where_they_are_given() -> None:
    domain, asked = blobs().domain, list[int]()

    def labels(images: Tensor, wanted: Tensor, domain: Domain, route: Route) -> Any:
        asked.append(len(images))
        return costing(images, wanted, domain, route)

    found = forecast.measured("MLP", domain, identity, PLAIN, labels=labels)
    assert len(set(asked)) == 1
    assert found.labelled > 0


def test_of_a_large_set_the_pixels_are_held() -> None:
    images, domain = FLOATS_MOST // (4 * 3 * 8 * 8), blobs().domain
    assert forecast.held(images, domain) == images * 4 * 3 * 8 * 8
    assert forecast.held(2 * images, domain) == 2 * images * 3 * 8 * 8


def test_rates_are_those_of_the_architecture() -> None:
    domain, policy = blobs().domain, dsa("color_crop_flip")
    small = forecast.measured("ConvNetD1W16", domain, policy, Route())
    large = forecast.measured("ConvNetD3W128", domain, policy, Route())
    for name in ("features", "weights"):
        assert 0 < getattr(small, name) < getattr(large, name), name
    assert large.features < large.weights
    assert small.augmented > 0


def test_rates_are_measured_where_the_run_will_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """They were those of the CPU, whatever the machine had."""
    waited: list[torch.device] = []
    monkeypatch.setattr(forecast, "synchronise", waited.append)
    domain, policy = blobs().domain, dsa("color_crop_flip")
    built: list[torch.device] = []
    inner = forecast.builder

    def noting(*given: object) -> object:
        made = inner(*given)
        return lambda *, key: built.append((n := made(key=key)).head.weight.device) or n

    monkeypatch.setattr(forecast, "builder", noting)
    with watching() as seen:
        found = forecast.measured("ConvNetD1W16", domain, policy, Route(), "meta")
    assert {images.device.type for _, _, images in seen} == {"meta"}
    assert {device.type for device in built} == {"meta"}
    assert {device.type for device in waited} == {"meta"}
    assert found.weights > 0


def test_of_a_large_network_few_images_are_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    """An estimate is there in seconds, however long a pass takes."""
    domain, place = blobs().domain, torch.device("cpu")
    for seconds, count in ((10.0, forecast.FEW), (1e-6, forecast.SAMPLE // 64)):
        monkeypatch.setattr(forecast, "took", lambda *_, seconds=seconds: seconds)
        assert len(forecast._sample(domain, place, linear(domain), Route())) == count


def test_what_takes_long_is_not_timed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    for seconds, runs in ((100.0, 2), (0.001, 4)):
        now = iter(seconds * i for i in range(99))
        monkeypatch.setattr(forecast.time, "perf_counter", lambda now=now: next(now))
        made: list[int] = []
        assert forecast.took(lambda made=made: made.append(1), torch.device("cpu")) == (
            pytest.approx(seconds)
        )
        assert len(made) == runs


def test_a_plan_fits_its_budget() -> None:
    for budget in (20.0, 60.0, 300.0, 3000.0):
        found = forecast.plan(budget, update=0.7, network=9.0, overhead=5.0, most=10**6)
        assert found.seconds <= budget
        assert found.seconds > 0.8 * budget
        assert 1 <= found.networks <= forecast.MOST_NETWORKS
    assert forecast.plan(3000, update=0.7, network=9, overhead=5, most=50).updates == 50


def test_too_small_a_budget_says_what_it_takes() -> None:
    with pytest.raises(InputError, match=r"0\.5 minutes are too few here.* take 1\.1$"):
        forecast.plan(30, update=3.0, network=60.0, overhead=5.0, most=10)


def test_an_empty_cost_is_nothing() -> None:
    assert Cost().seconds == 0


def test_what_is_expected_lies_on_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = tuple(Reached("D", "DM", 1, n, n / 1000, 0.01, 1, 2) for n in (500, 100, 300))
    monkeypatch.setattr("datastill.runs.costs.reached.MEASURED", rows)
    assert expectation("D", "DM", (1, 1), 350).endswith(
        "30.0 ± 1.0 % after 300 (2 networks), 50.0 ± 1.0 % after 500 (2 networks)"
    )
    assert (
        expectation("D", "DM", (1, 1), 50) == "measured before: 10.0 ± 1.0 % after 100 (2 networks)"
    )
    assert expectation("D", "DM", (1, 1), 9000).count("after") == 1
    assert "nothing is known" in expectation("D", "DC", (1, 1), 350)
    assert "nothing is known" in expectation("D", "DM", (1, 2), 350)


def test_measured_rows_are_plausible() -> None:
    for row in MEASURED:
        assert 0 < row.std < row.mean < 1
        assert row.method in METHODS.names
