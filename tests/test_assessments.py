"""What every registered assessment must do, and what each computes, written a second way."""

import ast
import math
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import linalg
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge
from torch import Tensor, nn

from conftest import blobs, linear, other_normalisation, watching, weights
from datastill.base.errors import InputError
from datastill.base.rng import Key
from datastill.compute.route import PLAIN
from datastill.data import Domain, ImageSet
from datastill.data.losses import layerwise_cosine
from datastill.evaluation import scores
from datastill.evaluation.assessments import (
    ASSESSMENTS,
    COSTLY,
    Evidence,
    Score,
    matching,
    needs_of,
)
from datastill.evaluation.assessments.feature import balls, frechet, kernel
from datastill.evaluation.assessments.image import spectrum, ssim
from datastill.evaluation.assessments.matching import EXPERT_EPOCHS, GRADIENT_IMAGES, STUDENT
from datastill.evaluation.assessments.readout import RIDGE
from datastill.evaluation.reference import SAMPLE, squared_distances
from datastill.evaluation.scores import assess, family, usual_names
from datastill.networks import Network, build
from datastill.training.pool import (
    Member,
    Pool,
    by_architecture,
    freeze,
    original_fit,
    train_pool,
)

SOURCE = Path(__file__).parents[1] / "src" / "datastill"

WITHOUT_POOL = {
    "diversity",
    "mean-image-distance",
    "nearest-psnr",
    "nearest-ssim",
    "spectrum-distance",
    "total-variation",
}
BY_OWN_NETWORKS = {
    *("fresh-feature-distance", "fresh-gradient-distance", "fresh-kernel-ridge"),
    *("proxy-accuracy", "proxy-likelihood", "trajectory-distance"),
}
"""These need an architecture, and no original model."""

BLIND_TO_LABELS = {
    "coverage",
    "density",
    "frechet-distance",
    "kernel-distance",
    "om-agreement",
    "om-confidence",
    "om-entropy",
    "precision",
    "recall",
    "spectrum-distance",
    "total-variation",
}
"""Labels have no part in these: wrong ones leave the score exactly as it was."""

MISLED_BY_LABELS = {"diversity": "a class of mixed images is more diverse than a pure one"}
MISLED_BY_NOISE = {"diversity": "no two images of noise are alike"}


@pytest.fixture(scope="module")
def pool() -> Pool:
    real, fit = blobs(per_class=30), original_fit(12)
    convnets = train_pool("ConvNetD1W16", real, num=2, fit=fit, key=Key(1))
    return (*convnets, *train_pool("MLP", real, num=1, fit=fit, key=Key(2)))


@pytest.fixture(scope="module")
def good(pool: Pool) -> Evidence:
    real, unseen = blobs(per_class=30), blobs("unseen", per_class=20)
    return Evidence(blobs("synthetic", per_class=6), real, pool, Key(3), held_out=unseen)


@pytest.fixture(scope="module")
def worse(good: Evidence) -> dict[str, Evidence]:
    """Sets made worse on purpose, and sets that leave hardly anything to compute with."""
    data = good.synthetic
    one = torch.stack([rows[0] for rows in data.rows_by_class])
    noise = torch.randn(data.images.shape, generator=Key(5).generator())
    shuffled = torch.randperm(len(data), generator=Key(6).generator())
    sets = {
        "permuted": replace(data, labels=data.labels[shuffled]),
        "noise": replace(data, images=data.domain.normalise(0.5 + 0.6 * noise)),
        "one image per class": data.take(one),
        "one image": data.take(torch.tensor([0])),
        "a class missing": data.take(data.labels != 2),
        "a class alone": data.take(data.labels == 2),
        "constant": replace(data, images=torch.zeros_like(data.images)),
        "constants": replace(
            data, images=torch.ones_like(data.images) * data.labels[:, None, None, None]
        ),
        "a copy of real images": good.train.take(torch.arange(20)),
        "soft": replace(data, labels=F.one_hot(data.labels, 4) * 0.9 + 0.025),
    }
    return {name: good.of(found) for name, found in sets.items()}


@pytest.fixture(params=ASSESSMENTS.names)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


def gain(name: str, one: Evidence, other: Evidence) -> float:
    """How much better one is than the other."""
    first, second = ASSESSMENTS[name](one), ASSESSMENTS[name](other)
    return (first.value - second.value) * (1 if first.better == "higher" else -1)


# The contract.


def test_a_set_with_wrong_labels_scores_worse(
    name: str, good: Evidence, worse: dict[str, Evidence]
) -> None:
    found = gain(name, good, worse["permuted"])
    if name in BLIND_TO_LABELS:
        assert abs(found) < 1e-6
    elif name in MISLED_BY_LABELS:
        assert found < 0
    else:
        assert found > 0


def test_a_set_of_noise_scores_worse(name: str, good: Evidence, worse: dict[str, Evidence]) -> None:
    found = gain(name, good, worse["noise"])
    assert found <= 0 if name in MISLED_BY_NOISE else found > 0


@pytest.mark.parametrize(
    "case",
    [
        "one image per class",
        "one image",
        "a class missing",
        "a class alone",
        "constant",
        "constants",
        "a copy of real images",
        "soft",
    ],
)
def test_poor_sets_have_finite_scores(name: str, case: str, worse: dict[str, Evidence]) -> None:
    assert math.isfinite(ASSESSMENTS[name](worse[case]).value)


def test_sets_of_the_same_images_score_the_same(name: str, good: Evidence) -> None:
    order = torch.randperm(len(good.synthetic), generator=Key(4).generator())
    assert gain(name, good, good.of(good.synthetic.take(order))) == 0


def test_the_key_decides(name: str, good: Evidence) -> None:
    again = replace(good)
    torch.rand(3)
    assert ASSESSMENTS[name](again) == ASSESSMENTS[name](good)


def test_another_normalisation_changes_nothing(name: str, good: Evidence) -> None:
    other = good.synthetic.under(other_normalisation(good.synthetic.domain))
    found, expected = ASSESSMENTS[name](good.of(other)), ASSESSMENTS[name](good)
    assert found.value == pytest.approx(expected.value, rel=1e-3, abs=1e-5)


def test_soft_labels_of_certainty_are_hard_ones(name: str, good: Evidence) -> None:
    data = good.synthetic
    soft = good.of(replace(data, labels=F.one_hot(data.labels, 4).float()))
    found, expected = ASSESSMENTS[name](soft), ASSESSMENTS[name](good)
    assert found.value == pytest.approx(expected.value, rel=1e-3, abs=1e-6)


def test_an_empty_pool_is_refused_by_name_or_not_needed(name: str, good: Evidence) -> None:
    without = replace(good, pool=())
    if name in WITHOUT_POOL:
        assert ASSESSMENTS[name](without) == ASSESSMENTS[name](good)
        return
    with pytest.raises(InputError, match="needs a pool"):
        ASSESSMENTS[name](without)
    told = replace(without, students=tuple(by_architecture(good.pool)))
    if name in BY_OWN_NETWORKS:
        assert ASSESSMENTS[name](told) == ASSESSMENTS[name](good)
    else:
        with pytest.raises(InputError, match="needs a pool"):
            ASSESSMENTS[name](told)


def test_what_an_assessment_needs_is_what_it_says(name: str, good: Evidence) -> None:
    needs = needs_of(ASSESSMENTS[name])
    assert ("originals" in needs) == (name not in WITHOUT_POOL | BY_OWN_NETWORKS)
    without = replace(good, held_out=None)
    if "held_out" in needs:
        with pytest.raises(InputError, match=r"that nothing has seen: `assess_share=0.05` keeps"):
            ASSESSMENTS[name](without)
        with pytest.raises(
            InputError, match=f"^{name} needs training images that nothing has seen"
        ):
            assess(without, ["diversity", name])
    else:
        assert ASSESSMENTS[name](without) == ASSESSMENTS[name](good)


def test_nothing_is_changed(name: str, good: Evidence) -> None:
    before = good.synthetic.images.clone(), good.train.images.clone()
    states = [weights(member.network) for member in good.pool]
    ASSESSMENTS[name](good)
    assert torch.equal(good.synthetic.images, before[0])
    assert torch.equal(good.train.images, before[1])
    for member, state in zip(good.pool, states, strict=True):
        assert all(torch.equal(value, state[k]) for k, value in weights(member.network).items())
        assert not any(weight.requires_grad for weight in member.network.parameters())
        assert not member.network.training


def test_a_missing_class_of_real_images_is_no_obstacle(name: str, good: Evidence) -> None:
    train = good.train.take(good.train.labels != 1)
    found = ASSESSMENTS[name](replace(good, train=train))
    assert math.isfinite(found.value)


# Evidence.


def test_evidence_has_no_way_to_a_test_set(good: Evidence) -> None:
    given = [found.name for found in fields(Evidence) if found.init]
    assert given == [
        *("synthetic", "train", "pool", "key", "route", "early", "held_out", "students"),
    ]
    assess(good)
    names = {*dir(good), *dir(good.reference), *dir(good.originals[0])}
    assert not [found for found in names if "test" in found]


def test_assessments_reach_neither_validation_nor_datasets() -> None:
    modules = {
        ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__"): path
        for path in SOURCE.rglob("*.py")
    }
    waiting = [name for name in modules if name.startswith("evaluation.assessments")]
    waiting, reached = [*waiting, "evaluation.scores"], set[str]()
    while waiting:
        here = waiting.pop()
        reached.add(here)
        for node in ast.walk(ast.parse(modules[here].read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("datastill."):
                module = (node.module or "").partition(".")[2]
                names = {module, *(f"{module}.{alias.name}" for alias in node.names)}
                waiting += (names & set(modules)) - reached
    assert {"evaluation.assessments.feature", "training.pool", "data.images"} <= reached
    forbidden = ("evaluation.validation", "datasets", "store", "distillation", "cli")
    assert not [name for name in reached if name.startswith(forbidden)]


def test_evidence_refuses_what_cannot_be_scored(good: Evidence) -> None:
    data = good.synthetic
    broken = data.images.clone()
    broken[3, 0, 0, 0] = torch.nan
    for synthetic, message in [
        (data.take(torch.tensor([], dtype=torch.long)), "the synthetic set: not a single image"),
        (replace(data, images=broken), "not finite"),
        (replace(data, labels=data.labels + 1), "outside the classes"),
        (blobs(shape=(1, 8, 8)), "images of 1x8x8"),
    ]:
        with pytest.raises(InputError, match=message):
            good.of(synthetic)
    with pytest.raises(InputError, match="the training images: not a single image"):
        replace(good, train=good.train.take(torch.tensor([], dtype=torch.long)))


def test_a_member_of_another_kind_is_refused(good: Evidence) -> None:
    other = blobs(shape=(1, 8, 8)).domain
    stranger = freeze(linear(other), "Linear", other, {})
    with pytest.raises(InputError, match="1x8x8"):
        ASSESSMENTS["om-accuracy"](replace(good, pool=(stranger,)))


def test_the_real_side_is_shared_and_small(good: Evidence) -> None:
    real = blobs(per_class=(SAMPLE + 20, 3, 0, SAMPLE))
    evidence = replace(good, train=real)
    assert evidence.reference.sample.counts == (SAMPLE, 3, 0, SAMPLE)
    other = evidence.of(blobs("other", per_class=2))
    assert other.reference is evidence.reference
    assert other.originals is not evidence.originals
    assert other.originals[0].judge is evidence.originals[0].judge
    assert float(other.originals[0].real.square().mean()) == pytest.approx(1)


def test_the_real_side_is_worked_out_once(good: Evidence) -> None:
    reference = replace(good).reference
    assert reference.once("name", list) is reference.once("name", dict)
    assert replace(good).reference.known.parts == {}


def test_pixels_out_of_all_bounds_are_refused(good: Evidence) -> None:
    wild = good.of(replace(good.synthetic, images=good.synthetic.images * 1e38))
    with pytest.raises(InputError, match="gives values that are not finite"):
        ASSESSMENTS["frechet-distance"](wild)


def test_a_fresh_network_knows_its_batch_statistics(good: Evidence) -> None:
    fresh = good.reference.fresh_network("ConvNetD1W16BN")
    norm = next(part for part in fresh.modules() if isinstance(part, nn.BatchNorm2d))
    convolution = next(part for part in fresh.modules() if isinstance(part, nn.Conv2d))
    seen = convolution(good.reference.sample.images)
    assert norm.running_mean is not None
    assert torch.allclose(norm.running_mean, seen.mean((0, 2, 3)), atol=1e-5)
    assert (norm.momentum, norm.training) == (0.1, False)


# Scores.


def test_assess_makes_all_but_costly_ones(good: Evidence) -> None:
    found = assess(good)
    everything = [name for name in found if "/" not in name]
    assert everything == [name for name in ASSESSMENTS.names if name not in COSTLY]
    assert COSTLY.names == [
        *("fidelity-and-coverage", "fidelity-and-trajectory"),
        *("proxy-accuracy", "proxy-likelihood", "trajectory-distance"),
    ]
    for name, assessed in found.items():
        if "/" not in name:
            assert assessed.score == ASSESSMENTS[name](good)
        assert assessed.seconds > 0


def test_assess_takes_names_as_people_write_them(good: Evidence) -> None:
    assert list(assess(good, ["OM_Accuracy", "diversity"])) == ["om-accuracy", "diversity"]
    with pytest.raises(InputError, match="did you mean 'om-accuracy'"):
        assess(good, ["om-acuracy"])


@pytest.fixture(scope="module")
def varied(good: Evidence, pool: Pool) -> Evidence:
    """Evidence with a pool of two architectures, two of its members twice as early ones."""
    early = [
        replace(member, facts={**member.facts, "epoch": epoch})
        for epoch in (4, 2)
        for member in pool
    ]
    strangers = [
        freeze(linear(good.train.domain, seed), "Linear", good.train.domain, {"epoch": 2})
        for seed in (1, 2)
    ]
    return replace(good, early=(*early[::2], *strangers))


def test_parts_of_the_pool_judge_by_themselves(varied: Evidence) -> None:
    names = usual_names(varied)
    parts = [name for name in names if name.startswith("om-margin")]
    assert parts == [f"om-margin{part}" for part in ("", "/ConvNetD1W16", "/MLP", "@2", "@4")]
    assert all(family(name) == "semantic" for name in names if set("@/") & set(name))
    found = assess(varied, parts)
    alone = {
        "/ConvNetD1W16": varied.pool[:2],
        "/MLP": varied.pool[2:],
        "@2": [member for member in varied.early if member.facts["epoch"] == 2],
        "@4": [member for member in varied.early if member.facts["epoch"] == 4],
    }
    for part, members in alone.items():
        expected = value("om-margin", replace(varied, pool=members))
        assert found[f"om-margin{part}"].score.value == pytest.approx(expected)
    (both,) = assess(varied, ["om_margin/linear@2"]).items()
    assert both[0] == "om-margin/Linear@2"
    expected = value("om-margin", replace(varied, pool=varied.early[-2:]))
    assert both[1].score.value == pytest.approx(expected)
    weights = 2 * found["om-margin/ConvNetD1W16"].score.value + found["om-margin/MLP"].score.value
    assert found["om-margin"].score.value == pytest.approx(weights / 3)


def test_any_assessment_can_be_asked_of_a_part(varied: Evidence) -> None:
    (found,) = assess(varied, ["frechet-distance/MLP"]).values()
    assert found.score.value == pytest.approx(
        value("frechet-distance", replace(varied, pool=varied.pool[2:]))
    )


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("om-accuracy/MLQ", "no original models named 'MLQ' in this pool; did you mean 'MLP'"),
        ("om-accuracy@3", "no early models of epoch 3; there are 2, 4"),
        ("om-accuracy@late", "'late' is no number of epochs"),
        ("om-acuracy/MLP", "did you mean 'om-accuracy'"),
    ],
)
def test_parts_that_are_not_there_are_told(name: str, complaint: str, varied: Evidence) -> None:
    with pytest.raises(InputError, match=complaint):
        assess(varied, [name])


def test_a_pass_is_shared_by_all_parts(varied: Evidence) -> None:
    fresh = replace(varied, route=PLAIN)
    assess(fresh, [name for name in usual_names(fresh) if family(name) == "semantic"])
    passed = [name[0] for name in fresh.known.parts if isinstance(name, tuple)]
    assert passed.count("features") == passed.count("said") == len(fresh.pool) + len(fresh.early)
    assert not fresh.reference.known.parts  # no real image is looked at


def test_costs_do_not_depend_on_who_comes_first(good: Evidence) -> None:
    names = ["coverage", "precision", "om-accuracy"]
    for order in (names, names[::-1]):
        evidence = replace(good)
        found = assess(evidence, order)
        parts = evidence.known.parts.items()
        features = sum(part.seconds for name, part in parts if "features" in name)
        assert features > 0
        assert all(found[name].seconds > features for name in names)
        assert found["coverage"].once == found["precision"].once > 0
        assert found["om-accuracy"].once == 0  # no real image has a part in it


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_assess_names_what_is_not_finite(
    value: float, good: Evidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken:
        names = ("broken",)

        def spelling(self, name: str) -> str:
            return name

        def __getitem__(self, name: str) -> Callable[[Any], Score]:
            return lambda _: Score(value, "lower")

    monkeypatch.setattr(scores, "ASSESSMENTS", Broken())
    with pytest.raises(InputError, match=f"broken found {value}"):
        assess(good)


# Formulas. Pixels are features, and what a model says is a matrix times them.

LINE = Domain("line", (1, 1, 3), ("a", "b", "c"), (0.0,), (1.0,))
REAL = [[3.0, 1, 0], [2.0, 0, 0], [0.0, 3, 1], [1.0, 2, 1], [0.0, 1, 4], [1.0, 0, 2]]
SYNTHETIC = [[2.0, 1, 0], [1.0, 2, 2], [0.0, 2, 0], [1.0, 0, 3], [0.0, 1, 1]]
LABELS = [0, 0, 1, 2, 2]


def line(points: list[list[float]], labels: list[int]) -> ImageSet:
    return ImageSet(torch.tensor(points).reshape(-1, 1, 1, 3), torch.tensor(labels), LINE)


def says(matrix: list[list[float]]) -> Member:
    head = nn.Linear(3, 3, bias=False)
    head.weight.data = torch.tensor(matrix)
    return freeze(Network(nn.Flatten(), head), "MLP", LINE, {})


TURN = [[0.0, 1, 0], [0, 0, 1], [1, 0, 0]]
IDENTITY = [[1.0, 0, 0], [0, 1, 0], [0, 0, 1]]


@pytest.fixture
def small() -> Evidence:
    pool = (says(IDENTITY), says(TURN), says((torch.eye(3) * 2).tolist()))
    return Evidence(line(SYNTHETIC, LABELS), line(REAL, [0, 0, 1, 1, 2, 2]), pool, Key(0))


def value(name: str, evidence: Evidence) -> float:
    return ASSESSMENTS[name](evidence).value


def root_mean_square(points: list[list[float]]) -> float:
    return float(np.sqrt(np.mean(np.square(points))))


def test_semantic_formulas(small: Evidence) -> None:
    right, surprise, confidence, margin, entropy = ([] for _ in range(5))
    chosen: list[list[int]] = [[] for _ in SYNTHETIC]
    for matrix in (np.eye(3), np.array(TURN), 2 * np.eye(3)):
        for i, (point, label) in enumerate(zip(SYNTHETIC, LABELS, strict=True)):
            said = matrix @ np.array(point)
            shares = np.exp(said) / np.exp(said).sum()
            chosen[i].append(int(np.argmax(said)))
            right.append(chosen[i][-1] == label)
            surprise.append(-np.log(shares[label]))
            confidence.append(shares.max())
            margin.append(shares[label] - max(np.delete(shares, label)))
            entropy.append(-(shares * np.log(shares)).sum())
    assert value("om-accuracy", small) == pytest.approx(np.mean(right))
    assert value("om-cross-entropy", small) == pytest.approx(np.mean(surprise), rel=1e-5)
    assert value("om-confidence", small) == pytest.approx(np.mean(confidence), rel=1e-5)
    assert value("om-margin", small) == pytest.approx(np.mean(margin), rel=1e-5)
    assert value("om-entropy", small) == pytest.approx(np.mean(entropy), rel=1e-5)
    pairs = [c[a] == c[b] for c in chosen for a, b in ((0, 1), (0, 2), (1, 2))]
    assert value("om-agreement", small) == pytest.approx(np.mean(pairs))
    assert value("om-agreement", replace(small, pool=small.pool[:1])) == 1


def test_soft_labels_share_the_cross_entropy_out(small: Evidence) -> None:
    soft = torch.tensor([[0.7, 0.2, 0.1]] * 5)
    data = replace(small.synthetic, labels=soft)
    logs = torch.tensor(SYNTHETIC).log_softmax(1)
    evidence = replace(small, synthetic=data, pool=small.pool[:1])
    assert value("om-cross-entropy", evidence) == pytest.approx(
        float(-(soft * logs).sum(1).mean()), rel=1e-5
    )


def test_feature_distances_of_small_sets(small: Evidence) -> None:
    a, b = (np.array(p) / root_mean_square(REAL) for p in (SYNTHETIC, REAL))
    root = linalg.sqrtm(np.cov(a.T, bias=True) @ np.cov(b.T, bias=True))
    expected = (
        ((a.mean(0) - b.mean(0)) ** 2).sum()
        + np.trace(np.cov(a.T, bias=True) + np.cov(b.T, bias=True))
        - 2 * np.trace(root).real
    )
    assert value("frechet-distance", small) == pytest.approx(expected, rel=1e-5)

    def mean_kernel(x: Any, y: Any, *, same: bool) -> float:
        found = [
            (p @ q / 3 + 1) ** 3
            for i, p in enumerate(x)
            for j, q in enumerate(y)
            if not (same and i == j)
        ]
        return float(np.mean(found))

    expected = mean_kernel(a, a, same=True) + mean_kernel(b, b, same=True)
    expected -= 2 * mean_kernel(a, b, same=False)
    assert value("kernel-distance", small) == pytest.approx(expected, rel=1e-5)


def test_class_distances_average_those_of_the_classes(small: Evidence) -> None:
    a, b = (torch.tensor(p).double() / root_mean_square(REAL) for p in (SYNTHETIC, REAL))
    classes = [(a[:2], b[:2]), (a[2:3], b[2:4]), (a[3:], b[4:])]
    for name, distance in (("class-frechet-distance", frechet), ("class-kernel-distance", kernel)):
        expected = np.mean([distance(s, r) for s, r in classes])
        assert value(name, small) == pytest.approx(expected, rel=1e-5)
    lacking = small.of(small.synthetic.take(torch.tensor([0, 1, 3, 4])))
    rest = a[[0, 1, 3, 4]]
    expected = np.mean([frechet(s, r) for s, r in (classes[0], (rest, b[2:4]), classes[2])])
    assert value("class-frechet-distance", lacking) == pytest.approx(expected, rel=1e-5)


def test_the_kernel_of_one_image_stands_in() -> None:
    one, two = torch.tensor([[1.0]]), torch.tensor([[0.0], [2.0]])
    # 2**3 with itself; (0 * 2 + 1)**3 among the two; 1**3 and 3**3 between.
    assert kernel(one, two) == pytest.approx(8 + 1 - 2 * (1 + 27) / 2)


def test_equal_sets_are_at_no_distance() -> None:
    points = torch.randn(7, 20, generator=Key(0).generator()).double()
    assert frechet(points, points.flip(0)) == pytest.approx(0, abs=1e-9)
    assert squared_distances(points, points).diagonal().tolist() == [0] * 7


def test_balls_by_hand() -> None:
    real = torch.tensor([[0.0], [1], [2], [3], [4], [5], [20]]).double()
    synthetic = torch.tensor([[2.0], [-4], [30]]).double()
    found = balls(
        squared_distances(synthetic, real),
        squared_distances(synthetic, synthetic),
        squared_distances(real, real),
    )
    # Radii of the real points, to the fifth neighbour: 5 4 3 3 4 5 19; of synthetic: 28, 34, 34.
    inside = [[1, 1, 1, 1, 1, 1, 1], [1, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 1]]
    assert found.in_real.int().tolist() == inside
    assert found.in_synthetic.int().tolist() == [[1] * 7, [1] * 7, [1] * 7]
    assert found.neighbours == 5


def test_shares_of_balls(small: Evidence) -> None:
    a, b = (np.array(p) for p in (SYNTHETIC, REAL))
    reach = [sorted(np.linalg.norm(b - p, axis=1))[5] for p in b]
    own = [sorted(np.linalg.norm(a - p, axis=1))[4] for p in a]
    inside = np.array([[np.linalg.norm(p - q) <= r for q, r in zip(b, reach)] for p in a])  # noqa: B905
    around = np.array([[np.linalg.norm(p - q) <= r for q in b] for p, r in zip(a, own)])  # noqa: B905
    assert value("precision", small) == pytest.approx(inside.any(1).mean())
    assert value("coverage", small) == pytest.approx(inside.any(0).mean())
    assert value("density", small) == pytest.approx(inside.sum() / 5 / len(a))
    assert value("recall", small) == pytest.approx(around.any(0).mean())


def test_scatter_is_the_share_within_classes(small: Evidence) -> None:
    a, labels = np.array(SYNTHETIC), np.array(LABELS)
    groups = [a[labels == k] for k in range(3)]
    within = sum(((g - g.mean(0)) ** 2).sum() for g in groups)
    between = sum(len(g) * ((g.mean(0) - a.mean(0)) ** 2).sum() for g in groups)
    assert value("scatter", small) == pytest.approx(within / (within + between), rel=1e-6)
    assert value("scatter", small.of(line(SYNTHETIC[1:4], [0, 1, 2]))) == 0
    assert value("scatter", small.of(line([[1.0, 2, 3]] * 3, [0, 1, 2]))) == 1


def test_gradient_distance_of_a_linear_model(small: Evidence) -> None:
    def gradient(points: list[list[float]], label: int) -> Tensor:
        x = torch.tensor(points)
        wrong = x.softmax(1) - F.one_hot(torch.tensor([label] * len(x)), 3)
        return wrong.T @ x / len(x)

    evidence = replace(small, pool=small.pool[:1])
    classes = [(REAL[:2], SYNTHETIC[:2]), (REAL[2:4], SYNTHETIC[2:3]), (REAL[4:], SYNTHETIC[3:])]
    found = [
        float(layerwise_cosine([gradient(r, k)], [gradient(s, k)]))
        for k, (r, s) in enumerate(classes)
    ]
    assert value("om-gradient-distance", evidence) == pytest.approx(np.mean(found), rel=1e-4)
    lacking = evidence.of(small.synthetic.take(torch.tensor([0, 1, 3, 4])))
    found[1] = 3  # one for each row of the weights
    assert value("om-gradient-distance", lacking) == pytest.approx(np.mean(found), rel=1e-4)


def test_gradient_distance_of_an_untrained_network(small: Evidence) -> None:
    network = build("MLP", LINE, key=Key(0).at("fresh", "MLP"))

    def gradient(points: list[list[float]], label: int) -> tuple[Tensor, ...]:
        said = network(torch.tensor(points).reshape(-1, 1, 1, 3))
        risk = F.cross_entropy(said, torch.full((len(points),), label))
        return torch.autograd.grad(risk, list(network.parameters()))

    classes = [(REAL[:2], SYNTHETIC[:2]), (REAL[2:4], SYNTHETIC[2:3]), (REAL[4:], SYNTHETIC[3:])]
    found = [
        float(layerwise_cosine(gradient(r, k), gradient(s, k))) for k, (r, s) in enumerate(classes)
    ]
    assert value("fresh-gradient-distance", small) == pytest.approx(np.mean(found), rel=1e-4)


def test_gradient_distance_takes_one_model_of_each_architecture(good: Evidence) -> None:
    both, one = good.pool[::2], good.pool[:1]
    first = value("om-gradient-distance", replace(good, pool=one))
    last = value("om-gradient-distance", replace(good, pool=good.pool[2:]))
    mixed = value("om-gradient-distance", replace(good, pool=both))
    assert mixed == pytest.approx((first + last) / 2)
    assert value("om-gradient-distance", good) == pytest.approx(mixed)


def test_gradients_are_those_of_a_few_real_images(good: Evidence) -> None:
    evidence = replace(good, pool=good.pool[:1], route=PLAIN)
    with watching() as seen:
        value("om-gradient-distance", evidence)
    sizes = [len(images) for _, _, images in seen]
    assert sorted(sizes) == [6] * 4 + [GRADIENT_IMAGES] * 4
    assert not any(training for _, training, _ in seen)


def test_real_gradients_are_kept_unless_they_are_large(
    good: Evidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    evidence = replace(good, pool=good.pool[:1], route=PLAIN)
    passes = list[int]()
    for kept in (True, False):
        first = replace(evidence)
        monkeypatch.setattr(matching, "KEPT", matching.KEPT if kept else 0)
        score = value("om-gradient-distance", first)
        with watching() as seen:
            assert value("om-gradient-distance", first.of(good.synthetic)) == score
        passes.append(len(seen))
    assert passes == [4, 8]


def test_feature_distance_is_that_of_means(small: Evidence) -> None:
    def distance(a: Any, b: Any) -> float:
        scale = np.sqrt(np.mean(b**2))
        groups = [(a[:2], b[:2]), (a[2:3], b[2:4]), (a[3:], b[4:])]
        return sum(((s.mean(0) - r.mean(0)) ** 2).sum() for s, r in groups) / scale**2

    a, b = np.array(SYNTHETIC), np.array(REAL)
    assert value("om-feature-distance", small) == pytest.approx(distance(a, b), rel=1e-5)
    # The sample is sorted by class, and holds all real images in an order of its own.
    network = build("MLP", LINE, key=Key(0).at("fresh", "MLP"))
    with torch.no_grad():
        seen = [network.embed(torch.tensor(p)).double().numpy() for p in (SYNTHETIC, REAL)]
    assert value("fresh-feature-distance", small) == pytest.approx(distance(*seen), rel=1e-4)


def test_trajectory_distance_by_steps_of_our_own(small: Evidence) -> None:
    def led(data: ImageSet) -> Tensor:
        network = build("MLP", LINE, key=Key(0).at("fresh", "MLP"))
        parameters = list(network.parameters())
        for _ in range(EXPERT_EPOCHS):
            loss = F.cross_entropy(network(data.images), data.labels)
            for weight, found in zip(
                parameters, torch.autograd.grad(loss, parameters), strict=True
            ):
                weight.data -= STUDENT.lr * found
        return torch.cat([weight.detach().double().flatten() for weight in parameters])

    start = build("MLP", LINE, key=Key(0).at("fresh", "MLP")).parameters()
    start = torch.cat([weight.detach().double().flatten() for weight in start])
    expert, student = led(small.train), led(small.synthetic)
    expected = (student - expert).square().sum() / (start - expert).square().sum()
    assert value("trajectory-distance", small) == pytest.approx(float(expected), rel=1e-3)


def test_an_expert_is_trained_once_for_all_sets(small: Evidence) -> None:
    value("trajectory-distance", small)
    with watching() as seen:
        value("trajectory-distance", replace(small).of(small.synthetic))
        anew = len(seen)
        value("trajectory-distance", small.of(small.synthetic))
    assert anew == 2 * EXPERT_EPOCHS
    assert len(seen) - anew == EXPERT_EPOCHS


def test_the_real_set_leads_where_it_leads(small: Evidence) -> None:
    assert value("trajectory-distance", small.of(small.train)) == pytest.approx(0, abs=1e-6)


# Images.

GREY = Domain("grey", (1, 12, 13), ("a", "b"), (0.5,), (0.25,))


def grey(pixels: Tensor, labels: list[int]) -> ImageSet:
    return ImageSet(GREY.normalise(pixels), torch.tensor(labels), GREY)


def uniform(n: int, seed: int) -> Tensor:
    return torch.rand(n, 1, 12, 13, generator=Key(seed).generator())


@pytest.fixture
def pictures() -> Evidence:
    train = grey(uniform(4, 1), [0, 0, 1, 1])
    return Evidence(grey(uniform(3, 2), [0, 1, 1]), train, (), Key(0))


def naive_ssim(a: Any, b: Any) -> float:
    place = np.arange(11) - 5
    window = np.exp(-(place[:, None] ** 2 + place**2) / (2 * 1.5**2))
    window /= window.sum()
    found = []
    for top in range(2):
        for left in range(3):
            x, y = (p[top : top + 11, left : left + 11] for p in (a, b))
            mx, my = (window * x).sum(), (window * y).sum()
            vx, vy = (window * (x - mx) ** 2).sum(), (window * (y - my) ** 2).sum()
            shared = (window * (x - mx) * (y - my)).sum()
            top_part = (2 * mx * my + 0.0001) * (2 * shared + 0.0009)
            found.append(top_part / ((mx**2 + my**2 + 0.0001) * (vx + vy + 0.0009)))
    return float(np.mean(found))


def test_nearest_real_images(pictures: Evidence) -> None:
    a, b = uniform(3, 2).numpy()[:, 0], uniform(4, 1).numpy()[:, 0]
    near = [(0, (0, 1)), (1, (2, 3)), (2, (2, 3))]
    noise = [max(-10 * np.log10(np.mean((a[i] - b[j]) ** 2)) for j in js) for i, js in near]
    alike = [max(naive_ssim(a[i], b[j]) for j in js) for i, js in near]
    assert value("nearest-psnr", pictures) == pytest.approx(np.mean(noise), rel=1e-4)
    assert value("nearest-ssim", pictures) == pytest.approx(np.mean(alike), rel=1e-3)


def test_a_real_image_is_not_its_own_neighbour(pictures: Evidence) -> None:
    b = uniform(4, 1).numpy()[:, 0]
    copied, pairs = pictures.of(pictures.train), ((0, 1), (2, 3))
    assert int(copied.copies.sum()) == 4
    noise = [-10 * np.log10(np.mean((b[i] - b[j]) ** 2)) for i, j in pairs]
    assert value("nearest-psnr", copied) == pytest.approx(np.mean(noise), rel=1e-4)
    alike = [naive_ssim(b[i], b[j]) for i, j in pairs]
    assert value("nearest-ssim", copied) == pytest.approx(np.mean(alike), rel=1e-3)
    lonely = replace(copied, train=pictures.train.take(torch.tensor([0, 2])))
    lonely = lonely.of(lonely.train)
    assert value("nearest-psnr", lonely) == pytest.approx(100)
    assert value("nearest-ssim", lonely) == pytest.approx(1)


def test_readouts_are_not_tested_on_what_they_learnt(small: Evidence) -> None:
    # The first image of class 0 is in the set, whose other images mislead about all the rest.
    wrong = small.of(line([*REAL[:1], *REAL[1:3], [9.0, 9, 9]], [0, 1, 0, 2]))
    held_out = wrong.reference.sample.take(~wrong.copies.any(0))
    assert sorted(held_out.images.flatten(1).tolist()) == sorted(REAL[3:])
    one = replace(wrong, pool=small.pool[:1])
    means = np.array([np.mean([REAL[0], REAL[2]], axis=0), REAL[1], [9, 9, 9]])
    right = [
        np.linalg.norm(means - point, axis=1).argmin() == label
        for point, label in zip(REAL[3:], [1, 2, 2], strict=True)
    ]
    assert value("nearest-class-mean", one) == pytest.approx(np.mean(right))
    assert value("linear-probe", small.of(small.train)) == 1  # nothing else to be tested on


def test_ssim_fits_its_window_to_small_images() -> None:
    pixels = torch.rand(2, 3, 4, 6, generator=Key(0).generator())
    found = ssim(pixels, pixels)
    assert found.shape == (2, 2)
    assert torch.allclose(found.diagonal(), torch.ones(2), atol=1e-4)
    assert torch.allclose(found, found.T, atol=1e-5)
    # Constant images differ in their light alone.
    dark, light = torch.full((1, 1, 12, 12), 0.2), torch.full((1, 1, 12, 12), 0.6)
    expected = (2 * 0.2 * 0.6 + 0.0001) / (0.2**2 + 0.6**2 + 0.0001)
    assert float(ssim(dark, light)) == pytest.approx(expected, rel=1e-3)


def test_mean_images_and_spread(pictures: Evidence) -> None:
    a, b = uniform(3, 2).numpy().reshape(3, -1), uniform(4, 1).numpy().reshape(4, -1)
    groups = [(a[:1], b[:2]), (a[1:], b[2:])]
    apart = [np.sqrt(np.mean((s.mean(0) - r.mean(0)) ** 2)) for s, r in groups]
    assert value("mean-image-distance", pictures) == pytest.approx(np.mean(apart), rel=1e-5)
    ratio = np.linalg.norm(a[1] - a[2]) / np.linalg.norm(b[2] - b[3])
    assert value("diversity", pictures) == pytest.approx(ratio / 2, rel=1e-5)
    assert value("diversity", pictures.of(pictures.train)) == pytest.approx(1, rel=1e-5)


def test_total_variation_is_held_against_real_images(pictures: Evidence) -> None:
    half = grey(0.5 * uniform(4, 1), [0, 0, 1, 1])
    assert value("total-variation", pictures.of(half)) == pytest.approx(math.log(2), rel=1e-4)
    assert value("total-variation", pictures.of(pictures.train)) == pytest.approx(0, abs=1e-9)


def test_a_wave_has_its_power_in_one_ring(pictures: Evidence) -> None:
    wave = torch.cos(2 * math.pi * 3 * torch.arange(16) / 16).expand(1, 1, 16, 16)
    found = spectrum(wave.double())
    # Rings 0 to 11; of the frequencies in ring 3, two hold (256 / 2)^2 / 256 = 64 each.
    ring = sum(round(math.hypot(i, j)) == 3 for i in range(-8, 8) for j in range(-8, 8))
    expected = torch.full((12,), -6.0, dtype=torch.double)
    expected[3] += 2 * (math.log10(64) + 6) / ring
    assert torch.allclose(found, expected, atol=1e-2)
    assert value("spectrum-distance", pictures.of(pictures.train)) == pytest.approx(0, abs=1e-9)
    tenth = grey(0.1 * uniform(4, 1), [0, 0, 1, 1])
    assert value("spectrum-distance", pictures.of(tenth)) == pytest.approx(2, rel=1e-2)


# Readouts.


@pytest.mark.parametrize("case", ["plain", "permuted"])
def test_readouts_written_a_second_way(
    case: str, good: Evidence, worse: dict[str, Evidence]
) -> None:
    evidence = good if case == "plain" else worse["permuted"]
    y, wanted = evidence.judged.labels.numpy(), evidence.reference.sample.labels.numpy()
    targets = np.eye(4)[y]
    found: dict[str, list[float]] = {"mean": [], "linear": [], "kernel": []}
    for view in evidence.originals:
        a, b = view.synthetic.numpy(), view.real.numpy()
        centres = np.stack([a[y == k].mean(0) for k in range(4)])
        nearest = np.linalg.norm(b[:, None] - centres, axis=2).argmin(1)
        found["mean"].append(float((nearest == wanted).mean()))
        centred = a - a.mean(0)
        alpha = RIDGE * np.mean((centred**2).sum(1))
        said = Ridge(alpha=alpha).fit(a, targets).predict(b)
        found["linear"].append(float((said.argmax(1) == wanted).mean()))
        gamma = 1 / float(torch.cdist(view.real, view.real).square().mean())
        model = KernelRidge(alpha=RIDGE, kernel="rbf", gamma=gamma)
        said = model.fit(a, targets - targets.mean(0)).predict(b) + targets.mean(0)
        found["kernel"].append(float((said.argmax(1) == wanted).mean()))
    assert value("nearest-class-mean", evidence) == pytest.approx(np.mean(found["mean"]))
    assert value("linear-probe", evidence) == pytest.approx(np.mean(found["linear"]))
    assert value("kernel-ridge", evidence) == pytest.approx(np.mean(found["kernel"]))


def test_a_class_that_is_missing_is_never_found(worse: dict[str, Evidence]) -> None:
    for name in ("nearest-class-mean", "linear-probe", "kernel-ridge"):
        assert value(name, worse["a class alone"]) == pytest.approx(0.25)
        assert value(name, worse["a class missing"]) <= 0.75
