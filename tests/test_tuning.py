"""The fastest way is found by measuring: fairly, once, and never at the cost of the result."""

import json
import logging
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from conftest import blobs, weights
from datastill.base import machine
from datastill.base.errors import InputError
from datastill.base.rng import Key
from datastill.compute import kernels, measuring, timing
from datastill.compute import route as routes
from datastill.compute.kernels import building
from datastill.compute.kernels.source import SETS
from datastill.compute.measuring import Answer, Question, answer, fairly, known
from datastill.compute.route import PLAIN, Route, candidates, logits
from datastill.compute.tuning import Choice, fastest
from datastill.data import Domain
from datastill.distillation.clom import cross_entropy_clom
from datastill.distillation.relabelling import relabelled
from datastill.networks import build
from datastill.training.fit import Fit, train
from datastill.training.pool import freeze

DOMAIN = blobs().domain
SMALL = "ConvNetD1W16"
MOST = timing.TRIAL_PIXELS // 64


@pytest.fixture(autouse=True)
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Forget what was measured before, but not the kernels that were built."""
    kernels.missing()
    monkeypatch.delenv("DATASTILL_ENGINE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(measuring, "_known", {})
    return tmp_path


@dataclass
class Clock:
    """Ways that take the seconds that they are said to take; no clock is read."""

    begin: float = 0.0
    """Of a step, whatever the number of images."""
    image: float = 0.001
    scatter: tuple[float, ...] = (1.0,)
    """Factors, one after another."""
    seen: list[int] = field(default_factory=list)

    def __call__(self, images: int) -> float:
        self.seen.append(images)
        factor = self.scatter[len(self.seen) % len(self.scatter)]
        return factor * (self.begin + self.image * images)


def spent(*clocks: Clock) -> float:
    return sum(clock.begin + clock.image * images for clock in clocks for images in clock.seen)


# Fairness.


def test_what_is_faster_wins_wherever_it_stands() -> None:
    for order in ("abc", "bca", "cab"):
        clocks = {name: Clock(image=0.001 * "abc".index(name) + 0.001) for name in order}
        assert fairly(clocks, 100).fastest == "a"


def test_the_first_is_taken_where_none_is_clearly_faster() -> None:
    assert fairly({"a": Clock(image=0.001), "b": Clock(image=0.00097)}, 100).fastest == "a"
    assert fairly({"a": Clock(image=0.001), "b": Clock(image=0.00090)}, 100).fastest == "b"


@pytest.mark.parametrize("image", [1e-5, 0.01, 0.3, 2.0])
def test_every_way_is_tried_on_few_images_first_and_none_takes_it_all(image: float) -> None:
    """The first one used to take the whole time, and was kept because nothing else was tried."""
    slow, quick = Clock(image=14 * image), Clock(image=image)
    found = fairly({"slow": slow, "quick": quick}, 1000)
    assert found.fastest == "quick"
    for clock in (slow, quick):
        assert clock.seen[0] == measuring.FEW
        assert len(clock.seen) >= 4
    few = 5 * (measuring.FEW + 4 * measuring.FEW) * 15 * image  # what trying at all costs
    assert spent(slow, quick) < 3 * measuring.BUDGET + few


def test_a_slow_machine_takes_no_more_images_than_it_affords() -> None:
    slow, quick = Clock(image=2.0), Clock(image=0.5)
    fairly({"slow": slow, "quick": quick}, 1568)
    assert max(slow.seen) <= measuring.GROWTH * measuring.FEW
    assert Counter(slow.seen)[max(slow.seen)] <= 3


def test_what_costs_much_once_and_little_for_an_image_is_not_wronged() -> None:
    """Winograd's weights are transformed whatever the number of images."""
    ways = {"plain": Clock(image=0.03), "kernels": Clock(begin=0.15, image=0.005)}
    found = fairly(ways, 128)
    assert found.images > max(found.tried.values()) or found.images == 128
    assert found.fastest == "kernels"


def test_ways_take_turns() -> None:
    order: list[str] = []

    def way(name: str) -> Callable[[int], float]:
        return lambda images: order.append(name) or 0.001 * images

    fairly({name: way(name) for name in "abc"}, 64)
    assert order == list("abc") * (len(order) // 3)


def test_the_least_time_counts() -> None:
    quick = Clock(image=0.001, scatter=(1.0, 5.0, 5.0))
    assert fairly({"a": Clock(image=0.002), "b": quick}, 64).fastest == "b"


def test_scattering_times_are_measured_again_and_then_told_apart() -> None:
    calm, rough = Clock(), Clock(scatter=(1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0) * 9)
    assert fairly({"a": calm, "b": Clock()}, 64).steady
    assert not fairly({"a": rough, "b": Clock()}, 64).steady
    assert len(rough.seen) > len(calm.seen)


# What is kept of it.


def ask(seconds: dict[str, Clock], of: str = "a network") -> Answer:
    question = Question(of, "avx", ("part",))
    return known(question, list(seconds)) or answer(
        question, seconds, most=8, finer=lambda way: {way: seconds[way]}
    )


def test_a_choice_is_remembered_with_what_it_was_made_by(fresh: Path) -> None:
    first = ask({"a": Clock(image=0.002), "b": Clock()})
    measuring._known.clear()  # another process
    silent = {"a": Clock(), "b": Clock()}
    again = ask(silent)
    assert (again.way, again.seconds, again.measured) == ("b", first.seconds, False)
    assert not silent["a"].seen
    (kept,) = json.loads((fresh / "datastill" / "routes.json").read_text()).values()
    assert (kept["of"], kept["kernels"], kept["version"]) == ("a network", "avx", "0.1.0")


def test_another_version_or_instruction_set_is_another_question(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = Question("a network", "avx2", ("part",))
    assert one.address != Question("a network", "avx512", ("part",)).address
    assert one.address != Question("a network", "avx2", ("other",)).address
    before = one.address
    monkeypatch.setattr(measuring, "own_version", lambda: "0.2.0")
    assert one.address != before


def test_kernels_of_another_source_are_another_question(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was measured with those of before says nothing of them."""
    network = build(SMALL, DOMAIN, key=Key(0))
    addresses = set[str]()
    for source in ("layers-avx2-0123", "layers-avx2-4567"):
        monkeypatch.setattr(kernels, "build", lambda source=source: source)
        question = timing._question(network, DOMAIN.shape, torch.device("cpu"), ["plain"], "avx2")
        addresses.add(question.address)
    assert len(addresses) == 2


def test_a_choice_made_while_timings_scatter_serves_this_process_alone(fresh: Path) -> None:
    rough = tuple(2.0**k for k in range(50))
    ways = {"a": Clock(scatter=rough), "b": Clock(image=0.5, scatter=rough)}
    assert not ask(ways).steady
    calls = len(ways["a"].seen)
    ask(ways)
    assert len(ways["a"].seen) == calls
    assert machine.recalled("routes") == {}


def test_one_word_forgets(fresh: Path) -> None:
    ask({"a": Clock(), "b": Clock()})
    measuring.forget()
    assert machine.recalled("routes") == {}
    assert ask({"a": Clock(), "b": Clock()}).measured


@pytest.mark.parametrize("content", ["", "{", "[]", "3"])
def test_a_memory_that_cannot_be_read_is_made_anew(fresh: Path, content: str) -> None:
    (fresh / "datastill").mkdir()
    (fresh / "datastill" / "routes.json").write_text(content)
    assert ask({"a": Clock(), "b": Clock()}).measured
    measuring._known.clear()
    assert not ask({"a": Clock(), "b": Clock()}).measured


@pytest.mark.parametrize("entry", [None, {}, 3, {"way": "a", "seconds": 3}, {"way": "z"}])
def test_an_entry_of_another_kind_is_made_anew(
    monkeypatch: pytest.MonkeyPatch, entry: object
) -> None:
    monkeypatch.setattr(machine, "recalled", lambda _name: defaultdict(lambda: entry))
    assert ask({"a": Clock(), "b": Clock()}).measured


def test_without_a_place_to_remember_it_is_measured_again(fresh: Path) -> None:
    (fresh / "datastill").write_text("a file where the folder should be")
    for _ in range(2):
        assert ask({"a": Clock(), "b": Clock()}).measured
        measuring._known.clear()
    assert machine.recalled("routes") == {}


def test_that_something_is_measured_is_said_before_it_starts(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "datastill")
    told: list[int] = []

    def way(images: int) -> float:
        told.append(len(caplog.records))
        return 0.001 * images

    question = Question("ConvNet on 1x8x8", "", ())
    answer(question, {"a": way, "b": way}, most=8, finer=lambda name: {name: way})
    assert set(told) == {1}
    assert "ConvNet on 1x8x8" in caplog.text


# Routes.


def timed(monkeypatch: pytest.MonkeyPatch, seconds: dict[str, float]) -> Counter[str]:
    """Let routes take the seconds for an image given by name, and count which were tried."""
    tried: Counter[str] = Counter()

    def fake(_network: nn.Module, images: Tensor, way: object, count: int) -> float:
        route = way.args[0]  # type: ignore[attr-defined]
        network = build(SMALL, DOMAIN, key=Key(0))
        names = {r: name for name, r in candidates(network, DOMAIN.shape, images.device).items()}
        tried[names[route]] += 1
        return count * seconds.get(names[route], 1e-5)

    monkeypatch.setattr(timing, "_seconds", fake)
    return tried


def ways(name: str = SMALL, domain: Domain = DOMAIN) -> dict[str, Route]:
    return candidates(build(name, domain, key=Key(0)), domain.shape, torch.device("cpu"))


@pytest.mark.parametrize("name", ["plain", "channels last", "channels last, 1568 at once"])
def test_the_fastest_route_is_taken(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    layers = name.split(",", maxsplit=1)[0]
    timed(monkeypatch, {name: 5e-6, layers: 6e-6})
    found = fastest(SMALL, DOMAIN)
    assert found.route == ways()[name]
    assert found.why is not None
    assert found.why.way == name


def test_whoever_names_no_route_takes_the_one_that_was_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Training, testing, CLOM's teachers: kernels used to be taken there, fast or not."""
    network, images = build(SMALL, DOMAIN, key=Key(0)), blobs().images
    lowered: list[int] = []
    inner = kernels.lowered
    monkeypatch.setattr(
        routes.kernels, "lowered", lambda **more: lowered.append(1) or inner(**more)
    )
    uses = (
        lambda: train(network, blobs(), Fit(epochs=1), key=Key(0)),
        lambda: Route().over(logits, network, images),
        lambda: cross_entropy_clom(
            [freeze(build(SMALL, DOMAIN, key=Key(1)), SMALL, DOMAIN, {})], 1.0, DOMAIN
        )(images.requires_grad_(), blobs().labels, key=Key(0)),
    )
    if kernels.missing():
        pytest.skip(kernels.missing())
    for slow, used in (("kernels", False), ("plain", True)):
        measuring.forget()
        timed(monkeypatch, {slow: 1e-3, "channels last": 1e-3})
        for use in uses:
            lowered.clear()
            use()
            assert bool(lowered) is used


def test_a_route_that_names_kernels_or_none_is_not_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried = timed(monkeypatch, {})
    network, images = build(SMALL, DOMAIN, key=Key(0)), blobs().images
    for route in (Route(kernels=True), Route(kernels=False), Route(precision="bfloat16")):
        route.over(logits, network, images)
    monkeypatch.setenv("DATASTILL_ENGINE", "plain")
    assert Route().settled(network, images) == Route(kernels=False)
    monkeypatch.setenv("DATASTILL_ENGINE", "Kernels")
    assert Route().settled(network, images) == Route(kernels=True)
    assert not tried


def test_another_word_for_the_engine_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATASTILL_ENGINE", "fast")
    with pytest.raises(InputError, match=r"auto, kernels or plain, found 'fast'"):
        fastest(SMALL, DOMAIN)


def test_an_architecture_is_measured_once_whatever_its_weights(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried = timed(monkeypatch, {})
    for seed in range(3):
        Route().over(logits, build(SMALL, DOMAIN, key=Key(seed)), blobs().images)
    once = tried.total()
    fastest(SMALL, DOMAIN)
    assert tried.total() == once
    fastest("ConvNetD1W32", DOMAIN)
    assert tried.total() > once
    assert {choice.of for choice in measuring.chosen().values()} == {
        "ConvNetD1W16 on 3x8x8",
        "ConvNetD1W32 on 3x8x8",
    }


def test_where_there_is_nothing_to_choose_nothing_is_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried = timed(monkeypatch, {})
    assert fastest("MLP", DOMAIN) == Choice(Route(kernels=False), None)
    network = build(SMALL, DOMAIN, key=Key(0)).to("meta")
    assert Route().settled(network, blobs().images.to("meta")) == Route(kernels=False)
    assert not tried


def test_a_network_that_sees_its_batch_whole_has_no_other_chunks() -> None:
    assert not [name for name in ways("ConvNetD1W16BN") if "," in name]
    assert [name for name in ways(SMALL) if "," in name]


def test_measuring_leaves_the_network_and_all_randomness_as_they_were() -> None:
    network = build("ConvNetD1W16BN", DOMAIN, key=Key(0)).eval().requires_grad_(False)
    before, state = weights(network), torch.get_rng_state()
    routes.choose(network, DOMAIN.shape, torch.device("cpu"))
    after = weights(network)
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not network.training
    assert not any(weight.requires_grad for weight in network.parameters())
    assert all(weight.grad is None for weight in network.parameters())
    assert torch.equal(torch.get_rng_state(), state)


def test_every_candidate_is_measured() -> None:
    network = build(SMALL, DOMAIN, key=Key(0))
    found = routes.choose(network, DOMAIN.shape, torch.device("cpu"))
    assert set(found.seconds) >= {name for name in ways() if "," not in name}
    assert all(seconds > 0 for seconds in found.seconds.values())
    assert found.way in ways()


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_who_asks_first_may_do_so_where_nothing_is_differentiated(
    mode: Callable[[], AbstractContextManager[None]],
) -> None:
    with mode():
        found = routes.choose(build(SMALL, DOMAIN, key=Key(0)), DOMAIN.shape, torch.device("cpu"))
    assert set(found.seconds) >= {"plain"}


def test_soft_labels_are_asked_for_on_a_machine_that_measured_nothing() -> None:
    member = freeze(build(SMALL, DOMAIN, key=Key(0)), SMALL, DOMAIN, {})
    assert relabelled(blobs(), [member]).labels.shape == (48, 4)


def test_a_held_choice_is_taken_in_place_of_the_remembered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A run that is resumed goes on by the routes that it began with."""
    timed(monkeypatch, {"plain": 1e-6})
    assert not fastest(SMALL, DOMAIN).route.channels_last
    held = {
        address: Answer("channels last", {}, 1, {}, choice.of)
        for address, choice in measuring.chosen().items()
    }
    measuring.hold(held)
    assert fastest(SMALL, DOMAIN).route.channels_last


def test_why_there_are_no_kernels_is_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(routes.kernels, "missing", lambda: "no g++ was found")
    monkeypatch.setattr(routes.kernels, "instructions", lambda: "")
    routes.tell_what_is_missing.cache_clear()
    timed(monkeypatch, {})
    for name in (SMALL, "ConvNetD1W32"):
        assert not fastest(name, DOMAIN).route.kernels
    routes.tell_what_is_missing.cache_clear()
    assert caplog.text.count("no g++ was found") == 1


def test_that_kernels_are_built_is_said_before_it_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broken = tmp_path / "broken-compiler"
    broken.write_text("#!/bin/sh\necho 'no space left' >&2\nexit 1\n")
    broken.chmod(0o700)
    monkeypatch.setenv("CXX", str(broken))
    caplog.set_level(logging.INFO, "datastill")
    with pytest.raises(building.Unavailable, match="no space left"):
        building.built(SETS[0])
    assert f"building datastill's kernels for {SETS[0].name}" in caplog.text


def test_no_candidate_changes_the_result() -> None:
    network = build("ConvNetD2W32", DOMAIN, key=Key(0))
    images = blobs().images
    wanted = PLAIN.run(logits, network, images)
    for route in ways("ConvNetD2W32").values():
        assert route.precision == "float32"
        torch.testing.assert_close(route.run(logits, network, images), wanted, rtol=1e-4, atol=1e-5)
