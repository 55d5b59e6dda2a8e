"""All checks, in an order in which each thing is said once."""

from __future__ import annotations

from collections import Counter

from shitu.gallery.gallery import Gallery
from shitu.linting import references as single
from shitu.linting.duplicates import NEAR, SAME, duplicates, find_pairs, near_duplicates
from shitu.linting.findings import Finding, LintReport, ranked
from shitu.linting.likeness import Compared, Search
from shitu.linting.separation import confusable, encounters, find_strays, misplaced, outliers
from shitu.linting.subject import Progress, Subject, lack, read_subject


def lint(
    gallery: Gallery, search: Search, compared: Compared, progress: Progress | None = None
) -> LintReport:
    """Look for what makes a gallery answer wrongly, or worse than it could.

    Args:
        gallery: what is looked at.
        search: finds the k nearest references of vectors (n, dim) of the gallery.
        compared: such vectors as `search` compares them, of length one.
        progress: called with the work done so far and the total.
    """
    subject = read_subject(gallery, search, compared, progress)
    seen = {r.reference_id for r in subject.references}
    unseen = [r for r in subject.everything if r.reference_id not in seen]
    return LintReport(
        items=len(subject.by_item),
        references=len(subject.everything),
        unseen=tuple(r.reference_id for r in unseen),
        findings=ranked(_findings(subject)),
        lacking=dict(Counter(lack(subject, reference) for reference in unseen)),
    )


def _findings(subject: Subject) -> list[Finding]:
    found = [*single.blank(subject), *single.blurred(subject), *single.tiny(subject)]
    # A picture that is there twice is no near-duplicate, and no outlier in its own item.
    same = find_pairs(subject, SAME)
    known = set(same)
    near = [pair for pair in find_pairs(subject, NEAR) if pair not in known]
    found += [*duplicates(subject, same), *near_duplicates(subject, near)]
    told = {i for finding in found if finding.severity != "info" for i in finding.reference_ids}
    # A picture in the wrong folder is an outlier; many of them there and back are a mix-up.
    strays = find_strays(subject, told)
    pairs = list(confusable(subject, encounters(subject, told | misplaced(subject, strays))))
    found += [*pairs, *outliers(subject, strays, {frozenset(pair.items) for pair in pairs})]
    return [*found, *single.missing(subject), *single.single(subject)]
