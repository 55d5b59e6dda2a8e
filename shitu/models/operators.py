"""Preprocessing as PaddleX, PaddleClas and PaddleDetection write it beside a model -> ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from shitu.preprocess import IMAGENET_MEAN, IMAGENET_STD, Interpolation, Preprocessing, Triple

_PIXEL = 1 / 255
_BY_NAME: dict[str, Interpolation] = {"bilinear": "linear", "linear": "linear", "bicubic": "cubic"}
_BY_NUMBER: dict[int, Interpolation] = {1: "linear", 2: "cubic"}  # OpenCV's constants


class UnknownOperator(ValueError):  # noqa: N818 - named for what was met
    """An operator, or a setting of one, that is not understood; guessing would spoil vectors."""


@dataclass(frozen=True)
class _Steps:
    """What the operators read so far ask for."""

    size: tuple[int, int] | None = None
    short: int | None = None
    interpolation: Interpolation = "linear"
    mean: Triple = (0.0, 0.0, 0.0)
    std: Triple = (1.0, 1.0, 1.0)
    scale: float = 1.0


def feature_preprocessing(operators: Sequence[Mapping[str, Any]]) -> Preprocessing:
    """Read `PreProcess.transform_ops` of an `inference.yml`, each entry {name: settings}.

    Pictures are resized linearly whatever an entry says, because that is what PaddleX does:
    vectors equal those that it made.

    Raises:
        UnknownOperator: names what is not understood.
    """
    for entry in operators:
        if len(entry) != 1:
            raise UnknownOperator(
                f"the operators {', '.join(map(str, entry))} are one entry: begin each with a dash"
            )
    return _read([next(iter(entry.items())) for entry in operators], _OF_FEATURES)


def detector_preprocessing(operators: Sequence[Mapping[str, Any]]) -> Preprocessing:
    """Read `Preprocess` of an `inference.yml` or `infer_cfg.yml`, each entry {type: name, ...}.

    Raises:
        UnknownOperator: names what is not understood.
    """
    entries = [
        (str(entry.get("type")), {key: value for key, value in entry.items() if key != "type"})
        for entry in operators
    ]
    return _read(entries, _OF_DETECTORS)


_Reader = Callable[[_Steps, dict[str, Any]], _Steps]


def _read(entries: Sequence[tuple[str, Any]], readers: Mapping[str, _Reader]) -> Preprocessing:
    steps = _Steps()
    names = [name for name, _ in entries]
    for name, settings in entries:
        if name not in readers:
            raise UnknownOperator(
                f"the preprocessing operator {name!r} is not known, only {', '.join(readers)}"
            )
        if names.count(name) > 1:
            raise UnknownOperator(f"the preprocessing operator {name} is given twice")
        settings = dict(settings or {})
        steps = readers[name](steps, settings)
        if settings:
            raise UnknownOperator(f"{name} has the unknown setting {next(iter(settings))!r}")
    if steps.size is None:
        raise UnknownOperator("no operator says to what size pictures are resized")
    return Preprocessing(
        steps.size, steps.mean, steps.std, steps.interpolation, steps.scale, steps.short
    )


# Each takes what it understands out of the settings.


def _resize_image(steps: _Steps, settings: dict[str, Any]) -> _Steps:
    settings.pop("return_numpy", None)
    backend = str(settings.pop("backend", "cv2")).lower()
    if backend != "cv2":
        raise UnknownOperator(f"ResizeImage has the backend {backend!r}, not cv2")
    interpolation = str(settings.pop("interpolation", None) or "bilinear").lower()
    if interpolation not in _BY_NAME:
        raise UnknownOperator(f"ResizeImage has the unknown interpolation {interpolation!r}")
    size, short = settings.pop("size", None), settings.pop("resize_short", None)
    if short:
        return replace(steps, short=int(short))
    width, height = _pair(size, "ResizeImage", "size")
    return replace(steps, size=(height, width))


def _crop_image(steps: _Steps, settings: dict[str, Any]) -> _Steps:
    width, height = _pair(settings.pop("size", None), "CropImage", "size")
    if steps.short is None:
        raise UnknownOperator("CropImage does not follow a ResizeImage with resize_short")
    return replace(steps, size=(height, width))


def _normalize_image(steps: _Steps, settings: dict[str, Any]) -> _Steps:
    if settings.pop("channel_num", 3) != 3:
        raise UnknownOperator("NormalizeImage is for pictures that are not of three channels")
    # Upstream's "order" tells how the array lies in memory, and changes no number.
    settings.pop("order", None)
    scale = _number(settings.pop("scale", None) or _PIXEL)
    mean, std = _mean_and_std(settings)
    return replace(steps, scale=scale, mean=mean, std=std)


def _normalize_detector(steps: _Steps, settings: dict[str, Any]) -> _Steps:
    kind = settings.pop("norm_type", None) or "mean_std"
    scale = _PIXEL if settings.pop("is_scale", True) else 1.0
    mean, std = _mean_and_std(settings)
    plain = (mean, std) == ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    if kind != "mean_std" and not (kind == "none" and plain):
        # PaddleX would normalise here, and PaddleDetection would not.
        raise UnknownOperator(f"NormalizeImage has the norm_type {kind!r} with a mean and std")
    return replace(steps, scale=scale, mean=mean, std=std)


def _resize_detector(steps: _Steps, settings: dict[str, Any]) -> _Steps:
    if settings.pop("keep_ratio", False):
        raise UnknownOperator("Resize keeps the aspect (keep_ratio), which is not supported")
    number = settings.pop("interp", 2)
    if number not in _BY_NUMBER:
        raise UnknownOperator(f"Resize has the unknown interpolation {number!r}")
    height, width = _pair(settings.pop("target_size", None), "Resize", "target_size")
    return replace(steps, size=(height, width), interpolation=_BY_NUMBER[number])


def _already_so(steps: _Steps, settings: dict[str, Any]) -> _Steps:
    """Channels first is how all pictures come."""
    return steps


def _pad_stride(steps: _Steps, settings: dict[str, Any]) -> _Steps:
    stride = int(settings.pop("stride", 32))
    if steps.size is None or any(stride > 0 and side % stride for side in steps.size):
        raise UnknownOperator(f"PadStride would pad pictures of size {steps.size}")
    return steps


def _mean_and_std(settings: dict[str, Any]) -> tuple[Triple, Triple]:
    return (
        _triple(settings.pop("mean", IMAGENET_MEAN), "mean"),
        _triple(settings.pop("std", IMAGENET_STD), "std"),
    )


def _pair(value: Any, name: str, setting: str) -> tuple[int, int]:
    if isinstance(value, int):
        return value, value
    if isinstance(value, (list, tuple)) and len(value) == 2 and all(type(v) is int for v in value):
        return value[0], value[1]
    raise UnknownOperator(f"{name} has the {setting} {value!r}, not one or two numbers of pixels")


def _triple(value: Any, setting: str) -> Triple:
    values = [value] * 3 if isinstance(value, (int, float)) else list(value)
    if len(values) != 3:
        raise UnknownOperator(f"NormalizeImage has the {setting} {value!r}, not three numbers")
    return _number(values[0]), _number(values[1]), _number(values[2])


def _number(value: Any) -> float:
    """Return a number, or the quotient of two, as PaddleClas' configurations write 1.0/255.0."""
    if not isinstance(value, str):
        return float(value)
    above, _, below = value.partition("/")
    return float(above) / float(below or 1)


_OF_FEATURES: dict[str, _Reader] = {
    "ResizeImage": _resize_image,
    "CropImage": _crop_image,
    "NormalizeImage": _normalize_image,
    "ToCHWImage": _already_so,
}
_OF_DETECTORS: dict[str, _Reader] = {
    "Resize": _resize_detector,
    "NormalizeImage": _normalize_detector,
    "Permute": _already_so,
    "PadStride": _pad_stride,
}
