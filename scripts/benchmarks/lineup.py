"""Pictures are read, and cropped, once, however many networks embed the crops."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.localizer import localizer_describer
from benchmarks.networks import Network
from benchmarks.shelf import of_labels
from shitu.describer import Describer, Description
from shitu.evaluation.retrieval import DescribedQueries, Query, describe_queries
from shitu.images import Image
from shitu.runtime.session import Float32Array
from shitu.workspace import Workspace

WHOLE = "whole picture"
MAIN_BODY = "main body"
LOCALIZER = "Mobile Object Localizer"

Described = Mapping[tuple[str, str], DescribedQueries]
"""The same pictures by crop rule and name of the network."""

Change = Callable[[Image], Image]


@dataclass(frozen=True)
class Lineup:
    """Networks side by side on the same crops.

    Attributes:
        networks: in the order of the tables.
        leaders: by crop rule, the describer of the first network; it chooses the boxes.
        followers: describers of the other networks, without detector; they are given the boxes.
    """

    networks: Sequence[Network]
    leaders: Mapping[str, Describer]
    followers: Sequence[Describer]

    def describe(
        self,
        queries: Sequence[Query],
        crops: Sequence[str],
        what: str,
        change: Change | None = None,
    ) -> Described:
        """Embed each picture by these crop rules and all networks.

        Args:
            what: said on stderr beside the progress.
            change: done to each picture before it is cropped.
        """
        everyone = SideBySide([self.leaders[crop] for crop in crops], self.followers, change)
        found = describe_queries(queries, everyone, _progress(what, len(queries)))  # type: ignore[arg-type]  # it describes; no more is asked
        for path, reason in found.skipped:
            print(f"skipped {path}: {reason}", file=sys.stderr)
        keys = [(crop, network.name) for crop in crops for network in self.networks]
        return dict(zip(keys, _columns(found, everyone.widths), strict=True))


def open_lineup(networks: Sequence[Network], localizer: Path | None) -> Lineup:
    """Load the networks, and the localizer if there is one."""
    first, *others = networks
    cropping = Workspace(feature_model=first.model)
    leaders = {WHOLE: _without_detector(first), MAIN_BODY: cropping.describer}
    if localizer is not None:
        leaders[LOCALIZER] = localizer_describer(localizer, cropping)
    return Lineup(networks, leaders, [_without_detector(network) for network in others])


def _without_detector(network: Network) -> Describer:
    return Workspace(feature_model=network.model, detector_model="none").describer


class SideBySide:
    """Answers as `shitu.describer.Describer` does, with all embeddings of a picture in one row.

    Args:
        leaders: one for each crop rule; each describes every picture and so chooses its boxes.
        followers: describe the boxes of each leader.
        change: done to each picture first.
    """

    def __init__(
        self, leaders: Sequence[Describer], followers: Sequence[Describer], change: Change | None
    ) -> None:
        self._leaders = leaders
        self._followers = followers
        self._change = change
        self.widths = [
            each.space.dim for leader in leaders for each in (leader, *followers)
        ]  # of the embeddings in a row, in order

    def describe(self, images: Sequence[Image]) -> list[Description]:
        if self._change is not None:
            images = [self._change(image) for image in images]
        rows: list[list[Float32Array]] = [[] for _ in images]
        for leader in self._leaders:
            first = leader.describe(images)
            boxes = [found.box for found in first]
            for found in (first, *(each.describe(images, boxes) for each in self._followers)):
                for row, description in zip(rows, found, strict=True):
                    row.append(description.embedding)
        return [Description(None, np.concatenate(row)) for row in rows]


def of_labels_everywhere(described: Described, wanted: Callable[[str], bool]) -> Described:
    """The pictures whose label is wanted."""
    return {key: of_labels(pictures, wanted) for key, pictures in described.items()}


def _columns(found: DescribedQueries, widths: Sequence[int]) -> list[DescribedQueries]:
    """Take rows of several embeddings apart."""
    if not found.labels:  # nothing could be read: there are no rows
        parts = [np.zeros((0, width), np.float32) for width in widths]
    else:
        parts = np.split(found.embeddings, np.cumsum(widths)[:-1], axis=1)
    return [
        DescribedQueries(found.labels, found.hashes, np.ascontiguousarray(part), found.skipped)
        for part in parts
    ]


def _progress(what: str, total: int) -> Callable[[int], None]:
    """Say about ten times how far it is."""
    step = max(total // 10, 1)
    told = 0

    def progress(done: int) -> None:
        nonlocal told
        if done >= told + step or done == total:
            told = done
            print(f"{what} {done}/{total}", file=sys.stderr, flush=True)

    return progress
