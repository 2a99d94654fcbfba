"""Training images that are kept apart for assessments: nothing else ever sees them."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import datastill
from conftest import blobs
from datastill.base.errors import InputError
from datastill.datasets import load_split
from datastill.identity import APART, Aside, content_of, digests_of, set_apart
from datastill.identity.content import SPREAD
from datastill.identity.facts import OF_A_SET, require_facts
from datastill.runs import (
    AssessSpec,
    ComputeSpec,
    DataSpec,
    DistillSpec,
    PoolSpec,
    RankSpec,
    SelectSpec,
    Talking,
    TrainSpec,
    ValidateSpec,
    assess,
    check,
    distill,
    rank,
    train,
    validate,
)
from datastill.runs.inputs.origin import Origin
from datastill.runs.inputs.reading import read_all, read_both, read_train
from datastill.runs.showing.summaries import told as summarised

APART_DATA = DataSpec("digits", assess_share=0.1)
TINY = DistillSpec(data=APART_DATA, model="MLP", ipc=1, updates=2, batch=4)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_digests_decide_and_copies_stay_together() -> None:
    real = blobs(per_class=40)
    real = real.take(torch.cat([torch.arange(len(real)), torch.arange(25)]))  # copies
    rest, held = set_apart(real, 0.2)
    assert len(rest) + len(held) == len(real)
    assert not set(digests_of(rest).tolist()) & set(digests_of(held).tolist())
    assert all(6 <= count <= 20 for count in held.counts)
    order = torch.randperm(len(real), generator=torch.Generator().manual_seed(1))
    again = set_apart(real.take(order), 0.2)
    for side, other in zip((rest, held), again, strict=True):
        assert sorted(digests_of(side).tolist()) == sorted(digests_of(other).tolist())
        assert content_of(side) == content_of(other)
    rule = Aside.of(held.facts[APART])
    assert rule is not None
    assert rule.unseen(digests_of(held) * SPREAD).all()
    assert not rule.unseen(digests_of(rest) * SPREAD).any()
    facts = {"data": json.loads(json.dumps(dict(rest.facts)))}
    require_facts(facts, OF_A_SET)


def test_what_is_kept_has_nothing_to_do_with_what_is_kept_for_tests() -> None:
    real = load_split("digits", "train")
    rest, held = set_apart(real, 0.1)
    places = np.sort(digests_of(held)) / 2.0**64
    assert 0.4 < float(places.mean()) < 0.6  # a threshold of the digests themselves: 0.05
    assert content_of(real).digest == held.facts[APART]["all"] == rest.facts[APART]["all"]
    assert len({content_of(one).digest for one in (real, rest, held)}) == 3


@pytest.mark.parametrize("share", [0.0, 1.0, -0.5])
def test_a_share_is_between_nothing_and_everything(share: float) -> None:
    with pytest.raises(InputError, match="above 0 and below 1"):
        set_apart(blobs(), share)
    if share:
        with pytest.raises(InputError, match="kept for assessments is from 0 to below 1"):
            DataSpec("digits", assess_share=share)


def test_classes_of_one_image_keep_it() -> None:
    with pytest.raises(InputError, match=r"no class with two images.*leave out `assess_share`"):
        set_apart(blobs(per_class=1), 0.2)


def test_no_run_reads_them() -> None:
    read = read_all(APART_DATA, "cpu")
    assert read.held_out is not None
    unseen = set(digests_of(read.held_out).tolist())
    for found in (read.train, read_train(APART_DATA, "cpu"), *read_both(APART_DATA, "cpu")):
        assert found is not None
        assert not unseen & set(digests_of(found).tolist())
    whole = read_all(DataSpec("digits"), "cpu")
    assert whole.held_out is None
    assert len(whole.train) == len(read.train) + len(read.held_out)


def test_a_set_says_so_and_is_judged_by_them() -> None:
    made = distill(TINY, "a")
    assert made.set.facts["data"][APART]["share"] == 0.1
    origin = Origin.of(made.set, DataSpec())
    assert origin.assess_share == 0.1
    names = ("proxy-accuracy@2", "proxy-likelihood/ConvNetD1W16@1", "fresh-kernel-ridge@2")
    pool = PoolSpec(architectures=("MLP",))
    scored = assess(AssessSpec(set="a", assessments=names, pool=pool, draws=1))
    assert tuple(scored.scores) == names
    best = rank(RankSpec(sets=("a",), by="proxy-accuracy@2", pool=pool))
    assert best.judges == "no original model"
    assert best.scores["a"] == scored.scores["proxy-accuracy@2"].score
    assert "judged by no original model" in check(RankSpec(sets=("a",), by=names[0])).found


def test_sets_climb_rungs_from_scratch() -> None:
    for seed in range(4):
        distill(replace(TINY, compute=ComputeSpec(seed=seed)), f"set-{seed}")
    paths = tuple(f"set-{seed}" for seed in range(4))
    pool = PoolSpec(architectures=("MLP",))
    spec = RankSpec(sets=paths, by="proxy-likelihood", rungs=(1, 3), pool=pool)
    told = list[str]()
    found = rank(spec, observer=Talking(told.append))
    assert [*found.rungs.values()] == [3, 3, 1, 1]
    assert sum("proxy-likelihood@1" in line for line in told) == 4
    alone = rank(replace(spec, by="proxy-likelihood@3", rungs=(), sets=tuple(found.rungs)[:2]))
    assert alone.scores == dict(list(found.scores.items())[:2])
    ((_, columns, rows),) = summarised(found)
    assert columns == ("set", "rank", "images", "proxy-likelihood", "at")
    assert [row[-1] for row in rows] == ["3", "3", "1", "1"]
    for wrong, complaint in (
        ({"by": "coverage"}, "coverage takes no number of its own, as these do: fresh-kernel"),
        ({"by": "proxy-accuracy@5"}, "has a number already: leave out @5"),
    ):
        with pytest.raises(InputError, match=complaint):
            rank(replace(spec, **wrong))
    with pytest.raises(InputError, match="`rungs` must grow, found 3 1"):
        replace(spec, rungs=(3, 1))


def test_a_set_of_all_images_is_not_judged_by_some_of_them() -> None:
    distill(replace(TINY, data=DataSpec("digits")), "a")
    with pytest.raises(InputError, match="training images that nothing has seen: `assess_share"):
        rank(RankSpec(sets=("a",), by="proxy-accuracy"))
    with pytest.raises(InputError, match="made without --assess-share: it may hold"):
        rank(RankSpec(sets=("a",), by="proxy-accuracy", data=APART_DATA))


def test_images_of_ones_own_are_kept_for_tests_and_for_assessments() -> None:
    real = load_split("digits", "train")
    pixels = (real.domain.pixels(real.images)[:400, 0] * 255).round().byte().numpy()
    np.savez("mine.npz", images=pixels, labels=real.labels[:400].numpy())
    made = distill(replace(TINY, data=DataSpec("mine.npz", assess_share=0.1)), "a")
    facts = made.set.facts["data"]
    kept = [facts[name]["images"] for name in ("kept_for_tests", APART)]
    assert sum(kept) + facts["content"]["images"] == 400
    read = read_all(DataSpec("mine.npz", assess_share=0.1), "cpu")
    sides = [set(digests_of(one).tolist()) for one in (read.train, read.held_out, read.test) if one]
    assert len(set[int]().union(*sides)) == sum(map(len, sides)) > 390
    spec = ValidateSpec(set="a", models=("MLP",), trials=1, epochs=1, against=("random",))
    assert validate(spec).results
    assert rank(RankSpec(sets=("a",), by="proxy-accuracy@1", pool=PoolSpec(architectures=("MLP",))))


def test_a_set_of_which_nothing_is_known_is_judged_with_a_caveat() -> None:
    made = distill(TINY, "a").set
    for name, facts in (("stranger", {}), ("known", made.facts)):
        datastill.save(replace(made, facts=facts), Path(name) / "synthetic.safetensors")
    pool = PoolSpec(architectures=("MLP",))
    spec = RankSpec(sets=("stranger",), by="proxy-accuracy@1", data=APART_DATA, pool=pool)
    unknown = "is not known: images kept for assessments may be among that"
    assert rank(spec).caveats == (f"what the set was made from {unknown}",)
    both = rank(replace(spec, sets=("known", "stranger"))).caveats
    assert both == (f"what 1 of the 2 sets were made from {unknown}",)
    assert rank(replace(spec, sets=("known",))).caveats == ()


def test_models_of_all_images_do_not_guide() -> None:
    train(TrainSpec(data=DataSpec("digits"), models=("MLP",), num=1, epochs=1), "pool")
    by = SelectSpec(by="om-accuracy", every=1)
    spec = replace(TINY, select=by, pool=PoolSpec(architectures=("MLP",), path="pool"))
    with pytest.raises(InputError, match="was trained on 1347 other images than the"):
        distill(spec, "a")


def test_a_snapshot_is_chosen_by_them_without_a_model() -> None:
    spec = replace(TINY, select=SelectSpec(by="proxy-likelihood@2", every=1))
    made = distill(spec, "a")
    assert list(made.set.facts["selected"]["scores"]) == ["1", "2"]
    with pytest.raises(InputError, match="training images that nothing has seen"):
        distill(replace(spec, data=DataSpec("digits")), "b")
    assert not Path("b").exists()


def test_the_command_takes_the_share() -> None:
    from datastill.cli import main

    line = "distill --dataset digits --assess-share 0.1 --model MLP --ipc 1 --iterations 1"
    main([*line.split(), "--batch-real", "4", "--quiet"])
    made = datastill.load("condensed/digits/DM/IPC1")
    assert made.facts["data"][APART]["share"] == 0.1
