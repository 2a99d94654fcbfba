"""Labels and learning rates that are learned with the images, and matching of trajectories."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call, grad

import datastill
from conftest import blobs
from datastill.augment import dsa
from datastill.base.errors import InputError
from datastill.base.rng import Key
from datastill.compute.route import PLAIN, Route
from datastill.data import ByClass, ImageSet, Tiled
from datastill.data.labels import hardened
from datastill.distillation.clom import contrastive_clom, cross_entropy_clom
from datastill.distillation.descent import Descent
from datastill.distillation.learned import LEAST_RATE, LearnedLabels, LearnedRate
from datastill.distillation.loop import Snapshot, distill
from datastill.distillation.methods import METHODS, Task
from datastill.distillation.methods.base.students import Starts
from datastill.distillation.methods.trajectory_matching import TrajectoryMatching
from datastill.distillation.parameters import Adam, Leaves, Sgd
from datastill.distillation.parametrisations import Pixels, Synthetic, Tiles
from datastill.networks import build, builder
from datastill.training.fit import Fit
from datastill.training.pool import Member, Pool, freeze, train_member, trajectories
from datastill.training.protocol import Asks
from test_cli import Run, run

__all__ = ["run"]

MODELS = ("ConvNetD1W16", "MLP")


def experts(model: str = "ConvNetD1W16", *, num: int = 2, epochs: int = 3) -> Pool:
    real, fit = blobs(), Fit(epochs=epochs, batch=16, lr=0.05, momentum=0.0, weight_decay=0.0)
    pool: list[Member] = []
    for i in range(num):
        pool += [make() for _, make in train_member(model, real, fit, key=Key(7).at(i))]
    return pool


def task_of(model: str = "ConvNetD1W16", *, route: Route = PLAIN, policy: str = "none") -> Task:
    real = blobs()
    known = trajectories(experts(model))
    task = Task(real, builder(model, real.domain), Key(3), dsa(policy), route)
    return replace(task, trajectories=known)


def synthetic_of(*, shares: bool, rate: bool) -> Synthetic:
    real = blobs(per_class=2)
    rows = torch.cat(real.rows_by_class)
    images = real.images[rows].clone().requires_grad_()
    logits = torch.randn(8, 4, generator=Key(5).generator())
    return Synthetic(
        images,
        (2, 2, 2, 2),
        shares=logits.softmax(1).requires_grad_() if shares else None,
        rate=torch.tensor(0.05).requires_grad_() if rate else None,
    )


# Trajectories.


def test_trajectories_are_what_became_of_the_same_weights() -> None:
    pool = experts(num=2, epochs=3)
    found = trajectories([pool[4], pool[0], pool[2], pool[3], pool[5], pool[1]])
    assert [[member.facts["epoch"] for member in one] for one in found] == [[0, 1, 2, 3]] * 2
    assert found[0][1:] == (pool[3], pool[4], pool[5])
    start = build("ConvNetD1W16", blobs().domain, key=Key(7).at(0).at("network"))
    begun = found[1][0].network.state_dict()
    assert all(torch.equal(begun[name], value) for name, value in start.state_dict().items())
    stranger = freeze(start, "ConvNetD1W16", blobs().domain, {})
    with pytest.raises(InputError, match="does not say what it is a snapshot of"):
        trajectories([stranger])


def unrolled(method: TrajectoryMatching, task: Task, synthetic: Synthetic, *, key: Key) -> Tensor:
    """Return the loss of the paper by a graph through all steps of the student."""
    begin, target = method.stretch(task.trajectories, key=key.at("stretch"))
    network = task.build(key=Key(0))
    names = [name for name, _ in network.named_parameters()]
    weights = dict(zip(names, begin, strict=True))
    rate = synthetic.rate if synthetic.rate is not None else torch.tensor(method.lr_student)
    orders: list[Tensor] = []
    for epoch in range(method.syn_steps):
        order = torch.randperm(len(synthetic.images), generator=key.at("order", epoch).generator())
        orders += order.split(method.batch_syn)
    for i, rows in enumerate(orders[: method.syn_steps]):
        drawn = task.policy(len(rows), key=key.at("augment", i))

        def risk(weights: dict[str, Tensor], rows: Tensor = rows, drawn: Any = drawn) -> Tensor:
            said = functional_call(network, weights, (drawn(synthetic.images[rows]),))
            return F.cross_entropy(said, synthetic.labels[rows])

        slopes = grad(risk)(weights)
        weights = {name: weights[name] - rate * slopes[name] for name in names}
    ends = torch.cat([weights[name].flatten() for name in names])
    first, last = (torch.cat([w.flatten() for w in side]) for side in (begin, target))
    return (ends - last).square().sum() / (first - last).square().sum()


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("shares", "rate"), [(False, False), (True, False), (True, True)])
@pytest.mark.parametrize("route", [PLAIN, Route(kernels=True)], ids=["plain", "kernels"])
def test_the_gradient_is_that_through_all_steps(
    model: str, shares: bool, rate: bool, route: Route
) -> None:
    task = task_of(model, route=route, policy="color_crop_scale")
    synthetic = synthetic_of(shares=shares, rate=rate)
    method = TrajectoryMatching(syn_steps=5, expert_epochs=2, max_start=1, batch_syn=5)
    key = Key(11)
    found, memory = method.loss(task, 0, None, synthetic, key=key)
    expected = unrolled(method, task, synthetic, key=key)
    assert memory is None
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)
    slopes = [torch.autograd.grad(one, synthetic.tensors) for one in (found, expected)]
    for one, other in zip(*slopes, strict=True):
        scale = float(other.abs().max())
        assert scale > 0
        torch.testing.assert_close(one / scale, other / scale, rtol=1e-3, atol=1e-4)


def test_a_student_on_the_expert_has_arrived() -> None:
    """Where the set is the real one, and its steps are the expert's, nothing is left."""
    real = blobs()
    fit = Fit(epochs=1, batch=len(real), lr=0.05, momentum=0.0, weight_decay=0.0)
    made = [make() for _, make in train_member("MLP", real, fit, key=Key(2), held_out=0.0)]
    task = Task(real, builder("MLP", real.domain), Key(3), trajectories=trajectories(made))
    rows = torch.cat(real.rows_by_class)
    synthetic = Synthetic(real.images[rows].clone().requires_grad_(), real.counts)
    method = TrajectoryMatching(1, 1, 0, batch_syn=256, lr_student=0.05)
    found, _ = method.loss(task, 0, None, synthetic, key=Key(0))
    assert found.item() < 1e-8
    slow, _ = replace(method, lr_student=0.01).loss(task, 0, None, synthetic, key=Key(0))
    assert slow.item() == pytest.approx(0.8**2, rel=1e-3)  # a fifth of the way


def test_the_bound_of_the_published_epochs_is_not_drawn_itself() -> None:
    method = METHODS["MTT"](1).method
    assert isinstance(method, TrajectoryMatching)
    assert method.starts == Starts(0, 24, 3)


def test_what_cannot_be_matched_is_told() -> None:
    task, synthetic = task_of(), synthetic_of(shares=False, rate=False)
    late = TrajectoryMatching(1, 9, 0)
    with pytest.raises(InputError, match=r"no original model is known .* 9 later"):
        late.loss(task, 0, None, synthetic, key=Key(0))
    normed = replace(task, build=builder("ConvNetD1W16BN", task.real.domain))
    with pytest.raises(InputError, match="without batch statistics"):
        TrajectoryMatching(1, 1, 0).loss(normed, 0, None, synthetic, key=Key(0))
    other = replace(task, build=builder("MLP", task.real.domain))
    with pytest.raises(InputError, match="of another architecture"):
        TrajectoryMatching(1, 1, 0).loss(other, 0, None, synthetic, key=Key(0))
    with pytest.raises(InputError, match="`syn_steps` must be a whole number"):
        TrajectoryMatching(syn_steps=0)


# Learning all of it.

ALL = LearnedRate(LearnedLabels(Tiles(2)), lr=0.02)
OPTIMISERS = {"labels": Sgd(2.0, 0.9), "lr": Sgd(1e-3, 0.5)}


def course(
    parametrisation: Any, optimisers: Any, state: Any = None, *, updates: int = 5
) -> list[Snapshot]:
    method = TrajectoryMatching(4, 2, 1, batch_syn=7)
    descent = Descent(
        *((2, 1, 0, 2), updates),
        lr=10.0,
        parametrisation=parametrisation,
        optimisers=optimisers,
    )
    task = task_of(policy="color_crop")
    found = distill(method, task, descent, state=state)
    return [replace(now, state=now.state and now.state()) for now in found]


def test_images_labels_and_the_rate_are_learned_and_go_on_from_any_update() -> None:
    whole = course(ALL, OPTIMISERS)
    first, last = whole[0].synthetic, whole[-1].synthetic
    assert isinstance(last.images, Tiled)
    assert last.labels.shape == (20, 4)
    torch.testing.assert_close(last.labels.sum(1), torch.ones(20))
    assert (last.labels - first.labels).abs().sum(1).min() > 0
    assert Asks.of(last.facts).learning_rate != Asks.of(first.facts).learning_rate
    assert dict(last.facts)["learning_rate"] == Asks.of(last.facts).learning_rate
    assert torch.equal(hardened(last).labels.bincount(), torch.tensor([8, 4, 0, 8]))
    for cut in (1, 3):
        rest = course(ALL, OPTIMISERS, whole[cut - 1].state)[-1].synthetic
        assert torch.equal(rest.images, last.images)
        assert torch.equal(rest.labels, last.labels)
        assert dict(rest.facts) == dict(last.facts)


def test_matching_trajectories_comes_nearer() -> None:
    task = task_of()
    method = TrajectoryMatching(6, 1, 0)
    moving = replace(task, trajectories=task.trajectories[:1])
    descent = Descent(
        *(2, 60), lr=30.0, parametrisation=LearnedRate(lr=0.05), optimisers={"lr": Sgd(1e-4, 0.5)}
    )
    losses = [float(now.losses["match"]) for now in distill(method, moving, descent)]
    assert losses[-1] < 0.5 * losses[0]


def test_steps_of_labels_and_rate_are_those_of_sgd_by_hand() -> None:
    whole = course(LearnedRate(LearnedLabels(), lr=0.02), OPTIMISERS, updates=1)
    shape = LearnedRate(LearnedLabels(), lr=0.02)
    still = course(shape, {name: Sgd(0.0) for name in OPTIMISERS}, updates=1)[0]
    task, method = task_of(policy="color_crop"), TrajectoryMatching(4, 2, 1, batch_syn=7)
    start = whole[0].state
    assert start is not None
    begun = still.state
    assert begun is not None
    logits = begun.params["labels"].clone().requires_grad_()
    own = math.log(0.9 / 0.1 * 3)
    classes = torch.tensor([0, 0, 1, 3, 3])
    torch.testing.assert_close(logits.detach(), own * F.one_hot(classes, 4).float())
    rate = torch.tensor(0.02).requires_grad_()
    images = next(
        distill(method, task, Descent((2, 1, 0, 2), 1, lr=0.0))
    ).synthetic.images.requires_grad_()
    synthetic = Synthetic(images, (2, 1, 0, 2), shares=logits.softmax(1), rate=rate)
    loss = unrolled(method, task, synthetic, key=Key(3).at("step", 0))
    of_labels, of_rate = torch.autograd.grad(loss, [logits, rate])
    torch.testing.assert_close(start.params["labels"], (logits - 2.0 * of_labels).detach())
    torch.testing.assert_close(start.params["lr"], (rate - 1e-3 * of_rate).detach())


def test_a_rate_stays_above_zero() -> None:
    (last,) = course(LearnedRate(lr=5.0), {"lr": Sgd(1e6)}, updates=1)  # too fast: it falls
    assert Asks.of(last.synthetic.facts).learning_rate == pytest.approx(LEAST_RATE)


def test_a_learned_rate_is_kept_and_honoured(tmp_path: Path) -> None:
    last = course(LearnedRate(lr=0.02), {"lr": Sgd(1e-3)})[-1].synthetic
    datastill.save(last, tmp_path / "a.safetensors")
    back = datastill.load(tmp_path / "a.safetensors")
    assert Asks.of(back.facts).learning_rate == Asks.of(last.facts).learning_rate != 0.02
    assert json.dumps(dict(last.facts))


# Labels under methods that stand.


def test_the_term_of_clom_moves_labels() -> None:
    real = blobs()
    pool = [freeze(build("MLP", real.domain, key=Key(1)), "MLP", real.domain, {})]
    task = Task(real, builder("ConvNetD1W16", real.domain), Key(3), dsa("color_crop"))
    descent = Descent(
        *((2, 1, 0, 2), 1, 5),
        lr=0.0,
        parametrisation=LearnedLabels(),
        optimisers={"labels": Sgd(3.0)},
    )
    terms = {"clom": cross_entropy_clom(pool, 5.0, real.domain)}
    (made,) = distill(METHODS["DM"](1).method, task, descent, regularisers=terms)
    images = made.synthetic.images
    classes = torch.tensor([0, 0, 1, 3, 3])
    logits = (math.log(27) * F.one_hot(classes, 4).float()).requires_grad_()
    log_shares = pool[0].network(images).log_softmax(1)
    loss = -5 * (logits.softmax(1) * log_shares).sum() / 5
    (slope,) = torch.autograd.grad(loss, logits)
    torch.testing.assert_close(made.synthetic.labels, (logits - 3 * slope).softmax(1).detach())
    torch.testing.assert_close(made.losses["clom"], loss.detach())
    near = {"near": contrastive_clom(pool, 1.0, real, batch=7), **terms}
    (both,) = distill(METHODS["DM"](1).method, task, descent, regularisers=near)
    assert torch.equal(both.synthetic.labels, made.synthetic.labels)  # it asks for classes alone


def test_what_nobody_looks_at_is_refused() -> None:
    task = Task(blobs(), builder("MLP", blobs().domain), Key(3))
    descent = Descent(1, 1, 5, parametrisation=LearnedLabels(), optimisers={"labels": Sgd(1.0)})
    with pytest.raises(InputError, match="neither the method nor a regulariser looks at labels"):
        next(distill(METHODS["DM"](1).method, task, descent))
    with pytest.raises(InputError, match="`optimisers` move images; what is learned is images, la"):
        distill(METHODS["DM"](1).method, task, replace(descent, optimisers={}))
    with pytest.raises(InputError, match="`confidence` must be between 0 and 1, found 1"):
        LearnedLabels(confidence=1)
    with pytest.raises(InputError, match="`lr` must be above zero"):
        LearnedRate(lr=0)
    with pytest.raises(InputError, match="must be a parametrisation"):
        LearnedRate(Pixels)  # type: ignore[arg-type]


@pytest.mark.parametrize("optimiser", [Adam(0.1), Adam(0.1, (0.5, 0.9)), Sgd(0.1, 0.9)])
def test_leaves_go_on_from_any_step(optimiser: Any) -> None:
    def moved(leaves: Leaves, steps: int) -> Leaves:
        for _ in range(steps):
            for leaf in leaves.leaves.values():
                (leaf - 3).square().sum().backward()
            leaves.step()
        return leaves

    start = {"images": torch.randn(2, 3, generator=Key(0).generator()), "lr": torch.tensor(0.5)}
    both = dict.fromkeys(start, optimiser)
    whole = moved(Leaves.of(start, both), 5)
    part = moved(Leaves.of(start, both), 2)
    rest = Leaves.of(start, both)
    rest.restore(part.values(), part.state())
    moved(rest, 3)
    for name, value in whole.values().items():
        assert torch.equal(rest.values()[name], value)


@pytest.mark.parametrize("learned", [True, False])
def test_an_update_needs_no_number_from_elsewhere(learned: bool) -> None:
    real = blobs()
    there = real.to("meta")
    vars(there)["rows_by_class"] = real.rows_by_class
    known = [
        tuple(
            replace(
                member, network=build(member.architecture, member.domain, key=Key(0)).to("meta")
            )
            for member in one
        )
        for one in trajectories(experts())
    ]
    make = builder("ConvNetD1W16", real.domain, "meta")
    task = Task(there, make, Key(0), dsa("color_crop"), Route(kernels=False), trajectories=known)
    method = TrajectoryMatching(3, 1, 1)
    shape, optimisers = (ALL, OPTIMISERS) if learned else (Pixels(), {})
    descent = Descent(1, 2, 4, parametrisation=shape, optimisers=optimisers)
    for snapshot in distill(method, task, descent):
        assert snapshot.losses["match"].is_meta
        assert snapshot.synthetic.images.is_meta


def test_images_of_a_class_are_found_by_the_class_that_they_were_begun_as() -> None:
    synthetic = synthetic_of(shares=True, rate=False)
    assert torch.equal(synthetic.by_class.labels, torch.arange(4).repeat_interleave(2))
    assert isinstance(synthetic.by_class, ByClass)
    assert isinstance(synthetic.as_set(blobs().domain), ImageSet)


# The command line.

TRAIN = "train --dataset digits --model MLP --num 2 --epochs 3 --save-epochs 1 2 --quiet"
LINE = (
    "distill --dataset digits --method MTT --model MLP --ipc 1 --iterations 6 --tiles 2 --lr-img 1 "
    "--setting syn_steps=4 expert_epochs=1 max_start=2 --labels learned"
)


def test_experts_that_were_trained_are_matched_and_validation_honours_the_rate(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from test_resuming import at_look, stop_at

    missing = run(LINE)
    assert missing.code == 2
    assert "holds 0 original models" in missing.err
    assert "--save-epochs" in missing.err
    assert run(TRAIN).code == 0
    said = run(LINE)
    assert said.code == 0, said.err
    folder = tmp_path / "condensed" / "digits" / "MTT" / "IPC1"
    made = datastill.load(folder)
    rate = made.facts["learning_rate"]
    assert made.labels.shape == (40, 10)
    assert hardened(made).stored_counts == (1,) * 10
    assert made.facts["method_settings"]["syn_steps"] == 4
    assert len(made.facts["trajectories"]["originals"]) == 6
    assert "LearnedLabels" in made.facts["descent"]["parametrisation"]
    shown = run(f"show {folder}").out
    assert f"{rate:.4g}" in shown
    assert "soft, 10 shares each" in shown
    checked = run(f"validate {folder} --num-eval 1 --epochs 1 --model MLP")
    assert checked.code == 0, checked.err
    (validated,) = datastill.load(folder).facts["validated"]
    assert set(validated["learning_rates"].values()) == {rate}
    with monkeypatch.context() as patch:
        at_look(patch, stop_at(3))
        assert run(f"{LINE} --save-path cut").code != 0
    assert run(f"{LINE} --save-path cut --resume").code == 0
    again = datastill.load(tmp_path / "cut" / "digits" / "MTT" / "IPC1")
    assert torch.equal(again.images, made.images)
    assert torch.equal(again.labels, made.labels)
    assert again.facts["learning_rate"] == rate


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--setting syn_step=4", "did you mean 'syn_steps'"),
        ("--setting syn_steps", "found 'syn_steps'; add its value, syn_steps=..."),
        ("--setting syn_steps=4 syn_steps=5", "syn_steps is given twice; give it once"),
        ("--setting syn_steps=many", "syn_steps must be a whole number, found 'many'"),
        ("--setting syn_steps=0", "syn_steps must be"),
        ("--setting lr_student=x", "lr_student must be a number"),
        ("--method DM --setting a=1", "choose from networks"),
        ("--setting expert_epochs=9", "no original model is known after an epoch"),
        ("--model ConvNetD2W16BN", "holds 0 original models"),
    ],
)
def test_what_makes_no_sense_gets_one_line(run: Run, words: str, message: str) -> None:
    assert run(TRAIN).code == 0
    said = run(f"distill --dataset digits --method MTT --model MLP --ipc 1 --iterations 1 {words}")
    assert said.code == 2
    assert message in said.err
    assert len(said.err.splitlines()) == 1
