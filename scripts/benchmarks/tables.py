"""Plain values -> the tables of the quality benchmark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.measures import MEANS, SHARES
from benchmarks.parts import PROTOCOLS
from benchmarks.sections import Section

Values = Sequence[dict[str, Any]]


def retrieval_table(values: Values) -> Section:
    """Protocols by crop rule by network."""
    header = ("protocol", "crop", "network", "gallery", "queries", "R@1", "R@5", "mAP@R", "MRR")
    rows = [
        (
            f"({row['protocol']}) {PROTOCOLS[row['protocol']][1]}",
            row["crop"],
            row["network"],
            f"{row['gallery']:,}",
            f"{row['queries']:,}",
            *(_share(row[name]) for name in MEANS),
        )
        for row in values
    ]
    return Section("retrieval", values, "Grocery Store Dataset, fine labels", header, rows)


def open_set_table(values: Values) -> Section:
    """Crop rules by network; what hangs on a threshold is blank where none was chosen."""
    header = (
        "crop",
        "network",
        "threshold",
        "lead",
        "strangers: unknown",
        "known: right",
        "known: wrong",
        "known: unknown",
        "AUROC",
    )
    rows = [
        (
            row["crop"],
            row["network"],
            "" if row["threshold"] is None else f"{row['threshold']:.2f}",
            "" if row["lead"] is None else f"{row['lead']:.2f}",
            *(_share(row[name]) for name in (*SHARES, "auroc")),
        )
        for row in values
    ]
    title = (
        f"Open set, half of the labels not in the gallery: {values[0]['known']:,} known queries, "
        f"{values[0]['strangers']:,} strangers"
    )
    return Section("open_set", values, title, header, rows)


def robust_table(values: Values) -> Section:
    """Networks by change of the query photo."""
    rows = [
        (
            row["network"],
            row["change"],
            _share(row["recall_at_1"]),
            "" if row["change"] == "none" else f"{row['difference']:+.3f}",
        )
        for row in values
    ]
    title = (
        f"Protocol (a), main body, the {values[0]['queries']:,} query photos changed before "
        "anything is detected; the gallery is as it was"
    )
    header = ("network", "query photos", "R@1", "difference")
    return Section("robust", values, title, header, rows)


def labelled_table(values: Values, classes: Mapping[str, int]) -> Section:
    """Crop rules by network, one column for each set.

    Args:
        classes: how many each set has.
    """
    rows = [
        (
            row["crop"],
            row["network"],
            *(_share(row["sets"][name]["recall_at_1"]) for name in classes),
            _share(row["mean_recall_at_1"]),
        )
        for row in values
    ]
    sizes = ", ".join(
        f"{name} ({count} classes, {values[0]['sets'][name]['queries']:,} queries)"
        for name, count in classes.items()
    )
    header = ("crop", "network", *classes, "mean")
    return Section("labelled", values, f"Classes held out of training, R@1: {sizes}", header, rows)


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
