"""Names of models in code written for PaddleX."""

from __future__ import annotations

import warnings

from shitu.config import DETECTOR_MODEL, FEATURE_MODEL
from shitu.models.registry import is_name

_STAND_INS = {"PP-ShiTuV2_rec": FEATURE_MODEL, "PP-ShiTuV2_det": DETECTOR_MODEL}


def usable(name: str) -> str:
    """The name, or in place of an official model that is not here the embedded one of its kind."""
    if name not in _STAND_INS or is_name(name):
        return name
    warnings.warn(
        f"{name} is not on this machine, so {_STAND_INS[name]}, which comes with shitu, is used: "
        f"`shitu models pull {name}` gets it.",
        stacklevel=4,
    )
    return _STAND_INS[name]
