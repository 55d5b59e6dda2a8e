"""Neighbours -> the probability that the best answer is right, and whether it is given."""

from shitu.calibration.calibrating import Calibrated, Refusal, calibrate
from shitu.calibration.calibration import Calibration
from shitu.calibration.cases import Cases, gather, gather_strangers
from shitu.calibration.evidence import DEPTH, Evidence, evidence_of

__all__ = [
    "DEPTH",
    "Calibrated",
    "Calibration",
    "Cases",
    "Evidence",
    "Refusal",
    "calibrate",
    "evidence_of",
    "gather",
    "gather_strangers",
]
