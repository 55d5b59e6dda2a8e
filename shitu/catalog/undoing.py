"""Undoes changes: rows come back under their ids, pictures from where a removal put them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shitu.arguments import number_of
from shitu.catalog.feedback import HOW
from shitu.catalog.files import holds, put_aside
from shitu.catalog.finding import Content, bring_back
from shitu.catalog.forgotten import why_forgotten
from shitu.catalog.moves import Moves, moving
from shitu.catalog.plans import Plan, plan_back, plan_undo
from shitu.catalog.sentences import sentence
from shitu.catalog.summaries import UndoSummary
from shitu.errors import GalleryError
from shitu.figures import many
from shitu.gallery import Change
from shitu.gallery.gallery import Gallery
from shitu.gallery.past import Row
from shitu.gallery.transaction import Transaction
from shitu.images.files import is_gone

_BROUGHT = {"add", HOW}  # pictures that came into the folder with the reference
_STAYING = {"space": "models", "adapter": "map", "calibration": "calibration"}


def undo(gallery: Gallery, generation: int | None) -> UndoSummary:
    """Undo one change, the last one if none is named; see `Catalog.undo`."""
    wanted = None if generation is None else number_of("generation", generation)
    with moving(gallery, "undo") as (transaction, moves):
        number = transaction.generation if wanted is None else wanted
        if number == transaction.generation == 0:
            raise GalleryError("the gallery is as it was made: there is nothing to undo")
        _refuse_unknown(number, transaction, first=1)
        change, *later = transaction.changes(number - 1)
        plan = plan_undo(change, later, transaction)
        transaction.note("undo", {"undone": number})
        done = _Application(transaction, plan, moves)
        done.apply()
        transaction.drop_empty_items()
    return done.summary(gallery, what=sentence(change), undone=number)


def go_back(gallery: Gallery, generation: int) -> UndoSummary:
    """Make the gallery what it was at a generation; see `Catalog.go_back`."""
    with moving(gallery, "undo") as (transaction, moves):
        _refuse_unknown(generation, transaction, first=0)
        later = transaction.changes(generation)
        plan = plan_back(later, transaction)
        transaction.note("undo", {"back_to": generation})
        done = _Application(transaction, plan, moves)
        done.apply()
    undone = "nothing is to be undone" if plan.empty else f"{many(len(later), 'generation')} undone"
    what = undone if later else "it is the last generation"
    return done.summary(gallery, what=what, back_to=generation, stays=_staying(later))


def _staying(later: Sequence[Change]) -> tuple[str, ...]:
    """What other commands have put into use or out of it, and will take back."""
    kinds = {kind for change in later for kind in change.after}
    return tuple(called for kind, called in _STAYING.items() if kind in kinds)


def _refuse_unknown(generation: int, transaction: Transaction, *, first: int) -> None:
    if not first <= generation <= transaction.generation:
        raise GalleryError(
            f"there is no generation {generation}: the gallery has {first} to "
            f"{transaction.generation}, see `shitu history`"
        )


@dataclass
class _Application:
    """Carries out a plan."""

    transaction: Transaction
    plan: Plan
    moves: Moves
    restored: list[int] = field(default_factory=list)
    removed: list[int] = field(default_factory=list)
    put_back: list[Path] = field(default_factory=list)
    put_aside: list[Path] = field(default_factory=list)
    missing: list[Path] = field(default_factory=list)
    kept: list[Path] = field(default_factory=list)

    def apply(self) -> None:
        """Do it, all but the commit."""
        t, rows = self.transaction, self.plan.references
        there = t.reference_rows(rows)
        self.restored = [n for n, row in rows.items() if row is not None and n not in there]
        self.removed = [n for n, row in rows.items() if row is None and n in there]
        self._refuse_forgotten()
        home = t.root
        roots = self._roots() if self.restored else []
        places = {n: t.path_of(row) for n, row in rows.items() if row is not None}
        going = {n: there[n] for n in self.removed}
        self._put_aside(going, home)
        twins = defaultdict[str, list[Path]](list)
        for row in going.values():
            twins[row["sha256"]].append(t.path_of(row))
        for number in self.restored:
            places[number] = self._bring_back(rows[number] or {}, places[number], twins, roots)
        if self.plan.root is not None:
            root = t.path_of({"path": self.plan.root})
            if root.is_dir() and home is not None and home.is_dir():
                t.set_root(root)
        placed = {n: row and t.row_at(row, places[n]) for n, row in rows.items()}
        t.restore(self.plan.items, placed)
        for kind, known in self.plan.known.items():
            t.known().restore(kind, known)

    def _roots(self) -> list[Path]:
        """All folders that pictures ever lived in, the present one first."""
        found = [self.transaction.root] if self.transaction.root is not None else []
        for change in self.transaction.changes(0):
            found += [self.transaction.path_of(row) for row in change.after.get("root", ())]
        return list(dict.fromkeys(found))

    def _refuse_forgotten(self) -> None:
        rows = (row for known in self.plan.known.values() for row in known.values() if row)
        queries = self.transaction.known().missing({row["query_id"] for row in rows})
        if queries:
            raise GalleryError(
                f"{len(queries)} of the pictures that rejections and golden queries are about have "
                "been forgotten by `shitu compact`: they cannot come back"
            )
        missing = set(self.restored) - self.transaction.with_vector(self.restored)
        if missing:
            raise GalleryError(
                f"{len(missing)} of the {len(self.restored)} references to be restored cannot come "
                f"back, because they have no vector: {why_forgotten(self.transaction.changes(0))}; "
                "add their pictures again with `shitu add-item`"
            )

    def _put_aside(self, going: Mapping[int, Row], home: Path | None) -> None:
        """Put pictures aside that an addition brought, or the next build would add them again."""
        returning = {(row or {}).get("sha256") for row in self.plan.references.values()}
        shared = self.transaction.on_shared_paths(going)
        for number, row in going.items():
            path = self.transaction.path_of(row)
            if row["sha256"] in returning:
                continue  # it is the picture of a reference that comes back
            if number in shared and not holds(path, row["sha256"]):
                continue  # what lies there is the picture of a reference that stays
            brought = row["how"] in _BROUGHT
            aside = put_aside(path, home, self.moves.move) if home and brought else None
            if aside is not None:
                self.put_aside.append(aside)
            elif not is_gone(path):
                self.kept.append(path)

    def _bring_back(
        self, row: Row, path: Path, twins: Mapping[str, list[Path]], roots: list[Path]
    ) -> Path:
        """Move a picture to its place from wherever it is; returns where it lies then."""
        content = Content(row["size"], row["mtime_ns"], row["sha256"])
        same = twins.get(content.sha256, [])
        found, place = bring_back(path, content, roots, same, self.moves.move)
        if found is None:
            self.missing.append(path)
        elif found != place:
            self.put_back.append(place)
        return place

    def summary(self, gallery: Gallery, *, what: str, **kind: Any) -> UndoSummary:
        """Say what was done."""
        return UndoSummary(
            **{"undone": None, "back_to": None, "stays": (), **kind},
            what=what,
            items=tuple(self.plan.items),
            restored=tuple(self.restored),
            removed=tuple(self.removed),
            put_back=tuple(self.put_back),
            put_aside=tuple(self.put_aside),
            missing=tuple(self.missing),
            kept=tuple(self.kept),
            changed=not self.plan.empty,
            generation=gallery.head().generation,
        )
