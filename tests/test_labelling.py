"""Labels on the fly: what original models say of every batch, as augmented, is what is learned."""

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from conftest import blobs, linear, other_normalisation, same, weights
from datastill import load, save
from datastill.augment import DSA_STEPS, draw_cutmix, dsa, mixed
from datastill.base.errors import InputError
from datastill.base.rng import Key
from datastill.compute.route import PLAIN, Route
from datastill.data import ImageSet
from datastill.datasets import load_split
from datastill.distillation.relabelling import relabelled
from datastill.evaluation.comparison import FLY, HARD, SOFT, entry, labelled_by
from datastill.evaluation.comparison.tables import titled
from datastill.evaluation.validation import Trial, contest, validate
from datastill.networks import build
from datastill.runs import (
    CompareSpec,
    ComputeSpec,
    Keeping,
    OnTheFlySpec,
    PoolSpec,
    SoftSpec,
    Stopped,
    StopRequest,
    Talking,
    ValidateSpec,
)
from datastill.runs import compare as compare_sets
from datastill.runs import validate as validate_set
from datastill.runs.inputs.origin import Origin
from datastill.runs.validation.early import EarlyLabels
from datastill.store import load_pool, pool_folder
from datastill.training import stacked
from datastill.training.coresets import CORESETS, picked
from datastill.training.fit import Fit, epochs, train
from datastill.training.labeller import Labeller
from datastill.training.labelling import OnTheFly
from datastill.training.pool import Member, freeze
from datastill.training.protocol import Protocol, at_learning_rate, preset
from test_cli import Run, run
from test_runs_of_trials import stopping_at, timeless

__all__ = ["run"]

pytestmark = pytest.mark.usefixtures("sketched")

TERMS = {
    "kl": OnTheFly(),
    "kl, cool": OnTheFly("kl", 2.0, 0.3),
    "cross-entropy": OnTheFly("cross-entropy", 3.0),
    "mse": OnTheFly("mse"),
    "mse alone": OnTheFly("mse", ground_truth=0.0),
}
AUGMENTED = dsa("_".join(DSA_STEPS))
every_kind = pytest.mark.parametrize("terms", TERMS.values(), ids=TERMS.keys())


def teacher(data: ImageSet, seed: int = 1) -> Member:
    return freeze(linear(data.domain, seed), "linear", data.domain, {"epoch": 3})


def by(data: ImageSet, terms: OnTheFly, count: int = 2) -> Labeller:
    return Labeller([teacher(data, 1 + i) for i in range(count)], terms)


# The losses, against their formulas.


def softened(row: Tensor, degree: float) -> list[float]:
    exponents = [math.exp(float(z) / degree) for z in row]
    return [value / sum(exponents) for value in exponents]


def plain_loss(terms: OnTheFly, own: Tensor, others: list[Tensor], label: int) -> float:
    """Work out the loss of one image, number by number, from everybody's logits."""
    classes, found = range(len(own)), 0.0
    if terms.loss == "mse":
        said = [sum(float(other[k]) for other in others) / len(others) for k in classes]
        found = sum((float(own[k]) - said[k]) ** 2 for k in classes) / len(own)
    else:
        degree = terms.temperature
        assert degree is not None
        heard = [softened(other, degree) for other in others]
        shares = [sum(one[k] for one in heard) / len(others) for k in classes]
        its = softened(own, degree if terms.loss == "kl" else 1.0)
        if terms.loss == "kl":
            found = sum(p * math.log(p / q) for p, q in zip(shares, its, strict=True)) * degree**2
        else:
            found = -sum(p * math.log(q) for p, q in zip(shares, its, strict=True))
    assert terms.ground_truth is not None
    return found - terms.ground_truth * math.log(softened(own, 1.0)[label])


@every_kind
def test_losses_are_those_of_their_formulas(terms: OnTheFly) -> None:
    data = blobs(per_class=2)
    labeller, network = by(data, terms), linear(data.domain)
    cost = labeller(data.images, data.labels, data.domain, PLAIN)
    own = network(data.images).detach()
    others = [member.network(data.images) for member in labeller.pool]
    expected = [
        plain_loss(terms, own[i], [said[i] for said in others], int(data.labels[i]))
        for i in range(len(data))
    ]
    assert float(cost(own, slice(None))) == pytest.approx(sum(expected), rel=1e-4)
    assert float(cost(own[2:5], slice(2, 5))) == pytest.approx(sum(expected[2:5]), rel=1e-4)


@every_kind
def test_a_step_is_that_of_the_loss_of_the_images_as_shown(terms: OnTheFly) -> None:
    data = blobs(per_class=3)
    fit = Fit(epochs=1, batch=len(data), lr=0.05, momentum=0.0, weight_decay=0.0, cutmix=True)
    labeller, key = by(data, terms), Key(0)
    network, moved = linear(data.domain), linear(data.domain)
    train(moved, data, fit, policy=AUGMENTED, key=key, route=PLAIN, labels=labeller)
    batch = data.take(torch.randperm(len(data), generator=key.at("order", 0).generator()))
    shown = AUGMENTED(len(batch), key=key.at("augment", 0, 0))(batch.images)
    mix = draw_cutmix(len(batch), key=key.at("cutmix", 0, 0))
    shown, shares = mixed(shown, batch.shares, [mix])
    own, degree = network(shown), terms.temperature
    said = [member.network(shown) for member in labeller.pool]
    if degree is None:
        loss = ((own - sum(said) / 2) ** 2).mean()
    else:
        heard = sum((one / degree).softmax(1) for one in said) / 2
        assert isinstance(heard, Tensor)
        hot = degree if terms.loss == "kl" else 1.0
        loss = -(heard * (own / hot).log_softmax(1)).sum(1).mean() * hot**2
    loss = loss - (terms.ground_truth or 0) * (shares * own.log_softmax(1)).sum(1).mean()
    slopes = torch.autograd.grad(loss, list(network.parameters()))
    for after, before, slope in zip(moved.parameters(), network.parameters(), slopes, strict=True):
        torch.testing.assert_close(after, before - 0.05 * slope, rtol=1e-4, atol=1e-6)


# The same, however it is computed.

QUICK = Fit(epochs=3, batch=10, lr=0.02)


@every_kind
def test_networks_trained_at_once_end_as_they_do_alone(terms: OnTheFly) -> None:
    sets = [
        replace(data, images=data.images.double())
        for data in (blobs(per_class=4), blobs("other", per_class=4))
    ]
    members = [replace(one, network=one.network.double()) for one in by(sets[0], terms).pool]
    labeller, keys = Labeller(members, terms), [Key(5).at(i) for i in range(2)]
    fit = replace(QUICK, cutmix=True)
    found, alone = (
        [build("ConvNetD1W16", sets[0].domain, key=Key(i)).double() for i in range(2)]
        for _ in range(2)
    )
    stacked.train(found, sets, fit, keys=keys, policy=AUGMENTED, labels=labeller)
    for network, oracle, data, key in zip(found, alone, sets, keys, strict=True):
        train(oracle, data, fit, key=key, policy=AUGMENTED, route=PLAIN, labels=labeller)
        for part, value in weights(network).items():
            torch.testing.assert_close(value, weights(oracle)[part], rtol=1e-6, atol=1e-9)


def test_sets_of_two_normalisations_are_not_trained_on_at_once() -> None:
    one = blobs(per_class=2)
    other = one.under(other_normalisation(one.domain))
    assert stacked.alike(one, blobs("other", per_class=2))
    assert not stacked.alike(one, other)


@pytest.mark.parametrize(
    "route", [Route(chunk=7, kernels=False), Route(kernels=True), Route()], ids=str
)
def test_chunks_and_kernels_give_the_same_labels(route: Route) -> None:
    data = blobs()
    members = [
        freeze(build("ConvNetD1W16", data.domain, key=Key(i)), "ConvNetD1W16", data.domain, {})
        for i in range(2)
    ]
    found, oracle = (linear(data.domain) for _ in range(2))
    labeller = Labeller(members, OnTheFly("mse"))
    train(oracle, data, QUICK, key=Key(0), route=PLAIN, labels=labeller)
    train(found, data, QUICK, key=Key(0), route=route, labels=labeller)
    for one, other in zip(found.parameters(), oracle.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)
    assert all(member.network.training is False for member in members)


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_as_many_threads_as_there_are_give_the_same_bits(threads: None) -> None:
    data, held = blobs(), list[dict[str, Tensor]]()
    member = freeze(build("ConvNetD1W16", data.domain, key=Key(1)), "ConvNetD1W16", data.domain, {})
    for count in (1, 2):
        torch.set_num_threads(count)
        network = build("ConvNetD1W16", data.domain, key=Key(2))
        train(network, data, QUICK, key=Key(0), labels=Labeller([member]))
        held.append(weights(network))
    assert same(*held)


def test_models_of_another_normalisation_see_their_own() -> None:
    data = blobs(per_class=2)
    elsewhere = other_normalisation(data.domain)
    one = freeze(linear(data.domain, 1), "linear", elsewhere, {})
    found = Labeller([one], OnTheFly("mse")).said(data.images, data.domain, PLAIN)
    own = elsewhere.normalise(data.domain.pixels(data.images))
    torch.testing.assert_close(found, one.network(own))


def test_without_augmentation_they_are_the_labels_that_relabelling_gives() -> None:
    data = blobs(per_class=3)
    labeller = by(data, OnTheFly("kl", 2.0))
    soft = relabelled(data, labeller.pool, temperature=2.0)
    found, oracle = (linear(data.domain) for _ in range(2))
    train(found, data, QUICK, key=Key(0), route=PLAIN, labels=labeller)
    train(oracle, soft, replace(QUICK, temperature=2.0), key=Key(0), route=PLAIN)
    torch.testing.assert_close(weights(found), weights(oracle))


def test_a_fit_that_was_cut_goes_on_with_the_same_bits() -> None:
    data = blobs(per_class=4)
    labeller, key = by(data, OnTheFly()), Key(0)
    whole, cut = linear(data.domain), linear(data.domain)
    train(whole, data, QUICK, policy=AUGMENTED, key=key, labels=labeller)
    first = next(epochs(cut, data, QUICK, policy=AUGMENTED, key=key, labels=labeller)).state()
    again = linear(data.domain, 9)
    for _ in epochs(again, data, QUICK, policy=AUGMENTED, key=key, state=first, labels=labeller):
        pass
    assert same(weights(whole), weights(again))


# What does not fit.


def test_pools_that_do_not_fit_are_refused() -> None:
    data, fit = blobs(per_class=2), Protocol("dc", Fit(epochs=1), "none")
    given = (data, blobs("test"), "MLP", fit)
    for other in (blobs(classes=3), blobs(shape=(3, 9, 9)), blobs(shape=(1, 8, 8))):
        with pytest.raises(InputError, match="this linear cannot teach blobs"):
            validate(*given, trials=1, key=Key(0), labels=Labeller([teacher(other)]))
    with pytest.raises(InputError, match="at least one original model"):
        Labeller([])
    with pytest.raises(InputError, match="hf:dino knows no classes"):
        Labeller([replace(teacher(data), architecture="hf:dino")])


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"loss": "cosine"}, "`loss` must be kl, cross-entropy or mse, found 'cosine'"),
        ({"loss": "mse", "temperature": 2.0}, "compares logits as they are; leave `temperature`"),
        ({"temperature": 0.0}, "`temperature` must be above zero"),
        ({"ground_truth": -1.0}, "`ground_truth` must not be negative"),
    ],
)
def test_terms_that_make_no_sense_are_refused(given: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        OnTheFly(**given)


# Trials and comparisons.


def test_labels_on_the_fly_change_what_is_learned_and_keep_pairs() -> None:
    data, test = blobs(per_class=2), blobs("test")
    protocol = Protocol("quick", QUICK, "dsa")

    def draw(_: int) -> ImageSet:
        return data

    given = ({"a": draw}, test, ["MLP"], protocol)
    fly = list(contest(*given, trials=2, key=Key(0), labels=by(data, OnTheFly())))
    hard = list(contest(*given, trials=2, key=Key(0)))
    together = contest(*given, trials=2, key=Key(0), labels=by(data, OnTheFly()), together=2)
    assert [one.accuracy for one in together] == [one.accuracy for one in fly]
    for one, other in zip(fly, hard, strict=True):
        assert one.network is not None
        assert other.network is not None
        assert not same(weights(one.network), weights(other.network))


def test_soft_labels_are_learned_from_a_rate_of_their_own_where_the_protocol_has_one() -> None:
    data, test = blobs(per_class=2), blobs("test")
    soft = relabelled(data, by(data, OnTheFly()).pool)
    usual = Protocol("quick", QUICK, "none")
    slow = replace(usual, fit=replace(QUICK, lr=QUICK.lr / 10))
    both, fixed = replace(usual, soft_lr=QUICK.lr / 10), at_learning_rate(slow, QUICK.lr / 10)
    assert (preset("modern").soft_lr, preset("dsa").soft_lr) == (0.01, None)
    assert at_learning_rate(both, QUICK.lr) == usual
    assert fixed == slow

    def reached(data: ImageSet, protocol: Protocol, labels: Labeller | None = None) -> Any:
        given = ({"a": lambda _: data}, test, ["MLP"], protocol)
        (one,) = contest(*given, trials=1, key=Key(0), labels=labels)
        assert one.network is not None
        return weights(one.network)

    for one, labels in ((data, by(data, OnTheFly())), (soft, None)):
        assert same(reached(one, both, labels), reached(one, slow, labels))
        assert not same(reached(one, both, labels), reached(one, usual, labels))
    assert same(reached(data, both), reached(data, usual))
    assert "soft_lr" not in preset("modern").facts(soft=False)
    assert preset("modern").facts(soft=True)["soft_lr"] == 0.01
    assert "soft_lr" not in preset("dsa").facts(soft=True)


@pytest.mark.usefixtures("home")
def test_the_rate_of_soft_labels_is_told_and_written_down() -> None:
    told: list[str] = []
    found = validate_set(replace(VALIDATE, protocol="modern"), observer=Talking(tell=told.append))
    assert "soft labels are learned from a rate of 0.01, classes from 0.1" in told
    assert found.report["protocol"]["soft_lr"] == 0.01
    assert not any("softened" in line for line in told)
    plain = validate_set(replace(VALIDATE, protocol="modern", on_the_fly=None, pool=None))
    assert "soft_lr" not in plain.report["protocol"]


@pytest.mark.usefixtures("home")
def test_a_set_with_a_rate_of_its_own_learns_its_soft_labels_from_that() -> None:
    pool = load_pool(pool_folder(Path("pretrained_model"), "digits", "MLP"), None)
    made = relabelled(load("DM.safetensors"), pool)
    save(replace(made, facts={**made.facts, "learning_rate": 0.02}), "rated.safetensors")
    told: list[str] = []
    how = {"compute": COMPUTE, "models": ("MLP",), "trials": 1, "epochs": 1, "protocol": "modern"}
    watch = Talking(tell=told.append)
    alone = validate_set(ValidateSpec(set="rated.safetensors", **how), observer=watch)
    table = {"against": ("random",), "real_epochs": 0, **how}
    beside = compare_sets(CompareSpec(sets=("rated.safetensors",), **table), observer=watch)
    assert sum("its own learning rate, 0.02" in line for line in told) == 3
    assert not any("soft labels are learned" in line for line in told)
    assert "soft_lr" not in alone.report["protocol"]
    assert "soft_lr" not in beside.report["protocol"]


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(("loss", "hint"), [("cross-entropy", True), ("kl", False)])
def test_labels_that_were_softened_and_are_learned_as_they_are_are_told(
    loss: Any, hint: bool
) -> None:
    pool = load_pool(pool_folder(Path("pretrained_model"), "digits", "MLP"), None)
    save(relabelled(load("DM.safetensors"), pool, temperature=20.0), "soft.safetensors")
    told: list[str] = []
    plain = replace(VALIDATE, on_the_fly=None, pool=None, set="soft.safetensors")
    validate_set(replace(plain, soft=SoftSpec(loss=loss)), observer=Talking(tell=told.append))
    assert any("softened by a temperature of 20" in line for line in told) is hint


def test_bytes_are_those_of_classes_and_of_the_models() -> None:
    data = blobs(per_class=2)
    plain = entry("a", data, bits=32)
    fly = labelled_by(by(data, OnTheFly(), count=3), plain)
    weighed = sum(4 * w.numel() for w in linear(data.domain).parameters())
    assert (fly.labels, fly.title) == (FLY, "a, labels on the fly")
    assert (fly.image_bytes, fly.label_bytes) == (plain.image_bytes, plain.label_bytes)
    assert (plain.model_bytes, fly.model_bytes) == (0, 3 * weighed)
    assert [titled("a", kind) for kind in (HARD, SOFT)] == ["a", "a, soft labels"]


COMPUTE = ComputeSpec(seed=3, engine="plain")
POOL = PoolSpec(architectures=("MLP",), epoch=1)
VALIDATE = ValidateSpec(
    set="DM.safetensors",
    compute=COMPUTE,
    models=("MLP",),
    trials=2,
    epochs=2,
    on_the_fly=OnTheFlySpec(),
    pool=POOL,
)


@pytest.fixture
def home(tmp_path: Path, run: Run) -> Path:
    """Put a set of digits and two early models into the current folder."""
    real = load_split("digits", "train")
    few = picked(CORESETS["random"], real, [2] * 10, key=Key(0))
    save(replace(few, facts={"method": "DM"}), tmp_path / "DM.safetensors")
    line = "train --dataset digits --model MLP --num 2 --epochs 3 --save-epochs 1 2 --quiet"
    assert run(line).code == 0
    return tmp_path


def test_a_validation_says_who_labelled_and_goes_on_where_it_was(home: Path) -> None:
    told: list[str] = []
    whole = validate_set(VALIDATE, "whole", observer=Talking(tell=told.append))
    assert [one.source for one in whole.results] == ["synthetic", "synthetic, labels on the fly"]
    plain = validate_set(replace(VALIDATE, on_the_fly=None, pool=None))
    assert whole.results[0].accuracies == plain.results[0].accuracies
    fly = whole.report["labels_on_the_fly"]
    assert (fly["loss"], fly["temperature"], fly["ground_truth"]) == ("kl", 20.0, 0.0)
    assert [(one["architecture"], one["epoch"]) for one in fly["originals"]] == [("MLP", 1)] * 2
    assert len({one["weights"] for one in fly["originals"]}) == 2
    assert any("labelled by 2 MLP" in line and "kl at temperature 20" in line for line in told)
    stop = StopRequest()
    with pytest.raises(Stopped):
        validate_set(
            *(VALIDATE, "cut"),
            keeping=Keeping(resume=True, checkpoint_minutes=0),
            observer=stopping_at(2.3, stop),
            stop=stop,
        )
    other = replace(VALIDATE, pool=replace(POOL, epoch=2))
    with pytest.raises(
        InputError, match="followed other original models: MLP 0 after epoch 1 is not"
    ):
        validate_set(other, "cut", keeping=Keeping(resume=True))
    cut = validate_set(VALIDATE, "cut", keeping=Keeping(resume=True))
    assert timeless(cut.report) == timeless(whole.report)
    again = validate_set(other, "whole", keeping=Keeping(resume=True))
    assert again.report["labels_on_the_fly"] != fly  # that of other models is another validation
    held = json.loads((home / "whole" / "validation.json").read_text())
    assert [one["labels_on_the_fly"]["originals"][0]["epoch"] for one in held] == [1, 2]


def test_hard_rows_stand_beside_soft_ones_and_those_on_the_fly(home: Path, run: Run) -> None:
    assert run("relabel DM.safetensors --models-pool MLP --out soft").code == 0
    judged = validate_set(replace(VALIDATE, set="soft", trials=1, against=("random",)))
    assert [one.source for one in judged.results] == [
        *("synthetic", "synthetic, hard labels", "synthetic, labels on the fly"),
        *("random", "random, labels on the fly"),
    ]
    spec = CompareSpec(
        sets=("soft",),
        compute=COMPUTE,
        models=("MLP",),
        trials=1,
        epochs=1,
        against=("random",),
        real_epochs=0,
        rates=(0.01, 0.1),
        on_the_fly=OnTheFlySpec(loss="mse"),
        pool=POOL,
    )
    compared = compare_sets(spec, "out")
    assert [(one.name, one.labels) for one in compared.rows] == [
        *(("DM", "soft"), ("DM", "hard"), ("DM", "on the fly")),
        *(("random", "hard"), ("random", "soft"), ("random", "on the fly")),
    ]
    weighed = compared.report["labels_on_the_fly"]["model_bytes"]
    assert [one.model_bytes for one in compared.rows] == [0, 0, weighed, 0, 0, weighed]
    assert [one.label_bytes for one in compared.rows] == [800, 20, 20, 20, 800, 20]
    (ranked,) = compared.rankings
    assert (ranked.labels, ranked.label_bytes, ranked.model_bytes) == ("on the fly", 20, weighed)
    again = compare_sets(spec, "out", keeping=Keeping(resume=True))
    assert (again.rows, again.rankings) == (compared.rows, compared.rankings)


def test_the_command_line(home: Path, run: Run) -> None:
    line = "DM.safetensors --model MLP --num-eval 1 --epochs 1 --labels on-the-fly"
    said = run(f"validate {line} --models-pool MLP --epoch 2 --model-num 1 --ground-truth 0.2")
    assert said.code == 0, said.err
    assert "synthetic, labels on the fly" in said.out
    report = json.loads((home / "DM.validation.json").read_text())[-1]
    assert report["labels_on_the_fly"]["ground_truth"] == 0.2
    assert [one["epoch"] for one in report["labels_on_the_fly"]["originals"]] == [2]
    shown = run("show DM.safetensors")
    assert "MLP 0 after epoch 2" in shown.out
    said = run(f"compare {line} --models-pool MLP --real-epochs 0 --against random --out out")
    assert said.code == 0, said.err
    assert "models" in said.out


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("--labels on-the-fly", "--labels on-the-fly needs original models that give them"),
        ("--models-pool MLP", "--models-pool labels on the fly: add --labels on-the-fly"),
        ("--soft-loss mse", "--soft-loss mse is for labels given on the fly"),
        ("--ground-truth 0.1", "--ground-truth is for labels given on the fly"),
        (
            "--labels on-the-fly --models-pool MLP --soft-loss mse --temperature 2",
            "--soft-loss mse compares logits as they are; leave --temperature out",
        ),
        (
            "--labels on-the-fly --models-pool MLP --epoch 7",
            "holds 0 original models at epoch 7",
        ),
        ("--labels on-the-fly --models-pool MPL", "did you mean 'MLP'?"),
        ("--labels on-the-fly --models-pool MLP --temperature 0", "must be above zero"),
    ],
)
def test_mistakes_get_one_line(run: Run, tmp_path: Path, line: str, complaint: str) -> None:
    real = load_split("digits", "train")
    save(real.take(torch.arange(10)), tmp_path / "DM.safetensors")
    said = run(f"validate DM.safetensors --model MLP {line}")
    assert said.code == 2
    assert complaint in said.err
    assert len(said.err.splitlines()) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"DM.safetensors"}


# Early labels: random images as early-stopped original models label them.

EARLY_SPEC = CompareSpec(
    sets=("DM.safetensors",),
    compute=COMPUTE,
    models=("MLP",),
    trials=2,
    epochs=3,
    against=("random", "early-labels"),
    real_epochs=0,
    pool=PoolSpec(architectures=("MLP",)),
)


def test_early_labels_are_chosen_on_held_out_training_images(home: Path) -> None:
    told: list[str] = []
    found = compare_sets(EARLY_SPEC, "whole", observer=Talking(tell=told.append))
    assert [(one.name, one.labels) for one in found.rows] == [
        *(("DM", "hard"), ("random", "hard"), ("early-labels", "soft")),
    ]
    assert found.rows[2].label_bytes == 4 * 10 * 20
    tried = found.report["early_labels"]
    assert tried["epochs"] == [1, 2, 3]
    assert [one["epoch"] for one in tried["originals"]] == [1, 1, 2, 2, 3, 3]
    choice = found.report["early_labels_chosen"]
    reached = choice["held_out_accuracies"]
    assert list(reached) == ["1", "2", "3"]
    assert reached[str(choice["epoch"])] == max(reached.values())
    assert any("held-out training images" in line and "early-labels" in line for line in told)
    # What the row says is what the same images reach with the labels of that epoch.
    real, test = load_split("digits", "train"), load_split("digits", "test")
    pool = load_pool(Path("pretrained_model/digits/original/MLP"), epoch=choice["epoch"])
    for i, accuracy in enumerate(found.rows[2].accuracies.values):
        key = Key(3).at("against", "random")
        soft = relabelled(picked(CORESETS["random"], real, [2] * 10, key=key.at(i)), pool)

        def draw(_: int, soft: ImageSet = soft) -> ImageSet:
            return soft

        (trial,) = contest(
            *({"early-labels, soft labels": draw}, test, ["MLP"]),
            preset("dsa", epochs=3),
            trials=1,
            first=i,
            key=Key(3).at("validate"),
            route=Route(kernels=False),
        )
        assert trial.accuracy == accuracy


def test_the_epoch_whose_labels_did_best_is_chosen_and_the_earlier_of_equals() -> None:
    tried = EarlyLabels({1: (), 3: (), 9: ()}, temperature=1.0)
    for reached, best in (((0.3, 0.5, 0.4), 3), ((0.5, 0.4, 0.5), 1), ((0.1, 0.2, 0.3), 9)):
        trials = [
            Trial(f"early-labels, after epoch {epoch}", "MLP", 0, None, accuracy, 1.0)
            for epoch, accuracy in zip(tried.pools, reached, strict=True)
        ]
        assert tried.chosen(trials[::-1])[0] == best


def test_a_comparison_with_early_labels_goes_on_where_it_was(home: Path) -> None:
    whole = compare_sets(EARLY_SPEC, "whole")
    for step in (1.3, 3.5, 5.4):  # while the epoch is chosen, and after
        stop = StopRequest()
        with pytest.raises(Stopped):
            compare_sets(
                *(EARLY_SPEC, "cut"),
                keeping=Keeping(resume=True, checkpoint_minutes=0),
                observer=stopping_at(step, stop),
                stop=stop,
            )
    cut = compare_sets(EARLY_SPEC, "cut", keeping=Keeping(resume=True))
    assert timeless(cut.report) == timeless(whole.report)
    again = compare_sets(EARLY_SPEC, "cut", keeping=Keeping(resume=True))
    assert again.rows == cut.rows


def test_no_test_image_chooses_the_epoch(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def choice() -> Any:
        return compare_sets(EARLY_SPEC).report["early_labels_chosen"]

    before = choice()
    origin = Origin.images

    def other(*args: Any, **named: Any) -> Any:
        found = origin(*args, **named)
        labels = (found.test.labels + 1) % 10
        return replace(found, test=replace(found.test, labels=labels))

    monkeypatch.setattr(Origin, "images", other)
    assert choice() == before


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("compare DM.safetensors --against early-labels", "needs original models that were kept"),
        (
            "compare DM.safetensors --against early-labels --models-pool ConvNetD1W16",
            "has the original models after 1 epoch, and an early one is chosen among two or more; "
            "make them with 'datastill train' and --save-epochs",
        ),
        ("validate DM.safetensors --against early-labels", "is a row of 'datastill compare'"),
        ("compare DM.safetensors --against early-label", "no coreset named 'early-label'"),
        (
            "compare DM.safetensors --against early-labels --models-pool MLP --ipc 0=130,rest=2",
            "are kept to choose the epoch of early-labels by",
        ),
    ],
)
def test_early_labels_that_cannot_be_are_told_in_one_line(
    home: Path, run: Run, line: str, complaint: str
) -> None:
    if "D1W16" in line:
        assert (
            run("train --dataset digits --model ConvNetD1W16 --epochs 1 --num 1 --quiet").code == 0
        )
    said = run(f"{line} --model MLP --num-eval 1 --epochs 1")
    assert said.code == 2
    assert complaint in said.err
    assert len(said.err.splitlines()) == 1
    assert not (home / "comparison").exists()
