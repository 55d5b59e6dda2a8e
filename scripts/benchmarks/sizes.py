"""How much room the package takes, and the environment it is installed in."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.processes import SCRIPTS
from benchmarks.sections import Section

_SOURCES = ("setup.cfg", "pyproject.toml", "README.md", "LICENSE")
_LARGEST = 6


def size_section() -> Section:
    """Sizes in megabytes (10^6 bytes) of files, links not followed."""
    values = [*_package(), *_environment()]
    rows = [(row["what"], f"{row['megabytes']:,.1f}") for row in values]
    return Section("sizes", values, "Sizes", ("", "MB"), rows)


def _package() -> Iterator[dict[str, Any]]:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        wheel = _wheel(Path(folder))
        if wheel is None:
            return
        yield {"what": "wheel", "megabytes": wheel.stat().st_size / 1e6}
        with zipfile.ZipFile(wheel) as archive:
            files = archive.infolist()
        inside = [file for file in files if file.filename.startswith("shitu/")]
        weights = [file for file in inside if file.filename.startswith("shitu/models/weights/")]
    yield {"what": "installed package", "megabytes": sum(f.file_size for f in inside) / 1e6}
    yield {"what": "- of it, weights", "megabytes": sum(f.file_size for f in weights) / 1e6}


def _wheel(folder: Path) -> Path | None:
    """The wheel, built from a copy: a build leaves files in the folder it builds from."""
    source = folder / "source"
    root = SCRIPTS.parent
    shutil.copytree(root / "shitu", source / "shitu", ignore=shutil.ignore_patterns("__pycache__"))
    for name in _SOURCES:
        shutil.copy(root / name, source / name)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "-w", str(folder), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = next(folder.glob("*.whl"), None)
    if found is None:
        said = (done.stderr.strip().splitlines() or ["pip said nothing"])[-1]
        print(
            f"the size of the package is left out, as no wheel was built: {said}", file=sys.stderr
        )
    return found


def _environment() -> Iterator[dict[str, Any]]:
    packages = Path(sysconfig.get_path("platlib"))
    parts = [(_size(part), part.name) for part in packages.iterdir()]
    yield {"what": "environment", "megabytes": _size(Path(sys.prefix)) / 1e6}
    for size, name in sorted(parts, reverse=True)[:_LARGEST]:
        yield {"what": f"- of it, {name}", "megabytes": size / 1e6}


def _size(path: Path) -> int:
    """Bytes of a file, or of all files below a folder."""
    if path.is_symlink():
        return 0
    if path.is_file():
        return path.stat().st_size
    return sum(_size(Path(entry.path)) for entry in os.scandir(path))
