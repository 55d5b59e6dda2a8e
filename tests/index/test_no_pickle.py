"""Nothing in the package can run code out of a data file."""

from __future__ import annotations

import ast
from pathlib import Path

import shitu

PACKAGE = Path(shitu.__file__).parent
# Indexes and weights of other programs come as pickles; these loaders can make nothing but numbers,
# text and arrays of numbers (tests/catalog/test_id_map.py, tests/models/test_pdparams.py).
ONLY = [PACKAGE / "catalog" / "id_map.py", PACKAGE / "models" / "pdparams.py"]
FORBIDDEN = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}


def imported(tree: ast.AST) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {name.name.split(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
        elif isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            allowed = not (isinstance(node.value, ast.Constant) and node.value.value is False)
            names |= {"pickle"} if allowed else set()
    return names


def test_two_modules_import_pickle_and_restrict_it() -> None:
    sources = sorted(PACKAGE.rglob("*.py"))
    assert len(sources) > 50
    guilty = [s for s in sources if imported(ast.parse(s.read_text("utf-8"))) & FORBIDDEN]
    assert guilty == ONLY


def test_the_test_would_notice() -> None:
    assert imported(ast.parse("import pickle.x")) & FORBIDDEN
    assert imported(ast.parse("np.load(f, allow_pickle=True)")) & FORBIDDEN
    assert not imported(ast.parse("np.load(f, allow_pickle=False)")) & FORBIDDEN
