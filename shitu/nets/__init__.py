"""Networks in Paddle, with upstream's parameter names, built by the name of their architecture."""

from __future__ import annotations

from collections.abc import Callable
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


# The imports are inside, because importing paddle takes longer than all of shitu.
BUILDERS: dict[str, Callable[[], nn.Layer]] = {
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
