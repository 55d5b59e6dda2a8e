"""The references that a filter allows, worked out once for each state of the gallery."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from shitu.errors import DatasetError
from shitu.gallery import Reference
from shitu.gallery.gallery import Gallery
from shitu.index import Neighbours

if TYPE_CHECKING:
    from shitu.catalog.catalog import Catalog
    from shitu.gallery.membership import Membership
    from shitu.gallery.where import Selection, Where
    from shitu.prototypes import Floats

_KEPT = 32  # answers; each is 8 bytes a reference at most


class Filters:
    """Answers filters on one gallery; may be shared between threads."""

    def __init__(self, gallery: Gallery) -> None:
        self._gallery = gallery
        self._lock = threading.Lock()
        self._known: Membership | None = None
        self._answers: OrderedDict[Where, Selection] = OrderedDict()

    def select(self, where: Where) -> Selection:
        """Return the references of the items that a filter allows, as the gallery is now."""
        with self._lock:
            known = self._gallery.membership(self._known)
            if known is not self._known:
                self._known = known
                self._answers.clear()
            answer = self._answers.pop(where, None) or select_from(where, known)
            self._answers[where] = answer
            if len(self._answers) > _KEPT:
                self._answers.popitem(last=False)
            return answer


def select_from(where: Where, known: Membership) -> Selection:
    """Return the references of the items that a filter allows."""
    from shitu.gallery.where import Selection, unknown_attributes

    allowed = [item.item_id for item in known.items.values() if where.allows(item)]
    ids = known.reference_ids[np.isin(known.item_ids, np.array(allowed, np.int64))]
    notes = unknown_attributes(where, known.items.values())
    if not len(ids):
        notes += (f"the filter {where.text!r} allows no reference: everything is unknown",)
    ids.flags.writeable = False  # it is handed out again
    return Selection(ids, notes)


class Among:
    """A catalog as if it held nothing but what a filter allows.

    Raises:
        DatasetError: that is nothing.
        WhereError: the filter cannot be read.
    """

    def __init__(self, catalog: Catalog, where: str | Where) -> None:
        self._catalog = catalog
        self.selection = catalog.select(where)
        if not len(self.selection.ids):
            raise DatasetError("; ".join(self.selection.notes))

    def search(self, queries: npt.NDArray[np.float32], k: int) -> Neighbours:
        """Return the k nearest of each query (m, dim) among what is allowed."""
        return self._catalog.search(queries, k, self.selection.ids)

    def closeness(
        self,
        queries: npt.NDArray[np.float32],
        items: npt.NDArray[np.int64],
        without: Sequence[Collection[int]] = (),
    ) -> Floats:
        """Return cosines with the prototypes of items; see `Catalog.closeness`."""
        return self._catalog.closeness(queries, items, without)

    def all_references(self) -> Sequence[Reference]:
        """Return the references that are allowed, by id."""
        allowed = set(self.selection.ids.tolist())
        return [r for r in self._catalog.all_references() if r.reference_id in allowed]
