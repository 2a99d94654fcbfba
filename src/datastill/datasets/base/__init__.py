"""What a dataset is, and how one is found by name or by path."""

from __future__ import annotations

from datastill.datasets.base.archives import opening, unopened
from datastill.datasets.base.arrays import found_in, has_split, labels_of, pixels_of
from datastill.datasets.base.decode import GREY_MODES, upright
from datastill.datasets.base.files import Files, pictures_in
from datastill.datasets.base.idx import read_idx
from datastill.datasets.base.load import (
    agreed,
    dataset_name,
    is_testable,
    load_dataset,
    load_split,
    load_test,
    require_named,
    untestable,
)
from datastill.datasets.base.making import Part, require_classes, set_of, tests_of
from datastill.datasets.base.named import NamedArrays
from datastill.datasets.base.places import (
    DATASETS,
    FORMATS,
    HUBS,
    is_absent,
    is_code,
    not_found,
    outside,
)
from datastill.datasets.base.reading import (
    SPLIT_NAMES,
    TEST_SHARE,
    Encoded,
    Format,
    Found,
    Hub,
    Progress,
    Published,
    Reading,
    Size,
    Source,
    Split,
    sides,
    unseen,
)
from datastill.datasets.base.room import resized
from datastill.datasets.base.tables import (
    LABEL_COLUMNS,
    SPLIT_COLUMNS,
    TABLES,
    WORDS,
    TextTable,
    numbers_of,
    read_table,
    text_of,
)
from datastill.datasets.base.torch_files import arrays_of
from datastill.datasets.base.zips import Zip, Zipped, opened_zip

__all__ = [
    "DATASETS",
    "FORMATS",
    "GREY_MODES",
    "HUBS",
    "LABEL_COLUMNS",
    "SPLIT_COLUMNS",
    "SPLIT_NAMES",
    "TABLES",
    "TEST_SHARE",
    "WORDS",
    "Encoded",
    "Files",
    "Format",
    "Found",
    "Hub",
    "NamedArrays",
    "Part",
    "Progress",
    "Published",
    "Reading",
    "Size",
    "Source",
    "Split",
    "TextTable",
    "Zip",
    "Zipped",
    "agreed",
    "arrays_of",
    "dataset_name",
    "found_in",
    "has_split",
    "is_absent",
    "is_code",
    "is_testable",
    "labels_of",
    "load_dataset",
    "load_split",
    "load_test",
    "not_found",
    "numbers_of",
    "opened_zip",
    "opening",
    "outside",
    "pictures_in",
    "pixels_of",
    "read_idx",
    "read_table",
    "require_classes",
    "require_named",
    "resized",
    "set_of",
    "sides",
    "tests_of",
    "text_of",
    "unopened",
    "unseen",
    "untestable",
    "upright",
]
