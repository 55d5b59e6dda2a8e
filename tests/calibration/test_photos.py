"""Calibrations that learn from photos of items, too."""

from __future__ import annotations

import numpy as np
import pytest
from photographed import Photos, photos_of

from shitu.calibration import (
    Calibrated,
    Cases,
    Refusal,
    Shelf,
    ask_photos,
    calibrate,
    gather,
    gather_strangers,
)
from shitu.calibration.calibrating import calibration_error

ITEMS = range(60)


@pytest.fixture(scope="module")
def shop() -> Photos:
    """References that were taken at one time and place: much alike."""
    return photos_of(ITEMS, 8, seed=1, noise=0.0625)


@pytest.fixture(scope="module")
def photos() -> Photos:
    """Taken by others, as will be asked."""
    return photos_of(ITEMS, 3, seed=2, noise=0.15)


def _learnt(cases: Cases, far: float = 0.01) -> Calibrated:
    found = calibrate(cases, far, "space")
    assert isinstance(found, Calibrated)
    return found


def test_confidences_are_true_of_such_photos(shop: Photos, photos: Photos) -> None:
    plain = gather(*shop, recipe=None)
    asked, labels = photos_of(ITEMS, 10, seed=3, noise=0.15)
    strange, _ = photos_of(range(1000, 1060), 10, seed=3, noise=0.15)
    genuine, stranger = (gather_strangers(each, *shop) for each in (asked, strange))
    right = np.concatenate([genuine.item == labels, np.zeros(len(strange), bool)])

    def error(found: Calibrated) -> float:
        sure = [found.calibration.confidence(each) for each in (genuine, stranger)]
        assert found.calibration.accepts(sure[1]).mean() <= 0.02
        return calibration_error(np.concatenate(sure), right)

    by_references, by_photos = _learnt(plain), _learnt(ask_photos(plain, *photos, Shelf.of(*shop)))
    assert error(by_references) > 0.2, "or there is nothing to learn here"
    assert error(by_photos) < 0.05
    # What it says of itself is what is so.
    assert by_photos.calibration_error < 0.07
    sure = by_photos.calibration.confidence(genuine)
    named = by_photos.calibration.accepts(sure) & (genuine.item == labels)
    assert named.mean() == pytest.approx(by_photos.named, abs=0.08)
    assert by_references.named > named.mean() + 0.2, "references alone promise too much"


def test_each_is_asked_as_itself_and_as_a_stranger(shop: Photos, photos: Photos) -> None:
    plain = gather(*shop, recipe=None)
    shown = photos[1].copy()
    shown[:6] = [-1, -1, -1, -2, -2, -2]  # two things that the gallery does not have
    found = _learnt(ask_photos(plain, photos[0], shown, Shelf.of(*shop)))
    many = len(shown)
    assert (found.photos, found.strange_photos) == (many - 6, many)
    assert (found.genuine, found.strangers) == (many - 6 + len(shop[0]), many + len(shop[0]))
    cases = ask_photos(plain, photos[0], shown, Shelf.of(*shop), first=4)
    hidden = cases.photo & cases.stranger & (cases.group >= 0)
    assert hidden.sum() == many - 6
    assert (cases.evidence.item != cases.group)[cases.stranger].all()
    assert cases.right[cases.photo & ~cases.stranger].mean() > 0.5
    # Pictures of one thing belong together, and the gallery's items have theirs already.
    assert len(np.unique(cases.group)) == len(ITEMS) + 2
    places = -1 - cases.near.query[cases.photo]
    assert places.tolist() == [*range(4, 4 + many), *range(10, 4 + many)]


def test_strangers_and_unknown_photos_are_no_one_thing(shop: Photos, photos: Photos) -> None:
    """What has no item gets a group of its own, however often somebody adds to the cases."""
    others = gather_strangers(photos_of(range(900, 905), 1, 4, 0.15)[0], *shop)
    cases = gather(*shop, recipe=None).with_strangers(others)
    cases = ask_photos(cases, photos[0][:4], np.array([-1, -1, -2, 3]), Shelf.of(*shop))
    assert len(np.unique(cases.group[cases.group < 0])) == 5 + 2


def test_one_reference_an_item_is_enough(shop: Photos, photos: Photos) -> None:
    single = shop[0][::8], shop[1][::8]
    plain = gather(*single, recipe=None)
    refused = calibrate(plain, 0.01, "space")
    assert isinstance(refused, Refusal)
    assert "photos of the items count like references" in refused.reason
    found = _learnt(ask_photos(plain, *photos, Shelf.of(*single)))
    assert found.genuine == found.photos == len(photos[0])
    assert found.named > 0.1
    strange, _ = photos_of(range(1000, 1100), 10, seed=3, noise=0.15)
    sure = found.calibration.confidence(gather_strangers(strange, *single))
    assert found.calibration.accepts(sure).mean() <= found.false_accepts_high


def test_a_few_photos_say_little(shop: Photos) -> None:
    """Five blurred ones must not overturn what 480 references say."""
    plain = gather(*shop, recipe=None)
    few = photos_of(range(5), 1, seed=2, noise=0.75)
    found, before = _learnt(ask_photos(plain, *few, Shelf.of(*shop))), _learnt(plain)
    asked = gather_strangers(photos_of(ITEMS, 2, 5, 0.0625)[0], *shop)
    sure, was = (each.calibration.confidence(asked).mean() for each in (found, before))
    assert sure == pytest.approx(was, abs=0.06)
