"""Calibration with points: what is promised is what recognition keeps with the verifier."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from answering import Colours, save
from flat import print_of, view

from shitu.calibration import Calibrated, Calibration
from shitu.candidates import Decider, Found, by_item, evidence_for
from shitu.catalog import Catalog
from shitu.catalog.asking import Photos
from shitu.catalog.looking import Looking
from shitu.cropper import Cropper, CropPolicy
from shitu.deciding import Rule
from shitu.images import Image
from shitu.recognition import Recognition
from shitu.recognizer import Recognizer
from shitu.verifier.references import ReferenceFeatures
from shitu.verifier.reranking import AUTO, OFF, ON, Verifier

if TYPE_CHECKING:
    from conftest import Shop

pytestmark = pytest.mark.sqlite
FAR = 0.05
TURNS = (0, 90, 180, 270)


def sibling(number: int) -> Image:
    """Number 2 n + 1 is number 2 n with another band: a variant of it."""
    image = print_of(number // 2 * 2).copy()
    if number % 2:
        image[100:130] = print_of(number)[100:130]
    return image


def build(shop: Shop, kind: Any, count: int = 10) -> Catalog:
    for number in range(count):
        for turn in TURNS:
            seen = view(kind(number), turn + number, 0.6)[0]
            save(shop.photos / f"{number:02}" / f"{turn}.png", seen)
    catalog = shop.open()
    shop.build(catalog)
    return catalog


def looking(catalog: Catalog, mode: str, **more: Any) -> Looking:
    return Looking(ReferenceFeatures(catalog.gallery), mode, 50, **more)


def learnt(catalog: Catalog, mode: str = OFF, **more: Any) -> Calibrated:
    how = None if mode == OFF else looking(catalog, mode, **more)
    measured = catalog.calibrate(far=FAR, looking=how).measured
    assert measured is not None
    return measured


def ask(catalog: Catalog, image: Image, mode: str) -> Recognition:
    source = ReferenceFeatures(catalog.gallery)
    return Recognizer(
        Cropper(None, CropPolicy(main_body_threshold=0.5, threshold=0.5)),
        Colours(),  # type: ignore[arg-type]
        catalog,
        0.5,
        calibration=catalog.calibration,
        verifier=None if mode == OFF else Verifier(source, mode),
    ).recognize(image, whole_image=True)


@pytest.mark.parametrize("mode", [ON, AUTO])
def test_points_that_agree_are_evidence(shop: Shop, mode: str) -> None:
    catalog = build(shop, print_of)
    found = learnt(catalog, mode)
    points = found.calibration.points
    assert points is not None
    assert points.weights[-1] > 0
    assert min(points.weights) >= 0, "more evidence never makes less sure"
    assert points.proof
    assert found.named_without_points is not None
    assert found.named > found.named_without_points + 0.1
    assert found.false_accepts <= FAR
    assert 0 < found.compared <= found.genuine + found.strangers
    # As it was measured, so it is for new views, and for strangers.
    known = [ask(catalog, view(print_of(n), 45 + n, 0.7)[0], mode).objects[0] for n in range(10)]
    assert np.mean([one.label == f"{n:02}" for n, one in enumerate(known)]) > found.named - 0.2
    assert all(one.confidence is not None for one in known), "whatever put it first"
    others = [ask(catalog, view(print_of(n), 10, 0.7)[0], mode).objects[0] for n in range(50, 60)]
    assert sum(one.label is not None for one in others) <= 1


def test_variants_that_agree_cost_no_false_accepts(shop: Shop) -> None:
    """Without its own item each picture agrees with its sibling, which proves nothing then."""
    catalog = build(shop, sibling)
    found = learnt(catalog, ON)
    points = found.calibration.points
    assert points is not None
    assert not points.proof
    assert found.false_accepts <= FAR
    catalog.gallery.guard = None
    catalog.remove(label="01")
    shown = view(sibling(1), 45, 0.7)[0]
    strange = ask(catalog, shown, ON)
    assert strange.objects[0].agreement is not None
    assert strange.objects[0].agreement.inliers >= 15
    assert strange.objects[0].label is None
    scores_alone = Calibration(**{**vars(found.calibration), "points": None})
    decider = Decider(Rule(0.5), scores_alone, Verifier(ReferenceFeatures(catalog.gallery), ON))
    match = strange.objects[0].matches
    known = catalog.references([each.reference_id for each in match])
    contenders = by_item(list(known), [0.0] * len(known), known)
    said = decider.decide(Found(contenders, 0.0, 0.0), decider.see(lambda: shown))
    assert said.trusted, "the proof that the rate was not measured with"


def test_it_counts_only_with_the_setting_that_it_was_learnt_with(shop: Shop) -> None:
    catalog = build(shop, print_of)
    plain = learnt(catalog).calibration
    both = learnt(catalog, AUTO).calibration
    assert both.points is not None
    image = view(print_of(3), 48, 0.7)[0]
    said = {mode: ask(catalog, image, mode) for mode in (AUTO, ON, OFF)}
    points = {mode: each.operating_point for mode, each in said.items()}
    assert points[AUTO] == both.points.operating_point
    assert points[ON] == points[OFF] == plain.operating_point == both.operating_point
    assert said[AUTO].notes == ()
    note = "calibrated with verify auto: with off confidences are those of the scores alone"
    assert said[OFF].notes == (note,)
    learnt(catalog)
    assert ask(catalog, image, ON).notes == (), "it says nothing of points"


def test_what_was_kept_before_can_be_read(shop: Shop) -> None:
    catalog = build(shop, print_of)
    plain, both = learnt(catalog).calibration, learnt(catalog, ON).calibration
    old = plain.to_json()
    assert "points" not in old, "as it was kept before"
    assert Calibration.from_json(json.loads(json.dumps(old))).points is None
    again = Calibration.from_json(json.loads(json.dumps(both.to_json())))
    assert again.points == both.points
    assert (again.weights, again.operating_point) == (plain.weights, plain.operating_point)
    broken = both.to_json()
    broken["points"]["weights"] = [1.0]
    with pytest.raises(ValueError, match="5 weights"):
        Calibration.from_json(broken)
    with pytest.raises(ValueError, match="knows nothing of points"):
        plain.confidence_with_points(evidence_for(_one(catalog), 0), np.zeros(1))


def _one(catalog: Catalog) -> Any:
    known = {r.reference_id: r for r in catalog.all_references()[:1]}
    return by_item(list(known), [0.5], known)


def test_pictures_of_strangers_are_looked_at_too(shop: Shop) -> None:
    """They agree with what is in the gallery: no proof is left where they are many."""
    catalog = build(shop, print_of)
    pictures = [view(print_of(n % 10), 20 + n, 0.7)[0] for n in range(20)]
    vectors = Colours().embed(pictures)
    done: list[tuple[int, int]] = []

    def of_strangers(strangers: Any) -> Calibrated:
        how = looking(catalog, ON, pictures=strangers, progress=lambda *told: done.append(told))
        found = catalog.calibrate(far=FAR, strangers=vectors, dry_run=True, looking=how).measured
        assert found is not None
        return found

    seen = of_strangers([lambda image=image: image for image in pictures])
    blind = of_strangers([])
    assert seen.compared == blind.compared + len(pictures)
    assert seen.calibration.points is not None
    assert blind.calibration.points is not None
    assert (seen.calibration.points.proof, blind.calibration.points.proof) == (False, True)
    assert seen.false_accepts <= FAR
    assert done[-1] == (seen.genuine + seen.strangers,) * 2


def test_photos_are_looked_at_after_the_strangers(shop: Shop) -> None:
    """Each agrees with its own item, which it would not if pictures and vectors were mixed up."""
    catalog = build(shop, print_of)
    strangers = [view(print_of(n), 20, 0.7)[0] for n in range(50, 56)]
    pictures = [view(print_of(n % 10), 35 + n, 0.7)[0] for n in range(40)]
    labels = [f"{n % 10:02}" for n in range(40)]
    photos = Photos(Colours().embed(pictures), labels)
    how = looking(catalog, ON, pictures=[partial(_self, i) for i in (*strangers, *pictures)])
    found = catalog.calibrate(
        far=FAR, strangers=Colours().embed(strangers), photos=photos, looking=how
    ).measured
    assert found is not None
    assert (found.photos, found.strange_photos) == (40, 40)
    assert found.named_without_points is not None
    assert found.named > found.named_without_points + 0.1
    blind = catalog.calibrate(
        far=FAR, photos=photos, looking=looking(catalog, ON), dry_run=True
    ).measured
    assert blind is not None
    assert blind.named < found.named - 0.1, "vectors alone agree with nothing"


def _self(image: Image) -> Image:
    return image


def test_evidence_of_the_answer_of_the_scores_is_what_it_was(shop: Shop) -> None:
    from shitu.calibration import evidence_of
    from shitu.prototypes import promoted, table

    catalog = build(shop, print_of)
    vectors = Colours().embed([view(print_of(n), 33 * n, 0.7)[0] for n in range(10)])
    found = catalog.search(vectors, 40)
    known = catalog.references(np.unique(found.reference_ids).tolist())
    items = table(found.reference_ids, lambda _: {i: r.item_id for i, r in known.items()}, -1)
    closeness = catalog.closeness(vectors, items)
    order = promoted(found.scores, items, closeness, 1.0)
    ids, scores, items, closeness = (
        np.take_along_axis(each, order, 1)
        for each in (found.reference_ids, found.scores, items, closeness)
    )
    whole = evidence_of(scores, items, closeness)
    for row in range(len(vectors)):
        contenders = by_item(ids[row].tolist(), scores[row].tolist(), known, closeness[row])
        one = evidence_for(contenders, 0)
        for name in ("item", "score", "runner_up", "agreement", "prototype"):
            assert getattr(one, name)[0] == pytest.approx(getattr(whole, name)[row])


@pytest.mark.parametrize("mode", [AUTO, ON])
@pytest.mark.parametrize(
    "spoil", ["DELETE FROM thumbnails", "UPDATE thumbnails SET jpeg = CAST('no' AS BLOB)"]
)
def test_without_pictures_the_scores_decide(shop: Shop, spoil: str, mode: str) -> None:
    import shutil

    catalog = build(shop, print_of)
    shutil.rmtree(shop.photos)
    with catalog.gallery.connected() as engine, engine.begin() as connection:
        connection.exec_driver_sql(spoil)
    found = learnt(catalog, mode)
    assert found.compared == 0
    assert found.named == pytest.approx(found.named_without_points, abs=0.05)
