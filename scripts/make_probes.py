"""Make the pictures on which engines are compared, from the sample gallery.

.venv/bin/python scripts/make_probes.py
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from shitu.images import load_image, thumbnail

PROBES = ROOT / "shitu" / "choosing" / "probes"
SIDE = 480


def main() -> int:
    scenes = sorted((ROOT / "gallery" / "scenes").glob("*.jpg"))[::3]
    queries = sorted((ROOT / "gallery" / "queries").glob("*/*.jpg"))[::12]
    for number, path in enumerate([*scenes, *queries], 1):
        target = PROBES / f"{number}.jpg"
        target.write_bytes(thumbnail(load_image(path), SIDE))
        print(f"{target.name}: {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
