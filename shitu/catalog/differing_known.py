"""Which rejections and golden queries of an exported gallery another one has, and contradicts.

Two queries are the same picture if their vectors are equal, or their JPEGs: a picture that was
looked up on two machines may have two vectors, and one that waits for a model has none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from shitu.catalog.differing import GoldenConflict, ItemHere, KnownDiff
from shitu.catalog.files import sha256
from shitu.gallery import Space
from shitu.gallery.known_queries import GoldenQuery, KnownQueries, Rejection
from shitu.gallery.portable import PortableFile
from shitu.gallery.tables import text_to_path

REJECTIONS, GOLDEN = "rejections", "golden_queries"

Answer: TypeAlias = int | str | None  # item here, or label of one that is not; None: unknown


@dataclass(frozen=True)
class Said:
    """A rejection or golden query, of the file or of the gallery.

    Attributes:
        keys: by which its picture is known again.
        answer: in terms of the gallery.
        told: the answer in words.
    """

    number: int
    query_id: int
    keys: frozenset[str]
    answer: Answer
    told: str
    at: str
    path: str = ""


@dataclass(frozen=True)
class Coming:
    """A rejection or golden query that is not in the gallery.

    Attributes:
        label: of its item; None: unknown is the right answer.
        against: golden queries here that have another answer to the same picture.
    """

    kind: str
    said: Said
    label: str | None
    against: tuple[int, ...] = ()


@dataclass(frozen=True)
class KnownComparison:
    """All of them, compared.

    Attributes:
        new: what is not here and contradicts nothing.
        contradicting: golden queries that others here stand against.
    """

    rejections: KnownDiff = field(default_factory=KnownDiff)
    golden: KnownDiff = field(default_factory=KnownDiff)
    conflicts: tuple[GoldenConflict, ...] = ()
    new: tuple[Coming, ...] = ()
    contradicting: tuple[Coming, ...] = ()


def _has_known(file: PortableFile) -> bool:
    """Whether there are any in a file; the first format had no place for them."""
    return file.format > 1 and file.count("queries") > 0


def compare_known(
    file: PortableFile, known: KnownQueries, items: Mapping[str, ItemHere], space: Space | None
) -> KnownComparison:
    """Compare a file with a gallery, whose items are given by label."""
    if not _has_known(file):
        return KnownComparison()
    there = _There(file, items)
    refused, wanted = _Alike(there.said(REJECTIONS)), _Alike(there.said(GOLDEN))
    refused_here = _Alike(_said_here(known, known.rejections(space)))
    wanted_here = _Alike(_said_here(known, known.golden(space)))
    new = [one for one in refused.rows if one.answer not in refused_here.answers(one)]
    more = [one for one in wanted.rows if one.answer not in wanted_here.answers(one)]
    clashing = [one for one in more if wanted_here.like(one)]
    free = [one for one in more if not wanted_here.like(one)]
    return KnownComparison(
        rejections=KnownDiff(len(new), len(refused.rows) - len(new)),
        golden=KnownDiff(len(free), len(wanted.rows) - len(more)),
        conflicts=tuple(_conflict(one, wanted_here) for one in clashing),
        new=(
            *(Coming(REJECTIONS, one, one.told) for one in new),
            *(Coming(GOLDEN, one, _label(one)) for one in free),
        ),
        contradicting=tuple(
            Coming(GOLDEN, one, _label(one), _against(one, wanted, wanted_here)) for one in clashing
        ),
    )


class _Alike:
    """Finds rows about the same picture."""

    def __init__(self, rows: Iterable[Said]) -> None:
        self.rows = list(rows)
        self._by_key: defaultdict[str, list[Said]] = defaultdict(list)
        for row in self.rows:
            for key in row.keys:
                self._by_key[key].append(row)

    def like(self, one: Said) -> list[Said]:
        """Return those about the picture of another row."""
        found = {row.number: row for key in one.keys for row in self._by_key.get(key, ())}
        return [row for _, row in sorted(found.items())]

    def answers(self, one: Said) -> set[Answer]:
        """Return what they say of it."""
        return {row.answer for row in self.like(one)}


def _label(one: Said) -> str | None:
    return None if one.answer is None else one.told


def _conflict(one: Said, here: _Alike) -> GoldenConflict:
    return GoldenConflict(one.path, here.like(one)[0].told, one.told)


def _against(one: Said, there: _Alike, here: _Alike) -> tuple[int, ...]:
    """Golden queries here that say what the file nowhere says of the picture."""
    return tuple(row.number for row in here.like(one) if row.answer not in there.answers(row))


def _said_here(
    known: KnownQueries, rows: Sequence[Rejection] | Sequence[GoldenQuery]
) -> Iterator[Said]:
    for row in rows:
        vector = None if row.vector is None else row.vector.astype("<f4").tobytes()
        keys = _keys(known.picture(row.query_id), vector)
        if isinstance(row, GoldenQuery):
            number, told = row.golden_id, row.expected
        else:
            number, told = row.rejection_id, row.label or ""
        yield Said(number, row.query_id, keys, row.item_id, told, row.at)


@dataclass
class _There:
    """Reads the rows of the file."""

    file: PortableFile
    items: Mapping[str, ItemHere]

    def said(self, kind: str) -> Iterator[Said]:
        """Read those of a kind."""
        for number, query_id, label, at, path, jpeg, vector in self.file.rows(_ROWS[kind]):
            answer = self.items[label].item_id if label in self.items else label
            told = "unknown" if label is None else label
            keys = _keys(jpeg, vector)
            yield Said(number, query_id, keys, answer, told, at, text_to_path(path))


_ROWS = {
    kind: (
        f"SELECT {key}, query_id, label, at, {path}, jpeg, vector FROM {kind} "  # noqa: S608
        "LEFT JOIN items USING (item_id) JOIN queries USING (query_id) "
        f"LEFT JOIN query_vectors USING (query_id) ORDER BY {key}"
    )
    for kind, key, path in (
        (REJECTIONS, "rejection_id", "''"),
        (GOLDEN, "golden_id", "path"),
    )
}


def _keys(jpeg: bytes | None, vector: bytes | None) -> frozenset[str]:
    return frozenset(sha256(data) for data in (jpeg, vector) if data is not None)
