"""Which original models had a hand in something, and what they had seen before."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from torch import nn

from datastill.base.errors import InputError
from datastill.base.wording import counted
from datastill.data import ImageSet
from datastill.identity.aside import Aside
from datastill.identity.content import content_of


class Original(Protocol):
    """A member of a pool: see ``pool.Member``."""

    @property
    def network(self) -> nn.Module: ...
    @property
    def architecture(self) -> str: ...
    @property
    def facts(self) -> Mapping[str, Any]: ...


Description = dict[str, Any]
"""What is written down of an original model, see ``described``."""


def trained_on(real: ImageSet) -> dict[str, Any]:
    """Return what an original model says of the images that it was trained on."""
    return {**content_of(real).facts(), "kept_for_tests": real.facts.get("kept_for_tests")}


def described(pool: Iterable[Original]) -> list[Description]:
    """Return what is written down of original models where they had a hand in something.

    That is the architecture, the number in the pool, the address of the training, the epoch, a
    digest of the weights and one of the images that they were trained on; null what is not known.
    """
    return [
        {
            "architecture": member.architecture,
            "number": member.facts.get("number"),
            "key": member.facts.get("key"),
            "epoch": member.facts.get("epoch"),
            "weights": weights(member.network),
            "trained_on": (member.facts.get("trained_on") or {}).get("digest"),
        }
        for member in pool
    ]


def weights(network: nn.Module) -> str:
    """Name the exact weights and buffers of a network by 16 hexadecimal digits."""
    digest = hashlib.blake2b(digest_size=8)
    for name, value in sorted(network.state_dict().items()):
        digest.update(repr((name, value.dtype, tuple(value.shape))).encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def require_trained_on(
    pool: Iterable[Original], data: Mapping[str, Any], dataset: str, *, other: bool = False
) -> None:
    """Refuse original models that were trained on other images than those of a run.

    One that does not say is taken as it comes: its folder bears the name of the dataset. Where
    images are kept for tests it is refused: it was made when others were, and has seen some.

    Args:
        pool: the models. What transformers has trained (``hf:NAME``) is not looked at.
        data: what the facts of the run's images, or of its set, say of them.
        dataset: its name.
        other: whether they are meant to come from another dataset; then only those are refused that
            have seen the images which this one keeps for tests.

    Raises:
        InputError: naming the first and what to do.
    """
    for member in pool:
        told = "" if _is_foreign(member) else _fault(member, data, dataset, other=other)
        if told:
            raise InputError(f"{_named(member)} {told}; {AGAIN}")


def _fault(member: Original, data: Mapping[str, Any], dataset: str, *, other: bool) -> str:
    then, kept, now = (
        member.facts.get("trained_on"),
        data.get("kept_for_tests"),
        data.get("content"),
    )
    tests = f"images of {dataset} that are kept for tests"
    if then is None:
        unsaid = f"does not say what it was trained on, and may have seen the {tests}"
        return unsaid if kept and not other else ""
    if kept and then["digest"] == kept.get("all"):
        return f"has seen the {tests}, for it was trained with --test-share 0"
    if kept and _has_seen(then.get("kept_for_tests"), kept):
        return f"has seen {tests}, for it was trained with others kept"
    if not other and now is not None and then["digest"] != now["digest"]:
        return f"was trained on {then['images']} other images than the {now['images']} of {dataset}"
    return ""


def _has_seen(then: Mapping[str, Any] | None, now: Mapping[str, Any]) -> bool:
    # Of the same images, of which others may be kept: of others nobody knows.
    if not then or then.get("all") != now.get("all") or then.get("digest") == now.get("digest"):
        return False
    before, after = Aside.of(then), Aside.of(now)
    return before is None or after is None or not before.covers(after)


AGAIN = "train others ('datastill train', with --overwrite or another --save-path)"


def unknown(pool: Sequence[Original]) -> str:
    """Say how many original models do not tell what they were trained on, if any."""
    silent = [m for m in pool if not m.facts.get("trained_on") and not _is_foreign(m)]
    if not silent:
        return ""
    few = f"{len(silent)} of the {counted(len(pool), 'original model')}"
    all_ = "the original model" if len(pool) == 1 else "the original models"
    who = all_ if len(silent) == len(pool) else few
    they = "does not say what it was" if len(silent) == 1 else "do not say what they were"
    return f"{who} {they} trained on: that it is these images cannot be checked"


def require_same_originals(
    held: Mapping[str, Any], asked: Mapping[str, Any], place: str, hint: str
) -> None:
    """Refuse to go on with a run in which other original models had a hand.

    Args:
        held: what it was asked for, ``originals`` being among the tables of that, or a table of
            that being of original models itself.
        asked: what is asked for now.
        place: of the run.
        hint: what a person can do.

    Raises:
        InputError: naming the first that differs.
    """
    for name, table in asked.items():
        now, before = _followed(table), held.get(name)
        if now is None or not isinstance(before, Mapping | list):
            continue
        then = before.get("originals") if isinstance(before, Mapping) else before
        if then is None:
            raise InputError(
                f"the run in {place} does not say which original models it followed, so that it "
                f"cannot be told whether these are the same; {hint}"
            )
        said = _difference(then, now)
        if said:
            raise InputError(f"the run in {place} followed other original models: {said}; {hint}")


def _followed(table: Any) -> Sequence[Description] | None:
    if isinstance(table, list | tuple):
        rows: Sequence[Any] = table
        return (
            rows if rows and all(isinstance(r, Mapping) and "weights" in r for r in rows) else None
        )
    return table.get("originals") if isinstance(table, Mapping) else None


def called(one: Mapping[str, Any]) -> str:
    """Return words for an original model that was written down.

    >>> called({"architecture": "MLP", "number": 3, "epoch": 150})
    'MLP 3 after epoch 150'
    """
    number = "" if one.get("number") is None else f" {one['number']}"
    epoch = "" if one.get("epoch") is None else f" after epoch {one['epoch']}"
    return f"{one.get('architecture')}{number}{epoch}"


def _named(member: Original) -> str:
    return f"the original model {called({'architecture': member.architecture, **member.facts})}"


def _is_foreign(member: Original) -> bool:
    return member.architecture.startswith("hf:")


def _difference(then: Sequence[Description], now: Sequence[Description]) -> str:
    before, after = ({called(one): one for one in some} for some in (then, now))
    gone = next((name for name in before if name not in after), None)
    if gone is not None:
        return f"{gone} is not among them now"
    new = next((name for name in after if name not in before), None)
    if new is not None:
        return f"{new} was not among them"
    changed = (name for name in before if before[name].get("weights") != after[name]["weights"])
    name = next(changed, None)
    return f"{name} has other weights now" if name else ""
