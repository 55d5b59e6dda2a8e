"""Rankings of an index that finds more when it is asked for more."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fakes import FakeLookup, Floats, reference

from shitu.candidates import Decider
from shitu.deciding import Rule
from shitu.evaluation.checking import Check
from shitu.evaluation.depths import ranked_deeper
from shitu.evaluation.report import EvaluationOptions
from shitu.evaluation.retrieval import DescribedQueries, score_queries
from shitu.index import Neighbours

# Their cosines to the query fall by one hundredth each, and then there are three equal ones.
COSINES = [0.99, 0.98, 0.97, 0.96, 0.95, 0.9, 0.9, 0.9]
QUERY = np.array([[1.0, 0.0]], np.float32)
VECTORS = [(c, np.sqrt(1 - c * c)) for c in COSINES]
LABELS = ["tea", "tea", "rice", "rice", "salt", "soap", "soap", "soap"]
REFERENCES = [
    reference(i, label, item_id=1 + sorted(set(LABELS)).index(label))
    for i, label in enumerate(LABELS, 1)
]


class Hasty(FakeLookup):
    """Misses some references where it is asked for few neighbours."""

    missed: tuple[int, ...] = ()

    def search(self, queries: Floats, k: int, allowed: Any = None) -> Neighbours:
        found = super().search(queries, len(REFERENCES), allowed)
        keep = ~np.isin(found.reference_ids[0], self.missed if k < len(REFERENCES) else ())
        return Neighbours(found.scores[:, keep][:, :k], found.reference_ids[:, keep][:, :k])


def hasty(*missed: int) -> Hasty:
    lookup = Hasty(REFERENCES, VECTORS)
    lookup.missed = missed
    return lookup


@pytest.mark.parametrize(
    ("missed", "first", "wanted"),
    [
        ((), 3, [1, 2, 3, 4, 5, 6, 7, 8]),
        ((), 8, [1, 2, 3, 4, 5, 6, 7, 8]),
        ((), 20, [1, 2, 3, 4, 5, 6, 7, 8]),
        ((), 6, [1, 2, 3, 4, 5, 6, 7, 8]),  # one of equals is the last of the first ones
        ((1,), 3, [2, 3, 4, 5, 6, 7, 8]),
        ((2, 4), 3, [1, 3, 5, 6, 7, 8]),
        ((6,), 6, [1, 2, 3, 4, 5, 7, 8]),
        ((5,), 3, [1, 2, 3, 4, 5, 6, 7, 8]),  # it would not have been among the first anyway
    ],
)
def test_what_a_search_for_few_misses_is_not_found(
    missed: tuple[int, ...], first: int, wanted: list[int]
) -> None:
    found = ranked_deeper(hasty(*missed).search, QUERY, first, len(REFERENCES))
    there = found.reference_ids[0] >= 0
    assert found.reference_ids[0, there].tolist() == wanted
    assert found.scores[0, there] == pytest.approx([COSINES[i - 1] for i in wanted])
    assert np.isneginf(found.scores[0, ~there]).all()


def test_it_is_reported_what_recognition_finds_not_what_a_deeper_search_would() -> None:
    query = DescribedQueries(["tea"], ["of another file"], QUERY, ())
    options = EvaluationOptions(None, check=Check(Decider(Rule(0.5, lead=0.0)), 3))
    report = score_queries(query, hasty(1, 2), options)
    [outcome] = report.outcomes
    assert (outcome.answer, outcome.rank) == ("rice", 0)
    assert outcome.score == pytest.approx(0.97, abs=1e-6)
    assert outcome.margin == pytest.approx(0.97 - 0.95, abs=1e-6)
    assert (report.recall_at_1, report.map_at_r) == (0, 0)
    assert score_queries(query, hasty(), options).recall_at_1 == 1
