"""A synthetic set and all that it may be judged by: there is no way to a test set from here."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from datastill.base.costs import Known, shared
from datastill.base.errors import InputError, of_kind
from datastill.base.rng import Key, require_key
from datastill.compute.route import Route, Run, logits, require_route
from datastill.data import ImageSet, require_given, require_same_kind
from datastill.evaluation.reference import Judge, Reference, passed, squared_distances
from datastill.networks import Network, features, find
from datastill.training.pool import Member, Pool, by_architecture, require_members

LEAST_ERROR = 1e-10
"""Mean squared difference of pixels in ``[0, 1]`` below which images count as equal: 100 dB."""

NOT_KEPT = (
    "training images that nothing has seen: `assess_share=0.05` keeps some of them, before "
    "original models are trained and sets are made"
)


@dataclass(frozen=True, eq=False)
class View:
    """A synthetic set as one network sees it.

    Attributes:
        judge: the network, and the real sample as it sees it.
        synthetic: ``(M, D)`` features, scaled like the real ones.
        known: what was worked out from these.
    """

    judge: Judge
    synthetic: Tensor
    known: Known = field(init=False, default_factory=Known)

    @property
    def real(self) -> Tensor:
        """The ``(R, D)`` features of the real sample."""
        return self.judge.real

    @shared
    def within(self) -> Tensor:
        """The ``(M, M)`` squared distances of synthetic features."""
        return squared_distances(self.synthetic, self.synthetic)

    @shared
    def between(self) -> Tensor:
        """The ``(M, R)`` squared distances of synthetic from real features."""
        return squared_distances(self.synthetic, self.real)


@dataclass(frozen=True, eq=False)
class Evidence:
    """A synthetic set and all that it may be judged by: no test set is among it.

    What assessments share is worked out once, when the first of them asks.

    Attributes:
        synthetic: the set to score.
        train: the training images that it stands for.
        pool: original models, trained on them.
        key: decides which real images are looked at, and the weights of fresh networks.
        route: how images pass a network.
        early: original models as they were after fewer epochs. They judge only where they are
            asked for, see ``scores.assess``.
        held_out: training images that nothing has seen: no original model, no distillation and no
            coreset. None where none were kept; what needs them then refuses.
        students: architectures of networks that assessments make themselves, where there is no
            pool; the first is that of those trained on the set, pool or not. Without any, those of
            the pool.
        known: what was found out about this set.

    Raises:
        InputError: for a set without images, of another kind than the training images, or with
            values that are not finite numbers.
    """

    synthetic: ImageSet
    train: ImageSet
    pool: Pool
    key: Key
    route: Route = field(default_factory=Route)
    early: Pool = ()
    held_out: ImageSet | None = None
    students: tuple[str, ...] = ()
    known: Known = field(init=False, default_factory=Known)

    def __post_init__(self) -> None:
        of_kind(ImageSet, "an ImageSet", synthetic=self.synthetic, train=self.train)
        of_kind((ImageSet, type(None)), "an ImageSet, or None", held_out=self.held_out)
        of_kind((tuple, list), "names of architectures", students=self.students)
        object.__setattr__(self, "students", tuple(find(name)[0] for name in self.students))
        require_key(self.key)
        require_members(pool=self.pool, early=self.early)
        require_route(route=self.route)
        require_given(self.train, "the training images")
        if self.held_out is not None:
            require_given(self.held_out, "the images held out")
            require_same_kind(self.held_out.domain, self.train.domain)
        self._require_synthetic()

    def of(self, synthetic: ImageSet) -> Evidence:
        """Return the evidence about another set, sharing what is known of the real side."""
        other = self._with(synthetic=synthetic, known=Known())
        other._require_synthetic()
        return other

    def under(self, pool: Pool) -> Evidence:
        """Return the evidence that other original models give, sharing all that is known."""
        require_members(pool=pool)
        return self._with(pool=pool)

    def by(self, student: str) -> Evidence:
        """Return the evidence by which networks of another architecture are trained on the set.

        Raises:
            InputError: for an unknown one.
        """
        return self._with(students=(find(student)[0],))

    def redrawn(self, number: int) -> Evidence:
        """Return the evidence under another draw of all that chance decides; 0 is this one.

        Other real images are looked at, other networks are fresh and other ones are trained. The
        original models and the images held out stay.
        """
        if not number:
            return self
        key = self.key.at("draw", number)
        real = self.reference.once(f"draw/{number}", lambda: Reference(self.train, key, self.route))
        other = self._with(key=key, known=Known())
        vars(other)["reference"] = real
        return other

    def _with(self, **changed: Any) -> Evidence:
        # A copy, and not made anew: nobody looks again at every training image.
        other = copy.copy(self)
        vars(other).update(reference=self.reference, **changed)
        return other

    def _require_synthetic(self) -> None:
        of_kind(ImageSet, "an ImageSet", synthetic=self.synthetic)
        require_given(self.synthetic, "the synthetic set")
        require_same_kind(self.synthetic.domain, self.train.domain)

    @cached_property
    def reference(self) -> Reference:
        """The real side."""
        return Reference(self.train, self.key, self.route)

    @property
    def architectures(self) -> tuple[str, ...]:
        """Those of the pool; without one those of the students.

        Raises:
            InputError: where there is neither.
        """
        if self.students and not self.pool:
            return self.students
        return tuple(self.by_architecture)

    @property
    def by_architecture(self) -> dict[str, Pool]:
        """The pool by its architectures.

        Raises:
            InputError: for an empty pool.
        """
        self._require_pool()
        return by_architecture(self.pool)

    @property
    def trained(self) -> str:
        """The architecture of networks that are trained on the set: see ``students``."""
        return (self.students or self.architectures)[0]

    @property
    def unseen(self) -> ImageSet:
        """The images held out, normalised as the training images are.

        Raises:
            InputError: where none were kept.
        """
        if self.held_out is None:
            raise InputError(f"this assessment needs {NOT_KEPT}")
        return self.held_out.under(self.train.domain)

    @property
    def originals(self) -> tuple[View, ...]:
        """What each member of the pool sees.

        Raises:
            InputError: for an empty pool, or a member of another kind.
        """
        self._require_pool()
        return tuple(self._view(member) for member in self.pool)

    @property
    def fresh(self) -> tuple[View, ...]:
        """What an untrained network of each architecture of the pool sees."""
        return tuple(self._view(self.reference.untrained(name)) for name in self.architectures)

    @property
    def logits(self) -> Tensor:
        """``(P, M, K)``, float64: what each member of the pool says of each image."""
        self._require_pool()
        return torch.stack([self._said(member) for member in self.pool])

    @shared
    def judged(self) -> ImageSet:
        """The synthetic set, normalised as the training images are, in an order of its own.

        Sorted by class and brightness, so that the order in which images came changes nothing.
        """
        data = self.synthetic.under(self.train.domain)
        brightness = data.images.flatten(1).double().mean(1)
        order = brightness.argsort(stable=True)
        return data.take(order[data.hard_labels[order].argsort(stable=True)])

    @shared
    def pairs(self) -> tuple[tuple[Tensor, Tensor], ...]:
        """Rows of ``judged`` and of the real sample, for each class that has real images.

        For a class that the synthetic set lacks, the whole set stands in: it is what a network
        that learns from the set knows of that class.
        """
        everything = torch.arange(len(self.judged))
        both = zip(self.judged.rows_by_class, self.reference.sample.rows_by_class, strict=True)
        return tuple((s if len(s) else everything, r) for s, r in both if len(r))

    @shared
    def copies(self) -> Tensor:
        """``(M, R)`` booleans: which images of ``judged`` are which of the real sample, unchanged.

        A subset of the training images may share some with the sample; to be near those, or to
        classify them, is nothing to its credit.
        """
        synthetic, real = (
            self.train.domain.pixels(data.images).double().flatten(1)
            for data in (self.judged, self.reference.sample)
        )
        return squared_distances(synthetic, real) <= LEAST_ERROR * synthetic.shape[1]

    def _view(self, member: Member) -> View:
        judge = self.reference.judge(member)

        def look() -> View:
            return View(judge, self._features(member).double() / judge.scale)

        return self.known.once(("view", member), look)

    def _said(self, member: Member) -> Tensor:
        require_same_kind(member.domain, self.train.domain)

        def listen() -> Tensor:
            if type(member.network).forward is not Network.forward:
                return self.seen(member, logits).double()
            with torch.no_grad():  # the features are nearly all of the way
                return member.network.head(self._features(member)).double()

        return self.known.once(("said", member), listen)

    def _features(self, member: Member) -> Tensor:
        return self.known.once(("features", member), lambda: self.seen(member, features))

    def seen(self, member: Member, through: Run) -> Tensor:
        """Return what a member makes of ``judged``; it is not kept.

        Raises:
            InputError: when not all of it is finite.
        """
        found = passed(through, member, self.judged.images, self.train.domain, self.route)
        if not bool(torch.isfinite(found).all()):
            raise InputError(
                f"a {member.architecture} gives values that are not finite numbers "
                "for the synthetic set; are its pixels out of all bounds?"
            )
        return found

    def _require_pool(self) -> None:
        if not self.pool:
            raise InputError("this assessment needs a pool of at least one original model")
