"""Words beside the name of a dataset: some leave it as it is, others make it another."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from datastill.exchange.base.names import runs_in, words_of

VARIANTS = {"c", "m", "n", "h", "lt", "rot", "rotated"}
"""Words that make a name that of another dataset wherever they follow it: MNIST-M, CIFAR10-C."""

FOREIGN = re.compile(
    r"\w*(mnist|cifar|imagenet|svhn)\w*"
    r"|usps|stl(10)?|cinic(10)?|celeba\w*|omniglot|gtsrb|cub(200)?|flowers(102)?|food(101)?"
    r"|caltech\w*|places(365)?|lsun|synthdigits|syndigits|coil(20|100)?|pets|aircraft|eurosat"
)
"""Datasets that are not known here: a name that speaks of one more is that of neither."""

MADE = {
    *("syn", "synth", "synthetic", "synthesized", "synthesised", "distilled", "distill", "dd"),
    *("distillation", "condensed", "condensation", "condense", "learned", "learnt", "optimized"),
    *("optimised", "generated", "compressed", "coreset", "random", "herding", "kmeans", "kcenter"),
    *("image", "images", "img", "imgs", "label", "labels", "pixels", "data", "dataset", "datasets"),
    *("set", "sets", "tensor", "tensors", "x", "y", "soft", "hard", "logits", "zca", "whitened"),
    *("normalized", "normalised", "raw", "aug", "noaug", "augmented", "noise", "init", "real"),
    *("train", "training", "test", "val", "validation", "eval", "full", "all", "whole"),
}
"""Words that say what was made of a dataset."""

RUNS = {
    *("ipc", "spc", "dpc", "ppc", "seed", "exp", "experiment", "run", "runs", "iter", "iters"),
    *("it", "iteration", "iterations", "epoch", "epochs", "step", "steps", "lr", "ckpt", "best"),
    *("checkpoint", "final", "last", "latest", "ema", "result", "results", "res", "cl", "out"),
    *("output", "outputs", "log", "logs", "logged", "files", "save", "saved", "my", "our", "the"),
    *("new", "old", "demo", "example", "sample", "tmp", "default", "baseline", "base", "factor"),
    *("no", "true", "false", "model", "net", "network", "arch", "hf", "hub", "list", "lists"),
    *("half", "float", "double", "fp16", "fp32", "bf16", "float16", "float32", "bfloat16"),
    *("dict", "pair"),
}
"""Words that say of which run it is."""

METHODS = {
    *("dc", "dsa", "dm", "cafe", "clom", "om", "mtt", "tesla", "ftd", "datm", "pad", "datadam"),
    *("idm", "idc", "dream", "accdd", "ncfm", "dsdm", "m3d", "iid", "kip", "frepo", "rfad", "rcig"),
    *("haba", "rtp", "fred", "glad", "sre2l", "rded", "gvbsm", "vbsm", "cda", "edc", "cvdd", "dwa"),
    *("wmdd", "d4m", "minimax", "igd", "mgd3", "selmatch", "seqmatch", "att", "atom", "bptt"),
    *("ratbptt", "dim", "itgan", "lgm", "cim", "ddranking", "gradient", "distribution"),
    *("trajectory", "trajectories", "kernel", "feature", "features", "matching"),
}

NETWORKS = re.compile(
    r"(conv|resnet|res|rn(?=\d)|vgg|alexnet|lenet|mlp|vit|wrn|wideresnet|densenet|mobilenet|efficientnet"
    r"|swin|regnet|shufflenet|inception|dino|clip)(net)?(v?\d\w*|bn|in|gn)?"
)
COUNTS = re.compile(
    r"(ipc|spc|dpc|ppc|seed|s|exp|run|iter|it|epoch|ep|step|lr|ckpt|try|trial|part|fold|factor|size"
    r"|bs|k|n|d|w)?\d+(ipc|spc|dpc|ppc|imgs?|images?|px|k|it|iters?|epochs?|ep|steps?|x\d+)?"
)
ENDINGS = {
    *("pt", "pth", "npz", "npy", "pkl", "pickle", "safetensors", "parquet", "zip", "tar", "gz"),
    *("tgz", "ckpt", "mat"),
}
LEADING, FOLLOWING = {"from", "of", "for", "on", "in"}, {"by", "with", "using", "at"}
"""Words that say nothing before a dataset's name, or after it: distilled_from_cifar10."""


@dataclass(frozen=True)
class Mention:
    """A dataset of which a name speaks.

    Attributes:
        dataset: as it is known here.
        stranger: the word beside it that makes it another dataset; None where there is none.
    """

    dataset: str
    stranger: str | None


def mentions(name: str, known: Iterable[str]) -> tuple[Mention, ...]:
    """Return the datasets of which a name speaks, and whether its other words make them others.

    A word that nobody knows, right before or after that of the dataset, makes it another: there are
    more variants of the known datasets than can be listed. What is said further off does not,
    unless it is a dataset too.

    >>> mentions("DM_CIFAR10_ConvNet_10ipc.pt", ["CIFAR10"])
    (Mention(dataset='CIFAR10', stranger=None),)
    >>> [mentions(name, ["MNIST", "CIFAR10"])[0].stranger
    ...     for name in ("CIFAR-10.1_v6.pt", "CIFAR-10-W.pt", "MNIST_vs_USPS.pt", "stylized_mnist")]
    ['.1', 'w', 'vs', 'stylized']
    """
    words, separators = words_of(name), re.findall(r"[\W_]+", name.casefold().strip("_-. "))
    runs = runs_in(name, known)
    inside = {place for start, end, _ in runs for place in range(start, end)}
    foreign = next(
        (word for i, word in enumerate(words) if i not in inside and FOREIGN.fullmatch(word)), None
    )
    found: list[Mention] = []
    for start, end, each in runs:
        before = words[start - 1] if start and start - 1 not in inside else ""
        place = _past_numbers(words, separators, end)
        after = words[place] if place < len(words) and place not in inside else ""
        gap = separators[place - 1] if after else ""
        stranger = _before(before) or _after(after, gap, named=_is_named(name, start)) or foreign
        found.append(Mention(each, stranger))
    return tuple(found)


def _past_numbers(words: Sequence[str], separators: Sequence[str], place: int) -> int:
    # cifar10_1_v6 is of a variant, cifar10_50 and cifar10_0.7 say nothing; 10.1 is one number.
    start = place
    while place < len(words) and words[place].isdecimal():
        if place == start and separators[place - 1] == ".":
            break
        place += 1
    return place


def _before(word: str) -> str | None:
    return None if not word or word in LEADING or _is_harmless(word) else word


def _after(word: str, gap: str, *, named: bool) -> str | None:
    if word.isdecimal() and gap == ".":
        return f".{word}"
    if word in VARIANTS:
        return word
    says_nothing = not word or word in FOLLOWING or _is_harmless(word)
    return None if says_nothing or (named and gap == "_") else word


def _is_named(name: str, place: int) -> bool:
    # res_METHOD_DATASET_MODEL_Nipc.pt says itself where its dataset ends.
    words = name.casefold().split("_")
    start = 1 if words[0] == "cl" else 0
    return words[start] == "res" and place == len(words_of("_".join(words[: start + 2])))


def _is_harmless(word: str) -> bool:
    if word in MADE or word in RUNS or word in METHODS or word in ENDINGS:
        return True
    return bool(NETWORKS.fullmatch(word) or COUNTS.fullmatch(word))
