"""What `import shitu` promises."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys

import pytest

import shitu

HEAVY = ("paddle", "faiss", "cv2", "sqlalchemy", "onnxruntime", "numpy", "PIL", "yaml")


def modules_after(code: str) -> set[str]:
    """Top-level modules loaded by a fresh interpreter that ran the code."""
    run = subprocess.run(
        [sys.executable, "-c", code + "\nimport sys; print(*sys.modules, sep='\\n')"],
        capture_output=True,
        text=True,
        check=True,
    )
    return {name.partition(".")[0] for name in run.stdout.splitlines()}


def test_public_names_are_sorted_and_exist() -> None:
    assert shitu.__all__ == sorted(shitu.__all__)
    for name in shitu.__all__:
        assert getattr(shitu, name).__doc__, f"{name} has no docstring"
    assert set(shitu.__all__) <= set(dir(shitu))


def test_public_names_have_types() -> None:
    source = ast.parse(inspect.getsource(shitu))
    (typed,) = (node for node in source.body if isinstance(node, ast.If))
    imports = (node for node in typed.body if isinstance(node, ast.ImportFrom))
    found = {name.name: node.module for node in imports for name in node.names}
    assert sorted(found) == shitu.__all__
    assert found.items() <= shitu._ROOMS.items()


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Wrokspace'"):
        shitu.Wrokspace  # noqa: B018


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert not modules_after("import shitu") & set(HEAVY)


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import click\nfrom shitu.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass"
    )
    assert not modules_after(code) & set(HEAVY)


def test_the_recognise_path_does_not_load_paddle() -> None:
    code = "import shitu.workspace, shitu.catalog, shitu.runtime.onnx_runtime, shitu.drawing"
    assert "paddle" not in modules_after(code)
