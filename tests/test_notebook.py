"""A notebook shows pictures and small tables, and completes names."""

import base64
import io
import re
from dataclasses import replace

from PIL import Image

import datastill as ds
from conftest import blobs
from datastill import runs
from datastill.runs import CompareSpec, DataSpec, DistillSpec, ValidateSpec
from test_report import HOSTILE


def pictures(html: str) -> list[Image.Image]:
    found = re.findall(r'src="data:image/png;base64,([^"]+)"', html)
    return [Image.open(io.BytesIO(base64.b64decode(one))) for one in found]


def test_a_set_is_a_picture_of_it() -> None:
    data = blobs()
    html = data._repr_html_()
    (shown,) = pictures(html)
    assert shown.tobytes() == ds.show(data).tobytes()
    assert repr(data) in html
    assert len(re.sub(r'src="[^"]+"', "", html)) < 500


def test_a_set_of_many_classes_is_no_wall() -> None:
    html = blobs(classes=60, per_class=1)._repr_html_()
    (shown,) = pictures(html)
    assert shown.height < 700
    assert "10 of 60 classes are shown." in html
    assert "9 of 25 classes are shown." in blobs(classes=25, per_class=1)._repr_html_()
    assert "are shown" not in blobs(classes=10, per_class=1)._repr_html_()


def test_a_set_without_images_has_no_picture() -> None:
    data = blobs()
    assert pictures(data.take(data.labels < 0)._repr_html_()) == []


def test_names_of_classes_are_texts() -> None:
    data = blobs(classes=4)
    hostile = replace(data, domain=replace(data.domain, name=HOSTILE[1], classes=HOSTILE))
    html = hostile._repr_html_()
    assert HOSTILE[1] not in html
    assert "<img src=x" not in html


def test_runs_are_pictures_and_tables(tmp_path) -> None:
    spec = DistillSpec(data=DataSpec("digits"), method="DM", model="MLP", ipc=1, updates=2, batch=8)
    made = runs.distill(spec, tmp_path / "set")
    (shown,) = pictures(made._repr_html_())
    assert shown.tobytes() == ds.show(made.set).tobytes()
    where = str(tmp_path / "set")
    judged = runs.validate(ValidateSpec(set=where, models=("MLP",), trials=1, epochs=1))
    assert "mean ± std" in judged._repr_html_()
    assert "<table>" in judged._repr_html_()
    assert re.search(r'<tr><th scope="row"[^>]*>synthetic</th><td>', judged._repr_html_())
    rivals = CompareSpec(
        sets=(where,), models=("MLP",), against=("random",), trials=1, epochs=1, real_epochs=0
    )
    compared = runs.compare(rivals)
    assert len(pictures(compared._repr_html_())) == 1


def test_names_are_completed() -> None:
    assert {"load", "show", "runs", "distill"} <= set(dir(ds))
    assert {"report", "distill", "DistillSpec"} <= set(dir(runs))
    assert "DM" in ds.METHODS._ipython_key_completions_()
