"""Official models that can be pulled: where they are, how large, what their makers publish.

Sources: PaddleX 3.4.3 (paddlex/inference/utils/official_models.py and its module tutorials),
PaddleClas d178931 (README_ch.md, docs/en/image_recognition_pipeline, docs/zh_CN/models) and
PaddleDetection 666f597 (configs/picodet/legacy_model/application/mainbody_detection). Nobody
publishes checksums of these files, so the first pull is trusted and remembered; see `store`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Part: TypeAlias = Literal["inference", "weights"]

_PADDLEX = "https://paddle-model-ecology.bj.bcebos.com/paddlex"
_PADDLECLAS = "https://paddle-imagenet-models-name.bj.bcebos.com/dygraph"
_PADDLEDET = "https://paddledet.bj.bcebos.com/models"
_IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}


@dataclass(frozen=True)
class Official:
    """A model that its makers publish.

    Attributes:
        kind: `feature`, `detector` or `classifier`.
        urls: of the exported graph (`inference`) and of the training weights (`weights`).
        megabytes: size of the download, as published.
        figures: what its makers publish about its quality.
        source: whose model it is, with the licence of their project; the files themselves carry
            no other.
        sha256: of the parts whose checksum is published; of the others, nothing is known.
        architecture: the network of `shitu.nets` that the training weights fit; empty for none.
        description: what an `inference.yml` would say, for archives without one.
    """

    name: str
    kind: str
    urls: dict[Part, str]
    megabytes: float
    figures: str
    source: str
    licence: str = "Apache-2.0"
    sha256: dict[Part, str] = field(default_factory=dict)
    architecture: str = ""
    description: dict[str, Any] = field(default_factory=dict)


def _paddlex(name: str, kind: str, megabytes: float, figures: str, **more: Any) -> Official:
    urls: dict[Part, str] = {
        "inference": f"{_PADDLEX}/official_inference_model/paddle3.0.0/{name}_infer.tar",
        "weights": f"{_PADDLEX}/official_pretrained_model/{name}_pretrained.pdparams",
    }
    urls.update(more.pop("urls", {}))
    return Official(name, kind, urls, megabytes, figures, "PaddleX 3", **more)


def _classifier(name: str, megabytes: float, top1: float) -> Official:
    weights = f"{_PADDLECLAS}/legendary_models/{name.replace('-', '')}_pretrained.pdparams"
    figures = f"ImageNet-1k top-1 {top1} %"
    return _paddlex(name, "classifier", megabytes, figures, urls={"weights": weights})


FEATURE: dict[str, Any] = {  # how upstream prepares pictures for all of its feature extractors
    "PreProcess": {
        "transform_ops": [
            {"ResizeImage": {"size": [224, 224], "interpolation": "bilinear", "backend": "cv2"}},
            {"NormalizeImage": {"scale": 1 / 255, "order": "hwc", **_IMAGENET}},
            {"ToCHWImage": None},
        ]
    },
    "PostProcess": {"NormalizeFeatures": None},
}
MAIN_BODY: dict[str, Any] = {
    "draw_threshold": 0.2,  # deploy/configs/inference_general.yaml
    "Preprocess": [
        {"type": "Resize", "interp": 2, "keep_ratio": False, "target_size": [640, 640]},
        {"type": "NormalizeImage", "is_scale": True, **_IMAGENET},
        {"type": "Permute"},
    ],
    "label_list": ["foreground"],
}

_ALL = (
    _paddlex(
        "PP-ShiTuV2_rec",
        "feature",
        16.3,
        "AliProducts recall@1 84.2 %",
        architecture="pplcnetv2_base_shitu",
        description=FEATURE,
    ),
    _paddlex(
        "PP-ShiTuV2_rec_CLIP_vit_base",
        "feature",
        306.6,
        "AliProducts recall@1 88.69 %",
        architecture="clip_vit_base_shitu",
        description=FEATURE,
    ),
    _paddlex(
        "PP-ShiTuV2_rec_CLIP_vit_large",
        "feature",
        1050,
        "AliProducts recall@1 91.03 %",
        architecture="clip_vit_large_shitu",
        description=FEATURE,
    ),
    _paddlex(
        "PP-ShiTuV2_det",
        "detector",
        27.54,
        "PaddleClas' main-body set: mAP 41.5, AP50 62.0",
        architecture="picodet_lcnet_mainbody",
        description=MAIN_BODY,
    ),
    Official(
        "general_PPLCNetV2_base_pretrained_v1.0",
        "feature",
        {
            "inference": f"{_PADDLECLAS}/rec/models/inference/PP-ShiTuV2/"
            "general_PPLCNetV2_base_pretrained_v1.0_infer.tar",
            "weights": f"{_PADDLECLAS}/rec/models/pretrain/PPShiTuV2/"
            "general_PPLCNetV2_base_pretrained_v1.0.pdparams",
        },
        19,
        "product set recall@1 73.8 % (PP-ShiTuV2 as a whole)",
        "PaddleClas",
        architecture="pplcnetv2_base_shitu",
        description=FEATURE,
    ),
    Official(
        "picodet_PPLCNet_x2_5_mainbody_lite_v1.0",
        "detector",
        {
            "inference": f"{_PADDLECLAS}/rec/models/inference/"
            "picodet_PPLCNet_x2_5_mainbody_lite_v1.0_infer.tar",
            "weights": f"{_PADDLECLAS}/rec/models/pretrain/"
            "picodet_PPLCNet_x2_5_mainbody_lite_v1.0_pretrained.pdparams",
        },
        30.1,
        "five sets: mAP 40.1 %",
        "PaddleClas",
        architecture="picodet_lcnet_mainbody",
        description=MAIN_BODY,
    ),
    Official(
        "picodet_lcnet_x2_5_640_mainbody",
        "detector",
        {
            "inference": f"{_PADDLEDET}/picodet_lcnet_x2_5_640_mainbody_infer.tar",
            "weights": f"{_PADDLEDET}/picodet_lcnet_x2_5_640_mainbody.pdparams",
        },
        30.1,
        "PaddleClas' main-body set: mAP 41.5, AP50 62.0",
        "PaddleDetection",
        architecture="picodet_lcnet_mainbody",
        description=MAIN_BODY,
    ),
    _classifier("PP-LCNet_x0_25", 5.5, 51.86),
    _classifier("PP-LCNet_x0_35", 5.9, 58.09),
    _classifier("PP-LCNet_x0_5", 6.7, 63.14),
    _classifier("PP-LCNet_x0_75", 8.4, 68.18),
    _classifier("PP-LCNet_x1_0", 10.5, 71.32),
    _classifier("PP-LCNet_x1_5", 16.0, 73.71),
    _classifier("PP-LCNet_x2_0", 23.2, 75.18),
    _classifier("PP-LCNet_x2_5", 32.1, 76.60),
    _classifier("PP-LCNetV2_small", 14.6, 73.97),
    _classifier("PP-LCNetV2_base", 23.7, 77.05),
    _classifier("PP-LCNetV2_large", 37.3, 78.51),
)

OFFICIAL: dict[str, Official] = {model.name: model for model in _ALL}
