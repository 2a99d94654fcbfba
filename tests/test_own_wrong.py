"""Parts of a person's own, all but methods, that are not what they are to be."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from conftest import blobs
from datastill.base.errors import InputError
from datastill.base.rng import Key
from datastill.data import ImageSet
from datastill.datasets import load_dataset
from datastill.evaluation.assessments.base import ASSESSMENTS
from datastill.evaluation.evidence import Evidence
from datastill.evaluation.scores import assess, family
from datastill.exchange import export_set, import_set
from datastill.networks.base.own import adapting
from datastill.training.coresets.base import needs_of, picked


def of_each(real: ImageSet, counts: Any) -> Tensor:
    return torch.cat([rows[:n] for rows, n in zip(real.rows_by_class, counts, strict=True)])


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda rows, real: rows.float(), r"found torch.float32 of \(8,\)"),
        (lambda rows, real: rows[:, None], r"found torch.int64 of \(8, 1\)"),
        (lambda rows, real: torch.ones(len(real)).bool(), "found torch.bool"),
        (lambda rows, real: rows.numpy(), "found an ndarray"),
        (lambda rows, real: rows + 100, "rows of 48 real images, found 1.. to"),
        (lambda rows, real: rows - 48, "rows of 48 real images, found -"),
        (lambda rows, real: rows[:-1], r"it has \[2, 2, 2, 1\] of \[2, 2, 2, 2\]"),
        (lambda rows, real: rows.flip(0), "or they are not sorted"),
        (lambda rows, real: real.take(rows[:-1]), r"it has \[2, 2, 2, 1\]"),
        (lambda rows, real: replace(real.take(rows), images=torch.full((8, 3, 8, 8), torch.nan),
                                    digests=None), "not finite"),
        (lambda rows, real: (real.images.zero_(), rows)[1], "changes the real images in place"),
    ],
)  # fmt: skip
def test_rows_of_other_images_than_wanted_are_told(wrong: Any, said: str) -> None:
    def mine(real: ImageSet, counts: Any, *, key: Key, features: Any = None) -> Any:
        return wrong(of_each(real, counts), real)

    with pytest.raises(InputError, match=said):
        picked(mine, blobs(), [2] * 4, key=Key(0))


def test_chance_of_the_process_follows_the_key_where_code_asks_that() -> None:
    def mine(real: ImageSet, counts: Any, *, key: Key, features: Any = None) -> Tensor:
        chosen = [
            rows[torch.randperm(len(rows))[:n]]
            for rows, n in zip(real.rows_by_class, counts, strict=True)
        ]
        return torch.cat(chosen)

    one, again, other = (picked(mine, blobs(), [3] * 4, key=Key(n)).images for n in (0, 0, 1))
    assert one.equal(again)
    assert not one.equal(other)


@pytest.mark.parametrize("needs", ["originals", {"nonsense"}])
def test_needs_that_there_are_not_are_told(needs: Any) -> None:
    def mine() -> None: ...

    mine.needs = needs  # pyright: ignore[reportFunctionMemberAccess]
    with pytest.raises(InputError, match=r"needs is a set .* 'originals' and 'dynamics'"):
        needs_of(mine)  # pyright: ignore[reportArgumentType]


HERE = """
import torch
from datastill.evaluation.assessments.base import Score
def given(change):
    def mine(evidence):
        return change(evidence)
    mine.needs = frozenset()
    return mine
nothing = given(lambda evidence: None)
array = given(lambda evidence: Score(evidence.synthetic.images, "lower"))
word = given(lambda evidence: Score("0.5", "lower"))
less = given(lambda evidence: Score(0.5, "less"))
changing = given(lambda evidence: Score(float(evidence.synthetic.images.zero_().sum()), "lower"))
tensor = given(lambda evidence: Score(evidence.synthetic.images.mean(), "lower"))
chance = given(lambda evidence: Score(torch.rand(()), "lower"))
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine_wrong.py").write_text(HERE)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nothing", "the assessment mine_wrong:nothing must return a Score, found None"),
        ("array", "the assessment mine_wrong:array: the value of a Score is one number, found a T"),
        ("word", "the value of a Score is one number, found '0.5'"),
        ("less", "a Score is better 'higher' or 'lower', found 'less'"),
        ("changing", "mine_wrong:changing changes the set in place"),
    ],
)
def test_scores_that_are_none_are_told(here: Path, name: str, said: str) -> None:
    real = blobs()
    with pytest.raises(InputError, match=said):
        assess(Evidence(real.take(slice(8)), real, (), Key(0)), [f"mine_wrong:{name}"])


def test_scores_of_ones_own_are_plain_numbers_and_follow_the_seed(here: Path) -> None:
    real = blobs()
    evidence = Evidence(real.take(slice(8)), real, (), Key(0))
    names = ["mine_wrong:tensor", "mine_wrong:chance"]
    found, again = assess(evidence, names), assess(evidence, names)
    assert [type(one.score.value) for one in found.values()] == [float, float]
    assert [a.score for a in found.values()] == [b.score for b in again.values()]
    assert family(names[0]) == "mine_wrong"
    assert names[0] in ASSESSMENTS


PICTURES = """
import torch
from datastill.datasets.base.reading import Found
def given(change):
    images, labels = torch.rand(6, 1, 8, 8), torch.arange(6) % 2
    return lambda split, path, reading: Found(*change(images, labels), ("a", "b"), "mine")
bytes_as_floats = given(lambda images, labels: (images * 255, labels))
normalised = given(lambda images, labels: (images * 2 - 1, labels))
array = given(lambda images, labels: (images.numpy(), labels))
grey = given(lambda images, labels: (images[:, 0], labels))
learned = given(lambda images, labels: (images.requires_grad_(), labels))
shares = given(lambda images, labels: (images.detach(), torch.eye(2)[labels]))
labels = given(lambda images, labels: (images.detach(), labels.numpy()))
pair = lambda split, path, reading: (1, 2)
"""


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("bytes_as_floats", "floats from 0 to 1; found floats from .* to 25"),
        ("normalised", "floats from 0 to 1; found floats from -"),
        ("array", "Found of mine: images must be a tensor .* found an ndarray"),
        ("grey", r"images must be \(N, C, H, W\), found \(6, 8, 8\)"),
        ("learned", "that require a gradient"),
        ("shares", r"labels must be a tensor of \(N,\) int64, .* found \(6, 2\)"),
        ("labels", "labels must be a tensor .* found an ndarray"),
        ("pair", "the dataset mine_data:pair must return a Found or None, found"),
    ],
)
def test_images_that_are_no_pixels_are_told(here: Path, name: str, said: str) -> None:
    (here / "mine_data.py").write_text(PICTURES)
    with pytest.raises(InputError, match=said):
        load_dataset(f"mine_data:{name}")


def test_a_network_that_says_no_numbers_is_told() -> None:
    class Lost(nn.Linear):
        def forward(self, input: Tensor) -> Tensor:
            return super().forward(input) / 0 * 0

    make = adapting("mine:lost", lambda domain: nn.Sequential(nn.Flatten(), Lost(192, 4)))
    with pytest.raises(InputError, match="mine:lost gives logits that are not finite numbers"):
        make(blobs().domain)


FORMS = """
from dataclasses import replace
from datastill.exchange.base import Format, Found
def given(read=lambda path, reading: {}["x"], write=lambda data, path: ()):
    return Format("mine", lambda path: False, read, lambda data: "x", write)
failing = given(write=lambda data, path: {}["x"])
silent = given()
said = given(write=lambda data, path: path.write_text("x") and "labels are lost")
nothing = given(read=lambda path, reading: None)
"""


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("failing", r"the format mine_forms:failing fails: KeyError: 'x' \(mine_forms.py, line 6"),
        ("silent", "wrote nothing to"),
        ("said", "must return a tuple or list, found 'labels are lost'"),
    ],
)
def test_exports_that_fail_are_told_by_their_format(here: Path, name: str, said: str) -> None:
    (here / "mine_forms.py").write_text(FORMS)
    with pytest.raises(InputError, match=said):
        export_set(blobs(), "out", format=f"mine_forms:{name}")


def test_a_file_is_not_damaged_by_the_format_that_fails(here: Path) -> None:
    (here / "mine_forms.py").write_text(FORMS)
    (here / "file").write_text("whole")
    for name, said in (("silent", "fails: KeyError"), ("nothing", "must return a Found")):
        with pytest.raises(InputError, match=f"^the format mine_forms:{name} {said}"):
            import_set("file", format=f"mine_forms:{name}")
