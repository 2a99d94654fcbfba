"""A set can be looked at, held beside another, and trained on in one call."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch.utils.data import DataLoader

from conftest import blobs
from datastill import load, save
from datastill.base.errors import InputError
from datastill.data import ImageSet
from datastill.datasets import load_split
from datastill.exchange.hub import card
from datastill.report.preview import beside, grid, preview
from datastill.report.summary import summary
from test_cli import Run, files, run

__all__ = ["run"]


@pytest.fixture
def made(tmp_path: Path) -> Path:
    file = tmp_path / "set" / "synthetic.safetensors"
    save(replace(blobs(per_class=[1, 2, 2, 3]), facts={"method": "DM", "seed": 4}), file)
    return file


def test_load_gives_a_torch_dataset_normalised_or_as_pixels(made: Path) -> None:
    data, pixels = load(made), load(made, pixels=True)
    assert torch.equal(pixels.images, data.domain.pixels(data.images))
    assert torch.equal(pixels.domain.pixels(pixels.images), pixels.images)
    assert pixels.facts == data.facts
    for found in (data, pixels):
        batches = list(DataLoader(found, batch_size=3))  # pyright: ignore[reportArgumentType]
        assert torch.equal(torch.cat([images for images, _ in batches]), found.images)
        assert torch.equal(torch.cat([labels for _, labels in batches]), found.labels)


@pytest.mark.parametrize(
    ("clom", "told"),
    [
        (None, None),
        ({"alphas": [10.0]}, "alpha 10.0"),
        (
            {"alphas": [1.0, 2.0], "models_pool": ["MLP", "VGG11"]},
            "alpha 1.0 2.0, models MLP VGG11",
        ),
        (
            {"alphas": [1.0], "models_pool": None, "distance": "cosine"},
            "alpha 1.0, distance cosine",
        ),
    ],
)
def test_a_summary_says_what_is_known_of_clom(clom: object, told: str | None) -> None:
    rows = summary(replace(blobs(), facts={"method": "DM", "clom": clom}))
    assert rows.get("CLOM") == told


def test_pixels_saved_again_are_the_same_images(made: Path, tmp_path: Path) -> None:
    save(load(made, pixels=True), tmp_path / "pixels.safetensors")
    back = load(tmp_path / "pixels.safetensors")
    torch.testing.assert_close(back.under(load(made).domain).images, load(made).images)


def test_the_summary_says_what_is_in_the_set() -> None:
    data = blobs(per_class=[1, 2, 2, 3])
    found = summary(data)
    assert found["images"] == "8 of 3x8x8"
    assert found["classes"] == "4, 1 to 3 images each"
    assert found["labels"] == "hard"
    assert found["bytes"] == f"images {8 * 3 * 64 * 4:,}, labels 8"
    assert "method" not in found
    pixels = data.domain.pixels(data.images)
    assert found["pixel mean"].split() == [f"{pixels[:, c].mean():.4g}" for c in range(3)]
    soft = replace(data, labels=torch.nn.functional.one_hot(data.labels, 4).float())
    assert summary(soft)["labels"] == "soft, 4 shares each"
    assert summary(soft)["bytes"].endswith("labels 128")


def test_pixels_outside_the_visible_are_counted() -> None:
    data = blobs(per_class=1)
    pixels = torch.full_like(data.images, 0.5)
    pixels[0] = 1.5
    told = summary(replace(data, images=data.domain.normalise(pixels)))["pixels"]
    assert told == "0.500 to 1.500, 25.0% outside 0 to 1"


def test_an_empty_set_is_told() -> None:
    data = blobs()
    with pytest.raises(InputError, match="holds no images"):
        summary(ImageSet(data.images[:0], data.labels[:0], data.domain))


def test_the_grid_is_the_images_and_nothing_else() -> None:
    data = blobs(per_class=[2, 0, 1, 3])
    picture = grid(data, scale=2)
    assert picture.size == (3 * 16, 3 * 16)
    first = data.domain.pixels(data.images[data.rows_by_class[3][2]]).clamp(0, 1)
    expected = tuple((first[:, 0, 0] * 255).round().int().tolist())
    assert picture.getpixel((2 * 16, 2 * 16)) == expected


def test_pictures_stand_side_by_side() -> None:
    one, other = preview(blobs(per_class=1)), preview(blobs(per_class=3))
    both = beside([one, other])
    assert both.width > one.width + other.width
    assert both.crop((0, 0, *one.size)).tobytes() == one.tobytes()
    assert both.crop((both.width - other.width, 0, *both.size)).tobytes() == other.tobytes()


def test_show_prints_and_draws(run: Run, made: Path, tmp_path: Path) -> None:
    said = run(f"show {made.parent} {made} --png p.png --grid g.png")
    assert said.code == 0, said.err
    assert said.out.count("8 of 3x8x8") == 2
    assert said.out.count("DM") == 2
    assert said.out.splitlines()[-1] == "drawn: p.png and g.png"
    for name in ("p.png", "g.png"):
        with Image.open(tmp_path / name) as picture:
            picture.load()
    assert run(f"show {made} --quiet").out == ""


def validation(
    values: dict[str, list[float]], *, name: str = "dsa", epochs: int = 101, **more: object
) -> dict[str, object]:
    fit = {"epochs": epochs, "lr": 0.01, "temperature": None} | more
    rows = [
        {"source": source, "model": "MLP", "accuracies": {"values": found}, "seconds": 1.0}
        for source, found in values.items()
    ]
    augmentation = "none" if name == "dc" else "dsa"
    protocol = {"name": name, "fit": fit, "augmentation": augmentation}
    return {"dataset": "blobs", "protocol": protocol, "seed": 0, "results": rows}


FULL = validation({"synthetic": [0.87, 0.88, 0.89], "random": [0.6, 0.61, 0.63]})
QUICK = validation({"synthetic": [0.131]}, epochs=6)


def told(*validated: object) -> dict[str, str]:
    lines = summary(replace(blobs(), facts={"validated": list(validated)}))
    return {name: line for name, line in lines.items() if line.endswith(")") and " % (n=" in line}


def test_a_quick_look_does_not_stand_in_for_a_full_validation() -> None:
    assert told(FULL, QUICK) == {
        "synthetic, MLP, dsa, 101 epochs": "88.0 ± 1.0 % (n=3)",
        "random, MLP, dsa, 101 epochs": "61.3 ± 1.5 % (n=3)",
        "synthetic, MLP, dsa, 6 epochs": "13.1 % (n=1)",
    }
    # In the order in which they were made, the rows of each together.
    assert [name.split(", ")[-1] for name in told(QUICK, FULL)] == [
        "6 epochs",
        "101 epochs",
        "101 epochs",
    ]


@pytest.mark.parametrize(
    ("other", "ends"),
    [
        (validation({"synthetic": [0.5]}) | {"seed": 7}, [", seed 0", ", seed 7"]),
        (validation({"synthetic": [0.5]}, lr=0.05), [", lr 0.01", ", lr 0.05"]),
        (validation({"synthetic": [0.5]}, temperature=2.0), ["", ", temperature 2.0"]),
        (validation({"synthetic": [0.5]}) | {"dataset": "others"}, ["", ", on others"]),
        (validation({"synthetic": [0.5]}, name="dc"), ["", ""]),
        (validation({"synthetic": [0.5]}), [" (1)", " (2)"]),
    ],
)
def test_validations_are_told_apart_by_what_differs(
    other: dict[str, object], ends: list[str]
) -> None:
    names = [name for name in told(FULL, other) if name.startswith("synthetic")]
    assert len(names) == 2
    for name, end in zip(names, ends, strict=True):
        assert name.endswith("101 epochs" + end)


@pytest.mark.parametrize(
    "odd",
    [
        *(None, 3, "x", [], {}, {"results": None}, {"results": [3]}, {"results": [{}]}),
        validation({"synthetic": []}),
        validation({"synthetic": [float("nan")]}),
        {"results": [{"accuracies": {"values": ["a"]}}]},
        {"results": [{"accuracies": {"values": [7.0]}}]},
    ],
)
def test_what_makes_no_sense_in_a_validation_is_left_out(odd: object) -> None:
    assert told(odd, FULL) == told(FULL)
    assert summary(replace(blobs(), facts={"validated": odd})) == summary(blobs())


def test_the_card_for_the_hub_tells_every_validation_apart() -> None:
    page = card(replace(blobs(), facts={"validated": [FULL, QUICK]}))
    assert "| synthetic, MLP, dsa, 101 epochs | 88.0 ± 1.0 % (n=3) |" in page
    assert "| synthetic, MLP, dsa, 6 epochs | 13.1 % (n=1) |" in page


def test_sets_side_by_side_share_a_line_only_under_the_same_terms(run: Run, tmp_path: Path) -> None:
    for name, one in (("a", FULL), ("b", QUICK)):
        save(replace(blobs(), facts={"validated": [one]}), tmp_path / f"{name}.safetensors")
    lines = run("show a.safetensors b.safetensors").out.splitlines()
    for value in ("88.0 ± 1.0", "13.1 % (n=1)"):
        (line,) = [line for line in lines if value in line]
        assert "-" in line.split()


def test_show_after_a_full_validation_and_a_quick_look(run: Run, tmp_path: Path) -> None:
    picked = load_split("digits", "train").take(slice(20))
    save(replace(picked, facts={"data": {"name": "digits"}}), tmp_path / "set.safetensors")
    for line in ("--epochs 3 --num-eval 2 --against random", "--epochs 1 --num-eval 1"):
        said = run(f"validate set.safetensors --dataset digits --model MLP --protocol dsa {line}")
        assert said.code == 0, said.err
    shown = run("show set.safetensors").out
    assert re.search(r"synthetic, MLP, dsa, 4 epochs .* ± .* % \(n=2\)", shown)
    assert re.search(r"random, MLP, dsa, 4 epochs .* ± .* % \(n=2\)", shown)
    assert re.search(r"synthetic, MLP, dsa, 2 epochs .*\d % \(n=1\)", shown)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("show", "name a set by its path, or by --dataset"),
        ("show --dataset digits --method DC", "no image set at condensed/digits/DC/IPC10"),
        ("show nowhere", "no image set at nowhere"),
        ("show a b c", "show takes one set or two, found 3"),
        ("show set --most 0", "--most must be above zero"),
        ("show set --png /proc/nowhere/p.png", "cannot write to /proc/nowhere"),
        ("show set --grid set", "--grid names a file, and set is a folder: set/set.png"),
        ("show set --png set", "--png names a file, and set is a folder: set/set.png"),
        ("show set --grid g.jpg", "--grid writes PNG: name it g.png"),
        ("show set --png picture", "--png writes PNG: name it picture.png"),
    ],
)
def test_mistakes_get_one_line(run: Run, made: Path, tmp_path: Path, line: str, complaint: str):
    before = files(tmp_path)
    said = run(line)
    assert (said.code, said.out) == (2, "")
    assert complaint in said.err
    assert len(said.err.splitlines()) == 1
    assert files(tmp_path) == before


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"std": [0.0, 1.0, 1.0]}, "a normalisation by"),
        ({"mean": [float("nan"), 1.0, 1.0]}, "a normalisation by"),
        ({"mean": [1.0]}, "1 mean, 3 stds, 3 channels"),
        ({"classes": ["a", "b", "c", "\x1b[2J"]}, "not printable"),
        ({"shape": [3, 8]}, "images of shape"),
        ({"mean": ["a", "b", "c"]}, "is damaged"),
    ],
)
def test_domains_that_make_no_sense_are_refused(
    made: Path, change: dict[str, object], complaint: str
) -> None:
    tensors = load_file(made)
    with safe_open(made, "pt") as file:
        ((name, text),) = file.metadata().items()
    header = json.loads(text)
    header["domain"] |= change
    save_file(tensors, made, {name: json.dumps(header)})
    with pytest.raises(InputError, match=complaint):
        load(made)
