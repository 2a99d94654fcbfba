"""What things are, whatever they are called: images, the data of a set, the facts in a file."""

from __future__ import annotations

from datastill.identity.content import (
    Content,
    Digests,
    content_of,
    digests,
    fingerprint,
    kept_aside,
)
from datastill.identity.data import require_made_from, require_unseen, shared, trained_on
from datastill.identity.facts import OF_A_MODEL, OF_A_SET, require_facts

__all__ = [
    "OF_A_MODEL",
    "OF_A_SET",
    "Content",
    "Digests",
    "content_of",
    "digests",
    "fingerprint",
    "kept_aside",
    "require_facts",
    "require_made_from",
    "require_unseen",
    "shared",
    "trained_on",
]
