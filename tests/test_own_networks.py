"""Assessments by networks of their own: short trainings, ridge on random features, composites."""

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from conftest import blobs, linear
from datastill.augment import DSA, policy_for
from datastill.base.errors import InputError
from datastill.base.rng import Key
from datastill.evaluation.assessments import ASSESSMENTS, Evidence, Numbered, proxy
from datastill.evaluation.assessments.fresh_ridge import RIDGES, ridge_left_out
from datastill.evaluation.assessments.proxy import EPOCHS, proxy_fit
from datastill.evaluation.scores import all_names, assess, epoch_of, needs_of_all, usual_names
from datastill.networks import build, features
from datastill.training.fit import predict, train
from datastill.training.pool import freeze

NUMBERED = ("proxy-accuracy", "proxy-likelihood", "fresh-kernel-ridge")


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    real, unseen = blobs(per_class=20), blobs("unseen", per_class=9)
    made = blobs("synthetic", per_class=3)
    return Evidence(made, real, (), Key(3), held_out=unseen, students=("ConvNetD1W16",))


def value(name: str, evidence: Evidence) -> float:
    (found,) = assess(evidence, [name]).values()
    return found.score.value


def test_a_proxy_by_a_training_of_our_own(evidence: Evidence) -> None:
    data, key = evidence.judged, evidence.key.at("proxy", "ConvNetD1W16")
    network = build("ConvNetD1W16", data.domain, key=key.at("network"))
    policy = policy_for(DSA, data.domain)
    train(network, data, proxy_fit(7), policy=policy, key=key.at("fit"), route=evidence.route)
    assert evidence.held_out is not None
    said, labels = predict(network, evidence.held_out.images), evidence.held_out.labels
    right = float((said.argmax(1) == labels).float().mean())
    assert value("proxy-accuracy@7", evidence) == pytest.approx(right)
    expected = -float(F.cross_entropy(said, labels))
    assert value("proxy-likelihood@7", evidence) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("epochs", [1, 2, 20, 60, 200])
def test_its_schedule_ends_whatever_its_length(epochs: int) -> None:
    fit = proxy_fit(epochs)
    rates = [fit.lr_at(epoch) for epoch in range(epochs)]
    assert max(rates) >= 0.05
    assert all(rate > 0 for rate in rates)
    if epochs >= 20:
        assert rates[-1] < 0.01 * max(rates)
        assert rates.index(max(rates)) <= 0.1 * epochs


def test_scores_of_one_training_share_it(evidence: Evidence) -> None:
    fresh = replace(evidence)
    assess(fresh, ["proxy-accuracy@3", "proxy-likelihood@3", "proxy-accuracy@4"])
    trained = [name for name in fresh.known.parts if isinstance(name, tuple)]
    assert [name for name in trained if name[0] == "proxy"] == [
        ("proxy", "ConvNetD1W16", 3),
        ("proxy", "ConvNetD1W16", 4),
    ]


def test_they_share_it_under_every_draw(
    evidence: Evidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[int] = []
    monkeypatch.setattr(proxy, "train", lambda *_, **__: trained.append(1))
    assess(replace(evidence), ["proxy-accuracy@3", "proxy-likelihood@3"], draws=3)
    assert len(trained) == 3


@pytest.mark.parametrize("name", NUMBERED)
def test_names_say_numbers_and_architectures(name: str, evidence: Evidence) -> None:
    own = ASSESSMENTS[name]
    assert isinstance(own, Numbered)
    asked = [name.replace("-", "_"), f"{name}@{own.number}", f"{name}@2", f"{name}/mlp@1"]
    named = {one: list(assess(evidence, [one])) for one in asked[2:]}
    assert named == {f"{name}@2": [f"{name}@2"], f"{name}/mlp@1": [f"{name}/MLP@1"]}
    assert value(f"{name}@2", evidence) == own.at(2)(evidence).value
    assert value(f"{name}/mlp@1", evidence) == own.at(1)(evidence.by("MLP")).value
    assert epoch_of(f"{name}@2") is None  # no early original model is asked for
    assert needs_of_all([f"{name}/mlp@1"]) == {"held_out"}
    for wrong, complaint in (("@0", "must be above 0"), ("@x", "'x' is no"), ("/MLQ", "MLP")):
        with pytest.raises(InputError, match=complaint):
            assess(evidence, [name + wrong])


def test_a_number_that_it_has_anyway_is_not_said(evidence: Evidence) -> None:
    assert EPOCHS == 60
    assert list(assess(evidence, ["proxy-accuracy@60"])) == ["proxy-accuracy"]
    assert list(assess(evidence, ["fresh-kernel-ridge@10"])) == ["fresh-kernel-ridge"]


def test_they_are_made_where_images_are_held_out(evidence: Evidence) -> None:
    without = replace(evidence, held_out=None)
    assert "fresh-kernel-ridge" in usual_names(evidence)
    assert "fresh-kernel-ridge" not in usual_names(without)
    assert {*all_names(evidence)} - {*all_names(without)} == {*NUMBERED}
    assert "trajectory-distance" in all_names(without)


def test_the_pool_is_asked_where_a_part_of_it_is() -> None:
    assert needs_of_all(["fresh-feature-distance", "nearest-psnr"]) == frozenset()
    assert needs_of_all(["fresh-feature-distance/MLP"]) == {"originals"}
    assert needs_of_all(["om-margin", "proxy-accuracy"]) == {"originals", "held_out"}


def test_another_draw_is_another_network(evidence: Evidence) -> None:
    assert evidence.redrawn(0) is evidence
    again = evidence.redrawn(1)
    assert again.reference is evidence.redrawn(1).reference
    assert again.of(evidence.synthetic).reference is again.reference
    assert again.reference.sample is not evidence.reference.sample
    for name in ("proxy-likelihood@3", "fresh-kernel-ridge@1", "fresh-feature-distance"):
        assert value(name, again) != value(name, evidence)
        assert value(name, again) == value(name, replace(evidence).redrawn(1))
    assert value("spectrum-distance", again) != 0


def test_ridge_is_chosen_by_what_is_left_out() -> None:
    generator = Key(1).generator()
    points = torch.randn(9, 6, generator=generator).double()
    targets = torch.randn(9, 3, generator=generator).double()
    kernel = points @ points.T

    def fitted(share: float, rows: torch.Tensor) -> torch.Tensor:
        weight = share * float(kernel.diagonal().mean())
        own = kernel[rows][:, rows] + weight * torch.eye(len(rows)).double()
        return torch.linalg.solve(own, targets[rows])

    def error(share: float) -> float:
        lost = list[torch.Tensor]()
        for i in range(9):
            rows = torch.tensor([j for j in range(9) if j != i])
            lost.append(targets[i] - kernel[i][rows] @ fitted(share, rows))
        return float(torch.stack(lost).square().mean())

    best = min(RIDGES, key=error)
    assert torch.allclose(ridge_left_out(kernel, targets), fitted(best, torch.arange(9)))


def test_fresh_ridge_averages_what_networks_predict(evidence: Evidence) -> None:
    data, unseen = evidence.judged, evidence.held_out
    assert unseen is not None
    shares = F.one_hot(data.labels, 4).double()
    said = torch.zeros(len(unseen), 4).double()
    for number in range(2):
        network = evidence.reference.fresh_network("ConvNetD1W16", number)
        with torch.no_grad():
            points, asked = (features(network, one.images).double() for one in (data, unseen))
        size, centre = points.shape[1], shares.mean(0)
        by = ridge_left_out(points @ points.T / size, shares - centre)
        said += (asked @ points.T / size @ by + centre) / 2
    own = said.gather(1, unseen.labels[:, None])[:, 0]
    others = said.scatter(1, unseen.labels[:, None], -torch.inf).amax(1)
    expected = float((own - others).mean())
    assert value("fresh-kernel-ridge@2", evidence) == pytest.approx(expected, rel=1e-4)


def test_fresh_ridge_refuses_what_is_not_finite_in_its_networks(evidence: Evidence) -> None:
    data = evidence.synthetic
    broken = evidence.of(replace(data, images=data.images * 1e38))
    with pytest.raises(InputError, match="gives values that are not finite"):
        value("fresh-kernel-ridge", broken)


def test_a_composite_is_of_what_it_says(evidence: Evidence) -> None:
    pool = (freeze(linear(evidence.train.domain), "MLP", evidence.train.domain, {}),)
    judged = replace(evidence, pool=pool)
    doubt = value("om-cross-entropy", judged)
    for name, distance, weight in (
        ("fidelity-and-trajectory", "trajectory-distance", 5.2),
        ("fidelity-and-coverage", "fresh-feature-distance", 3.5),
    ):
        expected = -math.log(doubt + 0.01) - weight * math.log(value(distance, judged))
        assert value(name, judged) == pytest.approx(expected)


def test_images_held_out_are_of_the_kind_of_the_others(evidence: Evidence) -> None:
    with pytest.raises(InputError, match="1x8x8"):
        replace(evidence, held_out=blobs(shape=(1, 8, 8)))
    with pytest.raises(InputError, match="the images held out: not a single image"):
        replace(evidence, held_out=evidence.train.take(torch.tensor([], dtype=torch.long)))
