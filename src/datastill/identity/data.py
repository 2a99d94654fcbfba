"""What a set was made from, held against the images that are there now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from datastill.base.errors import InputError
from datastill.base.wording import counted
from datastill.data import ImageSet
from datastill.identity.content import content_of, fingerprint

AGAIN = "put back what was there, or distil it again"


def require_made_from(made: ImageSet, real: ImageSet) -> tuple[str, ...]:
    """Refuse training images that are not those that a set was made from.

    Sets that tell nothing of them, as those of other projects, are taken as they come; those of
    another dataset, which a person must have named, with a caveat.

    Args:
        made: the set.
        real: training images, as they are now, normalised as those of the set.

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
    if real.domain.name != made.domain.name:
        return (f"{real.domain.name} is another dataset than {made.domain.name}",)
    raise InputError(
        f"the training images of {real.domain.name} are not those that the set was made from "
        f"({found}); {AGAIN}"
    )


def require_unseen(made: ImageSet, test: ImageSet, real: ImageSet | None) -> tuple[str, ...]:
    """Refuse test images that a set may have been made from.

    Args:
        made: the set.
        test: test images, as they are now.
        real: training images, likewise; None where it is agreed on what the test images are, and
            the training images are not read.

    Returns:
        What has to be said of it, and written down with the results.

    Raises:
        InputError: saying what changed and what to do.
    """
    data: Mapping[str, Any] = made.facts.get("data") or {}
    then, now = data.get("kept_for_tests"), test.facts.get("kept_for_tests")
    if then and now:
        return _still_kept(made, test, then, now)
    if now:
        return _kept_now(made, test, now)
    if real is None:
        return ()
    held = _content(made)
    if held is None or held == content_of(real).facts():
        if not then:
            require_made_from(made, real)  # for want of the content, the fingerprint
        elif held is None:
            return _others(made, test, "an earlier version kept other images for tests")
        return shared(test)
    return _others(made, test, "its training images are others, and test images may be among those")


def shared(test: ImageSet) -> tuple[str, ...]:
    """Say how many test images are among the training images too, if both were read."""
    among = test.facts.get("among_training")
    if not among:
        return ()
    are = "is" if among == 1 else "are"
    return (f"{among} of the {len(test)} test images {are} among the training images too",)


def _still_kept(
    made: ImageSet, test: ImageSet, then: Mapping[str, Any], now: Mapping[str, Any]
) -> tuple[str, ...]:
    _require_share(made, test)
    if "digest" not in then:
        return _others(made, test, "an earlier version kept other images for tests")
    if now["digest"] != then["digest"]:
        return _others(made, test, "other images are kept for tests")
    if now["all"] != then.get("all"):
        return (
            f"the training images of {test.domain.name} are not those that the set was made from; "
            "those kept for tests are the same",
        )
    return ()


def _require_share(made: ImageSet, read: ImageSet) -> None:
    then = (made.facts.get("data") or {}).get("kept_for_tests")
    now = read.facts.get("kept_for_tests")
    same_name = read.domain.name == made.domain.name
    if same_name and then and now and now["share"] != then.get("share"):
        raise InputError(f"this set was made with --test-share {then.get('share', 0):g}")


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
    raise InputError(
        f"{name} has changed since the set was made: {why}, and the set may "
        f"have seen some of them; {AGAIN}"
    )


def _content(made: ImageSet) -> Mapping[str, Any] | None:
    return (made.facts.get("data") or {}).get("content")
