"""What is exported: a model that shitu knows, or weights of a known architecture."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from shitu._cached import cached_property
from shitu.errors import ModelError
from shitu.models.spec import FOR_MAIN_BODIES, ModelSpec
from shitu.preprocess import Preprocessing
from shitu.runtime.engines import EIGHT_BITS
from shitu.runtime.session import Float32Array

Arrays = Mapping[str, npt.NDArray[Any]]

_CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
_CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
_SIZE = (224, 224)
_READ = (".safetensors", ".pdparams", ".npz")
_THRESHOLD = 0.5  # nobody has measured it: `shitu calibrate` does, on the gallery


@dataclass(frozen=True)
class Network:
    """One network of a model.

    Attributes:
        architecture: name of the network in `shitu.nets`.
        arrays: its parameters by our names.
        input_shape: of one picture, or of one text.
        outputs: names for what comes out.
    """

    architecture: str
    arrays: Arrays
    input_shape: tuple[int, ...]
    outputs: tuple[str, ...]
    origin: str

    @cached_property
    def net(self) -> Any:
        """The network with its weights, which stays as it is; loads paddle.

        Raises:
            WeightsCorrupt: the weights do not fit the architecture.
        """
        net = self.another()
        net.eval()
        return net

    def another(self) -> Any:
        """One more network with these weights, for an export, which fuses it in place."""
        from shitu.nets import build
        from shitu.nets.params import pour

        net = build(self.architecture)
        pour(net, self.arrays, self.origin)
        return net

    def run(self, batch: Float32Array) -> list[Float32Array]:
        """What Paddle makes of a batch, layer by layer: the reference of all exports."""
        from shitu.nets._paddle import paddle

        with paddle.no_grad():
            found = self.net(paddle.to_tensor(batch))
        return [tensor.numpy() for tensor in (found if isinstance(found, tuple) else (found,))]


@dataclass(frozen=True)
class Source:
    """A model to be exported.

    Attributes:
        fields: of its `model.yml`, but for the files.
        image: the network that sees pictures.
        text: the one that reads, where there is one.
        text_file: the same as a file, where one exists already.
        tokenizer: file that says how words become numbers for it.
        onnx: the image network's file, where one exists already.
        eight_bits: the same in 8 bits, where somebody trained one.
        main_body_size: of a detector's input for pictures of one object, where that differs.
        for_main_bodies: the file for it.
    """

    name: str
    kind: str
    preprocessing: Preprocessing
    fields: Mapping[str, Any]
    image: Network
    text: Network | None = None
    tokenizer: Path | None = None
    onnx: Path | None = None
    eight_bits: Path | None = None
    main_body_size: tuple[int, int] | None = None
    for_main_bodies: Path | None = None
    text_file: Path | None = None

    def called(self, name: str) -> Source:
        """The same under another name."""
        return replace(self, name=name, fields={**self.fields, "name": name})


_OUTPUTS = {"feature": ("features",), "detector": ("scores", "distributions")}


def source_of_model(spec: ModelSpec) -> Source:
    """A model with parameters of ours.

    Raises:
        ModelError: it is an export already, of which only a graph is left.
    """
    if "params" not in spec.files or not spec.architecture:
        raise ModelError(
            f"The model {spec.name} is an exported graph without parameters: export its weights "
            "(.pdparams or .safetensors, with --architecture) instead."
        )
    from shitu.nets.params import read_params

    path = spec.files["params"].verified()
    image = _image(spec.architecture, read_params(path), spec.preprocessing, spec.kind, str(path))

    def file(kind: str) -> Path | None:
        return spec.files[kind].verified() if kind in spec.files else None

    return Source(
        spec.name,
        spec.kind,
        spec.preprocessing,
        _fields(spec),
        image,
        onnx=file("onnx"),
        eight_bits=file(EIGHT_BITS),
        main_body_size=spec.main_body_size,
        for_main_bodies=file(FOR_MAIN_BODIES),
        text_file=file("text"),
        tokenizer=file("tokenizer"),
    )


def _fields(spec: ModelSpec) -> dict[str, Any]:
    """What `model.yml` says beside the preprocessing and the files."""
    fields: dict[str, Any] = {
        "name": spec.name,
        "kind": spec.kind,
        "architecture": spec.architecture,
        **_preprocessing_fields(spec.preprocessing),
    }
    if spec.kind == "detector":
        fields |= {"strides": list(spec.strides), "reg_max": spec.reg_max}
    else:
        fields |= {"dim": spec.dim}
    return {**fields, "threshold": spec.threshold}


def _preprocessing_fields(preprocessing: Preprocessing) -> dict[str, Any]:
    return {
        "input_size": list(preprocessing.input_size),
        "mean": list(preprocessing.mean),
        "std": list(preprocessing.std),
        "interpolation": preprocessing.interpolation,
    }


def source_of_weights(
    path: Path, architecture: str, tokenizer: Path | None = None, name: str | None = None
) -> Source:
    """Weights in a file: `.safetensors`, `.pdparams` or `.npz`, for a network of `shitu.nets`.

    Args:
        path: the file.
        architecture: what to build; towers of CLIP take theirs from a file with both.
        tokenizer: `tokenizer.json` of CLIP; with it, the text tower is exported, too.
        name: of the model; by default that of the file.

    Raises:
        ModelError: the architecture is unknown, or has no preprocessing that is known, or the
            file is of another kind.
        WeightsNotFound, WeightsCorrupt: of the file.
    """
    from shitu.nets.clip_weights import has_text_tower, image_tower, text_tower
    from shitu.nets.params import read_params

    if path.suffix not in _READ:
        raise ModelError(
            f"The weights {path} are none of {', '.join(_READ)}, which alone are read: save them "
            "as .safetensors."
        )
    arrays = read_params(path)
    is_clip = architecture.startswith("clip_")
    image_arrays = image_tower(arrays) if is_clip else arrays
    preprocessing = _preprocessing_of(architecture, image_arrays)
    image = _image(architecture, image_arrays, preprocessing, "feature", str(path))
    text = None
    if tokenizer is not None:
        if not has_text_tower(arrays):
            raise ModelError(f"The weights {path} have no text tower: leave --tokenizer away.")
        text = Network(
            architecture.replace("clip_vit_", "clip_text_"),
            text_tower(arrays),
            (_context(text_tower(arrays)),),
            ("features",),
            str(path),
        )
    name = name or path.stem
    dim = _dim(image_arrays, path)
    spec = ModelSpec(name, "feature", architecture, preprocessing, {}, _THRESHOLD, dim=dim)
    return Source(name, "feature", preprocessing, _fields(spec), image, text, tokenizer)


def _preprocessing_of(architecture: str, arrays: Arrays) -> Preprocessing:
    if architecture.endswith("_shitu"):
        return Preprocessing(_size(arrays))  # as PaddleX prepares pictures for PP-ShiTuV2
    if architecture.startswith("clip_vit_"):
        return Preprocessing(_size(arrays), _CLIP_MEAN, _CLIP_STD, "antialias")
    raise ModelError(
        f"No feature extractor is called {architecture!r}: --architecture is clip_vit_base_shitu, "
        "clip_vit_base_patch16_224 or another of docs/models.md."
    )


def _size(arrays: Arrays) -> tuple[int, int]:
    """Side of the input: of a transformer, as many patches as have a position."""
    for prefix in ("", "backbone."):
        positions = arrays.get(f"{prefix}pos_embed")
        kernels = arrays.get(f"{prefix}patch_embed.proj.weight")
        if positions is not None and kernels is not None:
            side = math.isqrt(positions.shape[1] - 1) * int(kernels.shape[-1])
            return side, side
    return _SIZE


def _image(
    architecture: str, arrays: Arrays, preprocessing: Preprocessing, kind: str, origin: str
) -> Network:
    shape = (3, *preprocessing.input_size)
    return Network(architecture, arrays, shape, _OUTPUTS[kind], origin)


def _context(arrays: Arrays) -> int:
    return int(np.shape(arrays["pos_embed"])[1])


def _dim(arrays: Arrays, path: Path) -> int:
    """Length of the embedding, from the last layer."""
    for name in ("neck.fc.bias", "neck.feat_bn.weight", "proj"):
        if name in arrays:
            return int(arrays[name].shape[-1])
    raise ModelError(f"The weights {path} have no last layer of a feature extractor.")
