"""Mends what a check found, as far as it can be made anew from the database."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from shitu.catalog.cache import IndexCache
from shitu.catalog.check_report import CheckReport
from shitu.catalog.checking import check_catalog
from shitu.gallery.gallery import Gallery


def mend(
    report: CheckReport, gallery: Gallery, cache: IndexCache | None, folder: Path, *, full: bool
) -> CheckReport:
    """Return what is left to be said afterwards; rows of the gallery are never changed.

    Raises:
        IndexNotSaved: the index cannot be written.
    """
    if cache is None:
        return report
    # Opening a gallery to repair it may have done so already.
    mended = [] if not cache.state.startswith("rebuilt") else [_made(cache, cache.state)]
    if report.cache_is_wrong:
        cache.remake()
        mended = [_made(cache, "it did not equal the database")]
        report = check_catalog(gallery, cache, folder, full=full)
    return replace(report, mended=tuple(mended))


def _made(cache: IndexCache, why: str) -> str:
    why = why.removeprefix("rebuilt: ")
    return f"the index was made anew from {cache.index.count} vectors of the database ({why})"
