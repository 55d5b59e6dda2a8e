"""The Grocery Store Dataset (Klasson, Zhang, Kjellstrom 2019): photos and iconic pictures."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from shitu.errors import DatasetError
from shitu.evaluation.retrieval import Query

_PACKAGES = "/iconic-images-and-descriptions/Packages/"


@dataclass(frozen=True)
class Grocery:
    """Pictures with their fine labels.

    Attributes:
        train: photos taken in shops.
        val: a few more.
        test: other photos taken in shops.
        iconic: one catalogue picture of each of the 81 labels.
        packages: the labels of cartons and tubs; the others are fruit and vegetables.
    """

    train: tuple[Query, ...]
    val: tuple[Query, ...]
    test: tuple[Query, ...]
    iconic: tuple[Query, ...]
    packages: frozenset[str]


def read_grocery(folder: Path, per_label: int | None = None) -> Grocery:
    """Read the lists of the dataset.

    Args:
        folder: the one with classes.csv, train.txt, val.txt and test.txt.
        per_label: take only the first so many photos of each label, by name.

    Raises:
        DatasetError: a list is missing.
    """
    try:
        classes = _classes(folder / "classes.csv")
        train, val, test = (
            _photos(folder / f"{part}.txt", list(classes), per_label)
            for part in ("train", "val", "test")
        )
    except OSError as error:
        raise DatasetError(
            f"{error.filename} cannot be read ({error.strerror}): give the folder that holds the "
            "Grocery Store Dataset as grocery/, with classes.csv and the lists train.txt, val.txt "
            "and test.txt in it"
        ) from None
    return Grocery(
        train,
        val,
        test,
        tuple(Query(folder / path.lstrip("/"), label) for label, path in classes.items()),
        frozenset(label for label, path in classes.items() if path.startswith(_PACKAGES)),
    )


def _classes(file: Path) -> dict[str, str]:
    """Label -> path of its iconic picture, in the order of the class ids."""
    with file.open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    rows.sort(key=lambda row: int(row["Class ID (int)"]))
    return {row["Class Name (str)"]: row["Iconic Image Path (str)"] for row in rows}


def _photos(file: Path, labels: Sequence[str], per_label: int | None) -> tuple[Query, ...]:
    by_label: dict[str, list[Query]] = defaultdict(list)
    for line in file.read_text(encoding="utf-8").splitlines():
        path, fine, _coarse = (field.strip() for field in line.split(","))
        by_label[labels[int(fine)]].append(Query(file.parent / path, labels[int(fine)]))
    return tuple(
        query
        for queries in by_label.values()
        for query in sorted(queries, key=lambda query: query.path)[:per_label]
    )
