"""Brings in an index that PaddleClas or PaddleX wrote: vectors and labels, without embedding."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from shitu.arguments import words_of
from shitu.catalog.differing import AT_A_TIME
from shitu.catalog.files import absolute
from shitu.catalog.id_map import Named, read_id_map
from shitu.catalog.reading import read_ahead
from shitu.catalog.summaries import Skipped
from shitu.catalog.thumbnail_store import Shot, ThumbnailStore
from shitu.errors import ImageError, IndexFileError, SpaceMismatch
from shitu.gallery import FileState, Reference, Space
from shitu.gallery.gallery import Gallery
from shitu.gallery.history import now
from shitu.gallery.insertion import Insertion, WholeReference
from shitu.gallery.transaction import Transaction
from shitu.images import display_path, thumbnail
from shitu.lineup import find_lineup
from shitu.telling import Told

if TYPE_CHECKING:
    from shitu.index.foreign import ForeignVectors

HOW = "import"
VECTORS = "vector.index"
OURS = "shitu.json"
"""What the pipeline of `create_pipeline` knows of its index beyond the files of PaddleX."""

_SHA256 = re.compile(r"[0-9a-f]{64}")

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class IndexImportSummary(Told):
    """What came out of an index of another program.

    Attributes:
        kind, metric: of the index, as Faiss calls them.
        space: the model that made the vectors.
        added: references that came.
        known: those that the gallery had already.
        attached: of the known, those that got their pictures now.
        pictures: references whose pictures were found.
        shortest, longest: lengths of the vectors before they were made 1.
        skipped: vectors that were left out, and pictures that cannot be read, each with its reason.
    """

    kind: str
    metric: str
    space: str
    items: int
    added: int
    known: int
    attached: int
    pictures: int
    shortest: float
    longest: float
    skipped: tuple[Skipped, ...]
    generation: int


@dataclass(frozen=True)
class Foreign:
    """A vector of the index, ready to become a reference."""

    path: Path
    recorded: str
    label: str
    vector: npt.NDArray[np.float32]  # (dim,), of length one
    digest: str | None = None  # sha256 of the picture, if somebody noted it

    @property
    def key(self) -> bytes:
        """What tells it from all others: the same picture gives the same vector."""
        return self.vector.astype("<f4").tobytes()

    @property
    def sha256(self) -> str:
        """Name of the content, while there is no picture to take it from."""
        return (
            self.digest or hashlib.sha256(os.fsencode(self.recorded) + b"\0" + self.key).hexdigest()
        )


def imported_space(model: str, dim: int) -> Space:
    """The space of vectors of which only the name of their model is known."""
    told = {"name": model, "dim": dim, "origin": "imported index"}
    canonical = json.dumps(told, sort_keys=True, separators=(",", ":"))
    return Space(hashlib.sha256(canonical.encode()).hexdigest(), dim, told)


def read_ours(folder: Path, found: ForeignVectors) -> dict[str, Any]:
    """Return what our pipeline noted beside an index; nothing beside that of another program.

    Another program that changes the index knows nothing of the note, which counts no more then.

    Raises:
        IndexFileError: it is damaged.
    """
    path = folder / OURS
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise IndexFileError(f"{path} is damaged ({error}): build that index again") from None
    same = isinstance(fields, dict) and fields.get("vectors") in (None, found.checksum)
    return fields if same else {}


def _space_of(ours: Mapping[str, Any], model: str, dim: int) -> Space:
    """The space that our pipeline noted, if its models are here; else one of that name."""
    noted = ours.get("space")
    lineup = find_lineup(Space(str(noted), dim)) if noted else None
    return imported_space(model, dim) if lineup is None else lineup.space()


def digests_of(ours: Mapping[str, Any]) -> dict[int, str]:
    """Sha256 of the pictures that our pipeline noted, by the id of the vector."""
    noted = ours.get("digests")
    pairs = noted.items() if isinstance(noted, dict) else ()
    return {int(i): str(d) for i, d in pairs if i.isdecimal() and _SHA256.fullmatch(str(d))}


def import_index(
    gallery: Gallery,
    folder: Path,
    model: str,
    pictures: Path | None,
    progress: Progress | None,
) -> IndexImportSummary:
    """See `Catalog.import_index`."""
    from shitu.index.foreign import read_foreign

    model = " ".join(words_of("model", model).split())
    if pictures is not None and not pictures.is_dir():
        raise ImageError(
            f"{display_path(pictures)} is no folder: name the one in which the paths of the index "
            "start; nothing was imported"
        )
    names = read_id_map(folder)
    found = read_foreign(folder / VECTORS)
    ours = read_ours(folder, found)
    space = _space_of(ours, model, found.vectors.shape[1])
    _refuse_other_space(gallery, space, folder)
    lengths = np.linalg.norm(found.vectors.astype(np.float64), axis=1)
    skipped: list[Skipped] = []
    home = absolute(folder if pictures is None else pictures)
    rows = _ready(found.ids, found.vectors, lengths, names, home, skipped)
    digests = digests_of(ours)
    ready = [replace(one, digest=digests.get(number)) for number, one in rows]
    if not ready:
        raise IndexFileError(
            f"{display_path(folder)} holds no vector that can be used: "
            f"{skipped[0].reason if skipped else 'it is empty'}"
        )
    with ExitStack() as closing_:
        # Read and made small before the first lock is taken: it may be a million pictures.
        store = closing_.enter_context(closing(ThumbnailStore()))
        shots = {} if pictures is None else _photograph(ready, home, store, skipped, progress)
        with gallery.write("import-index") as transaction:
            if shots and gallery.root() is None:
                transaction.set_root(home)
            work = _Work(transaction, space, _known(gallery, space), shots, store, skipped)
            work.run(ready)
    good = lengths[np.isfinite(lengths) & (lengths > 0)]
    return IndexImportSummary(
        kind=found.kind,
        metric=found.metric,
        space=space.called,
        items=len(work.items),
        added=work.added,
        known=work.known,
        attached=work.attached,
        pictures=len(shots),
        shortest=float(good.min()),
        longest=float(good.max()),
        skipped=tuple(skipped),
        generation=gallery.head().generation,
    )


def _refuse_other_space(gallery: Gallery, space: Space, folder: Path) -> None:
    active = gallery.active_space()
    if active is not None and active.fingerprint != space.fingerprint:
        raise SpaceMismatch(
            f"{display_path(folder)} holds vectors of {space.called_beside(active)} ({space.dim} "
            f"numbers), the gallery those of {active.called_beside(space)} ({active.dim}): name "
            "another --index folder; nothing was imported"
        )


def _ready(
    ids: npt.NDArray[np.int64],
    vectors: npt.NDArray[np.float32],
    lengths: npt.NDArray[np.float64],
    names: dict[int, Named],
    home: Path,
    skipped: list[Skipped],
) -> Iterator[tuple[int, Foreign]]:
    left = dict(names)
    for number, vector, length in zip(ids.tolist(), vectors, lengths, strict=True):
        named = left.pop(number, None)
        recorded = (named and named.path) or f"{VECTORS}#{number}"
        path = absolute(home / recorded)
        if named is None:
            skipped.append(Skipped(path, f"vector {number} has no label"))
        elif not named.label:
            skipped.append(Skipped(path, f"the label of vector {number} is empty"))
        elif not (np.isfinite(length) and length > 0):
            skipped.append(Skipped(path, f"vector {number} has the length {length:g}"))
        else:
            unit = (vector / length).astype(np.float32)
            yield number, Foreign(path, recorded, named.label, unit)
    for number, named in left.items():
        path = absolute(home / (named.path or f"{VECTORS}#{number}"))
        skipped.append(Skipped(path, f"{named.label!r} has the id {number}, but no vector"))


def _photograph(
    ready: Sequence[Foreign],
    home: Path,
    store: ThumbnailStore,
    skipped: list[Skipped],
    progress: Progress | None,
) -> dict[Path, Shot]:
    """Read the pictures that are there; a recorded path may not lead out of their folder."""
    inside = [one.path for one in ready if one.path.is_relative_to(home) and one.path.is_file()]
    paths = list(dict.fromkeys(inside))
    shots: dict[Path, Shot] = {}
    with closing(read_ahead(paths, lambda _: True)) as pictures:
        for done, picture in enumerate(pictures, 1):
            if picture.image is not None:
                jpeg = thumbnail(picture.image, box=None)
                shots[picture.path] = store.keep(picture.sha256, picture.state, jpeg)
            else:
                skipped.append(Skipped(picture.path, f"{picture.problem} Its vector is used."))
            if progress is not None:
                progress(done, len(paths))
    return shots


def _known(gallery: Gallery, space: Space) -> dict[bytes, Reference]:
    """Return the references of the gallery by their vectors."""
    if gallery.active_space() is None:
        return {}
    delta = gallery.delta(space)
    assert delta is not None  # noqa: S101 - only an unknown start has no delta
    references = {one.reference_id: one for one in gallery.all_references()}
    rows = zip(delta.ids.tolist(), delta.vectors, strict=True)
    return {row.astype("<f4").tobytes(): references[number] for number, row in rows}


@dataclass
class _Work:
    """One import under way."""

    transaction: Transaction
    space: Space
    there: dict[bytes, Reference]
    shots: dict[Path, Shot]
    store: ThumbnailStore
    skipped: list[Skipped]
    added: int = 0
    known: int = 0
    attached: int = 0
    items: dict[str, int] = field(default_factory=dict)
    _came: dict[bytes, str] = field(default_factory=dict)  # labels, by vector

    def run(self, ready: Sequence[Foreign]) -> None:
        """Add what is new, and pictures to what is known without."""
        self._into = Insertion(self.transaction, self.space, keep_ids=False)
        self._at = now()
        for start in range(0, len(ready), AT_A_TIME):
            named = [(self._content(one), one) for one in ready[start : start + AT_A_TIME]]
            held = self.transaction.holders([digest for digest, _ in named])
            owners = {digest: label for digest, (_, label) in held.items()}
            new: dict[str, Foreign] = {}
            for digest, one in named:
                owner = self._owner(one) or owners.get(digest)
                if owner is None:
                    new[digest] = one
                    owners[digest] = self._came[one.key] = one.label
                else:
                    self._enter(one, owner, digest)
            self._add(new)

    def _content(self, one: Foreign) -> str:
        shot = self.shots.get(one.path)
        return one.sha256 if shot is None else shot.sha256

    def _owner(self, one: Foreign) -> str | None:
        known = self.there.get(one.key)
        return self._came.get(one.key) if known is None else known.label

    def _enter(self, one: Foreign, owner: str, digest: str) -> None:
        if owner != one.label:
            reason = f"is the same as a reference of {owner!r}, not of {one.label!r}"
            self.skipped.append(Skipped(one.path, reason))
            return
        self.known += 1
        known, shot = self.there.get(one.key), self.shots.get(one.path)
        without = known is not None and known.sha256 == one.sha256
        if known is None or shot is None or not without or self.transaction.holders([digest]):
            return
        number, jpeg = known.reference_id, self.store.read(shot)
        self._into.attach(number, str(one.path), shot.sha256, shot.state, jpeg)
        self.attached += 1

    def _add(self, new: dict[str, Foreign]) -> None:
        if not new:
            return
        for label in dict.fromkeys(one.label for one in new.values()):
            if label not in self.items:
                self.items[label] = self.transaction.ensure_item(label)
        self._into.references([self._reference(digest, one) for digest, one in new.items()])
        self.added += len(new)

    def _reference(self, digest: str, one: Foreign) -> WholeReference:
        shot = self.shots.get(one.path)
        return WholeReference(
            reference_id=0,
            item_id=self.items[one.label],
            path=str(one.path),
            sha256=digest,
            state=FileState(0, 0) if shot is None else shot.state,
            box=None,  # those programs embed whole pictures
            box_given=False,
            added_at=self._at,
            how=HOW,
            source=None,
            thumbnail=None if shot is None else self.store.read(shot),
            vector=one.vector,
        )
