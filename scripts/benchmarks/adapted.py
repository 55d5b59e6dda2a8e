"""What `shitu adapt` and `shitu calibrate` do on real photos: known labels, new ones, strangers.

The map and the calibration are fitted on gallery pictures, and where it says so the calibration on
a few labelled photos more, by the code behind the commands; no query takes part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.grocery import read_grocery
from benchmarks.sections import Section
from shitu.adapter import RECIPES, Choice, Recipe, Statistics, choose, fit
from shitu.adapter.folds import ranks
from shitu.adapter.nearest import judged
from shitu.calibration import (
    Calibrated,
    Evidence,
    Shelf,
    ask_photos,
    calibrate,
    gather,
)
from shitu.calibration.calibrating import auroc, calibration_error
from shitu.evaluation.retrieval import Query, describe_queries
from shitu.images import find_images
from shitu.workspace import Workspace

FAR = 0.01
PER_LABEL: tuple[int | None, ...] = (1, 2, 5, 10, None)

Vectors = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Photos:
    """Embeddings (n, dim) and labels (n,) as integers, the same for gallery and queries."""

    vectors: Vectors
    labels: npt.NDArray[np.int64]

    def of(self, wanted: npt.NDArray[np.bool_]) -> Photos:
        return Photos(self.vectors[wanted], self.labels[wanted])


def measure_adapted(grocery: Path, strangers: Path | None, cache: Path | None) -> list[Section]:
    """Tables of recall@1, and of the open set.

    Args:
        grocery: folder of the Grocery Store Dataset.
        strangers: folder of pictures of anything that no shop of groceries has.
        cache: folder in which embeddings are kept by space, to be used again.
    """
    shop = Workspace()
    data = read_grocery(grocery)
    names = {label: i for i, label in enumerate(sorted({query.label for query in data.iconic}))}

    def photos(queries: Sequence[Query], what: str) -> Photos:
        vectors, labels = _embedded(shop, queries, what, cache)
        return Photos(vectors, np.array([names.get(label, -1) for label in labels], np.int64))

    train, val = photos(data.train, "train"), photos(data.val, "val")
    test, iconic = photos(data.test, "test"), photos(data.iconic, "iconic")
    others = None
    if strangers is not None:
        found = [Query(path, "") for path in find_images(strangers)]
        others = photos(found, "strangers").vectors
    return tables(train, iconic, val, test, others)


def tables(
    train: Photos, iconic: Photos, val: Photos, test: Photos, others: Vectors | None
) -> list[Section]:
    """Known labels, new labels and the open set."""
    galleries = {"shop photos": train, "catalogue": iconic}
    return [
        _recall_table(train, test),
        _new_table(train, test),
        _open_table(galleries, val, test, others),
    ]


def _embedded(
    shop: Workspace, queries: Sequence[Query], what: str, cache: Path | None
) -> tuple[Vectors, list[str]]:
    file = None if cache is None else cache / f"{shop.describer.space.fingerprint[:16]}-{what}.npz"
    if file is not None and file.exists():
        kept = np.load(file)
        return kept["vectors"], kept["labels"].tolist()
    found = describe_queries(queries, shop.describer, None)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez(file, vectors=found.embeddings, labels=np.array(found.labels))
    return found.embeddings, found.labels


def recall(gallery: Photos, queries: Photos, through: Callable[[Vectors], Vectors]) -> float:
    vectors = through(np.concatenate([gallery.vectors, queries.vectors]))
    asked = np.arange(len(vectors)) >= len(gallery.labels)
    codes = np.concatenate([gallery.labels, queries.labels])
    return float(judged(vectors, codes, asked, ~asked)[0].mean())


def _map(gallery: Photos, recipe: Recipe | None) -> Callable[[Vectors], Vectors]:
    if recipe is None:
        return lambda vectors: vectors
    labels = int(gallery.labels.max()) + 1
    return fit(Statistics.of(gallery.vectors, gallery.labels, labels), recipe).apply


def _choose(gallery: Photos) -> Choice:
    return choose(gallery.vectors, np.unique(gallery.labels, return_inverse=True)[1])


def _recall_table(train: Photos, test: Photos) -> Section:
    values: list[dict[str, Any]] = []
    for per_label in PER_LABEL:
        few = train
        if per_label is not None:
            few = train.of(ranks(train.labels, 0) < per_label)
        recipe = _choose(few).recipe
        values.append(
            {
                "per_label": per_label,
                "references": len(few.labels),
                "chosen": None if recipe is None else recipe.name,
                "recall_at_1": recall(few, test, _map(few, None)),
                "adapted": recall(few, test, _map(few, recipe)),
            }
        )
    by_recipe = {r.name: recall(train, test, _map(train, r)) for r in RECIPES}
    values[-1]["by_recipe"] = by_recipe
    rows = [
        (
            "all" if row["per_label"] is None else str(row["per_label"]),
            str(row["references"]),
            row["chosen"] or "none",
            f"{row['recall_at_1']:.3f}",
            f"{row['adapted']:.3f}",
        )
        for row in values
    ]
    rows += [
        ("all", str(len(train.labels)), f"({n})", "", f"{v:.3f}") for n, v in by_recipe.items()
    ]
    header = ("references an item", "references", "map", "R@1", "R@1 adapted")
    return Section("adapted", values, "Grocery Store Dataset, train -> test", header, rows)


def _new_table(train: Photos, test: Photos) -> Section:
    values: list[dict[str, Any]] = []
    for half in (0, 1):
        fitted = train.of(train.labels % 2 == half)
        recipe = _choose(fitted).recipe
        gallery, queries = (each.of(each.labels % 2 != half) for each in (train, test))
        plain, adapted = (recall(gallery, queries, _map(fitted, r)) for r in (None, recipe))
        name = None if recipe is None else recipe.name
        values.append({"half": half, "chosen": name, "recall_at_1": plain, "adapted": adapted})
    rows = [
        (
            f"{1 - row['half']}",
            row["chosen"] or "none",
            f"{row['recall_at_1']:.3f}",
            f"{row['adapted']:.3f}",
            f"{row['adapted'] - row['recall_at_1']:+.3f}",
        )
        for row in values
    ]
    title = "Labels that the map was not fitted on (every second one), gallery and queries"
    header = ("half of the labels", "map", "R@1", "R@1 adapted", "difference")
    return Section("new_labels", values, title, header, rows)


def _open_table(
    galleries: Mapping[str, Photos], val: Photos, test: Photos, others: Vectors | None
) -> Section:
    """What calibrations of each gallery, by itself and with photos of `val`, make of `test`."""
    values: list[dict[str, Any]] = []
    for name, whole in galleries.items():
        for half in (0, 1):
            gallery, photos = (each.of(each.labels % 2 == half) for each in (whole, val))
            for recipe in dict.fromkeys((None, _choose(gallery).recipe)):
                for some in (None, photos):
                    found = _open_set(gallery, some, test, recipe, half, others)
                    values += [] if found is None else [{"gallery": name, **found}]
    names = ("auroc", "dir")
    header = (
        *("gallery", "labels", "map", "photos", "AUROC score", "margin", "confidence"),
        *(f"DIR at FAR {FAR:.0%}: score", "margin", "confidence"),
        *("strangers named", "promised up to", "other sets", "known: right", "wrong", "ECE"),
    )
    rows = [
        (
            row["gallery"],
            str(row["half"]),
            row["map"] or "none",
            str(row["photos"]),
            *(f"{row[n][by]:.3f}" for n in names for by in ("score", "margin", "confidence")),
            f"{row['false_accepts']:.2%}",
            f"{row['promised_high']:.2%}",
            "" if row["other_sets"] is None else f"{row['other_sets']:.2%}",
            f"{row['named']:.3f}",
            f"{row['misnamed']:.3f}",
            f"{row['calibration_error']:.3f}",
        )
        for row in values
    ]
    title = "Open set: every second label in the gallery, calibrated without the others"
    return Section("calibrated", values, title, header, rows)


def _open_set(
    gallery: Photos,
    photos: Photos | None,
    test: Photos,
    recipe: Recipe | None,
    half: int,
    others: Vectors | None,
) -> dict[str, Any] | None:
    """None where there are too few references to calibrate."""
    through = _map(gallery, recipe)
    cases = gather(gallery.vectors, gallery.labels, recipe)
    shelf = Shelf.of(through(gallery.vectors), gallery.labels)
    if photos is not None:
        cases = ask_photos(cases, through(photos.vectors), photos.labels, shelf)
    found = calibrate(cases, FAR, "")
    if not isinstance(found, Calibrated):
        return None
    calibration = found.calibration

    def ask(vectors: Vectors) -> tuple[Evidence, Floats]:
        evidence, _ = shelf.ask(through(vectors))
        return evidence, calibration.confidence(evidence)

    evidence, sure = ask(test.vectors)
    known = test.labels % 2 == half
    right = (evidence.item == test.labels) & known
    ways = {"score": evidence.score, "margin": evidence.margin, "confidence": sure}
    given = calibration.accepts(sure)
    away = None if others is None else float(calibration.accepts(ask(others)[1]).mean())
    return {
        "half": half,
        "map": None if recipe is None else recipe.name,
        "photos": found.photos,
        "auroc": {name: auroc(way[known], way[~known]) for name, way in ways.items()},
        "dir": {name: named_at_far(way, right, known) for name, way in ways.items()},
        "false_accepts": float(given[~known].mean()),
        "promised_high": found.false_accepts_high,
        "other_sets": away,
        "named": float((given & right)[known].mean()),
        "misnamed": float((given & ~right)[known].mean()),
        "calibration_error": calibration_error(sure, right),
        "promised_named": found.named,
    }


def named_at_far(
    way: Floats, right: npt.NDArray[np.bool_], known: npt.NDArray[np.bool_], far: float = FAR
) -> float:
    """Share of the known queries that are named rightly where so many strangers are named."""
    strangers = np.sort(way[~known])[::-1]
    return float(np.mean((way > strangers[int(far * len(strangers))])[known] & right[known]))
