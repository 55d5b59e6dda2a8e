"""Learning from a gallery: fits, measures, and commits what helps in one change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from shitu.catalog.asking import Ids, Others, Photos, Progress, Shop, Vectors, cases_of
from shitu.catalog.learning import (
    ADAPTER,
    CALIBRATION,
    View,
    calibration_from,
    read_calibration,
    read_view,
    view_from,
    view_of,
    write_adapter,
    write_calibration,
)
from shitu.config import MOST_FALSE, PROTOTYPE_WEIGHT
from shitu.errors import ConfigError, GalleryError
from shitu.gallery import Space
from shitu.gallery.gallery import Gallery

if TYPE_CHECKING:
    from shitu.adapter import Choice, Recipe
    from shitu.calibration import Calibrated, Refusal
    from shitu.catalog.looking import Looking
    from shitu.gallery.transaction import Transaction

_ITEMS_THEN = "items_of_gallery"  # in the report of a calibration, which may have asked for fewer
_OUTGROWN = 1.5  # items now for each then: half as many strangers more are named


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
        skipped: pictures of strangers and photos that were left out, with the reason.
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
    photos: Photos | None = None,
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
        used = read_view(gallery, raw).adapter is not None
        stays = "; the map in use stays, `shitu adapt --off` goes without" if used else ""
        reason = f"{choice.reason}{stays}"
        return LearnSummary(outcome, reason, choice, None, gallery.head().generation)
    view = view_of(raw, choice.adapter)
    shop = Shop(gallery, ids, items, vectors, view, choice.recipe, prototype_weight)
    found = _calibrated(shop, far, Others(photos=photos), looking, progress)
    if isinstance(found, Refusal):
        reason = f"scores would change, and no point from which they count is known: {found.reason}"
        return LearnSummary("too little", reason, choice, None, gallery.head().generation)
    reason = f"{choice.reason}; {_told(found)}"
    if dry_run:
        return LearnSummary("dry run", reason, choice, found, gallery.head().generation)
    with gallery.write("adapt") as transaction:
        transaction.ensure_space(raw)
        write_adapter(transaction, raw, choice.adapter)
        write_calibration(transaction, found.calibration)
    return LearnSummary("adapted", reason, choice, found, gallery.head().generation)


def calibrate(
    gallery: Gallery,
    *,
    far: float,
    strangers: Vectors | None,
    dry_run: bool,
    photos: Photos | None = None,
    progress: Progress | None = None,
    prototype_weight: float = PROTOTYPE_WEIGHT,
    looking: Looking | None = None,
) -> LearnSummary:
    """Learn when answers are to be believed; see `Catalog.calibrate`."""
    from shitu.calibration import Refusal

    _check_rate(far)
    raw, ids, items, vectors = _references(gallery)
    view = read_view(gallery, raw)
    shop = Shop(gallery, ids, items, vectors, view, _recipe(view), prototype_weight)
    found = _calibrated(shop, far, Others(strangers, photos), looking, progress)
    if isinstance(found, Refusal):
        return LearnSummary("too little", found.reason, None, None, gallery.head().generation)
    outcome = "dry run"
    if not dry_run:
        outcome = "calibrated"
        with gallery.write("calibrate") as transaction:
            transaction.ensure_space(raw)
            _refuse_other_map(transaction, view)
            write_calibration(transaction, found.calibration)
    return LearnSummary(outcome, _told(found), None, found, gallery.head().generation)


def _told(found: Calibrated) -> str:
    """What the calibration costs: the share of known pictures that keep their name."""
    return (
        f"{found.false_accepts:.2%} of the strangers get an answer, and {found.named:.1%} of the "
        "known pictures their name"
    )


def _refuse_other_map(transaction: Transaction, view: View) -> None:
    """A map that came or went meanwhile would be left without its calibration."""
    if view_from(transaction.pending().setting(ADAPTER), view.raw).space != view.space:
        raise GalleryError(
            "another process has adapted the gallery, or taken that back, meanwhile: nothing was "
            "learnt; try again"
        )


def turn_off(gallery: Gallery, *, adapter: bool, dry_run: bool = False) -> LearnSummary:
    """Forget the calibration, or the map and what is known of its scores.

    Raises:
        GalleryError: the map is to stay, of whose scores nothing would be known then.
    """
    going = _to_forget(gallery.setting, gallery.active_space(), adapter=adapter)
    if going and not dry_run:
        with gallery.write("adapt" if adapter else "calibrate") as transaction:
            now = transaction.pending()
            for kind in _to_forget(now.setting, now.space(), adapter=adapter):
                transaction.set_setting(kind, None, None)
    outcome = ("dry run" if dry_run else "off") if going else "was off"
    reason = "scores and threshold are those of the model" if going else "there was none"
    if going == [ADAPTER]:
        reason = "scores are those of the model, and the calibration stays"
    return LearnSummary(outcome, reason, None, None, gallery.head().generation)


def _to_forget(
    setting: Callable[[str], str | None], raw: Space | None, *, adapter: bool
) -> list[str]:
    """Which settings are to go; of a map, what is known of scores without it stays."""
    there = [kind for kind in (ADAPTER, CALIBRATION) if setting(kind) is not None]
    if not adapter:
        if raw is not None and view_from(setting(ADAPTER), raw).adapter is not None:
            raise GalleryError(
                "the gallery is adapted, and without a calibration nobody knows from which score "
                "on its answers count: `shitu adapt --off` takes both back; nothing was changed"
            )
        return [kind for kind in there if kind == CALIBRATION]
    if ADAPTER not in there:
        return []
    plain = raw is not None and calibration_from(setting(CALIBRATION), raw) is not None
    return [ADAPTER] if plain else there


def enough_to_adapt(gallery: Gallery) -> bool:
    """Whether a build may say that `shitu adapt` could help."""
    raw = gallery.active_space()
    if raw is None or read_view(gallery, raw).adapter is not None:
        return False
    counts = [item.references for item in gallery.items()]
    far_enough = sum(counts) >= 149  # what the default false-accept rate takes
    return far_enough and sum(c > 1 for c in counts) >= 5


def outgrown(gallery: Gallery) -> str | None:
    """Why to calibrate anew: items for which nobody has measured it; None while they are few."""
    raw = gallery.active_space()
    if raw is None:
        return None
    view = read_view(gallery, raw)
    known = read_calibration(gallery, view.space)
    if known is None:
        return None
    now = sum(item.references > 0 for item in gallery.items())
    before = known.report.get(_ITEMS_THEN, now)
    if now < _OUTGROWN * before:
        return None
    command = "calibrate" if view.adapter is None else "adapt"
    return (
        f"the answers were calibrated with {before} items, and there are {now} by now: more "
        f"strangers than wanted may get a name; learn anew with `shitu {command} "
        f"--far {known.far:g}`"
    )


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
    shop: Shop, far: float, others: Others, looking: Looking | None, progress: Progress | None
) -> Calibrated | Refusal:
    from shitu.calibration import Refusal, calibrate_points
    from shitu.calibration import calibrate as learn
    from shitu.calibration.calibration import WEIGHT

    if len(np.unique(shop.items)) < 2:
        return Refusal("it takes two items or more to mistake one for another", 2)
    cases = cases_of(shop, far, others, looking, progress)
    found = learn(cases, far, shop.view.space.fingerprint)
    if isinstance(found, Refusal):
        return found
    if looking is not None:
        from shitu.catalog.looking import look_at

        seen = look_at(cases, found.calibration, shop.references(), looking)
        found = calibrate_points(found, cases, seen, looking.mode)
    known = found.calibration
    then = {_ITEMS_THEN: len(np.unique(shop.items)), WEIGHT: shop.prototype_weight}
    return replace(found, calibration=replace(known, report={**known.report, **then}))
