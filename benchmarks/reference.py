"""The public reference program, made to run, so that its steps can be timed beside ours.

It is not part of this project: whoever wants to compare fetches it and names its folder.

    git clone https://github.com/VICO-UoE/DatasetCondensation
    python benchmarks/steps.py --reference DatasetCondensation
"""

from __future__ import annotations

import re
import sys
import time
import types
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

STRATEGY = "color_crop_cutout_flip_scale_rotate"
REPAIRS = (
    # torchvision is wanted for downloads alone, and SciPy has moved a function.
    (r"from torchvision import datasets, transforms", ""),
    (r"scipy\.ndimage\.interpolation import", "scipy.ndimage import"),
    # PyTorch has come to refuse a tensor that is written from its own first element,
    (r"(\w+)\[:\] = \1\[0\]", r"\1[:] = \1[0].clone()"),
    # and to keep images channels last, which `view` cannot flatten.
    (r"\.view\(out\.size\(0\), -1\)", ".reshape(out.size(0), -1)"),
)


class Reference:
    """Its functions, and the options that they read."""

    def __init__(self, folder: Path, device: str = "cpu") -> None:
        warnings.filterwarnings("ignore", message="Default grid_sample|torch.meshgrid")
        sys.modules["networks"] = _module(folder / "networks.py", "networks")
        self.functions: Any = _module(folder / "utils.py", "reference_utils")
        self.options = types.SimpleNamespace(
            dis_metric="ours",
            device=device,
            dsa=True,
            dsa_strategy=STRATEGY,
            dsa_param=self.functions.ParamDiffAug(),
            dc_aug_param=None,
            lr_net=0.01,
            batch_train=256,
        )

    def network(self) -> Any:
        """Make a ConvNet for 28x28 grey images of 10 classes."""
        return self.functions.get_network("ConvNet", 1, 10, (28, 28)).train()

    def augmented(self, real: torch.Tensor, synthetic: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Give both the same draw, as its loops do."""
        seed, found = int(time.time() * 1000) % 100000, self.functions.DiffAugment
        param = self.options.dsa_param
        return tuple(found(x, STRATEGY, seed=seed, param=param) for x in (real, synthetic))

    def update(self, method: str, ipc: int, images: torch.Tensor) -> Callable[[], None]:
        """Return one update of the synthetic images; ``images`` are ``(10, n, 1, 28, 28)``."""
        synthetic = torch.randn(10 * ipc, 1, 28, 28, device=images.device, requires_grad=True)
        optimiser = torch.optim.SGD([synthetic], lr=0.1, momentum=0.5)
        network = self.network()

        def run() -> None:
            loss = torch.tensor(0.0, device=images.device)
            under = self.network() if method == "DM" else network
            for k in range(10):
                rows = np.random.default_rng().permutation(images.shape[1])[:256]
                real, few = images[k][rows], synthetic[k * ipc : (k + 1) * ipc]
                if method != "DC":
                    real, few = self.augmented(real, few)
                match = self._means if method == "DM" else self._gradients
                loss = loss + match(under, real, few, k)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            loss.item()

        return run

    def epochs(self, ipc: int, count: int, *, augmented: bool) -> Callable[[], None]:
        """Return epochs on a synthetic set: an inner loop of DC, or, augmented, of validation."""
        network = self.network()
        momentum, decay = (0.9, 5e-4) if augmented else (0.0, 0.0)
        optimiser = torch.optim.SGD(network.parameters(), 0.01, momentum, weight_decay=decay)
        images = torch.randn(10 * ipc, 1, 28, 28, device=self.options.device)
        labels = torch.arange(10, device=self.options.device).repeat_interleave(ipc)
        data = self.functions.TensorDataset(images, labels)
        loader = torch.utils.data.DataLoader(data, batch_size=256, shuffle=True, num_workers=0)
        loss = nn.CrossEntropyLoss()

        def run() -> None:
            self.options.dsa = augmented
            for _ in range(count):
                self.functions.epoch(
                    "train", loader, network, optimiser, loss, self.options, aug=augmented
                )

        return run

    def loading(self, read: Callable[[], tuple[np.ndarray, np.ndarray]]) -> Callable[[], None]:
        """Return the reading of a training set of grey images, one image at a time.

        What torchvision does to an image of FashionMNIST (to PIL, to a tensor, normalised) is done
        here as it does it, for it may not be installed; what the program does with them follows.
        """

        def one(pixels: np.ndarray) -> torch.Tensor:
            picture = np.array(Image.fromarray(pixels, mode="L"), copy=True)
            tensor = torch.from_numpy(picture)[:, :, None].permute(2, 0, 1).contiguous()
            scaled = tensor.to(torch.float32).div(255)
            mean, std = torch.as_tensor([0.2861]), torch.as_tensor([0.3530])
            return scaled.clone().sub_(mean[:, None, None]).div_(std[:, None, None])

        def run() -> None:
            images, labels = read()
            rows: list[list[int]] = [[] for _ in range(10)]
            whole = [torch.unsqueeze(one(images[i]), dim=0) for i in range(len(images))]
            known = [int(labels[i]) for i in range(len(images))]
            for i, label in enumerate(known):
                rows[label].append(i)
            torch.cat(whole, dim=0)

        return run

    def _means(
        self, network: Any, real: torch.Tensor, few: torch.Tensor, _label: int
    ) -> torch.Tensor:
        for weight in network.parameters():
            weight.requires_grad = False
        wanted, found = network.embed(real).detach(), network.embed(few)
        return torch.sum((wanted.mean(0) - found.mean(0)) ** 2)

    def _gradients(
        self, network: Any, real: torch.Tensor, few: torch.Tensor, label: int
    ) -> torch.Tensor:
        weights, loss = list(network.parameters()), nn.CrossEntropyLoss()

        def gradients(images: torch.Tensor, *, again: bool) -> tuple[torch.Tensor, ...]:
            wanted = torch.full((len(images),), label, device=images.device)
            return torch.autograd.grad(loss(network(images), wanted), weights, create_graph=again)

        wanted = [gradient.detach().clone() for gradient in gradients(real, again=False)]
        return self.functions.match_loss(gradients(few, again=True), wanted, self.options)


def _module(file: Path, name: str) -> types.ModuleType:
    source = file.read_text()
    for pattern, better in REPAIRS:
        source = re.sub(pattern, better, source)
    module = types.ModuleType(name)
    exec(compile(source, str(file), "exec"), module.__dict__)
    return module
