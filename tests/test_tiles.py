"""Images that hold several smaller ones: how they are unfolded, learned, kept and told of."""

import copy
import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

import datastill
from conftest import blobs, take_apart
from datastill.augment import dsa
from datastill.base.errors import InputError
from datastill.base.rng import Key
from datastill.compute.route import Route
from datastill.data import ImageSet, Tiled, Unfold, stored_bytes, tiled, unfolded
from datastill.distillation.clom import cross_entropy_clom
from datastill.distillation.descent import Descent
from datastill.distillation.loop import Snapshot, distill
from datastill.distillation.methods import METHODS, Task
from datastill.distillation.parametrisations import Tiles
from datastill.evaluation.assessments import Evidence
from datastill.evaluation.comparison import label_bytes
from datastill.evaluation.comparison.tables import entry
from datastill.evaluation.studies.records import blank
from datastill.exchange import FORMATS, import_set
from datastill.networks import build, builder, features
from datastill.report.preview import preview
from datastill.report.summary import summary
from datastill.runs.assessment.scored import _random
from datastill.runs.folders.filing import others
from datastill.training.pool import freeze
from test_cli import Run, run
from test_distillation import TowardsMeans

__all__ = ["run"]

SIDES = [(8, 8), (7, 9), (28, 28), (5, 6)]


def mosaics(*, factor: int = 2, per_class: int = 2) -> ImageSet:
    """Return a set whose images hold several, with a fact."""
    real = blobs(per_class=per_class)
    images = unfolded(real.images, Unfold(factor), real.domain.mean, real.domain.std)
    labels = real.labels.repeat_interleave(factor**2)
    return ImageSet(images, labels, real.domain, {"method": "IDC"})


# Unfolding.


@pytest.mark.parametrize("factor", [2, 3, 4])
@pytest.mark.parametrize("sides", SIDES)
def test_unfolding_is_cutting_and_enlarging(factor: int, sides: tuple[int, int]) -> None:
    domain = replace(blobs().domain, shape=(3, *sides))
    stored = torch.randn(5, 3, *sides, generator=Key(0).generator()).requires_grad_()
    weights = torch.randn(5 * factor**2, 3, *sides, generator=Key(1).generator())
    found = Unfold(factor)(stored, domain.mean, domain.std)
    expected = take_apart(stored, factor, domain)
    torch.testing.assert_close(found, expected)
    slopes = [torch.autograd.grad((weights * one).sum(), stored)[0] for one in (found, expected)]
    torch.testing.assert_close(*slopes)


def test_other_records_mean_what_they_say() -> None:
    stored = torch.randn(2, 1, 5, 5, generator=Key(0).generator())
    near = Unfold(2, "nearest", 1.0)(stored, (0.0,), (1.0,))
    filled = F.pad(stored, (0, 1, 0, 1), value=1.0)
    parts = [filled[:, :, a : a + 3, b : b + 3] for a in (0, 3) for b in (0, 3)]
    expected = torch.stack([F.interpolate(part, (5, 5)) for part in parts], 1).flatten(0, 1)
    assert torch.equal(near, expected)


@pytest.mark.parametrize("factor", [2, 3])
def test_folding_shrinks_images_into_places_of_their_own(factor: int) -> None:
    levels = torch.arange(2.0 * factor**2)
    images = levels[:, None, None, None].expand(-1, 3, 7, 8)
    unfold = Unfold(factor)
    stored = unfold.fold(images)
    assert stored.shape == (2, 3, 7, 8)
    shown = unfold(stored, (0.5,) * 3, (1.0,) * 3)  # padded by zeros
    corner = shown[:, 0, 0, 0]
    torch.testing.assert_close(corner, levels)


def test_folding_is_antialiased_shrinking() -> None:
    images = torch.randn(4, 1, 8, 8, generator=Key(0).generator())
    stored = Unfold(2).fold(images)
    small = F.interpolate(images, (4, 4), mode="bilinear", antialias=True)
    rows = [torch.cat([small[2 * i], small[2 * i + 1]], 2) for i in (0, 1)]
    torch.testing.assert_close(stored[0], torch.cat(rows, 1))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"factor": 1}, "`factor` must be a whole number, 2 or more, found 1"),
        ({"factor": 2.0}, "`factor` must be a whole number"),
        ({"factor": 2, "interpolation": "cubic"}, "must be bilinear or nearest, found 'cubic'"),
        ({"factor": 2, "padding": 7}, "must be a pixel from 0 to 1, found 7"),
    ],
)
def test_what_is_no_unfolding_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Unfold(**given)


# Sets.


def test_tiled_images_are_plain_ones_that_remember() -> None:
    data = mosaics()
    kept = tiled(data.images)
    assert kept is not None
    for plain in (data.images[:3], data.images + 1, data.images.split(4)[0], data.images.clone()):
        assert type(plain) is Tensor
    assert data.take(torch.tensor([1, 2])).counts != data.counts
    assert torch.equal(data.images, take_apart(kept.stored, 2, data.domain))
    copied = copy.deepcopy(data)
    assert isinstance(copied.images, Tiled)
    assert isinstance(data.to("cpu").images, Tiled)
    assert data.counts == (8, 8, 8, 8)
    assert data.stored_counts == (2, 2, 2, 2)
    assert stored_bytes(data.images) == data.images.nbytes // 4 == 8 * 3 * 8 * 8 * 4
    copied.images.mul_(2)  # by somebody who does not know: now they are images like others
    assert tiled(copied.images) is None
    assert stored_bytes(copied.images) == data.images.nbytes


def test_another_normalisation_is_that_of_what_is_stored() -> None:
    data = mosaics(factor=3)
    other = replace(data.domain, mean=(0.1, 0.2, 0.3), std=(0.9, 0.8, 0.7))
    there = data.under(other)
    assert isinstance(there.images, Tiled)
    pixels = data.domain.pixels(data.images)
    torch.testing.assert_close(other.pixels(there.images), pixels, atol=1e-5, rtol=1e-5)
    assert tiled(there.images) is not None


@pytest.mark.parametrize("soft", [False, True])
def test_what_is_kept_are_the_stored_images(tmp_path: Path, soft: bool) -> None:
    data = mosaics(factor=3)
    if soft:  # of every part its own
        shares = torch.rand(len(data), 4, generator=Key(0).generator())
        data = replace(data, labels=shares / shares.sum(1, keepdim=True))
    datastill.save(data, tmp_path / "a.safetensors")
    with safe_open(tmp_path / "a.safetensors", framework="pt") as file:
        header = json.loads(file.metadata()["datastill"])
        assert file.get_slice("images").get_shape() == [8, 3, 8, 8]
        assert file.get_slice("labels").get_shape()[0] == (72 if soft else 8)
    assert header["unfold"] == {"factor": 3, "interpolation": "bilinear", "padding": 0.5}
    back = datastill.load(tmp_path / "a.safetensors")
    assert torch.equal(back.images, data.images)
    assert torch.equal(back.labels, data.labels)
    assert back.facts == data.facts
    shown = datastill.load(tmp_path / "a.safetensors", pixels=True)
    assert isinstance(shown.images, Tiled)


def reheaded(file: Path, change: Callable[[dict[str, Any]], object], images: Tensor) -> None:
    with safe_open(file, framework="pt") as opened:
        header = json.loads(opened.metadata()["datastill"])
        labels = opened.get_tensor("labels")
    change(header)
    save_file({"images": images, "labels": labels}, file, {"datastill": json.dumps(header)})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda header: header.update(unfold=2), "how to unfold its images is said by 2"),
        (lambda header: header["unfold"].update(factor=10**6), "do not hold 1000000 a side"),
        (lambda header: header["unfold"].update(factor=1), "`factor` must be"),
        (lambda header: header["unfold"].update(factor="2"), "`factor` must be"),
        (lambda header: header["unfold"].pop("padding"), "how to unfold"),
        (lambda header: header["unfold"].update(padding=None), "`padding` must be"),
        (lambda header: header["unfold"].update(interpolation=["x"]), "`interpolation`"),
        (lambda header: header["domain"].update(mean=[0.0], std=[1.0]), "is damaged"),
        (lambda header: header["unfold"].update(factor=3), "do not make a set"),
    ],
)
def test_a_record_that_makes_no_sense_gets_one_line(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    file, data = tmp_path / "a.safetensors", mosaics()
    shares = torch.rand(len(data), 4, generator=Key(0).generator()).softmax(1)
    datastill.save(replace(data, labels=shares), file)  # so many labels, whatever the header says
    kept = tiled(data.images)
    assert kept is not None
    reheaded(file, change, kept.stored)
    with pytest.raises(InputError, match=message) as caught:
        datastill.load(file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bytes_are_those_that_are_stored() -> None:
    data = mosaics()
    assert entry("a", data, bits=32).image_bytes == 8 * 3 * 64 * 4
    assert label_bytes(data) == 8
    lines = summary(data)
    assert lines["bytes"] == f"images {8 * 3 * 64 * 4:,}, labels 8"
    assert lines["images"] == "32 of 3x8x8"
    assert lines["tiles"] == (
        "8 images are kept, of 2 x 2 smaller ones each, enlarged (bilinear) for training"
    )
    plain = replace(data, images=data.images.clone())
    assert "tiles" not in summary(plain)


@pytest.mark.parametrize("name", ["npz", "pt", "parquet", "folder"])
def test_other_formats_are_given_decoded_images_and_told(name: str, tmp_path: Path) -> None:
    data = mosaics()
    said = FORMATS[name].put(data, tmp_path / f"out.{name}")
    assert "keeps 8 images of 4 smaller ones each" in said[0]
    assert "enlarged" in said[0]
    back, _ = import_set(tmp_path / f"out.{name}", format=name)
    assert len(back) == 32
    assert not isinstance(back.images, Tiled)
    if name in ("npz", "pt", "parquet"):
        torch.testing.assert_close(back.images, data.images.clone())
    plain = replace(data, images=data.images.clone())
    assert not any("smaller ones" in told for told in FORMATS[name].put(plain, tmp_path / "more"))


def test_a_format_that_is_read_only_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="sets are read in this format"):
        FORMATS["idc"].put(mosaics(), tmp_path / "x")


def test_as_many_real_images_stand_beside_a_set_as_it_keeps() -> None:
    real = blobs(per_class=6)  # fewer than there are smaller images
    evidence = Evidence(mosaics(), real, (), Key(0))
    (beside,) = _random(evidence, 1)
    assert beside.synthetic.counts == (2, 2, 2, 2)
    assert blank("a", mosaics()).ipc == 2


def test_the_picture_of_a_set_shows_all_that_it_keeps() -> None:
    data = mosaics(per_class=3)
    kept = tiled(data.images)
    assert kept is not None
    whole = replace(data, images=kept.stored, labels=data.labels[::4])
    assert preview(data, side=8).tobytes() == preview(whole, side=8).tobytes()


def test_an_import_keeps_what_the_file_holds(tmp_path: Path) -> None:
    data = blobs(per_class=2)
    folder = tmp_path / "conv3in_grad_mse_factor2_ipc2"
    folder.mkdir()
    torch.save([data.domain.pixels(data.images), data.labels], folder / "data.pt")
    back, _ = import_set(folder / "data.pt")
    assert len(back) == 32
    kept = tiled(back.images)
    assert kept is not None
    assert stored_bytes(back.images) == 8 * 3 * 64 * 4
    datastill.save(back, tmp_path / "a.safetensors")
    assert (tmp_path / "a.safetensors").stat().st_size < 8 * 3 * 64 * 4 + 4000
    assert torch.equal(datastill.load(tmp_path / "a.safetensors").images, back.images)


# Learning.

QUICK = Descent(ipc=(2, 1, 0, 2), updates=6, batch=5, lr=0.1, parametrisation=Tiles(2))


def task_of(model: str = "ConvNetD1W16", device: str = "cpu", **changes: Any) -> Task:
    real = blobs()
    return Task(real, builder(model, real.domain), Key(3), dsa("color_crop"), **changes)


def course(name: str, descent: Descent = QUICK, state: Any = None) -> list[Snapshot]:
    pool = [freeze(build("MLP", blobs().domain, key=Key(1)), "MLP", blobs().domain, {})]
    clom = {"clom": cross_entropy_clom(pool, [100], blobs().domain)}
    method: Any = METHODS[name](2).method
    if hasattr(method, "inner_loop"):
        method = replace(method, outer_loop=3, inner_loop=2, batch_train=5)
    found = distill(method, task_of(), descent, regularisers=clom, state=state)
    return [replace(now, state=now.state and now.state()) for now in found]


@pytest.mark.parametrize("name", ["DM", "DC", "DSA"])
def test_every_method_that_matches_classes_learns_tiles(name: str) -> None:
    whole = course(name)
    last = whole[-1].synthetic
    kept = tiled(last.images)
    assert kept is not None
    assert last.counts == (8, 4, 0, 8)
    assert last.stored_counts == (2, 1, 0, 2)
    assert torch.equal(last.images, take_apart(kept.stored, 2, last.domain))
    first = tiled(whole[0].synthetic.images)
    assert first is not None
    assert ((kept.stored - first.stored).abs().amax((2, 3)) > 0).all()
    for cut in (1, 4):  # and goes on from any update
        rest = course(name, state=whole[cut - 1].state)
        assert torch.equal(rest[-1].synthetic.images, last.images)
        assert rest[-1].losses == whole[-1].losses


def test_steps_are_those_of_sgd_through_the_decoding() -> None:
    method = TowardsMeans()
    descent = replace(QUICK, momentum=0.5)
    found = list(distill(method, replace(task_of(), policy=dsa("none")), descent))
    start = next(distill(TowardsMeans(), task_of(), replace(QUICK, lr=0.0))).synthetic
    kept = tiled(start.images)
    assert kept is not None
    pixels, speed = kept.stored.clone(), torch.zeros(())
    for snapshot, (real, _) in zip(found, method.batches, strict=True):
        pixels = pixels.detach().requires_grad_()
        means = torch.stack([part.mean(0) for part in real.split() if len(part)])
        each = zip(means, (8, 4, 8), strict=True)
        target = torch.cat([m[None].expand(n, -1, -1, -1) for m, n in each])
        loss = (take_apart(pixels, 2, start.domain) - target).square().sum()
        torch.testing.assert_close(snapshot.losses["match"], loss.detach())
        speed = 0.5 * speed + torch.autograd.grad(loss, pixels)[0]
        pixels = pixels.detach() - 0.1 * speed
        now = tiled(snapshot.synthetic.images)
        assert now is not None
        torch.testing.assert_close(now.stored, pixels)


def test_tiles_start_from_as_many_real_images_shrunk() -> None:
    real = blobs()
    still = replace(QUICK, lr=0.0, updates=1)
    for init in ("real", "k-means"):
        start = next(distill(TowardsMeans(), task_of(), replace(still, init=init))).synthetic
        kept = tiled(start.images)
        assert kept is not None
        small = F.interpolate(real.images, (4, 4), mode="bilinear", antialias=True)
        seen: set[int] = set()
        labels = (0, 0, 1, 3, 3)
        for image, label in zip(kept.stored, labels, strict=True):
            for top, left in itertools.product((0, 4), (0, 4)):
                part = image[:, top : top + 4, left : left + 4]
                same = (small - part).abs().amax((1, 2, 3)) < 1e-6
                (row,) = same.nonzero().flatten().tolist()
                assert int(real.labels[row]) == label
                seen.add(row)
        assert len(seen) == 20


@pytest.mark.parametrize("init", ["mix", "whole"])
def test_tiles_are_of_real_images_each_or_of_one_that_is_cut(init: str) -> None:
    real, still = blobs(), replace(QUICK, lr=0.0, updates=1)
    start = next(distill(TowardsMeans(), task_of(), replace(still, init=init))).synthetic
    kept = tiled(start.images)
    assert kept is not None
    plain = next(distill(TowardsMeans(), task_of(), replace(still, init="real"))).synthetic
    same = tiled(plain.images)
    assert same is not None
    if init == "mix":
        assert torch.equal(kept.stored, same.stored)
        return
    rows = [
        int(row)
        for image in kept.stored
        for row in (real.images == image).flatten(1).all(1).nonzero()
    ]
    assert len(set(rows)) == 5
    assert real.labels[rows].tolist() == [0, 0, 1, 3, 3]
    assert torch.equal(start.images, take_apart(real.images[rows], 2, real.domain))


def test_what_tiles_are_of_has_no_meaning_without_them() -> None:
    for init in ("mix", "whole"):
        with pytest.raises(InputError, match=f"`init='{init}'` says what `tiles` are of"):
            Descent(ipc=1, init=init)
    assert Descent(ipc=12, init="whole", parametrisation=Tiles(2)).keeps_parts is False
    few = replace(QUICK, ipc=12, init="whole")  # as many as there are, not four times as many
    assert next(distill(TowardsMeans(), task_of(), few)).synthetic.stored_counts == (12,) * 4


@pytest.mark.parametrize("factor", [2, 3])
@pytest.mark.parametrize("model", ["ConvNetD2W32", "ConvNetD1W16BN"])
def test_tiles_have_the_gradient_through_the_kernels_that_autograd_has(
    factor: int, model: str
) -> None:
    domain = replace(blobs().domain, shape=(3, 10, 9))
    network = build(model, domain, key=Key(2)).eval()
    stored = torch.randn(3, 3, 10, 9, generator=Key(0).generator())
    slopes: list[Tensor] = []
    for route in (Route(kernels=True), Route(chunk=None, kernels=False)):
        leaf = stored.clone().requires_grad_()
        shown = Unfold(factor)(leaf, domain.mean, domain.std)
        if not route.kernels:
            shown = take_apart(leaf, factor, domain)
        seen = route.run(features, network, shown)
        weights = torch.randn(seen.shape, generator=Key(1).generator())
        slopes.append(torch.autograd.grad((weights * seen).sum(), leaf)[0])
    torch.testing.assert_close(*slopes, rtol=1e-3, atol=1e-4)
    assert (slopes[0].abs() > 0).any((1, 2, 3)).all()


def test_noise_is_as_many_images_as_are_kept() -> None:
    still = replace(QUICK, lr=0.0, updates=1, init="noise", ipc=40)
    start = next(distill(TowardsMeans(), task_of(), still)).synthetic
    kept = tiled(start.images)
    assert kept is not None
    assert len(kept.stored) == 160
    assert abs(float(kept.stored.std()) - 1) < 0.03


def test_too_few_real_images_for_tiles_are_refused() -> None:
    with pytest.raises(InputError, match=r"has 12 real images, fewer than the 16 .*4 in each of 4"):
        distill(METHODS["DM"](4).method, task_of(), replace(QUICK, ipc=4))
    with pytest.raises(InputError, match="images of 8x8 do not hold 9 a side"):
        distill(
            METHODS["DM"](4).method,
            task_of(),
            replace(QUICK, init="noise", parametrisation=Tiles(9)),
        )
    with pytest.raises(InputError, match="`factor` must be a whole number, 2 or more, found 1"):
        Tiles(1)


@pytest.mark.parametrize("name", ["DM", "DC"])
def test_tiles_need_no_number_from_elsewhere(name: str) -> None:
    real = blobs()
    there = real.to("meta")
    vars(there)["rows_by_class"] = real.rows_by_class
    build_there = builder("ConvNetD1W16", real.domain, "meta")
    task = Task(there, build_there, Key(0), dsa("color_crop"), Route(kernels=False))
    for snapshot in distill(METHODS[name](1).method, task, replace(QUICK, updates=2)):
        assert snapshot.synthetic.images.device.type == "meta"
        assert all(loss.device.type == "meta" for loss in snapshot.losses.values())


# The command line.


def test_trajectories_are_matched_by_tiles(run: Run, tmp_path: Path) -> None:
    train = "train --dataset digits --model MLP --num 1 --epochs 2 --save-epochs 1 2"
    assert run(train).code == 0
    line = (
        "distill --method MTT --dataset digits --model MLP --ipc 1 --tiles 2 --iterations 3 "
        "--setting syn_steps=2 expert_epochs=1 max_start=1 --lr-img 10 --alphas 1 "
        "--models-pool MLP"
    )
    said = run(line)
    assert said.code == 0, said.err
    folder = tmp_path / "condensed" / "digits" / "MTT" / "IPC1"
    made = datastill.load(folder)
    assert made.stored_counts == (1,) * 10
    assert made.facts["descent"]["parametrisation"] == (
        "LearnedRate(images=Tiles(factor=2), lr=0.01)"
    )
    longer = run(line.replace("--iterations 3", "--iterations 5") + " --resume")
    assert longer.code == 0, longer.err
    whole = run(line.replace("--iterations 3", "--iterations 5") + " --save-path whole")
    assert whole.code == 0, whole.err
    again = datastill.load(tmp_path / "whole" / "digits" / "MTT" / "IPC1")
    assert torch.equal(again.images, datastill.load(folder).images)
    much = "--model MLP --epochs 1 --num-eval 1 --real-epochs 0"
    compared = run(f"compare {folder} {much} --against k-means")
    assert compared.code == 0, compared.err
    values = json.loads(next((tmp_path / "comparison").rglob("comparison.json")).read_text())
    assert values["images_per_class"] == [1] * 10
    ranked = run(f"select {folder} whole/digits/MTT/IPC1 --by om-entropy --models-pool MLP")
    assert ranked.code == 0, ranked.err
    labelled = run(f"relabel {folder} --models-pool MLP --out soft.safetensors")
    assert labelled.code == 0, labelled.err
    assert datastill.load(tmp_path / "soft.safetensors").labels.shape == (40, 10)


LINE = "distill --dataset digits --model ConvNetD1W16 --batch-real 16 --ipc 1 --tiles 2"


def test_distilled_tiles_are_told_validated_and_exported(run: Run, tmp_path: Path) -> None:
    said = run(f"{LINE} --iterations 3")
    assert said.code == 0, said.err
    assert "1 image for each of 10 classes of 4 smaller ones each" in said.out
    folder = tmp_path / "condensed" / "digits" / "DM" / "IPC1"
    made = datastill.load(folder)
    assert made.stored_counts == (1,) * 10
    assert made.facts["descent"]["parametrisation"] == "Tiles(factor=2)"
    assert "10 images are kept, of 2 x 2 smaller ones" in run(f"show {folder}").out
    checked = run(f"validate {folder} --num-eval 1 --epochs 1 --model MLP --against random")
    assert checked.code == 0, checked.err
    assert "40 images" in checked.out
    exported = run(f"export {folder} --to npz --out x.npz")
    assert "enlarged" in exported.out
    assert len(import_set(tmp_path / "x.npz")[0]) == 40
    assert run("train --dataset digits --model MLP --num 1 --epochs 1").code == 0
    scored = run(f"assess {folder} --assessments om-entropy --draws 1 --models-pool MLP")
    assert scored.code == 0, scored.err


def test_other_tiles_are_another_run(run: Run, tmp_path: Path) -> None:
    assert run(f"{LINE} --iterations 2").code == 0
    usual = tmp_path / "condensed" / "digits" / "DM" / "IPC1"
    first = (usual / "synthetic.safetensors").read_bytes()
    for words in ("--tiles 4", ""):
        said = run(f"{LINE.replace('--tiles 2', words)} --iterations 2 --resume")
        assert said.code == 0, said.err
        assert "another run, which was begun with --tiles 2" in " ".join(said.out.split())
    assert (usual / "synthetic.safetensors").read_bytes() == first
    beside = [datastill.load(path) for path in others(usual)]
    assert sorted(len(one) for one in beside) == [10, 160]
    assert run(f"{LINE.replace('--tiles 2', '--tiles 0')} --iterations 2").code == 2


def test_a_chosen_snapshot_of_tiles_survives_a_stop(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from test_resuming import at_look, stop_at

    line = f"{LINE} --iterations 6 --select om-cross-entropy --select-every 2 --models-pool MLP"
    assert run("train --dataset digits --model MLP --num 1 --epochs 1").code == 0
    with monkeypatch.context() as patch:
        at_look(patch, stop_at(3))
        assert run(line).code != 0
    assert run(f"{line} --resume").code == 0
    assert run(f"{line} --save-path whole").code == 0
    one, other = (
        datastill.load(tmp_path / root / "digits" / "DM" / "IPC1")
        for root in ("whole", "condensed")
    )
    assert isinstance(one.images, Tiled)
    assert torch.equal(one.images, other.images)
    assert one.facts["selected"] == other.facts["selected"]
