"""Whether geometric checks leave alone what they are not made for: photos of fruit and cartons."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.checked import build
from benchmarks.grocery import read_grocery
from benchmarks.progress import progress
from benchmarks.sections import Section
from shitu.evaluation.retrieval import Query
from shitu.geometry import crop
from shitu.images import Image, load_image
from shitu.recognition import Recognition
from shitu.workspace import Workspace

_MODES = ("off", "auto", "on")


def measure_unharmed(grocery: Path, per_label: int, queries: int) -> list[Section]:
    """R@1 on the Grocery Store Dataset, protocol (a), main body, with and without the check.

    Args:
        per_label: training photos of each label that are in the gallery.
        queries: test photos, spread over all of them.
    """
    found = read_grocery(grocery)
    gallery = read_grocery(grocery, per_label).train
    every = max(1, len(found.test) // queries)
    asked = found.test[::every][:queries]
    with tempfile.TemporaryDirectory() as folder:
        index = build(gallery, Path(folder))
        results = {mode: list(_recognize(index, asked, mode)) for mode in _MODES}
    values = [_values(mode, asked, results[mode], results["off"]) for mode in _MODES]
    title = (
        f"Grocery Store Dataset, {len(gallery)} shop photos in the gallery, {len(asked)} queries, "
        "main body"
    )
    rows = [[v if isinstance(v, str) else f"{v:.3f}" for v in row.values()] for row in values]
    return [Section("unharmed", values, title, tuple(values[0]), rows)]


def _recognize(index: Path, queries: Sequence[Query], mode: str) -> Iterator[Recognition]:
    with Workspace(index, verify=mode) as shop:
        for query in progress(queries, f"verify {mode}"):
            image = load_image(query.path)
            yield shop.recognize(_main_body(shop, image), whole_image=True)


def _main_body(shop: Workspace, image: Image) -> Image:
    [described] = shop.describer.describe([image])
    return image if described.box is None else crop(image, described.box)


def _values(
    mode: str, queries: Sequence[Query], found: Sequence[Recognition], plain: Sequence[Recognition]
) -> dict[str, Any]:
    first = [result.objects[0].matches[0].label for result in found]
    before = [result.objects[0].matches[0].label for result in plain]
    labels = [query.label for query in queries]
    changes = list(zip(labels, first, before, strict=True))
    return {
        "verify": mode,
        "R@1": float(np.mean([a == b for a, b in zip(first, labels, strict=True)])),
        "put right": float(np.mean([now == label != was for label, now, was in changes])),
        "put wrong": float(np.mean([was == label != now for label, now, was in changes])),
        "checked": float(np.mean([r.objects[0].agreement is not None for r in found])),
        "ms added per object": float(np.mean([r.milliseconds.get("verify", 0.0) for r in found])),
    }
