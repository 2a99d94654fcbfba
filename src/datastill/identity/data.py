"""What a set was made from, held against the images that are there now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from datastill.base.errors import InputError
from datastill.base.wording import are, counted
from datastill.data import ImageSet, rows_by_class
from datastill.identity.apart import APART
from datastill.identity.aside import Aside, kept_by_threshold
from datastill.identity.content import Content, content_of, fingerprint

T = TypeVar("T")

AGAIN = "put back what was there, or distil it again"
TRAINED = "the training images of {} are not those that the set was made from"
EARLIER = "an earlier version kept other images for tests"


def require_made_from(made: ImageSet, real: ImageSet, more: str = "") -> tuple[str, ...]:
    """Refuse training images that are not those that a set was made from.

    Sets that tell nothing of them, as those of other projects, are taken as they come; those of
    another dataset, which a person must have named, with a caveat.

    Args:
        made: the set.
        real: training images, as they are now, normalised as those of the set.
        more: what else a person can do where they are others.

    Returns:
        What has to be said of it, and written down with the results.

    Raises:
        InputError: saying what changed and what to do.
    """
    then = _content(made)
    if then is None:
        exactly = made.facts.get("real_fingerprint")
        if exactly is None or exactly == fingerprint(real):
            return ()
        found = f"it had {counted(made.facts.get('real_images') or 0, 'image')}"
    elif then == content_of(real).facts():
        return ()
    else:
        found = f"it had {then['images']}, there are {len(real)}"
        found += " others in their place" if then["images"] == len(real) else ""
    _require_share(made, real)
    _require_apart(made, real)
    if real.domain.name != made.domain.name:
        return (f"{real.domain.name} is another dataset than {made.domain.name}",)
    raise InputError(
        f"the training images of {real.domain.name} are not those that the set was made from "
        f"({found}); {AGAIN}{more}"
    )


def without_seen(
    sets: Mapping[str, ImageSet], test: ImageSet, real: ImageSet | None
) -> tuple[ImageSet, tuple[str, ...]]:
    """Return the test images that no set was made from, and what has to be said of them.

    Args:
        sets: by name.
        test: test images, as they are now.
        real: training images, likewise; None where it is agreed on what the test images are, and
            the training images are not read.

    Returns:
        Those of the test images, and lines to write down with the results.

    Raises:
        InputError: when a set may have been made from any of them, or, of test images that somebody
            chose himself, from some; saying what changed and what to do.
    """
    unseen, said = np.ones(len(test), np.bool_), list[str]()
    for mask, caveats in of_each(sets, lambda made: require_unseen(made, test, real)):
        unseen &= mask
        said += caveats
    if unseen.all():
        return test, tuple(dict.fromkeys(said))
    if not unseen.any():
        raise _changed(test, "the sets were made from different images, and no test image is left")
    out = len(test) - int(unseen.sum())
    since = "the set was" if len(sets) == 1 else "the sets were"
    said.append(
        f"{out} of the {counted(len(test), 'test image')} of {test.domain.name} {are(out)} left "
        "out: they "
        f"were not kept for tests when {since} made, which may have been from them"
    )
    return test.part(torch.from_numpy(unseen)), tuple(dict.fromkeys(said))


def require_unseen(
    made: ImageSet, test: ImageSet, real: ImageSet | None
) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
    """Tell which test images a set was certainly not made from, and what has to be said of them.

    Args:
        made: the set.
        test: see ``without_seen``.
        real: likewise.

    Raises:
        InputError: see ``without_seen``.
    """
    then, now = _data(made).get("kept_for_tests"), test.facts.get("kept_for_tests")
    everything = np.ones(len(test), np.bool_)
    if then and now:
        return _still_kept(made, test, real)
    if now:
        return everything, _kept_now(made, test, now)
    if real is None:
        return everything, ()
    held = _content(made)
    if held is None or held == content_of(real).facts():
        if not then:
            require_made_from(made, real)  # for want of the content, the fingerprint
        elif held is None:
            return everything, _others(made, test, EARLIER)
        return everything, shared(test)
    why = "its training images are others, and test images may be among those"
    return everything, _others(made, test, why)


def of_each(sets: Mapping[str, ImageSet], check: Callable[[ImageSet], T]) -> list[T]:
    """Return what a check says of each set; where there are several, a refusal names the one.

    Raises:
        InputError: as the check does.
    """
    found: list[T] = []
    for name, made in sets.items():
        try:
            found.append(check(made))
        except InputError as error:
            raise InputError(f"{name}: {error}" if len(sets) > 1 else str(error)) from None
    return found


def shared(test: ImageSet) -> tuple[str, ...]:
    """Say how many test images are among the training images too, if both were read."""
    among = test.facts.get("among_training")
    if not among:
        return ()
    of = counted(len(test), "test image")
    said = f"{among} of the {of} {are(among)} among the training images too"
    return (said,)


def _still_kept(
    made: ImageSet, test: ImageSet, real: ImageSet | None
) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
    _require_share(made, test)
    then, now = made.facts["data"]["kept_for_tests"], test.facts["kept_for_tests"]
    everything, rule, name = np.ones(len(test), np.bool_), Aside.of(then), test.domain.name
    if now["digest"] == then.get("digest"):
        same = now["all"] == then.get("all")
        return everything, () if same else (
            f"{TRAINED.format(name)}; those kept for tests are the same",
        )
    if real is not None and _content(made) == content_of(real).facts():
        return everything, (
            f"other images of {name} are kept for tests than when the set was made; those for "
            "training are the same",
        )
    if rule is None:
        before = _kept_before(then, test, real)
        if before is not None and before.any():
            return before, (f"{EARLIER} of {name} than are kept now",)
    if rule is None or test.digests is None:
        why = f"{EARLIER}, or pictures came or went" if "digest" in then else EARLIER
        return everything, _others(made, test, why)
    return _of_others(made, test, rule, _lost(rule, test, real))


def _of_others(
    made: ImageSet, test: ImageSet, rule: Aside, lost: float
) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
    # Of images of which some came, went or changed: those that the rule proves to be unseen.
    assert test.digests is not None
    unseen, name = rule.unseen(test.digests), test.domain.name
    if lost == 1:
        why = "none of the training images is there as it was; all may have been saved anew"
        return unseen, _others(made, test, why)
    if not unseen.any():
        raise _changed(test, "none of the images kept for tests now would have been kept then")
    if name != made.domain.name:
        return unseen, (f"{name} is another dataset than {made.domain.name}",)
    said = f"{TRAINED.format(name)}; of those it is tested on it was made from none"
    if lost:
        said += ", but of pictures that were saved anew since (in another format, say), if any were"
    return unseen, (said,)


def _lost(rule: Aside, test: ImageSet, real: ImageSet | None) -> float:
    # How many of a few training images are not there as they were, as a share; 0 if unknown.
    if real is None or real.digests is None or test.digests is None:
        return 0.0
    return rule.lost(np.concatenate([real.digests, test.digests]))


def _kept_before(
    then: Mapping[str, Any], test: ImageSet, real: ImageSet | None
) -> NDArray[np.bool_] | None:
    # Which test images an earlier version kept too, if what it kept is all still there.
    if real is None or real.digests is None or test.digests is None or not then.get("share"):
        return None
    found = np.concatenate([real.digests, test.digests])
    labels = torch.cat([real.hard_labels.cpu(), test.hard_labels.cpu()])
    classes = real.domain.classes
    kept = kept_by_threshold(found, rows_by_class(labels, len(classes)), then["share"])
    same = Content.of(found[kept.numpy()], labels[kept], classes).digest == then.get("digest")
    return kept.numpy()[len(real) :] if same else None


def _require_share(made: ImageSet, read: ImageSet) -> None:
    then = _data(made).get("kept_for_tests")
    now = read.facts.get("kept_for_tests")
    same_name = read.domain.name == made.domain.name
    if same_name and then and now and now["share"] != then.get("share"):
        raise InputError(f"this set was made with --test-share {then.get('share') or 0:g}")


def _require_apart(made: ImageSet, real: ImageSet) -> None:
    # Of one dataset: that the same share of it was kept for assessments.
    then, now = ((facts.get(APART) or {}).get("share", 0) for facts in (_data(made), real.facts))
    if real.domain.name != made.domain.name or then == now:
        return
    if not then:
        raise InputError(
            "the set was made without --assess-share: it may hold images that would be kept; leave "
            "it out, or distil the set again with it"
        )
    raise InputError(f"this set was made with --assess-share {then:g}, not {now:g}")


def _kept_now(made: ImageSet, test: ImageSet, now: Mapping[str, Any]) -> tuple[str, ...]:
    then = _content(made)
    if then is None:
        return (
            "what the set was made from is not known: the images that it is tested on may be "
            "among that",
        )
    if then["digest"] == now["all"]:
        raise InputError(
            f"this set was made with --test-share 0, from the images of {test.domain.name} that "
            "it would be tested on; leave --test-share out, or distil it again"
        )
    return _others(made, test, "images are kept for tests now, and were not then")


def _others(made: ImageSet, test: ImageSet, why: str) -> tuple[str, ...]:
    name = test.domain.name
    if name != made.domain.name:
        return (
            f"{name} is another dataset than {made.domain.name}: whether the set was made from "
            "some of the images that it is tested on is not known",
        )
    raise _changed(test, f"{why}, and the set may have seen some of them")


def _changed(test: ImageSet, why: str) -> InputError:
    return InputError(f"{test.domain.name} has changed since the set was made: {why}; {AGAIN}")


def _data(made: ImageSet) -> Mapping[str, Any]:
    return made.facts.get("data") or {}


def _content(made: ImageSet) -> Mapping[str, Any] | None:
    return _data(made).get("content")
