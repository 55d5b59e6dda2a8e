"""What a gallery has learnt from its own references: a map of its space, and when to believe it."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from shitu.errors import GalleryError
from shitu.gallery import Space
from shitu.gallery.gallery import Gallery

if TYPE_CHECKING:
    from shitu.adapter import Adapter
    from shitu.calibration import Calibration
    from shitu.gallery.transaction import Transaction

ADAPTER = "adapter"
CALIBRATION = "calibration"

_UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, EOFError)


@dataclass(frozen=True, eq=False)
class View:
    """How vectors of a space are compared: through a map, or as they are.

    Attributes:
        raw: of the vectors that the network makes and the database keeps.
        adapter: None for none.
        space: of the vectors in the index.
    """

    raw: Space
    adapter: Adapter | None
    space: Space

    def __call__(self, vectors: np.ndarray[Any, np.dtype[np.float32]]) -> Any:
        """Vectors (n, raw dim) of the network -> vectors (n, dim) of the index."""
        return vectors if self.adapter is None else self.adapter.apply(vectors)


def view_of(raw: Space, adapter: Adapter | None) -> View:
    """Compare the vectors of a space through a map."""
    if adapter is None:
        return View(raw, None, raw)
    both = f"{raw.fingerprint} {adapter.fingerprint}"
    space = replace(raw, fingerprint=hashlib.sha256(both.encode()).hexdigest(), dim=adapter.dim)
    return View(raw, adapter, space)


def read_view(gallery: Gallery, raw: Space) -> View:
    """Return how a gallery compares vectors; a map of another model is as good as none."""
    return view_from(gallery.setting(ADAPTER), raw)


def view_from(kept: str | None, raw: Space) -> View:
    """Return how vectors are compared by what is kept as the setting `ADAPTER`.

    Raises:
        GalleryError: it cannot be read.
    """
    if kept is None:
        return view_of(raw, None)
    try:
        return view_of(raw, _adapter_from(json.loads(kept), raw))
    except _UNREADABLE as error:
        raise _unreadable("map") from error


def _unreadable(what: str) -> GalleryError:
    return GalleryError(
        f"the {what} of the gallery cannot be read: it is damaged, or of a newer version of shitu; "
        "bring the gallery back from a copy, or use that version"
    )


def _adapter_from(values: Mapping[str, Any], raw: Space) -> Adapter | None:
    if values["space"] != raw.fingerprint:
        return None
    from shitu.adapter import Adapter

    data = base64.b64decode(values["map"])
    return Adapter.from_bytes(data, values["name"], values["provenance"])


def write_adapter(transaction: Transaction, raw: Space, adapter: Adapter | None) -> None:
    """Put a map into use from this change on, or none."""
    if adapter is None:
        transaction.set_setting(ADAPTER, None, None)
        return
    values = {
        "space": raw.fingerprint,
        "name": adapter.name,
        "provenance": dict(adapter.provenance),
        "map": base64.b64encode(adapter.to_bytes()).decode(),
    }
    transaction.set_setting(ADAPTER, json.dumps(values), adapter.name)


def forget_bare_map(transaction: Transaction, raw: Space) -> None:
    """Let a map of a space go whose calibration has gone: nobody knows what its scores mean."""
    setting = transaction.pending().setting
    view = view_from(setting(ADAPTER), raw)
    if view.adapter is not None and calibration_from(setting(CALIBRATION), view.space) is None:
        write_adapter(transaction, raw, None)


def learnt_elsewhere(gallery: Gallery, raw: Space) -> tuple[str, ...]:
    """Return what was learnt from the vectors of other spaces, and does not count in this one."""
    view, kept = read_view(gallery, raw), gallery.setting(ADAPTER) is not None
    known = gallery.setting(CALIBRATION) is not None
    return (
        *(("map",) if kept and view.adapter is None else ()),
        *(("calibration",) if known and read_calibration(gallery, view.space) is None else ()),
    )


def read_calibration(gallery: Gallery, space: Space) -> Calibration | None:
    """Return what is known of scores of a space, through a map or not; None if nothing is."""
    return calibration_from(gallery.setting(CALIBRATION), space)


def calibration_from(kept: str | None, space: Space) -> Calibration | None:
    """Return what is kept as the setting `CALIBRATION`, if it is about that space.

    Raises:
        GalleryError: it cannot be read.
    """
    if kept is None:
        return None
    from shitu.calibration import Calibration

    try:
        calibration = Calibration.from_json(json.loads(kept))
    except _UNREADABLE as error:
        raise _unreadable("calibration") from error
    return calibration if calibration.space == space.fingerprint else None


def write_calibration(transaction: Transaction, calibration: Calibration | None) -> None:
    """Put a calibration into use from this change on, or none."""
    if calibration is None:
        transaction.set_setting(CALIBRATION, None, None)
        return
    told = f"{calibration.far:.2%} false accepts"
    transaction.set_setting(CALIBRATION, json.dumps(calibration.to_json()), told)
