"""Neighbours -> the probability that the best answer is right, and whether it is given."""

from shitu.calibration.calibrating import Calibrated, Refusal, calibrate
from shitu.calibration.calibration import Calibration
from shitu.calibration.cases import Cases, gather, gather_strangers
from shitu.calibration.evidence import DEPTH, Evidence, evidence_of
from shitu.calibration.rates import cases_needed

__all__ = [
    "DEPTH",
    "Calibrated",
    "Calibration",
    "Cases",
    "Evidence",
    "Refusal",
    "calibrate",
    "cases_needed",
    "evidence_of",
    "gather",
    "gather_strangers",
]
