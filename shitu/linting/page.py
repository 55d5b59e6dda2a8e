"""A lint report as one HTML page that needs nothing else, not even a network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from html import escape

from shitu.figures import many
from shitu.gallery import Reference
from shitu.linting.findings import KINDS, Finding, LintReport
from shitu.pages import head, picture, printable, with_commands

MOST = 300  # findings with pictures; a page of more is too heavy for a phone
PICTURES = 8  # of one finding

_COUNTS = """.counts { display: flex; flex-wrap: wrap; gap: .4rem; list-style: none; margin: 0;
 padding: 0; }
.counts li { background: var(--soft); border-left-style: solid; border-left-width: .4rem;
 border-radius: .3rem; padding: .1rem .7rem; }
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
    parts = [head("Gallery lint", _COUNTS), _title(report), *cards]
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
        f"<h1>{many(len(report.findings), 'finding')} in {many(report.items, 'item')} with "
        f"{many(report.references, 'reference')}</h1>\n<ul class='counts'>{items}</ul>"
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
        f"<section><h3 dir='auto'>{escape(label)}</h3><div class='pictures'>"
        f"{_figures(numbers, references, thumbnails)}</div></section>"
        for label, numbers in by_label.items()
        if numbers
    )
    left_out = len(finding.reference_ids) - len(shown)
    more = f"<p>and {many(left_out, 'reference')} more</p>" if left_out else ""
    return (
        f"<article class='{finding.severity}'>"
        f"<h2>{finding.kind} <small>{finding.severity}, {finding.strength:.2f}</small></h2>\n"
        f"<p>{with_commands(finding.advice)}</p><div class='items'>{columns}</div>{more}</article>"
    )


def _figures(
    numbers: Iterable[int], references: Mapping[int, Reference], thumbnails: Mapping[int, bytes]
) -> str:
    return "".join(
        f"<figure>{picture(thumbnails.get(number))}"
        f"<figcaption>{number}: {escape(printable(references[number].path.name))}</figcaption>"
        "</figure>"
        for number in numbers
    )
