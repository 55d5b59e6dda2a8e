"""An evaluation as one HTML page that opens without a network, the worst mistakes as pictures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from shitu.evaluation.bootstrap import Interval
from shitu.evaluation.charts import cmc_chart, reliability_chart
from shitu.evaluation.comparison import Comparison
from shitu.evaluation.endtoend import STAGES, BoxReport, TruthOutcome
from shitu.evaluation.openset import OpenSetReport
from shitu.evaluation.outcomes import QueryOutcome
from shitu.evaluation.pictures import Pictures
from shitu.evaluation.report import Decided, RetrievalReport
from shitu.figures import many

MISTAKES = 60
"""Mistakes shown as pictures; each takes about 20 kB."""

CONFUSIONS = 30
"""Confused pairs shown; `--json` has all."""

_MEANS = {
    "recall_at_1": "recall@1",
    "recall_at_5": "recall@5",
    "map_at_r": "mAP@R",
    "mrr": "MRR",
    "macro_recall_at_1": "recall@1, mean over labels",
}
_SHARES = {
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "label_accuracy": "label right, where located",
}

Row = Sequence[str]


def retrieval_page(
    report: RetrievalReport, pictures: Pictures, compared: Comparison | None = None
) -> str:
    """The page of a retrieval evaluation."""
    parts = [
        f"<p>{many(report.queries, 'query')} of {many(len(report.labels), 'label')}; "
        f"{report.decided.sentence}.</p>",
        _skipped(report),
        _leaks(report),
        _figures(report, _MEANS, report.intervals),
        _comparison(compared),
        f"<h2>Found by rank</h2>{cmc_chart(report.cmc)}",
        _open_set(report.open_set, report.decided),
        _reliability(report),
        _confusions(report),
        _mistakes(report, pictures),
        _labels(report),
    ]
    return _page("Evaluation of the gallery", parts)


def boxes_page(report: BoxReport, pictures: Pictures, compared: Comparison | None = None) -> str:
    """The page of an end-to-end evaluation."""
    missed = [(STAGES.get(key, key), str(count)) for key, count in report.missed.items()]
    strangers = (
        f"<p>{report.strangers_named} of {report.strangers} strangers were given a label.</p>"
        if report.strangers
        else ""
    )
    parts = [
        f"<p>{many(report.truths, 'object')} in {many(report.pictures, 'picture')}, "
        f"{many(report.answers, 'answer')} with a label; verify {report.verify}.</p>",
        _skipped(report),
        _figures(report, _SHARES, report.intervals),
        _comparison(compared),
        _section("Missed, by stage", _table(("stage", "objects"), missed)) if missed else "",
        strangers,
        _misses(report, pictures),
    ]
    return _page("Evaluation of whole scenes", parts)


def _figures(
    report: RetrievalReport | BoxReport, names: Mapping[str, str], intervals: Mapping[str, Interval]
) -> str:
    rows = [
        (
            escape(name),
            f"{getattr(report, key):.3f}",
            _bar(getattr(report, key), intervals.get(key)),
        )
        for key, name in names.items()
    ]
    return _raw_table(("", "", "95 % interval" if intervals else ""), rows)


def _bar(value: float, interval: Interval | None) -> str:
    """The value as a bar, the interval as a line across its end, and in figures."""
    low, high = (value, value) if interval is None else (interval.low, interval.high)
    text = "" if interval is None else f"<small>{low:.3f} to {high:.3f}</small>"
    return (
        '<svg viewBox="0 0 100 8" class="bar" preserveAspectRatio="none">'
        f'<rect width="{value * 100:.1f}" height="8" class="fill"/>'
        f'<path d="M{low * 100:.1f},4H{high * 100:.1f}" class="whisker"/></svg>{text}'
    )


def _skipped(report: RetrievalReport | BoxReport) -> str:
    if not report.skipped:
        return ""
    title = f"{many(len(report.skipped), 'picture')} skipped"
    table = _table(("picture", "reason"), report.skipped)
    return f'<details class="warning"><summary>{title}</summary>{table}</details>'


def _leaks(report: RetrievalReport) -> str:
    if not report.leaks:
        return ""
    same = sum(leak.kind == "same file" for leak in report.leaks)
    what = (
        "They were left out."
        if report.leaks_excluded
        else ("The figures flatter the gallery; <code>--exclude-leaks</code> leaves them out.")
    )
    return (
        f'<p class="warning">{many(len(report.leaks), "query")} found in the gallery itself '
        f"({same} by the same file, {many(len(report.leaks) - same, 'near-duplicate')}). {what}</p>"
    )


def _comparison(found: Comparison | None) -> str:
    if found is None:
        return ""
    names = {**_MEANS, "found": "recall of boxes"}
    rows = [
        (
            names.get(one.name, one.name),
            f"{one.before:.3f}",
            f"{one.after:.3f}",
            "" if one.interval is None else f"{one.interval.low:+.3f} to {one.interval.high:+.3f}",
            {True: "yes", False: "no", None: ""}[one.significant],
        )
        for one in found.differences
    ]
    header = ("", "before", "after", "95 % of the difference", "significant")
    return _section(
        "Against the earlier run", f"<p>{escape(found.sentence)}</p>", _table(header, rows)
    )


def _open_set(found: OpenSetReport | None, decided: Decided) -> str:
    if found is None:
        return _section("Strangers", "<p>No query shows anything that the gallery lacks.</p>")
    at = found.at_threshold
    rows = [
        (f"strangers answered unknown, {decided.point}", f"{at.strangers_unknown:.3f}", ""),
        ("known named rightly", f"{at.known_right:.3f}", ""),
        ("known named wrongly", f"{at.known_wrong:.3f}", ""),
        ("known answered unknown", f"{at.known_unknown:.3f}", ""),
    ]
    for key, name, value in found.lines():
        interval = found.intervals.get(key)
        between = "" if interval is None else f"{interval.low:.3f} to {interval.high:.3f}"
        rows.append((name, f"{value:.3f}", between))
    header = ("", "", "95 % interval" if found.intervals else "")
    return _section(many(at.strangers, "stranger"), _table(header, rows))


def _reliability(report: RetrievalReport) -> str:
    if report.calibration is None:
        return _section(
            "Reliability",
            "<p>These answers carry no calibrated confidence; a cosine is no probability.</p>",
        )
    found = report.calibration
    rows = [
        (f"{b.low:.2f} to {b.high:.2f}", str(b.answers), f"{b.confidence:.3f}", f"{b.accuracy:.3f}")
        for b in found.table
    ]
    return _section(
        "Reliability",
        f"<p>Expected calibration error {found.error:.3f}, {found.bins} bins of equal mass.</p>",
        reliability_chart(found),
        _table(("confidence", "answers", "mean", "right"), rows),
    )


def _confusions(report: RetrievalReport) -> str:
    rows = [(one.label, one.answer, str(one.queries)) for one in report.confusions]
    if not rows:
        return ""
    shown = (
        f", the {CONFUSIONS} most frequent of {len(rows)} pairs" if len(rows) > CONFUSIONS else ""
    )
    table = _table(("label", "taken for", "queries"), rows[:CONFUSIONS])
    return _section(f"Confused{shown}", table)


def _mistakes(report: RetrievalReport, pictures: Pictures) -> str:
    """Wrong answers, query beside wrong answer beside nearest right one.

    Those that are given come first, then what is left unknown; of either the surest.
    """
    wrong = [one for one in report.outcomes if one.kind == "known" and not one.right]
    wrong.sort(key=lambda one: (not _given(one), -one.score))
    if not wrong:
        return _section("Mistakes", "<p>None.</p>")
    shown = [_mistake(one, pictures) for one in wrong[:MISTAKES]]
    order = f"the surest {MISTAKES} of them" if len(wrong) > MISTAKES else "the surest first"
    count = sum(map(_given, wrong))
    told = (
        f"<p>Wrong names that are given: {count}. The others, left unknown, come last.</p>"
        if count < len(wrong)
        else ""
    )
    return _section(f"{many(len(wrong), 'mistake')}, {order}", told, *shown)


def _given(one: QueryOutcome) -> bool:
    """Whether the answer is given, as far as anybody asked."""
    return one.ruling is None or one.ruling.named


def _mistake(one: QueryOutcome, pictures: Pictures) -> str:
    right = "not among the neighbours" if one.right_score is None else f"{one.right_score:.3f}"
    called = "answer" if _given(one) else "unknown; nearest"
    return '<div class="mistake">' + "".join(
        (
            _figure(pictures.crop(one.path, one.box), "query", one.label, one.path),
            _figure(
                pictures.reference(one.answer_id),
                f"{called}, {one.score:.3f}",
                one.answer or "none",
            ),
            _figure(
                pictures.reference(one.right_id),
                f"right, {right}" + (f", rank {one.rank}" if one.rank else ""),
                one.label,
            ),
            "</div>",
        )
    )


def _misses(report: BoxReport, pictures: Pictures) -> str:
    lost = [one for one in report.outcomes if one.lost_by is not None]
    named = [one for one in report.outcomes if one.stranger and one.answer is not None]
    missed = f"{many(len(lost), 'object')} missed"
    parts = [
        _section(
            title + (f", the first {MISTAKES}" if len(rows) > MISTAKES else ""),
            '<div class="grid">',
            *_crops(rows[:MISTAKES], pictures),
            "</div>",
        )
        for title, rows in ((missed, lost), ("Strangers named", named))
        if rows
    ]
    return "".join(parts)


def _crops(rows: Iterable[TruthOutcome], pictures: Pictures) -> Iterable[str]:
    for one in rows:
        why = STAGES.get(one.lost_by or "", one.lost_by or "stranger")
        told = f"{why}: {one.answer}" if one.answer else why
        yield _figure(pictures.crop(one.path, one.box), told, one.label or "stranger", one.path)


def _figure(source: str | None, above: str, label: str, title: str = "") -> str:
    image = (
        f'<img src="{source}" alt="" title="{escape(title)}">'
        if source
        else '<span class="none">no picture</span>'
    )
    return (
        f"<figure>{image}<figcaption><small>{escape(above)}</small><br>"
        f'<b dir="auto">{escape(label)}</b></figcaption></figure>'
    )


def _labels(report: RetrievalReport) -> str:
    rows = [
        (row.label, str(row.queries), f"{row.recall_at_1:.3f}", f"{row.recall_at_5:.3f}")
        for row in report.labels
    ]
    table = _table(("label", "queries", "recall@1", "recall@5"), rows)
    return f"<details><summary>All labels, worst first</summary>{table}</details>"


def _section(title: str, *parts: str) -> str:
    return f"<h2>{escape(title)}</h2>{''.join(parts)}"


def _table(header: Row, rows: Iterable[Row]) -> str:
    return _raw_table(header, ([f'<span dir="auto">{escape(c)}</span>' for c in r] for r in rows))


def _raw_table(header: Row, rows: Iterable[Row]) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in header) if any(header) else ""
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>'


def _page(title: str, parts: Sequence[str]) -> str:
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style></head><body><h1>{title}</h1>"
        f"{''.join(parts)}</body></html>\n"
    )


_STYLE = """
:root{color-scheme:light dark;--line:#8886;--mark:#2a78d6}
body{font:16px/1.45 system-ui,sans-serif;max-width:60rem;margin:0 auto;padding:1rem}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}
table{border-collapse:collapse}td,th{text-align:left;padding:.25rem .8rem .25rem 0;
border-bottom:1px solid var(--line);vertical-align:top}
td:nth-child(n+2){font-variant-numeric:tabular-nums}
.wide{overflow-x:auto}svg{width:100%;max-width:28rem;display:block}
svg text{font:11px system-ui,sans-serif;fill:currentColor}
.grid path,path.grid{stroke:var(--line);fill:none}.line{fill:none;stroke:var(--mark);stroke-width:2}
.dot{fill:var(--mark)}.bar{width:7rem;height:.5rem;margin-top:.5rem;background:var(--line)}
.fill{fill:var(--mark)}.whisker{stroke:currentColor;stroke-width:3}
.warning{border-left:4px solid #d70;padding:.4rem .8rem}
.mistake{display:grid;grid-template-columns:repeat(3,minmax(0,1fr));gap:.5rem;max-width:36rem;
border-top:1px solid var(--line);padding:.6rem 0}
div.grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(8rem,1fr));gap:.8rem}
figure{margin:0;overflow-wrap:anywhere}figure img{width:100%;max-width:10rem;aspect-ratio:1;
object-fit:contain;background:#8882}.none{display:block;padding:2rem 0;opacity:.6}
small{opacity:.75}code{white-space:nowrap}
"""
