"""Local features of a picture: its blobs by RootSIFT, few enough to be kept for every reference."""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import asdict, dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from shitu._cached import cached_property
from shitu.images import Image
from shitu.verifier.blobs import Grey, find_blobs
from shitu.verifier.descriptors import Descriptors, describe, directions
from shitu.verifier.patches import Pyramid

Points: TypeAlias = npt.NDArray[np.float32]

_HEAD = struct.Struct("<4sHHH")  # magic, number of points, width, height
_MAGIC = b"RSF2"


@dataclass(frozen=True)
class Features:
    """Of one picture, strongest first.

    Attributes:
        points: (n, 2) x and y as shares of width and height, 0..1.
        frames: (n, 2) angle in turns 0..1 and log2 of the diameter in pixels.
        descriptors: (n, 128) RootSIFT, whose distance is Hellinger's.
        size: width and height in pixels of the picture that they were found in.
    """

    points: Points
    frames: Points
    descriptors: Descriptors
    size: tuple[int, int]

    def __len__(self) -> int:
        return len(self.points)

    @cached_property
    def pixels(self) -> Points:
        """(n, 2) the points in pixels of that picture."""
        return self.points * np.array(self.size, np.float32)

    def to_bytes(self) -> bytes:
        """Pack: 136 bytes a point."""
        head = _HEAD.pack(_MAGIC, len(self), *self.size)
        places = np.hstack([self.points, self.frames]).astype("<f2")
        return head + places.tobytes() + self.descriptors.tobytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> Features | None:
        """Unpack; None if that is not what it is."""
        if len(data) < _HEAD.size:
            return None
        magic, count, width, height = _HEAD.unpack_from(data)
        if magic != _MAGIC or len(data) != _HEAD.size + count * 136:
            return None
        places = np.frombuffer(data, "<f2", count * 4, _HEAD.size).reshape(-1, 4)
        places = places.astype(np.float32)
        rest = np.frombuffer(data, np.uint8, count * 128, _HEAD.size + count * 8)
        return cls(places[:, :2], places[:, 2:], rest.reshape(-1, 128), (width, height))


@dataclass(frozen=True)
class Extractor:
    """Finds local features.

    Attributes:
        side: larger pictures are made smaller, to this length of the longer side in pixels.
        most: at most so many points, the strongest.
        contrast: below which a point is none, in grey levels.
    """

    side: int = 240
    most: int = 350
    contrast: float = 2.8

    def fingerprint(self, about: object = None) -> str:
        """Name what features depend on: these settings, and whatever else JSON can hold."""
        ours, theirs = self._settings, json.dumps(about, sort_keys=True)
        return hashlib.sha256(f"{ours}, {theirs}]".encode()).hexdigest()

    @cached_property
    def _settings(self) -> str:
        return json.dumps([_MAGIC.decode(), asdict(self)], sort_keys=True)[:-1]

    def extract(self, image: Image) -> Features:
        """Find the features of a picture, uint8 RGB (h, w, 3)."""
        grey = shrink(image, self.side)
        height, width = grey.shape
        blobs, pyramid = find_blobs(grey, self.contrast)[: self.most], Pyramid(grey)
        which, turns = directions(pyramid, blobs)
        blobs, turns = blobs[which[: self.most]], turns[: self.most]
        points = blobs.places / np.array((width, height), np.float32)
        frames = np.stack([turns, np.log2(2 * blobs.sigmas)], axis=1)
        # Rounded as they will be kept, so that the cache never changes an answer.
        rounded, turned = (
            part.astype("<f2").astype(np.float32) for part in (points.clip(0, 1), frames)
        )
        return Features(rounded, turned, describe(pyramid, blobs, turns), (width, height))


def shrink(image: Image, side: int) -> Grey:
    """Return a picture in grey, made smaller where its longer side is longer than that."""
    import cv2

    grey = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)
    while max(grey.shape) >= 2 * side:  # by halves, which are soon made of whole pairs
        height, width = (max(2, length // 2 * 2) for length in grey.shape)
        grey = cv2.resize(
            grey[:height, :width], (width // 2, height // 2), interpolation=cv2.INTER_AREA
        )
    height, width = grey.shape
    scale = side / max(height, width)
    if scale >= 1:
        return np.asarray(grey, np.uint8)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_LINEAR), np.uint8)


def corners(image: Image, side: int = 160) -> int:
    """Count corners in a small copy of a picture: whether it has texture, in half a millisecond."""
    import cv2

    return len(cv2.FastFeatureDetector.create(20).detect(shrink(image, side), None))
