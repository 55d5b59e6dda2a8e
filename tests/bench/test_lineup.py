"""Networks side by side on the same crops."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks.lineup import Lineup, of_labels_everywhere
from benchmarks.networks import Network
from fakes import FakeDetector, FakeSession, Floats, plain

from shitu.cropper import Cropper, CropPolicy
from shitu.describer import Describer
from shitu.embedder import Embedder
from shitu.evaluation.retrieval import Query, describe_queries
from shitu.gallery import Space
from shitu.images import Image, save_image

BOX = (8.0, 8.0, 40.0, 40.0)
NETWORKS = [Network("three", "three", 0.5), Network("six", "six", None)]


def three(batch: Floats) -> list[Floats]:
    return [batch.mean(axis=(2, 3)) + np.float32(0.01)]


def six(batch: Floats) -> list[Floats]:
    return [np.concatenate((batch.mean(axis=(2, 3)), batch.max(axis=(2, 3))), axis=1) + 1]


def describer(answer: Any, dim: int, detector: FakeDetector | None = None) -> Describer:
    cropper = Cropper(detector, CropPolicy(main_body_threshold=0.5, threshold=0.5))  # type: ignore[arg-type]
    return Describer(cropper, Embedder(FakeSession(answer), plain(8), dim), Space(str(dim), dim))


@pytest.fixture
def detector() -> FakeDetector:
    return FakeDetector([BOX], [0.9])


@pytest.fixture
def lineup(detector: FakeDetector) -> Lineup:
    leaders = {"whole": describer(three, 3), "body": describer(three, 3, detector)}
    return Lineup(NETWORKS, leaders, [describer(six, 6)])


@pytest.fixture
def queries(tmp_path: Path, make_picture: Callable[..., Any]) -> list[Query]:
    """Four pictures and a file that is none."""
    found = []
    for seed in range(4):
        save_image(tmp_path / f"{seed}.png", make_picture(seed))
        found.append(Query(tmp_path / f"{seed}.png", "even" if seed % 2 == 0 else "odd"))
    (tmp_path / "torn.png").write_bytes(b"torn")
    return [*found, Query(tmp_path / "torn.png", "odd")]


def test_each_network_embeds_each_crop(
    lineup: Lineup, queries: list[Query], detector: FakeDetector
) -> None:
    found = lineup.describe(queries, ["whole", "body"], "test")
    assert detector.asked == 4, "once for each picture, not for each network"
    assert list(found) == [("whole", "three"), ("whole", "six"), ("body", "three"), ("body", "six")]
    for (crop, network), pictures in found.items():
        answer, dim = (three, 3) if network == "three" else (six, 6)
        alone = describer(answer, dim, detector if crop == "body" else None)
        wanted = describe_queries(queries, alone, None)
        np.testing.assert_allclose(pictures.embeddings, wanted.embeddings, atol=1e-6)
        assert pictures.embeddings.flags.c_contiguous
        assert pictures.labels == ["even", "odd", "even", "odd"]
        assert pictures.hashes == wanted.hashes
        assert [Path(path).name for path, _ in pictures.skipped] == ["torn.png"]


def test_some_crops_only(lineup: Lineup, queries: list[Query], detector: FakeDetector) -> None:
    assert list(lineup.describe(queries, ["whole"], "test")) == [
        ("whole", "three"),
        ("whole", "six"),
    ]
    assert detector.asked == 0


def test_pictures_are_changed_before_anything_is_detected(
    lineup: Lineup, queries: list[Query], monkeypatch: pytest.MonkeyPatch, detector: FakeDetector
) -> None:
    seen: list[Image] = []
    found = detector.found
    monkeypatch.setattr(
        detector, "detect", lambda images: seen.extend(images) or [found] * len(images)
    )
    changed = lineup.describe(queries, ["body"], "test", lambda image: image // 2)
    assert len(seen) == 4
    assert max(image.max() for image in seen) <= 127
    plain_ones = lineup.describe(queries, ["whole"], "test")
    assert changed["body", "six"].hashes == plain_ones["whole", "six"].hashes, "of the file"


def test_nothing_readable_is_nothing_described(lineup: Lineup, queries: list[Query]) -> None:
    for none in ([], queries[-1:]):
        found = lineup.describe(none, ["whole"], "test")
        assert found["whole", "six"].embeddings.shape == (0, 6)


def test_progress_is_said_on_stderr(
    lineup: Lineup, queries: list[Query], capsys: pytest.CaptureFixture[str]
) -> None:
    lineup.describe(queries, ["whole"], "some pictures")
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("some pictures 5/5\nskipped ")


def test_labels_are_chosen_for_all_networks_at_once(lineup: Lineup, queries: list[Query]) -> None:
    found = lineup.describe(queries, ["whole"], "test")
    even = of_labels_everywhere(found, "even".__eq__)
    assert {key: len(pictures.labels) for key, pictures in even.items()} == dict.fromkeys(found, 2)
