"""A gallery with known faults: each is found, named, and nothing else."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fakes import paint
from kinds import kind_of
from PIL import Image as Pillow
from PIL import ImageFilter

from shitu.catalog import Catalog
from shitu.images import Image
from shitu.linting import KINDS, SEVERITIES, Finding, LintReport, lint

Build = Callable[[], Catalog]
Save = Callable[[str, Image], Path]


def run(catalog: Catalog) -> LintReport:
    return lint(catalog.gallery, catalog.search, catalog.compared)


def only(report: LintReport, kind: str) -> Finding:
    [found] = report.findings
    assert found.kind == kind
    return found


def names(catalog: Catalog, finding: Finding) -> set[str]:
    known = catalog.references(finding.reference_ids)
    return {f"{known[i].label}/{known[i].path.name}" for i in finding.reference_ids}


def test_a_gallery_without_fault(build: Build) -> None:
    report = run(build())
    assert (report.items, report.references, report.unseen) == (2, 6, ())
    assert report.findings == ()
    assert report.errors == 0


def test_an_empty_gallery(tmp_path: Path) -> None:
    with Catalog.open(tmp_path, create=True) as catalog:
        assert run(catalog) == LintReport(0, 0, (), ())


def test_the_same_picture_under_two_labels_is_an_error(build: Build, save: Save) -> None:
    save("tea/copy.jpg", kind_of(10, 1))  # as JPEG: other bytes, nearly the same pixels
    catalog = build()
    found = only(run(catalog), "duplicate")
    assert (found.severity, found.items) == ("error", ("coffee", "tea"))
    assert names(catalog, found) == {"coffee/1.png", "tea/copy.jpg"}
    assert found.strength > 0.99


def test_the_same_picture_twice_under_one_label_is_said(build: Build, save: Save) -> None:
    save("tea/a.jpg", kind_of(20, 1))
    save("tea/b.png", kind_of(20, 1)[::2, ::2])
    catalog = build()
    found = only(run(catalog), "duplicate")
    assert (found.severity, found.items) == ("info", ("tea",))
    assert names(catalog, found) == {"tea/1.png", "tea/a.jpg", "tea/b.png"}


def test_nearly_the_same_picture_under_two_labels(build: Build, save: Save) -> None:
    scribbled = kind_of(10, 1)
    scribbled[10:70, 10:70] = 128
    save("tea/scribbled.png", scribbled)
    catalog = build()
    found = only(run(catalog), "near-duplicate")
    assert (found.severity, found.items) == ("warning", ("coffee", "tea"))
    assert names(catalog, found) >= {"coffee/1.png", "tea/scribbled.png"}


def test_a_reference_of_another_item_is_an_outlier(build: Build, save: Save) -> None:
    save("tea/stranger.png", kind_of(10, 7))
    catalog = build()
    found = only(run(catalog), "outlier")
    assert found.items == ("tea", "coffee")
    first = catalog.references(found.reference_ids[:1])[found.reference_ids[0]]
    assert first.path.name == "stranger.png"


def test_an_empty_sheet_is_blank_and_nothing_else(build: Build, save: Save) -> None:
    save("tea/sheet.png", np.full((200, 200, 3), 240, np.uint8))
    save("coffee/sheet.png", np.full((200, 200, 3), 239, np.uint8))
    report = run(build())
    assert [(f.kind, f.severity, f.strength) for f in report.findings] == [
        ("blank", "error", 1.0)
    ] * 2


def test_a_blurred_picture(build: Build, save: Save) -> None:
    sharp = Pillow.fromarray(kind_of(20, 9))
    save("tea/blurred.png", np.asarray(sharp.filter(ImageFilter.GaussianBlur(12))))
    catalog = build()
    found = only(run(catalog), "blurred")
    assert names(catalog, found) == {"tea/blurred.png"}
    assert 0 < found.strength <= 1


def test_a_tiny_picture(build: Build, save: Save) -> None:
    save("tea/tiny.png", np.ascontiguousarray(kind_of(20, 9)[::4, ::4]))
    catalog = build()
    found = only(run(catalog), "tiny")
    assert names(catalog, found) == {"tea/tiny.png"}
    assert found.strength == pytest.approx(1 - 40 / 64)


def test_a_box_of_few_pixels_in_a_large_picture_is_tiny(build: Build, save: Save) -> None:
    path = save("elsewhere.png", kind_of(20, 9))
    catalog = build()
    catalog.add([path], "tea", box=(100.0, 100.0, 132.0, 116.0))
    found = [f for f in run(catalog).findings if f.kind == "tiny"]
    assert [f.strength for f in found] == [0.5]


def test_a_picture_whose_file_is_gone(build: Build, photos: Path) -> None:
    catalog = build()
    (photos / "tea" / "1.png").unlink()
    found = only(run(catalog), "missing-picture")
    assert names(catalog, found) == {"tea/1.png"}
    assert found.strength == pytest.approx(1 / 3)
    assert str(photos / "tea" / "1.png") in found.advice
    assert found.advice.startswith("of 'tea' 1 of 3 pictures is gone: ")


def test_an_item_with_one_reference(build: Build, save: Save) -> None:
    save("juice/1.png", paint(77, 160))
    found = only(run(build()), "single-reference")
    assert (found.items, found.severity) == (("juice",), "info")


def test_what_cannot_be_looked_at_is_counted(build: Build, tmp_path: Path) -> None:
    catalog = build()
    number = catalog.all_references()[0].reference_id
    with sqlite3.connect(tmp_path / "index" / "gallery.db") as database:
        query = "UPDATE thumbnails SET jpeg = x'00' WHERE reference_id = ?"
        database.execute(query, (number,))
    database.close()
    report = run(catalog)
    assert report.unseen == (number,)
    assert report.lacking == {"no thumbnail that can be read": 1}
    assert report.references == 6


def test_a_reference_is_no_outlier_where_the_others_of_its_item_cannot_be_looked_at(
    build: Build, tmp_path: Path
) -> None:
    catalog = build()
    tea = [one.reference_id for one in catalog.all_references() if one.label == "tea"]
    with sqlite3.connect(tmp_path / "index" / "gallery.db") as database:
        query = "UPDATE thumbnails SET jpeg = x'00' WHERE reference_id = ?"
        database.executemany(query, [(number,) for number in tea[1:]])
    database.close()
    assert "outlier" not in {finding.kind for finding in run(catalog).findings}


def test_findings_come_worst_first_and_say_one_sentence(build: Build, save: Save) -> None:
    save("tea/sheet.png", np.full((200, 200, 3), 240, np.uint8))
    save("tea/copy.jpg", kind_of(10, 1))
    save("tea/tiny.png", np.ascontiguousarray(kind_of(20, 9)[::4, ::4]))
    save("juice/1.png", paint(77, 160))
    report = run(build())
    order = [(SEVERITIES.index(f.severity), -f.strength) for f in report.findings]
    assert order == sorted(order)
    assert report.errors == 2
    for finding in report.findings:
        assert finding.kind in KINDS
        assert 0 <= finding.strength <= 1
        assert finding.reference_ids
        assert ". " not in finding.advice
        assert "\n" not in finding.advice


def test_progress_reaches_its_total_and_nothing_is_written(build: Build) -> None:
    catalog = build()
    told: list[tuple[int, int]] = []
    before = catalog.gallery.head()

    def tell(done: int, total: int) -> None:
        told.append((done, total))

    lint(catalog.gallery, catalog.search, catalog.compared, tell)
    assert told[-1] == (12, 12)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert catalog.gallery.head() == before


def test_only_some_kinds(build: Build, save: Save) -> None:
    save("juice/1.png", paint(77, 160))
    report = run(build())
    assert len(report.only(["single-reference"]).findings) == 1
    assert report.only(["blank"]).findings == ()
