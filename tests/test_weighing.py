"""The weight of a regulariser that is found beside a twin: as much as matching bears."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from conftest import blobs
from datastill.augment import dsa
from datastill.base.errors import InputError
from datastill.base.rng import Key
from datastill.cli import main
from datastill.distillation.descent import Descent
from datastill.distillation.loop import Snapshot, State, distill
from datastill.distillation.methods import METHODS, Task
from datastill.distillation.methods.base import Synthetic
from datastill.distillation.methods.gradient_matching import GradientMatching
from datastill.distillation.weighing import Bearable, Weighed
from datastill.networks import builder
from datastill.runs import ClomSpec, DataSpec, DistillSpec, Keeping, PoolSpec
from datastill.runs import distill as distill_to
from datastill.store import load
from datastill.training.pool import freeze

SHORT = Descent(ipc=2, updates=6, batch=50, lr=0.1, momentum=0.5)
AGEING = GradientMatching(outer_loop=2, inner_loop=1)
METHOD = {"DM": METHODS["DM"](1).method, "DC": AGEING}


def pull(images: Tensor, labels: Tensor, *, key: Key) -> Tensor:
    """Pull images away from where they are."""
    return (images - 2).square().mean()


def idle(images: Tensor, labels: Tensor, *, key: Key) -> Tensor:
    """Ask for nothing."""
    return 0 * images.sum()


def make_task(model: str = "ConvNetD1W16") -> Task:
    real = blobs()
    return Task(real, builder(model, real.domain), Key(0), policy=dsa("crop"))


def run(method: str, *, descent: Descent = SHORT, **changes: object) -> list[Snapshot]:
    return list(distill(METHOD[method], make_task(), descent, **changes))


def twin_of(snapshot: Snapshot) -> dict[str, Tensor]:
    assert snapshot.state is not None
    return dict(snapshot.state().twin)


def test_the_twin_is_the_set_without_the_regulariser() -> None:
    alone = run("DM")[-1].synthetic.images
    for last in distill(METHOD["DM"], make_task(), SHORT, regularisers={"pull": Weighed(pull)}):
        twin = twin_of(last)["params.images"]
    assert torch.equal(twin, alone)
    assert not torch.equal(twin, last.synthetic.images)


@pytest.mark.parametrize("method", METHOD)
def test_where_the_regulariser_asks_for_nothing_set_and_twin_are_one(method: str) -> None:
    for last in distill(METHOD[method], make_task(), SHORT, regularisers={"idle": Weighed(idle)}):
        twin = twin_of(last)
    assert torch.equal(twin["params.images"], last.synthetic.images)
    weight, smoothed = twin["numbers"].tolist()
    assert smoothed == 0
    rule = Bearable()
    expected = sum(rule.rate / (1 + step / rule.slowing) for step in range(SHORT.updates))
    assert weight == pytest.approx(expected)


@pytest.mark.parametrize("method", METHOD)
def test_the_weight_follows_the_formula(method: str) -> None:
    """Both losses are worked out in runs of their own, the numbers in plain arithmetic."""
    rule = Bearable(start=30.0, delta=0.1)
    weight, smoothed = math.log(rule.start), 0.0
    weighed = distill(
        METHOD[method], make_task(), SHORT, regularisers={"pull": Weighed(pull, rule)}
    )
    alone = [float(one.losses["match"]) for one in run(method)] if method == "DM" else None
    for step, now in enumerate(weighed):
        assert float(now.losses["pull-weight"]) == pytest.approx(math.exp(weight))
        if alone is None:
            return  # the networks of DC are trained on the set, and differ from the run alone
        smoothed = 0.9 * smoothed + 0.1 * math.log(float(now.losses["match"]) / alone[step])
        weight += rule.rate / (1 + step / rule.slowing) * (1 - smoothed / math.log(1.1))


def test_the_regulariser_counts_by_its_weight() -> None:
    rule = Bearable(start=7.0, least=7.0, most=7.0)
    weighed = distill(METHOD["DM"], make_task(), SHORT, regularisers={"pull": Weighed(pull, rule)})

    def seven(images: Tensor, labels: Tensor, *, key: Key) -> Tensor:
        return 7 * pull(images, labels, key=key)

    plain = run("DM", regularisers={"pull": seven})
    for one, other in zip(weighed, plain, strict=True):
        torch.testing.assert_close(one.synthetic.images, other.synthetic.images)
        assert float(one.losses["pull"]) == pytest.approx(float(other.losses["pull"]))


def test_what_harms_matching_loses_weight() -> None:
    long = replace(SHORT, updates=40)
    harmful = [
        float(one.losses["pull-weight"])
        for one in run(
            "DM", descent=long, regularisers={"pull": Weighed(pull, Bearable(start=100.0))}
        )
    ]
    assert harmful[-1] < 1 < harmful[0]


@pytest.mark.parametrize("method", METHOD)
def test_a_run_that_is_taken_up_ends_as_one_that_was_not_cut(method: str) -> None:
    given = {"pull": Weighed(pull)}
    whole = run(method, regularisers=given)
    cut = list(islice(distill(METHOD[method], make_task(), SHORT, regularisers=given), 3))[-1]
    assert cut.state is not None
    state = cut.state()
    again = State.of(state.step, state.tensors())
    rest = list(distill(METHOD[method], make_task(), SHORT, regularisers=given, state=again))
    assert torch.equal(rest[-1].synthetic.images, whole[-1].synthetic.images)
    assert rest[-1].losses["pull-weight"] == whole[-1].losses["pull-weight"]


def test_a_state_of_a_run_without_a_twin_is_refused() -> None:
    cut = list(islice(distill(METHOD["DM"], make_task(), SHORT), 2))[-1]
    assert cut.state is not None
    with pytest.raises(InputError, match="does not fit this one"):
        distill(
            METHOD["DM"],
            make_task(),
            SHORT,
            regularisers={"pull": Weighed(pull)},
            state=cut.state(),
        )


def test_a_large_set_has_a_twin_of_some_classes() -> None:
    """More images than real ones of a batch: all classes would double the time of an update."""
    large = replace(SHORT, ipc=5, batch=10)
    for last in distill(METHOD["DM"], make_task(), large, regularisers={"idle": Weighed(idle)}):
        twin = twin_of(last)
    start = next(iter(distill(METHOD["DM"], make_task(), replace(large, updates=1, lr=0.0))))
    moved = (twin["params.images"] != start.synthetic.images).flatten(1).any(1)
    assert moved.sum() == 5  # one class of four
    assert torch.equal(twin["params.images"][moved], last.synthetic.images[moved])
    assert twin["numbers"][1] == 0


def ends_of_one() -> Task:
    """A task with the two ends of an original model that normalises by its batch."""
    task, name = make_task("ConvNetD1W16BN"), "ConvNetD1W16BN"
    ways = [freeze(task.build(key=Key(i)), name, task.real.domain, {"epoch": i}) for i in range(2)]
    return replace(task, trajectories=[ways])


@pytest.mark.parametrize("method", ["DM", "NCFM"])
def test_a_network_that_normalises_by_its_batch_has_a_twin_of_all_classes(method: str) -> None:
    """It sees all classes at once: what some of them come to is not known apart."""
    large, task = replace(SHORT, ipc=5, batch=10, lr=0.1), ends_of_one()
    given = {"idle": Weighed(idle)}
    for last in distill(METHODS[method](5).method, task, large, regularisers=given):
        twin = twin_of(last)
    assert torch.equal(twin["params.images"], last.synthetic.images)
    assert twin["numbers"][1] == 0  # the ratio of equal losses, whose logarithm is 0


class Silent(type(METHOD["DM"])):
    """A method of one's own that matches class by class, and leaves nothing for a twin."""

    def loss(
        self, task: Task, step: int, memory: None, synthetic: Synthetic, *, key: Key
    ) -> tuple[Tensor, None]:
        return super().loss(replace(task, beside=None), step, memory, synthetic, key=key)


def test_some_classes_are_not_compared_with_all() -> None:
    given = {"pull": Weighed(pull)}
    large = replace(SHORT, ipc=5, batch=10)
    with pytest.raises(InputError, match="weight of 'pull' cannot be found: Silent matches class"):
        list(distill(Silent(), make_task(), large, regularisers=given))
    assert len(list(distill(Silent(), make_task(), SHORT, regularisers=given))) == SHORT.updates


@pytest.mark.parametrize(
    ("odd", "message"),
    [
        ({"start": 1e-4}, "`start` must lie from `least` to `most`"),
        ({"start": 1e6}, "`start` must lie from `least` to `most`"),
        ({"least": 10.0, "most": 0.1}, "`start` must lie from `least` to `most`"),
        ({"smoothing": 1.0}, "`smoothing` must be below 1"),
    ],
)
def test_a_rule_that_cannot_be_kept_is_refused(odd: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Bearable(**odd)


def test_two_weighed_regularisers_are_refused() -> None:
    with pytest.raises(InputError, match="one regulariser may be weighed, not one and two"):
        distill(
            METHOD["DM"],
            make_task(),
            SHORT,
            regularisers={"one": Weighed(pull), "two": Weighed(idle)},
        )


# By the command line.


def test_an_alpha_that_is_found_is_written_down(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = ["--dataset", "digits", "--model", "ConvNetD1W16"]
    pool, out = str(tmp_path / "pool"), tmp_path / "sets"
    main(["train", *typed, "--num", "1", "--epochs", "1", "--save-path", pool])
    made = ["distill", *typed, "--ipc", "1", "--iterations", "5", "--batch-real", "16"]
    made += ["--models-pool", "ConvNetD1W16", "--pool-path", pool, "--save-path", str(out)]
    main([*made, "--alphas", "auto"])
    folder = out / "digits" / "DM" / "IPC1"
    clom = load(folder).facts["clom"]
    assert clom["alphas"] == ["auto"]
    assert 1.0 < clom["weight"] < 3.0
    assert "CLOM alpha auto" in capsys.readouterr().out
    main(["show", str(folder)])
    assert f"alpha auto, which came to {clom['weight']:.3g}," in capsys.readouterr().out


@pytest.mark.parametrize("method", ["DM", "DSA", "NCFM", "CIM", "TESLA"])
def test_an_alpha_is_found_beside_every_method_for_models_of_several_architectures(
    method: str, tmp_path: Path
) -> None:
    names = ("MLP", "ConvNetD1W16")
    for name in names:
        line = f"train --dataset digits --model {name} --num 1 --epochs 2 --save-epochs 1 2"
        main([*line.split(), "--save-path", str(tmp_path / "pool")])
    stretch = {"syn_steps": 2, "expert_epochs": 1, "max_start": 1} if method == "TESLA" else {}
    spec = DistillSpec(
        data=DataSpec("digits"),
        method=method,
        model="MLP" if method == "TESLA" else "ConvNetD1W16",
        ipc=1,
        batch=8,
        updates=9,
        settings=stretch,
        clom=ClomSpec(alphas="auto"),
        pool=PoolSpec(architectures=names, path=str(tmp_path / "pool")),
    )
    clom = distill_to(spec, tmp_path / "set").set.facts["clom"]
    assert {one["architecture"] for one in clom["originals"]} == {*names}
    assert clom["weight"] not in (0.0, 1.0)


@pytest.mark.parametrize("method", ["DM", "CIM"])
def test_more_updates_end_as_one_run_would_have_or_are_refused(method: str, tmp_path: Path) -> None:
    """Beside CIM the weight is sought for a share of the updates, and would be another."""
    line = "train --dataset digits --model MLP --num 1 --epochs 1 --save-path"
    main([*line.split(), str(tmp_path / "pool")])
    pool = PoolSpec(architectures=("MLP",), path=str(tmp_path / "pool"))
    spec = DistillSpec(
        data=DataSpec("digits"),
        method=method,
        model="MLP",
        ipc=1,
        batch=8,
        updates=2,
        clom=ClomSpec(alphas="auto"),
        pool=pool,
    )
    distill_to(spec, tmp_path / "more")
    before = load(tmp_path / "more")
    longer = replace(spec, updates=9)
    if method == "CIM":
        said = "weight of CLOM beside CIM is sought for an eighth of 2 updates, .* 9 updates from"
        with pytest.raises(InputError, match=said):
            distill_to(longer, tmp_path / "more", keeping=Keeping(resume=True))
        assert torch.equal(load(tmp_path / "more").images, before.images)
        distill_to(longer, tmp_path / "more", keeping=Keeping(overwrite=True))
    else:
        distill_to(longer, tmp_path / "more", keeping=Keeping(resume=True))
    whole, more = distill_to(longer, tmp_path / "whole").set, load(tmp_path / "more")
    assert torch.equal(whole.images, more.images)
    assert whole.facts["clom"]["weight"] == more.facts["clom"]["weight"]


@pytest.mark.parametrize("alphas", [("auto", 1.0), (1.0, "auto"), "much"])
def test_auto_stands_alone(alphas: object) -> None:
    with pytest.raises(InputError, match="`alphas`"):
        ClomSpec(alphas=alphas)  # pyright: ignore[reportArgumentType]


def test_a_description_may_ask_for_an_alpha_that_is_found() -> None:
    spec = DistillSpec(data=DataSpec("digits"), clom=ClomSpec(alphas="auto"))
    assert DistillSpec.from_toml(spec.to_toml()) == spec
    assert spec.digest != replace(spec, clom=ClomSpec(alphas=(1.0,))).digest


class Fourfold(type(METHOD["DM"])):
    """A method whose loss is a multiple of what it matches, as NCFM's is."""

    def loss(self, *given: Any, key: Key) -> tuple[Tensor, None]:
        found, memory = super().loss(*given, key=key)
        return 4 * found, memory


def test_the_twin_is_moved_by_the_loss_and_not_by_what_is_matched() -> None:
    twin = dict[str, Tensor]()
    last = None
    for last in distill(Fourfold(), make_task(), SHORT, regularisers={"idle": Weighed(idle)}):
        twin = twin_of(last)
    assert last is not None
    assert torch.equal(twin["params.images"], last.synthetic.images)
    assert twin["numbers"][1] == 0
