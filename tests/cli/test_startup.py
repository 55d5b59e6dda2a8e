"""What a command loads: nothing that it does not use, because somebody waits for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys
from shitu.cli import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    if end.code:
        raise
print("loaded: " + " ".join(sorted(sys.modules)))
"""

USELESS = {
    "linting",
    "evaluation",
    "nets",
    "drawing",
    "adapter.choosing",
    "adapter.fitting",
    "calibration.calibrating",
    "catalog.as_of",
    "catalog.build",
    "catalog.checking",
    "catalog.importing",
    "catalog.index_import",
    "catalog.migration",
    "catalog.sync",
    "catalog.undoing",
    "choosing.diagnosis",
    "choosing.parity",
    "choosing.trial",
    "cli.gallery",
    "cli.lint",
    "gallery.audit",
    "gallery.membership",
    "gallery.migrations.m0001_first_tables",
    "gallery.recognitions",
    "gallery.transaction",
    "gallery.where",
    "models.catalogue",
    "models.exports",
    "models.store",
    "remembering",
}

# Stands in for the command line, and says what it finds.
SHORT = """
import gc
import shitu.cli
shitu.cli.main = lambda prog_name: print(prog_name, gc.get_threshold()[0], gc.get_freeze_count())
from shitu.__main__ import run
run()
print(gc.get_freeze_count())
"""


def loaded(*arguments: object) -> set[str]:
    command = [sys.executable, "-c", PROGRAM, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split()[1:])


def test_recognize_loads_what_it_uses_and_nothing_else(built: Path, query: Path) -> None:
    found = loaded("recognize", query, "--index", built / "index", "--engine", "onnxruntime")
    # Only one of each kind: what reads the gallery, searches, decodes, resizes and runs networks.
    assert {"sqlalchemy", "faiss", "PIL", "cv2", "onnxruntime"} <= found
    assert not {"paddle", "openvino", "scipy", "pandas", "matplotlib", "torch"} & found
    # Of the formats of pictures only the usual ones, and nothing that would fetch models.
    assert not {"PIL.PcxImagePlugin", "shitu.models.download", "tarfile"} & found
    assert not {f"shitu.{name}" for name in USELESS} & found


def test_help_opens_nothing() -> None:
    found = loaded("--help")
    assert not {"sqlalchemy", "faiss", "cv2", "numpy", "onnxruntime", "PIL"} & found


def test_one_command_is_loaded_without_the_others() -> None:
    found = loaded("recognize", "--help")
    assert "shitu.cli.recognize" in found
    assert not {"shitu.cli.gallery", "shitu.cli.lint", "shitu.workspace", "numpy"} & found


def test_the_program_looks_for_garbage_seldom_and_not_at_its_end() -> None:
    command = [sys.executable, "-c", SHORT]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    (name, threshold, before), (after,) = map(str.split, done.stdout.splitlines())
    assert (name, before) == ("shitu", "0")
    assert int(threshold) > 10_000
    assert int(after) > 10_000
