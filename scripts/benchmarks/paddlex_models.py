"""PaddleX in an environment of its own, and our networks in files that it takes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from shitu.errors import ShituError

VERSION = "3.4.3"  # the pipeline PP-ShiTuV2 of 3.5 to 3.7 cannot build an index
_PACKAGES = (f"paddlex[cv]=={VERSION}", "paddlepaddle==3.3.1")
_ASKED = "import importlib.metadata as m; print(m.version('paddlex'))"


def environment(folder: Path) -> Path:
    """Return the Python that has PaddleX, which is installed unless it is there.

    Raises:
        ShituError: it cannot be installed.
    """
    python = folder / "bin" / "python"
    if not python.exists():
        print(f"installing PaddleX {VERSION} into {folder}", file=sys.stderr, flush=True)
        _run([sys.executable, "-m", "venv", str(folder)])
        _run([str(python), "-m", "pip", "install", "--quiet", *_PACKAGES])
    found = _run([str(python), "-c", _ASKED]).strip()
    if found != VERSION:
        raise ShituError(f"{folder} has PaddleX {found}; {VERSION} is needed: give another folder.")
    return python


def _run(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["it said nothing"]
        raise ShituError(f"{' '.join(command)} failed ({done.returncode}): {lines[-1]}")
    return done.stdout


def export_models(feature: str, detector: str, folder: Path) -> dict[str, str]:
    """Write both models as PaddleX opens them; their folders by PaddleX' names."""
    from shitu.exporting import export, source_of_model
    from shitu.models.registry import read_model

    models = {"PP-ShiTuV2_rec": feature, "PP-ShiTuV2_det": detector}
    for name, model in models.items():  # PaddleX opens those two names only
        export(source_of_model(read_model(model)).called(name), "paddle", folder / name)
    return {name: str(folder / name) for name in models}
