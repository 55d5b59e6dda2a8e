"""Collect the boxes the detector learns from into one JSON-lines file.

    python detector_labels.py DATA_FOLDER LOCALIZER.onnx labels.jsonl

Drawn boxes come from the VOC files of three sets. Pictures without boxes get those of the Mobile
Object Localizer: from 0.4 they count as objects, from 0.12 as "unsure", which the loss skips.
Shelf photos get unsure boxes too, because only some of their products were drawn.
"""

from __future__ import annotations

import hashlib
import json
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from localizer import Localizer

SURE, UNSURE = 0.4, 0.12
TEST_PERCENT = {"shelf": 20, "cosmetic": 10, "tool": 10}
Boxes = np.ndarray  # (n, 4) float32, xyxy as fractions of width and height


@dataclass(frozen=True)
class Label:
    """One picture: `path` below the data folder, boxes and unsure boxes as fractions 0..1."""

    path: str
    source: str
    test: bool
    boxes: list[list[float]]
    unsure: list[list[float]]


def percentile(name: str) -> int:
    """A number 0..99 that depends on the file name only."""
    return int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) % 100


def voc_boxes(path: Path, width: int, height: int) -> Boxes:
    keys = ("xmin", "ymin", "xmax", "ymax")
    root = ElementTree.parse(path).getroot()
    rows = [
        [float(thing.findtext(f"bndbox/{key}", "0")) for key in keys]
        for thing in root.iter("object")
    ]
    boxes = np.array(rows, np.float32).reshape(-1, 4) / [width, height, width, height]
    return np.clip(boxes, 0, 1)


def overlaps(a: Boxes, b: Boxes) -> np.ndarray:
    """IoU of every pair, (len(a), len(b))."""
    low, high = (
        np.maximum(a[:, None, :2], b[None, :, :2]),
        np.minimum(a[:, None, 2:], b[None, :, 2:]),
    )
    shared = np.clip(high - low, 0, None).prod(2)
    area = [(x[:, 2:] - x[:, :2]).prod(1) for x in (a, b)]
    return shared / np.maximum(area[0][:, None] + area[1][None] - shared, 1e-9)


def read_rgb(path: Path) -> np.ndarray | None:
    image = cv2.imread(str(path))
    return None if image is None else np.ascontiguousarray(image[:, :, ::-1])


def pictures(data: Path) -> Iterator[tuple[str, Path, Path | None]]:
    """Source name, picture, VOC file if there is one."""
    shelf = data / "groceries-object-detection-dataset/dataset"
    for path in sorted(shelf.glob("images/*/*.png")):
        yield "shelf", path, shelf / "annotations" / path.parent.name / f"{path.stem}.xml"
    voc = data / "Cosmetic-Object-Detection/data/VOCdevkit2007/VOC2007"
    for path in sorted(voc.glob("JPEGImages/*.jpg")):
        yield "cosmetic", path, voc / "Annotations" / f"{path.stem}.xml"
    frames = data / "fodadataset"
    for path in sorted(frames.glob("JPEGImages/*.jpg"))[::10]:
        yield "tool", path, frames / "Annotations" / f"{path.stem}.xml"
    unlabelled = {
        "caltech": ("Homework2-Caltech101/101_ObjectCategories/*/*.jpg", 2),
        "clothing": ("clothing-dataset/images/*.jpg", 3),
        "pets": ("Image-classification-using-CNN/dataset/training_set/*/*.jpg", 10),
        "pacs": ("Homework3-PACS/PACS/photo/*/*.jpg", 2),
        "recycling": ("RecycleNet/data/dataset-resized/*/*.jpg", 2),
        "imagenet": ("imagenet-sample-images/*.JPEG", 1),
    }
    for source, (pattern, step) in unlabelled.items():
        for path in sorted(data.glob(pattern))[::step]:
            if path.parent.name not in ("BACKGROUND_Google", "Faces", "Faces_easy"):
                yield source, path, None


def label(
    data: Path, source: str, path: Path, voc: Path | None, localizer: Localizer
) -> Label | None:
    image = read_rgb(path)
    if image is None or (voc is not None and not voc.is_file()):
        return None
    height, width = image.shape[:2]
    drawn = voc_boxes(voc, width, height) if voc else np.zeros((0, 4), np.float32)
    found, scores = (
        localizer(image) if source not in ("tool", "cosmetic") else (drawn[:0], drawn[:0, 0])
    )
    sure = drawn
    if voc is None:
        sure = found[scores >= SURE][:12]
        size = (sure[:, 2:] - sure[:, :2]).prod(1)
        sure = sure[size > 0.004]
    unsure = found[scores >= UNSURE]
    if len(unsure) and len(sure):
        unsure = unsure[overlaps(unsure, sure).max(1) < 0.3]
    wide = (sure[:, 2:] - sure[:, :2]).min(1, initial=1.0) > 0.01
    sure = sure[wide]
    if len(sure) == 0:
        return None
    return Label(
        path=str(path.relative_to(data)),
        source=source,
        test=percentile(path.name) < TEST_PERCENT.get(source, 4),
        boxes=np.round(sure, 4).tolist(),
        unsure=np.round(unsure[:20], 4).tolist(),
    )


def main() -> None:
    data, localizer, out = Path(sys.argv[1]), Localizer(Path(sys.argv[2])), Path(sys.argv[3])
    counts: dict[str, int] = {}
    with out.open("w") as file:
        for source, path, voc in pictures(data):
            row = label(data, source, path, voc, localizer)
            if row is not None:
                file.write(json.dumps(asdict(row)) + "\n")
                counts[source] = counts.get(source, 0) + 1
    print(counts)


if __name__ == "__main__":
    main()
