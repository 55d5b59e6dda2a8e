"""The values that come out of a gallery and go into it; importing them costs nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from shitu.geometry import Box

Json: TypeAlias = Any  # what json.loads returns


def same_json(one: Json, other: Json) -> bool:
    """Whether JSON spells two values alike; to Python 1, 1.0 and True are one."""
    return one == other and json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


@dataclass(frozen=True)
class Space:
    """An embedding space: vectors are compared only when their fingerprints are equal."""

    fingerprint: str
    dim: int
    description: Mapping[str, Json] = field(default_factory=dict, compare=False)

    @classmethod
    def of(
        cls,
        weights_sha256: str,
        preprocessing: Json,
        crop_policy: Json,
        dim: int,
        models: Mapping[str, str] | None = None,
    ) -> Space:
        """Fingerprint everything that changes a vector: weights, preprocessing, crop, size.

        Args:
            models: names of the `feature` extractor and the `detector`; told, not compared.
        """
        description = {
            "weights_sha256": weights_sha256,
            "preprocessing": preprocessing,
            "crop_policy": crop_policy,
            "dim": dim,
        }
        canonical = json.dumps(description, sort_keys=True, separators=(",", ":"))
        told = {**description, "models": dict(models)} if models else description
        return cls(hashlib.sha256(canonical.encode()).hexdigest(), dim, told)

    @property
    def models(self) -> tuple[str, str] | None:
        """Names of feature extractor and detector, None where nobody noted them."""
        models = self.description.get("models")
        if not isinstance(models, Mapping) or not {"feature", "detector"} <= {*models}:
            return None
        return str(models["feature"]), str(models["detector"])

    @property
    def called(self) -> str:
        """How messages call it: by its models, or as far as its description goes."""
        if self.models is not None:
            feature, detector = self.models
            return f"{feature} (detector {detector})"
        weights = str(self.description.get("weights_sha256", self.fingerprint))
        return str(self.description.get("name", f"a model with weights {weights[:12]}"))

    def called_beside(self, other: Space) -> str:
        """The same where another is named, too: that may be the same models with older weights."""
        same = other.called == self.called and other.fingerprint != self.fingerprint
        return f"{self.called}, space {self.fingerprint[:8]}" if same else self.called


@dataclass(frozen=True)
class Item:
    """A product that can be recognised; `references` is how many pictures it has."""

    item_id: int
    label: str
    attributes: Mapping[str, Json]
    references: int
    created_at: str


@dataclass(frozen=True)
class Reference:
    """One picture of an item. `box` is what was embedded: xyxy pixels, None = whole picture."""

    reference_id: int
    item_id: int
    label: str
    path: Path  # absolute
    sha256: str
    size: int
    box: Box | None
    box_given: bool  # by a person, not by the detector
    added_at: str
    how: str  # "build" or "add"


@dataclass(frozen=True)
class FileState:
    """What is remembered of a file so that an unchanged one need not be read again."""

    size: int
    mtime_ns: int


@dataclass(frozen=True)
class KnownFile:
    """The little of a reference that a build compares with the disk."""

    reference_id: int
    item_id: int
    label: str
    path: str  # absolute, as the operating system spells it
    sha256: str
    state: FileState
    how: str
    source: str | None  # root of the build that listed it


@dataclass(frozen=True)
class NewReference:
    """A picture to be added; the embedding is a unit float32 vector (dim,)."""

    path: str
    sha256: str
    state: FileState
    box: Box | None
    box_given: bool
    how: str
    source: str | None
    thumbnail: bytes
    embedding: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Change:
    """One committed change: the rows that it touched, before and after."""

    generation: int
    operation: str
    before: Mapping[str, Json]
    after: Mapping[str, Json]
    at: str


@dataclass(frozen=True)
class Head:
    """A state of the gallery; the token tells apart two histories with equal generations."""

    generation: int
    token: str


@dataclass(frozen=True)
class Delta:
    """What leads an index to `head`: drop `removed`, then add `ids` with `vectors`."""

    head: Head
    removed: npt.NDArray[np.int64]  # (r,)
    ids: npt.NDArray[np.int64]  # (n,), ascending
    vectors: npt.NDArray[np.float32]  # (n, dim)

    @classmethod
    def nothing(cls, head: Head, dim: int) -> Delta:
        """Return what leads an index at `head` there."""
        none = np.empty(0, np.int64)
        return cls(head, none, none, np.empty((0, dim), np.float32))


@dataclass(frozen=True)
class AllVectors:
    """All vectors at `head`, to be gone through once: blocks of ids, ascending, and vectors."""

    head: Head
    count: int
    blocks: Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]]
