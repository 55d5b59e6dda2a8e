"""Which kind of detector reads what an exported graph says."""

from __future__ import annotations

from shitu.detector.detections import Finder
from shitu.detector.exported import DecodedDetector, LevelsSession, NmsDetector
from shitu.detector.picodet import Detector
from shitu.models.spec import ModelSpec
from shitu.runtime.session import NamedSession


def exported_finder(spec: ModelSpec, session: NamedSession, explain_above: float) -> Finder:
    """Return the detector for the head of a graph that upstream exported."""
    if spec.head == "nms":
        return NmsDetector(session, spec.preprocessing)
    if spec.head == "boxes":
        return DecodedDetector(session, spec.preprocessing, spec.suppression, explain_above)
    return Detector(
        LevelsSession(session) if spec.head == "levels" else session,
        spec.preprocessing,
        spec.strides,
        spec.reg_max,
        explain_above=explain_above,
        suppression=spec.suppression,
    )
