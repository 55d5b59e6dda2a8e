"""What a model is: read from the `model.yml` that lies beside its weights."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from shitu.errors import ConfigError, ModelError, WeightsCorrupt, WeightsNotFound
from shitu.preprocess import Preprocessing

DESCRIPTION = "model.yml"
_FILES = ("onnx", "params")
_ONLY = {"feature": ("dim",), "detector": ("strides", "reg_max")}


@dataclass(frozen=True)
class ModelFile:
    """One file of a model and the sha256 it must have."""

    path: Path
    sha256: str

    def verified(self) -> Path:
        """The path, once the file is known to be complete.

        Raises:
            WeightsNotFound: it is not there.
            WeightsCorrupt: its sha256 differs from the one in `model.yml`.
        """
        try:
            digest = hashlib.sha256(self.path.read_bytes()).hexdigest()
        except OSError as error:
            raise WeightsNotFound(
                f"Cannot read the model file {self.path}: {error.strerror}. Install shitu again."
            ) from None
        if digest != self.sha256:
            raise WeightsCorrupt(
                f"The model file {self.path} is damaged (sha256 {digest[:12]}..., expected "
                f"{self.sha256[:12]}...). Install shitu again."
            )
        return self.path


@dataclass(frozen=True)
class ModelSpec:
    """A model on disk.

    Attributes:
        kind: `feature` (crop -> embedding) or `detector` (picture -> raw boxes).
        architecture: the network that `shitu.nets` builds for it.
        dim: length of the embedding; 0 for a detector.
        strides: of the detector's feature maps, in pixels of its input.
        reg_max: a detector's box sides are distributions over 0..reg_max strides.
        threshold: default operating point: score below which a label (feature) or a box
            (detector) is not trusted; where it comes from is told in docs/models.md.
    """

    name: str
    kind: str
    architecture: str
    preprocessing: Preprocessing
    files: Mapping[str, ModelFile]
    threshold: float
    dim: int = 0
    strides: tuple[int, ...] = ()
    reg_max: int = 0

    @property
    def weights_sha256(self) -> str:
        """Identity of the weights, the same whatever engine runs them."""
        return self.files["params"].sha256


def read_spec(folder: Path) -> ModelSpec:
    """Read the description of the model in a folder.

    Raises:
        WeightsNotFound: no `model.yml` there.
        ModelError: a field that its kind needs is missing or makes no sense.
    """
    path = folder / DESCRIPTION
    try:
        fields: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise WeightsNotFound(f"No model in {folder}: {path.name}: {error.strerror}.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        where = " ".join(str(error).split())
        raise ModelError(f"The model description {path} is not valid YAML: {where}") from None
    try:
        return _spec(folder, fields)
    except KeyError as error:
        raise ModelError(f"The model description {path} lacks {error}.") from None
    except (AttributeError, TypeError, ValueError, ConfigError) as error:
        raise ModelError(f"The model description {path} is wrong: {error}") from None


def _spec(folder: Path, fields: dict[str, Any]) -> ModelSpec:
    kind = str(fields["kind"])
    if kind not in _ONLY:
        raise ValueError(f"kind is {kind!r}, not one of {', '.join(_ONLY)}.")
    _require(fields, _ONLY[kind])
    height, width = fields["input_size"]
    return ModelSpec(
        name=str(fields["name"]),
        kind=kind,
        architecture=str(fields["architecture"]),
        preprocessing=Preprocessing(
            input_size=(int(height), int(width)),
            mean=_triple(fields["mean"]),
            std=_triple(fields["std"]),
            interpolation=fields["interpolation"],
        ),
        files={
            name: ModelFile(folder / str(file["path"]), str(file["sha256"]))
            for name, file in _require(fields["files"], _FILES).items()
        },
        threshold=float(fields["threshold"]),
        dim=int(fields.get("dim", 0)),
        strides=tuple(int(stride) for stride in fields.get("strides", ())),
        reg_max=int(fields.get("reg_max", 0)),
    )


def _require(fields: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    for name in names:
        if not fields[name]:
            raise ValueError(f"{name} is empty.")
    return fields


def _triple(values: Any) -> tuple[float, float, float]:
    red, green, blue = values
    return float(red), float(green), float(blue)
