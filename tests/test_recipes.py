"""Recipes: options in a file."""

import re
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch

from datastill import load
from datastill.base.errors import InputError
from datastill.base.libraries import LIBRARIES
from datastill.cli import main, parse
from datastill.cli.about import load as command_class
from datastill.cli.described import asked, given, options_of_spec
from datastill.cli.distill import Distill
from datastill.cli.grammar import options_of
from datastill.cli.mirror import mirrored
from datastill.cli.settings import NAMED
from datastill.runs.specs import KINDS
from datastill.runs.specs.base import kinds_of, part_of
from datastill.runs.specs.recipes import OURS, find, names, read
from test_cli import Run, run

__all__ = ["run"]

RECIPES = sorted(OURS.glob("*.toml"))
ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "recipes.md").read_text()


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_is_understood_and_says_where_it_comes_from(path: Path) -> None:
    recipe = read(path)
    assert recipe.about.source.strip()
    assert recipe.about.expected.strip()
    options = given(parse([recipe.spec.kind, "--recipe", str(path)]))
    asked = options_of_spec(recipe.spec)
    assert asked
    for name, value in asked.items():
        assert options[name.replace("-", "_")] == value, name
    assert f"datastill run {path.stem}" in re.sub(" +", " ", path.read_text())


def test_what_was_measured_of_a_recipe_is_not_kept_from_whoever_asks_for_it() -> None:
    folder, told = ROOT / "docs" / "results", set[str]()
    for dataset in ("FashionMNIST", "CIFAR10"):
        table = (folder / "clom" / "decisive" / dataset / "tables.md").read_text()
        for method, ipc in re.findall(
            r"^\| ([A-Z]+)-\d+ \| (\d+) \| \d+ \| \d+ ConvNet,", table, re.M
        ):
            told.add(f"{dataset}-{method}-{ipc}-clom")
    if "| IDM-like" in (folder / "methods" / "tables.md").read_text():
        told.add("FashionMNIST-DM-10-tiles-pool")
    measured = {path.stem: read(path).about.measured for path in RECIPES}
    known = told & set(measured)
    assert len(known) >= 5
    assert not {name for name in known if measured[name].strip() == "Not yet."}


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_accuracies_of_a_recipe_are_those_of_a_table(path: Path) -> None:
    tables = (ROOT / "docs" / "results" / "methods" / "tables.md").read_text()
    cell = re.sub(r"^(\w+)-\w+-(\d+)-.*|^(\w+)-\w+-(\d+)$", r"\1\3-\2\4", path.stem)
    for value in re.findall(r"\d+\.\d \+- \d\.\d %", read(path).about.measured):
        rows = tables.split(f"## {cell}\n")[1].split("\n## ")[0]
        assert f"| {value.replace('+-', '±')} (n=" in rows


def test_the_command_line_wins() -> None:
    path = next(path for path in RECIPES if path.stem == "FashionMNIST-DM-10-clom")
    command = parse(["distill", "--ipc", "3", f"--recipe={path}", "--alphas=7"])
    assert isinstance(command, Distill)
    assert (command.ipc, command.alphas, command.dataset) == (3, (7.0,), "FashionMNIST")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('command = "train"', r"is for 'datastill train', not 'datastill distill'"),
        ('command = "distill"\n[options]\nipcs = 3', r"no option 'ipcs'; did you mean 'ipc'"),
        ("command =", "is not TOML"),
        (None, "no file .*r.toml'; name one that describes a run, or the folder of a run$"),
        ("", r'does not say what it describes; begin it with kind = "distill"'),
        ("[options]\nipc = 3", "does not say what it describes"),
        ('command = "distill"\nipc = 3', r"'ipc' belongs below \[options\]"),
        ('command = "distill"\nlr-img = 3', r"'lr-img' belongs below \[options\]"),
        ('command = "distill"\nauthor = "me"', "'author' has no meaning"),
        ('command = "distill"\noptions = 3', r"\[options\] is a table of options, not 3"),
        ('command = "distill"\n[options]\nipc = {cat = 3}', "'ipc' must be a whole number or"),
        (
            'command = "distill"\n[options]\nipc = 2026-01-01',
            "'ipc' must be a whole number or text",
        ),
        ('command = "distill"\n[options]\nepochs = 3', "no option 'epochs'; did you mean 'epoch'"),
        ('command = "distill"\n[options]\nepoch = [3]', "'epoch' must be a whole number"),
        ('command = "distill"\n[options]\nalphas = ["x"]', "'alphas' must be a list of numbers"),
        ('command = "distill"\n[options]\nquiet = "no"', "'quiet' must be True or False"),
        ('command = "distill"\n[options]\nengine = "atuo"', "did you mean 'auto'"),
        ('command = "distill"\n[options]\nhelp = true', "no option 'help'"),
        ('command = "distill"\n[options]\nrecipe = "a"', "no option 'recipe'"),
        ('kind = "distil"', "no kind of run 'distil'; did you mean 'distill'"),
        ('kind = "train"\ndata = {name = "a"}', "is for 'datastill train', not"),
        ('kind = "distill"', "'data' is missing"),
        ('kind = "distill"\ndata = {name = "a", sise = 3}', "'data.sise' has no meaning; did you"),
        ('kind = "distill"\ndata = {name = "a"}\nlr = -1', "'lr' must be above zero, found -1"),
        ('kind = "distill"\ndata = {name = "a"}\ntiles = 0', "'tiles' must be above zero"),
        (
            'kind = "distill"\ndata = {name = "a"}\ncoreset_features = "MLP"',
            "'coreset_features' has a meaning with init = 'herding'",
        ),
    ],
)
def test_bad_recipes_are_told(tmp_path: Path, text: str | None, complaint: str) -> None:
    file = tmp_path / "r.toml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(InputError) as told:
        parse(["distill", "--recipe", str(file)])
    assert re.search(complaint, told.value.typed), told.value.typed
    assert str(file) in told.value.typed


def test_a_recipe_needs_a_name() -> None:
    with pytest.raises(InputError, match="needs a file, or the name of a recipe"):
        parse(["distill", "--recipe"])


def test_recipes_are_found_by_name_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert len(RECIPES) > 20
    for path in RECIPES:
        command = read(path).spec.kind
        by_path = given(parse([command, "--recipe", str(path)]))
        by_name = given(parse([command, "--recipe", path.stem]))
        assert {**by_path, "recipe": None} == {**by_name, "recipe": None}
    with pytest.raises(InputError, match="did you mean 'FashionMNIST-DM-10-clom'"):
        parse(["distill", "--recipe", "FashionMNIST-DM-10-cl"])
    (tmp_path / "FashionMNIST-DM-10-clom").write_text('command = "distill"\n[options]\nipc = 7\n')
    own = given(parse(["distill", "--recipe", "FashionMNIST-DM-10-clom", "--dataset", "digits"]))
    assert own["ipc"] == 7  # a file of one's own comes first


OLD = """
command = "distill"
source = "Somebody's own."

[options]
dataset = "digits"
ipc = "0=3,rest=1"
alphas = 7            # one value, where several may be
lr_img = 2            # a whole number, where any may be
size = 32             # a number, where text may be
pool-path = "models"
quiet = true
trackio = false
"""


def test_recipes_of_options_are_still_read(tmp_path: Path) -> None:
    file = tmp_path / "old.toml"
    file.write_text(OLD)
    for words in (["distill", "--recipe", str(file)], ["run", str(file)]):
        options = given(parse(words))
        assert (options["dataset"], options["ipc"], options["alphas"]) == (
            *("digits", "0=3,rest=1"),
            (7.0,),
        )
        assert (options["lr_img"], options["size"]) == (2.0, "32")
        assert options["pool_path"] == Path("models")
        assert (options["quiet"], options["trackio"]) == (True, False)
    typed = given(parse(["run", str(file), "--quiet", "--alphas", "1", "2", "--dataset", "MNIST"]))
    assert (typed["quiet"], typed["alphas"], typed["dataset"]) == (True, (1.0, 2.0), "MNIST")


def test_a_recipe_of_any_command_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('command = "demo"\n[options]\nnum_eval = 3\n')
    assert given(parse(["run", str(tmp_path / "a.toml")]))["num_eval"] == 3
    (tmp_path / "b.toml").write_text('command = "dance"\n')
    with pytest.raises(InputError, match="no command 'dance'"):
        parse(["run", str(tmp_path / "b.toml")])


ANY = {
    "train": 'models = ["MLP"]\nnum = 2\nlr = 0.5\n[data]\nname = "digits"\nsize = 32',
    "distill": (
        'minutes = 2\ntiles = 2\n[settings]\nouter_loop = 2\nheat = 0.5\ndis_metric = "mse"\n'
        '[data]\nname = "digits"\nsize = [32, 48]\nmirror = false\n'
        '[clom]\nalphas = [3]\ndistance = "cosine"\nsource = "MNIST"\n'
        '[select]\nby = "om-accuracy"\nevery = 7'
    ),
    "validate": (
        'set = "a"\nmodels = ["MLP"]\ntrials = 3\n[on_the_fly]\nloss = "mse"\nground_truth = 0.5\n'
        '[pool]\narchitectures = ["MLP"]\nepoch = 2'
    ),
    "compare": (
        'sets = ["a"]\nrates = [0.1]\nreal_trials = 2\n[pool]\narchitectures = ["MLP"]\n'
        '[soft]\nloss = "kl"\ntemperature = 4'
    ),
    "assess": 'set = "a"\ndraws = 0\n[pool]\nearly = [1, 2]\n[compute]\nseed = 3',
    "select": 'sets = ["a", "b"]\nby = "om-accuracy"',
    "study": 'augmented = false\n[data]\nname = "digits"\n[judges]\nearly = [1]\npath = "p"',
    "relabel": 'set = "a"\ntemperature = 4\n[pool]\nnum = 3',
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_of_every_kind_is_carried_out_by_its_command(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "run.toml"
    file.write_text(f'kind = "{kind}"\n{ANY[kind]}\n')
    options, asked = given(parse(["run", str(file)])), options_of_spec(read(file).spec)
    for name, value in asked.items():
        assert options[name.replace("-", "_")] == value, name
        assert type(options[name.replace("-", "_")]) is type(value), name
    if kind == "distill":
        assert (options["size"], options["mirror"]) == ("32x48", "no")
        assert (options["select"], options["select_every"]) == ("om-accuracy", 7)
        assert (options["outer_loop"], options["max_minutes"]) == (2, 2.0)
        assert (options["setting"], options["tiles"]) == (("heat=0.5",), 2)


ALONE = {
    *NAMED,
    "setting",
    "dd_ranking",
    "learning_rates",
    "labels",
    "soft_loss",
    "temperature",
    "ground_truth",
}
"""Options that stand for no value of a description each."""
WHERE = {
    *("save_path", "out", "overwrite", "add", "resume", "checkpoint_minutes", "save_model"),
    *("reassess", "recipe", "quiet", "json", "plain", "tensorboard", "trackio"),
    *("report_minutes", "jobs", "on"),
}
"""Options that say what becomes of files, what is said, or who works: no part of what a run follows
from."""
FINDS = {"validate": {"method", "ipc", "dsa", "no_dsa"}, "assess": {"method", "ipc"}}
"""Options that name a set, or a protocol, in other words than by path and name."""
FINDS["relabel"] = {"dataset", "method", "ipc"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_description_says_all_that_its_command_can_be_asked(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "run.toml"
    file.write_text(f'kind = "{kind}"\n{ANY[kind]}\n')
    spec = read(file).spec
    said = {one.field for one in mirrored(type(spec), kind)} | ALONE
    options = {name.replace("-", "_") for name in options_of(command_class(kind))}
    assert options - WHERE - FINDS.get(kind, set()) == said & options
    command: Any = parse(["run", str(file)])
    if kind != "distill":  # one of its settings is of no method there is
        assert asked(command, type(spec)) == spec


LEAST = {
    **dict.fromkeys(("validate", "assess", "relabel"), ("a", 'set = "a"')),
    "compare": ("a", 'sets = ["a"]'),
    "select": ("a b --by x", 'sets = ["a", "b"]\nby = "x"'),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_description_without_more_asks_for_what_its_command_does_anyway(
    tmp_path: Path, kind: str
) -> None:
    words, text = LEAST.get(kind, ("--dataset digits", '[data]\nname = "digits"'))
    file = tmp_path / "run.toml"
    file.write_text(f'kind = "{kind}"\n{text}\n')
    plain = parse([kind, *words.split()])
    found = given(parse(["run", str(file)]))
    if kind == "assess" and not isinstance(found["path"], tuple):
        found["path"] = (found["path"],)  # a description is of one set, a command of any number
    assert {**found, "recipe": None} == {"recipe": None, **given(plain)}


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("run", "datastill run needs FILE: File that describes a run"),
        ("run --ipc 3", "name the file first: datastill run FILE --ipc 3"),
        ("run nothing.toml", "no recipe 'nothing.toml'"),
        ("run FashionMNIST-study --recipe a", "takes one file, and --recipe names another"),
        ("run FashionMNIST-study --num 3", "datastill study has no option --num"),
        ("recipes sow", "ACTION takes list, show, copy or check, found 'sow'; did you"),
        ("recipes show", "name the recipe: datastill recipes show RECIPE"),
        ("recipes show FashionMNIST", "no recipe 'FashionMNIST'"),
        ("recipes copy FashionMNIST-study a b", "no option takes b"),
        ("recipes show FashionMNIST-study a", "no option takes a"),
        ("run empty", "the folder empty has no run.toml"),
        ("run bad.toml", "recipe bad.toml: 'lr' must be above zero, found -1"),
        ("recipes check bad.toml", "recipe bad.toml: 'lr' must be above zero, found -1"),
        ("recipes check old.toml", "recipe old.toml holds options of 'datastill distill', which"),
        (
            "recipes copy FashionMNIST-study here.toml",
            "here.toml is there, which is never",
        ),
        ("recipes copy FashionMNIST-study /proc/a/b.toml", "cannot write to /proc/a"),
    ],
)
def test_what_cannot_be_run_or_shown_is_told(run: Run, tmp_path: Path, line: str, complaint: str):
    (tmp_path / "here.toml").write_text("mine")
    (tmp_path / "empty").mkdir()
    (tmp_path / "old.toml").write_text(OLD)
    (tmp_path / "bad.toml").write_text('kind = "distill"\nlr = -1\n[data]\nname = "digits"\n')
    said = run(line)
    assert (said.code, said.out, len(said.err.splitlines())) == (2, "", 1)
    assert complaint in said.err
    assert (tmp_path / "here.toml").read_text() == "mine"


def test_recipes_are_listed_shown_and_copied(run: Run, tmp_path: Path) -> None:
    listed = run("recipes").out
    assert run("recipes list").out == listed
    assert [line.split()[0] for line in listed.splitlines()[1:-1]] == names()
    assert "distill  CIFAR10, DC, ipc 50" in listed
    text = (OURS / "FashionMNIST-study.toml").read_text()
    assert run("recipes show FashionMNIST-study").out == text
    assert run("recipes show FashionMNIST-study --quiet").out == ""
    said = run("recipes copy FashionMNIST-study")
    assert said.out.splitlines()[-1] == "  datastill run FashionMNIST-study.toml"
    assert (tmp_path / "FashionMNIST-study.toml").read_text() == text
    (tmp_path / "folder").mkdir()
    assert run("recipes copy FashionMNIST-study folder").code == 0
    assert (tmp_path / "folder" / "FashionMNIST-study.toml").read_text() == text


def test_a_run_is_repeated_by_what_lies_in_its_folder(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text('kind = "relabel"\nset = "a"\ntemperature = 4\n')
    assert given(parse(["run", str(tmp_path)]))["temperature"] == 4.0


def test_a_file_is_carried_out_and_goes_on(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(
        'kind = "distill"\nmodel = "MLP"\nipc = 1\nupdates = 2\n[data]\nname = "digits"\n'
    )
    said = run("run mine.toml --save-path a")
    assert said.code == 0, said.err
    assert (
        run("distill --dataset digits --model MLP --ipc 1 --iterations 2 --save-path b").code == 0
    )
    one, other = (load(tmp_path / name / "digits" / "DM" / "IPC1") for name in "ab")
    assert torch.equal(one.images, other.images)
    assert (one.facts["recipe"], other.facts["recipe"]) == ("mine.toml", None)
    again = run("run mine.toml --save-path a --resume")
    assert "is finished: 10 synthetic images after 2 updates" in again.out
    more = run("run mine.toml --save-path a --iterations 3 --resume")
    assert more.code == 0, more.err
    assert load(tmp_path / "a" / "digits" / "DM" / "IPC1").facts["step"] == 3


def test_recipes_are_in_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (package,) = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert OURS.is_relative_to(ROOT / package)


def test_the_page_about_recipes_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    new, old = re.findall(r"```toml\n(.*?)```", PAGE, flags=re.DOTALL)
    (tmp_path / "my-recipe.toml").write_text(new)
    (tmp_path / "old.toml").write_text(old)
    assert given(parse(["run", "old.toml"]))["iterations"] == 20
    first, *others, last = (
        line.partition(" #")[0].split()
        for line in re.findall(r"^ +datastill (.*)$", PAGE, flags=re.M)
    )
    assert given(parse(first))["alphas"] == (100.0,)
    for words in (one for one in others if one[1:2] != ["check"]):  # that needs data and models
        main(words)
    assert read(tmp_path / "mine.toml").spec == read(find("FashionMNIST-DM-10-clom")).spec
    main(last)
    made = load("condensed/digits/DM/IPC1")
    facts = made.facts
    assert (facts["step"], facts["recipe"], facts["seed"]) == (10, "my-recipe.toml", 1)
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    capsys.readouterr()
    exec(compile(code, "recipes.md", "exec"), {})
    assert capsys.readouterr().out.startswith("(100.0,)")


def test_the_page_about_recipes_has_every_key_of_every_table() -> None:
    rows = re.findall(r"^\| `\[(\w+)\]` \| (.*?) \| (.*) \|$", PAGE, flags=re.M)
    tables: dict[str, dict[str, set[str]]] = {}
    for kind, spec in KINDS.items():
        for name, hint in kinds_of(spec).items():
            part = part_of(hint)
            if part is not None:
                tables.setdefault(name, {})[kind] = {field.name for field in fields(part)}
    assert {name for name, _, _ in rows} == {*tables, "settings"}
    for name, kinds, keys in rows:
        known = set(NAMED) if name == "settings" else set.union(*tables[name].values())
        assert set(re.findall(r"`(\w+)`", keys)) == known
        named = set(re.findall(r"`(\w+)`", kinds))
        named = {*KINDS} - named if kinds.startswith("all but") else named
        assert named == set(tables.get(name, {"distill": 0, "study": 0}))


def test_what_is_missing_is_installed_from_any_index() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    ours = ("dev", "docs", "release")
    assert {name: extras[name][0] for name in extras if name not in ours} == LIBRARIES


def test_tiles_under_a_pool_on_its_way_with_weights_by_accuracy(run: Run, tmp_path: Path) -> None:
    """The recipe after IDM, made small: only data, model and numbers are others."""
    assert "FashionMNIST-DM-10-tiles-pool" in run("recipes").out
    text = find("FashionMNIST-DM-10-tiles-pool").read_text()
    small = (
        text.replace('name = "FashionMNIST"', 'name = "digits"')
        .replace('"ConvNet"', '"ConvNetD1W16"')
        .replace("ipc = 10", "ipc = 1")
        .replace("updates = 2000", "updates = 3\nbatch = 8")
    )
    (tmp_path / "small.toml").write_text(small)
    early = run("recipes check small.toml")
    assert early.code == 2
    assert "make them with 'datastill train' and --save-epochs" in early.err
    train = "train --dataset digits --model ConvNetD1W16 --num 2 --epochs 2 --save-epochs 1 2"
    assert run(train).code == 0
    checked = run("recipes check small.toml")
    assert checked.code == 0, checked.err
    assert "2 original models of ConvNetD1W16 to follow" in checked.out
    assert "4 ConvNetD1W16 guide" in checked.out
    done = run("run small.toml")
    assert done.code == 0, done.err
    made = load(tmp_path / "condensed" / "digits" / "DM" / "IPC1")
    assert made.stored_counts == (1,) * 10
    assert made.facts["method_settings"] == {"networks": "pool"}
    assert made.facts["clom"]["weighting"] == "accuracy"
    epochs = [one["epoch"] for one in made.facts["clom"]["originals"]]
    assert epochs == [1, 2, 1, 2]
    assert len(made.facts["trajectories"]["originals"]) == 4
    typed = run(
        "distill --dataset digits --model ConvNetD1W16 --models-pool ConvNetD1W16 --ipc 1 "
        "--tiles 2 --init mix --iterations 3 --batch-real 8 --setting networks=pool "
        "--alphas 100 --clom-weighting accuracy --save-path typed"
    )
    assert typed.code == 0, typed.err
    assert torch.equal(load(tmp_path / "typed" / "digits" / "DM" / "IPC1").images, made.images)
    assert run("run small.toml --resume").code == 0
    other = run("run small.toml --clom-weighting equal --save-path equal")
    assert other.code == 0, other.err
    alike = load(tmp_path / "equal" / "digits" / "DM" / "IPC1")
    assert alike.facts["clom"]["weighting"] is None
    assert [each["epoch"] for each in alike.facts["clom"]["originals"]] == [2, 2]
    one = run("run small.toml --epoch 2 --save-path one")
    assert one.code == 0, one.err
    kept = load(tmp_path / "one" / "digits" / "DM" / "IPC1")
    assert [each["epoch"] for each in kept.facts["clom"]["originals"]] == [2, 2]
    wrong = run("run small.toml --clom-distance cosine --save-path two")
    assert wrong.code == 2
    assert "is of models that classify: leave out --clom-distance" in wrong.err, wrong.err
