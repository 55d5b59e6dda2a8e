"""Local features of a picture: RootSIFT, few and small enough to be kept for every reference."""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from shitu.images import Image

Points: TypeAlias = npt.NDArray[np.float32]
Descriptors: TypeAlias = npt.NDArray[np.uint8]

SCALE = 512.0  # of RootSIFT, whose values lie in 0..1 and hardly ever above a half
_HEAD = struct.Struct("<4sHHH")  # magic, number of points, width, height
_MAGIC = b"RSF1"


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
        contrast: below which a point is none; SIFT's own is 0.04.
    """

    side: int = 240
    most: int = 300
    contrast: float = 0.03

    def fingerprint(self, about: object = None) -> str:
        """Name what features depend on: these settings, and whatever else JSON can hold."""
        ours, theirs = self._settings, json.dumps(about, sort_keys=True)
        return hashlib.sha256(f"{ours}, {theirs}]".encode()).hexdigest()

    @cached_property
    def _settings(self) -> str:
        return json.dumps([_MAGIC.decode(), asdict(self)], sort_keys=True)[:-1]

    def extract(self, image: Image) -> Features:
        """Find the features of a picture, uint8 RGB (h, w, 3)."""
        import cv2

        grey = self._small(cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY))
        height, width = grey.shape
        sift = cv2.SIFT.create(self.most, 3, self.contrast)
        found, raw = sift.detectAndCompute(grey, None)
        if raw is None or not len(found):
            none = np.empty((0, 2), np.float32)
            return Features(none, none, np.empty((0, 128), np.uint8), (width, height))
        # SIFT keeps all points as strong as the weakest one wanted, so there may be more of them.
        strength = np.array([point.response for point in found], np.float32)
        best = np.argsort(-strength, kind="stable")[: self.most]
        points = np.array([found[i].pt for i in best], np.float32) / (width, height)
        frames = np.array([(found[i].angle / 360, np.log2(found[i].size)) for i in best])
        # Rounded as they will be kept, so that the cache never changes an answer.
        rounded, turned = (
            part.astype("<f2").astype(np.float32) for part in (points.clip(0, 1), frames)
        )
        return Features(rounded, turned, _root(raw[best]), (width, height))

    def _small(self, grey: Descriptors) -> Descriptors:
        import cv2

        height, width = grey.shape
        scale = self.side / max(height, width)
        if scale >= 1:
            return grey
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)


def _root(raw: npt.NDArray[np.float32]) -> Descriptors:
    """RootSIFT (Arandjelović and Zisserman 2012): the root of the share of each bin."""
    shares = raw / np.maximum(raw.sum(axis=1, keepdims=True), 1e-7)
    return np.asarray(np.rint(np.sqrt(shares) * SCALE).clip(0, 255), np.uint8)


def corners(image: Image, side: int = 160) -> int:
    """Count corners in a small copy of a picture: whether it has texture, in half a millisecond."""
    import cv2

    height, width = image.shape[:2]
    scale = min(1.0, side / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(np.ascontiguousarray(small), cv2.COLOR_RGB2GRAY)
    return len(cv2.FastFeatureDetector.create(20).detect(grey, None))
