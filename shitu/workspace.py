"""Opens what the settings name and wires it together; the only place that does."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from threading import RLock
from types import TracebackType
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import numpy as np

from shitu._forking import after_fork
from shitu.arguments import list_of, path_of
from shitu.candidates import Decider, depth
from shitu.config import DEFAULT_FAR, DETECTOR_MODEL, FEATURE_MODEL, Config, load_config
from shitu.cropper import Candidates
from shitu.deciding import Rule
from shitu.describer import DescribedFolder, Describer, describe_folder
from shitu.detector import Detections
from shitu.errors import (
    Closed,
    GalleryError,
    ImageError,
    IndexFileError,
    IndexNotFound,
    ModelError,
    SpaceMismatch,
)
from shitu.gallery import Item, Space
from shitu.geometry import Box, crop
from shitu.head_start import HeadStart
from shitu.images import Image, as_image, load_image
from shitu.index.kinds import IndexChoice
from shitu.index.manifest import read_manifest
from shitu.lazy_describer import LazyDescriber
from shitu.lineup import Lineup, find_lineup, lineup_of
from shitu.looking import Look, in_order
from shitu.models.spec import ModelSpec
from shitu.networks import SEVERAL, Networks
from shitu.opening import opened
from shitu.recognition import Recognition
from shitu.recognizer import Recognizer
from shitu.runtime.session import Float32Array, Session
from shitu.verifier.reranking import OFF, Verifier
from shitu.workers import CLOSED, Workers

if TYPE_CHECKING:
    from shitu.catalog import (
        AddSummary,
        BuildSummary,
        Catalog,
        CheckReport,
        CompactSummary,
        MergeSummary,
        PastGallery,
        RemoveSummary,
        SyncReport,
        UndoSummary,
    )
    from shitu.catalog.adapting import LearnSummary
    from shitu.catalog.as_of import Named
    from shitu.catalog.feedback import ConfirmSummary, RejectSummary
    from shitu.catalog.golden import GoldenAnswer, GoldenSummary
    from shitu.catalog.golden_guard import Broken
    from shitu.catalog.golden_points import GoldenPoints
    from shitu.catalog.looking import Looking
    from shitu.catalog.migration import Absent, MigrateSummary
    from shitu.choosing import Choice
    from shitu.choosing.diagnosis import Diagnosis
    from shitu.evaluation.bootstrap import Resampling
    from shitu.evaluation.checking import Check
    from shitu.evaluation.endtoend import BoxReport
    from shitu.evaluation.retrieval import EvaluationOptions, Query, RetrievalReport
    from shitu.evaluation.truths import LabelledPicture
    from shitu.gallery.where import Where
    from shitu.linting import LintReport
    from shitu.timing import Timing
    from shitu.wording import Wording

Progress = Callable[[int, int], None]

_AHEAD = 2  # pictures decoded before they are needed
_ATTEMPTS = 3  # to answer while the gallery goes over to other models

_OF_THE_MODELS = ("recognizer", "_past", "_verifier")
_OPENED = ("_networks", "_started", "_checks", "catalog")

_ALIVE: WeakSet[Workspace] = WeakSet()
_LEFT: list[Any] = []


def _after_fork() -> None:
    # Threads are gone, and connections are the parent's: neither is used here, nor ever closed.
    for workspace in list(_ALIVE):
        workspace._leave_to_the_parent()


after_fork(_after_fork)


class Workspace:
    """A gallery, its index, and the networks that look things up in it.

    Everything is opened when it is first used, so that listing items loads no network. Threads may
    share it. Another process, forked or given a pickled copy, opens all of it anew.

    Example:
        >>> with Workspace("index") as shop:
        ...     shop.build("photos")
        ...     print(shop.recognize("shelf.jpg").objects)

    Args:
        index: folder of the gallery database and its vector index.
        settings: any field of `Config`.

    Raises:
        ConfigError: a setting is unknown or out of range.
    """

    def __init__(self, index: str | Path | None = None, **settings: Any) -> None:
        self._set_up(
            load_config(
                overrides={
                    **settings,
                    "index": None if index is None else str(path_of("index", index)),
                }
            )
        )

    @classmethod
    def of(cls, config: Config) -> Workspace:
        """A workspace with exactly these settings; environment and files are not asked."""
        workspace = cls.__new__(cls)
        workspace._set_up(config)
        return workspace

    def __reduce__(self) -> tuple[Callable[[Config], Workspace], tuple[Config]]:
        """For other processes: the settings, by which all is opened anew."""
        return type(self).of, (self.config,)

    def _set_up(self, config: Config) -> None:
        self.config = config
        self._opening = RLock()
        self._closed = False
        _ALIVE.add(self)

    def build(
        self,
        gallery: str | Path,
        *,
        prune: bool = False,
        progress: Progress | None = None,
    ) -> BuildSummary:
        """Make the gallery equal to a folder (one per label) or a label file, incrementally.

        Args:
            gallery: folder, or file of `path<TAB>label` lines, CSV or JSON Lines.
            prune: also remove references whose pictures are gone.
            progress: called with the number of pictures done so far and the total.
        """
        from shitu.catalog import list_entries

        source = path_of("gallery", gallery)
        entries = list_entries(source)
        return self.catalog_for_writing().build(
            entries,
            root=source if source.is_dir() else source.parent,
            prune=prune,
            progress=_towards(len(entries), progress),
        )

    def sync(
        self,
        folder: str | Path,
        *,
        dry_run: bool = False,
        force: bool = False,
        progress: Progress | None = None,
    ) -> SyncReport:
        """Make the gallery equal to a folder (one per label); see `Catalog.sync`."""
        folder = path_of("folder", folder)
        catalog = self.catalog_for_writing()
        return catalog.sync(folder, dry_run=dry_run, force=force, progress=progress)

    def add(
        self,
        pictures: Sequence[str | Path],
        label: str,
        *,
        box: Box | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> AddSummary:
        """Add pictures as references of an item, which is made if there is none of that label."""
        paths = [path_of("a picture", picture) for picture in list_of("pictures", pictures)]
        self._make_a_start(len(paths))
        return self.catalog_for_writing().add(paths, label, box=box, attributes=attributes)

    def remove(self, label: str | None = None, *, reference_id: int | None = None) -> RemoveSummary:
        """Remove an item with all its references, or one reference."""
        return self.catalog.remove(label=label, reference_id=reference_id)

    def relabel(self, label: str, new_label: str) -> Item:
        """Give an item another label; its id, pictures and vectors stay."""
        return self.catalog.relabel(label, new_label)

    def merge(self, labels: Sequence[str], into: str) -> MergeSummary:
        """Make the references of some items those of another; the emptied items go."""
        return self.catalog.merge(list_of("labels", labels), into)

    def set_attributes(
        self, label: str, attributes: Mapping[str, Any], *, unset: Sequence[str] = ()
    ) -> Item:
        """Set attributes of an item to anything JSON can hold, and remove those to `unset`."""
        return self.catalog.set_attributes(label, attributes, unset=list_of("unset", unset))

    def undo(self, generation: int | None = None, *, back_to: Named | None = None) -> UndoSummary:
        """Undo one change, by default the last; or all after the generation or date `back_to`."""
        return self.catalog.undo(generation) if back_to is None else self.catalog.go_back(back_to)

    def compact(self, before: Named | None = None) -> CompactSummary:
        """Forget for good what was removed before a generation or date; see `Catalog.compact`."""
        return self.catalog.compact(before)

    def find_by_words(self, text: str, *, where: str | Where | None = None) -> Wording:
        """Find items by words; raises ModelError if the gallery's model cannot read."""
        from shitu.catalog.learning import read_view
        from shitu.wording import ADAPTED, find_by_words

        self.catalog.refresh()
        self._require_own_space()
        embedder = self._networks.text_embedder
        found = find_by_words(text, embedder, self.catalog, self.config.top_k, where)
        adapted = read_view(self.catalog.gallery, self._networks.space).adapter is not None
        return replace(found, notes=(*found.notes, *([ADAPTED] if adapted else [])))

    def recognize(
        self,
        picture: str | Path | bytes | Image,
        *,
        whole_image: bool = False,
        where: str | Where | None = None,
        as_of: Named | None = None,
        log: bool | None = None,
    ) -> Recognition:
        """Name the objects in a picture: a file, its bytes, or uint8 RGB (h, w, 3).

        Args:
            whole_image: look up the picture as one object.
            where: only items that this filter allows are answers: `brand=acme and shelf in (3,4)`.
            as_of: answer from the gallery as it was at a generation or date; see `Catalog.as_of`.
            log: keep each object with its crop and answer, so that it can be confirmed or
                rejected; None: if the setting `log_recognitions` says so. Never of the past.

        Raises:
            ImageError: it is no picture, or cannot be read.
            WhereError: the filter cannot be read.
            GalleryError: there was no such state, or its vectors have been forgotten.
        """
        image = _image(picture)
        self._use_streams(1)
        found, space = self._recognize(image, whole_image=whole_image, where=where, as_of=as_of)
        source = Path(picture) if isinstance(picture, str) else picture
        file = source if isinstance(source, (Path, bytes)) else None
        return self._noted(found, image, file, space, as_of=as_of, log=log)

    def recognize_many(
        self,
        pictures: Sequence[str | Path | bytes],
        *,
        whole_image: bool = False,
        where: str | Where | None = None,
        as_of: Named | None = None,
        log: bool | None = None,
    ) -> Iterator[Recognition | ImageError]:
        """Recognise pictures in order; one that cannot be read gives its error, not an end.

        The rest is as in `recognize`. Nothing is looked at before the first answer is asked for.

        Raises:
            TypeError: `pictures` is one picture, or no list at all.
        """
        self._require_open()
        given = list_of("pictures", pictures)
        if where is not None:
            from shitu.gallery.where import parse_where

            where = parse_where(where)
        return self._recognize_many(
            [Path(picture) if isinstance(picture, str) else picture for picture in given],
            whole_image=whole_image,
            where=where,
            as_of=as_of,
            log=log,
        )

    def _recognize_many(
        self,
        sources: Sequence[Path | bytes],
        *,
        whole_image: bool,
        where: Where | None,
        as_of: Named | None,
        log: bool | None,
    ) -> Iterator[Recognition | ImageError]:
        self._make_a_start(len(sources), *sources[:1], whole_image=whole_image)
        self._networks.expect(len(sources))
        with contextlib.closing(self._look_ahead(sources, whole_image=whole_image)) as looks:
            for source, look in zip(sources, looks, strict=True):
                if isinstance(look, ImageError):
                    yield look
                else:
                    found, space = self._recognize(
                        look.image, whole_image=whole_image, where=where, as_of=as_of, look=look
                    )
                    yield self._noted(found, look.image, source, space, as_of=as_of, log=log)

    def _look_ahead(
        self, sources: Sequence[Path | bytes], *, whole_image: bool
    ) -> Generator[Look | ImageError, None, None]:
        """Let the networks see the next pictures while the present one is looked up."""
        self._require_own_space()
        self._use_streams(self._networks.threads if len(sources) >= SEVERAL else 1)
        self._networks.open_both()
        started: HeadStart | None = self.__dict__.pop("_started", None)

        def look(source: Path | bytes) -> Look | ImageError:
            seen = None if started is None else started.look(source)
            return seen or self._networks.eyes.look(source, whole_image=whole_image)

        workers = self._networks.streams if len(sources) > 1 else 0
        return in_order(sources, look, self._networks.pool, workers + _AHEAD)

    def _noted(
        self,
        found: Recognition,
        image: Image,
        source: Path | bytes | None,
        space: Space,
        *,
        as_of: Named | None,
        log: bool | None,
    ) -> Recognition:
        if as_of is not None and log:
            raise GalleryError("answers of the past are not logged: leave out one of the two")
        if as_of is not None or not (self.config.log_recognitions if log is None else log):
            return found
        from shitu.remembering import seen_in, with_ids

        return with_ids(found, self.catalog.log(seen_in(image, source, found, space)))

    def _recognize(
        self,
        image: Image,
        *,
        whole_image: bool,
        where: str | Where | None,
        as_of: Named | None,
        look: Look | None = None,
    ) -> tuple[Recognition, Space]:
        """The answer, and the space that it was found in."""
        # What other processes committed meanwhile is found, too.
        if self.catalog.refresh():
            self._require_own_space()
        for attempt in range(_ATTEMPTS):
            space = self._networks.space
            used = self.recognizer if as_of is None else self._recognizer_over(self.as_of(as_of))
            if look is not None and look.space != space:
                look = None  # seen before the gallery went over to other models
            try:
                found = used.recognize(image, whole_image=whole_image, where=where, look=look)
            except SpaceMismatch:
                if attempt + 1 == _ATTEMPTS:
                    raise
            else:
                if self.catalog.searched_space in {None, space}:
                    return found, space
            # The gallery went over to other models while the picture was looked at, and another
            # thread has followed it: vectors of two spaces may have been compared.
            self._follow_the_gallery()
            self._require_own_space()
        raise SpaceMismatch("the gallery goes over to other models again and again: try later")

    def draw_explanation(
        self,
        picture: str | Path | bytes | Image,
        recognition: Recognition,
        *,
        as_of: Named | None = None,
    ) -> Image:
        """Draw what decided an answer: each object beside its best reference, equal points joined.

        Args:
            picture: what was recognised.
            recognition: the answer; as_of: the moment that it was asked of.
        """
        from shitu.explanation.pictures import draw_explanation, references_shown

        lookup = self.catalog if as_of is None else self.as_of(as_of)
        shown = lookup.references(references_shown(recognition))
        return draw_explanation(_image(picture), recognition, self.catalog.gallery, shown)

    def as_of(self, moment: Named) -> PastGallery:
        """Return the gallery as it was at a generation or date; the last one asked for is kept."""
        generation = self.catalog.generation_at(moment)
        kept: PastGallery | None = self.__dict__.get("_past")
        if kept is None or kept.generation != generation or not kept.lasts():
            kept = self.__dict__["_past"] = self.catalog.as_of(generation)
        return kept

    def evaluate(
        self,
        queries: str | Path | Sequence[Query],
        progress: Progress | None = None,
        *,
        where: str | Where | None = None,
        options: EvaluationOptions | None = None,
    ) -> RetrievalReport:
        """Measure how well `recognize` names pictures whose labels are known.

        Args:
            queries: folder with one folder per label, a label file, or the queries themselves.
            progress: called with the number of pictures done so far and the total.
            where: measure as if the gallery held only what this filter allows.
            options: what to report; by default with the threshold of this workspace.
        """
        from shitu.catalog import list_entries
        from shitu.catalog.filtering import Among
        from shitu.evaluation.retrieval import (
            EvaluationOptions,
            Query,
            describe_queries,
            score_queries,
        )

        self.catalog.refresh()
        self._require_own_space()
        lookup = self.catalog if where is None else Among(self.catalog, where)
        skipped: tuple[tuple[str, str], ...] = ()
        if isinstance(queries, (str, Path)):
            entries = list_entries(Path(queries))
            queries = [Query(entry.path, entry.label) for entry in entries if not entry.problem]
            skipped = tuple((str(e.path), e.problem) for e in entries if e.problem)
        self._networks_for(SEVERAL)
        found = describe_queries(queries, self.describer, _towards(len(queries), progress))
        self.catalog.refresh()  # that may have taken minutes
        options = options or EvaluationOptions(threshold=self.threshold)
        options = replace(
            options,
            prototype_weight=self.config.prototype_weight,
            check=self._check(options.threshold),
        )
        calibration = self.catalog.calibration()
        if calibration is not None and options.confidence is None:
            options = replace(options, confidence=calibration.of_neighbours)
        report = score_queries(found, lookup, options)
        return replace(report, skipped=(*skipped, *report.skipped))

    def _check(self, threshold: float) -> Check:
        """What recognition would make of rankings."""
        from shitu.evaluation.checking import Check

        config = self.config
        by_score = config.threshold is not None
        rule = Rule(threshold, by_score, config.prototype_weight, config.lead)
        decider = Decider(rule, self.catalog.calibration(), self._verifier)
        return Check(decider, depth(config.top_k))

    def lint(self, progress: Progress | None = None) -> LintReport:
        """Find pictures and items that make the gallery answer wrongly, or worse than it could."""
        from shitu.linting import lint

        self.catalog.refresh()
        return lint(self.catalog.gallery, self.catalog.resembling, progress)

    def evaluate_boxes(
        self,
        truths: str | Path | Sequence[LabelledPicture],
        progress: Progress | None = None,
        *,
        where: str | Where | None = None,
        plan: Resampling | None = None,
    ) -> BoxReport:
        """Measure how much of what is in whole scenes is found and named; see `evaluate_boxes`.

        Args:
            truths: file of true boxes, JSON Lines or COCO, or what it lists.
            progress: called with the number of pictures done so far and the total.
            where: measure as if the gallery held only what this filter allows.
            plan: of the intervals; None: none.
        """
        from shitu.catalog.filtering import Among
        from shitu.evaluation.endtoend import evaluate_boxes
        from shitu.evaluation.truths import read_truths

        pictures = read_truths(Path(truths)) if isinstance(truths, (str, Path)) else truths
        lookup = self.catalog if where is None else Among(self.catalog, where)
        labels = {reference.label for reference in lookup.all_references()}
        recognize = partial(self.recognize, where=where, log=False)
        told = _towards(len(pictures), progress)
        report = evaluate_boxes(pictures, recognize, labels, plan, told)
        return replace(report, verify=self.config.verify)

    @opened
    def catalog(self) -> Catalog:
        """The gallery and its index, which must exist."""
        return self._open_catalog(create=False)

    def catalog_for_writing(self) -> Catalog:
        """The gallery and its index, made if they do not exist yet."""
        with self._opening:
            self._require_open()
            if "catalog" not in self.__dict__:
                self.__dict__["catalog"] = self._open_catalog(create=True)
        self._follow_the_gallery()
        return self.catalog

    @opened
    def recognizer(self) -> Recognizer:
        """Recognition with the settings of this workspace."""
        return self._recognizer_over(self.catalog)

    def _recognizer_over(self, lookup: Catalog | PastGallery) -> Recognizer:
        from shitu.catalog import Catalog

        self._require_own_space()
        self._networks.open_both()
        return Recognizer(
            self._networks.cropper,
            self._networks.embedder,
            lookup,
            self.threshold,
            self.config.top_k,
            # Scores of the past are those of the model: what was learnt since is not about them.
            lookup.calibration if isinstance(lookup, Catalog) else lambda: None,
            by_score=self.config.threshold is not None,
            verifier=self._verifier,
            prototype_weight=self.config.prototype_weight,
            lead=self.config.lead,
            side_by_side=map if self._verifier is None else self._checks.map,
            **({"screening": lookup.screened} if isinstance(lookup, Catalog) else {}),
        )

    def rule_of(self, space: Space) -> Rule:
        """Return what decides in a space whether an answer is unknown, as this workspace is set."""
        config, wanted = self.config, self.config.threshold
        if wanted is not None:
            return Rule(wanted, True, config.prototype_weight, config.lead)
        lineup = find_lineup(space)
        own = self.threshold if lineup is None else lineup.feature_spec().threshold
        return Rule(own, prototype_weight=config.prototype_weight, lead=config.lead)

    # The recognizer holds networks that are to go when they are loaded anew.

    def _use_streams(self, streams: int) -> None:
        if self._networks.use_streams(streams):
            self._drop(["recognizer"])

    def _networks_for(self, pictures: int) -> Networks:
        if self._networks.get_ready(pictures):
            self._drop(["recognizer"])
        return self._networks

    @opened
    def _verifier(self) -> Verifier | None:
        if self.config.verify == OFF:
            return None
        from shitu.verifier.references import ReferenceFeatures

        return Verifier(ReferenceFeatures(self.catalog.gallery), self.config.verify)

    @opened
    def _checks(self) -> Workers:
        """Threads that compare objects with references, while those of the networks look ahead."""
        return Workers(self._networks.threads, thread_name_prefix="shitu-check")

    def candidates(self, image: Image, threshold: float | None = None) -> Candidates:
        """Boxes of a picture that would be looked up, by default from the detector's threshold."""
        cropper = self._networks.cropper
        return (cropper if threshold is None else cropper.at(threshold)).candidates(image)

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        """Return all that the detector finds in pictures, however weak; nothing without one."""
        return self._networks.cropper.detect(images)

    def embed(self, crops: Sequence[Image]) -> Float32Array:
        """Embeddings (n, dim) of crops, uint8 RGB (h, w, 3), each of length one."""
        return self._networks.embedder.embed(crops)

    def open(self, spec: ModelSpec) -> Session:
        """Load the network of a model in the engine of this workspace."""
        return self._networks.open(spec)

    @property
    def threshold(self) -> float:
        """Score below which an answer is `unknown`: of the settings, else of the model."""
        wanted = self.config.threshold
        return self._networks.feature_spec.threshold if wanted is None else wanted

    @property
    def describer(self) -> Describer:
        """Main body and embedding of pictures of one object."""
        return self._networks.describer

    @property
    def engine(self) -> str:
        """What runs the networks: of the settings, or what was found to be the fastest."""
        return self._networks.engine

    def choose_engine(self, names: Sequence[str] | None = None) -> Choice:
        """Find out which engine is the fastest here, and keep that for `auto`; takes seconds.

        Args:
            names: of the engines to try; None: those that start quickly.
        """
        return self._networks.choose_engine(names)

    def diagnose(self) -> Diagnosis:
        """Try all engines, keep the choice, and tell all that explains it; takes seconds."""
        return self._networks.diagnose()

    def bench(self, model: str, *, pictures: Path | None = None, runs: int = 20) -> Timing:
        """Time a model on one picture after the other, in the engine of the settings.

        Args:
            model: name or folder.
            pictures: picture or folder; None: made-up pictures.
            runs: how often it is timed.

        Raises:
            ModelError: there is no such model, or the engine cannot run it.
            ImageError: a picture cannot be read, or there is none.
        """
        from shitu.benching import bench

        self._require_open()
        return bench(self.config, model, pictures, runs)

    def check(
        self, *, repair: bool = False, full: bool = False, progress: Progress | None = None
    ) -> CheckReport:
        """Check gallery, index and pictures row by row; see `Catalog.check`."""
        from shitu.catalog import Catalog

        self._require_open()
        config = self.config
        where = Path(config.index)
        with Catalog.open(where, url=config.database, read_only=not repair) as catalog:
            return catalog.check(repair=repair, full=full, progress=progress)

    def adapt(
        self, *, far: float = DEFAULT_FAR, dry_run: bool = False, progress: Progress | None = None
    ) -> LearnSummary:
        """Compare through a map fitted on the gallery, if that helps; see `Catalog.adapt`."""
        return self.catalog.adapt(
            far=far, dry_run=dry_run, progress=progress, looking=self._looking((), progress)
        )

    def calibrate(
        self,
        *,
        far: float = DEFAULT_FAR,
        strangers: str | Path | None = None,
        dry_run: bool = False,
        progress: Progress | None = None,
    ) -> LearnSummary:
        """Learn when an answer is to be believed; see `Catalog.calibrate`.

        Args:
            far: share of strangers that may get an answer.
            strangers: folder of pictures of things that the gallery does not have.
            dry_run: only measure.
            progress: called with the number of strangers described, then of queries looked at
                so far, and of all.

        Raises:
            ImageError: there is no picture in the folder, or none can be read.
        """
        described = DescribedFolder()
        if strangers is not None:
            self._require_own_space()
            described = describe_folder(self.describer, Path(strangers), progress)
        found = described.pictures
        summary = self.catalog.calibrate(
            far=far,
            strangers=np.stack([one.embedding for _, one in found]) if found else None,
            dry_run=dry_run,
            looking=self._looking([partial(_part, path, one.box) for path, one in found], progress),
        )
        return replace(summary, skipped=described.skipped)

    def _looking(
        self, strangers: Sequence[Callable[[], Image]], progress: Progress | None
    ) -> Looking | None:
        """How the queries of a calibration are looked at; None: by their scores alone."""
        if self.config.verify == OFF:
            return None
        from shitu.catalog.looking import Looking
        from shitu.verifier.references import ReferenceFeatures

        source, config = ReferenceFeatures(self.catalog.gallery), self.config
        return Looking(source, config.verify, depth(config.top_k), strangers, progress)

    def migrate(
        self,
        model: str | None = None,
        detector: str | None = None,
        *,
        back: bool = False,
        progress: Progress | None = None,
        **options: Any,
    ) -> MigrateSummary:
        """Embed the gallery anew beside the old vectors, compare, and switch in one commit.

        Args:
            model: name or folder of the feature extractor to go to; None keeps the present one.
            detector: the same for the detector, `none` for whole pictures.
            back: go back to the models that were in use before the last migration instead.
            progress: called with the number of references that have their vector, and of all.
            options: see `shitu.catalog.migration.migrate`.
        """
        with self._catalog_of_any_model() as catalog:
            describer = self._before(catalog) if back else self._beside(catalog, model, detector)
            summary = catalog.migrate(describer, progress=progress, **options)
        if "catalog" in self.__dict__:
            self.catalog.refresh()
            self._follow_the_gallery()
        return summary

    def drop_unused_spaces(self) -> list[Space]:
        """Forget the vectors that no migration needs any more; see `Catalog`."""
        with self._catalog_of_any_model() as catalog:
            return catalog.drop_unused_spaces()

    def _catalog_of_any_model(self) -> Catalog:
        from shitu.catalog import Catalog

        self._require_open()
        config = self.config
        choice = IndexChoice(config.index_kind, config.recall)
        return self._guarded(
            Catalog.open(Path(config.index), url=config.database, choice=choice, rule=self.rule_of)
        )

    def _beside(self, catalog: Catalog, model: str | None, detector: str | None) -> LazyDescriber:
        space = catalog.space
        now = Lineup() if space is None else lineup_of(space)
        return self._with(Lineup(model or now.feature, detector or now.detector))

    def _before(self, catalog: Catalog) -> LazyDescriber | Absent:
        from shitu.catalog.migration import Absent, previous_space

        space = previous_space(catalog.gallery)
        lineup = find_lineup(space)
        return Absent(space) if lineup is None else self._with(lineup)

    def _with(self, lineup: Lineup) -> LazyDescriber:
        return LazyDescriber(Networks(self.config, lineup).ready_for)

    def confirm(self, recognition_id: int, label: str | None = None) -> ConfirmSummary:
        """Make the crop of a logged recognition a reference; see `Catalog.confirm`."""
        self._require_own_space()
        return self.catalog.confirm(recognition_id, label)

    def reject(self, recognition_id: int, label: str | None = None) -> RejectSummary:
        """Remember that an item is no answer to a logged recognition; see `Catalog.reject`."""
        self._require_own_space()
        return self.catalog.reject(recognition_id, label)

    def add_golden(
        self,
        picture: str | Path,
        label: str | None,
        *,
        box: Box | None = None,
        whole_image: bool = False,
    ) -> GoldenSummary:
        """Keep a picture with its answer, None for unknown; see `Catalog.add_golden`."""
        path = path_of("picture", picture)
        self._require_own_space()
        return self.catalog.add_golden(path, label, box=box, whole_image=whole_image)

    def check_golden(self, golden_id: int | None = None) -> list[GoldenAnswer]:
        """Look all golden queries up, or one, as `recognize` would look up their crops."""
        self._require_own_space()
        every = self.catalog.check_golden()
        return [one for one in every if golden_id in {None, one.golden_id}]

    def force(self, forced: bool = True) -> None:
        """Let changes through that break golden queries; `broken` lists which they broke."""
        self.__dict__["forced"] = forced
        if "catalog" in self.__dict__:
            self._guarded(self.catalog)

    @cached_property
    def forced(self) -> bool:
        """Whether changes may break golden queries; see `force`."""
        return False

    @cached_property
    def broken(self) -> list[Broken]:
        """Golden queries that changes broke by force."""
        return []

    @cached_property
    def unchecked(self) -> set[int]:
        """Golden queries that could not be looked up, for want of a vector of the model."""
        return set()

    def close(self) -> None:
        """Close the gallery for good; what was committed is safe with or without this.

        Calls that are under way in other threads end as ever or raise `Closed`, as do all later
        ones.
        """
        with self._opening:
            self._closed = True
            opened = self._let_go()
        for one in opened:
            one.close()

    def _let_go(self) -> list[Any]:
        """Forget what was opened; returns what is to be closed of it."""
        self._drop(_OF_THE_MODELS)
        return [self.__dict__.pop(name) for name in _OPENED if name in self.__dict__]

    def _leave_to_the_parent(self) -> None:
        self._opening = RLock()  # somebody may have held it, who is not here
        _LEFT.append((self.__dict__.get("recognizer"), self._let_go()))

    def _require_open(self) -> None:
        if self._closed:
            raise Closed(CLOSED)

    def __enter__(self) -> Workspace:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _open_catalog(self, *, create: bool) -> Catalog:
        from shitu.catalog import Catalog

        config = self.config
        opened = Catalog.open(
            Path(config.index),
            LazyDescriber(self._networks_for),
            url=config.database,
            create=create,
            choice=IndexChoice(config.index_kind, config.recall),
            any_space=True,  # its items can be listed, whatever model made its vectors
            rule=self.rule_of,
        )
        return self._guarded(opened)

    def _guarded(self, catalog: Catalog) -> Catalog:
        guard = catalog.guard
        guard.forced, guard.broken, guard.unchecked = self.forced, self.broken, self.unchecked
        guard.points = self._golden_points(catalog)
        return catalog

    def _golden_points(self, catalog: Catalog) -> GoldenPoints | None:
        if self.config.verify == OFF:
            return None
        from shitu.catalog.golden_points import GoldenPoints

        config = self.config
        return GoldenPoints(catalog.gallery, config.verify, config.top_k, catalog.guard.folder)

    @property
    def lineup(self) -> Lineup:
        """The models in use: those of the settings, else those that the gallery was built with."""
        return self._networks.lineup

    @opened
    def _networks(self) -> Networks:
        lineup = self._lineup()
        started: HeadStart | None = self.__dict__.get("_started")
        loaded = None if started is None else started.networks_of(lineup)
        return loaded or Networks(self.config, lineup)

    def _make_a_start(
        self, photos: int, first: Path | bytes | None = None, *, whole_image: bool = False
    ) -> None:
        """Before the gallery is opened: load what sees the pictures in the background."""
        with self._opening:
            self._require_open()
            if {"catalog", "_networks", "_started"} & self.__dict__.keys() or photos >= SEVERAL:
                return
            lineup = self._likely_lineup()
            if lineup is not None:
                networks = Networks(self.config, lineup)
                started = HeadStart(networks, photos, first, whole_image=whole_image)
                self.__dict__["_started"] = started

    def _likely_lineup(self) -> Lineup | None:
        """The models that the gallery was most likely built with; None: it is to be opened."""
        likely = Lineup() if self._takes_the_gallerys_models else self._lineup()
        with contextlib.suppress(IndexFileError, ModelError):
            manifest = read_manifest(Path(self.config.index))
            if manifest is not None and manifest.space == likely.space().fingerprint:
                return likely
        return None

    def _lineup(self) -> Lineup:
        feature, detector = self.config.feature_model, self.config.detector_model
        if not self._takes_the_gallerys_models:
            return Lineup(feature or FEATURE_MODEL, detector or DETECTOR_MODEL)
        with contextlib.suppress(IndexNotFound):
            space = self.catalog.gallery.active_space()
            return (space and find_lineup(space)) or Lineup()
        return Lineup()

    @property
    def _takes_the_gallerys_models(self) -> bool:
        return self.config.feature_model is None and self.config.detector_model is None

    def _follow_the_gallery(self) -> None:
        """After a switch to another space: use its models, unless the settings name others."""
        if not self._takes_the_gallerys_models or "_networks" not in self.__dict__:
            return
        space = self.catalog.gallery.active_space()
        with self._opening:
            if space is not None and space != self._networks.space:
                self.__dict__["_networks"] = self._networks.of(self._lineup())
                self._drop(_OF_THE_MODELS)

    def _require_own_space(self) -> None:
        """Refuse to go on with other models than the gallery's, once it has been followed."""
        try:
            self.catalog.require_own_space()
        except SpaceMismatch:
            self.catalog.refresh()
            self._follow_the_gallery()
            self.catalog.require_own_space()

    def _drop(self, names: Sequence[str]) -> None:
        for name in names:
            self.__dict__.pop(name, None)


def _towards(total: int, progress: Progress | None) -> Callable[[int], None] | None:
    return None if progress is None else lambda done: progress(done, total)


def _part(path: Path, box: Box | None) -> Image:
    image = load_image(path)
    return image if box is None else crop(image, box)


def _image(picture: str | Path | bytes | Image) -> Image:
    source = Path(picture) if isinstance(picture, str) else picture
    if isinstance(source, (Path, bytes)):
        return load_image(source)
    if isinstance(source, np.ndarray):
        return as_image(source)
    raise ImageError(
        f"{type(picture).__name__} is no picture: give a path, the bytes of a file, or a uint8 RGB "
        "array (height, width, 3)"
    )
