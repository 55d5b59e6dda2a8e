"""Golden queries: pictures whose answer is known, so that no change spoils it unnoticed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from shitu.arguments import box_of
from shitu.catalog.describing import Describer, check_box, describe
from shitu.catalog.foresight import Answer
from shitu.catalog.golden_guard import GoldenGuard
from shitu.catalog.labels import clean_label
from shitu.catalog.portraits import describe_portrait, portrait
from shitu.catalog.states import Committed
from shitu.errors import GalleryError, ItemNotFound
from shitu.gallery.gallery import Gallery
from shitu.gallery.known_queries import GoldenQuery, KnownQueriesWriter
from shitu.gallery.transaction import Transaction
from shitu.geometry import Box
from shitu.images import display_path, load_image
from shitu.telling import Told

KIND = "golden_queries"


@dataclass(frozen=True)
class GoldenAnswer:
    """A golden query and its answer.

    Attributes:
        expected: the label that is right, or "unknown".
        answer: label; None: unknown.
        right: None where it has no vector of the model in use, so that it cannot be looked up.
        decided_by: score, lead, confidence or geometry; None where it cannot be looked up.
    """

    golden_id: int
    path: str
    expected: str
    answer: str | None
    right: bool | None
    decided_by: str | None

    def to_dict(self) -> dict[str, Any]:
        """All of it, as `--json` prints it."""
        return asdict(self)


@dataclass(frozen=True)
class GoldenSummary(Told):
    """What was added.

    Attributes:
        already: the same picture was there with the same answer; nothing was changed.
    """

    golden_id: int
    path: str
    expected: str
    already: bool
    generation: int


def add_golden(
    gallery: Gallery,
    describer: Describer,
    path: Path,
    label: str | None,
    *,
    box: Box | None = None,
    whole_image: bool = False,
) -> GoldenSummary:
    """Keep a picture with its answer (None: unknown); see `Catalog.add_golden`."""
    box = None if box is None else box_of(box)
    image = load_image(path)
    check_box(image, box, path)
    height, width = image.shape[:2]
    chosen = (0.0, 0.0, float(width), float(height)) if whole_image else box
    space = describer.space  # before: networks may follow the gallery to other models meanwhile
    [described] = describe(describer, [image], [chosen])
    jpeg = portrait(image, described.box)
    # Of the JPEG, not of the photo: another model will have nothing else to look at.
    vector, _, _ = describe_portrait(describer, jpeg)
    with gallery.write("golden") as transaction:
        item_id = None if label is None else _item(transaction, clean_label(label))
        known = transaction.known()
        space_id = transaction.ensure_space(space)
        twin = next(
            (
                one
                for one in known.golden(space)
                if one.vector is not None and np.array_equal(one.vector, vector)
            ),
            None,
        )
        if twin is not None:
            _refuse_other(twin, item_id)
            number = twin.golden_id
        else:
            query = known.keep(jpeg)
            known.put_vector(query, space_id, vector)
            number = known.demand(query, item_id, str(path))
    return GoldenSummary(
        golden_id=number,
        path=str(path),
        expected="unknown" if label is None else clean_label(label),
        already=twin is not None,
        generation=gallery.head().generation,
    )


def _item(transaction: Transaction, label: str) -> int:
    found = transaction.items_of([label])
    if label not in found:
        raise ItemNotFound(
            f"no item has the label {label!r}: `shitu list-items` shows what there is; name one of "
            "those, or --unknown"
        )
    return found[label].item_id


def _refuse_other(twin: GoldenQuery, item_id: int | None) -> None:
    if twin.item_id != item_id:
        raise GalleryError(
            f"golden query {twin.golden_id} ({display_path(twin.path)}) is the same picture and "
            f"says {twin.expected!r}: `shitu golden remove {twin.golden_id}` first"
        )


def remove_golden(gallery: Gallery, numbers: Sequence[int]) -> int:
    """Forget golden queries; returns the generation afterwards; see `Catalog.remove_golden`."""
    with gallery.write("golden") as transaction:
        known: KnownQueriesWriter = transaction.known()
        missing = sorted(set(numbers) - set(known.rows(KIND, numbers)))
        if missing:
            raise ItemNotFound(
                f"there is no golden query {missing[0]}: `shitu golden list` shows what there is; "
                "nothing was removed"
            )
        known.drop(KIND, numbers)
    return gallery.head().generation


def golden_picture(gallery: Gallery, golden_id: int) -> bytes:
    """Return the JPEG of a golden query that is looked up; see `Catalog.golden_picture`."""
    with gallery.known() as known:
        ids = [one.query_id for one in known.golden(None) if one.golden_id == golden_id]
        jpeg = known.picture(ids[0]) if ids else None
    if jpeg is None:
        raise ItemNotFound(f"there is no golden query {golden_id}: see `shitu golden list`")
    return jpeg


def check_golden(
    gallery: Gallery, state: Committed | None, guard: GoldenGuard
) -> list[GoldenAnswer]:
    """Look all golden queries up; see `Catalog.check_golden`."""
    with gallery.known() as known:
        golden = known.golden(None if state is None else state.view.raw)
    able = [one for one in golden if one.vector is not None]
    found: dict[int, Answer] = {}
    if able and state is not None:
        queries = np.stack([one.vector for one in able if one.vector is not None])
        given = guard.decided(state, able, queries)
        found = {one.golden_id: answer for one, answer in zip(able, given, strict=True)}
    labels = {item.item_id: item.label for item in gallery.items()} if found else {}
    return [_answer(one, found.get(one.golden_id), labels) for one in golden]


def _answer(one: GoldenQuery, found: Answer | None, labels: dict[int, str]) -> GoldenAnswer:
    if found is None:
        return GoldenAnswer(one.golden_id, one.path, one.expected, None, None, None)
    answer = None if found.item_id is None else labels.get(found.item_id)
    right = found.item_id == one.item_id
    return GoldenAnswer(one.golden_id, one.path, one.expected, answer, right, found.decided_by)
