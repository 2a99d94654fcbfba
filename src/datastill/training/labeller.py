"""Labels on the fly: original models label every batch, as augmented, while networks train."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from datastill.base.errors import InputError, of_kind
from datastill.compute.route import Route, logits
from datastill.data import Domain, convert
from datastill.data.losses import label_loss, logit_loss
from datastill.identity import described
from datastill.networks import BACKBONE
from datastill.training.fit import Cost
from datastill.training.labelling import OnTheFly
from datastill.training.pool import Pool, require_members
from datastill.training.seeing import teacher


@dataclass(frozen=True, eq=False)
class Labeller:
    """Labels every batch by original models. See ``fit.Labels``.

    Attributes:
        pool: those that say what the labels are, one or several.
        terms: what networks learn of that.
    """

    pool: Pool
    terms: OnTheFly = OnTheFly()

    def __post_init__(self) -> None:
        require_members(pool=self.pool)
        of_kind(OnTheFly, "OnTheFly terms, such as OnTheFly('mse')", terms=self.terms)
        if not self.pool:
            raise InputError("labels on the fly need at least one original model")
        for member in self.pool:
            if member.architecture.startswith(BACKBONE):
                raise InputError(f"{member.architecture} knows no classes, and labels no images")

    def require_fit(self, domain: Domain) -> None:
        """Refuse images of another shape, or other classes, than the models were trained on.

        Raises:
            InputError: naming the model and what differs.
        """
        for member in self.pool:
            teacher(member, domain)

    def __call__(self, images: Tensor, labels: Tensor, domain: Domain, route: Route) -> Cost:
        """See ``fit.Labels``; images pass the models as they pass the networks that learn."""
        return partial(_cost, self.terms, self.said(images, domain, route), labels)

    @torch.no_grad()
    def said(self, images: Tensor, domain: Domain, route: Route) -> Tensor:
        """Return what the models say of images.

        Args:
            images: ``(N, C, H, W)``, normalised as ``domain`` says.
            domain: of the images.
            route: how they pass the models, some at a time.

        Returns:
            ``(N, K)`` shares, softened; with ``mse`` logits.
        """
        found: list[Tensor] = []
        for member in self.pool:
            shown = convert(images, domain, member.domain)
            said = route.exact.over(logits, member.network, shown)
            degree = self.terms.temperature
            found.append(said if degree is None else (said / degree).softmax(1))
        return torch.stack(found).mean(0)

    @property
    def model_bytes(self) -> int:
        """Bytes of the models' weights, without which there are no labels."""
        held = (member.network.state_dict().values() for member in self.pool)
        return sum(value.nbytes for values in held for value in values)

    def facts(self) -> dict[str, Any]:
        """Return what is written down of labels on the fly: terms, models, their bytes."""
        return {
            **asdict(self.terms),
            "originals": described(self.pool),
            "model_bytes": self.model_bytes,
        }


def _cost(terms: OnTheFly, said: Tensor, labels: Tensor, found: Tensor, rows: slice) -> Tensor:
    # Summed over the rows of a batch whose logits were found.
    if terms.loss == "mse":
        total = logit_loss(found, said[rows])
    else:
        total = label_loss(found, said[rows], terms.temperature if terms.loss == "kl" else None)
    if terms.ground_truth:
        total = total + terms.ground_truth * label_loss(found, labels[rows])
    return total
