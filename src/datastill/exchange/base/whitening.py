"""ZCA whitening: images whose pixels no longer tell of each other."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

EPSILON = 0.1
"""The published value of trajectory matching, on normalised images."""


@dataclass(frozen=True, eq=False)
class Whitening:
    r"""Map normalised images to whitened ones and back.

    With :math:`\mu` and :math:`U \Lambda U^T` the mean and the covariance of the training
    images, :math:`y = U (\Lambda + \epsilon)^{-1/2} U^T (x - \mu)`.

    Attributes:
        mean: ``(D,)``.
        basis: ``(D, D)``, the eigenvectors in columns.
        spread: ``(D,)``, the roots of the eigenvalues plus epsilon.

    Reference:
        Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009; the constant as
        in Cazenavette et al., Dataset Distillation by Matching Training Trajectories, CVPR 2022.
    """

    mean: Tensor
    basis: Tensor
    spread: Tensor

    def undo(self, images: Tensor) -> Tensor:
        """Return the images that whitened ones were made from, in the same shape."""
        flat = images.flatten(1).double()
        return (
            ((flat @ self.basis * self.spread) @ self.basis.T + self.mean)
            .to(images.dtype)
            .reshape(images.shape)
        )


def fit_whitening(images: Tensor) -> Whitening:
    """Measure the whitening of ``(N, C, H, W)`` normalised training images."""
    flat = images.flatten(1).double()
    mean = flat.mean(0)
    values, basis = torch.linalg.eigh(torch.cov(flat.T))
    return Whitening(mean, basis, (values.clamp(min=0) + EPSILON).sqrt())
