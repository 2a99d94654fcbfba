"""Sets held against real images: one protocol for all, scores as their papers define them."""

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from conftest import blobs, watching
from datastill import save
from datastill.base.rng import Key
from datastill.data import ImageSet
from datastill.datasets import load_split
from datastill.evaluation.comparison import (
    AUGMENTED,
    PLAIN,
    RANDOM,
    REAL,
    Entry,
    RankedSet,
    Ranking,
    RankingProtocol,
    Terms,
    augmentation_robust_score,
    entry,
    evaluation_plan,
    finals,
    label_robust_score,
    picked_entry,
    rankings,
    rates,
    robust_score,
    rows,
    scored,
    synthetic_entries,
    tuning,
)
from datastill.evaluation.validation import Trial, validate
from datastill.report.comparison import plot
from datastill.training.accuracies import Accuracies, difference
from datastill.training.coresets import CORESETS
from datastill.training.fit import Fit
from datastill.training.pool import split_held_out
from datastill.training.protocol import Protocol, modern_fit, without_augmentation
from test_cli import Run, files, run

__all__ = ["run"]

QUICK = Protocol("quick", Fit(epochs=3, batch=16, lr=0.02), augmentation="dsa")
TERMS = Terms(QUICK, ("ConvNetD1W16", "MLP"), 2, Key(0))


def softened(data: ImageSet) -> ImageSet:
    facts = {"relabelled": {"hard_labels": data.labels.tolist(), "temperature": 2.0}}
    return replace(data, labels=F.one_hot(data.labels.roll(1), 4) * 0.6 + 0.1, facts=facts)


def randomly(real: ImageSet, name: str = RANDOM) -> Entry:
    return picked_entry(name, CORESETS["random"], real, (2,) * 4, key=Key(5))


def outcome(
    one: Entry, values: Sequence[float], model: str = "MLP"
) -> list[tuple[Entry, Trial, Fit]]:
    """Make trials that came out as given."""
    return [
        (one, Trial(one.title, model, i, None, value, 1.5), QUICK.fit)  # pyright: ignore
        for i, value in enumerate(values)
    ]


def test_the_table_says_what_each_set_gains() -> None:
    real = blobs()
    made = entry("made", blobs(per_class=2), bits=32)
    tried = [
        *outcome(made, (0.7, 0.8, 0.9)),
        *outcome(randomly(real), (0.5, 0.6, 0.55)),
        *outcome(entry(REAL, real, bits=8), (0.95,)),
        *outcome(made, (0.2, 0.3, 0.1), "LeNet"),
    ]
    mine, random, whole, other = rows(tried)
    assert mine.over_random == difference(Accuracies((0.7, 0.8, 0.9)), random.accuracies)
    assert mine.recovered == pytest.approx((0.8 - 0.55) / (0.95 - 0.55))
    assert (random.over_random, random.recovered) == (None, None)
    assert whole.over_random is None  # one trial and three are no pairs
    assert whole.recovered is None
    assert (other.model, other.over_random, other.recovered) == ("LeNet", None, None)
    assert mine.seconds == 4.5
    assert mine.epochs == QUICK.fit.epochs


def test_there_is_no_gap_where_real_images_are_no_better() -> None:
    real = blobs()
    tried = [*outcome(randomly(real), (0.5,)), *outcome(entry(REAL, real, bits=8), (0.4,))]
    tried += outcome(entry("made", real, bits=32), (0.6,))
    assert rows(tried)[2].recovered is None


@pytest.mark.parametrize(("classes", "each"), [(4, 1), (256, 1), (257, 2), (1000, 2)])
def test_bytes_of_images_and_labels_are_counted(classes: int, each: int) -> None:
    data = blobs(shape=(3, 4, 4), classes=classes, per_class=1)
    assert entry("a", data, bits=32).image_bytes == classes * 48 * 4
    assert entry("a", data, bits=8).image_bytes == classes * 48
    assert entry("a", data, bits=8).label_bytes == classes * each
    soft = replace(data, labels=torch.full((classes, classes), 1 / classes))
    assert entry("a", soft, bits=32).label_bytes == 4 * classes**2


def test_hard_and_soft_labels_stand_side_by_side() -> None:
    data = blobs(per_class=2)
    assert [one.title for one in synthetic_entries("a", data)] == ["a"]
    soft, hard = synthetic_entries("a", softened(data))
    assert (soft.title, hard.title) == ("a, soft labels", "a")
    assert torch.equal(hard.draw(0).labels, data.labels)
    assert soft.draw(0).labels.ndim == 2


def test_picks_are_new_for_each_trial_and_the_same_for_each_network() -> None:
    one = randomly(blobs())
    assert not torch.equal(one.draw(0).images, one.draw(1).images)
    assert one.draw(1) is one.draw(1)
    assert torch.equal(one.draw(1).images, randomly(blobs()).draw(1).images)


def test_every_set_is_trained_on_under_one_protocol() -> None:
    sets = [entry("made", blobs(per_class=2), bits=32), randomly(blobs())]
    all_of_it = evaluation_plan(sets, blobs("test"), TERMS)
    found = list(all_of_it.remaining())
    places = [
        (name, model, i) for model in TERMS.models for name in ("made", RANDOM) for i in (0, 1)
    ]
    assert [(trial.source, trial.model, trial.number) for trial in found] == places
    assert all_of_it.places == places
    assert all_of_it.total == len(places)
    alone = validate(
        sets[0].draw(0), blobs("test"), "MLP", QUICK, trials=2, key=Key(0).at("validate")
    )
    assert alone.values == tuple(
        trial.accuracy for trial in found if (trial.source, trial.model) == ("made", "MLP")
    )


@pytest.mark.parametrize("done", [0, 1, 2, 5, 8])
def test_what_is_done_is_not_trained_again(done: int) -> None:
    sets = [entry("made", blobs(per_class=2), bits=32), randomly(blobs())]
    all_of_it = evaluation_plan(sets, blobs("test"), TERMS)
    found = list(all_of_it.remaining())
    rest = list(all_of_it.remaining(found[:done]))
    assert [(one.source, one.model, one.number) for one in rest] == all_of_it.places[done:]
    assert [one.accuracy for one in rest] == [one.accuracy for one in found[done:]]


@pytest.mark.parametrize("soft", [False, True])
def test_networks_trained_at_once_come_out_the_same(soft: bool) -> None:
    data = softened(blobs(per_class=2)) if soft else blobs(per_class=2)
    modern = Protocol("quick", replace(modern_fit(3), batch=5, temperature=2.0), augmentation="dsa")
    terms = replace(TERMS, protocol=modern, trials=3)
    sets = [*synthetic_entries("made", data), randomly(blobs())]
    alone, together = (
        list(evaluation_plan(sets, blobs("test"), its).remaining())
        for its in (terms, replace(terms, together=3))
    )
    assert [trial.accuracy for trial in together] == [trial.accuracy for trial in alone]
    assert {trial.together for trial in together} == {3}


# DD-Ranking.


def test_scores_are_of_fractions_and_stay_between_zero_and_one() -> None:
    assert robust_score(0) == pytest.approx((1 - 1 / math.e) / (math.e - 1 / math.e))
    for hlr in (-1, -0.3, 0, 0.5, 1):
        for ior in (-1, -0.2, 0, 0.4, 1):
            assert 0 <= label_robust_score(hlr, ior) <= 1
            assert 0 <= augmentation_robust_score(hlr, ior) <= 1
    assert (
        label_robust_score(0.2, 0.1) < label_robust_score(0.1, 0.1) < label_robust_score(0.1, 0.3)
    )


def test_scores_by_hand() -> None:
    accuracies = {
        "synthetic, augmented": 0.61,
        "random, augmented": 0.45,
        "synthetic, plain": 0.52,
        "random, plain": 0.50,
        "synthetic, hard labels": 0.55,
        "real": 0.90,
    }
    found = scored("a", "MLP", accuracies, {}, AUGMENTED)
    assert found.hlr == pytest.approx(0.35)
    assert found.ior == pytest.approx(0.16)
    alpha, beta = 0.5 * 0.16 - 0.5 * 0.35, 0.5 * 0.16 + 0.5 * 0.02
    wide = math.e - math.exp(-1)
    assert found.lrs == pytest.approx((math.exp(alpha) - math.exp(-1)) / wide)
    assert found.ars == pytest.approx((math.exp(beta) - math.exp(-1)) / wide)
    plain = scored("a", "MLP", accuracies, {}, PLAIN)
    assert plain.ior == pytest.approx(0.02)
    assert plain.ars == found.ars
    del accuracies["real"]
    unknown = scored("a", "MLP", accuracies, {}, AUGMENTED)
    assert (unknown.hlr, unknown.lrs) == (None, None)


def ranking(held: ImageSet, rates: Sequence[float] = (1e-6, 0.02)) -> RankingProtocol:
    variants = {AUGMENTED: QUICK, PLAIN: without_augmentation(QUICK)}
    return RankingProtocol(blobs("test"), held, variants, {"MLP": 0.9}, rates)


def ranked(ranked_sets: Sequence[RankedSet], by: RankingProtocol, terms: Terms) -> list[Ranking]:
    tuned = [trial for one in tuning(ranked_sets, by, terms) for trial in one.remaining()]
    chosen = rates(ranked_sets, by, terms, tuned)
    judged = [trial for one in finals(ranked_sets, by, terms, chosen) for trial in one.remaining()]
    return rankings(ranked_sets, by, terms, chosen, judged)


def test_the_learning_rate_is_chosen_on_held_out_training_images_alone() -> None:
    real = blobs(per_class=20)
    fitted, held = split_held_out(real, 0.3, key=Key(1))
    tested, terms = ranking(held, (1e-6, 0.02, 1e-5)), replace(TERMS, models=("ConvNetD1W16",))
    (own,) = synthetic_entries("made", blobs(per_class=2))
    ranked_set = [RankedSet(own, own, randomly(real), randomly(fitted))]
    with watching() as seen:
        tuned = [trial for one in tuning(ranked_set, tested, terms) for trial in one.remaining()]
    chosen = rates(ranked_set, tested, terms, tuned)
    assert len(tuned) == 3 * len(chosen) == 3 * 4
    for (name, model), rate in chosen.items():
        reached = {
            other: trial.accuracy
            for trial in tuned
            for other in tested.rates
            if (trial.source, trial.model) == (f"{name}, at learning rate {other}", model)
        }
        assert reached[rate] == max(reached.values()) > min(reached.values())
    trained = torch.cat([images for _, training, images in seen if training])
    judged = torch.cat([images for _, training, images in seen if not training])
    assert not shared(judged, tested.test.images)
    assert shared(judged, held.images)
    assert not shared(trained, held.images)


def shared(one: Tensor, other: Tensor) -> bool:
    return bool((one.flatten(1)[:, None] == other.flatten(1)[None]).all(2).any())


def test_a_set_is_ranked_by_networks_of_its_own_learning_rate() -> None:
    real = blobs(per_class=20)
    fitted, held = split_held_out(real, 0.3, key=Key(1))
    own, hard = synthetic_entries("made", softened(blobs(per_class=2)))
    ranked_set = RankedSet(own, hard, randomly(real), randomly(fitted))
    tested = ranking(held)
    (found,) = ranked([ranked_set], tested, replace(TERMS, models=("MLP",)))
    for name, data, protocol in (
        ("synthetic, augmented", own.draw(0), QUICK),
        ("synthetic, plain", own.draw(0), without_augmentation(QUICK)),
        ("synthetic, hard labels", hard.draw(0), QUICK),
    ):
        its = replace(protocol, fit=replace(protocol.fit, lr=found.rates[name]))
        key = Key(0).at("validate")
        alone = validate(data, tested.test, "MLP", its, trials=2, key=key)
        assert found.accuracies[name] == statistics.mean(alone.values)
    assert (found.labels, found.label_bytes) == (own.labels, own.label_bytes)
    bare = replace(found, labels=None, label_bytes=None)
    assert bare == scored("made", "MLP", found.accuracies, found.rates, AUGMENTED)
    assert found.accuracies["real"] == 0.9


def test_hard_labels_are_not_trained_twice() -> None:
    real = blobs(per_class=20)
    fitted, held = split_held_out(real, 0.3, key=Key(1))
    (own,) = synthetic_entries("made", blobs(per_class=2))
    ranked_set = RankedSet(own, own, randomly(real), randomly(fitted))
    tested, terms = ranking(held, (0.02,)), replace(TERMS, models=("MLP",))
    assert sum(one.total for one in tuning([ranked_set], tested, terms)) == 4
    (found,) = ranked([ranked_set], tested, terms)
    assert found.accuracies["synthetic, hard labels"] == found.accuracies["synthetic, augmented"]


def test_random_images_are_trained_on_once_for_all_sets() -> None:
    real = blobs(per_class=20)
    fitted, held = split_held_out(real, 0.3, key=Key(1))
    rivals = randomly(real), randomly(fitted)
    tested, terms = ranking(held, (0.02,)), replace(TERMS, models=("MLP",))
    own = [synthetic_entries(name, blobs(per_class=n))[0] for name, n in (("a", 1), ("b", 2))]
    with watching() as seen:
        one, other = ranked([RankedSet(mine, mine, *rivals) for mine in own], tested, terms)
    assert one.accuracies["random, plain"] == other.accuracies["random, plain"]
    assert (one.name, other.name) == ("a", "b")
    trained = {network for network, training, _ in seen if training}
    # two sets and random images, with and without augmentation: one to choose, two to test
    assert len(trained) == 3 * 2 * (1 + 2)


# The picture.


def test_the_picture_has_a_dot_for_every_network() -> None:
    made = entry("costs $1 and $2", blobs(per_class=2), bits=32)
    tried = [*outcome(made, (0.7, 0.8)), *outcome(made, (0.2, 0.3), "LeNet")]
    figure = plot(rows(tried))
    figure.canvas.draw()
    assert [panel.get_title() for panel in figure.axes] == ["MLP", "LeNet"]
    dots = figure.axes[0].lines[0].get_xdata()
    assert list(dots) == pytest.approx([70, 80])


# The command line.


@pytest.fixture
def sets(run: Run, tmp_path: Path) -> Run:
    real = load_split("digits", "train")
    for name, seed in (("DM", 0), ("DC", 1)):
        picked = real.take(CORESETS["random"](real, [2] * 10, key=Key(seed)))
        save(replace(picked, facts={"method": name}), tmp_path / f"{name}.safetensors")
    assert run("train --dataset digits --model MLP --num 1 --epochs 2 --quiet").code == 0
    assert run("relabel DM.safetensors --models-pool MLP --out soft --temperature 2").code == 0
    return run


def test_compare_by_the_command_line(sets: Run, tmp_path: Path) -> None:
    quick = "--model MLP --epochs 2 --num-eval 2 --real-epochs 1"
    said = sets(
        f"compare DC.safetensors soft {quick} --models-pool MLP --coreset-features MLP "
        "--dd-ranking --learning-rates 0.01 0.05 --out out"
    )
    assert said.code == 0, said.err
    table = json.loads((tmp_path / "out" / "comparison.json").read_text())
    names = [(row["name"], row["labels"]) for row in table["rows"]]
    assert names == [
        ("DC", "hard"),
        ("DM", "soft"),
        ("DM", "hard"),
        ("random", "hard"),
        ("herding", "hard"),
        ("k-center", "hard"),
        ("k-means", "hard"),
        ("random", "soft"),
        ("all real images", "hard"),
    ]
    for row in table["rows"][:-1]:
        assert row["images"] == 20
        assert len(row["accuracies"]["values"]) == 2
        assert row["label_bytes"] == (20 if row["labels"] == "hard" else 800)
    assert table["rows"][-1]["epochs"] == 2
    assert [one["name"] for one in table["dd_ranking"]] == ["DC", "DM"]
    assert table["protocol"]["name"] == "dsa"
    assert table["images_per_class"] == [2] * 10
    for told in ("minus random", "of gap", "LRS", "DM, soft labels", "all real images"):
        assert told in said.out
    with Image.open(tmp_path / "out" / "comparison.png") as picture:
        picture.load()
    again = sets(f"compare DC.safetensors {quick} --out out")
    assert again.code == 2
    assert "--overwrite" in again.err


@pytest.mark.parametrize("cut", ["write_plot", "write_json", "forget"])
def test_a_comparison_that_is_killed_as_it_ends_goes_on(
    cut: str, sets: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = "compare DC.safetensors --model MLP --epochs 2 --num-eval 1 --real-epochs 0"
    quick += " --against random --checkpoint-minutes 0"
    assert sets(f"{quick} --out whole").code == 0

    def ends(*_: object) -> None:
        raise SystemExit(9)

    with monkeypatch.context() as killed:
        if cut == "forget":  # the last that is done: the checkpoint goes before
            killed.setattr("datastill.store.checkpoints.CheckpointFile.remove", ends)
        else:
            killed.setattr(f"datastill.runs.validation.comparing.{cut}", ends)
        assert sets(f"{quick} --out cut").code == 9
    assert (tmp_path / "cut" / "comparison.png").exists() == (cut != "write_plot")
    said = sets(f"{quick} --out cut --resume")
    assert said.code == 0, said.err
    whole, went_on = files(tmp_path / "whole"), files(tmp_path / "cut")
    assert whole == went_on
    rows = [
        json.loads((tmp_path / name / "comparison.json").read_text())["rows"]
        for name in ("whole", "cut")
    ]
    assert [row["accuracies"] for row in rows[0]] == [row["accuracies"] for row in rows[1]]


def test_compare_and_validate_agree(sets: Run, tmp_path: Path) -> None:
    same = "--model MLP --epochs 2 --num-eval 2 --seed 3"
    assert sets(f"validate DM.safetensors {same} --dsa --against random herding").code == 0
    said = sets(f"compare DM.safetensors {same} --against herding --real-epochs 0 --out out")
    assert said.code == 0, said.err
    report = json.loads((tmp_path / "DM.validation.json").read_text())[-1]
    one = [row["accuracies"]["values"] for row in report["results"]]
    table = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert [row["accuracies"]["values"] for row in table["rows"]] == one


def test_real_images_can_be_compared_by_themselves(run: Run, tmp_path: Path) -> None:
    said = run(
        "compare --dataset digits --ipc 1 --model MLP --epochs 1 --num-eval 1 --real-epochs 0 "
        "--protocol modern --against random --quiet"
    )
    assert (said.code, said.out) == (0, "")
    assert files(tmp_path) == {
        f"comparison/digits-IPC1-modern/{name}"
        for name in ("comparison.json", "comparison.png", "run.toml")
    }


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("compare", "name sets by their paths, or --dataset and --ipc"),
        ("compare nowhere", "no image set at nowhere"),
        ("compare a.safetensors --against hering", "did you mean 'herding'?"),
        ("compare a.safetensors --model MPL", "did you mean 'MLP'?"),
        ("compare a.safetensors --model VGG11", "VGG11 needs images of at least 32x32"),
        ("compare a.safetensors --protocol fast", "takes dc, dsa or modern"),
        ("compare a.safetensors --num-eval 0", "--num-eval must be above zero"),
        ("compare a.safetensors --real-epochs -1", "--real-epochs must not be negative"),
        (
            "compare a.safetensors --dd-ranking --learning-rates 0.1 0",
            "--learning-rates must be above zero",
        ),
        ("compare a.safetensors --coreset-features MLP", "holds 0 original models"),
        ("compare a.safetensors --models-pool MLP", "holds 0 original models"),
        ("compare a.safetensors b.safetensors", "sets of one size are compared, or --ipc says"),
        ("compare a.safetensors a.safetensors", "a set is named twice"),
        (
            "compare a.safetensors --ipc 500",
            "real images, fewer than the 500 to be picked; --ipc says",
        ),
        ("compare c.safetensors --dataset digits", "c.safetensors cannot be compared: digits has"),
        ("compare --dataset digits --ipc 1 --dd-ranking", "--dd-ranking scores sets"),
        ("compare a.safetensors --out /proc/nowhere", "cannot write to /proc/nowhere"),
    ],
)
def test_mistakes_get_one_line_and_leave_nothing(
    run: Run, tmp_path: Path, line: str, complaint: str
) -> None:
    digits = load_split("digits", "train")
    save(digits.take(digits.labels.argsort()[::100]), tmp_path / "b.safetensors")
    picked = digits.take(CORESETS["random"](digits, [1] * 10, key=Key(0)))
    save(picked, tmp_path / "a.safetensors")
    save(blobs(per_class=1), tmp_path / "c.safetensors")
    said = run(line)
    assert (said.code, said.out) == (2, "")
    assert complaint in said.err
    assert len(said.err.splitlines()) == 1
    assert files(tmp_path) == {"a.safetensors", "b.safetensors", "c.safetensors"}


@pytest.mark.parametrize("name", CORESETS.names)
@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("validate big.safetensors --epochs 1 --against NAME", "validate without --against"),
        ("compare big.safetensors --epochs 1 --against NAME", "--ipc says how many to pick"),
        ("compare --dataset digits --ipc 500 --epochs 1 --against NAME", "--ipc says how many"),
        ("distill --dataset digits --ipc 500 --init NAME", "take a smaller ipc"),
        ("study --dataset digits --ipc 1 500 --population NAME", "take a smaller --ipc"),
    ],
)
def test_more_real_images_than_there_are_is_told_before_anything_is_trained(
    run: Run, tmp_path: Path, line: str, hint: str, name: str
) -> None:
    real = load_split("digits", "train")
    big = ImageSet(real.images.repeat(4, 1, 1, 1), real.labels.repeat(4), real.domain)
    save(big, tmp_path / "big.safetensors")
    before = files(tmp_path)
    with watching() as seen:
        said = run(f"{line.replace('NAME', name)} --model MLP")
    assert (said.code, seen) == (2, [])
    assert len(said.err.splitlines()) == 1
    if (line.split()[0], name) == (
        "distill",
        "random-tiles",
    ):  # makes tiles, which are not asked for
        assert "take --tiles 2, or another --init" in said.err
    else:
        assert "class '0' has 133 real images, fewer than the 5" in said.err
        assert hint in said.err
    assert files(tmp_path) == before


def test_ranking_wants_as_many_among_what_it_does_not_hold_out(run: Run, tmp_path: Path) -> None:
    real = load_split("digits", "train")
    rows = CORESETS["random"](real, real.counts, key=Key(0))
    save(real.take(rows), tmp_path / "all.safetensors")
    with watching() as seen:
        said = run("compare all.safetensors --dd-ranking --model MLP --epochs 1")
    assert (said.code, seen) == (2, [])
    assert "to be picked; --dd-ranking keeps 5% of the training images" in said.err
