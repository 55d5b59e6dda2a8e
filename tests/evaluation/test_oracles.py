"""Our conventions are those of pytorch-metric-learning, OML and scikit-learn.

The frozen table is compared with everywhere; the packages themselves where they are installed
(`pip install '.[oracles]'`), by which the table is checked as well.
"""

from __future__ import annotations

import json
from importlib.util import find_spec
from typing import Any

import oracles
import pytest
from fakes import FakeLookup, reference

from shitu.calibration.calibrating import auroc
from shitu.evaluation.metrics import macro_average
from shitu.evaluation.queries import DescribedQueries
from shitu.evaluation.report import RetrievalReport, figures, label_codes
from shitu.evaluation.retrieval import score_queries

CASES = json.loads(oracles.TABLE.read_text(encoding="utf-8"))
IDS = [f"seed {case['seed']}" for case in CASES]

# Their figures are means of float32 values.
ROUNDING = 1e-6


def ours(case: dict[str, Any]) -> RetrievalReport:
    """The same case through the product: own files are what PML calls `ref_includes_query`."""
    gallery = FakeLookup(
        [
            reference(i + 1, str(label), item_id=label + 1)
            for i, label in enumerate(case["reference_labels"])
        ],
        oracles.unit(case["references"]),
    )
    count = len(case["queries"])
    hashes = [f"sha-{i + 1}" if case["among_themselves"] else f"query {i}" for i in range(count)]
    labels = [str(label) for label in case["query_labels"]]
    return score_queries(
        DescribedQueries(labels, hashes, oracles.unit(case["queries"]), ()), gallery
    )


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_means_over_queries_and_labels(case: dict[str, Any]) -> None:
    report = ours(case)
    theirs = case["expected"]["pytorch_metric_learning"]
    values, codes = figures(report.outcomes), label_codes(report.outcomes)
    for name, column in values.items():
        if name in theirs:
            assert getattr(report, name) == pytest.approx(theirs[name], abs=ROUNDING), name
            macro = macro_average(column, codes)
            assert macro == pytest.approx(theirs[f"macro_{name}"], abs=ROUNDING), name
    assert report.macro_recall_at_1 == pytest.approx(theirs["macro_recall_at_1"], abs=ROUNDING)
    assert 0.2 < report.recall_at_1 < 0.98, "an easy case tells conventions not apart"
    assert report.own_file_excluded == (len(codes) if case["among_themselves"] else 0)


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_the_cmc_curve_and_map_at_r(case: dict[str, Any]) -> None:
    report, theirs = ours(case), case["expected"]["open_metric_learning"]
    curve = [report.cmc[k - 1] for k in oracles.CMC]
    assert curve == pytest.approx(theirs["cmc"], abs=ROUNDING)
    assert report.recall_at_5 == pytest.approx(theirs["cmc"][oracles.CMC.index(5)], abs=ROUNDING)
    assert report.map_at_r == pytest.approx(theirs["map_at_r"], abs=ROUNDING)


@pytest.mark.parametrize("case", [c for c in CASES if not c["among_themselves"]])
def test_auroc(case: dict[str, Any]) -> None:
    scores, known = oracles.open_scores(case)
    theirs = case["expected"]["scikit_learn"]["auroc"]
    assert auroc(scores[known], scores[~known]) == pytest.approx(theirs, abs=ROUNDING)
    assert 0.5 < theirs < 1


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", sorted(oracles.ORACLES))
def test_the_table_is_what_the_packages_say(name: str) -> None:
    package = {"open_metric_learning": "oml", "scikit_learn": "sklearn"}.get(name, name)
    if find_spec(package) is None or (name != "scikit_learn" and find_spec("torch") is None):
        pytest.skip(f"{name} is not installed; the extra `oracles` has it")
    for case in CASES:
        if name in case["expected"]:
            found = oracles.ORACLES[name](case)
            for key, expected in case["expected"][name].items():
                assert found[key] == pytest.approx(expected, abs=ROUNDING), key


def test_the_cases_have_no_ties() -> None:
    assert min(map(oracles.smallest_gap, CASES)) > 1e-5
    assert {case["among_themselves"] for case in CASES} == {True, False}
