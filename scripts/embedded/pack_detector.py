"""Pack what training a detector on a GPU needs: small copies of a sample of the pictures.

    python pack_detector.py DATASETS labels.jsonl OUT

OUT gets the layout of DATASETS, so that train_detector.py runs on it as it is; pictures are WebP
under their old names, whatever those end in, and `labels.jsonl` lists what was taken. Held-out
pictures stay behind.
"""

from __future__ import annotations

import argparse
import json
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from detector_labels import percentile

MOST = {
    "tool": 1500,
    "caltech": 2400,
    "clothing": 1100,
    "pets": 300,
    "pacs": 400,
    "recycling": 700,
    "imagenet": 700,
}
WHITE = 2500  # pictures to cut out


def keep(source: Path, target: Path, side: int, quality: int) -> None:
    """Write a copy whose longer side is at most `side`."""
    image = cv2.imread(str(source))
    factor = side / max(image.shape[:2])
    if factor < 1:
        image = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    coded = cv2.imencode(".webp", image, [cv2.IMWRITE_WEBP_QUALITY, quality])[1]
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(coded.tobytes())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("data", "labels", "out"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--side", type=int, default=400)
    parser.add_argument("--quality", type=int, default=55)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(9)
    rows = [json.loads(line) for line in args.labels.read_text().splitlines()]
    taken = []
    for source in dict.fromkeys(row["source"] for row in rows):
        mine = [row for row in rows if row["source"] == source and not row["test"]]
        order = random.permutation(len(mine))[: MOST.get(source)]
        taken += [mine[i] for i in order]
    paths = [Path(row["path"]) for row in taken]
    white = sorted((args.data / "Fashion-Recommendation-System/images").glob("*.jpg"))
    white = [path.relative_to(args.data) for path in white if percentile(path.name) >= 10]
    paths += [white[i] for i in random.permutation(len(white))[:WHITE]]
    copy = partial(keep, side=args.side, quality=args.quality)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(copy, [args.data / p for p in paths], [args.out / p for p in paths]))
    lines = (json.dumps(row) + "\n" for row in taken)
    (args.out / "labels.jsonl").write_text("".join(lines))
    print(f"{len(taken)} labelled pictures, {len(paths) - len(taken)} to cut out")


if __name__ == "__main__":
    main()
