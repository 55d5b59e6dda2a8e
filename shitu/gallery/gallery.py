"""Reading a gallery, and the one door through which it is changed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, Engine, select

from shitu.errors import Closed, GalleryError, GalleryLocked, ItemNotFound
from shitu.gallery import history
from shitu.gallery.engine import (
    WRITING,
    no_gallery,
    open_blank,
    open_sqlite,
    open_url,
    shown,
    shrink_sqlite,
    sqlite_file,
    translated,
)
from shitu.gallery.known_queries import KnownQueries
from shitu.gallery.migrations import check_version, migrate, schema_version
from shitu.gallery.pending import (
    Pending,
    read_ids_of,
    read_items_of,
    read_labels_of,
    read_members_of,
)
from shitu.gallery.reading import (
    VARIABLES,
    Vectors,
    count_references,
    count_vectors,
    read_items,
    read_references,
    read_vectors,
    read_vectors_in_blocks,
)
from shitu.gallery.records import (
    AllVectors,
    Change,
    Delta,
    FileState,
    Head,
    Item,
    KnownFile,
    Reference,
    Space,
)
from shitu.gallery.reference_memory import ReferenceMemory
from shitu.gallery.roots import Roots
from shitu.gallery.spaces import SpaceReader, refuse_other_space
from shitu.gallery.tables import item_references, items, spaces, thumbnails

if TYPE_CHECKING:
    from shitu.gallery.as_of import State
    from shitu.gallery.audit import Audit
    from shitu.gallery.membership import Membership
    from shitu.gallery.moments import Moment
    from shitu.gallery.recognitions import RecognitionLog
    from shitu.gallery.transaction import Transaction

REMAKES = ("space", "adapter")  # kinds of changes after which an index is made anew


class Gallery:
    """All items and references of one shop, in SQLite or PostgreSQL.

    Objects may be shared between threads. Every method reads one consistent state.

    Attributes:
        guard: called with each change before it is committed; what it raises undoes the change.
    """

    def __init__(self, where: str, folder: Path) -> None:
        self._engine: Engine
        self._where = where
        self._file: Path | None = None
        self.folder = folder
        self.guard: Callable[[Pending], None] | None = None
        self._later: Engine | None = None  # of a database in which there is no gallery yet
        self._blank: Engine | None = None  # what stood in for it; others may still be reading it
        self._settling = threading.RLock()
        self._references = ReferenceMemory()
        self._turn = threading.Lock()
        self._patience = 30.0  # seconds that a thread waits for its turn
        self._closed = False

    @classmethod
    def open(
        cls,
        where: Path | str,
        folder: Path,
        *,
        create: bool = True,
        read_only: bool = False,
        timeout: float = 30.0,
    ) -> Gallery:
        """Open a gallery, updating its tables unless it is only to be read.

        A file or tables that do not exist are made by the first change; until then the gallery is
        empty.

        Args:
            where: an SQLite file, or the URL of one or of PostgreSQL.
            folder: the index folder; the place of the pictures is remembered relative to it.
            create: do not mind if a database has no tables yet.
            read_only: never write, not even a lock file; works in a folder without permission.
            timeout: seconds to wait for another writer.

        Raises:
            IndexNotFound: there is none, and none is to be made.
            GalleryError: it cannot be opened, is damaged, or is in no such database.
            SchemaTooNew: a later version wrote it.
        """
        file = where if isinstance(where, Path) else sqlite_file(where)
        gallery = cls(shown(file or str(where)), folder)
        gallery._file, gallery._patience = file, timeout
        if file is None:
            engine = open_url(str(where), timeout=timeout)
        else:
            engine = open_sqlite(file, read_only=read_only, timeout=timeout)
        try:
            if gallery._is_made(engine) or (file is not None and read_only):
                gallery._connect(engine, read_only=read_only)
            elif read_only or not create:
                raise no_gallery(gallery._where)
            else:
                gallery._connect(open_blank(), read_only=False)
                gallery._later = engine
        except BaseException:
            engine.dispose()
            raise
        return gallery

    def _is_made(self, engine: Engine) -> bool:
        """Whether there is a gallery to connect to."""
        if self._file is not None:
            return self._file.exists()
        with translated(self._where), engine.connect() as connection:
            return schema_version(connection) > 0

    def _connect(self, engine: Engine, *, read_only: bool) -> None:
        self._engine = engine
        try:
            self._prepare(read_only=read_only)
        except BaseException:
            engine.dispose()
            raise

    def _prepare(self, *, read_only: bool) -> None:
        with self._snapshot() as connection:
            if check_version(connection, self._where):
                return
        if read_only:
            raise GalleryError(
                f"{self._where} was written by an older version of shitu, or is empty: "
                "`shitu list-items`, run once by somebody who may write it, brings its tables up "
                "to date"
            )
        with self._begin() as connection:
            check_version(connection, self._where)  # another process may have come first
            migrate(connection)

    def _settle(self, *, writing: bool) -> None:
        """Turn to what did not exist yet, once it does or there is something to write into it."""
        with self._settling:
            self._open_engine()
            if self._later is None:
                return
            if not (writing or self._is_made(self._later)):
                # An interrupted query ends its connection, and what is in memory with it.
                self._prepare(read_only=False)
                return
            if self._file is not None:
                self._make_folder(self._file.parent)
            # In a gallery of its own: an engine without tables, should this fail, is not kept.
            new = Gallery(self._where, self.folder)
            new._connect(self._later, read_only=False)
            self._blank, self._engine, self._later = self._engine, self._later, None

    @staticmethod
    def _make_folder(folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise GalleryError(
                f"the folder {shown(folder)} cannot be made ({error.strerror}): name another "
                "place for the index"
            ) from error

    def close(self) -> None:
        """Let go of all connections; whoever asks for one afterwards gets `Closed`."""
        with self._settling:
            self._closed = True
            for engine in (self._engine, self._blank, self._later):
                if engine is not None:
                    engine.dispose()

    def _open_engine(self) -> Engine:
        if self._closed:  # the engine itself would connect again, and nobody would end that
            raise Closed(f"the gallery {self._where} was closed: open it again to go on")
        return self._engine

    @contextmanager
    def _read(self) -> Iterator[Connection]:
        self._settle(writing=False)
        with self._snapshot() as connection:
            yield connection

    @contextmanager
    def _snapshot(self) -> Iterator[Connection]:
        with translated(self._where), self._open_engine().connect() as connection:
            if connection.dialect.name == "sqlite":
                yield connection  # a transaction sees one snapshot as it is
            else:
                yield connection.execution_options(isolation_level="REPEATABLE READ")

    @contextmanager
    def _begin(self) -> Iterator[Connection]:
        with translated(self._where), self._open_engine().connect() as plain:
            connection = plain.execution_options(**{WRITING: True})
            with connection.begin():
                yield connection

    @contextmanager
    def write(self, operation: str) -> Iterator[Transaction]:
        """Change the gallery: all of the block becomes one generation, or none of it.

        Raises:
            GalleryLocked: another process kept writing for longer than the timeout.
        """
        from shitu.gallery.transaction import Transaction

        self._settle(writing=True)
        # Before a connection is taken: those that wait would leave none for the one that writes,
        # which may have to read as well.
        with self._my_turn(), self._begin() as connection:
            transaction = Transaction(connection, operation, self._roots(connection))
            yield transaction
            if transaction.finish() and self.guard is not None:
                self.guard(transaction.pending())

    @contextmanager
    def _my_turn(self) -> Iterator[None]:
        if not self._turn.acquire(timeout=self._patience):
            raise GalleryLocked(
                f"another thread has been changing {self._where} for too long: wait until that is "
                "done, then try again"
            )
        try:
            yield
        finally:
            self._turn.release()

    @contextmanager
    def noting(self) -> Iterator[RecognitionLog]:
        """Write the log of recognitions, which is no change of the gallery; nobody waits for it."""
        from shitu.gallery.recognitions import RecognitionLog

        self._settle(writing=True)
        with translated(self._where), self._open_engine().connect() as plain:
            # Only SQLite has one writer at a time, and a lock that has to be taken first.
            own_turn = plain.dialect.name == "sqlite"
            connection = plain.execution_options(**{WRITING: own_turn})
            with connection.begin():
                yield RecognitionLog(connection)

    @contextmanager
    def noted(self) -> Iterator[RecognitionLog]:
        """Read the log of recognitions."""
        from shitu.gallery.recognitions import RecognitionLog

        with self._read() as connection:
            yield RecognitionLog(connection)

    @contextmanager
    def known(self) -> Iterator[KnownQueries]:
        """Read what is known of queries: rejected matches, and golden ones."""
        with self._read() as connection:
            yield KnownQueries(connection)

    def items_of(self, reference_ids: Collection[int]) -> dict[int, int]:
        """Return the item of each reference, as far as there is one."""
        with self._read() as connection:
            return read_items_of(connection, reference_ids)

    def members_of(self, item_ids: Collection[int]) -> dict[int, npt.NDArray[np.int64]]:
        """Return the ids, ascending, of the references of each item that has any."""
        with self._read() as connection:
            return read_members_of(connection, item_ids)

    def labels_of(self, item_ids: Collection[int]) -> dict[int, str]:
        """Return the labels of some items, as far as there are such."""
        with self._read() as connection:
            return read_labels_of(connection, item_ids)

    def ids_of(self, item_ids: Collection[int]) -> npt.NDArray[np.int64]:
        """Return the ids, ascending, of the references of some items."""
        with self._read() as connection:
            return read_ids_of(connection, item_ids)

    def shrink(self) -> int | None:
        """Give unused space of an SQLite file back; returns the bytes freed, None without a file.

        Raises:
            GalleryError: it could not be done now; nothing is lost.
        """
        self._settle(writing=False)
        if self._later is not None or self._engine.dialect.name != "sqlite":
            return None  # other databases use the space of deleted rows again by themselves
        with translated(self._where):
            return shrink_sqlite(self._open_engine(), self._where)

    @contextmanager
    def connected(self) -> Iterator[Engine]:
        """Speak to the database beside all transactions: for caches kept in it, nothing else."""
        self._settle(writing=False)
        with translated(self._where):
            yield self._open_engine()

    @contextmanager
    def snapshot(self) -> Iterator[tuple[Connection, Roots]]:
        """Read one state of everything, however long it takes; for the modules of this package."""
        with self._read() as connection:
            yield connection, self._roots(connection)

    def _roots(self, connection: Connection) -> Roots:
        return Roots.read(connection, self.folder)

    def head(self) -> Head:
        """Return the generation that the gallery is at."""
        with self._read() as connection:
            return history.head(connection)

    def root(self) -> Path | None:
        """Return the folder in which the shop's pictures live, None before the first build."""
        with self._read() as connection:
            return self._roots(connection).root

    def folders(self) -> list[Path]:
        """Return the root, if there is one, and the other folders that builds listed."""
        source = item_references.c.source
        query = select(source).where(source.is_not(None)).distinct().order_by(source)
        with self._read() as connection:
            root = self._roots(connection).root
            listed = map(Path, connection.execute(query).scalars())
            return list(dict.fromkeys([*([] if root is None else [root]), *listed]))

    def setting(self, key: str) -> str | None:
        """Return what was learnt from the gallery and is kept with it; see `Transaction`."""
        with self._read() as connection:
            return history.get_meta(connection, key)

    def active_space(self) -> Space | None:
        """Return the space of the vectors in use, None before the first picture."""
        with self._read() as connection:
            row = connection.execute(select(spaces).where(spaces.c.active)).first()
        return None if row is None else Space(row.fingerprint, row.dim, row.description)

    @contextmanager
    def spaces(self) -> Iterator[SpaceReader]:
        """Read the vectors of any space, in use or not."""
        with self._read() as connection:
            yield SpaceReader(connection)

    def items(self) -> list[Item]:
        """Return all items by label."""
        with self._read() as connection:
            return read_items(connection)

    def item(self, *, label: str | None = None, item_id: int | None = None) -> Item:
        """Return one item by its label or its id.

        Raises:
            ItemNotFound: there is none.
        """
        key = items.c.label == label if label is not None else items.c.item_id == item_id
        with self._read() as connection:
            found = read_items(connection, key)
        if not found:
            name = f"the label {label!r}" if label is not None else f"the id {item_id}"
            raise ItemNotFound(
                f"no item of {self._where} has {name}: `shitu list-items` shows what there is"
            )
        return found[0]

    def references(self, reference_ids: Iterable[int]) -> dict[int, Reference]:
        """Return what is known of these references; ids that are gone are left out."""
        wanted = {int(i) for i in reference_ids}
        with self._read() as connection:
            return self._references.read(connection, self._roots(connection), wanted)

    def all_references(self, item_id: int | None = None) -> list[Reference]:
        """Return the references of one item, or of all, by id."""
        keys = [] if item_id is None else [item_references.c.item_id == item_id]
        with self._read() as connection:
            return list(read_references(connection, self._roots(connection), *keys))

    def count(self) -> int:
        """Return the number of references."""
        with self._read() as connection:
            return count_references(connection)

    def membership(self, known: Membership | None = None) -> Membership:
        """Return which item each reference belongs to; `known` itself if it is still true."""
        from shitu.gallery.membership import read_membership

        with self._read() as connection:
            return read_membership(connection, known)

    def by_sha256(self, hashes: Collection[str]) -> dict[str, Reference]:
        """Return the references with these contents, by sha256 of their files."""
        found: dict[str, Reference] = {}
        wanted = iter(hashes)
        with self._read() as connection:
            roots = self._roots(connection)
            while some := list(islice(wanted, VARIABLES)):
                key = item_references.c.sha256.in_(some)
                found.update((r.sha256, r) for r in read_references(connection, roots, key))
        return found

    def thumbnail(self, reference_id: int) -> bytes:
        """Return a small JPEG of a reference.

        Raises:
            ItemNotFound: there is no such reference.
        """
        alive = item_references.c.reference_id == thumbnails.c.reference_id
        query = select(thumbnails.c.jpeg).join(item_references, alive)
        query = query.where(thumbnails.c.reference_id == reference_id)
        with self._read() as connection:
            jpeg = connection.execute(query).scalar()
        if jpeg is None:
            raise ItemNotFound(f"{self._where} has no reference {reference_id}")
        return bytes(jpeg)

    def thumbnails(self, reference_ids: Iterable[int]) -> Iterator[tuple[int, bytes]]:
        """Give references with their thumbnails, in the order asked; those that are gone: not.

        A few hundred are read at a time, so that a long walk holds up no writer.
        """
        t = thumbnails.c
        alive = item_references.c.reference_id == t.reference_id
        query = select(t.reference_id, t.jpeg).join(item_references, alive)
        wanted = iter(reference_ids)
        while some := list(islice(wanted, VARIABLES)):
            with self._read() as connection:
                rows = connection.execute(query.where(t.reference_id.in_(some))).all()
            found = {row[0]: bytes(row[1]) for row in rows}
            yield from ((number, found[number]) for number in some if number in found)

    def history(self, since: int = 0, limit: int | None = None) -> list[Change]:
        """Return the changes after a generation, oldest first; with a limit, the last ones."""
        with self._read() as connection:
            return history.read_changes(connection, since, limit)

    def state_at(self, moment: Moment) -> State:
        """Return what there was at a moment.

        Raises:
            GalleryError: there was no such generation, or no gallery then.
        """
        from shitu.gallery.as_of import read_state

        with self._read() as connection:
            return read_state(connection, self._roots(connection), moment)

    def generation_at(self, moment: Moment) -> int:
        """Return the generation that a moment means; raises GalleryError."""
        from shitu.gallery.as_of import generation_at

        with self._read() as connection:
            return generation_at(connection, moment)

    def vectors_of(self, space: Space, reference_ids: set[int]) -> Vectors:
        """Return ids, ascending, and vectors (n, dim) of references, even of removed ones."""
        with self._read() as connection:
            return read_vectors(connection, space, reference_ids, removed=True)

    def known_files(self, root: Path) -> list[KnownFile]:
        """Return what a build of `root` compares with the disk, by id."""
        r = item_references.c
        columns = (r.reference_id, r.item_id, items.c.label, r.path, r.sha256, r.size)
        query = select(*columns, r.mtime_ns, r.how, r.source).join(items).order_by(r.reference_id)
        with self._read() as connection:
            rows = connection.execute(query).all()
            roots = self._roots(connection)
        moved = roots.moved_to(root, (row.path for row in rows))
        old, view = str(roots.recorded), roots.at(root) if moved else roots
        return [
            KnownFile(
                reference_id=row.reference_id,
                item_id=row.item_id,
                label=row.label,
                path=view.absolute(row.path),
                sha256=row.sha256,
                state=FileState(row.size, row.mtime_ns),
                how=row.how,
                source=str(root) if moved and row.source == old else row.source,
            )
            for row in rows
        ]

    def has_been_at(self, head: Head) -> bool:
        """Whether the gallery has ever been in a state."""
        with self._read() as connection:
            return history.token_at(connection, head.generation) == head.token

    @contextmanager
    def audit(self) -> Iterator[Audit]:
        """Look at one state row by row, however long that takes; see `Audit`."""
        from shitu.gallery.audit import Audit

        with self._read() as connection:
            yield Audit(connection, self._roots(connection))

    @contextmanager
    def all_vectors(self, space: Space) -> Iterator[AllVectors]:
        """Read the vectors of all references, never all of them in memory at once."""
        with self._read() as connection:
            count = count_vectors(connection, space)
            blocks = read_vectors_in_blocks(connection, space)
            yield AllVectors(history.head(connection), count, blocks)

    def delta(self, space: Space, since: Head | None = None) -> Delta | None:
        """Return what leads an index from a state (None: from nothing) to this one.

        Returns None where the gallery has never been in that state, as when the index was made
        from another gallery or the gallery was restored from an older copy; and where the space
        or its map was another one for a while, since when vectors may have been made anew.

        Raises:
            SpaceMismatch: since that state, another space has come into use.
        """
        with self._read() as connection:
            head = history.head(connection)
            if head == since:  # found nearly always by who asks before each query
                return Delta.nothing(head, space.dim)
            if since is None:
                came, gone = None, set[int]()
            elif history.token_at(connection, since.generation) != since.token:
                return None
            else:
                refuse_other_space(connection, space, self._where)
                log = history.read_changes(connection, since.generation)
                if any(kind in change.after for change in log for kind in REMAKES):
                    return None
                came, gone = history.net_effect(log)
            ids, vectors = read_vectors(connection, space, came)
        return Delta(head, np.array(sorted(gone), np.int64), ids, vectors)
