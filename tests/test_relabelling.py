"""Soft labels: made by original models, trained on, and never without the hard ones beside."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from conftest import blobs, linear, other_normalisation, same, weights
from datastill import load, save
from datastill.base.errors import InputError
from datastill.base.rng import Key
from datastill.compute.route import PLAIN, Route
from datastill.data import ImageSet, Unfold, tiled, unfolded
from datastill.data.labels import hardened, temperature_of
from datastill.data.losses import label_loss
from datastill.distillation.relabelling import relabelled, soft_labels
from datastill.evaluation.comparison import label_bytes
from datastill.exchange import export_set
from datastill.store import write_json
from datastill.training.fit import Fit, train
from datastill.training.pool import Member, freeze
from test_cli import Run, files, run

__all__ = ["run"]


def member(data: ImageSet, seed: int) -> Member:
    return freeze(linear(data.domain, seed), "linear", data.domain, {})


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_soft_labels_are_the_mean_of_softened_models(temperature: float) -> None:
    data = blobs()
    pool = [member(data, seed) for seed in range(3)]
    images = data.images[:].requires_grad_()
    found = soft_labels(images, data.domain, pool, temperature=temperature, batch=7)
    for i, image in enumerate(data.images):
        shares = torch.zeros(4)
        for one in pool:
            exponents = [math.exp(float(z) / temperature) for z in one.network(image[None])[0]]
            shares += torch.tensor(exponents) / sum(exponents) / 3
        torch.testing.assert_close(found[i], shares)
    assert not found.requires_grad


def test_models_of_another_normalisation_see_their_own() -> None:
    data = blobs()
    elsewhere = other_normalisation(data.domain)
    one = freeze(linear(data.domain, 1), "linear", elsewhere, {})
    found = soft_labels(data.images, data.domain, [one])
    own = elsewhere.normalise(data.domain.pixels(data.images))
    torch.testing.assert_close(found, one.network(own).softmax(1))


def test_models_of_other_classes_are_refused() -> None:
    data, other = blobs(), blobs(classes=3)
    with pytest.raises(InputError, match="cannot teach"):
        soft_labels(data.images, data.domain, [member(other, 0)])
    with pytest.raises(InputError, match="at least one original model"):
        soft_labels(data.images, data.domain, [])


@pytest.mark.parametrize("kind", [torch.float64, torch.uint8])
def test_images_of_another_type_than_models_take_are_refused(kind: torch.dtype) -> None:
    data = blobs()
    with pytest.raises(InputError, match="`images` must be float32, normalised"):
        soft_labels(data.images.to(kind), data.domain, [member(data, 0)])


def test_the_hard_labels_come_back_though_the_models_disagree() -> None:
    data = replace(blobs(), facts={"method": "DM", "validated": [{"results": []}]})
    soft = relabelled(data, [member(data, 0)], temperature=2.0)
    assert not torch.equal(soft.labels.argmax(1), data.labels)
    assert torch.equal(hardened(soft).labels, data.labels)
    assert torch.equal(hardened(relabelled(soft, [member(data, 1)])).labels, data.labels)
    assert "validated" not in soft.facts  # that was another set
    assert temperature_of(soft) == 2.0
    assert temperature_of(data) == 1.0


@pytest.mark.parametrize("held", [None, 3, [0], [9] * 48, ["a"] * 48, [[]] * 48])
def test_facts_that_make_no_sense_are_not_believed(held: object) -> None:
    data = blobs()
    shares = F.one_hot(data.labels, 4) * 0.6 + 0.1
    facts = {"relabelled": {"hard_labels": held, "temperature": "hot"}}
    soft = replace(data, labels=shares, facts=facts)
    assert torch.equal(hardened(soft).labels, data.labels)
    assert temperature_of(soft) == 1.0


def test_tiles_get_labels_of_their_own(tmp_path: Path) -> None:
    data = blobs(per_class=2)
    whole = unfolded(data.images, Unfold(2), data.domain.mean, data.domain.std)
    mosaic = replace(data, images=whole, labels=data.labels.repeat_interleave(4))
    soft = relabelled(mosaic, [member(data, 0)])
    assert soft.labels.shape == (4 * len(data), 4)
    assert not torch.equal(soft.labels[0], soft.labels[1])
    assert (label_bytes(mosaic), label_bytes(soft)) == (len(data), 4 * len(data) * 4 * 4)
    save(soft, tmp_path / "a.safetensors")
    back = load(tmp_path / "a.safetensors")
    assert torch.equal(back.labels, soft.labels)
    assert torch.equal(hardened(back).labels, mosaic.labels)
    assert len(tiled(back.images).stored) == len(data)  # pyright: ignore[reportOptionalMemberAccess]


# The losses of soft labels, against their formulas.


def drawn(n: int = 6, classes: int = 5) -> tuple[Tensor, Tensor]:
    rng = Key(0).generator()
    logits = 3 * torch.randn(n, classes, generator=rng)
    return logits, torch.rand(n, classes, generator=rng).softmax(1)


def test_cross_entropy_of_soft_labels() -> None:
    logits, shares = drawn()
    expected = sum(
        -float(p) * math.log(math.exp(float(z)) / sum(math.exp(float(y)) for y in row))
        for row, wanted in zip(logits, shares, strict=True)
        for z, p in zip(row, wanted, strict=True)
    )
    assert float(label_loss(logits, shares)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 7.0])
def test_divergence_from_softened_logits(temperature: float) -> None:
    logits, shares = drawn()
    expected = 0.0
    for row, wanted in zip(logits, shares, strict=True):
        exponents = [math.exp(float(z) / temperature) for z in row]
        for e, p in zip(exponents, wanted, strict=True):
            expected += float(p) * math.log(float(p) / (e / sum(exponents)))
    found = float(label_loss(logits, shares, temperature=temperature))
    assert found == pytest.approx(expected * temperature**2, rel=1e-4)


def test_a_model_that_says_the_labels_has_nothing_to_learn() -> None:
    logits, _ = drawn()
    logits.requires_grad_()
    loss = label_loss(logits, (logits / 3).softmax(1).detach(), temperature=3.0)
    (slope,) = torch.autograd.grad(loss, logits)
    assert float(slope.abs().max()) < 1e-5


def test_at_temperature_one_both_pull_alike() -> None:
    logits, shares = drawn()
    logits.requires_grad_()
    one, other = (
        torch.autograd.grad(label_loss(logits, shares, temperature=t), logits)[0]
        for t in (None, 1.0)
    )
    torch.testing.assert_close(one, other)


def test_one_hot_shares_are_hard_labels() -> None:
    logits, shares = drawn()
    hard = shares.argmax(1)
    torch.testing.assert_close(
        label_loss(logits, F.one_hot(hard, 5).float()), label_loss(logits, hard)
    )


def fitted(data: ImageSet, fit: Fit, route: Route = PLAIN) -> nn.Module:
    network = linear(data.domain)
    train(network, data, fit, key=Key(0), route=route)
    return network


def test_training_on_soft_labels_follows_the_loss() -> None:
    data = blobs()
    soft = relabelled(data, [member(data, 3)], temperature=2.0)
    fit = Fit(epochs=1, batch=len(data), lr=0.1, momentum=0.0, weight_decay=0.0, temperature=2.0)
    network = linear(data.domain)
    loss = label_loss(network(soft.images), soft.labels, temperature=2.0) / len(soft)
    slopes = torch.autograd.grad(loss, list(network.parameters()))
    moved = fitted(soft, fit)
    for after, before, slope in zip(moved.parameters(), network.parameters(), slopes, strict=True):
        torch.testing.assert_close(after, before - 0.1 * slope)


def test_chunks_do_not_change_what_is_learned() -> None:
    soft = relabelled(blobs(), [member(blobs(), 3)], temperature=2.0)
    fit = Fit(epochs=3, batch=20, temperature=2.0)
    one, other = fitted(soft, fit), fitted(soft, fit, Route(chunk=7))
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_hard_labels_feel_no_temperature() -> None:
    data = blobs()
    one, other = fitted(data, Fit(epochs=2)), fitted(data, Fit(epochs=2, temperature=5.0))
    assert same(weights(one), weights(other))


# The command line.


@pytest.fixture
def ready(run: Run) -> Run:
    quick = "--dataset digits --model MLP"
    assert run(f"train {quick} --num 2 --epochs 2").code == 0
    assert run(f"distill {quick} --ipc 1 --iterations 1 --batch-real 4").code == 0
    return run


@pytest.mark.parametrize(
    "verb", ["relabel condensed/digits/DM/IPC1 --models-pool MLP", "import a.npz"]
)
def test_what_cannot_be_gone_on_with_says_how_to_begin_anew(
    ready: Run, tmp_path: Path, verb: str
) -> None:
    assert ready("export condensed/digits/DM/IPC1 --to npz --out a.npz").code == 0
    left = tmp_path / "out" / "settings.json"  # of one that was killed
    left.parent.mkdir()
    left.write_text("{}")
    said = ready(f"{verb} --out out")
    assert said.code == 2
    assert "not finished (settings.json); pass --overwrite to start over" in said.err
    assert "resume" not in said.err
    assert ready(f"{verb} --out out --overwrite").code == 0


def test_relabel_and_validate_side_by_side(ready: Run, tmp_path: Path) -> None:
    said = ready("relabel --dataset digits --ipc 1 --models-pool MLP --temperature 3")
    assert said.code == 0, said.err
    folder = tmp_path / "condensed" / "digits" / "DM" / "IPC1-soft"
    assert "10 soft labels of 2 models in condensed/digits/DM/IPC1-soft" in said.out
    assert "labels take 400 bytes, hard ones 10" in said.out
    made, before = load(folder), load(folder.with_name("IPC1"))
    assert torch.equal(made.images, before.images)
    assert made.labels.shape == (10, 10)
    assert made.facts["relabelled"]["temperature"] == 3.0
    assert made.facts["method"] == "DM"
    for line, temperature in (
        ("", None),
        ("--soft-loss kl", 3.0),
        ("--soft-loss kl --temperature 2", 2.0),
    ):
        said = ready(f"validate {folder} --model MLP --epochs 1 --num-eval 1 {line}")
        assert said.code == 0, said.err
        report = json.loads((folder / "validation.json").read_text())[-1]
        assert report["protocol"]["fit"]["temperature"] == temperature
        sources = [row["source"] for row in report["results"]]
        assert sources == ["synthetic", "synthetic, hard labels"]
    again = ready("relabel --dataset digits --ipc 1 --models-pool MLP --temperature 3")
    assert again.code == 2
    assert "this very run is in" in again.err


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("relabel", "name a set by its path"),
        ("relabel a.safetensors --temperature 0", "--temperature must be above zero"),
        ("relabel a.safetensors", "holds 0 original models, fewer than the 1"),
        ("relabel a.safetensors --models-pool MLP mlp", "--models-pool names 'mlp' twice"),
        ("relabel a.safetensors --models-pool MPL", "did you mean 'MLP'?"),
    ],
)
def test_mistakes_get_one_line(run: Run, tmp_path: Path, line: str, complaint: str) -> None:
    save(blobs(per_class=1), tmp_path / "a.safetensors")
    said = run(line)
    assert said.code == 2
    assert complaint in said.err
    assert len(said.err.splitlines()) == 1
    assert files(tmp_path) == {"a.safetensors"}


def held(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in files(folder)}


def test_no_output_takes_the_place_of_its_input(run: Run, tmp_path: Path) -> None:
    """Sets that are read, and models, are there as they were, whatever may be overwritten."""
    made = blobs(per_class=1)
    save(made, tmp_path / "a" / "synthetic.safetensors")
    export_set(made, tmp_path / "a.npz", format="npz")
    (tmp_path / "models").mkdir()
    write_json(tmp_path / "models" / "manifest.json", {})
    (tmp_path / "link").symlink_to("a")
    before = held(tmp_path)
    for line, complaint in (
        ("relabel a --out a", "a holds the set itself, which stays; take another --out"),
        ("relabel a --out link", "link holds the set itself"),
        ("export a --to npz --out link/synthetic.safetensors", "is the set itself, which stays"),
        ("import a.npz --out models", "models holds original models, which a set never replaces"),
        ("import a --format folder --out link", "a is what is read, and stays as it is"),
    ):
        said = run(f"{line} --overwrite")
        assert (said.code, complaint in said.err, held(tmp_path)) == (2, True, before), said.err
