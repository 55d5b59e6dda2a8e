"""Which models a space is made by: feature extractor and detector, by name and as a fingerprint."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shitu.config import DETECTOR_MODEL, FEATURE_MODEL
from shitu.cropper import CropPolicy
from shitu.errors import ModelError
from shitu.gallery import Space
from shitu.models.registry import find_model, is_name, names_here
from shitu.models.spec import ModelSpec

WHOLE = "none"  # in place of a detector: pictures are looked up whole


@dataclass(frozen=True)
class Lineup:
    """The two models that describe pictures.

    Attributes:
        feature, detector: names or folders, as settings take them; the detector may be `none`.
    """

    feature: str = FEATURE_MODEL
    detector: str = DETECTOR_MODEL

    def feature_spec(self) -> ModelSpec:
        """Look up the feature extractor; raises ModelError."""
        return find_model(self.feature, "feature")

    def detector_spec(self) -> ModelSpec | None:
        """Look up the detector, None for whole pictures; raises ModelError."""
        return None if self.detector == WHOLE else find_model(self.detector, "detector")

    def space(self) -> Space:
        """Return the space that the two make; loads no network.

        Raises:
            ModelError: one of them is not installed.
        """
        feature, detector = self.feature_spec(), self.detector_spec()
        return Space.of(
            weights_sha256=feature.weights_sha256,
            preprocessing=feature.preprocessing.describe(),
            crop_policy=_crop_policy(detector),
            dim=feature.dim,
            models={"feature": _lasting(self.feature), "detector": _lasting(self.detector)},
        )


def _crop_policy(detector: ModelSpec | None) -> dict[str, Any]:
    if detector is None:
        return {"crop": "whole"}
    policy = CropPolicy(main_body_threshold=detector.threshold, threshold=detector.threshold)
    return {
        "crop": "main body",
        "detector": detector.weights_sha256,
        "threshold": policy.main_body_threshold,
        "area": policy.main_body_area,
        "area_power": policy.area_power,
        **({"size": list(size)} if (size := detector.main_body_size) is not None else {}),
    }


def _lasting(name: str) -> str:
    """Return a name that means the same model in every working directory."""
    return name if name == WHOLE or is_name(name) else str(Path(name).absolute())


def find_lineup(space: Space) -> Lineup | None:
    """Return the models that make a space, None where they are not installed."""
    for lineup in _candidates(space):
        try:
            if lineup.space() == space:
                return lineup
        except ModelError:
            continue
    return None


def named(space: Space) -> Space:
    """Return a space with the names of its models, which the first galleries did not note."""
    if "models" in space.description or "weights_sha256" not in space.description:
        return space
    lineup = find_lineup(space)
    return space if lineup is None else lineup.space()


def lineup_of(space: Space) -> Lineup:
    """Return the models of a space, or what they were called where they are not installed."""
    return find_lineup(space) or _recorded(space) or Lineup()


def _recorded(space: Space) -> Lineup | None:
    return None if space.models is None else Lineup(*space.models)


def _candidates(space: Space) -> Iterator[Lineup]:
    recorded = _recorded(space)
    if recorded is not None:
        yield recorded
    # Or under another name: what makes the same vectors is the same model.
    features, detectors = names_here("feature"), (WHOLE, *names_here("detector"))
    yield from (Lineup(feature, detector) for feature in features for detector in detectors)
