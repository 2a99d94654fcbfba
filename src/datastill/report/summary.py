"""What a set is, in words and numbers for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from datastill.base.errors import InputError
from datastill.base.wording import counted
from datastill.data import ImageSet, stored_bytes, tiled
from datastill.data.pixels import Pixels
from datastill.evaluation.comparison import label_bytes
from datastill.identity import called
from datastill.report.validations import labelled_on_the_fly, results, table_in
from datastill.training.coresets import CORESETS, looks_at_features

SOME = 256
"""Images at a time."""


def summary(data: ImageSet) -> dict[str, str]:
    """Describe a set: what it holds, where it comes from, how it did.

    Returns:
        Lines by their names, in reading order; what the set does not say is left out.

    Raises:
        InputError: for a set without images.
    """
    if not len(data):
        raise InputError("the set holds no images")
    lines = {**_contents(data), **_statistics(data), **_origin(data.facts), **_results(data)}
    lines |= {"caveats": "; ".join(caveats(data.facts))}
    return {name: line for name, line in lines.items() if line}


def caveats(facts: Mapping[str, Any]) -> list[str]:
    """Return what a set and its validations say that one has to know of them, each once."""
    held = facts.get("validated")
    reports = [facts, *(held if isinstance(held, list | tuple) else [])]
    return list(dict.fromkeys(str(each) for report in reports for each in _list(report, "caveats")))


def _contents(data: ImageSet) -> dict[str, str]:
    domain, counts = data.domain, data.counts
    each = str(counts[0]) if len(set(counts)) == 1 else f"{min(counts)} to {max(counts)}"
    soft = data.labels.ndim == 2
    return {
        "dataset": domain.name,
        "images": f"{len(data)} of {'x'.join(map(str, domain.shape))}",
        "tiles": _tiles(data),
        "classes": f"{len(counts)}, {each} {'image' if each == '1' else 'images'} each",
        "names": _some(domain.classes),
        "labels": f"soft, {data.labels.shape[1]} shares each" if soft else "hard",
        "bytes": f"images {stored_bytes(data.images):,}, labels {label_bytes(data):,}",
        "normalised by": f"mean {_numbers(domain.mean)}, std {_numbers(domain.std)}",
    }


def _statistics(data: ImageSet) -> dict[str, str]:
    if isinstance(data.images, Pixels):
        return _of_pixels(data.images)
    images, pixels = data.images.float(), data.domain.pixels(data.images.float())
    outside = ((pixels < 0) | (pixels > 1)).float().mean().item()
    return {
        "values": f"{images.min():.3f} to {images.max():.3f}, "
        f"mean {images.mean():.3f}, std {images.std(correction=0):.3f}",
        "pixels": f"{pixels.min():.3f} to {pixels.max():.3f}, {outside:.1%} outside 0 to 1",
        "pixel mean": _numbers(pixels.mean((0, 2, 3)).tolist()),
        "pixel std": _numbers(pixels.std((0, 2, 3), correction=0).tolist()),
    }


def _tiles(data: ImageSet) -> str:
    kept = tiled(data.images)
    if kept is None:
        return ""
    along = kept.folding.factor
    return (
        f"{counted(len(kept.stored), 'image')} {'is' if len(kept.stored) == 1 else 'are'} kept, of "
        f"{along} x {along} smaller ones each, enlarged ({kept.folding.interpolation}) for training"
    )


def _of_pixels(images: Pixels) -> dict[str, str]:
    # Of very many, some at a time.
    low, high, sums = 1.0, 0.0, torch.zeros(2, images.shape[1], dtype=torch.float64)
    zeros, ones = (0.0,) * images.shape[1], (1.0,) * images.shape[1]
    for rows in torch.arange(len(images)).split(SOME):
        part = images.under(zeros, ones).part(rows).normalised().double()
        low, high = min(low, float(part.min())), max(high, float(part.max()))
        sums += torch.stack([part.sum((0, 2, 3)), part.square().sum((0, 2, 3))])
    mean, square = sums / (images.numel() / images.shape[1])
    return {
        "pixels": f"{low:.3f} to {high:.3f}, kept as bytes",
        "pixel mean": _numbers(mean.tolist()),
        "pixel std": _numbers((square - mean.square()).clamp(min=0).sqrt().tolist()),
    }


def _origin(facts: Mapping[str, Any]) -> dict[str, str]:
    descent, clom, from_file = (table_in(facts, name) for name in ("descent", "clom", "imported"))
    relabelled = table_in(facts, "relabelled")
    content = table_in(table_in(facts, "data"), "content")
    return {
        "method": str(facts.get("method", "")),
        "network": str(facts.get("model", "")),
        "updates": str(facts.get("step", "")),
        "started from": str(descent.get("init", "")),
        "made from": _told(content, images="images", digest="digest"),
        "CLOM": _clom(clom),
        "guided by": _originals(clom),
        "chosen by": _originals(table_in(facts, "select")),
        "started by features of": _originals(table_in(facts, "features")),
        "started in the space of": _space(descent, facts),
        "compared under": _originals(table_in(facts, "compared_under")),
        "started as judged by": _originals(table_in(facts, "coreset_originals")),
        "seed": str(facts.get("seed", "")),
        "imported from": _told(from_file, file="file", format="format", digest="fingerprint"),
        "learning rate": _rate(facts.get("learning_rate")),
        "soft labels": _told(relabelled, models="teachers", temperature="temperature"),
        "labelled by": _originals(relabelled),
        "versions": ", ".join(f"{k} {v}" for k, v in table_in(facts, "versions").items()),
    }


def _clom(facts: Mapping[str, Any]) -> str:
    found = facts.get("weight")  # where it was found during the run
    if isinstance(found, int | float) and not isinstance(found, bool):
        facts = {**facts, "weight": f"{found:.3g}"}
    parts = {"alpha": "alphas", "which came to": "weight", "models": "models_pool"}
    return _told(facts, **parts, distance="distance", weighting="weighting")


def _space(descent: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    # Of a coreset that picks what is near, where no features are written down.
    init = str(descent.get("init", ""))
    known = CORESETS.has(init) and looks_at_features(CORESETS[init])
    return "pixels" if known and not facts.get("features") else ""


def _results(data: ImageSet) -> dict[str, str]:
    held = data.facts.get("validated")
    models = "; ".join(labelled_on_the_fly(held))
    return {**results(held, data.domain.name), "labels on the fly by": models}


def _rate(value: Any) -> str:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return f"{value:g}, learned with the images" if number else ""


def _told(facts: Mapping[str, Any], **parts: str) -> str:
    """Say those of some parts that are known, each after its word."""
    known = [(word, facts[name]) for word, name in parts.items() if facts.get(name) is not None]
    return ", ".join(f"{word} {_words(value)}" for word, value in known)


def _originals(facts: Mapping[str, Any]) -> str:
    names = [called(each) for each in _list(facts, "originals") if isinstance(each, Mapping)]
    return _some(names)


def _words(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _list(facts: Any, name: str) -> Sequence[Any]:
    found = facts.get(name) if isinstance(facts, Mapping) else None
    return found if isinstance(found, list | tuple) else ()


def _numbers(values: Sequence[float]) -> str:
    return " ".join(f"{value:.4g}" for value in values)


def _some(names: Sequence[str], most: int = 10) -> str:
    return ", ".join(names[:most]) + (f", ... ({len(names)} in all)" if len(names) > most else "")
