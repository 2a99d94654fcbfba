"""What a run will cost, found out before it."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from datastill.base.errors import InputError
from datastill.compute.route import Route
from datastill.distillation.methods import METHODS
from datastill.runs.conduct.observer import Talking
from datastill.runs.costs.forecast import Rates
from datastill.runs.foresight import probing
from datastill.runs.foresight.estimating import estimate
from datastill.runs.specs import ClomSpec, ComputeSpec, DataSpec, DistillSpec, PoolSpec
from datastill.runs.specs.settings import adjusted
from datastill.training.protocol import preset
from test_cli import Run, run

__all__ = ["run"]
RATES = Rates(features=1e-3, weights=3e-3, augmented=1e-3, step=1e-2)
SPEC = DistillSpec(
    data=DataSpec("digits"), compute=ComputeSpec(engine="plain"), model="ConvNetD1W16", ipc=2
)


@pytest.fixture(autouse=True)
def rates(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Route]]:
    """Measure nothing: every architecture takes the same."""
    asked: list[tuple[str, Route]] = []

    def measured(model: str, domain: object, policy: object, route: Route, device: str) -> Rates:
        del domain, policy, device
        asked.append((model, route))
        return RATES

    monkeypatch.setattr("datastill.runs.foresight.estimating.measured", measured)
    return asked


def test_an_estimate_is_a_value(rates: list[tuple[str, Route]]) -> None:
    said: list[str] = []
    found = estimate(replace(SPEC, updates=7), trials=3, observer=Talking(tell=said.append))
    assert (found.method, found.dataset, found.counts) == ("DM", "digits", (2,) * 10)
    assert (found.updates, found.trials) == (7, 3)
    assert found.seconds == 7 * found.update.seconds + 3 * found.trial.seconds
    assert [str(engine) for engine in found.engines] == ["ConvNetD1W16: plain layers, as asked"]
    assert {model for model, _ in rates} == {"ConvNetD1W16"}
    assert not any(route.kernels for _, route in rates)
    assert found.trial.seconds > 0
    assert found.memory.terms


def test_original_models_count_where_they_guide() -> None:
    alone = estimate(replace(SPEC, pool=PoolSpec(architectures=("MLP",))))
    guided = estimate(
        replace(SPEC, pool=PoolSpec(architectures=("MLP",)), clom=ClomSpec(alphas=(1.0,)))
    )
    assert "CLOM" not in alone.update.terms
    assert guided.update.terms["CLOM"] > 0
    assert [engine.model for engine in guided.engines] == ["ConvNetD1W16", "MLP"]


OWN = """
from dataclasses import dataclass
from datastill.distillation.methods.base import Published, Sgd


@dataclass(frozen=True)
class Grey:
    weight: float = 2.0

    def loss(self, task, step, memory, synthetic, *, key):
        return self.weight * synthetic.images.square().mean(), None


def grey(ipc):
    return Published(Grey(), 30, {"images": Sgd(0.1)}, "real", False, "dc")
"""


@pytest.mark.parametrize(
    ("method", "settings", "terms"),
    [
        ("DM", {}, {"the method"}),
        ("DC", {"outer_loop": 2, "inner_loop": 1}, {"first of 2 updates", "the others"}),
        ("DSA", {"inner_loop": 1}, {"the method"}),
        ("MTT", {"syn_steps": 2, "expert_epochs": 2}, {"the method"}),
        ("grey_method:grey", {"weight": 3.0}, {"the method"}),
    ],
)
def test_an_update_of_whatever_method_is_carried_out(
    method: str,
    settings: dict[str, float],
    terms: set[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("grey_method.py").write_text(OWN)
    monkeypatch.delitem(sys.modules, "grey_method", raising=False)
    updates: list[int] = []
    inner = probing.distill

    def noted(*given: Any, **named: Any) -> Any:
        for snapshot in inner(*given, **named):
            updates.append(len(snapshot.synthetic))
            yield snapshot

    monkeypatch.setattr(probing, "distill", noted)
    spec = replace(SPEC, method=method, settings=settings, ipc=1 if method == "DSA" else 2)
    found = estimate(replace(spec, model="ConvNetD1W16", batch=8), trials=1)
    assert {term.removeprefix("the method, ") for term in found.update.terms} == terms
    assert all(seconds > 0 for seconds in found.update.terms.values())
    assert found.share == 1
    assert updates[-1] == sum(found.counts)
    assert found.memory.terms["an update, or reading"] >= 0
    assert not [*tmp_path.rglob("*.safetensors")]


def test_tiles_are_counted_as_networks_see_them() -> None:
    whole = estimate(replace(SPEC, batch=8), trials=1)
    tiled = estimate(replace(SPEC, batch=8, tiles=2), trials=1)
    assert tiled.counts == whole.counts
    epochs = preset("dsa").fit.epochs
    more = tiled.trial.terms["training"] - whole.trial.terms["training"]
    assert more == pytest.approx(epochs * 3 * 20 * (RATES.weights + RATES.augmented))


def test_what_was_tried_with_fewer_images_is_said(
    monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    monkeypatch.setattr(probing.probed, "__kwdefaults__", {"seconds": 0.0})
    line = "estimate --dataset digits --model ConvNetD1W16 --engine plain --ipc 10"
    said = run(line)
    assert said.code == 0, said.err
    assert "an update was tried with 30 % of its images" in said.out


def test_updates_are_those_that_distill_makes() -> None:
    for settings, updates in (({}, 1000), ({"outer_loop": 3}, 3000)):
        spec = replace(SPEC, method="DC", ipc=1, settings=settings)
        assert estimate(spec).updates == updates
    published = METHODS["DC"](10)
    assert adjusted(published, "DC", {}) == published


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        (replace(SPEC, settings={"outer_loop": 3}), "`outer_loop` has no meaning for DM"),
        (replace(SPEC, method="DN"), "did you mean 'DM'"),
        (replace(SPEC, ipc=500), "fewer than"),
        (replace(SPEC, model="ConvNut"), "did you mean 'ConvNet'"),
        (replace(SPEC, augmentation="flop"), "did you mean 'flip'"),
    ],
)
def test_what_cannot_be_distilled_is_not_estimated(
    monkeypatch: pytest.MonkeyPatch, spec: DistillSpec, complaint: str
) -> None:
    monkeypatch.undo()
    with pytest.raises(InputError, match=complaint):
        estimate(spec)
    with pytest.raises(InputError, match="`trials` must be a whole number, 1 or more"):
        estimate(SPEC, trials=0)


def test_the_command_says_what_the_value_holds(run: Run) -> None:
    line = "estimate --dataset digits --model ConvNetD1W16 --engine plain --ipc 2 --method DC"
    said = run(f"{line} --iterations 10 --models-pool MLP --num-eval 1 --outer-loop 2").out
    assert said.startswith("DC on digits, 2 images for each of 10 classes, ConvNetD1W16, on cpu\n")
    assert "ConvNetD1W16: plain layers, as asked\nMLP: plain layers, as asked\n" in said
    assert said.splitlines()[-1].startswith("10 updates: ")
    line = "estimate --dataset digits --model ConvNetD1W16 --engine plain --ipc 1 --method MTT"
    said = run(f"{line} --setting syn_steps=2 batch_syn=4 --tiles 2 --num-eval 1")
    assert said.code == 0, said.err
    assert "MTT on digits, 1 image for each" in said.out
    wrong = run(f"{line} --setting outer_loop=2")
    assert (wrong.code, wrong.out) == (2, "")
    assert "takes NAME=VALUE of the method" in wrong.err
    wrong = run("estimate --dataset digits --outer-loop 2")
    assert (wrong.code, wrong.out) == (2, "")
    assert "--outer-loop has no meaning for DM" in wrong.err
