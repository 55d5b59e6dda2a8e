"""Training weights of upstream, `.pdparams`, for the networks that we have -> what the model is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shitu.errors import ModelError
from shitu.models.catalogue import FEATURE, MAIN_BODY
from shitu.models.exports import PADDLEX_THRESHOLD
from shitu.models.operators import detector_preprocessing, feature_preprocessing
from shitu.models.pdparams import Arrays, read_pdparams
from shitu.models.spec import ModelFile, ModelSpec, sha256_of

SUFFIX = ".pdparams"
_REMEDY = "Fetch or train it again."


@dataclass(frozen=True)
class _Network:
    """A network of ours, told by the shapes of some of its parameters.

    All of its parameters are compared when the weights are poured in.
    """

    kind: str
    shapes: Mapping[str, tuple[int, ...]]


_NETWORKS = {
    "pplcnetv2_base_shitu": _Network(
        "feature",
        {"backbone.stem.0.conv.weight": (32, 3, 3, 3), "neck.feat_bn.weight": (512,)},
    ),
    "clip_vit_base_shitu": _Network(
        "feature", {"backbone.pos_embed": (1, 197, 768), "neck.fc.weight": (512, 512)}
    ),
    "clip_vit_large_shitu": _Network(
        "feature", {"backbone.pos_embed": (1, 257, 1024), "neck.fc.weight": (512, 512)}
    ),
    "picodet_lcnet_mainbody": _Network(
        "detector",
        {
            "backbone.conv1.conv.weight": (40, 3, 3, 3),
            "neck.conv_t.convs.0.conv.weight": (128, 320, 1, 1),
            "head.head_cls0.weight": (33, 128, 1, 1),
        },
    ),
}


def read_trained(path: Path, sha256: str | None = None, remedy: str = _REMEDY) -> ModelSpec:
    """Read the file; pictures are prepared as upstream does for that network.

    Args:
        path: of the `.pdparams`.
        sha256: that it must have; None takes it as it is.
        remedy: what to do if it has another.

    Raises:
        WeightsNotFound, WeightsCorrupt: see `read_pdparams`.
        ModelError: the weights are of no network that we have.
    """
    arrays = read_pdparams(path)
    architecture = _architecture(path, arrays)
    file = ModelFile(path, sha256 or sha256_of(path), remedy)
    fields: dict[str, Any] = {
        "name": path.stem,
        "kind": _NETWORKS[architecture].kind,
        "architecture": architecture,
        "files": {"params": file},
    }
    if fields["kind"] == "feature":
        operators = FEATURE["PreProcess"]["transform_ops"]
        return ModelSpec(
            **fields,
            preprocessing=feature_preprocessing(operators),
            threshold=PADDLEX_THRESHOLD,
            dim=512,
        )
    return ModelSpec(
        **fields,
        preprocessing=detector_preprocessing(MAIN_BODY["Preprocess"]),
        threshold=MAIN_BODY["draw_threshold"],
        strides=(8, 16, 32, 64),
        reg_max=7,
        labels=tuple(MAIN_BODY["label_list"]),
    )


def _architecture(path: Path, arrays: Arrays) -> str:
    for name, network in _NETWORKS.items():
        if all(
            key in arrays and arrays[key].shape == shape for key, shape in network.shapes.items()
        ):
            return name
    raise ModelError(
        f"The weights {path} are of none of the networks {', '.join(_NETWORKS)}. Export them with "
        "the program that trained them, or those of a CLIP by `shitu export --architecture`, and "
        "use the exported folder."
    )
