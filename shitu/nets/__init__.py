"""Networks in Paddle, with upstream's parameter names, built by the name of their architecture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from shitu.errors import ModelError

if TYPE_CHECKING:
    from shitu.nets._paddle import nn


def _pplcnetv2_base_shitu() -> nn.Layer:
    from shitu.nets.embedding_net import general_recognition_v2

    return general_recognition_v2()


def _picodet_lcnet_mainbody() -> nn.Layer:
    from shitu.nets.picodet import mainbody

    return mainbody()


def _picodet_lcnet_xs() -> nn.Layer:
    from shitu.nets.picodet import picodet_lcnet

    return picodet_lcnet("xs", num_classes=1)


def _clip_vit_base_shitu() -> nn.Layer:
    from shitu.nets.clip_vit import clip_vit_base_shitu

    return clip_vit_base_shitu()


def _clip_vit_large_shitu() -> nn.Layer:
    from shitu.nets.clip_vit import clip_vit_large_shitu

    return clip_vit_large_shitu()


def _clip_vit(tower: str, *, quick_gelu: bool) -> nn.Layer:
    from shitu.nets import clip_vit

    towers = {"base_patch16_224": clip_vit.BASE_16, "large_patch14_224": clip_vit.LARGE_14}
    return clip_vit.ClipViT(replace(towers[tower], quick_gelu=quick_gelu))


def _clip_text(tower: str, *, quick_gelu: bool) -> nn.Layer:
    from shitu.nets import clip_text

    towers = {"base_patch16_224": clip_text.BASE, "large_patch14_224": clip_text.LARGE}
    return clip_text.ClipText(replace(towers[tower], quick_gelu=quick_gelu))


# The imports are inside, because importing paddle takes longer than all of shitu.
BUILDERS: dict[str, Callable[[], nn.Layer]] = {
    # OpenAI's towers; those whose name ends with _gelu are for weights of open_clip.
    **{
        f"clip_{kind}_{tower}{'' if quick_gelu else '_gelu'}": partial(
            builder, tower, quick_gelu=quick_gelu
        )
        for kind, builder in (("vit", _clip_vit), ("text", _clip_text))
        for tower in ("base_patch16_224", "large_patch14_224")
        for quick_gelu in (True, False)
    },
    "clip_vit_base_shitu": _clip_vit_base_shitu,
    "clip_vit_large_shitu": _clip_vit_large_shitu,
    "picodet_lcnet_mainbody": _picodet_lcnet_mainbody,
    "picodet_lcnet_xs": _picodet_lcnet_xs,
    "pplcnetv2_base_shitu": _pplcnetv2_base_shitu,
}


def build(architecture: str) -> nn.Layer:
    """An initialised network.

    Raises:
        ModelError: no architecture has that name.
    """
    if architecture not in BUILDERS:
        raise ModelError(
            f"No network architecture is called {architecture!r}; known are {', '.join(BUILDERS)}."
        )
    return BUILDERS[architecture]()
