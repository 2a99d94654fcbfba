"""One page of whatever runs made: whole, true to their files, and without a danger."""

import base64
import hashlib
import io
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from PIL import Image
from torch import nn

from conftest import blobs
from datastill import load, report, runs, save
from datastill.base.errors import InputError
from datastill.data import Domain, ImageSet
from datastill.datasets import load_split
from datastill.distillation.clom import PAPER as CLOM
from datastill.distillation.methods import METHODS
from datastill.report.figures import png
from datastill.report.page import sets
from datastill.report.page.citation import citation
from datastill.report.page.held import Held
from datastill.report.page.nearest import nearest
from datastill.report.page.parts import Gallery, Heat, Page, Picture, Tile
from datastill.report.page.render import ASSETS, LIBRARIES, html
from datastill.report.page.seen import by_class, taken
from datastill.runs import (
    AssessSpec,
    DataSpec,
    DistillSpec,
    Keeping,
    Reporter,
    StopRequest,
    Talking,
    TrainSpec,
    ValidateSpec,
)
from datastill.store import keep_frame, load_frames, steps_of
from datastill.training.pool import Member, freeze
from test_cli import Run, files, run

__all__ = ["run"]

DOCS = Path(__file__).parents[1] / "docs" / "results"
MADE = DistillSpec(data=DataSpec("digits"), method="DM", model="MLP", ipc=1, updates=12, batch=8)
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</title></style></script><svg onload=alert(1)>",
    "{{ 7 * 7 }} ${7 * 7} datum.set",
)


class Read(HTMLParser):
    """What a browser finds in a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.inside = tag

    def handle_data(self, data: str) -> None:
        if self.inside not in ("script", "style"):
            self.text.append(data)

    def images(self) -> Iterator[Image.Image]:
        for tag, attributes in self.tags:
            if tag == "img":
                source = str(attributes["src"])
                assert source.startswith("data:image/")
                content = base64.b64decode(source.partition(",")[2])
                yield Image.open(io.BytesIO(content))

    @property
    def said(self) -> str:
        return " ".join(" ".join(self.text).split())


def page_at(file: Path) -> Read:
    return Read(file.read_text(encoding="utf-8"))


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    runs.distill(MADE, tmp_path / "set")
    return tmp_path / "set"


def test_a_set_is_shown_with_its_images_and_what_repeats_it(made: Path, run: Run) -> None:
    said = run("report set --out page.html")
    assert (said.code, said.err) == (0, "")
    assert said.out == "look at page.html\n"
    page = page_at(Path("page.html"))
    shown = [one for one in page.images() if one.size == (8, 8)]
    assert len(shown) == 20  # ten images, and beside each the nearest real one
    held = load(made)
    pixels = (held.domain.pixels(held.images).clamp(0, 1) * 255).round().byte()
    for image, wanted in zip(shown[::2], pixels, strict=True):
        assert np.array_equal(np.asarray(image.convert("L")), wanted[0].numpy())
    for wanted in ("digits", "datastill run set/run.toml", "updates = 12", "zhao2023dm", "MLP"):
        assert wanted in page.said


@pytest.mark.parametrize("name", [name for name in METHODS.names if METHODS.has(name)])
def test_a_method_says_itself_what_to_cite_for_it(name: str) -> None:
    papers = METHODS[name](1).papers
    assert citation({"method": name}) == "\n\n".join(one.bibtex for one in papers)
    assert citation({"method": name, "clom": {"alpha": 1}}).endswith(CLOM.bibtex)
    assert bool(papers) == (name != "CIM")  # whose authors are not known here


def test_code_that_a_file_names_is_not_loaded_to_cite_it(tmp_path: Path) -> None:
    (tmp_path / "theirs.py").write_text("raise SystemExit(3)")
    assert citation({"method": f"{tmp_path / 'theirs.py'}:published"}) == ""
    assert citation({"method": "theirs:published"}) == ""


def test_figures_become_files_in_one_place() -> None:
    figure = Figure(figsize=(2, 1))
    assert Image.open(io.BytesIO(png(figure, dpi=50))).size == (100, 50)
    source = Path(report.__file__).parents[1]
    writers = [path.name for path in source.rglob("*.py") if "savefig" in path.read_text()]
    assert writers == ["figures.py"]


def test_commands_are_those_that_a_shell_takes(made: Path) -> None:
    made.rename("my set")
    runs.report("my set", "page.html")
    for wanted in ("run 'my set/run.toml'", "validate 'my set'", "assess 'my set'"):
        assert f"datastill {wanted}" in page_at(Path("page.html")).said


def test_nothing_is_fetched_from_anywhere(made: Path, run: Run) -> None:
    run("report set --out page.html")
    page = page_at(Path("page.html"))
    links = [
        (tag, attributes[name])
        for tag, attributes in page.tags
        for name in ("src", "href", "action", "data", "srcset")
        if name in attributes
    ]
    assert links
    assert all(str(link).startswith(("data:", "#")) for _, link in links)
    (policy,) = (
        attributes["content"]
        for tag, attributes in page.tags
        if tag == "meta" and "http-equiv" in attributes
    )
    assert str(policy).startswith("default-src 'none'; img-src data:;")
    assert "unsafe-inline" not in str(policy).partition("script-src")[2].partition(";")[0]


def hostile(folder: Path) -> Path:
    data = blobs(classes=4)
    facts = {"method": HOSTILE[0], "model": HOSTILE[1], "caveats": [HOSTILE[2]], "seed": 1}
    report = {
        "protocol": {"name": HOSTILE[3]},
        "results": [
            {
                "source": HOSTILE[0],
                "model": HOSTILE[1],
                "accuracies": {"values": [0.5, 0.6]},
                "seconds": 1.0,
            }
        ],
    }
    domain = replace(data.domain, name=HOSTILE[0], classes=HOSTILE)
    file = folder / "synthetic.safetensors"
    save(replace(data, domain=domain, facts={**facts, "validated": [report]}), file)
    loss = {"event": "update", "step": 1, HOSTILE[1]: 0.5, "__proto__": 1.0}
    (folder / "log.jsonl").write_text(json.dumps(loss) + "\n")
    score = {"name": HOSTILE[1], "family": HOSTILE[2], "better": HOSTILE[0], "value": 1.0}
    table = {"scores": [{**score, "random": [0.5]}], "seconds": 1.0}
    (folder / "assessment.json").write_text(json.dumps(table))
    return file


def test_texts_of_files_are_texts(tmp_path: Path, run: Run) -> None:
    hostile(tmp_path / "set")
    assert run("report set --out page.html").code == 0
    text = Path("page.html").read_text(encoding="utf-8")
    page = Read(text)
    for name in HOSTILE[:3]:
        assert name not in text
    for name in HOSTILE:
        assert " ".join(name.split()) in page.said
    assert not [tag for tag, attributes in page.tags if {"onerror", "onload"} & {*attributes}]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("report", "name what a run made"),
        ("report nothing", "there is no nothing"),
        ("report empty", "empty holds no set"),
        ("report set --out set", "--out names a file, and set is a folder: set/report.html"),
        ("report set --out page.png", "--out writes HTML: name it page.html"),
        ("report set --out mine.html", "mine.html was not written by datastill report"),
        ("report damaged", "is damaged"),
        ("report broken", "is damaged"),
        (
            "report note.txt",
            "note.txt is no set; name what a run made, or a folder of such; datastill "
            "import note.txt makes a set of another project's",
        ),
        ("report set --dataset digit", "no dataset named 'digit'; did you mean 'digits'?"),
    ],
)
def test_what_cannot_be_shown_is_told_in_a_line(
    tmp_path: Path, run: Run, line: str, told: str
) -> None:
    save(blobs(), tmp_path / "set" / "synthetic.safetensors")
    (tmp_path / "empty").mkdir()
    (tmp_path / "mine.html").write_text("<p>mine</p>")
    (tmp_path / "note.txt").write_text("a note")
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "synthetic.safetensors").write_bytes(b"no tensors")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "comparison.json").write_text("{")
    before = files(tmp_path)
    said = run(line)
    assert said.code == 2
    assert told in said.err
    assert len(said.err.splitlines()) == 1
    assert files(tmp_path) == before


def test_a_page_is_light(tmp_path: Path) -> None:
    data = blobs(shape=(3, 32, 32), classes=10, per_class=10)
    noise = torch.rand(data.images.shape, generator=torch.Generator().manual_seed(0))
    noisy = replace(data, images=data.domain.normalise(noise))
    save(noisy, tmp_path / "a" / "synthetic.safetensors")
    for step in sorted(steps_of(20_000)):
        keep_frame(tmp_path / "a", step, noisy)
    found = runs.report(tmp_path / "a", tmp_path / "page.html")
    assert found.file.stat().st_size < 4_000_000  # noise is what images take most bytes for
    assert len([*page_at(found.file).images()]) == 100 + 10


def test_pictures_of_the_way_are_those_of_the_updates(tmp_path: Path) -> None:
    seen: dict[int, torch.Tensor] = {}

    def look(snapshot) -> None:
        pixels = snapshot.synthetic.domain.pixels(snapshot.synthetic.images)
        seen[snapshot.step] = (pixels.clamp(0, 1) * 255).round().byte()

    runs.distill(MADE, tmp_path / "set", observer=Talking(look=look))
    frames = load_frames(tmp_path / "set")
    assert frames is not None
    assert set(frames.pixels) == steps_of(12) == {1, 2, 3, 6, 12}
    for step, pixels in frames.pixels.items():
        assert torch.equal(pixels, seen[step][list(frames.rows)])


def cut_off(folder: Path) -> None:
    """Stop a run after five of its updates."""
    stop = StopRequest()

    def look(snapshot) -> None:
        if snapshot.step == 5:
            stop.request()

    with pytest.raises(runs.Stopped):
        runs.distill(MADE, folder, observer=Talking(look=look), stop=stop)


def test_a_run_that_was_cut_off_has_the_same_pictures(tmp_path: Path) -> None:
    cut_off(tmp_path / "cut")
    runs.distill(MADE, tmp_path / "cut", keeping=Keeping(resume=True))
    runs.distill(MADE, tmp_path / "whole")
    cut, whole = load_frames(tmp_path / "cut"), load_frames(tmp_path / "whole")
    assert cut is not None
    assert whole is not None
    assert list(cut.pixels) == list(whole.pixels)
    assert all(torch.equal(cut.pixels[step], whole.pixels[step]) for step in whole.pixels)


def test_more_updates_keep_the_pictures_of_those_before(made: Path) -> None:
    runs.distill(replace(MADE, updates=20), made, keeping=Keeping(resume=True))
    frames = load_frames(made)
    assert frames is not None
    assert {1, 2, 3, 6, 12} | {20} <= set(frames.pixels)


def test_a_run_that_goes_on_is_shown_and_one_that_ended_is_whole(tmp_path: Path) -> None:
    now = iter(range(0, 10_000, 61))
    pages: list[Read] = []
    folder = tmp_path / "set"

    def look(snapshot) -> None:
        if (folder / "report.html").exists():
            pages.append(page_at(folder / "report.html"))

    reporter = Reporter(folder, 1, Talking(look=look), clock=lambda: next(now))
    runs.distill(MADE, folder, observer=reporter)
    live = pages[-1].said
    assert "distilling digits: " in live
    assert " of 12" in live
    assert [attributes for tag, attributes in pages[-1].tags if attributes.get("id") == "live"] == [
        {"id": "live", "role": "status", "data-seconds": "60"}
    ]
    after = page_at(folder / "report.html")
    assert not [1 for _, attributes in after.tags if attributes.get("id") == "live"]
    assert "datastill run" in after.said


def test_a_run_writes_its_page_where_it_is_asked_to(tmp_path: Path, run: Run) -> None:
    line = "distill --dataset digits --model MLP --ipc 1 --iterations 3 --batch-real 8"
    assert run(f"{line} --report-minutes 1").code == 0
    assert (tmp_path / "condensed/digits/DM/IPC1/report.html").is_file()
    assert "report-minutes must not be negative" in run(f"{line} --report-minutes -1").err


def test_a_run_that_was_cut_off_is_shown(tmp_path: Path) -> None:
    cut_off(tmp_path / "cut")
    found = runs.report(tmp_path / "cut", tmp_path / "page.html")
    assert "not finished: after 3 of 12 updates" in page_at(found.file).said


def test_one_picture_of_the_way_is_told_as_one() -> None:
    frame = (1, np.zeros((1, 2, 2, 3), np.uint8))
    kept = [Held("mine", blobs(per_class=1), frames=frames) for frames in ([], [frame])]
    none, one = [html(Page("mine", [sets.exhibit(held, "mine")])) for held in kept]
    assert "No pictures of it on its way: its run kept none." in none
    assert "No pictures of it on its way: its run kept only one." in one


def test_nearest_real_images_are_found() -> None:
    real = blobs(per_class=12)
    rows = [3, 40, 17]
    noise = 0.001 * torch.randn(real.images.shape, generator=torch.Generator().manual_seed(1))
    near = ImageSet(real.images + noise, real.labels, real.domain)
    found = nearest(near, real, rows)
    assert torch.equal(found.images, real.images[rows])
    assert torch.equal(found.labels, real.labels[rows])
    pixels = [(data.domain.pixels(data.images).clamp(0, 1)) for data in (near, real)]
    wanted = (pixels[0] - pixels[1]).square().flatten(1).mean(1).sqrt()[rows]
    assert torch.allclose(found.distances, wanted, atol=1e-6)
    assert found.among == len(real)


def test_a_comparison_a_study_and_models_are_shown(tmp_path: Path, run: Run) -> None:
    shutil.copytree(DOCS / "comparison" / "FashionMNIST-IPC10-dsa", tmp_path / "all" / "compared")
    shutil.copytree(DOCS / "digits-study", tmp_path / "all" / "studied")
    models = DOCS / "clom/pretrained_model/FashionMNIST/original/ConvNet"
    shutil.copytree(models, tmp_path / "all" / "models")
    study = json.loads((tmp_path / "all/studied/study.json").read_text())
    names = [record["name"] for record in study["records"]]
    real = load_split("digits", "train")
    save(
        real.take(torch.arange(10)), tmp_path / f"all/studied/sets/{names[0]}/synthetic.safetensors"
    )
    said = run("report all --out page.html")
    assert said.code == 0, said.err
    page = page_at(Path("page.html"))
    for wanted in (
        *("comparison", "study", "pool", "Original models", "minus random (95 %)"),
        *("Spearman's rank correlation", names[0], names[-1], "held-out %"),
    ):
        assert wanted in page.said
    assert re.findall(r"</a> <small>(\w+)", Path("page.html").read_text()) == [
        *("comparison", "study", "pool")  # which lies between the two
    ]
    drawn = {attributes["data-chart"] for _, attributes in page.tags if "data-chart" in attributes}
    (content,) = re.findall(
        r'<script type="application/json" id="charts">(.*?)</script>', Path("page.html").read_text()
    )
    assert drawn == set(json.loads(content))
    assert [1 for _, attributes in page.tags if attributes.get("data-set") == names[0]]


def test_images_that_hold_several_are_shown_as_they_are_kept(tmp_path: Path) -> None:
    spec = replace(MADE, updates=2, tiles=2)
    made = runs.distill(spec, tmp_path / "set").set
    assert len(made) == 40
    found = runs.report(tmp_path / "set", tmp_path / "page.html")
    page = page_at(found.file)
    tiles = [attributes for _, attributes in page.tags if attributes.get("class") == "tile"]
    assert len(tiles) == 10
    near = [attributes for _, attributes in page.tags if "data-distance" in attributes]
    assert len(near) == 40  # one beside each of the smaller ones


def test_what_models_take_images_for_is_counted() -> None:
    data, domain = blobs(per_class=3), blobs().domain
    towards = torch.tensor([0, 0, 2, 3])  # the second class is taken for the first
    pool = [fixed(domain, data, towards)]
    found = taken(data, pool, "one model")
    assert torch.allclose(found.shares.sum(1), torch.ones(12))
    exhibited = sets.exhibit(Held("set", data, taken=found), "0")
    (heat,) = (
        block for one in exhibited.sections for block in one.blocks if isinstance(block, Heat)
    )
    assert heat.counts == [[3, 0, 0, 0], [3, 0, 0, 0], [0, 0, 3, 0], [0, 0, 0, 3]]
    assert [heat.share(1, k) for k in range(4)] == [1, 0, 0, 0]
    right = by_class(pool, ["first"], data)
    assert right.rows == [("first", [1.0, 0.0, 1.0, 1.0])]
    assert right.tested == 12


def fixed(domain: Domain, data: ImageSet, towards: torch.Tensor) -> Member:
    """Return a model that says of every image of a class what it is told to."""
    patterns = torch.stack([data.images[rows[0]] for rows in data.rows_by_class])

    class Fixed(nn.Module):
        def embed(self, images: torch.Tensor) -> torch.Tensor:
            return images.flatten(1)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            away = torch.cdist(images.flatten(1), patterns.flatten(1))
            return 9.0 * F.one_hot(towards[away.argmin(1)], len(domain.classes)).float()

    return freeze(Fixed(), "Fixed", domain, {})  # pyright: ignore[reportArgumentType]


def test_the_libraries_are_those_of_the_table() -> None:
    table = (ASSETS / "vendor" / "README.md").read_text(encoding="utf-8")
    for name in LIBRARIES:
        file = ASSETS / "vendor" / name
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        assert re.search(rf"\| {name} \| .* \| {digest} \|", table)
        assert (ASSETS / "vendor" / f"LICENSE.{name.removesuffix('.min.js')}").is_file()


def test_networks_in_training_are_followed(made: Path, tmp_path: Path) -> None:
    spec = ValidateSpec(set=str(made), models=("MLP",), trials=2, epochs=2)
    runs.validate(spec, made, keeping=Keeping(report_minutes=1e-9))
    page = page_at(made / "report.html")
    assert "synthetic" in page.said
    assert "(n=2)" in page.said
    assert not [1 for _, attributes in page.tags if attributes.get("id") == "live"]


def test_original_models_in_training_are_followed(tmp_path: Path) -> None:
    pages: list[Read] = []

    def moved(*_: object) -> None:
        if (tmp_path / "models" / "report.html").exists():
            pages.append(page_at(tmp_path / "models" / "report.html"))

    spec = TrainSpec(data=DataSpec("digits"), models=("MLP",), num=1, epochs=3, batch=256)
    keeping = Keeping(report_minutes=1e-9)
    runs.train(spec, tmp_path / "models", keeping=keeping, observer=Talking(moved=moved))
    assert "No model is finished yet." in pages[-1].said
    assert [1 for _, attributes in pages[-1].tags if attributes.get("id") == "live"]
    after = page_at(tmp_path / "models" / "report.html")
    assert "held-out %" in after.said
    assert not [1 for _, attributes in after.tags if attributes.get("id") == "live"]


def test_a_sweep_has_one_page_of_all_its_runs(tmp_path: Path, run: Run) -> None:
    specs = {"one": replace(MADE, updates=2), "two": replace(MADE, updates=2, ipc=2)}
    runs.sweep(specs, tmp_path / "sweep", keeping=Keeping(report_minutes=1e-9))
    page = page_at(tmp_path / "sweep" / "report.html")
    assert "2 synthetic sets" in page.said
    assert not [1 for _, attributes in page.tags if attributes.get("id") == "live"]
    line = f"sweep {tmp_path / 'sweep' / 'one' / 'run.toml'} --over seed=0..1 --out more"
    for added in ("--report-minutes 1", "report-minutes=1,2"):
        first, *rest = line.partition(" --out")
        said = run(f"{first} {added}{''.join(rest)}")
        assert (said.code, len(said.err.splitlines())) == (2, 1)
        told = ("no option --report-minutes", "report-minutes, which says how a run is kept")
        assert any(one in said.err for one in told)
    assert not (tmp_path / "more").exists()


def test_runs_without_a_page_refuse_one(made: Path, tmp_path: Path) -> None:
    keeping, where = Keeping(report_minutes=1), str(made)
    assessed = {"one": AssessSpec(set=where)}
    with pytest.raises(InputError, match="'assess' has no page while it goes on"):
        runs.sweep(assessed, tmp_path / "c", keeping=keeping)
    with pytest.raises(InputError, match="`report_minutes` writes a page into the folder of a run"):
        runs.validate(ValidateSpec(set=where), keeping=keeping)
    assert not (tmp_path / "c").exists()


def test_a_page_without_charts_has_no_library() -> None:
    assert len(html(Page("empty", []))) < 30_000


def test_what_is_no_page_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="`paths` must be"):
        runs.report([3], tmp_path / "page.html")  # pyright: ignore[reportArgumentType]
    with pytest.raises(InputError, match="`data` must be a DataSpec"):
        runs.report(tmp_path, tmp_path / "p.html", data="digits")  # pyright: ignore[reportArgumentType]


def test_losses_that_are_no_numbers_are_counted_and_not_drawn(made: Path) -> None:
    lines = ['{"event":"update","step":1,"match":NaN}', '{"event":"update","step":2,"match":0.5}']
    (made / "log.jsonl").write_text(
        "\n".join([*lines, '{"event":"update","step":3,"match":1e999}'])
    )
    runs.report(made, "page.html")
    page = page_at(Path("page.html"))
    assert (
        "2 of 3 values of match that its run wrote down are not finite, and not drawn." in page.said
    )
    (made / "log.jsonl").write_text(lines[0])
    runs.report(made, "page.html")
    assert "1 of 1 values of match" in page_at(Path("page.html")).said


def test_a_validation_of_unknown_terms_says_so(made: Path) -> None:
    row = {"source": "synthetic", "model": "MLP", "accuracies": {"values": [0.5]}, "seconds": 1.0}
    data = load(made)
    facts = {**data.facts, "validated": [{"results": [row]}]}
    save(replace(data, facts=facts), made / "synthetic.safetensors")
    runs.report(made, "page.html")
    said = page_at(Path("page.html")).said
    assert "MLP, unknown protocol" in said
    assert "None" not in said


def test_many_classes_stand_beside_each_other_and_what_is_left_out_is_said(tmp_path: Path) -> None:
    domain = Domain("odd", (1, 4, 4), tuple(map(str, range(300))), (0.5,), (0.25,))
    data = ImageSet(torch.zeros(600, 1, 4, 4), torch.arange(600) % 300, domain)
    save(data, tmp_path / "set" / "synthetic.safetensors")
    runs.report(tmp_path / "set", tmp_path / "page.html")
    page = page_at(tmp_path / "page.html")
    assert "200 of 600 images are shown, of 200 of 300 classes." in page.said
    galleries = [str(a["class"]) for _, a in page.tags if "gallery" in str(a.get("class"))]
    assert galleries == ["gallery few"]
    assert not Gallery([("a", [Tile(Picture("", "", 1, 1), "a")] * 3)]).few
