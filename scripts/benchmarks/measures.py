"""Pictures that are embedded already -> the figures of each table, as plain values."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from benchmarks.ensemble import Pairing, pairings
from benchmarks.lineup import Described, of_labels_everywhere
from benchmarks.networks import Network
from benchmarks.parts import PROTOCOLS
from benchmarks.shelf import Shelf
from shitu.candidates import Decider, answers_first
from shitu.config import LEAD, PROTOTYPE_WEIGHT
from shitu.deciding import Rule
from shitu.evaluation.openset import open_set_scores
from shitu.evaluation.retrieval import score_queries
from shitu.prototypes import DEPTH, Prototypes

MEANS = ("recall_at_1", "recall_at_5", "map_at_r", "mrr")
LEADS = (0.0, LEAD, 0.3)
SHARES = ("strangers_unknown", "known_right", "known_wrong", "known_unknown")

Pictures = Mapping[str, Described]
Values = list[dict[str, Any]]


def retrieval_values(
    networks: Sequence[Network],
    pictures: Pictures,
    crops: Sequence[str],
    protocols: Sequence[str],
    packages: Collection[str],
) -> Values:
    """Means over the queries of each protocol, crop rule and network."""
    values: Values = []
    for protocol in protocols:
        gallery, queries = pictures[PROTOCOLS[protocol][0]], pictures["test"]
        if protocol == "c":
            gallery, queries = (
                of_labels_everywhere(part, packages.__contains__) for part in (gallery, queries)
            )
        values += [
            {"protocol": protocol, "crop": crop, "network": pair.network, **_retrieval(pair)}
            for crop in crops
            for pair in pairings(networks, gallery, queries, crop)
        ]
    return values


def _retrieval(pair: Pairing) -> dict[str, Any]:
    report = score_queries(pair.queries, Shelf(pair.gallery))
    return {
        "gallery": len(pair.gallery.labels),
        "queries": report.queries,
        **{name: getattr(report, name) for name in MEANS},
        "own_file_excluded": report.own_file_excluded,
        "skipped": len(pair.gallery.skipped) + len(pair.queries.skipped),
    }


def open_set_values(
    networks: Sequence[Network], pictures: Pictures, crops: Sequence[str]
) -> Values:
    """Protocol (a), but every second label (by name) is not in the gallery.

    Nearest references alone, then, where there is a threshold, what `recognize` answers by
    prototypes and with some leads.
    """
    labels = next(iter(pictures["train"].values())).labels
    kept = set(sorted(set(labels))[::2])
    gallery = of_labels_everywhere(pictures["train"], kept.__contains__)
    return [
        {"crop": crop, "network": pair.network, "lead": lead, **_open_set(pair, kept, lead)}
        for crop in crops
        for pair in pairings(networks, gallery, pictures["test"], crop)
        for lead in (None, *(() if pair.threshold is None else LEADS))
    ]


def _open_set(pair: Pairing, kept: Collection[str], lead: float | None) -> dict[str, Any]:
    """Shares by nearest references; with a lead by what `recognize` makes of them."""
    found = Shelf(pair.gallery).search(pair.queries.embeddings, DEPTH)
    names, codes = np.unique(pair.gallery.labels, return_inverse=True)
    items, closeness = codes[found.reference_ids], None
    if lead is not None:
        prototypes = Prototypes.of(pair.gallery.embeddings, codes, len(names))
        closeness = prototypes.closeness(pair.queries.embeddings, items)
    ordered = answers_first(found, items, closeness, PROTOTYPE_WEIGHT)
    score, threshold = ordered.evidence.score, pair.threshold or 0.0
    shares = open_set_scores(
        score,
        names[ordered.evidence.item] == np.array(pair.queries.labels),
        np.array([label in kept for label in pair.queries.labels]),
        threshold,
        None if lead is None else Decider(Rule(threshold, lead=lead)).trusts(ordered),
    )
    values = asdict(shares)
    if pair.threshold is None:
        values.update(dict.fromkeys(("threshold", *SHARES)))
    return values


def robust_values(
    networks: Sequence[Network], pictures: Pictures, spoilt: Mapping[str, Described], crop: str
) -> Values:
    """Protocol (a) with queries as they are, and changed in several ways."""
    values: Values = []
    for change, queries in {"none": pictures["test"], **spoilt}.items():
        for pair in pairings(networks, pictures["train"], queries, crop):
            row = {"network": pair.network, "change": change, **_retrieval(pair)}
            clean = next((one for one in values if one["network"] == pair.network), row)
            values.append({**row, "difference": row["recall_at_1"] - clean["recall_at_1"]})
    order = list(dict.fromkeys(row["network"] for row in values))
    return sorted(values, key=lambda row: order.index(row["network"]))


def labelled_values(
    networks: Sequence[Network],
    sets: Mapping[str, tuple[Described, Described]],
    crops: Sequence[str],
) -> Values:
    """recall@1 on galleries and queries of several sets, and its mean over the sets.

    Where the queries are the gallery itself, each is looked up among the others.
    """
    values: Values = []
    for crop in crops:
        found: dict[str, dict[str, Any]] = {}
        for name, (gallery, queries) in sets.items():
            for pair in pairings(networks, gallery, queries, crop):
                found.setdefault(pair.network, {})[name] = _retrieval(pair)
        values += [
            {
                "crop": crop,
                "network": network,
                "sets": rows,
                "mean_recall_at_1": float(np.mean([row["recall_at_1"] for row in rows.values()])),
            }
            for network, rows in found.items()
        ]
    return values
