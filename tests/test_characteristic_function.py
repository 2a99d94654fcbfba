"""Characteristic functions of features, matched under networks between two ends of a model."""

import math
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import datastill
from conftest import blobs, other_normalisation
from datastill.augment import dsa, siamese
from datastill.base.errors import InputError
from datastill.base.rng import Key
from datastill.compute.route import PLAIN, Route
from datastill.data import ByClass, ImageSet, convert, sample_per_class
from datastill.data.losses import characteristic, characteristic_distance
from datastill.data.pixels import Pixels
from datastill.distillation.clom import cross_entropy_clom
from datastill.distillation.descent import Descent
from datastill.distillation.loop import Snapshot, State, distill
from datastill.distillation.methods import METHODS, Targets, Task
from datastill.distillation.methods.base import interpolated
from datastill.distillation.methods.characteristic_function import (
    CharacteristicFunction,
    Sampler,
)
from datastill.distillation.parameters import Adam
from datastill.distillation.parametrisations import Synthetic, Tiles
from datastill.networks import builder, features
from datastill.runs.compound.whole import whole
from datastill.runs.specs import DataSpec, DistillSpec, PoolSpec
from datastill.training.fit import Fit
from datastill.training.pool import Trajectory, freeze, train_pool, trajectories
from test_cli import Run, files, run
from test_resuming import at_look, stop_at

__all__ = ["run"]

FEW = CharacteristicFunction(frequencies=32)
WEIGHTS = [(0.5, 0.5), (0.999, 0.001), (0.2, 0.8), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0)]


@cache
def ways(model: str, num: int = 3) -> tuple[Trajectory, ...]:
    fit = Fit(epochs=2, batch=16, lr=0.05)
    return trajectories(train_pool(model, blobs(), num=num, fit=fit, key=Key(9)))


def task_of(model: str = "ConvNetD1W16", *, route: Route = PLAIN, policy: str = "none") -> Task:
    real = blobs()
    task = Task(real, builder(model, real.domain), Key(3), dsa(policy), route, batch=6)
    return replace(task, trajectories=ways(model))


def synthetic_of(counts: tuple[int, ...] = (2, 1, 0, 3)) -> Synthetic:
    images = sample_per_class(blobs(), counts, key=Key(1)).images
    return Synthetic(images.clone().requires_grad_(), counts)


# The distance.


@pytest.mark.parametrize(("amplitude", "phase"), WEIGHTS)
def test_the_distance_is_the_published_sum(amplitude: float, phase: float) -> None:
    """A second way: complex exponentials, and moduli and angles as they were published."""
    rng = np.random.default_rng(0)
    real, synthetic = rng.normal(size=(2, 9, 5)), rng.normal(size=(2, 4, 5))
    at = rng.normal(size=(7, 5))
    expected: list[float] = []
    for r, s in zip(real, synthetic, strict=True):
        of_real, of_synthetic = (np.exp(1j * x @ at.T).mean(0) for x in (r, s))
        moduli = np.abs(of_real) - np.abs(of_synthetic)
        angles = np.cos(np.angle(of_real) - np.angle(of_synthetic))
        apart = 2 * np.abs(of_real) * np.abs(of_synthetic) * (1 - angles)
        expected.append(np.sqrt(amplitude * moduli**2 + phase * apart).mean())
    found = [
        torch.stack([characteristic(torch.tensor(x), torch.tensor(at)) for x in side])
        for side in (real, synthetic)
    ]
    weights = {"amplitude": amplitude, "phase": phase}
    distance = characteristic_distance(found[0], found[1], **weights)
    np.testing.assert_allclose(distance.numpy(), expected, rtol=1e-9)


@pytest.mark.parametrize(("amplitude", "phase"), WEIGHTS)
def test_equal_distributions_are_not_apart_and_have_a_slope(amplitude: float, phase: float) -> None:
    one = torch.rand(2, 2, 8, generator=Key(0).generator(), dtype=torch.float32)
    other = one.clone().requires_grad_()
    weights = {"amplitude": amplitude, "phase": phase}
    distance = characteristic_distance(one, other, **weights)
    assert distance.max() < 1e-5
    (slope,) = torch.autograd.grad(distance.sum(), other)
    assert torch.isfinite(slope).all()


# The loss.


def plainly(
    method: CharacteristicFunction, task: Task, step: int, images: Tensor, counts: Any, key: Key
) -> Tensor:
    """Return the loss of the paper, image by image and in complex numbers."""
    here = task.key.at("network", step)
    way = task.trajectories[here.at("member").integer(len(task.trajectories))]
    share = torch.rand((), generator=here.at("share").generator()).item()
    network = task.build(key=Key(0))
    ends = [dict(one.network.named_parameters()) for one in (way[0], way[-1])]
    for name, weight in network.named_parameters():
        weight.requires_grad = False
        weight.copy_((1 - share) * ends[0][name] + share * ends[1][name])
    wanted = [task.batch if count else 0 for count in counts]
    drawn = sample_per_class(task.real, task.batch, key=key.at("real")).split()
    real = ByClass(torch.cat([r for r, n in zip(drawn, wanted, strict=True) if n]), tuple(wanted))
    both = siamese(task.policy, real, ByClass(images, counts), key=key.at("augment"))
    width = features(network, images[:1].detach()).shape[1]
    shape = (method.frequencies, width)
    at = torch.randn(shape, generator=here.at("frequencies").generator())
    distances: list[Tensor] = []
    for r, s in zip(*(side.split() for side in both), strict=True):
        if not len(s):
            continue
        functions: list[Tensor] = []
        for some in (r, s):
            seen = torch.cat([features(network, image[None]) for image in some])
            seen = seen / seen.square().sum(1, keepdim=True).sqrt()
            functions.append(torch.exp(1j * (seen @ at.T)).mean(0))
        one, other = functions
        moduli = (one.abs() - other.abs()).square()
        apart = 2 * (one.abs() * other.abs() - (one * other.conj()).real).clamp(min=0)
        distances.append((method.amplitude * moduli + method.phase * apart).sqrt().mean())
    return method.weight * torch.stack(distances).mean()


@pytest.mark.parametrize("model", ["ConvNetD1W16", "MLP"])
@pytest.mark.parametrize(
    "route",
    [PLAIN, Route(kernels=True), Route(kernels=False, chunk=5, tracked=3)],
    ids=["plain", "kernels", "in turns"],
)
@pytest.mark.parametrize("method", [FEW, replace(FEW, amplitude=0.3, phase=0.9)])
def test_loss_and_gradient_are_those_of_the_formula(
    model: str, route: Route, method: CharacteristicFunction
) -> None:
    task, synthetic = task_of(model, route=route, policy="color_crop_cutout"), synthetic_of()
    for step in range(2):
        key = Key(11).at(step)
        found, memory = method.loss(task, step, None, synthetic, key=key)
        expected = plainly(method, task, step, synthetic.images, synthetic.counts, key)
        assert memory is None
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
        one, other = (
            torch.autograd.grad(value, synthetic.images)[0] for value in (found, expected)
        )
        scale = float(other.abs().max())
        assert scale > 0
        torch.testing.assert_close(one / scale, other / scale, rtol=1e-3, atol=1e-3)


def test_a_step_is_that_of_adam_by_hand() -> None:
    task = task_of(policy="color_crop")
    descent = Descent((2, 1, 0, 3), 3, 6, optimisers={"images": Adam(0.05)})
    still = next(distill(FEW, task, replace(descent, optimisers={"images": Adam(0.0)})))
    images = still.synthetic.images.clone()
    first, second = torch.zeros_like(images), torch.zeros_like(images)
    for step, now in enumerate(distill(FEW, task, descent), start=1):
        leaf, key = images.clone().requires_grad_(), task.key.at("step", step - 1)
        loss = plainly(FEW, task, step - 1, leaf, descent.ipc, key)
        (slope,) = torch.autograd.grad(loss, leaf)
        torch.testing.assert_close(now.losses["match"], loss.detach(), rtol=1e-3, atol=1e-4)
        first, second = 0.9 * first + 0.1 * slope, 0.999 * second + 0.001 * slope.square()
        mean, square = first / (1 - 0.9**step), second / (1 - 0.999**step)
        wanted = images - 0.05 * mean / (square.sqrt() + 1e-8)
        # Where a slope is next to nothing, rounding decides its sign, and with it Adam's step.
        clear = slope.abs() > 1e-3 * slope.abs().max()
        torch.testing.assert_close(now.synthetic.images[clear], wanted[clear], rtol=0, atol=2e-3)
        images = now.synthetic.images.clone()


# Networks between two ends.


def test_weights_lie_on_the_way_of_a_model_from_one_end_to_the_other() -> None:
    task, found, shares = task_of(), set[int](), list[float]()
    for step in range(40):
        key = Key(5).at(step)
        member, network = interpolated(task, key=key)
        (number,) = [i for i, way in enumerate(task.trajectories) if way[-1] is member]
        found.add(number)
        begun = task.trajectories[number][0].network
        at = [
            torch.cat([weight.flatten() for weight in one.parameters()])
            for one in (begun, network, member.network)
        ]
        whole_way = at[2] - at[0]
        share = float((at[1] - at[0]) @ whole_way / whole_way.square().sum())
        torch.testing.assert_close(at[1], at[0] + share * whole_way, rtol=1e-4, atol=1e-6)
        shares.append(share)
        assert not any(weight.requires_grad for weight in network.parameters())
    assert found == {0, 1, 2}
    assert 0 <= min(shares) < 0.2
    assert 0.8 < max(shares) <= 1
    assert 0.3 < sum(shares) / 40 < 0.7


def test_statistics_of_batches_are_those_of_the_images_that_are_shown() -> None:
    """Not what either end has gathered, which says nothing of weights between them."""
    task = task_of("ConvNetD1W16BN", policy="color_crop")
    odd: list[Trajectory] = []
    for way in task.trajectories:
        last = way[-1]
        network = task.build(key=Key(0))
        network.load_state_dict(last.network.state_dict())
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                assert module.running_mean is not None
                module.running_mean += 7
        odd.append((way[0], freeze(network, last.architecture, last.domain, last.facts)))
    other = replace(task, trajectories=odd)
    one, two = (FEW.loss(t, 0, None, synthetic_of(), key=Key(2))[0] for t in (task, other))
    assert torch.equal(one, two)


@pytest.mark.parametrize("large", [False, True])
def test_a_model_sees_images_normalised_as_those_it_was_trained_on(large: bool) -> None:
    task, synthetic = task_of(), synthetic_of()
    domain = other_normalisation(task.real.domain)
    moved = [
        tuple(freeze(one.network, one.architecture, domain, one.facts) for one in way)
        for way in task.trajectories
    ]
    real, images = task.real, synthetic.images.detach()
    if large:  # as a large set is kept: in bytes
        held = (255 * real.domain.pixels(real.images)).clamp(0, 255).byte()
        real = replace(real, images=Pixels(held, real.domain.mean, real.domain.std))
    found, _ = FEW.loss(
        replace(task, real=real, trajectories=moved), 1, None, synthetic, key=Key(2)
    )
    there = ImageSet(convert(real.images[:], real.domain, domain), real.labels, domain)
    shown = Synthetic(convert(images, real.domain, domain).requires_grad_(), synthetic.counts)
    other = replace(task, real=there, trajectories=moved)
    expected, _ = FEW.loss(other, 1, None, shown, key=Key(2))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_what_cannot_be_compared_is_told() -> None:
    task, synthetic = task_of(), synthetic_of()
    with pytest.raises(InputError, match=r"the task has none; 'datastill train' makes them"):
        FEW.loss(replace(task, trajectories=()), 0, None, synthetic, key=Key(0))
    other = replace(task, build=builder("MLP", task.real.domain))
    with pytest.raises(InputError, match="are ConvNetD1W16, which is not what `build` makes"):
        FEW.loss(other, 0, None, synthetic, key=Key(0))
    fewer = replace(task, real=blobs(classes=3))
    with pytest.raises(InputError, match="has 4 classes"):
        FEW.loss(fewer, 0, None, synthetic, key=Key(0))
    with pytest.raises(InputError, match="both 0, which leaves nothing to match"):
        CharacteristicFunction(amplitude=0, phase=0)
    with pytest.raises(InputError, match="`frequencies` must be a whole number"):
        CharacteristicFunction(frequencies=0)
    with pytest.raises(InputError, match="2 or more, found 1"):  # a batch of one has no spread
        CharacteristicFunction(frequencies=1, learned=True)
    with pytest.raises(InputError, match="through a Lens"):
        FEW.match(task.build(key=Key(0)), task_of().real, synthetic.by_class, route=PLAIN)  # type: ignore[arg-type]


# Frequencies that are learned.

LEARNED = replace(FEW, learned=True, lr_frequencies=0.05)


def test_frequencies_begin_as_normal_deviates() -> None:
    task, synthetic = task_of(policy="color_crop"), synthetic_of()
    drawn, _ = FEW.loss(task, 0, None, synthetic, key=Key(2))
    made, sampler = LEARNED.loss(task, 0, None, synthetic, key=Key(2))
    assert isinstance(sampler, Sampler)
    torch.testing.assert_close(made, drawn)
    slopes = [torch.autograd.grad(one, synthetic.images)[0] for one in (drawn, made)]
    torch.testing.assert_close(*slopes)


def test_what_makes_frequencies_goes_up_the_gradient() -> None:
    """Of the whole loss, by its own graph, some updates after one another."""
    task, synthetic, memory = task_of(policy="color_crop"), synthetic_of(), None
    for step in range(4):
        key = Key(2).at(step)
        before = None if memory is None else {k: v.clone() for k, v in memory.state_dict().items()}
        found, memory = LEARNED.loss(task, step, memory, synthetic, key=key)
        assert memory is not None
        if before is None:
            continue
        again = LEARNED.recall(task, before)
        assert again is not None
        here = task.key.at("network", step)
        shape = (LEARNED.frequencies, again(torch.zeros(2, width(again))).shape[1])
        noise = torch.randn(shape, generator=here.at("frequencies").generator())
        lens = LEARNED.lens(task, step, again)
        torch.testing.assert_close(lens.made, again(noise))
        frozen = replace(LEARNED, learned=False)
        both = shown(task, synthetic, key)
        lens.frequencies = again(noise)  # differentiable in the weights
        target = frozen.target(lens, both[0], route=PLAIN)
        expected = frozen.weight / 3 * frozen.distance(lens, target, both[1], route=PLAIN)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
        climbs = torch.autograd.grad(expected, list(again.parameters()))
        for new, old, up in zip(memory.parameters(), again.parameters(), climbs, strict=True):
            torch.testing.assert_close(new - old, 0.05 * up, rtol=1e-2, atol=1e-5)


def width(sampler: Sampler) -> int:
    first = sampler.layers[0]
    assert isinstance(first, nn.Linear)
    return first.in_features


def shown(task: Task, synthetic: Synthetic, key: Key) -> tuple[ByClass, ByClass]:
    """Return real and synthetic images as an update compares them."""
    drawn = sample_per_class(task.real, task.batch, key=key.at("real")).split()
    kept = [r if n else r[:0] for r, n in zip(drawn, synthetic.counts, strict=True)]
    real = ByClass(torch.cat(kept), tuple(map(len, kept)))
    return siamese(task.policy, real, synthetic.by_class, key=key.at("augment"))


def test_learned_frequencies_find_what_sets_apart() -> None:
    """Images that never move: whoever climbs sees more of a difference."""
    task = task_of()
    descent = Descent(2, 60, 12, lr=0.0, momentum=0.0)
    some = replace(FEW, frequencies=64)
    means = [
        torch.stack([now.losses["match"] for now in distill(method, task, descent)])[30:].mean()
        for method in (some, replace(some, learned=True, lr_frequencies=1e-2))
    ]
    assert means[1] > 1.02 * means[0]


@pytest.mark.parametrize("learned", [False, True])
def test_a_run_goes_on_from_any_update_bit_for_bit(learned: bool) -> None:
    method = replace(FEW, learned=learned)
    task = task_of(policy="color_crop")
    clom = cross_entropy_clom([way[-1] for way in task.trajectories], 1.0, task.real.domain)
    descent = Descent(
        *((2, 1, 0, 2), 5, 6), optimisers={"images": Adam(0.05)}, parametrisation=Tiles(2)
    )

    def course(state: State | None = None) -> list[Snapshot]:
        steps = distill(method, task, descent, regularisers={"clom": clom}, state=state)
        return [replace(now, state=now.state and now.state()) for now in steps]

    through = course()
    for cut in (1, 3):
        held: Any = through[cut - 1].state
        assert bool(held.memory) == learned
        rest = course(State.of(cut, held.tensors()))
        assert torch.equal(rest[-1].synthetic.images, through[-1].synthetic.images)
        assert math.isfinite(float(rest[-1].losses["match"]))
    other = replace(method, learned=not learned)
    with pytest.raises(InputError, match="does not fit this one: frequencies are learned by one"):
        distill(other, task, descent, state=through[0].state)  # type: ignore[arg-type]


def test_targets_are_not_shared_where_frequencies_follow_from_the_images() -> None:
    holding = replace(task_of(), targets=Targets())
    list(distill(LEARNED, holding, Descent(1, 2, 4)))
    assert holding.targets is not None
    assert not holding.targets.held
    list(distill(FEW, holding, Descent(1, 2, 4)))
    assert holding.targets.held


# The command line.

TRAIN = "train --dataset digits --model MLP --num 2 --epochs 1 --quiet"
LINE = (
    "distill --dataset digits --method NCFM --model MLP --ipc 1 --iterations 4 --batch-real 8 "
    "--engine plain --setting frequencies=16"
)


def facts_of(folder: Path) -> Any:
    return datastill.load(folder / "digits" / "NCFM" / "IPC1").facts


def test_original_models_are_what_it_needs(run: Run, tmp_path: Path) -> None:
    missing = run(LINE)
    assert missing.code == 2
    assert "MLP holds 0 original models" in missing.err
    assert "make them with 'datastill train'" in missing.err
    assert len(missing.err.splitlines()) == 1
    assert not files(tmp_path)
    assert run(TRAIN).code == 0
    said = run(LINE)
    assert said.code == 0, said.err
    made = datastill.load(tmp_path / "condensed" / "digits" / "NCFM" / "IPC1")
    assert made.labels.shape == (40,)
    facts: Any = made.facts
    assert facts["clom"]["alphas"] == [1.0]
    assert facts["clom"]["models_pool"] == ["MLP"]
    assert len(facts["clom"]["originals"]) == len(facts["trajectories"]["originals"]) == 2
    assert "Tiles" in facts["descent"]["parametrisation"]
    assert "Adam" in facts["descent"]["optimisers"]["images"]
    assert facts["method_settings"]["frequencies"] == 16
    assert run(f"validate {tmp_path}/condensed/digits/NCFM/IPC1 --num-eval 1 --epochs 1 "
               "--model MLP").code == 0  # fmt: skip


def test_guidance_is_part_of_it_and_can_be_left_out_or_be_another(run: Run, tmp_path: Path) -> None:
    assert run(TRAIN).code == 0
    found: dict[str, Tensor] = {}
    for name, words in {
        "published": "",
        "the same": "--alphas 1 --models-pool MLP",
        "none": "--alphas 0",
        "other": "--alphas 50 --models-pool MLP",
    }.items():
        folder = tmp_path / name.replace(" ", "-")
        said = run(f"{LINE} {words} --save-path {folder}")
        assert said.code == 0, said.err
        made = datastill.load(folder / "digits" / "NCFM" / "IPC1")
        found[name] = made.images
        assert (facts_of(folder)["clom"] is None) == (name == "none")
    assert torch.equal(found["published"], found["the same"])
    assert not torch.equal(found["published"], found["none"])
    assert not torch.equal(found["published"], found["other"])


def test_models_end_after_the_epoch_that_is_asked_for(run: Run, tmp_path: Path) -> None:
    assert run(f"{TRAIN.replace('epochs 1', 'epochs 2')} --save-epochs 1").code == 0
    for epoch, words in ((2, ""), (1, "--epoch 1"), (1, "--epoch 1 --alphas 0")):
        folder = tmp_path / f"{epoch}{len(words)}"
        assert run(f"{LINE} {words} --save-path {folder}").code == 0
        followed = facts_of(folder)["trajectories"]["originals"]
        assert [one["epoch"] for one in followed] == [epoch, epoch]


def test_it_is_taken_up_where_it_was_cut_off(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(TRAIN).code == 0
    line = f"{LINE} learned=True lr_frequencies=0.01"
    assert run(line).code == 0
    with monkeypatch.context() as patch:
        at_look(patch, stop_at(2))
        assert run(f"{line} --save-path cut").code != 0
    assert run(f"{line} --save-path cut --resume").code == 0
    one, other = (
        datastill.load(tmp_path / where / "digits" / "NCFM" / "IPC1")
        for where in ("condensed", "cut")
    )
    assert torch.equal(one.images, other.images)


def test_a_model_begins_where_its_training_did(run: Run, tmp_path: Path) -> None:
    """Initial weights are not kept: a training that moves nothing shows that they are found."""
    from datastill.store import load_pool, pool_folder

    line = "train --dataset digits --model ConvNetD1W16 --num 2 --epochs 1 --lr-net 1e-30 --quiet"
    assert run(line).code == 0
    pool = load_pool(pool_folder(tmp_path / "pretrained_model", "digits", "ConvNetD1W16"))
    for begun, last in trajectories(pool):
        assert (begun.facts["epoch"], last.facts["epoch"]) == (0, 1)
        for one, other in zip(begun.network.parameters(), last.network.parameters(), strict=True):
            assert (one - other).abs().max() < 1e-20


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--setting frequencies=0", "frequencies must be a whole number"),
        ("--setting learned=yes", "learned must be True or False, found 'yes'"),
        ("--model-num 3", "fewer than the 3 asked for"),
        ("--epoch 7", "at epoch 7"),
    ],
)
def test_what_makes_no_sense_gets_one_line(run: Run, words: str, message: str) -> None:
    assert run(TRAIN).code == 0
    said = run(f"distill --dataset digits --method NCFM --model MLP --ipc 1 {words}")
    assert said.code == 2
    assert message in said.err
    assert len(said.err.splitlines()) == 1


def test_the_whole_job_trains_what_it_needs() -> None:
    spec = DistillSpec(data=DataSpec("digits"), method="NCFM", model="MLP", pool=PoolSpec(num=2))
    plan = whole(spec, "out", original_epochs=4)
    assert plan.train is not None
    assert (plan.train.models, plan.train.num) == (("MLP",), 2)


def test_the_settings_are_those_that_are_documented() -> None:
    found = METHODS["NCFM"](10)
    assert (found.updates, found.init, found.augmented) == (20_000, "real", True)
    assert (found.parametrisation, found.clom) == (Tiles(2), 1.0)
    assert found.needs == {"ends"}
