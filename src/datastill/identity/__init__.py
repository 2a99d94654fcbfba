"""What things are, whatever they are called: images, the data of a set, the facts in a file."""

from __future__ import annotations

from datastill.identity.apart import APART, set_apart
from datastill.identity.aside import Aside, kept_aside
from datastill.identity.content import (
    Content,
    Digests,
    content_of,
    digest_of,
    digests,
    digests_of,
    fingerprint,
    keys_of,
)
from datastill.identity.data import of_each, require_made_from, require_unseen, shared, without_seen
from datastill.identity.facts import OF_A_MODEL, OF_A_SET, require_facts
from datastill.identity.originals import (
    called,
    described,
    require_same_originals,
    require_trained_on,
    trained_on,
    unknown,
)

__all__ = [
    "APART",
    "OF_A_MODEL",
    "OF_A_SET",
    "Aside",
    "Content",
    "Digests",
    "called",
    "content_of",
    "described",
    "digest_of",
    "digests",
    "digests_of",
    "fingerprint",
    "kept_aside",
    "keys_of",
    "of_each",
    "require_facts",
    "require_made_from",
    "require_same_originals",
    "require_trained_on",
    "require_unseen",
    "set_apart",
    "shared",
    "trained_on",
    "unknown",
    "without_seen",
]
