"""How the synthetic images compare with real ones as pictures, in pixels from 0 to 1.

No network takes part, and no pool is needed. A class is compared with a sample of its real images;
the whole set stands in for a class that it lacks. Distilled images need not look real, nor do sets
that look real train best: these scores describe, and a study tells what they are worth.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from datastill.evaluation.assessments.base import ASSESSMENTS, Score, mean, needing
from datastill.evaluation.evidence import LEAST_ERROR, Evidence
from datastill.evaluation.reference import squared_distances

WINDOW, SIGMA = 11, 1.5
"""Pixels and spread of the published window of SSIM."""

FLOOR = 1e-6
"""Added to what is divided or of which a logarithm is taken; constant images have 0 there."""


def ssim(a: Tensor, b: Tensor) -> Tensor:
    r"""Compare every image of one batch with every image of another by structural similarity.

    With :math:`\mu, \sigma^2, \sigma_{ab}` under a gaussian window, at each place where it fits,
    :math:`\frac{(2 \mu_a \mu_b + C_1)(2 \sigma_{ab} + C_2)}
    {(\mu_a^2 + \mu_b^2 + C_1)(\sigma_a^2 + \sigma_b^2 + C_2)}` with :math:`C_1 = 0.01^2` and
    :math:`C_2 = 0.03^2`, averaged over places and channels. The window shrinks to fit small images.

    Args:
        a: ``(M, C, H, W)`` pixels from 0 to 1.
        b: ``(R, C, H, W)``.

    Returns:
        ``(M, R)``, 1 for equal images.

    Reference:
        Wang, Bovik, Sheikh and Simoncelli, Image Quality Assessment, 2004.
    """
    mean_a, mean_b = _blurred(a), _blurred(b)
    spread_a = _blurred(a.square()) - mean_a.square()
    spread_b = _blurred(b.square()) - mean_b.square()
    rows = [
        _similarity(
            (mean_a[i], mean_b),
            (spread_a[i], spread_b),
            _blurred(image * b) - mean_a[i] * mean_b,
        )
        for i, image in enumerate(a)
    ]
    return torch.stack(rows)


def spectrum(pixels: Tensor) -> Tensor:
    r"""Average the log power of ``(N, C, H, W)`` images over rings of equal frequency.

    :math:`\log_{10}(|FFT|^2 / HW + 10^{-6})`, averaged over images, channels and all frequencies
    whose length rounds to the same number of cycles of the shorter side.

    Returns:
        ``(F,)``, from the mean up.
    """
    height, width = pixels.shape[-2:]
    power = torch.fft.fft2(pixels).abs().square() / (height * width)
    logs = (power + FLOOR).log10().mean((0, 1))
    rows, columns = torch.fft.fftfreq(height), torch.fft.fftfreq(width)
    length = (rows[:, None].square() + columns.square()).sqrt() * min(height, width)
    ring = length.round().long().flatten().to(pixels.device)
    count = torch.bincount(ring).clamp(min=1)
    return torch.zeros(len(count)).to(logs).index_add(0, ring, logs.flatten()) / count


def total_variation(pixels: Tensor) -> float:
    """Return the mean difference of neighbouring pixels, down plus across.

    >>> total_variation(torch.tensor([[[[0.0, 1.0], [0.0, 1.0]]]]))
    1.0
    """
    down, across = pixels.diff(dim=-2).abs(), pixels.diff(dim=-1).abs()
    return sum(float(part.mean()) for part in (down, across) if part.numel())


@needing()
@ASSESSMENTS.register("nearest-psnr")
def nearest_psnr(evidence: Evidence) -> Score:
    r"""Peak signal-to-noise ratio to the nearest real image of the class, in dB, averaged.

    :math:`\frac{1}{M} \sum_i \max_j -10 \log_{10} MSE(s_i, r_j)`. A real image is not compared
    with itself; where a class holds nothing else, that counts as 100 dB. ``O(M n)`` images
    compared, ``n`` real ones of a class.

    Reference:
        Wang and Bovik, Mean Squared Error: Love It or Leave It?, 2009, defines it.
    """
    size = math.prod(evidence.train.domain.shape)

    def ratio(synthetic: Tensor, real: Tensor) -> Tensor:
        error = squared_distances(synthetic.flatten(1), real.flatten(1)) / size
        return -10 * error.clamp(min=LEAST_ERROR).log10()

    return _nearest(evidence, ratio)


@needing()
@ASSESSMENTS.register("nearest-ssim")
def nearest_ssim(evidence: Evidence) -> Score:
    """Structural similarity to the most similar real image of the class, averaged; see ``ssim``.

    A real image is not compared with itself, unless its class holds nothing else.
    ``O(M n)`` images blurred, ``n`` real ones of a class: the costliest of this family.

    Reference:
        Wang, Bovik, Sheikh and Simoncelli, Image Quality Assessment, 2004.
    """
    return _nearest(evidence, lambda s, r: ssim(s.float(), r.float()))


@needing()
@ASSESSMENTS.register("mean-image-distance")
def mean_image_distance(evidence: Evidence) -> Score:
    r"""Root mean square difference of the mean images of each class, averaged over classes.

    :math:`\frac{1}{K} \sum_k \|\bar s_k - \bar r_k\| / \sqrt{CHW}`: distribution matching with
    pixels for features. ``O(M)``.

    Reference:
        Zhao and Bilen, Dataset Condensation with Distribution Matching, WACV 2023.
    """
    found = [float((s.mean(0) - r.mean(0)).square().mean().sqrt()) for s, r in _pixels(evidence)]
    return Score(mean(found), "lower")


@needing()
@ASSESSMENTS.register("spectrum-distance")
def spectrum_distance(evidence: Evidence) -> Score:
    """Root mean square difference of the spectra of synthetic and of real images.

    ``O(M H W log(H W))``, see ``spectrum``; 1 is a factor of ten in power.

    Reference:
        Durall, Keuper and Keuper, Watch Your Up-Convolution, CVPR 2020.
    """
    synthetic, real = _everything(evidence)
    return Score(float((spectrum(synthetic) - spectrum(real)).square().mean().sqrt()), "lower")


@needing()
@ASSESSMENTS.register("total-variation")
def total_variation_ratio(evidence: Evidence) -> Score:
    r"""How far the total variation of synthetic images is from that of real ones.

    :math:`|\log (TV_s / TV_r)|`: images that are noisier and that are smoother both score worse
    than real ones. ``O(M)``, see ``total_variation``.

    Reference:
        Rudin, Osher and Fatemi, Nonlinear Total Variation Based Noise Removal, 1992.
    """
    synthetic, real = (total_variation(pixels) + FLOOR for pixels in _everything(evidence))
    return Score(abs(math.log(synthetic / real)), "lower")


@needing()
@ASSESSMENTS.register("diversity")
def diversity(evidence: Evidence) -> Score:
    r"""Mean distance of two images of one class, relative to that of real ones.

    :math:`\frac{1}{K} \sum_k d(s_k) / d(r_k)`, with :math:`d` the mean Euclidean distance of
    pairs, over the classes that have two real images that differ. A class of one or no synthetic
    image has 0. Noise is diverse too. ``O(M n)``.

    Reference:
        Li et al., Diversified Texture Synthesis with Feed-forward Networks, CVPR 2017.
    """
    synthetic, real = _everything(evidence)
    both = zip(evidence.judged.rows_by_class, evidence.reference.sample.rows_by_class, strict=True)
    spreads = [(_spread(synthetic[s]), _spread(real[r])) for s, r in both]
    found = [found / expected for found, expected in spreads if expected > FLOOR]
    return Score(mean(found) if found else 0.0, "higher")


def _pixels(evidence: Evidence) -> list[tuple[Tensor, Tensor]]:
    synthetic, real = _everything(evidence)
    return [(synthetic[s], real[r]) for s, r in evidence.pairs]


def _nearest(evidence: Evidence, likeness: Callable[[Tensor, Tensor], Tensor]) -> Score:
    # Every synthetic image once, with the real images of its class; with all where it has none.
    synthetic, real = _everything(evidence)
    everything, found = torch.arange(len(real)), list[float]()
    classes = zip(
        evidence.judged.rows_by_class, evidence.reference.sample.rows_by_class, strict=True
    )
    for s, r in classes:
        if len(s):
            r = r if len(r) else everything
            copies = evidence.copies[s][:, r]
            alone = copies.all(1, keepdim=True)
            values = likeness(synthetic[s], real[r])
            found += values.masked_fill(copies & ~alone, -torch.inf).amax(1).tolist()
    return Score(mean(found), "higher")


def _everything(evidence: Evidence) -> tuple[Tensor, Tensor]:
    pixels, real = evidence.train.domain.pixels, evidence.reference.sample
    return pixels(evidence.judged.images).double(), pixels(real.images).double()


def _spread(pixels: Tensor) -> float:
    n = len(pixels)
    if n < 2:
        return 0.0
    points = pixels.flatten(1)
    return float(squared_distances(points, points).sqrt().sum()) / (n * (n - 1))


def _blurred(pixels: Tensor) -> Tensor:
    window = min(WINDOW, (min(pixels.shape[-2:]) - 1) // 2 * 2 + 1)
    place = torch.arange(window, device=pixels.device).to(pixels) - window // 2
    weight = (-place.square() / (2 * SIGMA**2)).exp()
    weight = weight / weight.sum()
    planes = pixels.reshape(-1, 1, *pixels.shape[-2:])
    blurred = F.conv2d(F.conv2d(planes, weight[None, None, :, None]), weight[None, None, None])
    return blurred.reshape(*pixels.shape[:-2], *blurred.shape[-2:])


def _similarity(
    means: tuple[Tensor, Tensor], spreads: tuple[Tensor, Tensor], shared: Tensor
) -> Tensor:
    first, second = 0.01**2, 0.03**2
    light = (2 * means[0] * means[1] + first) / (means[0].square() + means[1].square() + first)
    structure = (2 * shared + second) / (spreads[0] + spreads[1] + second)
    return (light * structure).flatten(1).mean(1)
