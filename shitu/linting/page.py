"""A lint report as one HTML page that needs nothing else, not even a network."""

from __future__ import annotations

import re
from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Mapping
from html import escape

from shitu.gallery import Reference
from shitu.linting.findings import KINDS, Finding, LintReport

MOST = 300  # findings with pictures; a page of more is too heavy for a phone
PICTURES = 8  # of one finding

_HEAD = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>Gallery lint</title>
<style>
:root { color-scheme: light dark; --line: #8884; --soft: #8882; }
body { font: 16px/1.45 system-ui, sans-serif; margin: 0 auto; max-width: 60rem; padding: 1rem; }
h1 { font-size: 1.5rem; margin: .2rem 0 .6rem; }
.counts { display: flex; flex-wrap: wrap; gap: .4rem; list-style: none; margin: 0; padding: 0; }
.counts li { background: var(--soft); border-left-style: solid; border-left-width: .4rem;
 border-radius: .3rem; padding: .1rem .7rem; }
article { border: 1px solid var(--line); border-left: .4rem solid; border-radius: .5rem;
 margin: 1rem 0; padding: .7rem .9rem; }
.error { border-left-color: #c62828; } .warning { border-left-color: #e09000; }
.info { border-left-color: #4a78b8; }
h2 { font-size: 1rem; margin: 0; } h2 small { font-weight: normal; opacity: .75; }
code { background: var(--soft); border-radius: .2rem; padding: 0 .2rem; }
p { margin: .3rem 0 .6rem; overflow-wrap: anywhere; }
.items { display: flex; flex-wrap: wrap; gap: .8rem; }
.items > section { background: var(--soft); border-radius: .4rem; padding: .5rem; }
h3 { font-size: .9rem; margin: 0 0 .3rem; overflow-wrap: anywhere; }
.pictures { display: flex; flex-wrap: wrap; gap: .5rem; }
figure { margin: 0; text-align: center; width: 8rem; }
img { background: #fff; border-radius: .25rem; height: 8rem; object-fit: contain; width: 8rem; }
figcaption { font-size: .8rem; opacity: .75; overflow-wrap: anywhere; }
@media (min-width: 40rem) { .items > section { max-width: calc(50% - 1.4rem); } }
@media (max-width: 32rem) { figure, img { width: 6.2rem; } img { height: 6.2rem; } }
</style>
"""


def wanted_pictures(report: LintReport) -> list[int]:
    """The references whose thumbnails the page shows, each but once."""
    shown = (f.reference_ids[:PICTURES] for f in report.findings[:MOST])
    return list(dict.fromkeys(number for numbers in shown for number in numbers))


def page(
    report: LintReport, references: Mapping[int, Reference], thumbnails: Mapping[int, bytes]
) -> str:
    """Return the page.

    Args:
        report: what was found.
        references: those of the findings, as far as they are still there.
        thumbnails: JPEG by reference id; see `wanted_pictures`.
    """
    cards = (_card(finding, references, thumbnails) for finding in report.findings[:MOST])
    parts = [_HEAD, _title(report), *cards]
    more = len(report.findings) - MOST
    if more > 0:
        parts.append(f"<p>{more} more, less important: <code>shitu lint --json</code> has all.</p>")
    return "\n".join((*parts, "</html>\n"))


def _title(report: LintReport) -> str:
    counts = Counter((f.severity, f.kind) for f in report.findings)
    items = "".join(
        f"<li class='{severity}' title='{escape(KINDS[kind], quote=True)}'>{count} {kind}</li>"
        for (severity, kind), count in counts.items()
    )
    return (
        f"<h1>{_many(len(report.findings), 'finding')} in {_many(report.items, 'item')} with "
        f"{_many(report.references, 'reference')}</h1>\n<ul class='counts'>{items}</ul>"
    )


def _card(
    finding: Finding, references: Mapping[int, Reference], thumbnails: Mapping[int, bytes]
) -> str:
    shown = finding.reference_ids[:PICTURES]
    by_label: dict[str, list[int]] = {label: [] for label in finding.items}
    for number in shown:
        if number in references:
            by_label.setdefault(references[number].label, []).append(number)
    columns = "".join(
        f"<section><h3>{escape(label)}</h3><div class='pictures'>"
        f"{_figures(numbers, references, thumbnails)}</div></section>"
        for label, numbers in by_label.items()
        if numbers
    )
    left_out = len(finding.reference_ids) - len(shown)
    more = f"<p>and {_many(left_out, 'reference')} more</p>" if left_out else ""
    return (
        f"<article class='{finding.severity}'>"
        f"<h2>{finding.kind} <small>{finding.severity}, {finding.strength:.2f}</small></h2>\n"
        f"<p>{_with_commands(finding.advice)}</p><div class='items'>{columns}</div>{more}</article>"
    )


def _with_commands(text: str) -> str:
    return re.sub(r"`(shitu [^`]*)`", r"<code>\1</code>", escape(text))


def _figures(
    numbers: Iterable[int], references: Mapping[int, Reference], thumbnails: Mapping[int, bytes]
) -> str:
    return "".join(
        f"<figure>{_picture(thumbnails.get(number))}"
        f"<figcaption>{number}: {escape(_name(references[number]))}</figcaption></figure>"
        for number in numbers
    )


def _picture(jpeg: bytes | None) -> str:
    if jpeg is None:
        return "no thumbnail"
    return f'<img alt="" src="data:image/jpeg;base64,{b64encode(jpeg).decode("ascii")}">'


def _name(reference: Reference) -> str:
    # A page is UTF-8; a file name may be any bytes.
    return reference.path.name.encode("utf-8", "backslashreplace").decode("utf-8")


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")
