"""Mosaics of smaller images told from pictures, by what is seen; and kept as mosaics."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from conftest import blobs
from datastill import load
from datastill.base.errors import InputError
from datastill.base.rng import Key
from datastill.data import ImageSet, Tiled, Unfold, tiled
from datastill.datasets import load_split
from datastill.distillation.descent import Descent
from datastill.distillation.loop import distill
from datastill.distillation.methods import Task
from datastill.distillation.parametrisations import Tiles
from datastill.exchange import Claim, Reading, import_set
from datastill.exchange.base.mosaics import mosaic_in
from datastill.networks import builder
from test_cli import Run, run
from test_exchange import smooth

__all__ = ["run"]

SETS = Path(__file__).parents[1] / "docs" / "results" / "clom" / "decisive" / "study" / "sets"
"""Distilled sets of FashionMNIST: 10 images a class, from real images."""


def shapes(count: int = 60, side: int = 16) -> Tensor:
    """Draw a bright disc, square or cross each, somewhere on a dark ground, with some noise."""
    rng = Key(3).generator()
    middle = side * (0.35 + 0.3 * torch.rand(count, 2, 1, 1, generator=rng))
    grid = torch.arange(side, dtype=torch.float32)
    down, across = grid[:, None] - middle[:, 0], grid[None] - middle[:, 1]
    far, near = torch.maximum(down.abs(), across.abs()), torch.minimum(down.abs(), across.abs())
    kinds = torch.arange(count) % 3
    drawn = torch.where(
        (kinds == 0)[:, None, None],
        down.square() + across.square() < (side / 4) ** 2,
        torch.where((kinds == 1)[:, None, None], far < side / 5, (near < 2) & (far < side / 4)),
    )
    noise = 0.05 * torch.randn(count, 1, side, side, generator=rng)
    return (0.1 + 0.8 * drawn[:, None] + noise).clamp(0, 1)


def photographs(count: int, side: int = 32) -> Tensor:
    """Draw pictures whose detail falls off as that of photographs does, in colours of one light."""
    light, colour = smooth(count, 1, (1, side, side)), smooth(count, 2, (3, side, side))
    drawn = light / light.std((1, 2, 3), keepdim=True) + 0.2 * colour
    return drawn + 0.8 * torch.randn(count, 1, 1, 1, generator=Key(5).generator())


def pictures(name: str) -> Tensor:
    """Return at least 90 images of a kind, of one class after another."""
    if name == "natural":
        return photographs(180)
    if name == "shapes":
        return shapes(180)
    if name == "noise":
        return torch.randn(90, 3, 16, 16, generator=Key(1).generator())
    real = load_split(name, "train")
    return real.images[torch.cat([rows[:18] for rows in real.rows_by_class])]


@pytest.mark.parametrize("name", ["digits", "shapes", "natural", "noise"])
def test_pictures_are_no_mosaics(name: str) -> None:
    assert mosaic_in(pictures(name)) is None
    assert mosaic_in(pictures(name)[:10]) is None


@pytest.mark.parametrize("factor", [2, 3])
@pytest.mark.parametrize("count", [10, 20])
def test_seams_of_natural_pictures_are_sure(factor: int, count: int) -> None:
    seen = mosaic_in(Unfold(factor).fold(pictures("natural")[: count * factor**2]))
    assert seen is not None
    assert (seen.factor, seen.sure) == (factor, True)


@pytest.mark.parametrize("name", ["digits", "shapes"])
def test_objects_on_a_plain_ground_leave_a_doubt(name: str) -> None:
    """Their mosaics have no seams: parts that are alike say something, and decide nothing."""
    images = pictures(name)
    if name == "shapes":  # of one kind in one image, as those of a class are
        images = images.reshape(-1, 3, *images.shape[1:]).transpose(0, 1).flatten(0, 1)
    seen = mosaic_in(Unfold(2).fold(images[:160]))
    assert seen is not None
    assert (seen.factor, seen.sure) == (2, False)


@pytest.mark.parametrize("name", ["DM-500-ipc10-seed0", "DSA-60-ipc10-seed0", "DC-100-ipc10-seed0"])
def test_distilled_images_are_no_mosaics(name: str) -> None:
    assert mosaic_in(load(SETS / name).images) is None


def distilled(real: ImageSet, *, tiles: bool) -> Tensor:
    """Distil two images a class by some updates of DM; return what is stored."""
    descent = Descent(ipc=2, updates=15, batch=8, lr=1.0)
    descent = replace(descent, parametrisation=Tiles(2)) if tiles else descent
    task = Task(real, builder("ConvNetD1W16", real.domain), Key(1))
    *_, last = distill("DM", task, descent)
    kept = tiled(last.synthetic.images)
    return last.synthetic.images if kept is None else kept.stored


def test_tiles_are_seen_after_they_were_distilled_and_pictures_stay_pictures() -> None:
    real = blobs(shape=(3, 16, 16), per_class=12)
    mixed = ImageSet(photographs(48, 16), real.labels, real.domain)
    seen = mosaic_in(distilled(mixed, tiles=True))
    assert seen is not None
    assert seen.factor == 2
    assert mosaic_in(distilled(mixed, tiles=False)) is None


def natural(count: int = 40) -> tuple[Tensor, Tensor]:
    """Return pixels and their mosaics."""
    pixels = (photographs(count * 4) * 0.2 + 0.5).clamp(0, 1)
    return pixels, Unfold(2).fold(pixels)


@pytest.mark.parametrize("name", ["data.pt", "images_best.pt", "a.npz"])
def test_a_file_of_mosaics_is_kept_so_and_said(name: str, run: Run, tmp_path: Path) -> None:
    _, mosaics = natural()
    labels = torch.arange(10).repeat_interleave(4)
    if name == "data.pt":
        torch.save([mosaics, labels], tmp_path / name)
    elif name.endswith("npz"):
        np.savez(tmp_path / name, images=mosaics.numpy(), labels=labels.numpy())
    else:
        torch.save(mosaics, tmp_path / name)
        torch.save(labels, tmp_path / "labels_best.pt")
    said = run(f"import {name} --dataset CIFAR10 --normalised-with none --out made")
    assert said.code == 0, said.err
    assert "each image holds 4 smaller ones, for where 2 a side would meet" in said.out
    assert "--factor 1 says otherwise" in said.out
    made = load(tmp_path / "made")
    kept = tiled(made.images)
    assert kept is not None
    assert kept.stored.shape == mosaics.shape
    torch.testing.assert_close(made.domain.pixels(kept.stored), mosaics)
    assert torch.equal(made.labels, labels.repeat_interleave(4))
    plain, remarks = import_set(
        tmp_path / name, Claim("CIFAR10", None, "none"), reading=Reading(factor=1)
    )
    assert len(plain) == 40
    assert not any("smaller ones" in told or "seams" in told for told in remarks)


def test_with_a_doubt_they_stay_pictures_and_it_is_said(tmp_path: Path) -> None:
    mosaics = Unfold(2).fold(pictures("digits")[:160]) / 16 + 0.3
    torch.save([mosaics, torch.arange(40) % 10], tmp_path / "data.pt")
    back, remarks = import_set(tmp_path / "data.pt", Claim("digits", None, "none"))
    assert len(back) == 40
    assert tiled(back.images) is None
    (said,) = [told for told in remarks if "may hold 4 smaller ones each" in told]
    assert "taken as pictures; say --factor 2, or --factor 1 where they are none" in said
    apart, _ = import_set(
        tmp_path / "data.pt", Claim("digits", None, "none"), reading=Reading(factor=2)
    )
    assert isinstance(apart.images, Tiled)


def test_where_mosaics_are_usual_pictures_are_told_as_such(tmp_path: Path) -> None:
    pixels, _ = natural()
    torch.save([pixels[:40], torch.arange(40) % 10], tmp_path / "data.pt")
    back, remarks = import_set(tmp_path / "data.pt", Claim("CIFAR10"))
    assert len(back) == 40
    assert any("no seams are seen: taken as one picture an image" in told for told in remarks)
    torch.save(pixels[:40], tmp_path / "images.pt")
    torch.save(torch.arange(40) % 10, tmp_path / "labels.pt")
    _, remarks = import_set(tmp_path / "images.pt", Claim("CIFAR10", None, "none"))
    assert not any("seams" in told for told in remarks)


def test_mosaics_that_would_fill_the_memory_stay_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, mosaics = natural()
    torch.save([mosaics, torch.arange(40) % 10], tmp_path / "data.pt")
    monkeypatch.setattr("datastill.exchange.base.interpretation.FLOATS_MOST", 2**20)
    back, remarks = import_set(tmp_path / "data.pt", Claim("CIFAR10"))
    assert len(back) == 40
    assert any("which enlarged fill the memory" in told for told in remarks)


def test_a_factor_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    torch.save([torch.rand(6, 3, 8, 8), torch.arange(6)], tmp_path / "data.pt")
    with pytest.raises(InputError, match="do not hold 9 a side"):
        import_set(tmp_path / "data.pt", reading=Reading(factor=9))
