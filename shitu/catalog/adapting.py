"""Learning from a gallery: fits, measures, and commits what helps in one change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from shitu.catalog.learning import (
    ADAPTER,
    CALIBRATION,
    View,
    read_view,
    view_of,
    write_adapter,
    write_calibration,
)
from shitu.config import MOST_FALSE, PROTOTYPE_WEIGHT
from shitu.errors import ConfigError, GalleryError
from shitu.gallery import Reference, Space
from shitu.gallery.gallery import Gallery
from shitu.models.background import background
from shitu.prototypes import DEPTH

if TYPE_CHECKING:
    from shitu.adapter import Choice, Recipe
    from shitu.calibration import Calibrated, Cases, Refusal
    from shitu.catalog.looking import Looking

Ids = npt.NDArray[np.int64]
Vectors = npt.NDArray[np.float32]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class LearnSummary:
    """What `adapt` or `calibrate` did.

    Attributes:
        outcome: "adapted", "calibrated", "nothing to gain", "too little", "dry run", "off" or
            "was off".
        reason: one sentence.
        choice: what maps were measured; None where none were.
        measured: what the calibration does; None where there is none.
        generation: of the gallery afterwards.
        skipped: pictures of strangers that could not be read, with the reason.
    """

    outcome: str
    reason: str
    choice: Choice | None
    measured: Calibrated | None
    generation: int
    skipped: tuple[tuple[str, str], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """All of it, as `--json` prints it."""
        return {
            "outcome": self.outcome,
            "reason": self.reason,
            "adapter": None if self.choice is None else self.choice.to_dict(),
            "calibration": None if self.measured is None else self.measured.to_dict(),
            "generation": self.generation,
            "skipped": self.skipped,
        }


def adapt(
    gallery: Gallery,
    *,
    far: float,
    dry_run: bool,
    progress: Progress | None = None,
    prototype_weight: float = PROTOTYPE_WEIGHT,
    looking: Looking | None = None,
) -> LearnSummary:
    """Choose a map, calibrate for it, and put both into use in one commit; see `Catalog.adapt`."""
    from shitu.adapter import choose
    from shitu.calibration import Refusal

    _check_rate(far)
    raw, ids, items, vectors = _references(gallery)
    codes = np.asarray(np.unique(items, return_inverse=True)[1], np.int64)
    choice = choose(vectors, codes, progress=progress)
    if choice.adapter is None:
        outcome = "nothing to gain" if choice.trials else "too little"
        return LearnSummary(outcome, choice.reason, choice, None, gallery.head().generation)
    view = view_of(raw, choice.adapter)
    shop = _Shop(gallery, ids, items, vectors, view, choice.recipe, prototype_weight)
    found = _calibrated(shop, far, None, looking)
    if isinstance(found, Refusal):
        reason = f"scores would change, and no point from which they count is known: {found.reason}"
        return LearnSummary("too little", reason, choice, None, gallery.head().generation)
    if dry_run:
        return LearnSummary("dry run", choice.reason, choice, found, gallery.head().generation)
    with gallery.write("adapt") as transaction:
        transaction.ensure_space(raw)
        write_adapter(transaction, raw, choice.adapter)
        write_calibration(transaction, found.calibration)
    return LearnSummary("adapted", choice.reason, choice, found, gallery.head().generation)


def calibrate(
    gallery: Gallery,
    *,
    far: float,
    strangers: Vectors | None,
    dry_run: bool,
    prototype_weight: float = PROTOTYPE_WEIGHT,
    looking: Looking | None = None,
) -> LearnSummary:
    """Learn when answers are to be believed; see `Catalog.calibrate`."""
    from shitu.calibration import Refusal

    _check_rate(far)
    raw, ids, items, vectors = _references(gallery)
    view = read_view(gallery, raw)
    shop = _Shop(gallery, ids, items, vectors, view, _recipe(view), prototype_weight)
    found = _calibrated(shop, far, strangers, looking)
    if isinstance(found, Refusal):
        return LearnSummary("too little", found.reason, None, None, gallery.head().generation)
    outcome = "dry run"
    if not dry_run:
        outcome = "calibrated"
        with gallery.write("calibrate") as transaction:
            transaction.ensure_space(raw)
            write_calibration(transaction, found.calibration)
    reason = f"{found.false_accepts:.2%} of the strangers get an answer"
    return LearnSummary(outcome, reason, None, found, gallery.head().generation)


def turn_off(gallery: Gallery, *, adapter: bool, dry_run: bool = False) -> LearnSummary:
    """Forget the calibration, and with `adapter` the map, too.

    Raises:
        GalleryError: the map is to stay, of whose scores nothing would be known then.
    """
    raw = gallery.active_space()
    if not adapter and raw is not None and read_view(gallery, raw).adapter is not None:
        raise GalleryError(
            "the gallery is adapted, and without a calibration nobody knows from which score on "
            "its answers count: `shitu adapt --off` takes both back; nothing was changed"
        )
    kinds = (ADAPTER, CALIBRATION) if adapter else (CALIBRATION,)
    there = any(gallery.setting(kind) is not None for kind in kinds)
    if there and not dry_run:
        with gallery.write("adapt" if adapter else "calibrate") as transaction:
            for kind in kinds:
                transaction.set_setting(kind, None, None)
    outcome = ("dry run" if dry_run else "off") if there else "was off"
    reason = "scores and threshold are those of the model" if there else "there was none"
    return LearnSummary(outcome, reason, None, None, gallery.head().generation)


def enough_to_adapt(gallery: Gallery) -> bool:
    """Whether a build may say that `shitu adapt` could help."""
    counts = [item.references for item in gallery.items()]
    far_enough = sum(counts) >= 149  # what the default false-accept rate takes
    return gallery.setting(ADAPTER) is None and far_enough and sum(c > 1 for c in counts) >= 5


@dataclass(frozen=True, eq=False)
class _Shop:
    """What is learnt from: n references, and how they are compared."""

    gallery: Gallery
    ids: Ids
    items: Ids
    vectors: Vectors
    view: View
    recipe: Recipe | None
    prototype_weight: float

    def references(self) -> list[Reference]:
        """The references by row."""
        numbers = self.ids.tolist()
        known = self.gallery.references(numbers)
        if len(known) < len(numbers):
            raise GalleryError("the gallery was changed meanwhile: nothing was learnt; try again")
        return [known[number] for number in numbers]


def _references(gallery: Gallery) -> tuple[Space, Ids, Ids, Vectors]:
    """Space, ids (n,) ascending, item ids (n,), and vectors (n, d) as the network made them."""
    raw = gallery.active_space()
    if raw is None:
        raise GalleryError("the gallery is empty: build it first with `shitu build-index`")
    owners = gallery.membership()
    with gallery.all_vectors(raw) as all_:
        blocks = list(all_.blocks)
    ids = np.concatenate([np.empty(0, np.int64), *(ids for ids, _ in blocks)])
    empty = np.empty((0, raw.dim), np.float32)
    vectors = np.concatenate([empty, *(vectors for _, vectors in blocks)])
    place = np.searchsorted(owners.reference_ids, ids)
    place = np.minimum(place, max(len(owners.reference_ids) - 1, 0))
    known = owners.reference_ids[place] == ids if len(owners.reference_ids) else place < 0
    return raw, ids[known], owners.item_ids[place[known]], vectors[known]


def _recipe(view: View) -> Recipe | None:
    from shitu.adapter import Recipe

    return None if view.adapter is None else Recipe(**view.adapter.provenance["recipe"])


def _check_rate(far: float) -> None:
    if not 0 < far <= MOST_FALSE:
        raise ConfigError(f"far is {far}: give a share above 0 and at most {MOST_FALSE}")


def _calibrated(
    shop: _Shop, far: float, strangers: Vectors | None, looking: Looking | None
) -> Calibrated | Refusal:
    from shitu.calibration import Refusal, calibrate_points
    from shitu.calibration import calibrate as learn

    if len(np.unique(shop.items)) < 2:
        return Refusal("it takes two items or more to mistake one for another", 2)
    cases = _cases(shop, far, strangers, looking)
    found = learn(cases, far, shop.view.space.fingerprint)
    if looking is None or isinstance(found, Refusal):
        return found
    from shitu.catalog.looking import look_at

    seen = look_at(cases, found.calibration, shop.references(), looking)
    return calibrate_points(found, cases, seen, looking.mode)


def _cases(shop: _Shop, far: float, strangers: Vectors | None, looking: Looking | None) -> Cases:
    """Queries whose truth is known: the references, strangers, and those that are lent."""
    from shitu.calibration import ask_strangers, cases_needed, gather

    asked: dict[str, int] = {}
    if looking is not None:
        from shitu.catalog.looking import LIMIT

        asked = {"depth": looking.depth, "limit": max(LIMIT, cases_needed(far))}
    view, vectors, items, weight = shop.view, shop.vectors, shop.items, shop.prototype_weight
    cases = gather(vectors, items, shop.recipe, prototype_weight=weight, **asked)
    if strangers is not None and len(strangers):
        found, near = ask_strangers(
            view(strangers), view(vectors), items, weight, asked.get("depth", DEPTH)
        )
        seen = looking is not None and len(looking.strangers) == len(strangers)
        cases = cases.with_strangers(found, near=near if seen else None)
    return _lent(cases, vectors, items, view, far, weight)


def _lent(
    cases: Cases,
    vectors: Vectors,
    items: npt.NDArray[np.int64],
    view: View,
    far: float,
    prototype_weight: float,
) -> Cases:
    """With the strangers that come with the model, where there are too few of the gallery's own."""
    from shitu.calibration import cases_needed, gather_strangers

    few = np.count_nonzero(cases.stranger) < cases_needed(far)
    others = background(view.raw.fingerprint) if few else None
    if others is None:
        return cases
    found = gather_strangers(view(others), view(vectors), items, prototype_weight)
    return cases.with_strangers(found, lent=True)
