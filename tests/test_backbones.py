"""Vision models of transformers as feature spaces, in small, saved in the hub's format."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import (
    AutoModel,
    BitImageProcessor,
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    CLIPVisionConfig,
    CLIPVisionModel,
    ConvNextImageProcessor,
    Dinov2Config,
    Dinov2Model,
    ResNetConfig,
    ResNetForImageClassification,
    SwinConfig,
    SwinModel,
    ViTConfig,
    ViTForImageClassification,
    ViTImageProcessor,
    ViTModel,
)

import datastill
from conftest import blobs
from datastill.base.errors import InputError
from datastill.base.rng import Key
from datastill.cli import main
from datastill.data.losses import contrastive_loss
from datastill.distillation.clom import contrastive_clom
from datastill.distillation.loop import Descent, distill
from datastill.distillation.methods import METHODS, Task
from datastill.evaluation.assessments import ASSESSMENTS, Evidence
from datastill.networks import backbone, build, builder
from datastill.training.coresets import CORESETS
from datastill.training.pool import backbone_member
from datastill.training.seeing import encoder, features_of

SIDE = {"height": 32, "width": 32}
TINY = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "image_size": 32,
    "patch_size": 8,
}
TEXT = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "vocab_size": 100,
    "max_position_embeddings": 8,
}


def dino() -> Any:
    sizes = {k: v for k, v in TINY.items() if k != "intermediate_size"}
    return Dinov2Model(Dinov2Config(**sizes))


def swin() -> Any:
    return SwinModel(
        SwinConfig(
            image_size=32, patch_size=4, embed_dim=8, depths=[1], num_heads=[2], window_size=4
        )
    )


def resnet() -> Any:
    config = ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic")
    return ResNetForImageClassification(config)


CROPPED = {"size": {"shortest_edge": 36}, "crop_size": SIDE}
MODELS: dict[str, tuple[Any, Any]] = {
    "dinov2": (dino, lambda: BitImageProcessor(**CROPPED)),
    "vit": (lambda: ViTModel(ViTConfig(**TINY)), lambda: ViTImageProcessor(size=SIDE)),
    "vit-classifier": (
        lambda: ViTForImageClassification(ViTConfig(**TINY)),
        lambda: ViTImageProcessor(size=SIDE),
    ),
    "clip": (
        lambda: CLIPModel(CLIPConfig(text_config=TEXT, vision_config=TINY, projection_dim=12)),
        lambda: CLIPImageProcessor(**CROPPED),
    ),
    "clip-vision": (
        lambda: CLIPVisionModel(CLIPVisionConfig(**TINY)),
        lambda: CLIPImageProcessor(**CROPPED),
    ),
    "resnet": (resnet, lambda: ConvNextImageProcessor(size={"shortest_edge": 32})),
    "swin": (swin, lambda: ViTImageProcessor(size=SIDE)),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("backbones")
    for name, (model, processor) in MODELS.items():
        with Key(3).at(name).scope():
            model().save_pretrained(root / name)
        processor().save_pretrained(root / name)
    return root


def oracle(path: Path, pixels: Tensor) -> Tensor:
    """Work out the features of ``(N, 3, 32, 32)`` pixels by the library itself."""
    model = AutoModel.from_pretrained(path).eval()
    said = json.loads((path / "preprocessor_config.json").read_text())
    mean, std = (torch.tensor(said[key])[:, None, None] for key in ("image_mean", "image_std"))
    images = (pixels - mean) / std
    if path.name == "clip":
        seen = model.vision_model(pixel_values=images).pooler_output
        return model.visual_projection(seen)
    found = model(pixel_values=images)
    if path.name == "vit-classifier":  # its pooler was never trained, nor saved
        return found.last_hidden_state[:, 0]
    return found.pooler_output.flatten(1)


@pytest.mark.parametrize("name", MODELS)
def test_features_are_those_of_the_library(folder: Path, name: str) -> None:
    data = blobs(shape=(3, 32, 32), per_class=2)
    network = backbone(f"hf:{folder / name}", data.domain).network
    with torch.no_grad():
        wanted = oracle(folder / name, data.domain.pixels(data.images))
        torch.testing.assert_close(network.embed(data.images), wanted, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ["dinov2", "clip", "resnet"])
def test_images_are_resized_for_it_and_gradients_come_back(folder: Path, name: str) -> None:
    data = blobs(shape=(1, 20, 28), per_class=2)
    network = backbone(f"hf:{folder / name}", data.domain).network
    images = data.images.clone().requires_grad_()
    found = network.embed(images)
    pixels = data.domain.pixels(data.images).expand(-1, 3, -1, -1)
    pixels = F.interpolate(pixels, (32, 32), mode="bilinear", antialias=True)
    torch.testing.assert_close(found, oracle(folder / name, pixels), atol=1e-5, rtol=1e-4)
    (slope,) = torch.autograd.grad(found.square().sum(), images)
    assert float(slope.flatten(1).abs().sum(1).min()) > 0
    assert not any(weight.requires_grad for weight in network.parameters())
    assert not network.training


def test_loading_draws_nothing_and_says_what_was_loaded(folder: Path) -> None:
    state = torch.random.get_rng_state()
    domain = blobs().domain
    loaded = backbone(f"hf:{folder / 'vit-classifier'}", domain)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert loaded.facts["kind"] == "vit"
    assert loaded.facts["backbone"].startswith("hf:")
    assert loaded.facts["transformers"]


def test_the_contrastive_form_takes_it_for_a_teacher(folder: Path) -> None:
    data = blobs(per_class=6)
    member = backbone_member(f"hf:{folder / 'dinov2'}", data.domain)
    clom = contrastive_clom([member], 2.0, data, batch=len(data))
    few = data.take(torch.tensor([0, 5, 9]))
    found = clom(few.images, few.labels, key=Key(1))
    encode = encoder(member, data.domain)
    everything = encode(data.images), data.labels
    wanted = 2 * contrastive_loss(encode(few.images), few.labels, *everything)
    torch.testing.assert_close(found, wanted)
    task = Task(data, builder("MLP", data.domain), Key(0))
    steps = distill(
        METHODS["DM"](1).method,
        task,
        Descent(ipc=1, updates=2, batch=4),
        regularisers={"clom": clom},
    )
    assert all(float(step.losses["clom"]) > 0 for step in steps)


@pytest.mark.parametrize("name", ["frechet-distance", "precision", "scatter", "kernel-distance"])
def test_assessments_of_features_take_it_for_their_space(folder: Path, name: str) -> None:
    data = blobs(per_class=8)
    member = backbone_member(f"hf:{folder / 'clip'}", data.domain)
    evidence = Evidence(data.take(torch.arange(9)), data, [member], Key(0))
    score = ASSESSMENTS[name](evidence)
    space = features_of(member, data).double()
    assert torch.isfinite(torch.tensor(score.value))
    if name == "frechet-distance":
        # A second way: the same features given as images to a network that hands them on.
        scaled = space / space.square().mean().sqrt()
        few, all_of_them = scaled[:9], scaled
        shift = (few.mean(0) - all_of_them.mean(0)).square().sum()
        one, other = (torch.cov(x.T, correction=0) for x in (few, all_of_them))
        root = torch.linalg.eigvals(one @ other).real.clamp(min=0).sqrt().sum()
        wanted = float(shift + one.trace() + other.trace() - 2 * root)
        assert score.value == pytest.approx(wanted, rel=1e-3, abs=1e-4)


@pytest.mark.parametrize(
    ("name", "complaint"),
    [("om-accuracy", "knows no classes$"), ("fresh-feature-distance", "but cannot be trained")],
)
def test_what_needs_classes_or_fresh_weights_is_refused(
    folder: Path, name: str, complaint: str
) -> None:
    data = blobs(per_class=4)
    member = backbone_member(f"hf:{folder / 'clip'}", data.domain)
    with pytest.raises(InputError, match=complaint):
        ASSESSMENTS[name](Evidence(data, data, [member], Key(0)))


@pytest.mark.parametrize("name", ["herding", "k-center", "k-means"])
def test_coresets_pick_by_its_features(folder: Path, name: str) -> None:
    data = blobs(per_class=9)
    member = backbone_member(f"hf:{folder / 'resnet'}", data.domain)
    space = features_of(member, data)
    assert space.shape == (36, 16)
    torch.testing.assert_close(space, member.network.embed(data.images))
    by_features = CORESETS[name](data, (3,) * 4, key=Key(0), features=space)
    by_pixels = CORESETS[name](data, (3,) * 4, key=Key(0))
    assert not torch.equal(by_features, by_pixels)


def spoil(path: Path, name: str, **changes: Any) -> None:
    file = path / name
    table = json.loads(file.read_text()) | changes
    file.write_text(json.dumps({k: v for k, v in table.items() if v is not None}))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda path: (path / "config.json").unlink(), "cannot load"),
        (lambda path: (path / "config.json").write_text("{"), "cannot load"),
        (lambda path: (path / "model.safetensors").write_bytes(b"xx"), "cannot load"),
        (lambda path: (path / "model.safetensors").unlink(), "cannot load"),
        (lambda path: (path / "preprocessor_config.json").unlink(), "cannot load"),
        (lambda path: spoil(path, "config.json", num_hidden_layers=2), "it has no weights"),
        (lambda path: spoil(path, "config.json", hidden_size=20), "cannot load"),
        (
            lambda path: spoil(path, "preprocessor_config.json", size={"height": 48, "width": 48}),
            "has no features of images",
        ),
    ],
)
def test_what_is_wrong_with_a_model_is_told(tmp_path: Path, change: Any, complaint: str) -> None:
    with Key(0).scope():
        ViTModel(ViTConfig(**TINY)).save_pretrained(tmp_path / "x")
    ViTImageProcessor(size=SIDE).save_pretrained(tmp_path / "x")
    change(tmp_path / "x")
    with pytest.raises(InputError, match=complaint):
        backbone(f"hf:{tmp_path / 'x'}", blobs().domain)


def test_what_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    domain = blobs().domain
    with pytest.raises(InputError, match="cannot load hf:nobody/nothing: "):
        backbone("hf:nobody/nothing", domain)
    with pytest.raises(InputError, match=r"there is no folder \./nothing$"):
        backbone("hf:./nothing", domain)
    with pytest.raises(InputError, match="knows no classes: it can teach"):
        build("hf:nobody/nothing", domain, key=Key(0))
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    with pytest.raises(InputError, match=r"pip install 'transformers>=5'"):
        backbone("hf:nobody/nothing", domain)


def test_on_the_command_line(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    line = "distill --dataset digits --model ConvNetD2W16 --ipc 1 --iterations 2 --batch-real 4"
    teacher = f"--alphas 5 --models-pool hf:{folder / 'dinov2'}"
    with pytest.raises(SystemExit):
        main(f"{line} {teacher}".split())
    assert "knows no classes; pass --clom-distance cosine" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
    main(f"{line} {teacher} --clom-distance cosine --clom-batch-size 16".split())
    made = datastill.load("condensed/digits/DM/IPC1")
    assert made.facts["clom"]["models_pool"] == [f"hf:{folder / 'dinov2'}"]
    against = f"--against herding --coreset-features hf:{folder / 'resnet'}"
    main(f"validate condensed/digits/DM/IPC1 --model MLP --num-eval 1 --epochs 1 {against}".split())
    assert "herding" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["train", "--dataset", "digits", "--model", f"hf:{folder / 'dinov2'}"])
    assert "cannot be trained or tested on digits" in capsys.readouterr().err


def test_it_judges_on_the_command_line(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    train = "train --dataset digits --model MLP --num 1 --epochs 2 --save-epochs 1"
    main(train.split())
    pool = f"--models-pool MLP hf:{folder / 'dinov2'}"
    line = "distill --dataset digits --model MLP --ipc 1 --iterations 2 --batch-real 4"
    main(f"{line} {pool} --select coverage".split())
    assert "coverage" in capsys.readouterr().out
    names = "--assessments frechet-distance om-accuracy@1"
    main(f"assess condensed/digits/DM/IPC1 --draws 0 {pool} {names}".split())
    table = json.loads(Path("condensed/digits/DM/IPC1/assessment.json").read_text())
    assert [member["architecture"] for member in table["early"]] == ["MLP"]
    with pytest.raises(SystemExit):
        main(f"assess condensed/digits/DM/IPC1 {pool} --assessments om-accuracy".split())
    assert "knows no classes" in capsys.readouterr().err
