"""What a model is: read from the `model.yml` that lies beside its weights."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from shitu.errors import ConfigError, ModelError, WeightsCorrupt, WeightsNotFound
from shitu.preprocess import Preprocessing
from shitu.yamls import read_yaml

DESCRIPTION = "model.yml"
_FILES = ("onnx", "params")  # one of them is enough
FOR_MAIN_BODIES = "onnx_main_body"
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
    except (OSError, ValueError) as error:  # the latter of a name with a null character
        from shitu.images import display_path

        why = getattr(error, "strerror", None) or error
        raise WeightsNotFound(
            f"Cannot read the model file {display_path(path)}: {why}. {remedy}"
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
        main_body_size: (height, width) of pictures of one object, where a detector sees the
            large thing in them better than in its usual input.
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
    main_body_size: tuple[int, int] | None = None

    @property
    def for_main_bodies(self) -> ModelSpec:
        """The same weights for pictures of one object; this model, where it makes no difference."""
        if self.main_body_size is None:
            return self
        sources = {"onnx": FOR_MAIN_BODIES, "params": "params"}
        files = {kind: self.files[name] for kind, name in sources.items() if name in self.files}
        prepared = replace(self.preprocessing, input_size=self.main_body_size)
        return replace(self, files=files, preprocessing=prepared, main_body_size=None)

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


def read_spec(folder: Path, remedy: str = ModelFile.remedy) -> ModelSpec:
    """Read the description of the model in a folder.

    Args:
        remedy: what to do where one of its files turns out to be damaged.

    Raises:
        WeightsNotFound: no `model.yml` there.
        ModelError: a field that its kind needs is missing or makes no sense.
    """
    path = folder / DESCRIPTION
    try:
        fields: Any = read_yaml(path)
    except OSError as error:
        raise WeightsNotFound(
            f"No model in {folder}: {path.name}: {error.strerror}, and no export of PaddleX, "
            "PaddleClas or PaddleDetection."
        ) from None
    except ValueError as error:
        raise ModelError(f"The model description {path} is not valid YAML: {error}") from None
    if not isinstance(fields, dict):
        raise ModelError(f"The model description {path} is wrong: it holds no settings.")
    try:
        return _spec(folder, fields, remedy)
    except KeyError as error:
        raise ModelError(f"The model description {path} lacks {error}.") from None
    except (ValueError, ConfigError) as error:
        raise ModelError(f"The model description {path} is wrong: {error}") from None


def _spec(folder: Path, fields: dict[str, Any], remedy: str) -> ModelSpec:
    kind = str(fields["kind"])
    if kind not in _ONLY:
        raise ValueError(f"kind is {kind!r}, not one of {', '.join(_ONLY)}.")

    def read(name: str) -> Any:
        convert, wanted = _READERS[name]
        try:
            return convert(fields[name])
        except (AttributeError, TypeError, ValueError, OverflowError):
            raise ValueError(f"{name} is {wanted}, not {fields[name]!r:.60}.") from None

    only = {name: read(name) for name in _ONLY[kind]}
    files = read("files")
    if kind == "detector" and "main_body_size" in fields:
        only["main_body_size"] = read("main_body_size")
    if (FOR_MAIN_BODIES in files) != ("main_body_size" in only and "onnx" in files):
        raise ValueError(f"main_body_size goes with {FOR_MAIN_BODIES} beside onnx in files.")
    return ModelSpec(
        name=read("name"),
        kind=kind,
        architecture=read("architecture"),
        preprocessing=Preprocessing(
            input_size=read("input_size"),
            mean=read("mean"),
            std=read("std"),
            interpolation=read("interpolation"),
        ),
        files={
            name: ModelFile(folder / str(file["path"]), str(file["sha256"]), remedy)
            for name, file in files.items()
        },
        threshold=read("threshold"),
        **only,
    )


def _files(value: Any) -> dict[str, Mapping[str, Any]]:
    if not value.keys() & set(_FILES):
        raise KeyError(" or ".join(_FILES))
    if not all(isinstance(file, Mapping) for file in value.values()):
        raise TypeError
    return dict(value)


def _text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise TypeError
    return str(value)


def _number(value: Any) -> float:
    if not math.isfinite(float(value)):
        raise ValueError
    return float(value)


def _count(value: Any) -> int:
    if int(value) != value or value < 1:
        raise ValueError
    return int(value)


def _counts(value: Any) -> tuple[int, ...]:
    if not value:
        raise ValueError
    return tuple(_count(each) for each in value)


def _size(value: Any) -> tuple[int, int]:
    height, width = _counts(value)
    return height, width


def _triple(values: Any) -> tuple[float, float, float]:
    red, green, blue = values
    return float(red), float(green), float(blue)


_READERS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "name": (_text, "a name"),
    "architecture": (_text, "a name"),
    "input_size": (_size, "(height, width) in pixels"),
    "main_body_size": (_size, "(height, width) in pixels"),
    "mean": (_triple, "three numbers, one per RGB channel"),
    "std": (_triple, "three numbers, one per RGB channel"),
    "interpolation": (_text, "a name"),
    "threshold": (_number, "a number"),
    "files": (_files, "a path and a sha256 for each of " + " and ".join(_FILES)),
    "dim": (_count, "a whole number above zero"),
    "strides": (_counts, "whole numbers above zero"),
    "reg_max": (_count, "a whole number above zero"),
}
