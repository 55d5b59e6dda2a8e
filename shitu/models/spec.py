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
_FILES = ("onnx", "params")  # one of them is enough
_ONLY = {"feature": ("dim",), "detector": ("strides", "reg_max")}
_CHUNK = 1 << 20


@dataclass(frozen=True)
class ModelFile:
    """One file of a model, the sha256 it must have, and what to do where it has another."""

    path: Path
    sha256: str
    remedy: str = "Install shitu again."

    def verified(self) -> Path:
        """The path, once the file is known to be complete.

        Raises:
            WeightsNotFound: it is not there.
            WeightsCorrupt: its sha256 differs from the one in `model.yml`.
        """
        digest = sha256_of(self.path, self.remedy)
        if digest != self.sha256:
            raise WeightsCorrupt(
                f"The model file {self.path} is damaged (sha256 {digest[:12]}..., expected "
                f"{self.sha256[:12]}...). {self.remedy}"
            )
        return self.path


def sha256_of(path: Path, remedy: str = "Fetch it again.") -> str:
    """Hexadecimal sha256 of a file of any size; raises WeightsNotFound."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise WeightsNotFound(
            f"Cannot read the model file {path}: {error.strerror}. {remedy}"
        ) from None
    return digest.hexdigest()


@dataclass(frozen=True)
class Suppression:
    """Non-maximum suppression as an exported detector wants it done outside of its graph.

    Attributes:
        floor: boxes below this score are not looked at.
        iou: of two boxes that overlap more, the weaker is dropped.
        candidates, keep: at most so many boxes before and after.
    """

    floor: float = 0.025
    iou: float = 0.6
    candidates: int = 1000
    keep: int = 100


@dataclass(frozen=True)
class ModelSpec:
    """A model on disk.

    Attributes:
        kind: `feature` (crop -> embedding), `detector` (picture -> boxes) or `classifier`.
        architecture: the network that `shitu.nets` builds for it; empty for an exported graph.
        files: by what they are: `params` (npz) and `onnx` of our own models, `program` and
            `weights` of a Paddle export.
        dim: length of the embedding; 0 for a detector.
        strides: of the detector's feature maps, in pixels of its input.
        reg_max: a detector's box sides are distributions over 0..reg_max strides.
        threshold: default operating point: score below which a label (feature) or a box
            (detector) is not trusted; where it comes from is told in docs/models.md.
        head: what a detector's graph gives: `raw` scores and distributions of all cells,
            `levels`: the same for each stride apart, `boxes` decoded, or `nms`: boxes that are
            left after suppression.
        suppression: for the heads that leave it to us.
        labels: names of the classes, as far as the model tells them.
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
    head: str = "raw"
    suppression: Suppression = Suppression()
    labels: tuple[str, ...] = ()

    @property
    def weights_sha256(self) -> str:
        """Identity of the weights, the same whatever engine runs them."""
        if "params" in self.files:
            return self.files["params"].sha256
        if "program" in self.files:
            # The same weights in another graph are another model.
            both = self.files["program"].sha256 + self.files["weights"].sha256
            return hashlib.sha256(both.encode()).hexdigest()
        return self.files["onnx"].sha256


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
            for name, file in _files(fields["files"]).items()
        },
        threshold=float(fields["threshold"]),
        dim=int(fields.get("dim", 0)),
        strides=tuple(int(stride) for stride in fields.get("strides", ())),
        reg_max=int(fields.get("reg_max", 0)),
    )


def _files(fields: dict[str, Any]) -> dict[str, Any]:
    if not fields.keys() & set(_FILES):
        raise KeyError(" or ".join(_FILES))
    return fields


def _require(fields: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    for name in names:
        if not fields[name]:
            raise ValueError(f"{name} is empty.")
    return fields


def _triple(values: Any) -> tuple[float, float, float]:
    red, green, blue = values
    return float(red), float(green), float(blue)
