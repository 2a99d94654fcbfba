"""What formats share: the contract, and safe ways to read what others wrote."""

from __future__ import annotations

from datastill.exchange.base.appearance import are_no_pixels
from datastill.exchange.base.beside import (
    ENDINGS as TENSORS,
)
from datastill.exchange.base.beside import is_of_images, labels_beside, saved, sets_in
from datastill.exchange.base.contract import (
    FORMATS,
    Format,
    Found,
    Reading,
    Rule,
    Space,
    content_of,
    header_of,
    stem_of,
)
from datastill.exchange.base.gathering import left_out
from datastill.exchange.base.interpretation import interpret
from datastill.exchange.base.labels import labels_in, numbers_of
from datastill.exchange.base.names import (
    IMAGE_WORDS,
    LABEL_WORDS,
    RATE_WORDS,
    factor_named,
    keyed,
    method_named,
    says_logits,
    says_whitened,
    words_of,
)
from datastill.exchange.base.pictures import decode, decoded, drawable, encode, losses
from datastill.exchange.base.spaces import Claim
from datastill.exchange.base.tensors import (
    MOST_VALUES,
    NORMALISATION,
    normalisation_of,
    rate_of,
)

__all__ = [
    "FORMATS",
    "IMAGE_WORDS",
    "LABEL_WORDS",
    "MOST_VALUES",
    "NORMALISATION",
    "RATE_WORDS",
    "TENSORS",
    "Claim",
    "Format",
    "Found",
    "Reading",
    "Rule",
    "Space",
    "are_no_pixels",
    "content_of",
    "decode",
    "decoded",
    "drawable",
    "encode",
    "factor_named",
    "header_of",
    "interpret",
    "is_of_images",
    "keyed",
    "labels_beside",
    "labels_in",
    "left_out",
    "losses",
    "method_named",
    "normalisation_of",
    "numbers_of",
    "rate_of",
    "saved",
    "says_logits",
    "says_whitened",
    "sets_in",
    "stem_of",
    "words_of",
]
