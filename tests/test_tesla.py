"""Trajectory matching in constant memory: its gradient, what it follows, and what it leaves out."""

import weakref
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
from datastill.data import sample_per_class
from datastill.data.labels import hardened
from datastill.distillation.clom import cross_entropy_clom
from datastill.distillation.descent import Descent
from datastill.distillation.learned import Judged, JudgedLabels, LearnedLabels, LearnedRate
from datastill.distillation.loop import Snapshot, distill
from datastill.distillation.methods import METHODS, Task
from datastill.distillation.methods.base.students import Starts, Student
from datastill.distillation.methods.tesla import Tesla
from datastill.distillation.methods.trajectory_matching import TrajectoryMatching
from datastill.distillation.parameters import Adam, Leaves, Sgd
from datastill.distillation.parametrisations import Synthetic, Tiles
from datastill.networks import build, builder
from datastill.training.coresets import CORESETS, Known, picked
from datastill.training.pool import freeze, trajectories
from datastill.training.seeing import teacher
from test_cli import Run, run
from test_learned import MODELS, TRAIN, experts, synthetic_of, task_of
from test_resuming import at_look, stop_at

__all__ = ["run"]

FEW = Tesla(syn_steps=5, expert_epochs=2, max_start=1, growing=0, batch_syn=5, threshold=100.0)
LEARNED = LearnedRate(JudgedLabels(), lr=0.02)
MOVED = {"labels": Sgd(2.0, 0.9), "lr": Sgd(1e-3, 0.5)}


def holding(method: Tesla, task: Task, synthetic: Synthetic, *, key: Key) -> Tensor:
    """Return the scalar of which TESLA's gradient is the gradient: weights are constants in it."""
    starts = Starts(method.min_start, method.latest(0), method.expert_epochs)
    begin, target = starts.drawn(task.trajectories, key=key.at("stretch"))
    network = task.build(key=Key(0))
    names = [name for name, _ in network.named_parameters()]
    weights = dict(zip(names, begin, strict=True))
    rate = synthetic.rate if synthetic.rate is not None else torch.tensor(method.lr_student)
    orders: list[Tensor] = []
    for epoch in range(method.syn_steps):
        order = torch.randperm(len(synthetic.images), generator=key.at("order", epoch).generator())
        orders += order.split(method.batch_syn)
    ends = dict(weights)
    for i, rows in enumerate(orders[: method.syn_steps]):
        drawn = task.policy(len(rows), key=key.at("augment", i))

        def risk(weights: dict[str, Tensor], rows: Tensor = rows, drawn: Any = drawn) -> Tensor:
            said = functional_call(network, weights, (drawn(synthetic.images[rows]),))
            return F.cross_entropy(said, synthetic.labels[rows])

        slopes = grad(risk)(weights)
        ends = {name: ends[name] - rate * slopes[name] for name in names}
        weights = {name: ends[name].detach() for name in names}
    last = torch.cat([ends[name].flatten() for name in names])
    first, wanted = (torch.cat([w.flatten() for w in side]) for side in (begin, target))
    return (last - wanted).square().sum() / (first - wanted).square().sum()


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("shares", "rate"), [(False, False), (True, False), (True, True)])
@pytest.mark.parametrize("route", [PLAIN, Route(kernels=True)], ids=["plain", "kernels"])
def test_the_gradient_is_that_with_weights_held(
    model: str, shares: bool, rate: bool, route: Route
) -> None:
    """That of the rate too, which is found in closed form."""
    task = task_of(model, route=route, policy="color_crop_scale")
    synthetic, key = synthetic_of(shares=shares, rate=rate), Key(11)
    found, memory = FEW.loss(task, 0, None, synthetic, key=key)
    expected = holding(FEW, task, synthetic, key=key)
    assert memory is None
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)
    slopes = [torch.autograd.grad(one, synthetic.tensors) for one in (found, expected)]
    for one, other in zip(*slopes, strict=True):
        scale = float(other.abs().max())
        assert scale > 0
        torch.testing.assert_close(one / scale, other / scale, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("steps", "same"), [(1, True), (4, False)])
def test_it_is_the_exact_gradient_of_one_step_alone(steps: int, same: bool) -> None:
    task, synthetic = task_of(), synthetic_of(shares=True, rate=True)
    exact = TrajectoryMatching(steps, 2, 1, batch_syn=5)
    held = replace(FEW, syn_steps=steps)
    both = [one.loss(task, 0, None, synthetic, key=Key(1))[0] for one in (exact, held)]
    torch.testing.assert_close(*both)
    of_exact, of_held = (torch.autograd.grad(one, synthetic.images)[0] for one in both)
    assert torch.allclose(of_exact, of_held, rtol=1e-3, atol=1e-7) == same


def test_memory_does_not_grow_with_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    most: dict[int, int] = {}
    inner = Student.asked
    for steps in (3, 9):
        seen: list[weakref.ref[Tensor]] = []

        def asked(self: Student, weights: Any, *given: Any, seen: Any = seen, **named: Any) -> Any:
            seen += map(weakref.ref, weights)
            alive = len({id(one()) for one in seen if one() is not None})
            most[len(self.batches)] = max(most.get(len(self.batches), 0), alive)
            return inner(self, weights, *given, **named)

        monkeypatch.setattr(Student, "asked", asked)
        synthetic = synthetic_of(shares=False, rate=False)
        replace(FEW, syn_steps=steps).loss(task_of(), 0, None, synthetic, key=Key(0))
    assert most[3] == most[9]


# What is followed.


def test_the_range_of_epochs_grows() -> None:
    method = Tesla(min_start=1, max_start=20, early_start=10, growing=1000)
    assert [method.latest(step) for step in (0, 99, 100, 999, 1000, 9999)] == [
        *(10, 10, 11, 19, 20, 20)
    ]
    assert replace(method, growing=0).latest(0) == 20
    assert replace(method, max_start=3).latest(0) == 3
    assert replace(method, min_start=15).latest(0) == 15
    with pytest.raises(InputError, match="`min_start` is 21, after `max_start`, 20"):
        replace(method, min_start=21)


def test_epochs_are_drawn_from_the_range() -> None:
    ways = trajectories(experts("MLP", num=1, epochs=5))
    (way,) = ways
    first = {id(next(member.network.parameters())): member.facts["epoch"] for member in way}
    for starts, wanted in ((Starts(1, 3, 2), {1, 2, 3}), (Starts(0, 9, 3), {0, 1, 2})):
        drawn = [starts.drawn(ways, key=Key(i)) for i in range(40)]
        place = {
            w.data_ptr(): first[id(w)]
            for m in way
            for w in m.network.parameters()
            if id(w) in first
        }
        began = [place[begin[0].data_ptr()] for begin, _ in drawn]
        ended = [place[target[0].data_ptr()] for _, target in drawn]
        assert set(began) == wanted
        assert [b + starts.epochs for b in began] == ended
    with pytest.raises(InputError, match=r"known after an epoch from 4 to 9 and 2 later; 'datast"):
        Starts(4, 9, 2).drawn(ways, key=Key(0))


# What is left out.


@pytest.mark.parametrize("optimiser", [Adam(0.1), Sgd(0.1, 0.9), Sgd(0.1)])
def test_a_step_that_is_left_out_leaves_no_trace(optimiser: Any) -> None:
    start = {"images": torch.randn(2, 3, generator=Key(0).generator()), "lr": torch.tensor(0.5)}

    def moved(plan: str) -> dict[str, Tensor]:
        leaves = Leaves.of(start, dict.fromkeys(start, optimiser))
        for word in plan:
            for leaf in leaves.leaves.values():
                (leaf - (3 if word != "x" else 1e6)).square().sum().backward()
            leaves.step(skipped=None if word == "." else torch.tensor(word == "x"))
        return leaves.values()

    for plan in ("x..x.", "..xx.", "x_x_x_"):
        plain = moved("." * sum(word != "x" for word in plan))
        assert all(torch.equal(moved(plan)[name], plain[name]) for name in start)


def course(method: Tesla, state: Any = None, *, updates: int = 6, **terms: Any) -> list[Snapshot]:
    task = task_of(policy="color_crop")
    descent = Descent.moving(
        {"images": Sgd(10.0, 0.5), **MOVED},
        **{"ipc": (2, 1, 0, 2), "updates": updates, "init": "correct"},
        parametrisation=replace(LEARNED, images=JudgedLabels(Tiles(2))),
    )
    found = distill(method, task, descent, state=state, regularisers=terms)
    return [replace(now, state=now.state and now.state()) for now in found]


def test_updates_above_the_threshold_are_left_out_and_runs_go_on() -> None:
    losses = [float(now.losses["match"]) for now in course(FEW)]
    method = replace(FEW, threshold=sorted(losses[:3])[1])
    pool = task_of().trajectories[0][-1:]
    guide = {"clom": cross_entropy_clom(pool, 5.0, blobs().domain)}
    whole = course(method, **guide)
    said = [float(now.losses["skipped"]) for now in whole]
    assert set(said) == {0.0, 1.0}
    for i, (now, left_out) in enumerate(zip(whole, said, strict=True)):
        assert (float(now.losses["match"]) > method.threshold) == bool(left_out)
        if i and left_out:
            assert torch.equal(now.synthetic.images, whole[i - 1].synthetic.images)
            assert torch.equal(now.synthetic.labels, whole[i - 1].synthetic.labels)
        elif i:
            assert not torch.equal(now.synthetic.images, whole[i - 1].synthetic.images)
    for cut in (1, 3):
        rest = course(method, whole[cut - 1].state, **guide)[-1].synthetic
        assert torch.equal(rest.images, whole[-1].synthetic.images)
        assert torch.equal(rest.labels, whole[-1].synthetic.labels)
        assert dict(rest.facts) == dict(whole[-1].synthetic.facts)


def test_an_update_is_that_of_sgd_by_hand() -> None:
    task = task_of(policy="color_crop")
    descent = Descent(
        *((2, 1, 0, 2), 1, 5), lr=10.0, init="correct", parametrisation=LEARNED, optimisers=MOVED
    )
    (made,) = distill(FEW, task, descent)
    (still,) = distill(
        FEW, task, replace(descent, lr=0.0, optimisers={name: Sgd(0.0) for name in MOVED})
    )
    assert made.state is not None
    assert still.state is not None
    begun = {name: leaf.requires_grad_() for name, leaf in still.state().params.items()}
    shown = Synthetic(
        begun["images"], (2, 1, 0, 2), shares=begun["labels"].softmax(1), rate=begun["lr"]
    )
    loss = holding(FEW, task, shown, key=Key(3).at("step", 0))
    slopes = dict(zip(begun, torch.autograd.grad(loss, list(begun.values())), strict=True))
    for name, lr in (("images", 10.0), ("labels", 2.0), ("lr", 1e-3)):
        expected = (begun[name] - lr * slopes[name]).detach()
        torch.testing.assert_close(made.state().params[name], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("threshold", [100.0, 1e-9])
def test_no_number_is_read_from_a_device(threshold: float) -> None:
    real = blobs()
    there = real.to("meta")
    vars(there)["rows_by_class"] = real.rows_by_class
    known = [
        tuple(
            replace(m, network=build(m.architecture, m.domain, key=Key(0)).to("meta")) for m in one
        )
        for one in task_of().trajectories
    ]
    make = builder("ConvNetD1W16", real.domain, "meta")
    task = Task(there, make, Key(0), dsa("color_crop"), Route(kernels=False), trajectories=known)
    descent = Descent(1, 2, 4, parametrisation=LEARNED, optimisers=MOVED)
    for snapshot in distill(replace(FEW, threshold=threshold), task, descent):
        assert snapshot.losses["skipped"].is_meta
        assert snapshot.synthetic.images.is_meta


# What it starts from.


def test_labels_begin_as_what_models_say_that_are_right() -> None:
    real = blobs()
    members = [
        freeze(build("MLP", real.domain, key=Key(i)), "MLP", real.domain, {}) for i in (1, 3)
    ]
    images = sample_per_class(real, 12, key=Key(5))
    begun = JudgedLabels().start(
        Judged(images.images, images.counts, real.domain, members), images.counts, key=Key(0)
    )
    sure = LearnedLabels().start(images, images.counts, key=Key(0))["labels"]
    numbers: set[int] = set()
    for i, label in enumerate(images.labels.tolist()):
        said = [teacher(member, real.domain)(images.images[i : i + 1])[0] for member in members]
        right = [one for one in said if int(one.argmax()) == label]
        numbers.add(len(right))
        wanted = sum(right) / len(right) if right else sure[i]
        torch.testing.assert_close(begun["labels"][i], wanted)
    assert numbers == {0, 1, 2}
    noise = Judged(images.images, images.counts, real.domain, members)
    of_tiles = JudgedLabels(Tiles(2)).start(noise, images.counts, key=Key(0))
    assert of_tiles["labels"].shape == (192, 4)
    with pytest.raises(InputError, match="what original models say, and there are none"):
        JudgedLabels().start(images, images.counts, key=Key(0))


def test_images_begin_as_real_ones_of_which_a_model_knows_the_class() -> None:
    real = blobs()
    judge = freeze(build("MLP", real.domain, key=Key(1)), "MLP", real.domain, {})
    said = judge.network(real.images)
    right = said.argmax(1) == real.labels
    losses = F.cross_entropy(said, real.labels, reduction="none")
    assert 0 < int(right.sum()) < len(real)
    found = CORESETS["correct"]
    for count in (1, 5, 12):
        rows = found(real, [count] * 4, key=Key(0), originals=[judge])  # type: ignore[call-arg]
        assert isinstance(rows, Tensor)
        for k, some in enumerate(rows.split(count)):
            assert (real.labels[some] == k).all()
            known = int((right & (real.labels == k)).sum())
            assert int(right[some].sum()) == min(count, known)
            rest = losses[some[known:]]
            assert torch.equal(rest, rest.sort().values)
    twice = [
        picked(found, real, [2] * 4, key=Key(i), known=Known(originals=[judge])) for i in (0, 1)
    ]
    assert not torch.equal(twice[0].images, twice[1].images)


@pytest.mark.parametrize(
    ("ipc", "steps", "latest", "rate"),
    [
        (1, 20, 4, 0.05),
        (3, 20, 4, 0.05),
        (4, 80, 19, 0.01),
        (50, 80, 39, 0.01),
        (600, 40, 59, 0.01),
    ],
)
def test_settings_are_those_of_the_nearest_column(
    ipc: int, steps: int, latest: int, rate: float
) -> None:
    found = METHODS["TESLA"](ipc)
    assert isinstance(found.method, Tesla)
    assert isinstance(found.parametrisation, LearnedRate)
    assert (found.method.syn_steps, found.method.max_start) == (steps, latest)
    assert found.parametrisation.lr == rate
    assert set(found.optimisers) == {"images", "labels", "lr"}


@pytest.mark.parametrize(
    ("ipc", "step", "epochs"),
    [
        (10, 0, range(10)),
        (10, 99, range(10)),
        (10, 100, range(11)),
        (10, 1000, range(20)),
        (50, 1000, range(30)),
        (500, 0, range(40, 60)),
    ],
)
def test_the_bound_of_the_published_epochs_is_not_drawn_itself(
    ipc: int, step: int, epochs: range
) -> None:
    method = METHODS["TESLA"](ipc).method
    assert isinstance(method, Tesla)
    starts = method.starts(step)
    assert range(starts.earliest, starts.latest + 1) == epochs


# The command line.

LINE = (
    "distill --dataset digits --method TESLA --model MLP --ipc 1 --iterations 6 --tiles 2 "
    "--lr-img 1 --setting syn_steps=4 expert_epochs=1 max_start=2 early_start=1 growing=4"
)


def test_sets_are_made_and_validated_by_what_was_learned(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = run(LINE)
    assert missing.code == 2
    assert "holds 0 original models" in missing.err
    assert "--save-epochs" in missing.err
    assert not (tmp_path / "condensed").exists()
    assert run(TRAIN).code == 0
    said = run(f"{LINE} --alphas 0.1 --models-pool MLP")
    assert said.code == 0, said.err
    folder = tmp_path / "condensed" / "digits" / "TESLA" / "IPC1"
    made = datastill.load(folder)
    assert made.labels.shape == (40, 10)
    assert hardened(made).stored_counts == (1,) * 10
    assert made.facts["descent"]["init"] == "correct"
    assert made.facts["coreset_originals"]["originals"][0]["architecture"] == "MLP"
    assert "skipped" in (folder / "log.jsonl").read_text()
    checked = run(f"validate {folder} --num-eval 1 --epochs 1 --model MLP")
    assert checked.code == 0, checked.err
    (validated,) = datastill.load(folder).facts["validated"]
    assert set(validated["learning_rates"].values()) == {made.facts["learning_rate"]}
    alone = run(f"{LINE} --save-path alone")
    assert alone.code == 0, alone.err
    with monkeypatch.context() as patch:
        at_look(patch, stop_at(3))
        assert run(f"{LINE} --save-path cut").code != 0
    assert run(f"{LINE} --save-path cut --resume").code == 0
    both = [
        datastill.load(tmp_path / one / "digits" / "TESLA" / "IPC1") for one in ("alone", "cut")
    ]
    assert torch.equal(both[0].images, both[1].images)
    assert torch.equal(both[0].labels, both[1].labels)
    assert both[0].facts["learning_rate"] == both[1].facts["learning_rate"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--setting expert_epochs=9", "no original model is known after an epoch"),
        ("--setting min_start=3 max_start=2", "min_start is 3, after max_start, 2"),
        ("--setting threshold=0", "threshold must be above zero"),
        ("--setting growing=-1", "growing must be"),
        ("--setting min_start=2 max_start=2", "known after an epoch from 2 to 2 and 2 later"),
    ],
)
def test_what_makes_no_sense_gets_one_line(run: Run, words: str, message: str) -> None:
    assert run(TRAIN).code == 0
    said = run(
        f"distill --dataset digits --method TESLA --model MLP --ipc 1 --iterations 1 {words}"
    )
    assert said.code == 2
    assert message in said.err
    assert len(said.err.splitlines()) == 1
    assert not Path("condensed").exists()


def test_updates_that_were_left_out_are_told(run: Run) -> None:
    assert run(TRAIN).code == 0
    none = run(f"{LINE} threshold=100")
    some = run(f"{LINE} threshold=1e-6 --save-path still")
    assert "left out" not in none.out + none.err
    assert some.code == 0, some.err
    words = " ".join((some.out + some.err).split())
    assert "6 of 6 updates were left out" in words
    assert "nothing was learned; see its settings, such as threshold" in words  # of --setting
