"""Neighbours -> the probability that the best answer is right, and whether it is given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shitu._lazy import rooms

if TYPE_CHECKING:
    from shitu.calibration.calibrating import (
        Calibrated,
        Refusal,
        SeenCases,
        calibrate,
        calibrate_points,
    )
    from shitu.calibration.calibration import Calibration, WithPoints
    from shitu.calibration.cases import (
        Cases,
        Near,
        Shelf,
        ask_photos,
        gather,
        gather_strangers,
    )
    from shitu.calibration.evidence import Evidence, evidence_of
    from shitu.calibration.rates import cases_needed

__all__ = [
    "Calibrated",
    "Calibration",
    "Cases",
    "Evidence",
    "Near",
    "Refusal",
    "SeenCases",
    "Shelf",
    "WithPoints",
    "ask_photos",
    "calibrate",
    "calibrate_points",
    "cases_needed",
    "evidence_of",
    "gather",
    "gather_strangers",
]

__getattr__ = rooms(
    __name__,
    {
        "Calibrated": "shitu.calibration.calibrating",
        "Calibration": "shitu.calibration.calibration",
        "Cases": "shitu.calibration.cases",
        "Evidence": "shitu.calibration.evidence",
        "Near": "shitu.calibration.cases",
        "Refusal": "shitu.calibration.calibrating",
        "SeenCases": "shitu.calibration.calibrating",
        "Shelf": "shitu.calibration.cases",
        "WithPoints": "shitu.calibration.calibration",
        "ask_photos": "shitu.calibration.cases",
        "cases_needed": "shitu.calibration.rates",
        "calibrate": "shitu.calibration.calibrating",
        "calibrate_points": "shitu.calibration.calibrating",
        "evidence_of": "shitu.calibration.evidence",
        "gather": "shitu.calibration.cases",
        "gather_strangers": "shitu.calibration.cases",
    },
)
