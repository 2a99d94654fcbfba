"""Images per class, as a person says it."""

import itertools

import pytest

from conftest import blobs
from datastill.base.errors import InputError
from datastill.data import Domain, ImageSet
from datastill.runs.specs.quota import nominal, parse, shared


def data(counts=(30, 12, 3), names=("cat", "Ankle boot", "x=y,z")) -> ImageSet:
    found = blobs(classes=len(counts), per_class=counts)
    domain = found.domain
    renamed = Domain(domain.name, domain.shape, names, domain.mean, domain.std)
    return ImageSet(found.images, found.labels, renamed)


@pytest.mark.parametrize(
    ("text", "counts", "label"),
    [
        (10, 10, "10"),
        ("10", 10, "10"),
        (" 3 ", 3, "3"),
        ("cat=5,rest=2", (5, 2, 2), "cat-5-rest-2"),
        ("Ankle boot=1,cat=0,rest=4", (0, 1, 4), "Ankle-boot-1-cat-0-rest-4"),
        ("ankleboot=1, CAT = 2, rest=4", (2, 1, 4), "ankleboot-1-CAT-2-rest-4"),
        ("rest=7", (7, 7, 7), "rest-7"),
        ("proportional:15", (10, 4, 1), "proportional-15"),
        ("Proportional:3", (1, 1, 1), "Proportional-3"),
        ("proportional:45", (30, 12, 3), "proportional-45"),
    ],
)
def test_what_it_may_say(text, counts, label: str) -> None:
    quota = parse(text)
    assert quota.counts(data()) == counts
    assert quota.label == label


def test_a_class_may_be_called_rest_or_anything() -> None:
    odd = data((3, 3), ("rest", "b"))
    with pytest.raises(InputError, match="says nothing of 'rest'"):
        parse("b=1").counts(odd)
    assert parse("b=1,rest=2").counts(odd) == (2, 1)


def test_names_with_commas_and_the_class_rest_go_into_quotes() -> None:
    odd = data((3, 3, 3), ("rest", "cat, dog", "b"))
    assert parse('"cat, dog"=1,rest=2,"rest"=3').counts(odd) == (3, 1, 2)
    assert parse('"rest"=1,b=2,"cat, dog"=3').counts(odd) == (1, 3, 2)
    with pytest.raises(InputError, match="may be the class 'rest' or all others"):
        parse('"cat, dog"=1,rest=2').counts(odd)
    with pytest.raises(
        InputError, match="the name of a class with a comma goes into double quotes"
    ):
        parse("cat, dog=1,rest=2")


def test_two_quotas_have_two_folders() -> None:
    texts = ["🐱=1,rest=2", "🐶=1,rest=2", '"a,b"=1,rest=2', "a=1,b=1,rest=2", "a/b=1,rest=2"]
    labels = [parse(text).label for text in texts]
    assert len(set(labels)) == len(texts)
    assert all(label.replace("-", "").replace(".", "").isalnum() for label in labels)
    assert parse("owl=2,rest=10").label == "owl-2-rest-10"  # as it always was


def test_a_long_quota_is_a_short_folder() -> None:
    long = ",".join(f"class-{k}=1" for k in range(100))
    labels = {parse(long).label, parse(long + ",rest=1").label}
    assert len(labels) == 2
    assert all(len(label) < 20 for label in labels)
    hostile = parse("../../../etc/x=1,rest=2").label
    assert "/" not in hostile


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("0", "must be above zero, found 0"),
        (-3, "must be above zero, found -3"),
        ("ten", "is a number, CLASS=N,CLASS=N,rest=N or proportional:N, not 'ten'"),
        ("cat=5,", "is a number, CLASS=N"),
        ("=5", "is a number, CLASS=N"),
        ("cat=5,cat=6", "is a number, CLASS=N"),
        ("cat=-1,rest=1", "'-1' is no number of images"),
        ("cat=x,rest=1", "'x' is no number"),
        ("cat=1.5", "'1.5' is no number"),
        ("proportional:", "'' is no number"),
        ("proportional:x", "'x' is no number"),
        ("99999999999999999999", "is a number, CLASS=N"),
    ],
)
def test_what_it_may_not_say(text, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint.replace(".", r"\.")):
        parse(text)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("cat=5", "says nothing of 'Ankle boot' and 1 more; for all others add rest=N"),
        ("dog=5,rest=1", "no class named 'dog'"),
        ("cta=5,rest=1", "did you mean 'cat'"),
        ("cat=5,CAT=6,rest=1", "names a class twice"),
        ("cat=0,rest=0", "asks for no images"),
        ("proportional:2", "3 classes of 45 images can share 3 to 45"),
        ("proportional:46", "can share 3 to 45"),
    ],
)
def test_what_does_not_fit_the_classes(text: str, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        parse(text).counts(data())


def test_sharing_out_is_as_near_to_proportion_as_can_be() -> None:
    have = (9, 5, 1, 0)
    for total in range(3, 16):
        found = shared(total, have)
        assert sum(found) == total
        assert all(min(n, 1) <= k <= n for k, n in zip(found, have, strict=True))

        def off(counts, total=total) -> float:
            pairs = zip(counts, have, strict=True)
            return sum(abs(count - total * n / sum(have)) for count, n in pairs)

        every = itertools.product(range(1, 10), range(1, 6), range(1, 2), (0,))
        assert off(found) <= min(off(c) for c in every if sum(c) == total) + 1e-9


def test_many_classes_are_shared_out() -> None:
    have = [5 + 7 * k % 50 for k in range(1000)]
    found = shared(3000, have)
    assert sum(found) == 3000
    assert min(found) == 1


def test_settings_are_looked_up_by_the_mean() -> None:
    assert nominal(10) == 10
    assert nominal((5, 20, 0)) == 12
    assert nominal((1, 0)) == 1
