"""How well the embedded models do on the sample gallery: its queries, and its cluttered scenes."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.sections import Section
from shitu.errors import DatasetError, ImageError
from shitu.geometry import Box, iou
from shitu.recognition import RecognizedObject
from shitu.workspace import Workspace

GALLERY = Path(__file__).resolve().parents[2] / "gallery"
_HIT = 0.5  # intersection over union


@dataclass(frozen=True)
class SceneScores:
    """What became of the things that stand in scenes, and of the answers that were given.

    Attributes:
        things: products and strangers, strangers being products that the gallery does not have.
        found: share of the things with a box on them.
        products_named: share of the products with a box on them that bears their name.
        strangers_unnamed: share of the strangers without a name on them.
        answers_right: share of the names given that are on the product of that name.
    """

    things: int
    strangers: int
    answers: int
    found: float
    products_named: float
    strangers_unnamed: float
    answers_right: float


@dataclass(frozen=True)
class Thing:
    """What stands in a scene (None: a stranger), and the object recognised there, if any."""

    label: str | None
    found: RecognizedObject | None

    @property
    def name(self) -> str | None:
        return None if self.found is None else self.found.label


def sample_sections() -> list[Section]:
    """Measure with the settings of the environment, in an index folder of its own."""
    if not (GALLERY / "scenes").is_dir():
        raise DatasetError(f"{GALLERY / 'scenes'} is missing: make the sample gallery first")
    with tempfile.TemporaryDirectory() as index, Workspace(index) as shop:
        shop.build(GALLERY / "products")
        report = shop.evaluate(GALLERY / "queries")
        scenes = scene_scores(shop, GALLERY / "scenes")
    values = {
        "queries": report.queries,
        "recall_at_1": report.recall_at_1,
        "recall_at_5": report.recall_at_5,
        **asdict(scenes),
    }
    rows = [
        (name.replace("_", " ").replace("recall at ", "recall@"), _text(value))
        for name, value in values.items()
    ]
    return [Section("sample", [values], "Sample gallery: queries and scenes", ("", ""), rows)]


def scene_scores(shop: Workspace, folder: Path) -> SceneScores:
    """Recognise the scenes that scenes.jsonl in this folder describes."""
    lines = (folder / "scenes.jsonl").read_text(encoding="utf-8").splitlines()
    scenes = [json.loads(line) for line in lines]
    results = shop.recognize_many([folder / scene["image"] for scene in scenes])
    things: list[Thing] = []
    answers = 0
    for scene, result in zip(scenes, results, strict=True):
        if isinstance(result, ImageError):
            raise result
        things += match(scene["objects"], result.objects)
        answers += sum(item.label is not None for item in result.objects)
    products = [thing for thing in things if thing.label is not None]
    strangers = [thing for thing in things if thing.label is None]
    right = sum(thing.name == thing.label for thing in products)
    return SceneScores(
        things=len(things),
        strangers=len(strangers),
        answers=answers,
        found=sum(thing.found is not None for thing in things) / len(things),
        products_named=right / len(products),
        strangers_unnamed=sum(thing.name is None for thing in strangers) / len(strangers),
        answers_right=right / answers if answers else 0.0,
    )


def match(truth: Sequence[dict[str, Any]], objects: Sequence[RecognizedObject]) -> list[Thing]:
    """Each thing with the object that lies on it: best pairs first, each object once."""
    boxes: list[Box] = [item.box or (0, 0, 0, 0) for item in objects]
    overlaps = iou([thing["box"] for thing in truth], boxes)
    pairs = sorted(
        ((overlaps[t, o], t, o) for t in range(len(truth)) for o in range(len(boxes))), reverse=True
    )
    winner: dict[int, int] = {}
    for overlap, t, o in pairs:
        if overlap >= _HIT and t not in winner and o not in winner.values():
            winner[t] = o
    return [
        Thing(thing["label"], objects[winner[t]] if t in winner else None)
        for t, thing in enumerate(truth)
    ]


def _text(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.3f}"
