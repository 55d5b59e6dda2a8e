"""What other people's code makes of the same embeddings: pytorch-metric-learning and OML.

Run it in an environment that has the extra `oracles` to compute the frozen table anew:

    pip install '.[oracles]' && python tests/evaluation/oracles.py
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np

TABLE = Path(__file__).with_name("oracles.json")
CMC = (1, 2, 3, 5, 10)

Case = Mapping[str, Any]


def make_case(seed: int, *, among_themselves: bool) -> dict[str, Any]:
    """Small whole numbers, so that the table does not depend on how NumPy draws."""
    rng = np.random.default_rng(seed)
    labels = int(rng.integers(4, 8))
    centres = rng.normal(0, 60, (labels, 6))
    # Every label has two references at least, and some have many.
    reference_labels = [*range(labels), *range(labels), *rng.integers(0, labels, 24).tolist()]
    query_labels = rng.integers(0, labels, 30).tolist()
    case: dict[str, Any] = {
        "seed": seed,
        "among_themselves": among_themselves,
        "references": _around(rng, centres, reference_labels),
        "reference_labels": reference_labels,
    }
    if among_themselves:
        return {**case, "queries": case["references"], "query_labels": reference_labels}
    return {**case, "queries": _around(rng, centres, query_labels), "query_labels": query_labels}


def _around(
    rng: np.random.Generator, centres: np.ndarray, labels: Sequence[int]
) -> list[list[int]]:
    drawn = centres[labels] + rng.normal(0, 60, (len(labels), centres.shape[1]))
    return [[int(number) for number in row] for row in drawn.round()]


def unit(rows: Sequence[Sequence[int]]) -> np.ndarray:
    """float32 (n, dim) of length one."""
    vectors = np.array(rows, dtype=np.float64)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def pytorch_metric_learning(case: Case) -> dict[str, float]:
    """Precision@1, MAP@R and MRR, over queries and over labels."""
    import torch
    from pytorch_metric_learning.distances import CosineSimilarity
    from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
    from pytorch_metric_learning.utils.inference import CustomKNN

    found: dict[str, float] = {}
    for prefix, macro in (("", False), ("macro_", True)):
        calculator = AccuracyCalculator(
            include=("precision_at_1", "mean_average_precision_at_r", "mean_reciprocal_rank"),
            k=len(case["references"]) - int(case["among_themselves"]),
            avg_of_avgs=macro,
            knn_func=CustomKNN(CosineSimilarity()),
            device=torch.device("cpu"),
        )
        values = calculator.get_accuracy(
            torch.from_numpy(unit(case["queries"])),
            torch.tensor(case["query_labels"]),
            torch.from_numpy(unit(case["references"])),
            torch.tensor(case["reference_labels"]),
            ref_includes_query=case["among_themselves"],
        )
        found |= {
            f"{prefix}recall_at_1": float(values["precision_at_1"]),
            f"{prefix}map_at_r": float(values["mean_average_precision_at_r"]),
            f"{prefix}mrr": float(values["mean_reciprocal_rank"]),
        }
    return found


def open_metric_learning(case: Case) -> dict[str, Any]:
    """CMC@k and, query by query, MAP and precision among the first R.

    OML divides MAP@k by the right ones found among the first k, not by R; times the precision among
    the first R, that is MAP@R as Musgrave et al. define it.
    """
    import torch
    from oml.functional.metrics import calc_cmc, calc_map, calc_precision

    tops, relevant = _marks(case)
    marks = [torch.tensor(row) for row in tops]
    cmc = calc_cmc(marks, relevant, CMC)
    products = [
        float(calc_map([row], [r], (r,))[0]) * float(calc_precision([row], [r], (r,))[0])
        for row, r in zip(marks, relevant, strict=True)
    ]
    return {
        "cmc": [float(values.double().mean()) for values in cmc],
        "map_at_r": float(np.mean(products)),
    }


def scikit_learn(case: Case) -> dict[str, float]:
    """AUROC of the best score where only the labels below 3 are in the gallery."""
    from sklearn.metrics import roc_auc_score

    scores, known = open_scores(case)
    return {"auroc": float(roc_auc_score(known, scores))}


def open_scores(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """Best scores of the queries, and whether their labels are below 3, as the gallery's are."""
    kept = np.array(case["reference_labels"]) < 3
    scores = (unit(case["queries"]) @ unit(case["references"])[kept].T).max(axis=1)
    return scores.astype(np.float64), np.array(case["query_labels"]) < 3


def _marks(case: Case) -> tuple[list[list[bool]], list[int]]:
    """For OML: which neighbours of each query are right, best first, and how many could be."""
    similar = unit(case["queries"]).astype(np.float64) @ unit(case["references"]).T.astype(float)
    if case["among_themselves"]:
        np.fill_diagonal(similar, -np.inf)
    order = np.argsort(-similar, axis=1)[:, : similar.shape[1] - int(case["among_themselves"])]
    labels = np.array(case["reference_labels"])
    right = labels[order] == np.array(case["query_labels"])[:, None]
    return right.tolist(), right.sum(axis=1).tolist()


ORACLES = {
    "pytorch_metric_learning": pytorch_metric_learning,
    "open_metric_learning": open_metric_learning,
    "scikit_learn": scikit_learn,
}


def smallest_gap(case: Case) -> float:
    """Between two scores of one query; equal ones may be ordered in any way."""
    similar = unit(case["queries"]).astype(np.float64) @ unit(case["references"]).T
    return float(np.diff(np.sort(similar, axis=1), axis=1).min())


def main() -> None:
    """Write the frozen table."""
    drawn = (make_case(seed, among_themselves=bool(seed % 2)) for seed in count())
    cases = list(islice((case for case in drawn if smallest_gap(case) > 1e-5), 6))
    for case in cases:
        case["expected"] = {
            name: oracle(case)
            for name, oracle in ORACLES.items()
            if name != "scikit_learn" or not case["among_themselves"]
        }
    lines = ",\n".join(json.dumps(case) for case in cases)
    TABLE.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
