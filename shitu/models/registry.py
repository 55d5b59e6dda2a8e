"""Names of models -> what they are: embedded in the package, pulled, or in a folder."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from shitu.errors import ModelError, WeightsNotFound
from shitu.models.spec import DESCRIPTION, ModelSpec, read_spec

if TYPE_CHECKING:
    from shitu.models.store import Installed

_EMBEDDED = Path(__file__).parent / "weights"
_CALLED = {"feature": "feature extractor"}


def model_names() -> list[str]:
    """Names of the models that come with the package, sorted."""
    return sorted(path.parent.name for path in _EMBEDDED.glob(f"*/{DESCRIPTION}"))


def names_embedded() -> dict[str, str]:
    """Kind of each model that comes with the package, by its name."""
    return {name: _embedded(_EMBEDDED / name).kind for name in model_names()}


@cache
def _embedded(folder: Path) -> ModelSpec:
    return read_spec(folder)


def names_here(kind: str) -> list[str]:
    """Names of the models of a kind that can be used at once: embedded, then pulled."""
    from shitu.models.catalogue import OFFICIAL
    from shitu.models.store import Installed, look_for

    return [name for name, its in names_embedded().items() if its == kind] + [
        model.name
        for model in OFFICIAL.values()
        if model.kind == kind and isinstance(look_for(model.name), Installed)
    ]


def is_name(text: str) -> bool:
    """Whether it is the name of a model that is here, rather than of a folder."""
    return text in model_names() or any(part is not None for part in _parts(text))


def find_model(name: str, kind: str) -> ModelSpec:
    """The model of that name, or in the folder of that name.

    Raises:
        ModelError: there is none, or it is of another kind than the one wanted.
    """
    spec = read_model(name)
    if spec.kind != kind:
        raise ModelError(
            f"The model {name!r} is a {_CALLED.get(spec.kind, spec.kind)}; a "
            f"{_CALLED.get(kind, kind)} is needed here, such as {', '.join(names_here(kind))}."
        )
    return spec


def read_model(name: str) -> ModelSpec:
    """The model of that name, or in the folder of that name, whatever it is for.

    Raises:
        ModelError: there is none.
    """
    if name in model_names():
        return _embedded(_EMBEDDED / name)
    return _read_other(name)


def _read_other(name: str) -> ModelSpec:
    from shitu.models.catalogue import OFFICIAL
    from shitu.models.exports import read_export
    from shitu.models.trained import SUFFIX, read_trained

    pulled, weights = _parts(name)
    if pulled is not None:
        remedy = f"`shitu models pull {name}` fetches it again."
        spec = read_export(pulled.folder, digests=pulled.files, remedy=remedy)
        spec = replace(spec, name=name)
    elif weights is not None and OFFICIAL[name].architecture:
        file = next(iter(weights.files))
        remedy = f"`shitu models pull {name} --weights` fetches it again."
        spec = replace(read_trained(weights.folder / file, weights.files[file], remedy), name=name)
    elif _is_folder(name):
        spec = read_folder(Path(name))
    elif Path(name).suffix == SUFFIX:
        spec = read_trained(Path(name))
    elif name in OFFICIAL:
        raise WeightsNotFound(
            f"The model {name} is not on this machine: `shitu models pull {name}` "
            f"({OFFICIAL[name].megabytes:g} MB)."
        )
    elif os.path.isfile(name):  # noqa: PTH113 - of a name that is too long Path raises
        raise ModelError(
            f"{name} is a file: name the folder of a model, with a {DESCRIPTION} or an export of "
            f"PaddleX, PaddleClas or PaddleDetection in it, or a {SUFFIX} file."
        )
    elif Path(name).is_absolute():  # as galleries note theirs
        raise WeightsNotFound(
            f"The model {name} is not there: bring it back, or name the place where it is now."
        )
    else:
        raise ModelError(
            f"No model is called {name!r}. Known: {', '.join(model_names())}, and what `shitu "
            f"models list` shows; or give a folder with a {DESCRIPTION} or an export of PaddleX, "
            "PaddleClas or PaddleDetection."
        )
    return spec


def _parts(name: str) -> tuple[Installed | None, Installed | None]:
    """What is here of an official model: its exported graph, its training weights."""
    from shitu.models.catalogue import OFFICIAL
    from shitu.models.store import installed

    if name not in OFFICIAL:
        return None, None
    return installed(name), installed(name, "weights")


def read_folder(folder: Path) -> ModelSpec:
    """Read the model in a folder, ours or one that upstream exported; raises ModelError."""
    from shitu.models.exports import is_export, read_export

    if not (folder / DESCRIPTION).exists() and is_export(folder):
        return read_export(folder)
    return read_spec(folder, "Fetch or export it again.")


def _is_folder(name: str) -> bool:
    try:
        return Path(name).is_dir()
    except OSError:  # a name that is too long, for instance
        return False
