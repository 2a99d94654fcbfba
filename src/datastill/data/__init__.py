"""Sets of labelled images, how they are kept, drawn from and checked."""

from datastill.data.images import (
    UNNAMED,
    ByClass,
    Domain,
    ImageSet,
    convert,
    draw_rows,
    draw_share,
    require_given,
    require_held,
    require_same_kind,
    require_sound,
    rows_by_class,
    said_of_class,
    sample_per_class,
    unnormalised,
)

__all__ = [
    "UNNAMED",
    "ByClass",
    "Domain",
    "ImageSet",
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
    "unnormalised",
]
