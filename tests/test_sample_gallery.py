"""The committed sample gallery is whole, and its script still makes it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
GALLERY = ROOT / "gallery"
sys.path.insert(0, str(ROOT / "scripts"))

from sample_gallery import light, make, products, scenes, singles  # noqa: E402
from sample_gallery.fonts import FontsMissingError, require_fonts  # noqa: E402

LABELS = {p.label for p in products.PRODUCTS}


def scene_lines() -> list[dict[str, Any]]:
    text = (GALLERY / "scenes" / "scenes.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def folders(name: str) -> dict[str, int]:
    return {d.name: len(list(d.glob("*.jpg"))) for d in (GALLERY / name).iterdir() if d.is_dir()}


def test_every_product_has_its_references_and_a_query() -> None:
    assert folders("products") == dict.fromkeys(LABELS, len(singles.VIEWS))
    assert folders("queries") == dict.fromkeys(LABELS, 1)
    assert len(LABELS) == 24


def test_gallery_stays_small() -> None:
    assert sum(f.stat().st_size for f in GALLERY.rglob("*") if f.is_file()) <= 5_000_000


def test_every_picture_opens() -> None:
    pictures = list(GALLERY.rglob("*.jpg"))
    assert len(pictures) == 24 * 6 + 12
    for path in pictures:
        with Image.open(path) as picture:
            assert picture.convert("RGB").getextrema() != ((0, 0),) * 3, path
            assert max(picture.size) in ((900,) if path.parent.name == "scenes" else (380, 400)), (
                path
            )


def test_no_two_pictures_are_the_same_file() -> None:
    contents = [path.read_bytes() for path in GALLERY.rglob("*.jpg")]
    assert len(set(contents)) == len(contents)


def test_scenes_name_known_products_in_boxes_inside_the_picture() -> None:
    lines = scene_lines()
    assert [line["image"] for line in lines] == [f"scene{k:02d}.jpg" for k in range(1, 13)]
    for line in lines:
        with Image.open(GALLERY / "scenes" / line["image"]) as picture:
            width, height = picture.size
        for thing in line["objects"]:
            assert thing["label"] is None or thing["label"] in LABELS
            x1, y1, x2, y2 = thing["box"]
            assert 0 <= x1 < x2 <= width, line["image"]
            assert 0 <= y1 < y2 <= height, line["image"]
            assert (x2 - x1) * (y2 - y1) > 600, (line["image"], thing)


def test_scenes_show_all_products_and_several_strangers() -> None:
    seen = [thing["label"] for line in scene_lines() for thing in line["objects"]]
    assert set(seen) >= LABELS
    assert seen.count(None) >= 5


TEA = next(p for p in products.PRODUCTS if p.label == "Lady Wren's Green Tea, 20 Bags")


@pytest.fixture(scope="module")
def rendered() -> NDArray[np.uint8]:
    """The first picture of the green tea, made now."""
    try:
        require_fonts()
    except FontsMissingError as missing:
        pytest.skip(str(missing))
    return singles.reference(TEA, 0, make.SEED)


def test_script_makes_the_committed_picture(rendered: NDArray[np.uint8]) -> None:
    with Image.open(GALLERY / "products" / TEA.label / "1.jpg") as picture:
        committed = np.asarray(picture.convert("RGB"), np.float64)
    # Other versions of the libraries may round otherwise, and JPEG loses a little.
    assert np.abs(committed - rendered).mean() < 4


def test_script_makes_the_same_picture_twice(rendered: NDArray[np.uint8]) -> None:
    assert np.array_equal(rendered, singles.reference(TEA, 0, make.SEED))


def test_another_seed_makes_another_picture(rendered: NDArray[np.uint8]) -> None:
    assert not np.array_equal(rendered, singles.reference(TEA, 0, make.SEED + 1))


def test_missing_fonts_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sample_gallery.fonts.ROOT", tmp_path)
    with pytest.raises(FontsMissingError, match=r"apt-get install .*fonts-noto-cjk"):
        require_fonts()


def test_scene_boxes_are_tight() -> None:
    """The box of a lone product touches it on all four sides."""
    mask = np.zeros((40, 60), bool)
    mask[10:20, 4:30] = True  # in the doubled frame
    assert scenes._box(mask) == (2, 5, 15, 10)


def test_shadows_have_no_pinholes() -> None:
    """A plate whose points are one cell apart, but for a missing one, darkens all below it."""
    y, x = np.mgrid[:20, :20].reshape(2, -1).astype(np.float32)
    plate = np.stack((x, y, np.full_like(x, 9.0)), 1)
    below = plate - np.float32((0, 0, 9))
    beside = below + np.float32((100, 0, 0))
    still = np.zeros((len(below), 2), np.float32)
    holed = np.delete(plate, 210, axis=0)
    assert not light._lit(below, holed, 1.0, still).any()
    assert light._lit(beside, holed, 1.0, still).all()
