"""Vision models of Hugging Face as feature spaces: DINOv2, CLIP, ViT, ResNet and their like.

Needs the library ``transformers``, the extra ``transformers``.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from datastill.base.errors import InputError, reason
from datastill.base.libraries import imported
from datastill.base.rng import Key
from datastill.data import Domain, convert
from datastill.networks.base import BACKBONE, Network


class Backbone(Network):
    """A pre-trained model that has features of images, and knows none of their classes.

    Args:
        model: of ``transformers``; it is frozen.
        pooled: whether its own pooled output can be trusted.
        given: domain of the images that it is given.
        wanted: domain of those that it was trained on; images are brought to it.
    """

    def __init__(self, model: Any, *, pooled: bool, given: Domain, wanted: Domain) -> None:
        nn.Module.__init__(self)
        self.model = model
        self.pooled, self.given, self.wanted = pooled, given, wanted
        self.eval().requires_grad_(False)

    def embed(self, images: Tensor) -> Tensor:
        """Return the ``(N, D)`` features of ``(N, C, H, W)`` images, differentiable in them."""
        pixels = convert(images, self.given, self.wanted)
        if hasattr(self.model, "get_image_features"):  # CLIP and its like: what texts are near to
            said = self.model.get_image_features(pixel_values=pixels)
            return said if isinstance(said, Tensor) else said.pooler_output
        said = self.model(pixel_values=pixels)
        pooled = getattr(said, "pooler_output", None)
        if self.pooled and pooled is not None:
            return pooled.flatten(1)
        hidden = said.last_hidden_state
        if hidden.ndim == 4:
            return hidden.mean((2, 3))
        return hidden[:, 0] if self._has_class_token() else hidden.mean(1)

    def forward(self, images: Tensor) -> Tensor:  # noqa: ARG002
        """Refuse: there are no logits.

        Raises:
            InputError: always.
        """
        raise InputError(f"{self.wanted.name} has features of images, but knows no classes")

    def _has_class_token(self) -> bool:
        names = (name.rpartition(".")[2] for name, _ in self.model.named_parameters())
        return any(name in ("cls_token", "class_embedding") for name in names)


@dataclass(frozen=True)
class Loaded:
    """A backbone, and which one it is: its name, commit on the hub, kind and library."""

    network: Backbone
    facts: dict[str, Any]


def backbone(name: str, domain: Domain) -> Loaded:
    """Load a model for the images of a domain.

    Images are resized to what the model was trained on, and normalised as it expects.

    Args:
        name: ``hf:`` and a name on the hub or the path of a folder.
        domain: of the images; grey ones are shown to it as colours.

    Raises:
        InputError: when there is no such model, it cannot be fetched, is damaged or incomplete, or
            does not say how its images are normalised.
    """
    path = name.removeprefix(BACKBONE)
    library = imported("transformers", "models of Hugging Face need a library", "transformers")
    if path.startswith((".", "/", "~")) and not Path(path).is_dir():
        raise InputError(f"cannot load {name}: there is no folder {path}")
    try:
        model, info, processor = _loaded(path, library)
    except Exception as error:  # a damaged or missing model can fail in any way
        raise InputError(f"cannot load {name}: {reason(error)}") from None
    missing = sorted(info["missing_keys"])
    if any("pooler" not in key for key in missing):
        raise InputError(f"{name} is incomplete: it has no weights {missing[0]}")
    wanted = _domain(name, processor, getattr(model.config, "num_channels", 3))
    network = Backbone(model, pooled=not missing, given=domain, wanted=wanted)
    try:
        with torch.no_grad():
            network.embed(torch.zeros(1, *domain.shape))
    except InputError:
        raise
    except Exception as error:  # no vision model
        raise InputError(f"{name} has no features of images: {reason(error)}") from None
    facts = {
        "backbone": name,
        "kind": model.config.model_type,
        "commit": getattr(model.config, "_commit_hash", None),
        "transformers": library.__version__,
    }
    return Loaded(network, facts)


def _loaded(path: str, library: Any) -> tuple[Any, Any, Any]:
    with _silent(library), Key(0).scope():  # the library's initialisers draw numbers
        model, info = library.AutoModel.from_pretrained(
            path, output_loading_info=True, use_safetensors=True, dtype=torch.float32
        )
        return model, info, library.AutoImageProcessor.from_pretrained(path)


def _domain(name: str, processor: Any, channels: int) -> Domain:
    mean, std = getattr(processor, "image_mean", None), getattr(processor, "image_std", None)
    size = _size(getattr(processor, "crop_size", None)) or _size(getattr(processor, "size", None))
    if mean is None or std is None or size is None:
        raise InputError(f"{name} does not say how its images are normalised and sized")
    return Domain(name, (channels, *size), (), tuple(mean)[:channels], tuple(std)[:channels])


def _size(said: Any) -> tuple[int, int] | None:
    if isinstance(said, int):
        return said, said
    if said is None:
        return None
    both = (said.get("height"), said.get("width"))
    edge = said.get("shortest_edge")
    if None not in both:
        return int(both[0]), int(both[1])
    return None if edge is None else (int(edge), int(edge))


@contextmanager
def _silent(library: Any) -> Generator[None]:
    log = library.utils.logging
    level, bars = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(level)
        if bars:
            log.enable_progress_bar()
