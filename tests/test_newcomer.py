"""What somebody tries first in Python: classes, items and names of their own."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset

import datastill as ds
from conftest import blobs, linear
from datastill.augment import dsa, usual_strategy
from datastill.training.fit import Fit
from datastill.training.protocol import Protocol

KEY, REAL = ds.Key(0), blobs(per_class=3)
SHORT = Protocol("dc", Fit(epochs=1), "none")
PICTURES = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)
LABELS = [0, 1, 0, 1, 1, 0]


class Small(nn.Module):
    """A network as somebody has it."""

    def __init__(self, domain: ds.Domain) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(192, len(domain.classes)))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.layers(images)


def small(domain: ds.Domain) -> nn.Module:
    return Small(domain)


class Items(Dataset[Any]):
    """A dataset with items of some form."""

    def __init__(self, form: Any) -> None:
        self.form = form

    def __len__(self) -> int:
        return len(LABELS)

    def __getitem__(self, index: int) -> Any:
        if index >= len(LABELS):
            raise IndexError(index)
        return self.form(PICTURES[index], LABELS[index])


class Stream(IterableDataset[Any]):
    """The same, gone through."""

    def __init__(self, form: Any) -> None:
        self.form = form

    def __iter__(self) -> Iterator[Any]:
        return (self.form(*pair) for pair in zip(PICTURES, LABELS, strict=True))


def pair(image: Any, label: int) -> Any:
    return image, label


def hugging_face(image: Any, label: int) -> Any:
    return {"image": image, "label": label}


def other_words(image: Any, label: int) -> Any:
    return {"img": torch.as_tensor(image), "kind": torch.tensor(label)}


def many(image: Any, label: int) -> Any:
    return {"photo": image, "coarse": 0, "fine": label}


@pytest.mark.parametrize("model", [Small, small])
def test_a_class_or_function_stands_where_a_name_does(model: Any) -> None:
    name = f"{__name__}:{model.__name__}"
    (one,) = ds.train_pool(model, REAL, num=1, fit=Fit(epochs=1), key=KEY)
    (other,) = ds.train_pool(name, REAL, num=1, fit=Fit(epochs=1), key=KEY)
    assert one.architecture == name
    assert all(
        torch.equal(a, b)
        for a, b in zip(one.network.parameters(), other.network.parameters(), strict=True)
    )
    found = [
        ds.validate(REAL, REAL, which, SHORT, trials=1, key=KEY).values for which in (model, name)
    ]
    assert found[0] == found[1]
    assert ds.builder(model, REAL.domain)(key=KEY).name == name
    assert ds.build(model, REAL.domain, key=KEY).name == name
    assert ds.Bench(REAL, REAL, [], model, SHORT, KEY).model == name


def test_what_no_name_leads_to_is_told() -> None:
    class Inner(Small):
        pass

    for model in (Inner, lambda domain: Small(domain)):
        with pytest.raises(ds.InputError, match="at the top of a module, where it is found again"):
            ds.builder(model, REAL.domain)
    with pytest.raises(ds.InputError, match="`model` must be the name of a model, or a class"):
        ds.builder(Small(REAL.domain), REAL.domain)  # pyright: ignore


@pytest.mark.parametrize("form", [pair, hugging_face, other_words])
def test_items_of_any_usual_form_make_the_same_set(form: Any) -> None:
    wanted = ds.from_arrays(PICTURES, LABELS)
    loader: Any = DataLoader(Items(form), batch_size=4, shuffle=True)
    forms: tuple[Any, ...] = (Items(form), Stream(form), loader, [*Stream(form)])
    for dataset in (*forms, iter(Stream(form))):
        made = ds.from_dataset(dataset)
        assert torch.equal(made.images, wanted.images)
        assert torch.equal(made.labels, wanted.labels)


def test_parts_of_items_are_named_where_it_is_not_clear() -> None:
    made = ds.from_dataset(Items(many), images="photo", labels="fine")
    assert torch.equal(made.images, ds.from_arrays(PICTURES, LABELS).images)
    for given, complaint in (
        ({}, "holds photo, coarse, fine; name one by `images`"),
        ({"images": "photo"}, "holds coarse, fine; name one by `labels`"),
        ({"images": "photo", "labels": "fin"}, "has no 'fin'; did you mean 'fine'"),
        ({"images": 3}, "`images` must be the name of a part"),
    ):
        with pytest.raises(ds.InputError, match=complaint):
            ds.from_dataset(Items(many), **given)  # pyright: ignore
    with pytest.raises(ds.InputError, match="has no names for `images` and `labels`"):
        ds.from_dataset(Items(pair), images="image")
    for wrong in (3, object(), None, {"image": PICTURES}, Items):
        with pytest.raises(ds.InputError, match="`dataset` must have items"):
            ds.from_dataset(wrong)  # pyright: ignore


def task(**given: Any) -> ds.Task:
    return ds.Task(REAL, lambda *, key: linear(REAL.domain), KEY, **given)


@pytest.mark.parametrize("name", ["dm", "DC", "DSA"])
def test_a_method_by_its_name_is_as_published(name: str) -> None:
    published = ds.METHODS[name](2)
    policy = dsa(usual_strategy(REAL.domain)) if published.augmented else None
    whole = task(policy=policy) if policy else task()
    wanted = next(ds.distill(published.method, whole, published.descent(2)))
    assert torch.equal(
        next(ds.distill(name, task(), ipc=2)).synthetic.images, wanted.synthetic.images
    )
    brief = published.descent(2, updates=1)
    (only,) = ds.distill(name, task(), brief)
    assert torch.equal(only.synthetic.images, wanted.synthetic.images)


@pytest.mark.parametrize(
    ("method", "given", "complaint"),
    [
        ("DN", {"ipc": 1}, "did you mean 'DM'"),
        ("DM", {}, "name the images per class by `ipc`, or give a `descent`"),
        ("DM", {"ipc": 1, "descent": ds.Descent(ipc=1)}, "and not both"),
        ("DM", {"ipc": 0}, "`ipc` must be a whole number"),
        ("DM", {"ipc": 9}, "fewer than the 9 to start from"),
        ("MTT", {"ipc": 1}, "needs `trajectories`"),
        (ds.METHODS["DM"](1), {}, "needs a `descent`"),
        (ds.METHODS["DM"](1), {"ipc": 1}, "needs a `descent`"),
        (ds.METHODS["DM"], {"descent": ds.Descent(ipc=1)}, "must be a method with its settings"),
    ],
)
def test_errors_of_distill_come_at_the_call(
    method: Any, given: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ds.InputError, match=complaint):
        ds.distill(method, task(), **given)


def test_a_size_needs_no_reading() -> None:
    real, _ = ds.load_dataset("digits", size=16)
    assert real.domain.shape == (1, 16, 16)
    with pytest.raises(ds.InputError, match="give a `size`, or a `reading`"):
        ds.load_dataset("digits", size=16, reading=ds.Reading())


def test_a_set_is_shown() -> None:
    few, more = ds.show(REAL, most=1), ds.show(REAL)
    assert few.width < more.width
    assert few.mode == "RGB"


def test_all_that_there_is_is_listed() -> None:
    held = dir(ds)
    assert {*ds.__all__, "__version__", "runs", "__doc__"} <= {*held}
    assert all(getattr(ds, name) is not None for name in [*ds.__all__, "runs"])
    assert not {"TYPE_CHECKING", "annotations", "importlib"} & {*held}
    assert {*ds.runs.__all__} <= {*dir(ds.runs)}
    assert ds.__version__[0].isdigit()
