"""Pictures -> boxes of the main bodies in them."""

from shitu.detector.detections import Detections, Finder, Suppressed, to_box
from shitu.detector.exported import DecodedDetector, LevelsSession, NmsDetector
from shitu.detector.heads import exported_finder
from shitu.detector.picodet import Detector

__all__ = [
    "DecodedDetector",
    "Detections",
    "Detector",
    "Finder",
    "LevelsSession",
    "NmsDetector",
    "Suppressed",
    "exported_finder",
    "to_box",
]
