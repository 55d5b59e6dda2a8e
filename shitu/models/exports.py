"""Folders that PaddleX 3, PaddleClas and PaddleDetection export -> what the model is."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shitu.errors import ConfigError, ModelError, WeightsNotFound
from shitu.models.graphs import Graph, read_graph
from shitu.models.operators import detector_preprocessing, feature_preprocessing
from shitu.models.spec import ModelFile, ModelSpec, Suppression, sha256_of
from shitu.yamls import read_yaml

DESCRIPTIONS = ("inference.yml", "infer_cfg.yml")
_PROGRAMS = ("inference.json", "inference.pdmodel", "model.json", "model.pdmodel")
_ONNX = ("inference.onnx", "model.onnx")
_STRIDES = (8, 16, 32, 64)
_REMEDY = "Fetch or export it again."
PADDLEX_THRESHOLD = 0.5  # its own, for names and for boxes


def is_export(folder: Path) -> bool:
    """Whether the folder looks like one that upstream's exporters write."""
    return any((folder / name).is_file() for name in (*DESCRIPTIONS, *_PROGRAMS, *_ONNX))


def read_export(
    folder: Path, *, digests: Mapping[str, str] | None = None, remedy: str = _REMEDY
) -> ModelSpec:
    """Read a folder with a graph (`inference.json`, `.pdmodel` or `.onnx`) and its description.

    Preprocessing comes from `inference.yml` or `infer_cfg.yml`, length and meaning of the outputs
    from the graph.

    Args:
        folder: of the model.
        digests: sha256 that its files must have, by name; None takes them as they are.
        remedy: what to do if they have others.

    Raises:
        WeightsNotFound: a file is missing.
        ModelError: something in the description is not understood.
    """
    path, fields = _description(folder)
    paths = _files(folder)
    graph = read_graph(next(iter(paths.values())))
    files = {kind: _file(path, digests or {}, remedy) for kind, path in paths.items()}
    try:
        read = _detector if "Preprocess" in fields else _whole_picture_model
        return read(folder, fields, files, graph)
    except KeyError as error:
        raise ModelError(f"The model description {path} lacks {error}.") from None
    except (AttributeError, TypeError, StopIteration):
        raise ModelError(
            f"The model description {path} cannot be followed: a part of it is empty, or of "
            "another form than upstream's. Fetch or export it again."
        ) from None
    except (ArithmeticError, ValueError, ConfigError) as error:
        raise ModelError(f"The model description {path} cannot be followed: {error}.") from None


def _description(folder: Path) -> tuple[Path, dict[str, Any]]:
    for name in DESCRIPTIONS:
        path = folder / name
        if not path.is_file():
            continue
        try:
            fields = read_yaml(path)
        except (OSError, ValueError) as error:
            raise ModelError(
                f"The model description {path} cannot be read as YAML: {error}"
            ) from None
        if isinstance(fields, dict):
            return path, fields
        raise ModelError(f"The model description {path} is wrong: it holds no settings.")
    raise WeightsNotFound(
        f"The model in {folder} does not say how pictures are prepared for it: neither of "
        f"{', '.join(DESCRIPTIONS)} is there. Put upstream's there, or one as in docs/models.md."
    )


def _whole_picture_model(
    folder: Path, fields: dict[str, Any], files: Mapping[str, ModelFile], graph: Graph
) -> ModelSpec:
    after = fields.get("PostProcess") or {}
    kind = "classifier" if "Topk" in after else "feature"
    unknown = sorted(set(after) - {"NormalizeFeatures", "Topk"})
    if unknown:
        raise ValueError(f"the postprocessing {unknown[0]!r} is not known")
    dim = graph.outputs[0][-1]
    if len(graph.outputs) != 1 or dim < 1:
        raise ValueError(f"the graph gives {graph.outputs} instead of one vector a picture")
    preprocessing = feature_preprocessing(fields["PreProcess"]["transform_ops"])
    _check_input(graph, preprocessing.input_size)
    labels = (after.get("Topk") or {}).get("label_list") or ()
    return ModelSpec(
        name=_name(folder, fields),
        kind=kind,
        architecture="",
        preprocessing=preprocessing,
        files=files,
        threshold=PADDLEX_THRESHOLD,
        dim=dim,
        labels=tuple(str(label) for label in labels),
    )


def _detector(
    folder: Path, fields: dict[str, Any], files: Mapping[str, ModelFile], graph: Graph
) -> ModelSpec:
    preprocessing = detector_preprocessing(fields["Preprocess"])
    _check_input(graph, preprocessing.input_size)
    strides = tuple(int(stride) for stride in fields.get("fpn_stride") or _STRIDES)
    if min(strides) < 1:
        raise ValueError(f"fpn_stride is {strides}, not whole numbers above zero")
    threshold = float(fields.get("draw_threshold", PADDLEX_THRESHOLD))
    if not 0 <= threshold <= 1:
        raise ValueError(f"draw_threshold is {threshold}, not between 0 and 1")
    head, sides = _head(graph, len(strides))
    return ModelSpec(
        name=_name(folder, fields),
        kind="detector",
        architecture="",
        preprocessing=preprocessing,
        files=files,
        threshold=threshold,
        strides=strides,
        reg_max=sides // 4 - 1 if sides else 0,
        head=head,
        suppression=_suppression(fields.get("NMS") or {}),
        labels=tuple(str(label) for label in fields.get("label_list") or ()),
    )


def _head(graph: Graph, levels: int) -> tuple[str, int]:
    """What the outputs mean, and how many numbers describe the sides of a raw box."""
    outputs = graph.outputs
    lengths = [shape[-1] if shape else 0 for shape in outputs]
    ranks = [len(shape) for shape in outputs]
    if len(outputs) == 2 and ranks[0] == 2 and lengths[0] == 6:
        return "nms", 0
    if ranks == [3, 3]:
        # Scores of four classes are as long as boxes, but there are as many of them as of sides.
        as_many = outputs[0][1] == outputs[1][1] and lengths[1] > 0
        if lengths[0] == 4 and not as_many:
            return "boxes", 0
        if lengths[1] % 4 == 0:
            return "raw", lengths[1]
    if ranks == [3] * (2 * levels) and len(set(lengths[levels:])) == 1 and lengths[-1] % 4 == 0:
        return "levels", lengths[-1]
    raise ValueError(
        f"its graph gives {outputs}, which is not what PicoDet gives with or without its "
        "postprocessing"
    )


def _suppression(fields: dict[str, Any]) -> Suppression:
    plain = Suppression()
    return Suppression(
        floor=float(fields.get("score_threshold", plain.floor)),
        iou=float(fields.get("nms_threshold", plain.iou)),
        candidates=int(fields.get("nms_top_k", plain.candidates)),
        keep=int(fields.get("keep_top_k", plain.keep)),
    )


def _check_input(graph: Graph, size: tuple[int, int]) -> None:
    """Refuse a description that belongs to another graph."""
    picture = next((shape for shape in graph.inputs.values() if len(shape) == 4), None)
    if picture is None:
        raise ValueError(f"its graph takes {graph.inputs} and no batch of pictures")
    made = (3, *size)
    for wanted, given in zip(picture[1:], made, strict=True):
        if wanted not in (-1, given):
            raise ValueError(f"its graph takes pictures of {picture[1:]}, but it makes {made}")


def _files(folder: Path) -> dict[str, Path]:
    """Return the graph, first, and its weights where they are apart."""
    for name in _PROGRAMS:
        program = folder / name
        if program.is_file():
            return {"program": program, "weights": program.with_suffix(".pdiparams")}
    for name in _ONNX:
        if (folder / name).is_file():
            return {"onnx": folder / name}
    raise WeightsNotFound(
        f"No model in {folder}: none of {', '.join((*_PROGRAMS, *_ONNX))} is there."
    )


def _file(path: Path, digests: Mapping[str, str], remedy: str) -> ModelFile:
    """Describe a file; without a digest, what it holds now is what it must hold."""
    try:
        state = path.stat()
    except OSError as error:
        raise WeightsNotFound(
            f"Cannot read the model file {path}: {error.strerror}. {remedy}"
        ) from None
    known = digests.get(path.name)
    return ModelFile(path, known or _digest(path, state.st_size, state.st_mtime_ns), remedy)


@functools.lru_cache(maxsize=64)
def _digest(path: Path, size: int, changed: int) -> str:
    """Return the sha256, which takes a second for a gigabyte, once for each state of a file."""
    return sha256_of(path)


def _name(folder: Path, fields: dict[str, Any]) -> str:
    named = (fields.get("Global") or {}).get("model_name")
    return str(named or folder.resolve().name)
