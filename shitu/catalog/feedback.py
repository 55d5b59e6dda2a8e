"""What people say about recognitions: this is it (confirm), that is not it (reject)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from shitu.arguments import number_of
from shitu.catalog.addition import folder_of, undone_on_error
from shitu.catalog.describing import Describer
from shitu.catalog.files import copy_in, file_state
from shitu.catalog.labels import clean_label, given_label
from shitu.catalog.portraits import describe_portrait
from shitu.catalog.rejections import radius_of
from shitu.errors import DuplicateReference, GalleryError, ItemNotFound
from shitu.gallery import FileState, Item, NewReference
from shitu.gallery.gallery import Gallery
from shitu.gallery.moments import parse_moment
from shitu.gallery.recognitions import LoggedMatch, LoggedRecognition
from shitu.gallery.tables import path_to_text
from shitu.gallery.transaction import Transaction
from shitu.images import load_image, thumbnail
from shitu.telling import Told

HOW = "confirm"


@dataclass(frozen=True)
class ConfirmSummary(Told):
    """What a confirmation did.

    Attributes:
        reference_id: of the picture that the crop is now, or was already.
        path: where the crop lies.
        already: it was a picture of that item before; nothing was changed.
        taken_back: rejections that said the opposite, and are gone.
    """

    recognition_id: int
    label: str
    item_id: int
    reference_id: int
    path: Path
    already: bool
    taken_back: tuple[int, ...]
    generation: int


@dataclass(frozen=True)
class RejectSummary(Told):
    """What a rejection did.

    Attributes:
        radius: cosine from which on other queries are turned away, too.
        already: it was rejected before; nothing was changed.
    """

    recognition_id: int
    label: str
    item_id: int
    rejection_id: int
    radius: float
    already: bool
    generation: int


def logged(gallery: Gallery, recognition_id: int) -> LoggedRecognition:
    """Return a recognition of the log; raises ItemNotFound."""
    recognition_id = number_of("recognition_id", recognition_id)
    with gallery.noted() as log:
        found = log.get(recognition_id)
    if found is None:
        raise ItemNotFound(
            f"there is no recognition {recognition_id} in the log: `shitu review` lists those that "
            "wait for an answer, `shitu recognize --log` notes new ones"
        )
    [now] = _as_called_now(gallery, [found])
    return now


def unanswered(gallery: Gallery, limit: int | None) -> list[LoggedRecognition]:
    """Return what nobody has answered, the most ambiguous first; see `Catalog.unanswered`."""
    with gallery.noted() as log:
        found = log.open(limit)
    return _as_called_now(gallery, found)


def _as_called_now(gallery: Gallery, found: Sequence[LoggedRecognition]) -> list[LoggedRecognition]:
    """The same with the items of their matches as they are: relabelled, merged into others."""
    matches = [match for one in found for match in one.seen.matches]
    labels = gallery.labels_of({match.item_id for match in matches})
    # Of an item that is gone the reference may be another's.
    left = gallery.references(m.reference_id for m in matches if m.item_id not in labels)

    def now(match: LoggedMatch) -> LoggedMatch:
        if match.item_id in labels:
            return replace(match, label=labels[match.item_id])
        heir = left.get(match.reference_id)
        return match if heir is None else replace(match, label=heir.label, item_id=heir.item_id)

    return [
        replace(one, seen=replace(one.seen, matches=tuple(map(now, one.seen.matches))))
        for one in found
    ]


def clear_log(gallery: Gallery, before: str | None) -> int:
    """Forget logged recognitions, and give their space back; see `Catalog.clear_log`."""
    moment = None if before is None else parse_moment(before)
    if moment is not None and moment.generation is not None:
        raise GalleryError(
            f"recognitions are not counted in generations, such as {moment.text}: give a date"
        )
    with gallery.noting() as log:
        count = log.clear(None if moment is None else moment.start)
    if count:
        gallery.shrink()  # or the pictures would still be found in the file
    return count


def confirm(
    gallery: Gallery, describer: Describer, recognition_id: int, label: str | None, home: Path
) -> ConfirmSummary:
    """Make the crop of a recognition a reference; see `Catalog.confirm`."""
    found = logged(gallery, recognition_id)
    name = best_item(gallery, found).label if label is None else given_label(label, gallery)
    space = describer.space  # before: networks may follow the gallery to other models meanwhile
    new = _reference(describer, found)
    root = gallery.root() or home
    copied: list[Path] = []
    with undone_on_error(copied), gallery.write("confirm") as transaction:
        if label is None:  # others may have renamed it, or merged it into another
            name = best_item(gallery, found).label
        folder = folder_of(gallery, name, root)
        there = _twin(transaction, found, name)
        if there is not None:
            number, item_id, taken = there, transaction.items_of([name])[name].item_id, []
            path = gallery.references([number])[number].path
        else:
            transaction.set_root(root)
            item_id = transaction.ensure_item(name)
            path, fresh = copy_in(found.seen.crop, f"confirmed-{recognition_id}.jpg", folder)
            copied += [path] if fresh else []
            placed = replace(new, path=str(path), state=_state(path))
            [number] = transaction.add([(item_id, placed)], space)
            taken = _take_back(transaction, found, item_id)
            source = None if found.seen.path is None else path_to_text(found.seen.path)
            transaction.note("confirm", {"recognition": recognition_id, "picture": source})
    return ConfirmSummary(
        recognition_id=recognition_id,
        label=name,
        item_id=item_id,
        reference_id=number,
        path=path,
        already=there is not None,
        taken_back=tuple(taken),
        generation=gallery.head().generation,
    )


def best_item(gallery: Gallery, found: LoggedRecognition) -> Item:
    """Return the item of the best match, as it is called now."""
    [found] = _as_called_now(gallery, [found])
    if not found.seen.matches:
        raise GalleryError(
            f"recognition {found.recognition_id} resembled nothing: name the item with --label"
        )
    best = found.seen.matches[0]
    try:
        return gallery.item(item_id=best.item_id)
    except ItemNotFound:
        raise ItemNotFound(
            f"the item {best.label!r} that recognition {found.recognition_id} resembled is gone: "
            "name another with --label"
        ) from None


def _reference(describer: Describer, found: LoggedRecognition) -> NewReference:
    """The crop as a reference; it is embedded only if its vector is of another space."""
    seen = found.seen
    image, vector = load_image(seen.crop), seen.vector
    height, width = image.shape[:2]
    if seen.space != describer.space.fingerprint:
        vector, _, _ = describe_portrait(describer, seen.crop)
    return NewReference(
        path="",
        sha256=seen.crop_sha256,
        state=FileState(len(seen.crop), 0),
        box=(0.0, 0.0, float(width), float(height)),
        box_given=True,  # another model must not crop what is a crop already
        how=HOW,
        source=None,
        thumbnail=thumbnail(image),
        embedding=vector,
    )


def _state(path: Path) -> FileState:
    return file_state(path) or FileState(0, 0)


def _twin(transaction: Transaction, found: LoggedRecognition, label: str) -> int | None:
    """The reference that has this crop already, if it is of that item."""
    there = _holder(transaction, found)
    if there is None:
        return None
    number, other = there
    if other != label:
        raise _confirmed(found, number, other)
    return number


def _holder(transaction: Transaction, found: LoggedRecognition) -> tuple[int, str] | None:
    """The reference that has this crop already, and the label of its item."""
    content = found.seen.crop_sha256
    return transaction.holders([content]).get(content)


def _confirmed(found: LoggedRecognition, number: int, label: str) -> DuplicateReference:
    return DuplicateReference(
        f"the picture of recognition {found.recognition_id} is reference {number} of {label!r} "
        f"already: `shitu undo` what made it that, or remove it with `shitu remove-item "
        f"--reference {number}`; nothing was changed"
    )


def _take_back(transaction: Transaction, found: LoggedRecognition, item_id: int) -> list[int]:
    """Drop rejections of this very crop, however often it was logged, that say the opposite."""
    known = transaction.known()
    wrong = [
        one.rejection_id
        for one in known.rejections(None)
        if one.item_id == item_id and known.picture(one.query_id) == found.seen.crop
    ]
    if wrong:
        known.drop("rejections", wrong)
    return wrong


def reject(
    gallery: Gallery, describer: Describer, recognition_id: int, label: str | None
) -> RejectSummary:
    """Remember that an item is no answer to a query; see `Catalog.reject`."""
    found = logged(gallery, recognition_id)
    named = None if label is None else clean_label(label)
    vector, space = found.seen.vector, describer.space
    if found.seen.space != space.fingerprint:
        vector, _, _ = describe_portrait(describer, found.seen.crop)
    with gallery.write("reject") as transaction:
        item = best_item(gallery, found) if named is None else gallery.item(label=named)
        _refuse_confirmed(transaction, found, item)
        known = transaction.known()
        same = [
            one
            for one in known.rejections(space)
            if one.recognition_id == recognition_id and one.item_id == item.item_id
        ]
        if same:
            number, radius = same[0].rejection_id, same[0].radius
        else:
            space_id = transaction.ensure_space(space)
            radius = radius_of(vector, _vectors_of(transaction, item.item_id))
            query = known.keep(found.seen.crop)
            known.put_vector(query, space_id, vector, radius)
            number = known.reject(query, item.item_id, recognition_id)
            source = None if found.seen.path is None else path_to_text(found.seen.path)
            transaction.note("reject", {"recognition": recognition_id, "picture": source})
    return RejectSummary(
        recognition_id=recognition_id,
        label=item.label,
        item_id=item.item_id,
        rejection_id=number,
        radius=radius,
        already=bool(same),
        generation=gallery.head().generation,
    )


def _refuse_confirmed(transaction: Transaction, found: LoggedRecognition, item: Item) -> None:
    """Refuse to reject an item whose picture this very crop is: it would go on being one."""
    there = _holder(transaction, found)
    if there is not None and there[1] == item.label:
        raise _confirmed(found, *there)


def _vectors_of(transaction: Transaction, item_id: int) -> npt.NDArray[np.float32]:
    pending = transaction.pending()
    space = pending.space()
    if space is None:
        return np.empty((0, 0), np.float32)
    return pending.vectors(space, transaction.owned(item_id))[1]
