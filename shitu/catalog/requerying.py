"""Takes rejections and golden queries along into another space."""

from __future__ import annotations

from itertools import islice

import numpy as np
import numpy.typing as npt

from shitu.catalog.describing import Describer
from shitu.catalog.portraits import describe_portrait
from shitu.catalog.rejections import radius_of
from shitu.errors import ModelError
from shitu.gallery.gallery import Gallery
from shitu.gallery.spaces import MIGRATE
from shitu.gallery.transaction import Transaction

_AT_A_TIME = 32


def embed_queries(gallery: Gallery, describer: Describer) -> int:
    """Embed those that have no vector in a space yet; that is no change of the gallery.

    Returns how many have none because the model is not there: they are inert in that space.
    """
    with gallery.known() as known:
        lacking = known.lacking(describer.space)
    rest = iter(lacking)
    while some := list(islice(rest, _AT_A_TIME)):
        try:
            _embed(gallery, describer, some)
        except ModelError:
            with gallery.known() as known:
                return len(known.lacking(describer.space))
    return 0


def _embed(gallery: Gallery, describer: Describer, query_ids: list[int]) -> None:
    with gallery.known() as known:
        pictures = {number: known.picture(number) for number in query_ids}
    vectors = {
        number: describe_portrait(describer, jpeg)[0]
        for number, jpeg in pictures.items()
        if jpeg is not None
    }
    with gallery.write(MIGRATE) as transaction:
        rejected = transaction.known().rejections(transaction.pending().space())
        before = {one.query_id: one.radius for one in rejected}
        space_id = transaction.spaces().ensure(describer.space)
        for number, vector in vectors.items():
            items = transaction.known().items_of(number)
            theirs = [_references(transaction, describer, item) for item in items]
            was = before.get(number, 1.0)
            radius = max((radius_of(vector, each, was) for each in theirs), default=None)
            transaction.known().put_vector(number, space_id, vector, radius)


def _references(
    transaction: Transaction, describer: Describer, item_id: int
) -> npt.NDArray[np.float32]:
    owned = transaction.owned(item_id)
    return transaction.pending().vectors(describer.space, owned)[1]
