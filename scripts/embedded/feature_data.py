"""Turn the public picture sets into one memory map of 240 px crops for training.

    python feature_data.py DATASETS LOCALIZER.onnx OUT

DATASETS holds one folder per repository (see README.md). OUT receives `pixels.raw` (n, 240, 240, 3)
RGB uint8 and `rows.npz`: the set, class and split of each row and where in the row the object lies.
"""

from __future__ import annotations

import argparse
import csv
import random
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from localizer import Localizer

SIDE = 240
MARGIN = 0.12  # context kept around a box, so that training may jitter the box
SEED = 20
HELD_OUT_GROCERIES = ("honey", "fish", "corn", "nuts", "cake")
HELD_OUT_STEP = 5  # every fifth class of Caltech 101, of the clothes and of the emoji, by name
HELD_OUT_FASHION_STEP = 12  # every twelfth picture, to test single items
EMOJI_VENDORS = ("apple", "google", "twitter", "facebook")
NOT_CLOTHES = ("", "Not sure", "Other", "Skip")

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Source:
    """One row to be: a picture, or one box of it in relative xyxy coordinates."""

    path: Path
    dataset: str
    label: str
    held_out: bool
    box: Box | None = None
    localize: bool = False


def _pictures(folder: Path, limit: int | None = None) -> list[Path]:
    found = sorted(p for p in folder.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
    if limit is not None and len(found) > limit:
        found = sorted(random.Random(SEED).sample(found, limit))
    return found


def _folders(
    root: Path, dataset: str, limit: int | None, localize: bool = False
) -> Iterator[Source]:
    for path in _pictures(root, limit):
        yield Source(path, dataset, path.parent.name, False, None, localize)


def _flat(root: Path, dataset: str, localize: bool = False) -> Iterator[Source]:
    for path in _pictures(root):
        yield Source(path, dataset, "", False, None, localize)


def _voc(xml: Path) -> Iterator[tuple[str, Box]]:
    """(name, relative box) of each object whose shorter side has at least 24 pixels."""
    root = ET.parse(xml).getroot()
    width = float(root.findtext("size/width") or 0)
    height = float(root.findtext("size/height") or 0)
    for item in root.iter("object"):
        corner = [
            float(item.findtext(f"bndbox/{k}") or 0) for k in ("xmin", "ymin", "xmax", "ymax")
        ]
        x0, y0, x1, y1 = corner
        if width > 0 and height > 0 and min(x1 - x0, y1 - y0) >= 24:
            box = (max(x0 / width, 0), max(y0 / height, 0), min(x1 / width, 1), min(y1 / height, 1))
            yield item.findtext("name") or "", box


def _caltech(root: Path) -> Iterator[Source]:
    classes = sorted(p.name for p in (root / "101_ObjectCategories").iterdir() if p.is_dir())
    held = set(classes[::HELD_OUT_STEP])
    for path in _pictures(root / "101_ObjectCategories"):
        name = path.parent.name
        yield Source(path, "caltech101", name, name in held, None, name not in held)


def _fashion(root: Path) -> Iterator[Source]:
    for i, path in enumerate(_pictures(root)):
        yield Source(path, "fashion", path.stem, i % HELD_OUT_FASHION_STEP == 0)


def _clothing(root: Path) -> Iterator[Source]:
    with (root / "images.csv").open() as handle:
        labels = {row["image"]: row["label"] for row in csv.DictReader(handle)}
    classes = sorted(set(labels.values()) - set(NOT_CLOTHES))
    held = set(classes[::HELD_OUT_STEP])
    for path in _pictures(root / "images"):
        name = labels.get(path.stem, "")
        kept = "" if name in NOT_CLOTHES else name
        yield Source(path, "clothing", kept, name in held, None, True)


def _emoji(root: Path) -> Iterator[Source]:
    """Every second emoji that all vendors draw, without the variants of skin."""
    folders = {v: root / f"emoji-datasource-{v}" / "img" / v / "64" for v in EMOJI_VENDORS}
    drawn = [{p.name for p in folder.glob("*.png")} for folder in folders.values()]
    names = sorted(n for n in set.intersection(*drawn) if "-1f3f" not in n)[::2]
    held = set(names[::HELD_OUT_STEP])
    for name in names:
        for folder in folders.values():
            yield Source(folder / name, "emoji", name, name in held)


def _groceries(root: Path) -> Iterator[Source]:
    for path in _pictures(root / "dataset" / "images"):
        name = path.parent.name
        held = name in HELD_OUT_GROCERIES
        if not held:
            yield Source(path, "groceries_whole", name, False)
        xml = root / "dataset" / "annotations" / name / (path.stem + ".xml")
        if xml.exists():
            for _, box in _voc(xml):
                yield Source(path, "groceries_box", name, held, box)


def _foda(root: Path) -> Iterator[Source]:
    for xml in sorted((root / "Annotations").glob("*.xml"))[::10]:
        for name, box in _voc(xml):
            yield Source(root / "JPEGImages" / (xml.stem + ".jpg"), "foda_box", name, False, box)


def _cosmetics(root: Path) -> Iterator[Source]:
    base = root / "data" / "VOCdevkit2007" / "VOC2007"
    for path in _pictures(base / "JPEGImages"):
        yield Source(path, "cosmetic_whole", "", False)
        xml = base / "Annotations" / (path.stem + ".xml")
        if xml.exists():
            for _, box in _voc(xml):
                yield Source(path, "cosmetic_box", "", False, box)


def list_sources(root: Path) -> list[Source]:
    """All rows wanted, in an order that depends on the seed only."""
    pacs = root / "Homework3-PACS" / "PACS"
    parts: list[Callable[[], Iterator[Source]]] = [
        lambda: _fashion(root / "Fashion-Recommendation-System" / "images"),
        lambda: _caltech(root / "Homework2-Caltech101"),
        lambda: _clothing(root / "clothing-dataset"),
        lambda: _emoji(root),
        lambda: _flat(root / "tuxpaint-stamps-default", "stamps"),
        lambda: _groceries(root / "groceries-object-detection-dataset"),
        lambda: _folders(root / "Image-classification-using-CNN" / "dataset", "cats_dogs", 1500),
        lambda: _folders(pacs / "photo", "pacs_photo", 900),
        lambda: _folders(pacs / "cartoon", "pacs_cartoon", 700),
        lambda: _folders(pacs / "art_painting", "pacs_art", 700),
        lambda: _folders(root / "flower_classification" / "flowers", "flowers", 2000),
        lambda: _folders(root / "RecycleNet" / "data", "recycle", None, localize=True),
        lambda: _flat(root / "imagenet-sample-images", "imagenet_sample", localize=True),
        lambda: _foda(root / "fodadataset"),
        lambda: _cosmetics(root / "Cosmetic-Object-Detection"),
        lambda: _folders(root / "coins-dataset" / "classified", "coins", 1000),
    ]
    rows = [row for part in parts for row in part()]
    random.Random(SEED).shuffle(rows)
    return rows


def resize(image: np.ndarray, side: int) -> np.ndarray:
    """Squash to (side, side), averaging when shrinking as inference does."""
    shrink = image.shape[0] > side or image.shape[1] > side
    how = cv2.INTER_AREA if shrink else cv2.INTER_LINEAR
    return cv2.resize(image, (side, side), interpolation=how)


def on_white(image: np.ndarray) -> np.ndarray:
    """Grey, BGR or BGRA as decoded to RGB uint8; what is transparent becomes white."""
    if image.dtype == np.uint16:
        image = (image >> 8).astype(np.uint8)
    if image.ndim == 2:
        return cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)
    if image.shape[2] == 3:
        return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    alpha = image[..., 3:].astype(np.float32) / 255
    flat = (image[..., 2::-1] * alpha + 255 * (1 - alpha)).astype(np.uint8)
    pad = [max(flat.shape[:2]) // 16] * 4
    return cv2.copyMakeBorder(flat, *pad, cv2.BORDER_CONSTANT, value=(255, 255, 255))


def _crop(image: np.ndarray, box: Box) -> tuple[np.ndarray, Box]:
    """Box plus margin as a row, and the box relative to that row."""
    height, width = image.shape[:2]
    x0, y0, x1, y1 = box
    dx, dy = (x1 - x0) * MARGIN, (y1 - y0) * MARGIN
    left, top = max(round((x0 - dx) * width), 0), max(round((y0 - dy) * height), 0)
    right = max(min(round((x1 + dx) * width), width), left + 2)
    bottom = max(min(round((y1 + dy) * height), height), top + 2)
    inner = (
        (x0 * width - left) / (right - left),
        (y0 * height - top) / (bottom - top),
        (x1 * width - left) / (right - left),
        (y1 * height - top) / (bottom - top),
    )
    return image[top:bottom, left:right], inner


_localizer: Localizer | None = None


def _start(path: Path) -> None:
    global _localizer
    cv2.setNumThreads(1)
    _localizer = Localizer(path)


Row = tuple[np.ndarray, Box, Source]


def _make(source: Source) -> list[Row]:
    data = np.fromfile(source.path, np.uint8) if source.path.exists() else np.zeros(0, np.uint8)
    with_alpha = source.path.suffix.lower() == ".png"
    how = cv2.IMREAD_UNCHANGED if with_alpha else cv2.IMREAD_COLOR  # the latter turns as EXIF says
    image = cv2.imdecode(data, how) if data.size else None
    if image is None:
        return []
    image = on_white(image)
    if source.box is not None:
        cut, inner = _crop(image, source.box)
        return [(resize(cut, SIDE), inner, source)]
    rows: list[Row] = [(resize(image, SIDE), (0.0, 0.0, 1.0, 1.0), source)]
    if source.localize and _localizer is not None:
        box, score = _localizer.best(image)
        area = (box[2] - box[0]) * (box[3] - box[1])
        if score >= 0.5 and 0.05 <= area <= 0.7:
            cut, inner = _crop(image, box)
            rows.append((resize(cut, SIDE), inner, source))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("datasets", type=Path)
    parser.add_argument("localizer", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    sources = list_sources(args.datasets)
    most = len(sources) + sum(s.localize for s in sources)
    raw = np.memmap(args.out / "pixels.raw", np.uint8, "w+", shape=(most, SIDE, SIDE, 3))
    inner: list[Box] = []
    kept: list[Source] = []
    missing = 0
    with ProcessPoolExecutor(args.workers, initializer=_start, initargs=(args.localizer,)) as pool:
        for rows in pool.map(_make, sources, chunksize=64):
            missing += not rows
            for pixels, box, source in rows:
                raw[len(kept)] = pixels
                inner.append(box)
                kept.append(source)
    raw.flush()
    np.savez(
        args.out / "rows.npz",
        inner=np.array(inner, np.float32),
        dataset=np.array([s.dataset for s in kept]),
        label=np.array([s.label for s in kept]),
        held_out=np.array([s.held_out for s in kept]),
        path=np.array([str(s.path.relative_to(args.datasets)) for s in kept]),
    )
    print(f"{len(kept)} rows, {missing} pictures unreadable")
    names, counts = np.unique([s.dataset for s in kept], return_counts=True)
    for name, count in zip(names, counts, strict=True):
        print(f"  {name}: {count}")


if __name__ == "__main__":
    main()
