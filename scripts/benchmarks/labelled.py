"""Labelled pictures of classes that were held out of all training.

The rule is the one by which scripts/embedded/feature_data.py holds classes out, and a test compares
both: every fifth class, by name, of Caltech 101, of the clothes, and of every second emoji that all
vendors draw.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from shitu.errors import DatasetError
from shitu.evaluation.retrieval import Query

_STEP = 5
_EXTENSIONS = (".jpg", ".jpeg", ".png")
_NOT_CLOTHES = ("", "Not sure", "Other", "Skip")
_SKIN = "-1f3f"  # in the names of variants of an emoji that differ by the colour of the skin
_GALLERY_VENDOR = "apple"
_QUERY_VENDORS = ("google", "twitter", "facebook")


@dataclass(frozen=True)
class LabelledSet:
    """Pictures of held-out classes.

    Attributes:
        name: what tables call it.
        gallery: pictures and their classes.
        queries: looked up in the gallery; None: each picture of the gallery is looked up among
            the others.
    """

    name: str
    gallery: tuple[Query, ...]
    queries: tuple[Query, ...] | None = None

    @property
    def classes(self) -> int:
        return len({query.label for query in self.gallery})


def read_labelled(folder: Path, per_label: int | None = None) -> list[LabelledSet]:
    """List the held-out classes of Caltech 101, the clothes and the emoji.

    Args:
        folder: with one folder per repository, as scripts/embedded/README.md lists them.
        per_label: take only the first so many pictures of each class, by name.

    Raises:
        DatasetError: one of the sets is missing.
    """
    try:
        parts = [
            ("Caltech 101", _caltech(folder / "Homework2-Caltech101"), None),
            ("clothes", _clothes(folder / "clothing-dataset"), None),
            ("emoji", _emoji(folder, [_GALLERY_VENDOR]), _emoji(folder, _QUERY_VENDORS)),
        ]
    except OSError as error:
        raise DatasetError(
            f"{error.filename} cannot be read ({error.strerror}): give the folder that holds "
            "Homework2-Caltech101, clothing-dataset and emoji-datasource-*"
        ) from None
    return [
        LabelledSet(
            name,
            _first(gallery, per_label),
            None if queries is None else _first(queries, per_label),
        )
        for name, gallery, queries in parts
    ]


def _caltech(root: Path) -> list[Query]:
    pictures = root / "101_ObjectCategories"
    held = _every_fifth({path.name for path in pictures.iterdir() if path.is_dir()})
    return [
        Query(path, path.parent.name) for path in _pictures(pictures) if path.parent.name in held
    ]


def _clothes(root: Path) -> list[Query]:
    with (root / "images.csv").open(encoding="utf-8", newline="") as handle:
        labels = {row["image"]: row["label"] for row in csv.DictReader(handle)}
    held = _every_fifth(set(labels.values()) - set(_NOT_CLOTHES))
    found = [Query(path, labels.get(path.stem, "")) for path in _pictures(root / "images")]
    return [query for query in found if query.label in held]


def _emoji(root: Path, vendors: Sequence[str]) -> list[Query]:
    folders = {
        vendor: root / f"emoji-datasource-{vendor}" / "img" / vendor / "64"
        for vendor in (_GALLERY_VENDOR, *_QUERY_VENDORS)
    }
    drawn = [
        {path.name for path in folder.iterdir() if path.suffix == ".png"}
        for folder in folders.values()
    ]
    names = sorted(name for name in set.intersection(*drawn) if _SKIN not in name)[::2]
    held = sorted(_every_fifth(set(names)))
    return [Query(folders[vendor] / name, name) for name in held for vendor in vendors]


def _every_fifth(names: set[str]) -> set[str]:
    return set(sorted(names)[::_STEP])


def _pictures(folder: Path) -> list[Path]:
    next(folder.iterdir(), None)  # a folder that is missing is an error, not an empty one
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in _EXTENSIONS)


def _first(queries: Sequence[Query], per_label: int | None) -> tuple[Query, ...]:
    if per_label is None:
        return tuple(queries)
    seen: Counter[str] = Counter()
    kept = []
    for query in queries:
        seen[query.label] += 1
        if seen[query.label] <= per_label:
            kept.append(query)
    return tuple(kept)
