"""How well the gallery names real photos: retrieval, an open set, spoilt photos, other sets.

All figures come from the describer, the index and the metrics that `shitu eval-recall` uses.
Pictures are read and cropped once; then each of the networks that are compared embeds the crops.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.distortions import DISTORTIONS
from benchmarks.grocery import Grocery, read_grocery
from benchmarks.labelled import LabelledSet, read_labelled
from benchmarks.lineup import MAIN_BODY, WHOLE, Described, Lineup, open_lineup
from benchmarks.measures import (
    labelled_values,
    open_set_values,
    retrieval_values,
    robust_values,
)
from benchmarks.networks import list_networks
from benchmarks.parts import PARTS, PROTOCOLS
from benchmarks.sections import Section
from benchmarks.tables import labelled_table, open_set_table, retrieval_table, robust_table
from shitu.errors import ConfigError
from shitu.evaluation.retrieval import Query


@dataclass(frozen=True)
class Wanted:
    """What is to be measured.

    Attributes:
        grocery: folder of the Grocery Store Dataset.
        parts: some of `PARTS`; None for all that there are pictures for.
        models: names or folders of feature models; none for that of the settings.
        teachers: folder with one feature model per folder; each is measured, and all together.
        localizer: ONNX file of Mobile Object Localizer v1, for crops of its own.
        labelled: folder of the sets of which classes were held out.
        per_label: only so many pictures of each label.
    """

    grocery: Path
    parts: Sequence[str] | None = None
    models: Sequence[str] = ()
    teachers: Path | None = None
    localizer: Path | None = None
    labelled: Path | None = None
    per_label: int | None = None


def measure_quality(wanted: Wanted) -> list[Section]:
    """One table for each kind of part.

    Raises:
        ConfigError: the labelled sets are wanted but not given.
    """
    parts = _parts(wanted)
    on_grocery = parts - {"labelled"}
    grocery = read_grocery(wanted.grocery, wanted.per_label) if on_grocery else None
    sets: list[LabelledSet] = []
    if "labelled" in parts and wanted.labelled is not None:
        sets = read_labelled(wanted.labelled, wanted.per_label)
    lineup = open_lineup(list_networks(wanted.models, wanted.teachers), wanted.localizer)
    sections: list[Section] = []
    if grocery is not None:
        sections += _on_grocery(lineup, grocery, on_grocery)
    if sets:
        sections += _on_labelled(lineup, sets)
    return sections


def _parts(wanted: Wanted) -> set[str]:
    if wanted.parts is None:
        return set(PARTS) - (set() if wanted.labelled else {"labelled"})
    if "labelled" in wanted.parts and wanted.labelled is None:
        raise ConfigError("The part labelled needs pictures: give their folder as --labelled.")
    return set(wanted.parts)


def _on_grocery(lineup: Lineup, grocery: Grocery, parts: set[str]) -> Iterator[Section]:
    pictures = _described(lineup, grocery, parts)
    crops = tuple(lineup.leaders)
    if parts & set(PROTOCOLS):
        protocols = [protocol for protocol in PROTOCOLS if protocol in parts]
        yield retrieval_table(
            retrieval_values(lineup.networks, pictures, crops, protocols, grocery.packages)
        )
    if "open" in parts:
        yield open_set_table(open_set_values(lineup.networks, pictures, crops))
    if "robust" in parts:
        spoilt = {
            name: lineup.describe(grocery.test, [MAIN_BODY], name, change)
            for name, change in DISTORTIONS.items()
        }
        yield robust_table(robust_values(lineup.networks, pictures, spoilt, MAIN_BODY))


def _described(lineup: Lineup, grocery: Grocery, parts: set[str]) -> dict[str, Described]:
    """Every picture that is needed, embedded once."""
    users = {
        "test": set(PARTS),
        "train": {"a", "open", "robust"},
        "iconic": {"b", "c"},
    }
    found = {}
    for name, uses in users.items():
        queries: tuple[Query, ...] = getattr(grocery, name) if uses & parts else ()
        if parts == {"c"}:
            queries = tuple(query for query in queries if query.label in grocery.packages)
        crops = [MAIN_BODY] if uses & parts <= {"robust"} else list(lineup.leaders)
        found[name] = lineup.describe(queries, crops, name)
    return found


def _on_labelled(lineup: Lineup, sets: Sequence[LabelledSet]) -> Iterator[Section]:
    crops = (WHOLE, MAIN_BODY)
    found = {}
    for each in sets:
        gallery = lineup.describe(each.gallery, crops, each.name)
        queries = gallery
        if each.queries is not None:
            queries = lineup.describe(each.queries, crops, f"{each.name} queries")
        found[each.name] = (gallery, queries)
    classes = {each.name: each.classes for each in sets}
    yield labelled_table(labelled_values(lineup.networks, found, crops), classes)
