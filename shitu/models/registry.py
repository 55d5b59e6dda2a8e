"""Names of models -> folders. The embedded models are part of the package and need no download."""

from __future__ import annotations

from pathlib import Path

from shitu.errors import ModelError
from shitu.models.exports import is_export, read_export
from shitu.models.spec import DESCRIPTION, ModelSpec, read_spec

_EMBEDDED = Path(__file__).parent / "weights"


def model_names() -> list[str]:
    """Names of the models that come with the package, sorted."""
    return sorted(path.parent.name for path in _EMBEDDED.glob(f"*/{DESCRIPTION}"))


def find_model(name: str, kind: str) -> ModelSpec:
    """The model of that name, or in the folder of that name.

    Raises:
        ModelError: there is none, or it is of another kind than the one wanted.
    """
    embedded = _EMBEDDED / name
    if name in model_names():
        spec = read_spec(embedded)
    elif _is_folder(name):
        spec = read_folder(Path(name))
    else:
        raise ModelError(
            f"No model is called {name!r}. Known: {', '.join(model_names())}; "
            f"or give a folder with a {DESCRIPTION} or an export of PaddleX, PaddleClas or "
            "PaddleDetection."
        )
    if spec.kind != kind:
        raise ModelError(f"The model {name!r} is a {spec.kind}; a {kind} is needed here.")
    return spec


def read_folder(folder: Path) -> ModelSpec:
    """Read the model in a folder, ours or one that upstream exported; raises ModelError."""
    if not (folder / DESCRIPTION).exists() and is_export(folder):
        return read_export(folder)
    return read_spec(folder)


def _is_folder(name: str) -> bool:
    try:
        return Path(name).is_dir()
    except OSError:  # a name that is too long, for instance
        return False
