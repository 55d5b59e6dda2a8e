"""Golden queries that points decide: what recognition answers is what a change may not break."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from answering import THRESHOLD, Colours, logged, save
from flat import print_of, view

from shitu.calibration import Calibration, WithPoints
from shitu.catalog import Catalog, golden_points
from shitu.catalog.golden_points import GoldenPoints
from shitu.catalog.learning import write_calibration
from shitu.cropper import Cropper, CropPolicy
from shitu.deciding import Rule
from shitu.errors import GoldenBroken
from shitu.images import Image, load_image
from shitu.recognizer import Recognizer
from shitu.verifier.reranking import AUTO, ON

if TYPE_CHECKING:
    from conftest import Shop

SIDEWAYS = view(print_of(2), 90)[0]


def soft(image: Image) -> Image:
    """The same colours, and nothing to compare by."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 12), np.uint8)


def opened(shop: Shop, mode: str | None = ON, threshold: float = THRESHOLD) -> Catalog:
    catalog = shop.open(rule=lambda _: Rule(threshold, lead=0.1))  # print 2 leads 3 by 0.15
    if mode is not None:
        points = GoldenPoints(catalog.gallery, mode, 5, catalog.guard.folder)
        catalog.guard.points = points
    return catalog


@pytest.fixture
def prints(shop: Shop) -> Shop:
    """Three prints, and a query that colours take for another one."""
    for number in (1, 2, 3):
        save(shop.photos / f"print {number}" / "1.png", print_of(number))
    save(shop.photos / "print 1" / "2.png", soft(SIDEWAYS))
    with opened(shop) as catalog:
        shop.build(catalog)
    return shop


@pytest.fixture
def catalog(prints: Shop, tmp_path: Path) -> Catalog:
    catalog = opened(prints)
    catalog.add_golden(save(tmp_path / "sideways.png", SIDEWAYS), "print 2", whole_image=True)
    return catalog


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows with each pair of pictures that is compared for golden queries."""
    calls: list[int] = []
    agree = golden_points.agree

    def counting(*features: object) -> object:
        calls.append(1)
        return agree(*features)  # type: ignore[arg-type]

    monkeypatch.setattr(golden_points, "agree", counting)
    return calls


def recognized(catalog: Catalog, image: Image, threshold: float = THRESHOLD) -> str | None:
    points = catalog.guard.points
    found = Recognizer(
        Cropper(None, CropPolicy(main_body_threshold=0.5, threshold=0.5)),
        Colours(),  # type: ignore[arg-type]
        catalog,
        threshold,
        calibration=catalog.calibration,
        screening=catalog.screened,
        verifier=None if points is None else points.verifier,
    ).recognize(image, whole_image=True)
    return found.objects[0].label


@pytest.mark.parametrize("mode", [ON, AUTO, None])
def test_the_check_asks_points_as_recognition_does(
    prints: Shop, catalog: Catalog, mode: str | None
) -> None:
    asked = opened(prints, mode, 0.95)  # so that hardly any score is beyond doubt
    [found] = asked.check_golden()
    assert found.answer == ("print 1" if mode is None else "print 2")
    assert found.decided_by == ("score" if mode is None else "geometry")
    assert found.right is (mode is not None)
    picture = load_image(asked.golden_picture(found.golden_id))
    assert recognized(asked, picture, 0.95) == found.answer


def test_what_only_points_get_right_is_guarded(
    prints: Shop, catalog: Catalog, tmp_path: Path
) -> None:
    twin = save(tmp_path / "twin.png", view(print_of(2), 93)[0])
    for change in (
        lambda: catalog.remove(label="print 2"),
        lambda: catalog.add([twin], "another"),
        lambda: catalog.remove(reference_id=catalog.all_references()[2].reference_id),
    ):
        before = catalog.gallery.head()
        with pytest.raises(GoldenBroken, match="was 'print 2' and would be"):
            change()
        assert catalog.gallery.head() == before
    opened(prints, None).add([twin], "another")  # by scores it was wrong all the time


def test_what_points_keep_right_stops_nothing(prints: Shop, tmp_path: Path) -> None:
    """By its colours the new picture is the query itself, but nothing of it agrees."""
    catalog, blind = opened(prints), opened(prints, None)
    straight = view(print_of(2), 2)[0]
    catalog.add_golden(save(tmp_path / "q.png", straight), "print 2", whole_image=True)
    blind.remove(
        reference_id=next(r.reference_id for r in blind.all_references() if "2.png" in str(r.path))
    )
    assert [one.answer for one in blind.check_golden()] == ["print 2"]
    blurred = save(tmp_path / "blurred.png", soft(straight))
    with pytest.raises(GoldenBroken, match="'another'"):
        blind.add([blurred], "another")
    catalog.add([blurred], "another")
    assert [one.answer for one in catalog.check_golden()] == ["print 2"]
    assert [one.answer for one in blind.check_golden()] == ["another"]


def test_each_pair_is_compared_but_once(
    prints: Shop, catalog: Catalog, tmp_path: Path, compared: list[int]
) -> None:
    catalog.check_golden()
    assert len(compared) == 4, "one query, four references"
    catalog.add([save(tmp_path / "a.png", print_of(7))], "new")
    assert len(compared) == 5, "and the one that came"
    again = opened(prints)
    again.add([save(tmp_path / "b.png", print_of(8))], "new")
    assert len(compared) == 6, "in another process, too"
    cache = prints.index / "golden-points.json"
    for rubbish in ("{torn", "[]", '{"corners": {}, "pairs": [[1]]}'):
        cache.write_text(rubbish, encoding="utf-8")
        assert [one.right for one in opened(prints).check_golden()] == [True]
        assert len(compared) == 12
        del compared[6:]


def test_nothing_is_written_beside_the_change(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The change holds the lock that whoever keeps features would have to wait for."""
    from shitu.verifier import references

    monkeypatch.setattr(references, "keep_features", lambda *_: pytest.fail("it would wait"))
    catalog.add([save(tmp_path / "a.png", print_of(7))], "new")


def test_thumbnails_serve_where_pictures_are_gone(
    prints: Shop, catalog: Catalog, tmp_path: Path, compared: list[int]
) -> None:
    shutil.rmtree(prints.photos)
    (prints.index / "golden-points.json").unlink(missing_ok=True)
    for count in (4, 8):
        del compared[:]
        assert [one.right for one in opened(prints).check_golden()] == [True], count
        assert len(compared) == 4, "a picture may come back: they are not remembered"
    without = opened(prints)
    without.add([save(tmp_path / "a.png", print_of(7))], "new")
    with pytest.raises(GoldenBroken):
        without.remove(label="print 2")


def test_pictures_that_only_come_with_the_change(
    prints: Shop, catalog: Catalog, tmp_path: Path
) -> None:
    """An import brings thumbnails that nobody else can see yet."""
    with Catalog.open(tmp_path / "other", prints.describer, create=True) as other:
        other.add([save(tmp_path / "twin.png", view(print_of(2), 90)[0])], "another")
        other.export(tmp_path / "other.gallery")
    shutil.rmtree(tmp_path / "other")
    with pytest.raises(GoldenBroken, match="would be 'another'"):
        catalog.import_from(tmp_path / "other.gallery")


@pytest.mark.parametrize(("mode", "calibrated"), [(ON, False), (AUTO, False), (AUTO, True)])
def test_what_is_foreseen_comes_true(
    prints: Shop, mode: str, calibrated: bool, tmp_path: Path
) -> None:
    catalog = opened(prints, mode)
    if calibrated:
        _calibrate(catalog, mode)
    rng = np.random.default_rng(4)
    for number, angle in ((1, 0), (2, 90), (3, 0), (4, 45)):
        path = save(tmp_path / f"{number}.png", view(print_of(number), angle)[0])
        catalog.add_golden(path, None, whole_image=True)
    catalog.guard.forced = True
    decided = set()
    for step, change in enumerate(_changes(catalog, rng, tmp_path)):
        change()
        assert catalog.guard.foreseen is not None
        head, foreseen = catalog.guard.foreseen
        assert head == catalog.gallery.head(), step
        names = {item.item_id: item.label for item in catalog.items()}
        expected = [None if item is None else names[item] for item in foreseen.values()]
        found = catalog.check_golden()
        assert [one.answer for one in found] == expected, step
        pictures = [load_image(catalog.golden_picture(one.golden_id)) for one in found]
        assert [recognized(catalog, picture) for picture in pictures] == expected, step
        decided |= {one.decided_by for one in found}
    assert decided == {"confidence" if calibrated else "score", "geometry"}


def _calibrate(catalog: Catalog, mode: str) -> None:
    space = catalog.space
    assert space is not None
    points = WithPoints(mode, (4.0, 0.0, 0.0, 0.0, 0.0, 0.5), -2.0, 0.8, proof=True)
    known = Calibration(
        space.fingerprint, (4.0, 4.0, 0.0, 0.0, 0.0), -2.0, 0.7, 0.01, {}, 0.5, points=points
    )
    with catalog.gallery.write("calibrate") as transaction:
        write_calibration(transaction, known)
    catalog.refresh()


def _changes(
    catalog: Catalog, rng: np.random.Generator, folder: Path
) -> list[Callable[[], object]]:
    def add(number: int, label: str) -> Callable[[], object]:
        image = view(print_of(number), float(rng.integers(0, 360)))[0]
        return lambda: catalog.add([save(folder / f"{rng.integers(1 << 40)}.png", image)], label)

    return [
        add(4, "print 4"),
        add(2, "print 3"),
        lambda: catalog.reject(logged(catalog, view(print_of(3), 0)[0]), "print 3"),
        lambda: catalog.merge(["print 4"], "print 1"),
        lambda: catalog.undo(),
        lambda: catalog.remove(label="print 2"),
        add(5, "print 5"),
        lambda: catalog.undo(),
    ]
