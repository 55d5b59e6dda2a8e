"""The page holds everything it needs, and what labels hold is text."""

from __future__ import annotations

import re
from base64 import b64decode
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

from fakes import reference

from shitu.gallery import Reference
from shitu.linting import Finding, LintReport
from shitu.linting.page import MOST, PICTURES, page, wanted_pictures

NASTY = "<script>alert('x')</script> & \"Cola\" \u202e红牛"


def finding(*numbers: int, labels: tuple[str, ...] = ("tea",)) -> Finding:
    advice = f"{labels[0]!r} is odd: run `shitu remove-item --reference {numbers[0]}`"
    return Finding("duplicate", "error", labels, numbers, 0.9, advice)


def report(*findings: Finding) -> LintReport:
    return LintReport(2, 9, (), findings)


def thumbnail(number: int) -> bytes:
    return b"\xff\xd8 jpeg %d" % number


class Reader(HTMLParser):
    """Collects tags and text, and insists that all are closed in order."""

    VOID = ("meta", "img")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def read(findings: LintReport, references: list[Reference]) -> Reader:
    numbers = wanted_pictures(findings)
    known = {r.reference_id: r for r in references}
    return Reader(page(findings, known, {n: thumbnail(n) for n in numbers}))


def test_pictures_stand_side_by_side_under_their_labels() -> None:
    found = read(
        report(finding(1, 2, labels=("tea", "coffee"))),
        [reference(1, "tea"), reference(2, "coffee")],
    )
    sources = [a["src"] or "" for tag, a in found.tags if tag == "img"]
    assert [b64decode(s.removeprefix("data:image/jpeg;base64,")) for s in sources] == [
        thumbnail(1),
        thumbnail(2),
    ]
    text = " ".join(found.words)
    assert text.index("tea") < text.index("1: 1.jpg") < text.index("2: 2.jpg")
    assert "shitu remove-item --reference 1" in found.words  # in a tag of its own


def test_nothing_is_fetched_and_nothing_runs() -> None:
    found = read(report(finding(1, labels=(NASTY,))), [reference(1, NASTY)])
    assert {tag for tag, _ in found.tags} == {
        *("html", "meta", "title", "style", "h1", "ul", "li", "article", "h2", "small", "p"),
        *("code", "div", "section", "h3", "figure", "img", "figcaption"),
    }
    for _, attributes in found.tags:
        assert not [name for name in attributes if name.startswith("on") or name == "href"]
        assert (attributes.get("src") or "data:").startswith("data:")
    assert NASTY in found.words
    text = page(report(finding(1, labels=(NASTY,))), {}, {})
    assert "<script" not in text
    assert not re.search(r"https?://|@import|url\(", text)
    assert "default-src 'none'" in text


def test_a_file_name_may_be_any_bytes() -> None:
    odd = replace(reference(1, "tea"), path=Path("/pictures/caf\udce9<b>.jpg"))
    found = read(report(finding(1)), [odd])
    assert "1: caf\\udce9<b>.jpg" in found.words


def test_a_reference_that_is_gone_meanwhile_is_left_out() -> None:
    assert not [tag for tag, _ in read(report(finding(1)), []).tags if tag == "img"]
    text = page(report(finding(1)), {1: reference(1, "tea")}, {})
    assert "no thumbnail" in text


def test_a_page_does_not_grow_without_end() -> None:
    many = report(*[finding(*range(n, n + 20)) for n in range(1, MOST + 11)])
    found = read(many, [reference(n, "tea") for n in range(1, 500)])
    assert len([tag for tag, _ in found.tags if tag == "article"]) == MOST
    assert len([tag for tag, _ in found.tags if tag == "img"]) == MOST * PICTURES
    text = " ".join(found.words)
    assert "10 more, less important" in text
    assert "and 12 references more" in text


def test_no_findings() -> None:
    assert "0 findings in 2 items with 9 references" in read(report(), []).words
