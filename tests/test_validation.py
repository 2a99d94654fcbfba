"""The judge: fair to every set, tested once, honest about what differs."""

import statistics
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats

from conftest import blobs, other_normalisation, same, watching, weights
from datastill.base.errors import InputError
from datastill.base.rng import Key
from datastill.data import ImageSet
from datastill.evaluation import validation
from datastill.evaluation.plan import collect
from datastill.evaluation.validation import Trial, contest, validate
from datastill.networks import Network
from datastill.training import stacked
from datastill.training.accuracies import Accuracies, crossed_difference, difference
from datastill.training.coresets import CORESETS
from datastill.training.fit import Fit, accuracy
from datastill.training.protocol import Protocol, preset

QUICK = Protocol("quick", Fit(epochs=6, batch=16, lr=0.02), augmentation="none")
STILL = Protocol("still", Fit(epochs=1, lr=0.0), augmentation="none")
MODEL = "ConvNetD1W16"


def few(seed: int, per_class: int = 2) -> ImageSet:
    real = blobs()
    return real.take(CORESETS["random"](real, [per_class] * 4, key=Key(seed)))


def always(data: ImageSet) -> Callable[[int], ImageSet]:
    return lambda _: data


def held(sets: dict[str, ImageSet], **changes: object) -> Iterator[Trial]:
    options = {"models": [MODEL], "protocol": QUICK, "trials": 2, "key": Key(0)} | changes
    return contest({name: always(data) for name, data in sets.items()}, blobs("test"), **options)


def test_validation_tells_good_sets_from_bad() -> None:
    good = few(0, per_class=6)
    shifted = replace(good, labels=(good.labels + 1) % 4)
    for data, expected in ((good, 1.0), (shifted, 0.0)):
        found = validate(data, blobs("test"), MODEL, QUICK, trials=2, key=Key(0))
        assert found.mean == pytest.approx(expected, abs=0.15)


@pytest.mark.parametrize("labels", ["hard", "soft"])
def test_validation_follows_its_key(labels: str) -> None:
    data = few(0, per_class=1)
    if labels == "soft":
        data = replace(data, labels=torch.nn.functional.one_hot(data.labels, 4) * 0.6 + 0.1)
    protocol = Protocol("short", Fit(epochs=2, lr=0.01), augmentation="dsa")
    found = []
    for seed in (0, 0, 1):
        torch.rand(3)
        found.append(validate(data, blobs("test"), MODEL, protocol, trials=3, key=Key(seed)))
    assert found[0] == found[1]
    assert found[0] != found[2]


def test_trials_are_paired() -> None:
    """Trial i starts from the same weights whatever the set, and trials differ."""
    trials = list(held({"one": few(0), "other": few(1, 3)}, protocol=STILL, trials=3))
    starts = [weights(trial.network) for trial in trials]
    for i in range(3):
        assert same(starts[i], starts[3 + i])
        assert not any(same(starts[i], other) for other in starts[:i])


def test_trials_see_their_images_in_the_same_order() -> None:
    one, other = blobs(), blobs("synthetic", per_class=12)
    marked = [
        replace(data, images=torch.arange(48.0)[:, None, None, None].expand(48, 3, 8, 8))
        for data in (one, other)
    ]
    orders = []
    for data in marked:
        with watching() as seen:
            list(held({"set": data}, trials=2))
        orders.append([images[:, 0, 0, 0].tolist() for _, training, images in seen if training])
    assert orders[0] == orders[1]
    half = len(orders[0]) // 2
    assert orders[0][:half] != orders[0][half:]


def test_a_set_validated_alone_gives_what_it_gives_in_a_contest() -> None:
    sets = {"one": few(0), "other": few(1)}
    together = collect(held(sets, trials=3))
    for result in together:
        alone = validate(sets[result.source], blobs("test"), MODEL, QUICK, trials=3, key=Key(0))
        assert alone == result.accuracies


def test_more_trials_begin_with_the_same_ones() -> None:
    two, three = (
        validate(few(0), blobs("test"), MODEL, QUICK, trials=trials, key=Key(0))
        for trials in (2, 3)
    )
    assert three.values[:2] == two.values


def test_a_network_is_tested_once_at_its_last_epoch() -> None:
    test = blobs("test")
    with watching() as seen:
        trials = list(held({"one": few(0)}, trials=2))
    for trial in trials:
        modes = [training for network, training, _ in seen if network is trial.network]
        assert modes == sorted(modes, reverse=True)  # all of the training, then the test
        tested = [images for network, mode, images in seen if network is trial.network and not mode]
        assert torch.equal(torch.cat(tested)[: len(test)], test.images)
        assert len(torch.cat(tested)) < 2 * len(test)
        assert sum(modes) == QUICK.fit.epochs
        assert trial.accuracy == accuracy(trial.network, test)
        assert trial.seconds > 0


def test_values_are_kept_in_order() -> None:
    trials = list(held({"one": few(0, 1)}, trials=4, protocol=STILL))
    found = validate(few(0, 1), blobs("test"), MODEL, STILL, trials=4, key=Key(0))
    assert found.values == tuple(trial.accuracy for trial in trials)
    assert len(set(found.values)) > 1
    assert [trial.number for trial in trials] == [0, 1, 2, 3]


def test_a_contest_goes_by_model_then_set_then_trial_and_draws_for_each() -> None:
    asked: list[tuple[str, int]] = []

    def drawing(name: str) -> Callable[[int], ImageSet]:
        def draw(i: int) -> ImageSet:
            asked.append((name, i))
            return few(i)

        return draw

    sets = {"b": drawing("b"), "a": drawing("a")}
    trials = contest(sets, blobs("test"), ["MLP", MODEL], STILL, trials=2, key=Key(0))
    first = next(trials)
    assert asked == [("b", 0)]
    found = [(t.model, t.source, t.number) for t in [first, *trials]]
    assert found == [(m, s, i) for m in ("MLP", MODEL) for s in "ba" for i in (0, 1)]
    assert asked == [(source, number) for _, source, number in found]


def test_the_protocol_decides_whether_images_are_augmented() -> None:
    data = few(0)
    originals = {tuple(image.flatten().tolist()) for image in data.images}
    shares = []
    for augmentation in ("none", "dsa", "crop_scale_rotate"):
        with watching() as seen:
            list(held({"one": data}, trials=1, protocol=replace(QUICK, augmentation=augmentation)))
        images = torch.cat([images for _, training, images in seen if training])
        kept = [tuple(image.flatten().tolist()) in originals for image in images]
        shares.append(sum(kept) / len(kept))
    assert shares[0] == 1
    assert max(shares[1:]) < 0.5


@pytest.mark.parametrize("name", ["dc", "dsa"])
def test_the_published_protocols_train(name: str) -> None:
    found = validate(few(0, 6), blobs("test"), MODEL, preset(name, epochs=30), trials=1, key=Key(0))
    assert found.mean > 0.6


def test_test_images_are_normalised_as_the_set_is() -> None:
    data, test = few(0), blobs("test")
    elsewhere = test.under(other_normalisation(test.domain))
    expected = validate(data, test, MODEL, QUICK, trials=2, key=Key(0))
    with watching() as seen:
        found = validate(data, elsewhere, MODEL, QUICK, trials=2, key=Key(0))
    assert found == expected
    tested = torch.cat([images for _, training, images in seen if not training])
    torch.testing.assert_close(tested[: len(test)], test.images)


@pytest.mark.parametrize(("shape", "classes"), [((3, 8, 9), 4), ((3, 8, 8), 3)])
def test_sets_of_another_kind_are_refused(shape: tuple[int, int, int], classes: int) -> None:
    with pytest.raises(InputError, match="blobs has"):
        validate(few(0), blobs("test", shape, classes), MODEL, STILL, trials=1, key=Key(0))


# Networks trained at once.

AUGMENTED = Protocol(
    "augmented", Fit(epochs=4, batch=6, lr=0.02, milestones=(2,)), augmentation="dsa"
)


def trained(trial: Trial) -> tuple[object, ...]:
    return trial.source, trial.model, trial.number, trial.together


def test_networks_trained_at_once_end_as_they_do_alone() -> None:
    sets = {"one": few(0, 4), "other": few(1, 2)}
    changes = {"models": [MODEL, "MLP"], "protocol": AUGMENTED, "trials": 5}
    alone = list(held(sets, **changes))
    found = list(held(sets, **changes, together=3))
    assert [trained(t)[:3] for t in found] == [trained(t)[:3] for t in alone]
    assert [t.together for t in alone] == [1] * 20
    assert [t.together for t in found] == [3, 3, 3, 2, 2] * 4
    for one, other in zip(alone, found, strict=True):
        torch.testing.assert_close(
            weights(other.network), weights(one.network), rtol=1e-4, atol=1e-5
        )
        assert other.accuracy == pytest.approx(one.accuracy, abs=1 / 48)
        assert other.seconds > 0
    assert [result.together for result in collect(found)] == [3] * 4


def test_on_a_cpu_one_network_is_trained_after_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stacked, "train", None)
    assert {trial.together for trial in held({"one": few(0)}, trials=3)} == {1}


def test_sets_of_several_sizes_are_trained_on_in_groups() -> None:
    """A draw may differ in size from the one before."""
    sizes = [2, 2, 3, 3, 3, 2]
    found = contest(
        *({"drawn": lambda i: few(i, sizes[i])}, blobs("test"), [MODEL], STILL),
        trials=6,
        key=Key(0),
        together=6,
    )
    assert [(t.number, t.together) for t in found] == [
        *((0, 2), (1, 2)),
        *((2, 3), (3, 3), (4, 3)),
        (5, 1),
    ]


def fits(most: int) -> Callable[..., None]:
    """Make a training that has memory for so many networks."""
    train = stacked.train

    def tight(networks: list[Network], *rest: object, **also: object) -> None:
        if len(networks) > most:
            raise torch.OutOfMemoryError("no memory")
        train(networks, *rest, **also)

    return tight


def test_as_many_are_trained_at_once_as_fit_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stacked, "train", fits(3))
    monkeypatch.setattr(validation, "at_once", lambda device, trials: trials)
    found = list(held({"one": few(0)}, trials=8))
    assert [(t.number, t.together) for t in found] == [
        *((i, 2) for i in range(8)),
    ]
    with pytest.raises(InputError, match="8 networks cannot be trained at once: they do not fit"):
        list(held({"one": few(0)}, trials=8, together=8))


def test_an_obstacle_is_told_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stacked, "obstacle", lambda networks, images: "they are shy")
    monkeypatch.setattr(validation, "at_once", lambda device, trials: trials)
    found = list(held({"one": few(0)}, protocol=STILL, trials=3))
    assert [(t.together, t.obstacle) for t in found] == [(1, "they are shy")] * 3
    assert collect(found)[0].obstacle == "they are shy"
    with pytest.raises(InputError, match=f"{MODEL}: 2 networks cannot .* at once: they are shy"):
        list(held({"one": few(0)}, protocol=STILL, trials=3, together=2))


def test_a_gpu_trains_all_at_once() -> None:
    assert validation.at_once(torch.device("cpu"), 20) == 1
    assert validation.at_once(torch.device("cuda"), 20) == 20


# Numbers.


@pytest.mark.parametrize("n", [2, 3, 20])
def test_spread_is_the_sample_standard_deviation(n: int) -> None:
    values = torch.rand(n, generator=Key(n).generator()).tolist()
    found = Accuracies(tuple(values))
    assert found.mean == pytest.approx(sum(values) / n)
    assert found.std == pytest.approx((sum((v - found.mean) ** 2 for v in values) / (n - 1)) ** 0.5)
    assert str(Accuracies((0.5, 0.75, 0.85))) == "70.0 ± 18.0 % (n=3)"


def test_the_sample_standard_deviation_does_not_shrink_with_few_networks() -> None:
    # Its square is right on average, however few there are: divided by n it is half of that at 2.
    draws = np.random.default_rng(0).normal(0.5, 0.1, (4000, 2))
    variances = [float(Accuracies(tuple(row)).std or 0) ** 2 for row in draws]
    assert statistics.mean(variances) == pytest.approx(0.1**2, rel=0.05)


def test_one_network_has_no_spread() -> None:
    found = Accuracies((0.575,))
    assert found.std is None
    assert str(found) == "57.5 % (n=1)"


@pytest.mark.parametrize("n", [2, 3, 20])
def test_differences_have_the_interval_of_the_paired_t_test(n: int) -> None:
    rng = Key(n).generator()
    one, other = (torch.rand(n, generator=rng).tolist() for _ in range(2))
    found = difference(Accuracies(tuple(one)), Accuracies(tuple(other)))
    expected = stats.ttest_rel(one, other).confidence_interval(0.95)
    assert found.mean == pytest.approx(statistics.mean(one) - statistics.mean(other))
    assert found.interval == pytest.approx((expected.low, expected.high))
    opposite = difference(Accuracies(tuple(other)), Accuracies(tuple(one)))
    assert opposite.interval == pytest.approx((-expected.high, -expected.low))


def test_a_single_pair_has_no_interval() -> None:
    found = difference(Accuracies((0.75,)), Accuracies((0.5,)))
    assert (found.interval, str(found)) == (None, "+25.0 (1 pair)")


@pytest.mark.parametrize("n", [2, 3, 5])
def test_equal_differences_have_no_interval(n: int) -> None:
    # Whatever rounding makes of them: 0.3 - 0.2 is not 0.2 - 0.1.
    one, other = (tuple((i + by) / 10 for i in range(n)) for by in (2, 1))
    found = difference(Accuracies(one), Accuracies(other))
    assert found.mean == pytest.approx(0.1)
    assert found.interval is None
    assert str(found) == f"+10.0 ({n} equal pairs)"


def test_what_two_pairs_say_is_not_told_as_an_interval() -> None:
    found = difference(Accuracies((0.9, 0.5)), Accuracies((0.5, 0.26)))
    assert found.interval is not None
    assert str(found) == "+32.0 (2 pairs)"


def test_an_interval_ends_where_accuracies_do() -> None:
    found = difference(Accuracies((1.0, 0.2, 0.4)), Accuracies((0.0, 0.3, 0.2)))
    assert found.interval is not None
    assert max(found.interval) > 1
    assert str(found).endswith("to +100.0)")


def table(values: np.ndarray) -> list[Accuracies]:
    return [Accuracies(tuple(row)) for row in values]


def nothing(values: np.ndarray) -> list[Accuracies]:
    return table(np.zeros_like(values))


CROSSED = np.array([[0.14, 0.22, 0.08], [0.1, 0.25, 0.12], [0.16, 0.21, 0.03], [0.12, 0.2, 0.05]])


def test_a_crossed_difference_is_told_by_the_widest_unit() -> None:
    # Four seeds of nearly one mean, three networks that differ: the networks are the unit.
    found = crossed_difference(table(CROSSED + 0.3), table(np.full_like(CROSSED, 0.3)))
    assert found.mean == pytest.approx(CROSSED.mean())
    seeds, networks = (
        stats.t.interval(0.95, len(m) - 1, loc=m.mean(), scale=stats.sem(m))
        for m in (CROSSED.mean(1), CROSSED.mean(0))
    )
    assert found.interval is not None
    assert found.interval[0] <= networks[0] < seeds[0]
    assert found.interval == pytest.approx(tuple(networks), abs=0.01)
    # And the other way round, when seeds differ as the networks did.
    turned = crossed_difference(table(CROSSED.T), nothing(CROSSED.T))
    assert turned.interval == pytest.approx(found.interval)


def test_where_both_vary_a_crossed_difference_counts_both() -> None:
    both = 0.1 * np.array([[0.0], [1.0], [3.0]]) + 0.1 * np.array([[0.0, 1.0, 3.0]])
    found = crossed_difference(table(both), nothing(both))
    assert found.interval is not None
    alone = stats.t.interval(0.95, 2, loc=both.mean(), scale=stats.sem(both.mean(1)))
    # Twice the variance, twice the degrees of freedom: there is no interaction.
    error, reach = 2**0.5 * stats.sem(both.mean(1)), float(stats.t.ppf(0.975, 4))
    assert found.interval[1] - found.mean == pytest.approx(
        max(alone[1] - both.mean(), error * reach)
    )


def test_one_network_each_is_the_paired_test_over_seeds() -> None:
    one, other = (torch.rand(5, generator=Key(i).generator()).tolist() for i in (1, 2))
    found = crossed_difference(*([Accuracies((v,)) for v in values] for values in (one, other)))
    assert found.interval == pytest.approx(
        difference(Accuracies(tuple(one)), Accuracies(tuple(other))).interval
    )


def test_crossed_differences_that_say_too_little_have_no_interval() -> None:
    assert str(crossed_difference(table(CROSSED[:1]), nothing(CROSSED[:1]))) == "+14.7 (1 pair)"
    assert str(crossed_difference(table(CROSSED[:2]), nothing(CROSSED[:2]))) == "+15.2 (2 pairs)"
    same = np.full((3, 3), 0.25)
    assert str(crossed_difference(table(same), nothing(same))) == "+25.0 (3 equal pairs)"
    with pytest.raises(ValueError, match="zip"):
        crossed_difference(table(CROSSED), nothing(CROSSED[:, :2]))


@pytest.mark.parametrize(("seeds", "networks"), [(3, 3), (5, 2)])
@pytest.mark.parametrize(("by_seed", "by_network"), [(0, 0), (1, 0), (0, 1), (2, 2)])
def test_crossed_intervals_hold_the_truth_as_often_as_they_say(
    seeds: int, networks: int, by_seed: float, by_network: float
) -> None:
    rng, n = np.random.default_rng(seeds), 400
    rows = by_seed * rng.normal(size=(n, seeds, 1)) + by_network * rng.normal(size=(n, 1, networks))
    drawn = (rows + rng.normal(size=(n, seeds, networks))) / 1000
    found = [crossed_difference(table(one), nothing(one)).interval for one in drawn]
    held = [low <= 0 <= high for low, high in filter(None, found)]
    assert len(held) == n
    assert np.mean(held) > 0.95 - 2.5 * (0.95 * 0.05 / n) ** 0.5
    # A unit alone does not, where the other one varies more.
    alone = [
        difference(Accuracies(tuple(one.mean(1))), Accuracies((0.0,) * seeds)) for one in drawn
    ]
    covered = np.mean([low <= 0 <= high for low, high in filter(None, (a.interval for a in alone))])
    assert covered < 0.9 or by_network == 0 or (by_seed, seeds) == (2, 3)


def test_unpaired_trials_are_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        difference(Accuracies((0.5, 0.6)), Accuracies((0.5,)))


def test_trials_are_collected_by_set_and_model_in_order_of_appearance() -> None:
    network = next(held({"one": few(0)}, protocol=STILL, trials=1)).network
    told = [("b", "X", 0.5), ("a", "X", 0.1), ("b", "X", 0.75), ("b", "Y", 1.0), ("a", "X", 0.2)]
    found = collect(Trial(s, m, i, network, value, 1.0) for i, (s, m, value) in enumerate(told))
    assert [(result.source, result.model, result.accuracies.values) for result in found] == [
        ("b", "X", (0.5, 0.75)),
        ("a", "X", (0.1, 0.2)),
        ("b", "Y", (1.0,)),
    ]
    assert [result.seconds for result in found] == [2.0, 2.0, 1.0]
