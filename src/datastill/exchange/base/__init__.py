"""What formats share: the contract, and safe ways to read what others wrote."""

from __future__ import annotations

from datastill.exchange.base.contract import (
    FORMATS,
    Format,
    Found,
    Reading,
    Space,
    content_of,
    header_of,
    stem_of,
)
from datastill.exchange.base.interpretation import Claim, interpret
from datastill.exchange.base.pictures import ENDINGS, decode, drawable, encode, losses, stack
from datastill.exchange.base.tensors import MOST_VALUES, load_torch, pair_of, tensor_of

__all__ = [
    "ENDINGS",
    "FORMATS",
    "MOST_VALUES",
    "Claim",
    "Format",
    "Found",
    "Reading",
    "Space",
    "content_of",
    "decode",
    "drawable",
    "encode",
    "header_of",
    "interpret",
    "load_torch",
    "losses",
    "pair_of",
    "stack",
    "stem_of",
    "tensor_of",
]
