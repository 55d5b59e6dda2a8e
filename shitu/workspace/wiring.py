"""Opens what the settings name and wires it together; the only place that does."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from threading import RLock
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakSet

from shitu._cached import cached_property
from shitu._forking import after_fork
from shitu.arguments import path_of
from shitu.config import DETECTOR_MODEL, FEATURE_MODEL, Config, load_config
from shitu.deciding import Rule
from shitu.describer import Describer
from shitu.errors import Closed, IndexFileError, IndexNotFound, ModelError, SpaceMismatch
from shitu.gallery import Space
from shitu.head_start import HeadStart
from shitu.index.kinds import IndexChoice
from shitu.index.manifest import read_manifest
from shitu.lazy_describer import LazyDescriber
from shitu.lineup import Lineup, find_lineup, lineup_of
from shitu.networks import SEVERAL, Networks
from shitu.opening import opened
from shitu.recognizer import Recognizer
from shitu.verifier.reranking import OFF, Verifier
from shitu.workers import CLOSED, Workers

if TYPE_CHECKING:
    from shitu.catalog import Catalog, PastGallery
    from shitu.catalog.as_of import Named
    from shitu.catalog.golden_guard import Broken
    from shitu.catalog.golden_points import GoldenPoints

Progress = Callable[[int, int], None]

_OF_THE_MODELS = ("recognizer", "_past", "_verifier")
_OPENED = ("_networks", "_started", "_checks", "catalog")

_ALIVE: WeakSet[Wiring] = WeakSet()
_LEFT: list[Any] = []

_Own = TypeVar("_Own", bound="Wiring")


def _after_fork() -> None:
    # Threads are gone, and connections are the parent's: neither is used here, nor ever closed.
    for one in list(_ALIVE):
        one._leave_to_the_parent()


after_fork(_after_fork)


class Wiring:
    """Gallery, index, networks and what they make together, each opened when it is first used.

    Threads may share it. Another process, forked or given a pickled copy, opens all of it anew.

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
    def of(cls: type[_Own], config: Config) -> _Own:
        """A workspace with exactly these settings; environment and files are not asked."""
        workspace = cls.__new__(cls)
        workspace._set_up(config)
        return workspace

    def __repr__(self) -> str:
        closed = ", closed" if self._closed else ""
        return f"<{type(self).__name__} {self.config.index!r}{closed}>"

    def __reduce__(self: _Own) -> tuple[Callable[[Config], _Own], tuple[Config]]:
        """For other processes: the settings, by which all is opened anew."""
        return type(self).of, (replace(self.config, index=str(self._folder)),)

    def _set_up(self, config: Config) -> None:
        self.config = config
        # As it is called here and now: it is opened later, and again by a child, after a `chdir`.
        self._folder = Path(config.index).absolute()
        self._opening = RLock()
        self._closed = False
        _ALIVE.add(self)

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

    def __enter__(self: _Own) -> _Own:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _drop(self, names: Sequence[str]) -> None:
        for name in names:
            self.__dict__.pop(name, None)

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

    def _open_catalog(self, *, create: bool) -> Catalog:
        from shitu.catalog import Catalog

        config = self.config
        opened = Catalog.open(
            self._folder,
            LazyDescriber(self._networks_for),
            url=config.database,
            create=create,
            choice=IndexChoice(config.index_kind, config.recall),
            any_space=True,  # its items can be listed, whatever model made its vectors
            rule=self.rule_of,
        )
        return self._guarded(opened)

    def _catalog_of_any_model(self) -> Catalog:
        from shitu.catalog import Catalog

        self._require_open()
        config = self.config
        choice = IndexChoice(config.index_kind, config.recall)
        return self._guarded(
            Catalog.open(self._folder, url=config.database, choice=choice, rule=self.rule_of)
        )

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

    def as_of(self, moment: Named) -> PastGallery:
        """Return the gallery as it was at a generation or date; the last one asked for is kept."""
        generation = self.catalog.generation_at(moment)
        kept: PastGallery | None = self.__dict__.get("_past")
        if kept is None or kept.generation != generation or not kept.lasts():
            kept = self.__dict__["_past"] = self.catalog.as_of(generation)
        return kept

    @property
    def lineup(self) -> Lineup:
        """The models in use: those of the settings, else those that the gallery was built with."""
        return self._networks.lineup

    def _lineup(self) -> Lineup:
        space = None
        if self._takes_the_gallerys_models:
            with contextlib.suppress(IndexNotFound):
                space = self.catalog.gallery.active_space()
        return self._lineup_for(space)

    def _lineup_for(self, space: Space | None) -> Lineup:
        """The models that look pictures up in this space."""
        if not self._takes_the_gallerys_models:
            feature, detector = self.config.feature_model, self.config.detector_model
            return Lineup(feature or FEATURE_MODEL, detector or DETECTOR_MODEL)
        return Lineup() if space is None else lineup_of(space)

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
            manifest = read_manifest(self._folder)
            if manifest is not None and manifest.space == likely.space().fingerprint:
                return likely
        return None

    # The recognizer holds the networks of one number of streams.

    def _use_streams(self, streams: int) -> None:
        if self._networks.use_streams(streams):
            self._drop(["recognizer"])

    def _networks_for(self, pictures: int) -> Networks:
        if self._networks.get_ready(pictures):
            self._drop(["recognizer"])
        return self._networks

    @property
    def describer(self) -> Describer:
        """Main body and embedding of pictures of one object."""
        return self._networks.describer

    @property
    def engine(self) -> str:
        """What runs the networks: of the settings, or what was found to be the fastest."""
        return self._networks.engine

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
        # Of a model that is not installed the threshold is not known.
        own = (find_lineup(space) or Lineup()).feature_spec().threshold
        return Rule(own, prototype_weight=config.prototype_weight, lead=config.lead)

    @property
    def threshold(self) -> float:
        """Score below which an answer is `unknown`: of the settings, else of the model."""
        wanted = self.config.threshold
        return self._networks.feature_spec.threshold if wanted is None else wanted

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


def towards(total: int, progress: Progress | None) -> Callable[[int], None] | None:
    """Progress of so many, told by how many are done."""
    return None if progress is None else lambda done: progress(done, total)
