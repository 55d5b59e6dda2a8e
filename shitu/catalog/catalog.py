"""The catalog: a gallery and its index, changed together."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from shitu.catalog.cache import IndexCache
from shitu.catalog.describing import Describer
from shitu.catalog.files import absolute, known_folder, may_write, original
from shitu.catalog.filtering import Filters
from shitu.catalog.index_files import refuse_emptied, refuse_missing
from shitu.catalog.learning import View, read_calibration
from shitu.catalog.rejections import Rejections
from shitu.config import DEFAULT_FAR, PROTOTYPE_WEIGHT
from shitu.deciding import Rejected, Rule
from shitu.errors import GalleryError, IndexNotSaved, SpaceMismatch
from shitu.gallery import Change, Head, Item, Reference, Space
from shitu.gallery.gallery import Gallery
from shitu.gallery.known_queries import GoldenQuery, Rejection
from shitu.geometry import Box
from shitu.images import display_path
from shitu.index import Audit, Neighbours
from shitu.index.kinds import FLAT, IndexChoice
from shitu.lineup import named

if TYPE_CHECKING:
    from shitu.calibration import Calibration
    from shitu.catalog.adapting import LearnSummary
    from shitu.catalog.as_of import Named, PastGallery
    from shitu.catalog.asking import Photos, Progress
    from shitu.catalog.check_report import CheckReport
    from shitu.catalog.chronicle import Event
    from shitu.catalog.compacting import CompactSummary
    from shitu.catalog.differing import Choice
    from shitu.catalog.entries import Entry
    from shitu.catalog.feedback import ConfirmSummary, RejectSummary
    from shitu.catalog.golden import GoldenAnswer, GoldenSummary
    from shitu.catalog.importing import ImportSummary
    from shitu.catalog.index_import import IndexImportSummary
    from shitu.catalog.looking import Looking
    from shitu.catalog.migration import MigrateSummary
    from shitu.catalog.states import Committed
    from shitu.catalog.summaries import (
        AddSummary,
        BuildSummary,
        MergeSummary,
        RemoveSummary,
        SyncReport,
        UndoSummary,
    )
    from shitu.gallery.exporting import ExportSummary
    from shitu.gallery.recognitions import LoggedRecognition, Seen
    from shitu.gallery.where import Selection, Where
    from shitu.prototypes import Floats

DATABASE = "gallery.db"

_log = logging.getLogger(__name__)


def _by_score(space: Space) -> Rule:
    return Rule(0.0)


class Catalog:
    """A gallery and its vector index; the only way to change either.

    SQL is the truth: every change is committed there first, and the index follows. May be
    searched from several threads while it is refreshed.
    """

    def __init__(
        self,
        folder: Path,
        gallery: Gallery,
        describer: Describer | None,
        *,
        read_only: bool = False,
        any_space: bool = False,
        choice: IndexChoice | None = None,
        rule: Callable[[Space], Rule] = _by_score,
    ) -> None:
        from shitu.catalog.golden_guard import GoldenGuard

        self.folder = folder
        self.gallery = gallery
        self._describer = describer
        self._read_only = read_only
        self._any_space = any_space
        self._choice = choice or IndexChoice()
        self._cache: IndexCache | None = None
        self._filters = Filters(gallery)
        self._rejections = Rejections(gallery)
        keeping = None if read_only else folder
        self.guard = gallery.guard = GoldenGuard(self._committed, rule, keeping)
        self._calibration: tuple[tuple[Head, View], Calibration | None] | None = None
        self._said_unsaved = False

    @classmethod
    def open(
        cls,
        index_dir: Path | str,
        describer: Describer | None = None,
        *,
        url: str | None = None,
        create: bool = False,
        read_only: bool = False,
        timeout: float = 30.0,
        any_space: bool = False,
        choice: IndexChoice | None = None,
        rule: Callable[[Space], Rule] = _by_score,
    ) -> Catalog:
        """Open the catalog of an index folder.

        Args:
            index_dir: where the vector index lives, and the gallery unless `url` says otherwise.
            describer: turns pictures into embeddings; needed to build and to add. Without one
                everything else works.
            url: of SQLite or PostgreSQL, instead of `index_dir/gallery.db`.
            create: do not mind if there is nothing yet; the first commit makes it.
            read_only: write nothing, anywhere; so it is, too, where permission is missing.
            timeout: seconds to wait for another process that is writing.
            any_space: open a gallery of another model than the describer's, too; only what needs
                the describer is refused then.
            choice: of the kind of vector index, where one has to be made.
            rule: decides in a space what is unknown; golden queries are judged by it.

        Raises:
            IndexNotFound: there is nothing there.
            SpaceMismatch: the gallery's vectors are of another model than the describer's.
            GalleryError: the gallery is damaged, locked, or cannot be opened.
        """
        folder = absolute(index_dir)
        where: Path | str = url or folder / DATABASE
        if read_only or not create:
            refuse_missing(where, folder)
        if isinstance(where, Path):
            refuse_emptied(where, folder)
            read_only = read_only or not may_write(where)
        gallery = Gallery.open(where, folder, create=create, read_only=read_only, timeout=timeout)
        options: dict[str, Any] = {"any_space": any_space, "choice": choice, "rule": rule}
        catalog = cls(folder, gallery, describer, read_only=read_only, **options)
        try:
            catalog._open_index()
            catalog._save_if_rebuilt()
        except BaseException:
            catalog.close()
            raise
        return catalog

    def _open_index(self) -> None:
        if not self._any_space:
            self.require_own_space()
        space = self.gallery.active_space()
        if space is not None:
            self._cache = IndexCache(
                self.folder, self.gallery, space, self._choice, read_only=self._read_only
            )

    def require_own_space(self) -> None:
        """Refuse to go on where the vectors are of another model than the describer's.

        Raises:
            SpaceMismatch: they are.
        """
        if self._describer is not None:
            self.require_space(self._describer.space)

    def require_space(self, wanted: Space) -> None:
        """Refuse to go on where the vectors are of another space.

        Raises:
            SpaceMismatch: they are.
        """
        space = self.gallery.active_space()
        if space is not None and space.fingerprint != wanted.fingerprint:
            raise self._mismatch(space, wanted)

    def _mismatch(self, space: Space, wanted: Space) -> SpaceMismatch:
        place, built = display_path(self.folder), named(space)
        if built.models is not None and built.models == wanted.models:
            return SpaceMismatch(
                f"the gallery in {place} was built with other weights or crops of {built.called} "
                "than those installed, as after an update: `shitu migrate --model "
                f"{built.models[0]}` embeds its references anew and goes over to them"
            )
        import shlex

        names = zip(("--model", "--detector"), wanted.models or (), strict=False)
        there = shlex.join(["shitu", "migrate", *(word for pair in names for word in pair)])
        return SpaceMismatch(
            f"the gallery in {place} was built with another feature model, "
            f"detector or crop, {built.called}, not {wanted.called}: name the one it was "
            f"built with, go over to the other with `{there}`, or build another index folder "
            "with `shitu build-index --index`"
        )

    def use(self, describer: Describer) -> None:
        """Describe pictures with a model from now on, which must be that of the gallery.

        Raises:
            SpaceMismatch: the gallery's vectors are of another model.
        """
        self._describer = describer
        self.require_own_space()
        if self._cache is None or self._cache.space != describer.space:
            self._open_index()
            self._save_if_rebuilt()

    def _save_if_rebuilt(self) -> None:
        if self._cache is None or not self._cache.state.startswith("rebuilt"):
            return
        _log.info("index %s", self._cache.state)
        if not self._read_only:
            self._save(lazily=True)

    @property
    def space(self) -> Space | None:
        """The space of the vectors; None as long as there are none and no describer."""
        found = self.gallery.active_space()
        return found or (None if self._describer is None else self._describer.space)

    @property
    def searched_spaces(self) -> tuple[Space, Space] | None:
        """That of the vectors, and that in which they are compared; None before there are any."""
        if self._cache is None:
            return None
        view = self._cache.view
        return view.raw, view.space

    @property
    def index_state(self) -> str:
        """How the index came to be: "loaded", "caught up", "rebuilt: why", or "empty"."""
        return "empty" if self._cache is None else self._cache.state

    @property
    def index_kind(self) -> str:
        """What kind of vector index is in use."""
        return FLAT if self._cache is None else self._cache.index.kind

    @property
    def audit(self) -> Audit | None:
        """What share of the neighbours the index finds; None for one that misses none."""
        return None if self._cache is None else self._cache.index.audit

    @property
    def count(self) -> int:
        """Number of references that can be found."""
        return 0 if self._cache is None else self._cache.index.count

    def __len__(self) -> int:
        return self.count

    # --- looking up --------------------------------------------------------------------

    def search(
        self,
        queries: npt.NDArray[np.float32],
        k: int,
        allowed: npt.NDArray[np.int64] | None = None,
    ) -> Neighbours:
        """Return the k nearest references of each query (m, dim) of unit length.

        With `allowed`, ids (n,) ascending, exactly the nearest among those.

        Raises:
            SpaceMismatch: the vectors are of another model than the describer's.
        """
        cache, describer = self._cache, self._describer
        if cache is not None and describer is not None and cache.space != describer.space:
            raise self._mismatch(cache.space, describer.space)
        return self.resembling(queries, k, allowed)

    def resembling(
        self,
        vectors: npt.NDArray[np.float32],
        k: int,
        allowed: npt.NDArray[np.int64] | None = None,
    ) -> Neighbours:
        """Return the k nearest references of vectors (m, dim) of the gallery's own space."""
        if self._cache is None:
            shape = (len(vectors), k)
            return Neighbours(np.full(shape, -np.inf, np.float32), np.full(shape, -1, np.int64))
        return self._cache.search(vectors, k, allowed)

    def compared(self, vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return vectors (m, dim) of the gallery's own space as `resembling` compares them."""
        mapped = vectors if self._cache is None else self._cache.view(vectors)
        return np.asarray(mapped, np.float32)

    def select(self, where: str | Where) -> Selection:
        """Return the references that a filter allows, and what is to be said about the filter.

        Raises:
            WhereError: the filter cannot be read.
        """
        from shitu.gallery.where import parse_where

        return self._filters.select(parse_where(where))

    def allowed(self, where: str | Where) -> npt.NDArray[np.int64]:
        """Return the ids (n,), ascending, of the references that a filter allows."""
        return self.select(where).ids

    def references(self, reference_ids: Iterable[int]) -> dict[int, Reference]:
        """Return what is known of these references; those that are gone are missing."""
        return self.gallery.references(reference_ids)

    def closeness(
        self,
        queries: npt.NDArray[np.float32],
        items: npt.NDArray[np.int64],
        without: Sequence[Collection[int]] = (),
    ) -> Floats:
        """Return the cosines (m, k) of queries (m, dim) with the prototypes of items (m, k).

        Args:
            items: -1: none, whose closeness is 0.
            without: for each query references that do not count.
        """
        if self._cache is None:
            return np.zeros(items.shape, np.float32)
        return self._cache.closeness(queries, items, without)

    def all_references(self) -> list[Reference]:
        """Return all references, by id."""
        return self.gallery.all_references()

    def items(self) -> list[Item]:
        """Return all items with the numbers of their references, by label."""
        return self.gallery.items()

    def thumbnail(self, reference_id: int) -> bytes:
        """Return a small JPEG of what was embedded of a reference."""
        return self.gallery.thumbnail(reference_id)

    def history(self, since: int = 0, limit: int | None = None) -> list[Change]:
        """Return the changes after a generation, oldest first; with a limit, the last ones."""
        return self.gallery.history(since, limit)

    def generation_at(self, moment: Named) -> int:
        """Return the generation that a moment means; see `as_of`."""
        from shitu.gallery.moments import parse_moment

        return self.gallery.generation_at(parse_moment(moment))

    def as_of(self, moment: Named) -> PastGallery:
        """Return the gallery as it was at a generation or date; see `PastGallery`.

        Args:
            moment: a generation, a date, or the text of either; a day means its end, and UTC is
                meant where no zone is named.

        Raises:
            GalleryError: there was no such generation, or no gallery then.
        """
        from shitu.catalog.as_of import PastGallery

        wanted = None if self._describer is None else self._describer.space
        return PastGallery(self.gallery, moment, wanted)

    def events(self, label: str | None = None, limit: int | None = None) -> list[Event]:
        """Return what happened in words, oldest first; with a limit, only the last ones.

        Args:
            label: only what happened to the items that have this label, or ever had it.

        Raises:
            ItemNotFound: no item ever had that label.
        """
        from shitu.catalog.chronicle import events

        return events(self.gallery, label, limit)

    def refresh(self) -> bool:
        """Apply what other processes committed; returns whether there was anything.

        Cheap where there was nothing: ask it before every query if you like.
        """
        if self._cache is None:
            self._open_index()
            return self._cache is not None
        try:
            return self._cache.refresh() is not None
        except SpaceMismatch:
            if not self._any_space:
                raise
            self._open_index()
            return True

    # --- what people say of answers ----------------------------------------------------

    def screened(
        self,
        queries: npt.NDArray[np.float32],
        found: Neighbours,
        allowed: npt.NDArray[np.int64] | None = None,
    ) -> tuple[Neighbours, list[tuple[Rejected, ...]]]:
        """Put others in place of neighbours (m, k) of items that were rejected for such queries.

        Returns these, and what was rejected for each query (m, dim) of the network's.
        """
        from shitu.catalog.foresight import screened

        state = self._state(allowed)
        if state is None or not len(state.screen):
            return found, [()] * len(queries)
        better, _, refused = screened(state, queries, found)
        labels = self.gallery.labels_of({one.item_id for some in refused for one in some})
        return better, [
            tuple(replace(one, label=labels.get(one.item_id, one.label)) for one in some)
            for some in refused
        ]

    def _committed(self) -> Committed | None:
        """The state of the gallery, to which the index is brought up first."""
        self.refresh()
        return self._state(None)

    def _state(self, allowed: npt.NDArray[np.int64] | None) -> Committed | None:
        cache = self._cache
        if cache is None:
            return None
        from shitu.catalog.states import Committed

        screen = self._rejections.at(cache.head, cache.space)
        return Committed(self.gallery, cache, screen, self.calibration(), allowed)

    def log(self, seen: Sequence[Seen]) -> list[int]:
        """Note recognitions; that is no change of the gallery. Returns their ids."""
        self._refuse_read_only()
        with self.gallery.noting() as log:
            return log.put(seen)

    def recognition(self, recognition_id: int) -> LoggedRecognition:
        """Return a logged recognition; raises ItemNotFound."""
        from shitu.catalog.feedback import logged

        return logged(self.gallery, recognition_id)

    def unanswered(self, limit: int | None = None) -> list[LoggedRecognition]:
        """Return logged recognitions that nobody has answered, the most ambiguous first."""
        from shitu.catalog.feedback import unanswered

        return unanswered(self.gallery, limit)

    def clear_log(self, before: str | None = None) -> int:
        """Forget all logged recognitions, or those before a date; returns how many.

        Raises:
            GalleryError: it is no date, or the file could not be made smaller yet.
        """
        from shitu.catalog.feedback import clear_log

        self._refuse_read_only()
        return clear_log(self.gallery, before)

    def confirm(self, recognition_id: int, label: str | None = None) -> ConfirmSummary:
        """Make the crop of a logged recognition a reference of its best match, or of an item.

        Raises:
            ItemNotFound: there is no such recognition, or its item is gone.
            DuplicateReference: its crop is a reference of another item already.
        """
        from shitu.catalog.feedback import confirm

        with self._changing() as describer:
            home = self.folder / "pictures"
            return confirm(self.gallery, describer, recognition_id, label, home)

    def reject(self, recognition_id: int, label: str | None = None) -> RejectSummary:
        """Remember that its best match, or an item, is no answer to a logged recognition.

        From then on it is no answer to queries that are nearly the same; see
        `shitu.catalog.rejections`.

        Raises:
            ItemNotFound: there is no such recognition or item.
        """
        from shitu.catalog.feedback import reject

        with self._changing() as describer:
            return reject(self.gallery, describer, recognition_id, label)

    def rejections(self) -> list[Rejection]:
        """Return what was rejected, by id."""
        with self.gallery.known() as known:
            return known.rejections(self.gallery.active_space())

    def add_golden(self, path: Path, label: str | None, **options: Any) -> GoldenSummary:
        """Keep a picture that has to be answered with a label, or (None) as unknown.

        Changes that spoil its answer are refused from then on, unless they are forced.

        Args:
            options: `box` of the object, xyxy pixels; `whole_image`; else its main body counts.

        Raises:
            ItemNotFound: no item has that label.
            GalleryError: the same picture is golden with another answer, or the box holds nothing
                of it.
        """
        from shitu.catalog.golden import add_golden

        with self._changing() as describer:
            return add_golden(self.gallery, describer, absolute(path), label, **options)

    def golden(self) -> list[GoldenQuery]:
        """Return the golden queries, by id."""
        with self.gallery.known() as known:
            return known.golden(self.gallery.active_space())

    def golden_picture(self, golden_id: int) -> bytes:
        """Return the JPEG of a golden query that is looked up; raises ItemNotFound."""
        from shitu.catalog.golden import golden_picture

        return golden_picture(self.gallery, golden_id)

    def remove_golden(self, numbers: Sequence[int]) -> int:
        """Forget golden queries; returns the generation afterwards. Raises ItemNotFound."""
        from shitu.catalog.golden import remove_golden

        with self._changing(describing=False):
            return remove_golden(self.gallery, numbers)

    def check_golden(self) -> list[GoldenAnswer]:
        """Look all golden queries up, by points as well where the guard does."""
        from shitu.catalog.golden import check_golden

        return check_golden(self.gallery, self._committed(), self.guard)

    # --- changing ----------------------------------------------------------------------

    def build(
        self,
        entries: Iterable[Entry],
        *,
        root: Path,
        prune: bool = False,
        progress: Callable[[int], None] | None = None,
        batch_size: int = 32,
    ) -> BuildSummary:
        """Make the gallery equal to what a folder or label file lists; only news is described.

        What is committed stays when the process is interrupted or killed; building again goes on
        from there.

        Args:
            entries: pictures with labels, of `entries_from_folder` or `entries_from_file`.
            root: the folder in which the shop's pictures live from now on.
            prune: remove references whose pictures are gone or no longer listed; call
                `take_back_unfinished` before listing them.
            progress: told the number of entries dealt with so far, now and then.
            batch_size: pictures described, and committed, at a time.

        Raises:
            GalleryError: nothing is listed, or none of it can be used; nothing is written then.
        """
        from shitu.catalog.build import Build
        from shitu.catalog.entries import moved_below

        given = absolute(root)
        with self._changing(lazily=False) as describer:
            known = known_folder(given, self.gallery.folders())
            if known != given:
                entries = [moved_below(entry, given, known) for entry in entries]
            build = Build(self.gallery, describer, known, self.refresh, batch_size)
            return build.run(entries, prune=prune, progress=progress)

    def sync(
        self,
        folder: Path,
        *,
        dry_run: bool = False,
        force: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> SyncReport:
        """Make the gallery equal to a folder: what vanished from it is removed.

        Args:
            folder: with one folder of pictures per label; becomes the gallery's root.
            dry_run: only say what would be done.
            force: go on even if more than half of what came from the folder is gone, but not all.
            progress: told the number of pictures dealt with so far, and the total.

        Raises:
            GalleryError: the folder is missing or has no picture, or most of it is gone.
        """
        from shitu.catalog.sync import Sync

        sync = Sync(self.gallery, folder, force, progress)
        if dry_run:
            return sync.plan()
        with self._changing(lazily=False) as describer:
            return sync.run(describer, self.refresh)

    def add(
        self,
        paths: Sequence[Path | str],
        label: str,
        *,
        box: Box | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> AddSummary:
        """Add pictures to an item, which is made if there is none with that label.

        All are checked before anything is written. Pictures from elsewhere are copied into the
        gallery's folder.

        Args:
            paths: the pictures.
            label: of the item.
            box: xyxy pixels of the object, for every picture; else the detector chooses.
            attributes: anything JSON can hold, merged into those of the item.

        Raises:
            DuplicateReference: a picture belongs to another item already.
            ImageError: a picture cannot be read.
        """
        from shitu.catalog.addition import add_pictures

        with self._changing() as describer:
            return add_pictures(
                self.gallery,
                describer,
                [absolute(path) for path in paths],
                label,
                box=box,
                attributes=attributes,
                home=self.folder / "pictures",
            )

    def remove(
        self,
        *,
        label: str | None = None,
        item_id: int | None = None,
        reference_id: int | None = None,
    ) -> RemoveSummary:
        """Remove one item with all its references, or one reference.

        Pictures in the gallery's folder are moved to `.removed` in it, or the next build would
        add them again. An item without references goes as well.

        Raises:
            ItemNotFound: there is no such item or reference.
        """
        from shitu.catalog.removal import remove_references

        with self._changing(describing=False):
            return remove_references(
                self.gallery, label=label, item_id=item_id, reference_id=reference_id
            )

    def relabel(self, label: str, new_label: str) -> Item:
        """Give an item another label; its id, pictures and vectors stay.

        Raises:
            ItemNotFound: there is no item of that label.
            GalleryError: another item has the new label.
        """
        from shitu.catalog.removal import relabel_item

        with self._changing(describing=False):
            return relabel_item(self.gallery, label, new_label)

    def merge(self, labels: Sequence[str], into: str) -> MergeSummary:
        """Make the references of some items those of another, and drop the emptied items.

        References keep their ids and pictures stay where they are. Attributes are merged; where
        two differ those of `into` win, then those of the label named first.

        Raises:
            ItemNotFound: there is no item of one of the labels.
        """
        from shitu.catalog.merging import merge_items

        with self._changing(describing=False):
            return merge_items(self.gallery, labels, into)

    def set_attributes(
        self, label: str, attributes: Mapping[str, Any], *, unset: Sequence[str] = ()
    ) -> Item:
        """Set attributes of an item to anything JSON can hold, and remove those to `unset`.

        Raises:
            ItemNotFound: there is no item of that label.
            GalleryError: an attribute to unset is not there, or a value is not JSON.
        """
        from shitu.catalog.merging import set_attributes

        with self._changing(describing=False):
            return set_attributes(self.gallery, label, attributes, unset)

    def adapt(
        self,
        *,
        far: float = DEFAULT_FAR,
        photos: Photos | None = None,
        dry_run: bool = False,
        progress: Progress | None = None,
        looking: Looking | None = None,
    ) -> LearnSummary:
        """Fit a linear map on the gallery's own vectors and, if it helps, compare through it.

        It is measured on references that it was not fitted on, of items that it knows and of such
        that it does not. The answers are calibrated anew in the same commit. Vectors are kept as
        they are; nothing is embedded.

        Args:
            far: false-accept rate that the calibration is to keep.
            photos: pictures as they will be asked, that the calibration learns from, too.
            dry_run: only measure.
            progress: told the number of rounds done so far and the total, then of queries asked.
            looking: lets the verifier have its say in the calibration; None: scores alone.
        """
        from shitu.catalog.adapting import adapt

        with self._learning(dry_run=dry_run):
            return adapt(
                self.gallery,
                far=far,
                photos=photos,
                dry_run=dry_run,
                progress=progress,
                prototype_weight=self._prototype_weight,
                looking=looking,
            )

    def calibrate(
        self,
        *,
        far: float = DEFAULT_FAR,
        strangers: npt.NDArray[np.float32] | None = None,
        photos: Photos | None = None,
        dry_run: bool = False,
        progress: Progress | None = None,
        looking: Looking | None = None,
    ) -> LearnSummary:
        """Learn from the gallery's own references when an answer is to be believed.

        Args:
            far: share of strangers that may get an answer.
            strangers: embeddings (n, dim) of things that the gallery does not have.
            photos: pictures as they will be asked, and what they show.
            dry_run: only measure.
            progress: told the number of queries asked so far, and of all.
            looking: lets the verifier have its say; None: scores alone.
        """
        from shitu.catalog.adapting import calibrate

        with self._learning(dry_run=dry_run):
            return calibrate(
                self.gallery,
                far=far,
                strangers=strangers,
                photos=photos,
                dry_run=dry_run,
                progress=progress,
                prototype_weight=self._prototype_weight,
                looking=looking,
            )

    @property
    def _prototype_weight(self) -> float:
        space = self.space
        return PROTOTYPE_WEIGHT if space is None else self.guard.rule(space).prototype_weight

    def unlearn(self, *, adapter: bool, dry_run: bool = False) -> LearnSummary:
        """Go without the calibration, or without the map and what is known of its scores."""
        from shitu.catalog.adapting import turn_off

        with self._learning(dry_run=dry_run):
            return turn_off(self.gallery, adapter=adapter, dry_run=dry_run)

    @property
    def could_learn(self) -> bool:
        """Whether `adapt` has not been asked for, and there are references enough to try it."""
        from shitu.catalog.adapting import enough_to_adapt

        return enough_to_adapt(self.gallery)

    @property
    def outgrown(self) -> str | None:
        """One sentence where there are far more items than the answers were calibrated with."""
        from shitu.catalog.adapting import outgrown

        return outgrown(self.gallery)

    def calibration(self) -> Calibration | None:
        """Return what is known of the scores of `search`; None if nothing is."""
        if self._cache is None:
            return None
        at = self._cache.head, self._cache.view
        if self._calibration is None or self._calibration[0] != at:
            found = read_calibration(self.gallery, at[1].space)
            self._calibration = at, found
        return self._calibration[1]

    def migrate(self, describer: Describer, **options: Any) -> MigrateSummary:
        """Go over to the space of another describer; see `shitu.catalog.migration.migrate`.

        Once the gallery has switched, this catalog uses that describer.
        """
        from shitu.catalog.migration import IN_USE, SWITCHED, migrate

        self._refuse_read_only()
        self.take_back_unfinished()
        summary = migrate(self.gallery, describer, **options)
        if summary.outcome in {SWITCHED, IN_USE}:
            self.use(describer)
        return summary

    def drop_unused_spaces(self) -> list[Space]:
        """Forget the vectors of all spaces but the one in use; returns those spaces."""
        from shitu.catalog.migration import drop_unused

        self._refuse_read_only()
        return drop_unused(self.gallery)

    def undo(self, generation: int | None = None) -> UndoSummary:
        """Undo one change, by default the last; that is a new change, which can be undone, too.

        References come back under their ids, with their vectors; nothing is embedded again.
        Pictures that a removal put aside are moved back, those that an addition brought are put
        aside.

        Raises:
            GalleryError: a later change stands in the way, or a vector has been forgotten.
        """
        from shitu.catalog.undoing import undo

        with self._changing(describing=False):
            return undo(self.gallery, generation)

    def go_back(self, moment: Named) -> UndoSummary:
        """Make the gallery what it was at a generation or date, in one change; see `undo`.

        Raises:
            GalleryError: there was no such generation, or a vector has been forgotten.
        """
        from shitu.catalog.undoing import go_back

        with self._changing(describing=False):
            return go_back(self.gallery, self.generation_at(moment))

    def import_index(
        self,
        folder: Path,
        model: str,
        *,
        pictures: Path | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> IndexImportSummary:
        """Bring in an index folder of PaddleClas or PaddleX, in one generation.

        Args:
            folder: with `vector.index` and `id_map.pkl`, `.yaml` or `.yml`.
            model: what made the vectors; they get a space of that name.
            pictures: where the paths in the index start; those found there give thumbnails.
            progress: told the number of pictures read so far, and the total.

        Raises:
            ImageError: there is no folder `pictures`.
            IndexFileError: the folder holds no such index, or a damaged one.
            SpaceMismatch: the gallery has vectors of another model.
            ValueError: `model` has no words in it.
        """
        from shitu.catalog.index_import import import_index

        with self._changing(describing=False):
            return import_index(self.gallery, folder, model, pictures, progress)

    def compact(self, before: Named | None = None) -> CompactSummary:
        """Forget vectors and thumbnails of references that were removed before a moment.

        They cannot come back after that, and states that need them cannot be searched any more.
        History and picture files stay. An SQLite file is made smaller.

        Args:
            before: a generation or date; a day means its beginning. By default 90 days ago.

        Raises:
            GalleryError: there is no such generation.
        """
        from shitu.catalog.compacting import compact

        with self._changing(describing=False):
            return compact(self.gallery, before)

    def check(
        self,
        *,
        repair: bool = False,
        full: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> CheckReport:
        """Check gallery, index and pictures row by row.

        Args:
            repair: make an index that is wrong anew from the database, which is never changed.
            full: compare all vectors, thumbnails and pictures, not only some.
            progress: called with the steps done so far and their total.
        """
        from shitu.catalog.checking import check_catalog
        from shitu.catalog.mending import mend

        report = check_catalog(self.gallery, self._cache, self.folder, full=full, progress=progress)
        if not repair:
            return report
        with self._changing(describing=False):
            return mend(report, self.gallery, self._cache, self.folder, full=full)

    def export(
        self,
        file: Path,
        *,
        pictures: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> ExportSummary:
        """Write the gallery into one portable file; with the pictures themselves, if wanted.

        Raises:
            GalleryError: the file cannot be written, or is something else already.
        """
        from shitu.gallery.exporting import export_gallery

        return export_gallery(self.gallery, file, original if pictures else None, progress)

    def import_from(
        self,
        file: Path,
        *,
        on_conflict: Choice | None = None,
        dry_run: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> ImportSummary:
        """Bring in an exported gallery, in one generation.

        Args:
            file: of `export`.
            on_conflict: whether the gallery's word counts ("keep") or the file's ("take").
            dry_run: only compare.
            progress: told the number of references done so far, and the total.

        Raises:
            GalleryError: the file is damaged or none of ours, or contradicts the gallery.
            SpaceMismatch: its vectors are of another model than the gallery's.
        """
        from shitu.catalog.importing import compare_gallery, import_gallery

        if dry_run:
            return compare_gallery(self.gallery, file, on_conflict, progress)
        home = self.folder / "pictures"
        with self._changing(describing=False):
            return import_gallery(self.gallery, file, home, on_conflict, progress)

    def take_back_unfinished(self) -> bool:
        """Put pictures back that a process had moved for a change that it was killed before.

        Each change does so by itself. Returns whether there were any.
        """
        from shitu.catalog.moves import take_back_unfinished

        return take_back_unfinished(self.gallery)

    @contextmanager
    def _changing(self, *, lazily: bool = True, describing: bool = True) -> Iterator[Describer]:
        self._refuse_read_only()
        if describing and self._describer is None:
            raise GalleryError("no model was named: open the catalog with one to add pictures")
        if describing or not self._any_space:
            self.require_own_space()  # or something would be changed before that is noticed
        self.take_back_unfinished()
        try:
            yield self._describer  # type: ignore[misc]
        except KeyboardInterrupt:
            self._follow_and_save(lazily=lazily)
            raise
        self._follow_and_save(lazily=lazily)

    def _learning(self, *, dry_run: bool) -> AbstractContextManager[object]:
        """Whoever only measures needs no right to write."""
        return nullcontext() if dry_run else self._changing(describing=False)

    def _refuse_read_only(self) -> None:
        if self._read_only:
            raise GalleryError(
                f"the gallery in {display_path(self.folder)} is open for reading only: open it for "
                "writing to change it, and check the permissions of its files and their folder and "
                "the space left on the disk"
            )

    def _follow_and_save(self, *, lazily: bool) -> None:
        self.refresh()
        self._save(lazily=lazily)

    def _save(self, *, lazily: bool) -> None:
        """Write the index files; where that fails, say so once: a search needs none."""
        if self._cache is None:
            return
        try:
            self._cache.save(lazily=lazily)
        except IndexNotSaved as error:
            level = logging.DEBUG if self._said_unsaved else logging.WARNING
            self._said_unsaved = True
            _log.log(level, "%s", error)

    # --- closing -----------------------------------------------------------------------

    def close(self) -> None:
        """Let go of the database."""
        self.gallery.close()

    def __enter__(self) -> Catalog:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
