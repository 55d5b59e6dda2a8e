"""How well the gallery names real photos: three protocols of retrieval, and an open set.

All figures come from the describer, the index and the metrics that `shitu eval-recall` uses.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.grocery import Grocery, read_grocery
from benchmarks.localizer import localizer_describer
from benchmarks.sections import Section
from benchmarks.shelf import Shelf, of_labels
from shitu.describer import Describer
from shitu.evaluation.openset import OpenSetScores, open_set_scores
from shitu.evaluation.retrieval import DescribedQueries, Query, describe_queries, score_queries
from shitu.models.registry import find_model
from shitu.workspace import Workspace

Pictures = dict[str, DescribedQueries]

_PROTOCOLS = {
    "a": ("train", "shop photos -> shop photos"),
    "b": ("iconic", "catalogue pictures -> shop photos"),
    "c": ("iconic", "catalogue pictures -> shop photos, packages only"),
}
_MEANS = ("recall_at_1", "recall_at_5", "map_at_r", "mrr")


def measure_quality(
    folder: Path, only: Sequence[str], localizer: Path | None, per_label: int | None
) -> list[Section]:
    """Measure on the Grocery Store Dataset, once for each way of cropping."""
    grocery = read_grocery(folder, per_label)
    retrieval: list[dict[str, Any]] = []
    open_set: list[dict[str, Any]] = []
    for crop, describer in _describers(localizer):
        pictures = _described(grocery, describer, only, crop)
        retrieval += [
            {"protocol": protocol, "crop": crop, **_retrieval(pictures, grocery, protocol)}
            for protocol in _PROTOCOLS
            if protocol in only
        ]
        if "open" in only:
            open_set.append({"crop": crop, **asdict(_open_set(pictures, _threshold()))})
    retrieval.sort(key=lambda row: row["protocol"])
    return [*_retrieval_section(retrieval), *_open_set_section(open_set)]


def _describers(localizer: Path | None) -> Iterator[tuple[str, Describer]]:
    cropping = Workspace()
    yield "whole picture", Workspace(detector_model="none").describer
    yield "main body", cropping.describer
    if localizer is not None:
        yield "Mobile Object Localizer", localizer_describer(localizer, cropping)


def _threshold() -> float:
    """The operating point that `shitu recognize` has with the same settings."""
    config = Workspace().config
    own = find_model(config.feature_model, "feature").threshold
    return own if config.threshold is None else config.threshold


def _described(grocery: Grocery, describer: Describer, only: Sequence[str], crop: str) -> Pictures:
    """Every picture that is needed, embedded once."""
    wanted = {
        "test": grocery.test,
        "train": grocery.train if {"a", "open"} & set(only) else (),
        "iconic": grocery.iconic if {"b", "c"} & set(only) else (),
    }
    if set(only) == {"c"}:
        wanted = {name: _packages(grocery, queries) for name, queries in wanted.items()}
    return {
        name: _describe(queries, describer, f"{crop}: {name}") for name, queries in wanted.items()
    }


def _packages(grocery: Grocery, queries: Iterable[Query]) -> tuple[Query, ...]:
    return tuple(query for query in queries if query.label in grocery.packages)


def _describe(queries: Sequence[Query], describer: Describer, what: str) -> DescribedQueries:
    step = max(len(queries) // 10, 1)
    told = 0

    def progress(done: int) -> None:
        nonlocal told
        if done >= told + step or done == len(queries):
            told = done
            print(f"{what} {done}/{len(queries)}", file=sys.stderr, flush=True)

    found = describe_queries(queries, describer, progress)
    for path, reason in found.skipped:
        print(f"skipped {path}: {reason}", file=sys.stderr)
    return found


def _retrieval(pictures: Pictures, grocery: Grocery, protocol: str) -> dict[str, Any]:
    gallery, queries = pictures[_PROTOCOLS[protocol][0]], pictures["test"]
    if protocol == "c":
        gallery, queries = (
            of_labels(part, grocery.packages.__contains__) for part in (gallery, queries)
        )
    report = score_queries(queries, Shelf(gallery))
    return {
        "gallery": len(gallery.labels),
        "queries": report.queries,
        **{name: getattr(report, name) for name in _MEANS},
        "own_file_excluded": report.own_file_excluded,
        "skipped": len(gallery.skipped) + len(queries.skipped),
    }


def _open_set(pictures: Pictures, threshold: float) -> OpenSetScores:
    """Protocol (a), but every second label (by name) is not in the gallery."""
    kept = set(sorted(set(pictures["train"].labels))[::2])
    gallery, queries = of_labels(pictures["train"], kept.__contains__), pictures["test"]
    nearest = Shelf(gallery).search(queries.embeddings, 1)
    labels = np.array(gallery.labels)[nearest.reference_ids[:, 0]]
    return open_set_scores(
        nearest.scores[:, 0].astype(np.float64),
        labels == np.array(queries.labels),
        np.array([label in kept for label in queries.labels]),
        threshold,
    )


def _retrieval_section(values: Sequence[dict[str, Any]]) -> Iterator[Section]:
    header = ("protocol", "crop", "gallery", "queries", "R@1", "R@5", "mAP@R", "MRR")
    rows = [
        (
            f"({row['protocol']}) {_PROTOCOLS[row['protocol']][1]}",
            row["crop"],
            f"{row['gallery']:,}",
            f"{row['queries']:,}",
            *(f"{row[name]:.3f}" for name in _MEANS),
        )
        for row in values
    ]
    if rows:
        yield Section("retrieval", values, "Grocery Store Dataset, fine labels", header, rows)


def _open_set_section(values: Sequence[dict[str, Any]]) -> Iterator[Section]:
    header = (
        "crop",
        "threshold",
        "strangers: unknown",
        "known: right",
        "known: wrong",
        "known: unknown",
        "AUROC",
    )
    shares = ("strangers_unknown", "known_right", "known_wrong", "known_unknown", "auroc")
    rows = [
        (row["crop"], f"{row['threshold']:.2f}", *(f"{row[name]:.3f}" for name in shares))
        for row in values
    ]
    if rows:
        first = values[0]
        title = (
            f"Open set, half of the labels not in the gallery: {first['known']:,} known queries, "
            f"{first['strangers']:,} strangers"
        )
        yield Section("open_set", values, title, header, rows)
