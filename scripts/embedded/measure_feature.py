"""Measure the feature network and its teachers on Grocery Store, which trains neither.

    python measure_feature.py GROCERY LOCALIZER.onnx CACHE [--net params.npz] [--v1 FILE]

Protocols: (a) train -> test, (b) iconic -> test, (c) iconic -> test with packages only; fine label,
cosine, 1-NN. CACHE keeps the prepared pictures between runs.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from feature_data import resize
from localizer import Localizer
from torch import Tensor

SIDE = 260


def _rows(file: Path) -> list[tuple[str, int]]:
    lines = [line.split(",") for line in file.read_text().splitlines() if line.strip()]
    return [(parts[0].strip(), int(parts[1])) for parts in lines]


def _iconic(file: Path) -> list[tuple[str, int]]:
    with file.open() as handle:
        table = list(csv.reader(handle))
    found = []
    for row in table[1:]:
        path = next(
            cell
            for cell in row
            if "iconic" in cell.lower() and cell.lower().endswith((".jpg", ".png"))
        )
        found.append((path.strip().lstrip("/"), int(row[1])))
    return found


def prepare(root: Path, localizer: Path, cache: Path) -> dict[str, np.ndarray]:
    """Whole pictures and crops at 260 px, labels and which rows are of packages."""
    if cache.exists():
        return dict(np.load(cache))
    finder = Localizer(localizer)
    parts = {"train": _rows(root / "train.txt"), "test": _rows(root / "test.txt")}
    parts["iconic"] = _iconic(root / "classes.csv")
    out: dict[str, np.ndarray] = {}
    for part, rows in parts.items():
        whole, crop = [], []
        for path, _ in rows:
            image = cv2.imread(str(root / path))
            if image is None:
                raise SystemExit(f"{root / path} is not a readable picture")
            image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
            whole.append(resize(image, SIDE))
            (x0, y0, x1, y1), score = finder.best(image)
            height, width = image.shape[:2]
            if score >= 0.5 and (x1 - x0) * (y1 - y0) >= 0.05:
                image = image[
                    round(y0 * height) : round(y1 * height), round(x0 * width) : round(x1 * width)
                ]
            crop.append(resize(image, SIDE))
        out[f"{part}_whole"], out[f"{part}_crop"] = np.stack(whole), np.stack(crop)
        out[f"{part}_label"] = np.array([label for _, label in rows])
        out[f"{part}_package"] = np.array(["packages" in path.lower() for path, _ in rows])
    np.savez(cache, **out)  # type: ignore[arg-type]
    return out


def report(name: str, data: dict[str, np.ndarray], unit: dict[str, Tensor]) -> None:
    """`unit` maps 'part_view' to unit vectors."""
    for view in ("whole", "crop"):
        shown = []
        for protocol, gallery, packages in (
            ("a", "train", False),
            ("b", "iconic", False),
            ("c", "iconic", True),
        ):
            keep_q = data["test_package"] if packages else np.ones(len(data["test_label"]), bool)
            keep_g = (
                data[f"{gallery}_package"]
                if packages
                else np.ones(len(data[f"{gallery}_label"]), bool)
            )
            score = unit[f"test_{view}"][keep_q] @ unit[f"{gallery}_{view}"][keep_g].T
            found = data[f"{gallery}_label"][keep_g][score.argmax(1).numpy()]
            right = (found == data["test_label"][keep_q]).mean()
            shown.append(f"({protocol}) {right:.4f} [{keep_g.sum()} -> {keep_q.sum()}]")
        print(name, view, ", ".join(shown), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("grocery", "localizer", "cache"):
        parser.add_argument(name, type=Path)
    for name in ("--net", "--v1", "--v2", "--lite2"):
        parser.add_argument(name, type=Path)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    data = prepare(args.grocery, args.localizer, args.cache)
    keys = [f"{part}_{view}" for part in ("train", "test", "iconic") for view in ("whole", "crop")]
    if args.net is not None:
        from feature_net import FeatureNet, load
        from refine_feature import embed_views

        net = FeatureNet()
        load(net, dict(np.load(args.net)))
        net.eval().to(memory_format=torch.channels_last)
        unit = {}
        for key in keys:
            views = np.stack([resize(i, 224) for i in data[key]])
            unit[key] = F.normalize(embed_views(net, views), dim=1)
        report(str(args.net.parent.name), data, unit)
    if args.v1 or args.v2 or args.lite2:
        from feature_teachers import Teachers

        teachers = Teachers(args.v1, args.v2, args.lite2)
        raw = {}
        for key in keys:
            batches = [
                teachers.embed(list(data[key][i : i + 32])) for i in range(0, len(data[key]), 32)
            ]
            raw[key] = {
                k: torch.from_numpy(np.concatenate([b[k] for b in batches])) for k in batches[0]
            }
        for kind in teachers.nets:
            report(kind, data, {key: F.normalize(raw[key][kind], dim=1) for key in keys})


if __name__ == "__main__":
    main()
