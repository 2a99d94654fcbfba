"""Sets of labelled images, how they are kept, drawn from and checked."""

from datastill.data.classes import ByClass, draw_rows, draw_share, sample_per_class
from datastill.data.domain import UNNAMED, Domain, convert, require_same_kind, unnormalised
from datastill.data.images import ImageSet, as_kept, rows_by_class
from datastill.data.soundness import require_given, require_held, require_sound, said_of_class
from datastill.data.tiles import Tiled, Unfold, stored_bytes, stored_labels, tiled, unfolded

__all__ = [
    "UNNAMED",
    "ByClass",
    "Domain",
    "ImageSet",
    "Tiled",
    "Unfold",
    "as_kept",
    "convert",
    "draw_rows",
    "draw_share",
    "require_given",
    "require_held",
    "require_same_kind",
    "require_sound",
    "rows_by_class",
    "said_of_class",
    "sample_per_class",
    "stored_bytes",
    "stored_labels",
    "tiled",
    "unfolded",
    "unnormalised",
]
