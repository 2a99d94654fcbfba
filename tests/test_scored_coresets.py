"""Coresets by what became of images in a training, and tiles of random images, each by its rule."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import datastill
from conftest import blobs, known_of
from datastill import store
from datastill.base.errors import InputError
from datastill.base.rng import Key
from datastill.data import draw_rows, tiled
from datastill.distillation.descent import Descent, initial
from datastill.distillation.parametrisations import Tiles
from datastill.identity import keys_of
from datastill.training.coresets import CORESETS, Known, needs_of, picked
from datastill.training.coresets.ccs import CoverageCentric, stratified
from datastill.training.coresets.random_tiles import RandomTiles
from datastill.training.fit import Fit
from datastill.training.pool import train_pool
from test_cli import Run, run

__all__ = ["run"]

pytestmark = pytest.mark.usefixtures("sketched")

REAL = blobs(per_class=(9, 12, 0, 8))
COUNTS = (4, 5, 0, 1)
POOL = train_pool("ConvNetD1W16", REAL, num=2, fit=Fit(epochs=4, batch=8, lr=0.2), key=Key(5))
KNOWN = Known(originals=POOL)


def asked(name: str) -> Any:
    """Return a coreset, whose further arguments nobody looks at."""
    return CORESETS[name]


def by_hand(statistic: str) -> list[float]:
    """Return the mean of a statistic over the networks that saw an image; nan where none did."""
    found: list[float] = []
    for key in keys_of(REAL).tolist():
        values: list[float] = []
        for one in KNOWN.dynamics:
            if key not in one.keys.tolist():
                continue
            row = one.keys.tolist().index(key)
            if statistic == "el2n":
                early = [float(errors[row]) for errors in one.errors]
                values.append(sum(early[1:10]) / len(early[1:10]))
            elif statistic == "aum":
                values.append(-float(one.margins[row]) / one.epochs)
            else:
                learned = int(one.correct[row]) > 0
                values.append(int(one.forgotten[row]) if learned else one.epochs)
        found.append(sum(values) / len(values) if values else math.nan)
    return found


@pytest.mark.parametrize("end", ["", "-hardest"])
@pytest.mark.parametrize("name", ["el2n", "aum", "forgetting"])
def test_they_keep_one_end_of_a_score(name: str, end: str) -> None:
    found = asked(f"{name}{end}")(REAL, COUNTS, key=Key(0), dynamics=KNOWN.dynamics)
    scores, sign = by_hand(name), -1 if end else 1
    assert isinstance(found, torch.Tensor)
    for label, rows in enumerate(found.split(COUNTS)):
        its = [row for row in range(len(REAL)) if int(REAL.labels[row]) == label]
        known = sorted(sign * scores[row] for row in its if not math.isnan(scores[row]))
        kept = [sign * scores[row] for row in rows.tolist()]
        assert kept == pytest.approx(known[: COUNTS[label]], rel=1e-6)


def test_chance_decides_among_equals_and_images_that_nobody_saw_come_last() -> None:
    same = [replace(one, forgotten=one.forgotten * 0) for one in KNOWN.dynamics[:1]]
    same = [replace(one, correct=one.correct.clamp(min=1)) for one in same]
    seen = (same[0].rows(keys_of(REAL)) >= 0).tolist()
    assert seen.count(False) == 3  # it holds one of each class out
    picks = [
        asked("forgetting")(REAL, (8, 11, 0, 7), key=Key(seed), dynamics=same) for seed in range(2)
    ]
    for found in picks:
        assert isinstance(found, torch.Tensor)
        assert all(seen[row] for row in found.tolist())
    assert not torch.equal(picks[0], picks[1])
    everything = asked("forgetting")(REAL, REAL.counts, key=Key(0), dynamics=same)
    assert isinstance(everything, torch.Tensor)
    last = [int(rows[-1]) for rows in everything.split(REAL.counts) if len(rows)]
    assert not any(seen[row] for row in last)


def test_accounts_of_other_images_are_refused_and_missing_ones_are_told() -> None:
    other = blobs("test")
    with pytest.raises(InputError, match="of training are of other images than these"):
        picked(CORESETS["el2n"], other, (1,) * 4, key=Key(0), known=KNOWN)
    silent = Known(originals=[replace(one, dynamics=None) for one in POOL])
    for name in ("el2n", "forgetting", "aum", "ccs"):
        assert needs_of(CORESETS[name]) == {"dynamics"}
        with pytest.raises(InputError, match="train others \\('datastill train', with --add"):
            picked(CORESETS[name], REAL, COUNTS, key=Key(0), known=silent)


def test_the_lowest_cross_entropy_of_all_images() -> None:
    found = picked(CORESETS["lowest-cross-entropy"], REAL, COUNTS, key=Key(0), known=KNOWN)
    said = [POOL[0].network(image[None]).double()[0] for image in REAL.images]
    losses = [float(s.logsumexp(0) - s[y]) for s, y in zip(said, REAL.labels.tolist(), strict=True)]
    images = [tuple(image.flatten().tolist()) for image in found.images]
    wanted: list[Any] = []
    for label, count in enumerate(COUNTS):
        its = [row for row in range(len(REAL)) if int(REAL.labels[row]) == label]
        surest = sorted(its, key=losses.__getitem__)[:count]
        wanted += [tuple(REAL.images[row].flatten().tolist()) for row in surest]
    assert images == wanted


# Coverage-centric selection.


def shares(sizes: list[int], count: int) -> list[int]:
    """Share a number out among strata: all alike, the emptiest first, what they lack to others."""
    found = [0] * len(sizes)
    left = count
    for rank, place in enumerate(sorted(range(len(sizes)), key=sizes.__getitem__)):
        found[place] = min(sizes[place], left // (len(sizes) - rank))
        left -= found[place]
    return found


@pytest.mark.parametrize("count", [1, 3, 10, 29, 40])
def test_strata_are_drawn_from_evenly(count: int) -> None:
    values = torch.rand(40, generator=Key(3).generator()).double() ** 3
    drawn = stratified(values, count, 5, key=Key(1))
    assert len(set(drawn.tolist())) == count
    low, width = float(values.min()), float(values.max() - values.min()) / 5
    places = [min(4, int((float(value) - low) / width)) for value in values]
    sizes = [places.count(k) for k in range(5)]
    found = [places[row] for row in drawn.tolist()]
    assert [found.count(k) for k in range(5)] == shares(sizes, count)
    assert not torch.equal(drawn, stratified(values, count, 5, key=Key(2))) or count == 1


def test_equal_values_are_one_stratum_and_nan_is_the_least() -> None:
    assert len(stratified(torch.zeros(4), 3, 50, key=Key(0)).unique()) == 3
    values = torch.tensor([torch.nan, 1.0, 5.0, 5.1])
    drawn = [set(stratified(values, 2, 2, key=Key(seed)).tolist()) for seed in range(20)]
    assert all(len(some & {0, 1}) == 1 for some in drawn)
    assert any(0 in some for some in drawn)
    assert len(stratified(torch.full((3,), torch.nan), 2, 5, key=Key(0)).unique()) == 2


def test_the_hardest_share_of_a_class_is_left_out() -> None:
    known = known_of(REAL, POOL[0])
    (one,) = known.dynamics
    for beta, lost in ((0.5, 6), (0.25, 3), (0.0, 0)):
        pick = CoverageCentric(beta=beta)
        seen = set[int]()
        for seed in range(40):
            seen |= set(pick(REAL, (0, 3, 0, 0), key=Key(seed), dynamics=[one]).tolist())
        its = REAL.rows_by_class[1].tolist()
        margins = one.margins.tolist()
        hardest = sorted(its, key=margins.__getitem__)[:lost]
        assert not seen & set(hardest)
    few = CoverageCentric(beta=0.9)(REAL, (9, 0, 0, 0), key=Key(0), dynamics=[one])
    assert sorted(few.tolist()) == sorted(REAL.rows_by_class[0].tolist())  # more than beta leaves


# Random tiles.


def test_random_tiles_are_random_images_shrunk_in_the_bytes_of_few() -> None:
    real, counts = blobs(per_class=(9, 3, 0, 8)), (2, 2, 0, 1)
    found = RandomTiles()(real, counts, key=Key(4))
    kept = tiled(found.images)
    assert kept is not None
    assert found.stored_counts == counts
    assert found.counts == tuple(4 * count for count in counts)
    pixels = real.domain.pixels(kept.stored) * 255
    torch.testing.assert_close(pixels, pixels.round(), rtol=0, atol=1e-3)
    drawn = draw_rows(real, [8, 8, 0, 4], key=Key(4))
    assert [len(rows) for rows in drawn] == [8, 3, 0, 4]
    means = real.domain.pixels(real.images).reshape(-1, 3, 4, 2, 4, 2).mean((3, 5))
    first = real.domain.pixels(kept.stored[0]).reshape(3, 2, 4, 2, 4).permute(1, 3, 0, 2, 4)
    for tile, row in zip(first.reshape(4, 3, 4, 4), drawn[0].tolist(), strict=False):
        # Of halves bilinear shrinking is nearly the mean of four pixels.
        assert float((tile - means[row]).abs().mean()) < float(
            min((tile - means[k]).abs().mean() for k in range(len(real)) if k != row)
        )
    again = found.images[8:16]  # of the second class, which has three images for eight places
    assert len({tuple(image.flatten().tolist()) for image in again.reshape(8, -1)}) <= 8


def test_random_tiles_of_images_too_small_are_refused() -> None:
    with pytest.raises(InputError, match="images of 8x8 do not hold 9 a side"):
        RandomTiles(9)(REAL, (1, 1, 0, 1), key=Key(0))


def test_a_distillation_in_tiles_starts_from_random_tiles_as_they_are_stored() -> None:
    real, tiles = blobs(), Tiles(2)
    descent = Descent(ipc=2, init="random-tiles", parametrisation=tiles)
    start = initial(real, descent, key=Key(1))
    kept = tiled(RandomTiles()(real, (2,) * 4, key=Key(1)).images)
    assert kept is not None
    assert torch.equal(start.images, kept.stored)
    begun = tiles.start(start, (2,) * 4, key=Key(0))
    assert torch.equal(begun["images"], kept.stored)
    for other in (Descent(init="random-tiles"), replace(descent, parametrisation=Tiles(3))):
        with pytest.raises(InputError, match="hold 4 smaller ones; take `tiles=2`"):
            initial(real, replace(other, ipc=1), key=Key(1))


# On the command line.

TRAIN = "train --dataset digits --model ConvNetD1W16 --num 2 --epochs 2"
MUCH = "--model ConvNetD1W16 --epochs 1 --num-eval 1 --real-epochs 0 --ipc 2"
ALL = "el2n forgetting-hardest aum ccs lowest-cross-entropy random-tiles"


def test_they_stand_in_comparisons_as_soon_as_models_have_kept_their_training(
    run: Run, tmp_path: Path
) -> None:
    line = f"compare --dataset digits {MUCH} --against"
    early = run(f"{line} el2n")
    assert early.code == 2
    assert "make them with 'datastill train'" in early.err
    assert run(TRAIN).code == 0
    accounts = sorted(tmp_path.rglob("*_dynamics.safetensors"))
    assert len(accounts) == 2
    held = [path.read_bytes() for path in accounts]
    for path in accounts:
        path.unlink()
    silent = run(f"{line} ccs")
    assert silent.code == 2
    assert "ccs: a coreset picks by how images did while original models were trained" in silent.err
    assert not (tmp_path / "comparison").exists()
    accounts[1].write_bytes(held[1])
    done = run(f"{line} {ALL}")
    assert done.code == 0, done.err
    assert all(name in done.out for name in ALL.split())
    report = store.read_json(next(tmp_path.rglob("comparison.json")))
    asked = report.get("asked", report)
    assert [one["number"] for one in asked["coreset_originals"]["originals"]] == [0, 1]
    rows = {row["name"]: row for row in report["rows"]}
    assert rows["random-tiles"]["image_bytes"] == rows["random"]["image_bytes"]
    assert rows["random-tiles"]["images"] == 4 * rows["random"]["images"]


def test_sets_start_from_them_and_validations_have_them(run: Run, tmp_path: Path) -> None:
    assert run(TRAIN).code == 0
    line = "distill --dataset digits --model ConvNetD1W16 --ipc 1"
    for init in ("el2n", "ccs", "random-tiles --tiles 2"):
        said = run(f"{line} --iterations 1 --batch-real 16 --init {init} --overwrite")
        assert said.code == 0, said.err
    made = datastill.load(tmp_path / "condensed" / "digits" / "DM" / "IPC1")
    assert made.stored_counts == (1,) * 10
    wrong = run(f"{line} --iterations 1 --init random-tiles --overwrite")
    assert wrong.code == 2
    assert "--tiles 2" in wrong.err or "`tiles=2`" in wrong.err
    folder = "condensed/digits/DM/IPC1 --model ConvNetD1W16 --epochs 1 --num-eval 2"
    checked = run(f"validate {folder} --against el2n random-tiles")
    assert checked.code == 0, checked.err
    study = (
        "study --dataset digits --population random el2n ccs random-tiles --ipc 1 --seeds 2 "
        "--model MLP --epochs 1 --num-eval 1 --models-pool ConvNetD1W16 "
        "--pool-path pretrained_model --assessments om-cross-entropy --model-num 1"
    )
    studied = run(study)
    assert studied.code == 0, studied.err


def test_coresets_pick_by_features_where_there_are_models_and_say_so(
    run: Run, tmp_path: Path
) -> None:
    line = f"compare --dataset digits {MUCH} --against herding random --overwrite"
    pixels = run(line)
    assert pixels.code == 0, pixels.err
    said = "herding pick in the space of pixels: there are no original models of digits in"
    assert said in pixels.out
    assert run(TRAIN).code == 0
    found = run(line)
    assert "herding pick by features of ConvNetD1W16 0 after epoch 2" in found.out
    report = store.read_json(next(tmp_path.rglob("comparison.json")))
    assert any("by features of ConvNetD1W16 0" in one for one in report["caveats"])
    other = run(line.replace("--model ConvNetD1W16", "--model MLP"))  # there is but that pool
    assert "herding pick by features of ConvNetD1W16 0 after epoch 2" in other.out
    asked = run(f"{line} --coreset-features pixels")
    assert asked.code == 0, asked.err
    assert "herding pick in the space of pixels" in asked.out
    assert "there are no" not in asked.out
    start = "distill --dataset digits --model ConvNetD1W16 --ipc 1 --iterations 1 --batch-real 9"
    assert run(f"{start} --init herding").code == 0
    assert "started by features of" in run("show condensed/digits/DM/IPC1").out
    assert run(f"{start} --init herding --coreset-features pixels --overwrite").code == 0
    shown = run("show condensed/digits/DM/IPC1").out
    assert "started in the space of" in shown
    assert "started by features of" not in shown
