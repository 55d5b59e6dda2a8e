"""Renders gallery/: python scripts/make_sample_gallery.py --out gallery"""

from __future__ import annotations

import os

# The matrices are small: more threads only get in each other's way. numpy reads this on import.
for library in ("OPENBLAS", "OMP", "MKL"):
    os.environ[f"{library}_NUM_THREADS"] = "1"

from sample_gallery.make import main

if __name__ == "__main__":
    raise SystemExit(main())
