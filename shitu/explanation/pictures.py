"""The answer for a picture, drawn: each object beside the reference that speaks for it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from shitu.drawing import Pair, side_by_side
from shitu.errors import ImageError
from shitu.gallery import Reference
from shitu.gallery.gallery import Gallery
from shitu.gallery.local_features import read_thumbnails
from shitu.geometry import crop
from shitu.images import Image, load_image
from shitu.verifier.references import original

if TYPE_CHECKING:
    from shitu.recognition import Match, Recognition, RecognizedObject
    from shitu.verifier import Agreement


def draw_explanation(
    image: Image,
    recognition: Recognition,
    gallery: Gallery,
    references: Mapping[int, Reference],
) -> Image:
    """Draw one sheet, uint8 RGB, with a row for each object.

    Args:
        image: what was recognised, uint8 RGB (h, w, 3).
        recognition: the answer.
        gallery: has the thumbnails, where the pictures are gone.
        references: those shown, by id.
    """
    shown = {id(item): _shown(item) for item in recognition.objects}
    pictures = _pictures(gallery, {i: references[i] for i in shown.values() if i in references})
    return side_by_side(
        [
            _pair(image, number, item, recognition, pictures.get(shown[id(item)]))
            for number, item in enumerate(recognition.objects, 1)
        ]
    )


def references_shown(recognition: Recognition) -> set[int]:
    """Ids of the references that a sheet shows."""
    return {_shown(item) for item in recognition.objects} - {-1}


def _shown(item: RecognizedObject) -> int:
    """The reference with the most agreement, else the nearest; -1 where there is none."""
    if not item.matches:
        return -1
    best = item.matches[0]
    agreed = best.agreement is not None and best.agreement.inliers > 0
    return best.agreed_id if agreed and best.agreed_id is not None else best.reference_id


def _pictures(gallery: Gallery, references: Mapping[int, Reference]) -> dict[int, Image]:
    found = {}
    for number, reference in references.items():
        picture = original(reference)
        if picture is not None:
            found[number] = picture
    missing = [number for number in references if number not in found]
    for number, jpeg in read_thumbnails(gallery, missing).items():
        with contextlib.suppress(ImageError):
            found[number] = load_image(jpeg)
    return found


def _pair(
    image: Image,
    number: int,
    item: RecognizedObject,
    recognition: Recognition,
    reference: Image | None,
) -> Pair:
    query = image if item.box is None else crop(image, item.box)
    agreement = item.agreement
    pair = Pair(
        query=query,
        reference=reference,
        title=f"{number}  {item.label or 'unknown'}",
        captions=_captions(item, recognition),
        known=item.label is not None,
    )
    if agreement is None or not agreement.inliers:
        return pair
    return Pair(
        **{
            **vars(pair),
            "query_points": agreement.query_points,
            "reference_points": agreement.reference_points,
            "outline": _outline(agreement),
        }
    )


def _outline(agreement: Agreement) -> np.ndarray | None:
    """Where the corners of the reference lie in the query, as shares of it."""
    if agreement.transform is None:
        return None
    corners = np.array([(0, 0, 1), (1, 0, 1), (1, 1, 1), (0, 1, 1)], np.float64)
    back = corners @ np.linalg.inv(agreement.transform).T
    # A corner behind the camera has no place in the picture.
    return None if (back[:, 2] <= 1e-6).any() else (back[:, :2] / back[:, 2:]).astype(np.float32)


def _captions(item: RecognizedObject, recognition: Recognition) -> list[str]:
    if not item.matches:
        return [recognition.what_would_change(item)]
    return [_evidence(item.matches[0], item), recognition.what_would_change(item)]


def _evidence(best: Match, item: RecognizedObject) -> str:
    parts = [f"{best.label}: score {best.score:.2f}"]
    if item.margin is not None:
        parts.append(f"margin {item.margin:+.2f}")
    if item.confidence is not None:
        parts.append(f"confidence {item.confidence:.2f}")
    if best.agreement is not None:
        parts.append(f"{best.agreement.inliers} of {best.agreement.matches} points agree")
    return ", ".join(parts) + f"; decided by {item.decided_by}"
