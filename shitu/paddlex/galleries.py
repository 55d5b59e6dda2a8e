"""PaddleX' index: vectors with labels, in memory, and in the files that PaddleX reads."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from shitu.arguments import path_of
from shitu.catalog.id_map import FILES, read_id_map, split_line
from shitu.catalog.index_import import OURS, VECTORS, digests_of, read_ours
from shitu.catalog.labels import clean_label
from shitu.errors import DatasetError, GalleryError, IndexFileError, SpaceMismatch
from shitu.gallery import Space
from shitu.images import display_path
from shitu.images.names import cannot
from shitu.index.foreign import ForeignVectors, foreign_bytes, read_foreign
from shitu.texts import Utf8Error, read_text

METRICS = ("IP", "L2")
KINDS = ("Flat", "IVF", "HNSW32")
LABELS = "id_map.yaml"


@dataclass(frozen=True, eq=False)
class IndexData:
    """An index that never changes: adding and removing give another one.

    It is searched exactly, whatever its kind is called, so that every kind can be removed from and
    none misses a neighbour.

    Attributes:
        ids: of the vectors, each once, and none ever used again after it was removed.
        labels: of the vectors.
        vectors: float32 (n, dim), each of length one.
        digests: of the pictures, as far as they are known: the same one is added once.
        metric_type: `IP` (cosine, higher is better) or `L2` (squared distance, lower is better).
        index_type: what it was called when it was built.
        space: fingerprint of what made the vectors; None where nobody noted it.
        made_by: the models, for people.
        next_id: id of the next vector.
        skipped: pictures that were left out when it was made, each with the reason.
    """

    ids: tuple[int, ...]
    labels: tuple[str, ...]
    vectors: npt.NDArray[np.float32]
    digests: tuple[str, ...]
    metric_type: str = "IP"
    index_type: str = "HNSW32"
    space: str | None = None
    made_by: str = ""
    next_id: int = 0
    skipped: tuple[tuple[str, str], ...] = ()

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def id_map(self) -> Mapping[int, str]:
        """Labels by id."""
        return dict(zip(self.ids, self.labels, strict=True))

    @property
    def index_info(self) -> dict[str, Any]:
        """What PaddleX keeps beside its vectors."""
        return {
            "index_type": self.index_type,
            "metric_type": self.metric_type,
            "id_map": dict(self.id_map),
        }

    def added(
        self, labels: Sequence[str], vectors: npt.NDArray[np.float32], digests: Sequence[str]
    ) -> IndexData:
        """Return the index with more vectors (n, dim), under ids that were never used."""
        count = len(labels)
        return replace(
            self,
            ids=(*self.ids, *range(self.next_id, self.next_id + count)),
            labels=(*self.labels, *labels),
            vectors=np.concatenate([self.vectors, vectors]) if len(self) else vectors,
            digests=(*self.digests, *digests),
            next_id=self.next_id + count,
        )

    def removed(self, ids: Sequence[int]) -> IndexData:
        """Return the index without some vectors; raises GalleryError for an id it does not have."""
        unknown = sorted(set(ids) - set(self.ids))
        if unknown:
            raise GalleryError(
                f"The index has no vector {unknown[0]}: its {len(self)} ids are those of `id_map`."
            )
        gone = set(ids)
        kept = [place for place, one in enumerate(self.ids) if one not in gone]
        return replace(
            self,
            ids=tuple(self.ids[place] for place in kept),
            labels=tuple(self.labels[place] for place in kept),
            vectors=self.vectors[kept],
            digests=tuple(self.digests[place] for place in kept),
        )

    def nearest(
        self, queries: npt.NDArray[np.float32], topk: int, threshold: float
    ) -> list[tuple[list[str], list[float]]]:
        """Labels and scores of the neighbours of each query (n, dim) that are near enough."""
        scores = queries @ self.vectors.T if len(self) else np.zeros((len(queries), 0))
        found = []
        for row in scores:
            best = np.argsort(-row, kind="stable")[:topk]
            # Of unit vectors: |a - b|^2 = 2 - 2 cos.
            told = row[best] if self.metric_type == "IP" else np.maximum(2 - 2 * row[best], 0)
            good = told >= threshold if self.metric_type == "IP" else told <= threshold
            found.append(
                ([self.labels[i] for i in best[good]], [float(score) for score in told[good]])
            )
        return found

    def require(self, space: Space) -> None:
        """Refuse vectors of another model; raises SpaceMismatch."""
        if self.space is not None and self.space != space.fingerprint:
            made = Space(self.space, space.dim, {"name": self.made_by})
            raise SpaceMismatch(
                f"This index was made with {made.called_beside(space)}, and the pipeline uses "
                f"{space.called_beside(made)}: build it again, or create the pipeline with those "
                "models."
            )
        if len(self) and self.vectors.shape[1] != space.dim:
            raise SpaceMismatch(
                f"This index holds vectors of {self.vectors.shape[1]} numbers, and {space.called} "
                f"makes {space.dim}: build it again with these models."
            )

    def save(self, save_dir: Any) -> None:
        """Write the files that PaddleX reads, and what they do not tell, into a folder.

        Raises:
            IndexFileError: they cannot be written, or the labels of another index are in there.
        """
        folder = path_of("save_dir", save_dir)
        other = next((name for name in FILES if name != LABELS and (folder / name).exists()), None)
        if other is not None:
            raise IndexFileError(
                f"{display_path(folder)} holds {other}, the labels of another index: name another "
                "folder."
            )
        try:
            self._write(folder)
        except OSError as error:
            raise IndexFileError(cannot("written", display_path(folder), error)) from error

    def _write(self, folder: Path) -> None:
        vectors = ForeignVectors(np.array(self.ids, np.int64), self.vectors, "", self.metric_type)
        # Flat, whatever it is called: PaddleX can remove from it, and it misses nothing.
        info = {**self.index_info, "index_type": "Flat"}
        ours = {
            "space": self.space,
            "made_by": self.made_by,
            "next_id": self.next_id,
            "index_type": self.index_type,
            "digests": dict(zip(map(str, self.ids), self.digests, strict=True)),
            "vectors": vectors.checksum,
        }
        files = {
            OURS: json.dumps(ours).encode(),
            LABELS: yaml.safe_dump(info, allow_unicode=True).encode(),
            VECTORS: foreign_bytes(vectors),
        }
        folder.mkdir(parents=True, exist_ok=True)
        try:
            for name, data in files.items():
                (folder / f"{name}.part").write_bytes(data)
            for name in files:
                (folder / f"{name}.part").replace(folder / name)
        finally:
            for name in files:
                with suppress(OSError):
                    (folder / f"{name}.part").unlink()


def load_index(folder: Path) -> IndexData:
    """Read an index that this package or PaddleX saved.

    Raises:
        IndexFileError: a file is missing or damaged, or the files do not fit together.
    """
    named, stored = read_id_map(folder), read_foreign(folder / VECTORS)
    ids = tuple(int(one) for one in stored.ids)
    if set(named) != set(ids):
        raise IndexFileError(
            f"{folder} holds {len(ids)} vectors and {len(named)} labels that do not fit together: "
            "build that index again"
        )
    ours = read_ours(folder, stored)
    digests, noted = digests_of(ours), ours.get("next_id")
    lengths = np.linalg.norm(stored.vectors, axis=1, keepdims=True)
    if len(ids) and not (np.isfinite(lengths) & (lengths > 0)).all():
        raise IndexFileError(f"{folder} holds vectors without a direction: build it again")
    return IndexData(
        ids=ids,
        labels=tuple(named[one].label for one in ids),
        vectors=stored.vectors / lengths,
        digests=tuple(digests.get(one, "") for one in ids),
        metric_type=stored.metric,
        index_type=str(ours.get("index_type") or stored.kind),
        space=ours.get("space"),
        made_by=str(ours.get("made_by") or ""),
        next_id=max(noted if isinstance(noted, int) else 0, max(ids, default=-1) + 1),
    )


def read_gallery(file: Path, root: Path) -> list[tuple[Path, str]]:
    """Pictures and labels of a gallery file: a path and a label a line, which may hold blanks.

    Raises:
        DatasetError: the file cannot be read, or a line has no label; names it.
    """
    found = []
    for number, line in _lines(file):
        named = split_line(line)
        if not named.path or not named.label:
            raise DatasetError(
                f"{file}, line {number}: a path and a label are needed, not {line!r}."
            )
        found.append((root / named.path, named.label))
    return found


def read_ids(file: Path) -> list[int]:
    """Ids of a file with one a line; raises DatasetError."""
    found = []
    for number, line in _lines(file):
        first = line.split()[0]
        if not first.isdecimal():
            raise DatasetError(f"{file}, line {number}: {first!r} is no id.")
        found.append(int(first))
    return found


def _lines(file: Path) -> list[tuple[int, str]]:
    called = display_path(file)
    try:
        text = read_text(file)
    except OSError as error:
        raise DatasetError(cannot("read", called, error)) from error
    except Utf8Error as error:
        raise DatasetError(
            f"{called} cannot be read: {error}; name a text file, saved as UTF-8."
        ) from error
    # Not splitlines(): labels may hold characters which that takes for ends of lines.
    return [(n, line) for n, line in enumerate(text.split("\n"), 1) if line.strip()]


def clean_labels(labels: Sequence[Any]) -> list[str]:
    """Labels as they are kept.

    Raises:
        GalleryError: one is empty, as `None` and NaN are, which tables have for that.
        TypeError: one is neither text nor a number.
    """
    cleaned = [_cleaned(label, place) for place, label in enumerate(labels, 1)]
    if "" in cleaned:
        raise GalleryError(f"The label of picture {cleaned.index('') + 1} is empty.")
    return cleaned


def _cleaned(label: Any, place: int) -> str:
    if label is None:
        return ""
    if not isinstance(label, (str, Real)):
        raise TypeError(f"the label of picture {place} has to be text, not {type(label).__name__}")
    return "" if label != label else clean_label(str(label))
