"""CIM: pairs of tiles and anchors, the residual that is learned, and the whole from the command."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import datastill
from conftest import blobs, linear, take_apart
from datastill.augment import dsa, siamese
from datastill.base.errors import InputError
from datastill.base.rng import Key
from datastill.compute.route import Route
from datastill.data import ByClass, tiled
from datastill.distillation.clom import cross_entropy_clom
from datastill.distillation.loop import Snapshot, distill
from datastill.distillation.methods import METHODS, Task
from datastill.distillation.methods.paired_features import PairedFeatures
from datastill.distillation.parameters import AdamW, Resting
from datastill.distillation.parametrisations import Pixels, Tiles
from datastill.distillation.residual import Residual
from datastill.networks import build, builder
from datastill.training.pool import freeze
from test_cli import Run, run

__all__ = ["run"]

REAL = blobs()
MODEL = "ConvNetD2W16"
ORIGINAL = freeze(build(MODEL, REAL.domain, key=Key(5)), MODEL, REAL.domain, {"epoch": 1})
COUNTS = (2, 1, 0, 2)


def task_of(strategy: str = "crop_cutout", **changes: Any) -> Task:
    build_one = builder(MODEL, REAL.domain)
    return Task(REAL, build_one, Key(3), dsa(strategy), originals=(ORIGINAL,), **changes)


def descent_of(**changes: Any) -> Any:
    return METHODS["CIM"](1).descent(COUNTS, **{"updates": 5, **changes})


def course(task: Task, state: Any = None, clom: bool = False, **changes: Any) -> list[Snapshot]:
    guide = {"clom": cross_entropy_clom([ORIGINAL], 3.0, REAL.domain)} if clom else {}
    found = distill(METHODS["CIM"](1), task, descent_of(**changes), regularisers=guide, state=state)
    return [replace(now, state=now.state and now.state()) for now in found]


def middle(images: Tensor) -> Tensor:
    """Return what the first block of two makes of images, layer by layer."""
    convolution, norm, *_ = ORIGINAL.network.body
    maps = convolution(images)
    mean = maps.mean((2, 3), keepdim=True)
    spread = maps.var((2, 3), unbiased=False, keepdim=True)
    maps = (maps - mean) / (spread + norm.eps).sqrt()
    maps = maps * norm.weight[:, None, None] + norm.bias[:, None, None]
    return F.avg_pool2d(maps.relu(), 2).flatten(1)


def shrunk(anchors: Tensor) -> Tensor:
    """Return anchors as quarters of images, four to each."""
    small = F.interpolate(anchors, (4, 4), mode="bilinear", antialias=True)
    rows = [torch.cat([small[i], small[i + 1]], 2) for i in range(0, len(small), 2)]
    return torch.stack([torch.cat([rows[i], rows[i + 1]], 1) for i in range(0, len(rows), 2)])


def test_every_step_is_that_of_the_formula() -> None:
    task = task_of()
    method = METHODS["CIM"](1).method
    anchors: list[Any] = []

    class Watched(PairedFeatures):
        def loss(self, task: Task, *given: Any, **more: Any) -> Any:
            anchors.append(task.start)
            return super().loss(task, *given, **more)

    found = list(distill(Watched(), task, descent_of()))
    start = anchors[0]
    assert start.counts == (8, 4, 0, 8)
    mean, std = (torch.tensor(v)[:, None, None] for v in (REAL.domain.mean, REAL.domain.std))
    base = shrunk(start.images)
    gain = torch.zeros_like(base)
    first, second = torch.zeros_like(base), torch.zeros_like(base)
    for step, snapshot in enumerate(found):
        gain = gain.requires_grad_()
        shown = take_apart(base + gain / std, 2, REAL.domain)
        key = task.key.at("step", step).at("augment")
        pairs = siamese(task.policy, start, ByClass(shown, start.counts), key=key)
        one, other = (middle(each.images) for each in pairs)
        loss = sum((a - b).abs().sum() / len(a) for a, b in zip(one.detach(), other, strict=True))
        torch.testing.assert_close(snapshot.losses["match"], loss.detach())
        (slope,) = torch.autograd.grad(loss, gain)
        # AdamW as in the paper of Loshchilov and Hutter.
        first, second = 0.9 * first + 0.1 * slope, 0.999 * second + 0.001 * slope**2
        t = step + 1
        moved = first / (1 - 0.9**t) / ((second / (1 - 0.999**t)).sqrt() + 1e-8)
        gain = gain.detach() - 0.01 * 0.01 * gain.detach() - 0.01 * moved
        pixels = base * std + mean
        gain = (pixels + gain).clamp(0, 1) - pixels
        kept = tiled(snapshot.synthetic.images)
        assert kept is not None
        torch.testing.assert_close(kept.stored, base + gain / std, atol=2e-5, rtol=1e-4)
        shade = REAL.domain.pixels(kept.stored)
        assert -1e-6 <= float(shade.min()) <= float(shade.max()) <= 1 + 1e-6
    assert method == PairedFeatures()


def test_what_is_gained_never_leads_out_of_pixels() -> None:
    shade = torch.tensor([0.0, 0.3, 0.9, 1.0])[:, None, None, None].expand(4, *REAL.domain.shape)
    learned, start = Residual(), ByClass(REAL.domain.normalise(shade), (1, 1, 1, 1))
    params = learned.start(start, start.counts, key=Key(0))
    params["images"] += torch.tensor([-0.2, 0.1, 0.4, 0.0])[:, None, None, None]
    learned.project(params, REAL.domain)
    shown = learned.decode(params, start.counts, REAL.domain).images
    found = REAL.domain.pixels(shown).mean((1, 2, 3))
    torch.testing.assert_close(found, torch.tensor([0.0, 0.4, 1.0, 1.0]))


def test_the_loss_falls_and_every_image_moves() -> None:
    found = course(task_of("none"), updates=20)
    losses = [float(now.losses["match"]) for now in found]
    assert losses[-1] < 0.8 * losses[0]
    one, last = (tiled(now.synthetic.images) for now in (found[0], found[-1]))
    assert one is not None
    assert last is not None
    assert ((one.stored - last.stored).abs().amax((1, 2, 3)) > 0).all()


@pytest.mark.parametrize("clom", [False, True])
def test_it_goes_on_bit_for_bit(clom: bool) -> None:
    whole = course(task_of(), clom=clom)
    for cut in (1, 3):
        rest = course(task_of(), state=whole[cut - 1].state, clom=clom)
        assert torch.equal(rest[-1].synthetic.images, whole[-1].synthetic.images)
        assert rest[-1].losses == whole[-1].losses


def test_many_pairs_go_in_turns() -> None:
    task = task_of(route=Route(kernels=False))
    few = replace(task, route=Route(kernels=False, tracked=3))
    one, other = (next(iter(course(each, updates=1))) for each in (task, few))
    torch.testing.assert_close(one.losses["match"], other.losses["match"])
    torch.testing.assert_close(one.synthetic.images.clone(), other.synthetic.images.clone())


def test_a_part_of_a_set_is_paired_with_its_own_anchors() -> None:
    """As the twin that finds a weight for CLOM shows it."""
    seen: list[Any] = []

    class Watched(PairedFeatures):
        def loss(self, task: Task, step: int, memory: None, synthetic: Any, *, key: Key) -> Any:
            def part(some: Any) -> Any:
                kept = [p if k in some else p[:0] for k, p in enumerate(synthetic.by_class.split())]
                shown = replace(
                    synthetic, images=torch.cat(kept), counts=tuple(len(each) for each in kept)
                )
                return PairedFeatures.loss(self, task, step, memory, shown, key=key)[0]

            whole = super().loss(task, step, memory, synthetic, key=key)
            seen.append((whole[0], part({0}) + part({1, 3})))
            return whole

    list(distill(Watched(), task_of(), descent_of(updates=2)))
    for whole, parts in seen:
        torch.testing.assert_close(whole, parts)


def test_what_leaves_nothing_to_learn_is_told() -> None:
    cases: list[tuple[Task, dict[str, Any], str]] = [
        (task_of(), {"parametrisation": Residual(Pixels())}, "take `tiles=2`"),
        (task_of(), {"init": "noise"}, "`init='noise'` has none"),
        (task_of(), {"init": "whole"}, "`init='whole'` has none"),
        (replace(task_of(), originals=()), {"init": "real"}, "asks an original model"),
    ]
    for task, changes, said in cases:
        with pytest.raises(InputError, match=said):
            distill(METHODS["CIM"](1), task, descent_of(**changes))
    bare = freeze(linear(REAL.domain), "Linear", REAL.domain, {})
    with pytest.raises(InputError, match="does not say where its stages end"):
        distill(METHODS["CIM"](1), replace(task_of(), originals=(bare,)), descent_of())
    with pytest.raises(InputError, match="ConvNetD2W16 has 2 stages, and no stage 3"):
        distill(PairedFeatures(stage=3), task_of(), descent_of())


def test_published_settings() -> None:
    found = METHODS["CIM"](10)
    assert (found.updates, found.init, found.strategy) == (200, "clearest", "crop_cutout_flip")
    assert found.optimisers == {"images": AdamW(0.01), "base": Resting()}
    assert found.parametrisation == Residual(Tiles(2))
    assert found.usual_strategy(replace(REAL.domain, mirror=False)) == "crop_cutout"


LINE = "distill --method CIM --dataset digits --model ConvNetD2W16 --ipc 1"


def test_from_the_command_line(run: Run, tmp_path: Path) -> None:
    early = run(f"{LINE} --iterations 4")
    assert early.code == 2
    assert "make them with 'datastill train'" in early.err
    assert run("train --dataset digits --model ConvNetD2W16 --num 1 --epochs 1").code == 0
    for wrong, said in (
        ("--tiles 1", "take --tiles 2"),
        ("--init noise", "--init noise has none"),
        ("--setting stage=7", "has 2 stages, and no stage 7"),
        ("--setting stage=x", "stage"),
    ):
        refused = run(f"{LINE} --iterations 4 {wrong}")
        assert refused.code == 2
        assert said in refused.err
        assert len(refused.err.splitlines()) == 1
    assert not (tmp_path / "condensed").exists()
    done = run(f"{LINE} --iterations 4 --lr-img 0.02")
    assert done.code == 0, done.err
    folder = tmp_path / "condensed" / "digits" / "CIM" / "IPC1"
    made = datastill.load(folder)
    assert made.stored_counts == (1,) * 10
    assert made.facts["dsa_strategy"] == "crop_cutout"
    assert "AdamW(lr=0.02" in made.facts["descent"]["optimisers"]["images"]
    (one,) = made.facts["compared_under"]["originals"]
    assert one["architecture"] == "ConvNetD2W16"
    assert "compared under" in run(f"show {folder}").out
    assert run(f"validate {folder} --num-eval 1 --epochs 1 --model MLP").code == 0
    assert run(f"{LINE} --iterations 4 --lr-img 0.02 --resume").code == 0
    longer = run(f"{LINE} --iterations 6 --lr-img 0.02 --resume")
    assert longer.code == 0, longer.err
    whole = run(f"{LINE} --iterations 6 --lr-img 0.02 --save-path whole")
    assert whole.code == 0
    again = datastill.load(tmp_path / "whole" / "digits" / "CIM" / "IPC1")
    assert torch.equal(again.images, datastill.load(folder).images)
    costs = run(f"{LINE.replace('distill', 'estimate')} --iterations 4")
    assert costs.code == 0, costs.err


def test_anchors_are_picked_and_compared_by_the_model_and_the_epoch_that_are_named(
    run: Run, tmp_path: Path
) -> None:
    train = "train --dataset digits --num 1 --epochs 2 --save-epochs 1 --model ConvNetD2W16 MLP"
    assert run(train).code == 0
    said = run(f"{LINE} --iterations 1 --epoch 1 --batch-real 8")
    assert said.code == 0
    assert "no update of CIM draws real images: 8 at a time have no part in it\n" in said.out
    facts = datastill.load(tmp_path / "condensed" / "digits" / "CIM" / "IPC1").facts
    for told in ("compared_under", "coreset_originals"):
        assert [one["epoch"] for one in facts[told]["originals"]] == [1]
    assert run(f"{LINE} --iterations 1 --epoch 1 --init real --save-path real").code == 0
    facts = datastill.load(tmp_path / "real" / "digits" / "CIM" / "IPC1").facts
    assert [one["epoch"] for one in facts["compared_under"]["originals"]] == [1]
    two = run(f"{LINE} --iterations 1 --init clearest --coreset-features MLP --save-path two")
    assert two.code == 2
    assert "--coreset-features MLP is another than --model ConvNetD2W16; leave it out" in two.err
    apart = f"{LINE} --iterations 1 --init herding --coreset-features MLP --save-path apart"
    assert run(apart).code == 0
    facts = datastill.load(tmp_path / "apart" / "digits" / "CIM" / "IPC1").facts
    assert facts["features"]["by"] == "MLP"
    assert facts["compared_under"]["originals"][0]["architecture"] == "ConvNetD2W16"
