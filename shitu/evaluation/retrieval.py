"""Queries with known labels -> how often, and how early, the gallery names them."""

from __future__ import annotations

from collections.abc import Sequence

from shitu.errors import DatasetError
from shitu.evaluation.outcomes import Lookup, QueryOutcome, rank_queries
from shitu.evaluation.queries import DescribedQueries, Query, describe_queries
from shitu.evaluation.report import EvaluationOptions, LabelScore, RetrievalReport, make_report

__all__ = [
    "DescribedQueries",
    "EvaluationOptions",
    "LabelScore",
    "Lookup",
    "Query",
    "RetrievalReport",
    "describe_queries",
    "score_queries",
]

_PLAIN = EvaluationOptions(resampling=None)


def score_queries(
    found: DescribedQueries, lookup: Lookup, options: EvaluationOptions = _PLAIN
) -> RetrievalReport:
    """Rank the gallery for each query, leaving out references that are the query's own file.

    Raises:
        DatasetError: no query could be scored.
    """
    if found.skipped and not found.labels:
        raise DatasetError(
            f"No query can be read ({len(found.skipped)} tried); the first: {found.skipped[0][1]}"
        )
    outcomes = rank_queries(
        found, lookup, options.confidence, options.prototype_weight, options.check
    )
    report = make_report(outcomes, found.skipped, options)
    if report is not None:
        return report
    if options.exclude_leaks and any(outcome.kind == "known" for outcome in outcomes):
        raise DatasetError(
            "Every query that has an answer sits in the gallery itself: take other "
            "photos, or do not exclude leaks."
        )
    raise DatasetError(
        f"No query has a right answer in the gallery ({len(found.labels)} asked): "
        f"{_why_none(outcomes)}.{_of_strangers(outcomes)}"
    )


def _why_none(outcomes: Sequence[QueryOutcome]) -> str:
    words = "the labels of queries and gallery must be the same words"
    alone = sum(one.kind == "alone" for one in outcomes)
    if not alone:
        return words
    own = f"for {alone} it has no picture of the label but the query's own file, take other photos"
    return own if alone == len(outcomes) else f"{own}; for the others {words}"


def _of_strangers(outcomes: Sequence[QueryOutcome]) -> str:
    """What is known where all are strangers, on purpose."""
    rulings = [one.ruling for one in outcomes if one.kind == "stranger" and one.ruling is not None]
    if not rulings:
        return ""
    unknown = sum(not ruling.named for ruling in rulings)
    return (
        f" If they are strangers, {unknown} of {len(rulings)} are answered unknown: add queries of "
        "the gallery's own items for the figures."
    )
