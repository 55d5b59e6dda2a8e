"""Measure the detector against the Mobile Object Localizer on held-out pictures.

    python detector_eval.py DATA_FOLDER LOCALIZER.onnx labels.jsonl params.npz [PICTURES_A_SET]

Class-agnostic, COCO style: AP by 101-point interpolation at IoU 0.5 and averaged over 0.5:0.95,
AR@10 over the same IoUs, and "main box": the best-scored box has IoU >= 0.5 / 0.75 with the only
true one (pictures with one box).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from detector_data import Image, Sample, Scenes, normalise, squash
from detector_labels import overlaps
from detector_net import INPUT_SIZE, PicoDet, anchor_points, decode_boxes, load_params
from localizer import Localizer

IOUS = np.arange(0.5, 0.96, 0.05)
Found = tuple[np.ndarray, np.ndarray]  # boxes xyxy in pixels, scores; best first
Detect = Callable[[Image], Found]


def suppress(boxes: np.ndarray, scores: np.ndarray, iou: float = 0.6, most: int = 100) -> Found:
    """Greedy non-maximum suppression."""
    order = np.argsort(-scores, kind="stable")[:1000]
    kept: list[int] = []
    while len(order) and len(kept) < most:
        kept.append(int(order[0]))
        order = order[1:][overlaps(boxes[order[:1]], boxes[order[1:]])[0] <= iou]
    return boxes[kept], scores[kept]


def detector(net: PicoDet, size: int = INPUT_SIZE, floor: float = 0.025) -> Detect:
    net.eval()
    points, strides = anchor_points(size)

    @torch.no_grad()
    def detect(image: Image) -> Found:
        height, width = image.shape[:2]
        scores, bins = net(torch.from_numpy(normalise(squash(image, size, size)))[None])
        boxes = decode_boxes(bins[0], points, strides).numpy().clip(0, size)
        score = scores[0, :, 0].numpy()
        keep = score > floor
        scale = np.array([width / size, height / size] * 2, np.float32)
        return suppress(boxes[keep] * scale, score[keep])

    return detect


def localizer(path: Path) -> Detect:
    run = Localizer(path)

    def detect(image: Image) -> Found:
        boxes, scores = run(image)
        return boxes * np.array(list(image.shape[1::-1]) * 2), scores

    return detect


def average_precision(hits: np.ndarray, scores: np.ndarray, truths: int) -> float:
    """101-point interpolated AP of detections pooled over pictures."""
    hits = hits[np.argsort(-scores, kind="stable")]
    true = np.cumsum(hits)
    precision = np.maximum.accumulate((true / np.arange(1, len(hits) + 1))[::-1])[::-1]
    at = np.searchsorted(true / truths, np.linspace(0, 1, 101))
    return float(np.append(precision, 0.0)[np.minimum(at, len(hits))].mean())


def matches(found: np.ndarray, truth: np.ndarray, iou: float) -> np.ndarray:
    """Which detections (best first) hit a true box that none before them hit."""
    table = overlaps(found, truth) if len(found) and len(truth) else np.zeros((len(found), 0))
    free = np.ones(len(truth), bool)
    hits = np.zeros(len(found), bool)
    for i, row in enumerate(table):
        best = int(np.argmax(np.where(free, row, -1.0)))
        if free[best] and row[best] >= iou:
            hits[i], free[best] = True, False
    return hits


def measure(detect: Detect, samples: list[Sample]) -> dict[str, float]:
    """AP50, AP, AR@10, main-box rates, and recall/precision by threshold on full pictures."""
    results = [(*detect(s.image), s) for s in samples]
    truths = sum(len(s.boxes) for s in samples)
    pooled = np.concatenate([scores for _, scores, _ in results])
    table, recall = [], []
    for iou in IOUS:
        hits = [matches(boxes, s.boxes, iou) for boxes, _, s in results]
        table.append(average_precision(np.concatenate(hits), pooled, truths))
        recall.append(sum(int(h[:10].sum()) for h in hits) / truths)
    out = {"AP50": table[0], "AP": float(np.mean(table)), "AR10": float(np.mean(recall))}
    alone = [(boxes, s) for boxes, _, s in results if len(s.boxes) == 1]
    for iou in (0.5, 0.75):
        good = [bool(matches(boxes[:1], s.boxes, iou).any()) for boxes, s in alone]
        out[f"main{int(iou * 100)}"] = float(np.mean(good)) if good else float("nan")
    return out


def thresholds(
    detect: Detect, samples: list[Sample], levels: list[float]
) -> list[tuple[float, ...]]:
    """(level, precision, recall, F1, boxes a picture, pictures without any box) at IoU 0.5."""
    results = [(*detect(s.image), s) for s in samples]
    truths = sum(len(s.boxes) for s in samples)
    rows = []
    for level in levels:
        kept = [(boxes[scores > level], s) for boxes, scores, s in results]
        right = sum(int(matches(boxes, s.boxes, 0.5).sum()) for boxes, s in kept)
        count = sum(len(boxes) for boxes, _ in kept)
        precision, recall = right / max(count, 1), right / truths
        f1 = 2 * precision * recall / max(precision + recall, 1e-9)
        empty = float(np.mean([len(boxes) == 0 for boxes, _ in kept]))
        rows.append((level, precision, recall, f1, count / len(kept), empty))
    return rows


def held_out(scenes: Scenes, most: int) -> dict[str, list[Sample]]:
    """The test sets: drawn boxes by source, and generated scenes from held-out parts."""
    sets = {}
    for source in ("shelf", "cosmetic", "tool"):
        rows = scenes.by_source[source]
        step = max(1, len(rows) // most)
        sets[source] = [scenes.photo(row) for row in rows[::step][:most]]
    makers = {"composite": scenes.composite, "rows": scenes.shelf, "mosaic": scenes.mosaic}
    for name, make in makers.items():
        random = np.random.default_rng(7)
        sets[name] = [make(640, random) for _ in range(min(most, 150))]
    return sets


def report(name: str, figures: dict[str, float]) -> str:
    return f"{name:24s} " + "  ".join(f"{key} {value:.3f}" for key, value in figures.items())


def main() -> None:
    data, teacher, labels, params = (Path(arg) for arg in sys.argv[1:5])
    most = int(sys.argv[5]) if len(sys.argv) > 5 else 2000
    torch.set_num_threads(1)
    net = PicoDet(1)
    load_params(net, params)
    ours, theirs = detector(net), localizer(teacher)
    for name, samples in held_out(Scenes(data, labels, test=True), most).items():
        print(f"{name}: {len(samples)} pictures, {sum(len(s.boxes) for s in samples)} boxes")
        print(report("  detector", measure(ours, samples)))
        print(report("  localizer", measure(theirs, samples)), flush=True)
        for row in thresholds(ours, samples, [0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5]):
            print("  > {:.2f}: P {:.3f} R {:.3f} F1 {:.3f} boxes {:.2f} none {:.3f}".format(*row))


if __name__ == "__main__":
    main()
