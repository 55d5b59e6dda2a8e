"""Writes the whole sample gallery: products, queries, scenes and their list of objects."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import cv2
from PIL import Image

from .art import Pixels
from .fonts import FontsMissingError, require_fonts
from .products import PRODUCTS, Product
from .scenes import PLANS, scene
from .singles import VIEWS, query, reference

SEED = 7
QUALITY = 85


def save(picture: Pixels, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path, quality=QUALITY, optimize=True)


def make_product(out: Path, product: Product, seed: int) -> str:
    for view in range(len(VIEWS)):
        save(reference(product, view, seed), out / "products" / product.label / f"{view + 1}.jpg")
    save(query(product, seed), out / "queries" / product.label / "query.jpg")
    return product.label


def make_scene(out: Path, number: int, seed: int) -> str:
    """Writes the picture; gives its line of scenes.jsonl."""
    name, made = f"scene{number + 1:02d}.jpg", scene(number, seed)
    save(made.picture, out / "scenes" / name)
    objects = [{"label": o.label, "box": list(o.box)} for o in made.objects]
    return json.dumps({"image": name, "objects": objects}, ensure_ascii=False)


def make_all(out: Path, seed: int, jobs: int, say: Callable[[str], None]) -> None:
    with ProcessPoolExecutor(jobs, initializer=cv2.setNumThreads, initargs=(1,)) as pool:
        products = [pool.submit(make_product, out, product, seed) for product in PRODUCTS]
        scenes = [pool.submit(make_scene, out, number, seed) for number in range(len(PLANS))]
        for done in products:
            say(done.result())
        lines = [done.result() for done in scenes]
    (out / "scenes" / "scenes.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    say(f"{len(lines)} scenes")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Renders the sample gallery of invented products.")
    parser.add_argument("--out", type=Path, default=Path("gallery"), help="folder to write into")
    parser.add_argument("--seed", type=int, default=SEED, help="another seed, other pictures")
    parser.add_argument("--jobs", type=int, default=1, help="pictures rendered at the same time")
    given = parser.parse_args(arguments)
    try:
        require_fonts()
    except FontsMissingError as missing:
        print(f"make_sample_gallery: {missing}", file=sys.stderr)
        return 1
    make_all(given.out, given.seed, given.jobs, lambda line: print(line, file=sys.stderr))
    return 0
